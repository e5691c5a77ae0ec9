//! Folder names on the wire: modified UTF-7 (RFC 3501 §5.1.3).

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// Encodes a name: ASCII as it is, `&` as `&-`, the rest as UTF-16 in base64.
pub(crate) fn encode(name: &str) -> String {
    let mut wire = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let plain = |c: char| (' '..='~').contains(&c);
        let end = rest
            .find(|c: char| plain(c) != plain(first))
            .unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if plain(first) {
            wire.push_str(&run.replace('&', "&-"));
        } else {
            let utf16: Vec<u8> = run.encode_utf16().flat_map(u16::to_be_bytes).collect();
            wire.push('&');
            wire.push_str(&BASE64.encode(utf16));
            wire.push('-');
        }
        rest = after;
    }
    wire
}

/// Decodes a name. UTF-8 is taken as it is: some clients send it. `None` when it is neither.
pub(crate) fn decode(wire: &[u8]) -> Option<String> {
    let mut rest = std::str::from_utf8(wire).ok()?;
    let mut name = String::with_capacity(rest.len());
    while let Some((plain, after)) = rest.split_once('&') {
        name.push_str(plain);
        let (run, after) = after.split_once('-')?;
        if run.is_empty() {
            name.push('&');
        } else {
            let octets = BASE64.decode(run).ok()?;
            let (units, []) = octets.as_chunks::<2>() else {
                return None;
            };
            let units: Vec<u16> = units.iter().map(|two| u16::from_be_bytes(*two)).collect();
            name.push_str(&String::from_utf16(&units).ok()?);
        }
        rest = after;
    }
    name.push_str(rest);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_the_standard_hold() {
        assert_eq!(
            encode("~peter/mail/台北/日本語"),
            "~peter/mail/&U,BTFw-/&ZeVnLIqe-"
        );
        assert_eq!(encode("Envoyés"), "Envoy&AOk-s");
        assert_eq!(encode("A&B"), "A&-B");
    }

    #[test]
    fn what_is_not_a_name_is_refused() {
        for wire in ["&", "&AOk", "&A-", "&AOkA-", "&2AA-"] {
            assert_eq!(decode(wire.as_bytes()), None, "{wire}");
        }
        assert_eq!(decode(b"\xff"), None);
        assert_eq!(decode("é".as_bytes()).as_deref(), Some("é"));
    }

    proptest! {
        #[test]
        fn every_name_survives(name in ".*") {
            let wire = encode(&name);
            prop_assert!(wire.bytes().all(|b| (b' '..=b'~').contains(&b)));
            let decoded = decode(wire.as_bytes());
            prop_assert_eq!(decoded.as_deref(), Some(name.as_str()));
        }
    }
}
