//! ASN.1 values as octets.

use const_oid::ObjectIdentifier;

/// A value of definite length.
pub(crate) fn tlv(tag: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let octets = length.to_be_bytes();
        let skip = octets.iter().take_while(|o| **o == 0).count();
        out.push(0x80 | (octets.len() - skip) as u8);
        out.extend_from_slice(&octets[skip..]);
    }
    out.extend_from_slice(content);
    out
}

/// A constructed value of indefinite length.
pub(crate) fn indefinite(tag: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = vec![tag, 0x80];
    out.extend_from_slice(content.as_ref());
    out.extend_from_slice(&[0, 0]);
    out
}

pub(crate) fn seq(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, parts.concat())
}

/// SET, in the order given.
pub(crate) fn set(parts: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x31, parts.concat())
}

/// SET OF in DER: sorted.
pub(crate) fn set_of(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut sorted = parts.to_vec();
    sorted.sort();
    set(&sorted)
}

pub(crate) fn oid(text: &str) -> Vec<u8> {
    tlv(0x06, ObjectIdentifier::new_unwrap(text).as_bytes())
}

/// An algorithm without parameters.
pub(crate) fn algorithm(text: &str) -> Vec<u8> {
    seq(&[oid(text)])
}

/// A non-negative INTEGER.
pub(crate) fn int(value: u64) -> Vec<u8> {
    let octets = value.to_be_bytes();
    let skip = octets.iter().take(7).take_while(|o| **o == 0).count();
    let mut content = octets[skip..].to_vec();
    if content[0] & 0x80 != 0 {
        content.insert(0, 0);
    }
    tlv(0x02, content)
}

pub(crate) fn octets(content: impl AsRef<[u8]>) -> Vec<u8> {
    tlv(0x04, content)
}

pub(crate) fn bits(content: impl AsRef<[u8]>) -> Vec<u8> {
    tlv(0x03, [&[0], content.as_ref()].concat())
}

pub(crate) fn null() -> Vec<u8> {
    vec![5, 0]
}

/// `[n]`, constructed.
pub(crate) fn ctx(n: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    tlv(0xa0 | n, content)
}

/// `[n]`, primitive.
pub(crate) fn ctx_primitive(n: u8, content: impl AsRef<[u8]>) -> Vec<u8> {
    tlv(0x80 | n, content)
}

/// UTCTime of a Unix time.
pub(crate) fn utc_time(unix: i64) -> Vec<u8> {
    let t = time::OffsetDateTime::from_unix_timestamp(unix).unwrap();
    let text = format!(
        "{:02}{:02}{:02}{:02}{:02}{:02}Z",
        t.year() % 100,
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second()
    );
    tlv(0x17, text)
}
