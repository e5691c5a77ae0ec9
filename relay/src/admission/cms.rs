//! Whether octets begin like an enveloped CMS object (RFC 5652 §3, RFC 5083 §2).
//!
//! Four elements are looked at and nothing is decoded beyond them: the relay needs to know that
//! the content is sealed, not how.

/// `id-envelopedData`, 1.2.840.113549.1.7.3 (RFC 5652 §6.1).
const ENVELOPED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03];
/// `id-ct-authEnvelopedData`, 1.2.840.113549.1.9.16.1.23 (RFC 5083 §2.1).
const AUTH_ENVELOPED: &[u8] = &[
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17,
];
/// How many octets [`is_enveloped`] needs at most: three heads of six and the longer identifier.
pub(super) const LOOKED_AT: usize = 48;

/// Whether `start`, the first octets of an object of `total` octets, begins a `ContentInfo` with
/// enveloped content. Lengths may be definite (DER, BER) or indefinite (BER, as streaming
/// programs write them); definite ones must agree with one another and with `total`.
pub(super) fn is_enveloped(start: &[u8], total: usize) -> bool {
    read(start, total).is_some()
}

fn read(start: &[u8], total: usize) -> Option<()> {
    // ContentInfo ::= SEQUENCE { contentType, content [0] EXPLICIT } and nothing after it.
    let (info, rest) = head(start, 0x30)?;
    let room = total.checked_sub(start.len() - rest.len())?;
    let info_len = inside(info, room)?;
    if matches!(info, Length::Definite(len) if len != room) {
        return None;
    }
    let (oid, after) = head(rest, 0x06)?;
    let Length::Definite(oid_len) = oid else {
        return None;
    };
    let (oid, content) = after.split_at_checked(oid_len)?;
    if oid != ENVELOPED && oid != AUTH_ENVELOPED {
        return None;
    }
    let used = rest.len() - content.len();
    let (explicit, inner) = head(content, 0xa0)?;
    let left = info_len.checked_sub(used + (content.len() - inner.len()))?;
    let explicit_len = inside(explicit, left)?;
    // EnvelopedData and AuthEnvelopedData are both a SEQUENCE.
    let (data, after) = head(inner, 0x30)?;
    inside(data, explicit_len.checked_sub(inner.len() - after.len())?)?;
    Some(())
}

#[derive(Clone, Copy)]
enum Length {
    Definite(usize),
    Indefinite,
}

/// The octets that an element may hold, if it fits in `room`.
fn inside(length: Length, room: usize) -> Option<usize> {
    match length {
        Length::Definite(len) => (len <= room).then_some(len),
        // Two octets end it (X.690 §8.1.5).
        Length::Indefinite => room.checked_sub(2),
    }
}

/// Reads an element's tag and length (X.690 §8.1); at most four length octets.
fn head(bytes: &[u8], tag: u8) -> Option<(Length, &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    match first {
        0x80 => Some((Length::Indefinite, rest)),
        0..0x80 => Some((Length::Definite(first.into()), rest)),
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let len = octets.iter().try_fold(0_usize, |len, octet| {
                len.checked_mul(256)?.checked_add(usize::from(*octet))
            })?;
            Some((Length::Definite(len), rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag, 0x82];
        bytes.extend_from_slice(&u16::try_from(content.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(content);
        bytes
    }

    fn der(oid: &[u8]) -> Vec<u8> {
        let mut short = vec![0x06, u8::try_from(oid.len()).unwrap()];
        short.extend_from_slice(oid);
        short.extend(element(0xa0, &element(0x30, &[0; 300])));
        element(0x30, &short)
    }

    fn streamed(oid: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x30, 0x80, 0x06, u8::try_from(oid.len()).unwrap()];
        bytes.extend_from_slice(oid);
        bytes.extend([0xa0, 0x80, 0x30, 0x80]);
        bytes.extend([0; 300]);
        bytes
    }

    fn seen(bytes: &[u8]) -> bool {
        is_enveloped(&bytes[..bytes.len().min(LOOKED_AT)], bytes.len())
    }

    #[test]
    fn enveloped_content_is_known_in_der_and_in_streamed_ber() {
        for oid in [ENVELOPED, AUTH_ENVELOPED] {
            assert!(seen(&der(oid)));
            assert!(seen(&streamed(oid)));
        }
    }

    #[test]
    fn signed_or_plain_data_is_not_enveloped() {
        let signed = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
        assert!(!seen(&der(&signed)));
        assert!(!seen(&streamed(&signed)));
        assert!(!seen(b"Patient: nobody, a plain text"));
        assert!(!seen(b""));
    }

    #[test]
    fn lengths_that_disagree_are_refused() {
        let whole = der(ENVELOPED);
        let mut longer = whole.clone();
        longer.extend_from_slice(b"and a plain text after it");
        assert!(!seen(&longer));
        assert!(!seen(&whole[..whole.len() - 1]));
        let mut inner = whole;
        inner[18] = 0xff;
        assert!(!seen(&inner));
    }

    proptest! {
        #[test]
        fn no_input_makes_the_reader_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..LOOKED_AT),
            total in any::<u16>(),
        ) {
            let _ = is_enveloped(&bytes, usize::from(total));
        }
    }
}
