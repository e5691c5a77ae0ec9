//! Bodies: transfer encodings, the two parts of multipart/signed, canonical line endings.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{ContentType, Entity, MimeError};

/// Base64 whose last padding may be missing, as some senders leave it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The octets of a CMS body, its transfer encoding undone.
pub(crate) fn decode_body<'a>(entity: &Entity<'a>) -> Result<Cow<'a, [u8]>, MimeError> {
    let encoding = entity
        .single("Content-Transfer-Encoding")?
        .map(|f| f.unfolded().to_ascii_lowercase())
        .unwrap_or_default();
    match encoding.as_slice() {
        b"base64" => decode_base64(entity.body).map(Cow::Owned),
        // Without a true encoding the octets are DER or BER: a SEQUENCE.
        b"" | b"binary" | b"8bit" | b"7bit" if entity.body.first() == Some(&0x30) => {
            Ok(Cow::Borrowed(entity.body))
        }
        _ => Err(MimeError::Malformed(
            "a CMS body is neither base64 nor binary",
        )),
    }
}

fn decode_base64(body: &[u8]) -> Result<Vec<u8>, MimeError> {
    let text: Vec<u8> = body
        .iter()
        .copied()
        .filter(|o| !o.is_ascii_whitespace())
        .collect();
    LENIENT
        .decode(text)
        .map_err(|_| MimeError::Malformed("a body is not base64"))
}

/// Appends octets in base64, 76 characters a line (RFC 2045 §6.8).
pub(crate) fn base64_lines(octets: &[u8], out: &mut Vec<u8>) {
    out.reserve(octets.len().div_ceil(57) * 78);
    let mut line = [0u8; 76];
    for chunk in octets.chunks(57) {
        let written = base64::engine::general_purpose::STANDARD
            .encode_slice(chunk, &mut line)
            .unwrap_or_default();
        out.extend_from_slice(&line[..written]);
        out.extend_from_slice(b"\r\n");
    }
}

/// The two parts of a multipart/signed body, as signed: without the line ending that belongs to
/// the delimiter (RFC 1847 §2.1, RFC 2046 §5.1.1). Any other number of parts is refused.
pub(crate) fn two_parts<'a>(
    entity: &Entity<'a>,
    content_type: &ContentType,
) -> Result<(&'a [u8], &'a [u8]), MimeError> {
    const COUNT: MimeError = MimeError::Malformed("multipart/signed does not have two parts");
    let boundary = content_type
        .parameter("boundary")
        .filter(|b| !b.is_empty() && b.len() <= 200)
        .ok_or(MimeError::Malformed("multipart/signed without a boundary"))?;
    let mut delimiters = Delimiters {
        body: entity.body,
        boundary: boundary.as_bytes(),
        from: 0,
    };
    let first = delimiters.next().ok_or(COUNT)?;
    let second = delimiters.next().ok_or(COUNT)?;
    let last = delimiters.next().ok_or(COUNT)?;
    if first.closes || second.closes || !last.closes {
        return Err(COUNT);
    }
    let part = |from: usize, to: usize| entity.body.get(from..to).ok_or(COUNT);
    Ok((
        part(first.end, second.start)?,
        part(second.end, last.start)?,
    ))
}

struct Delimiters<'a> {
    body: &'a [u8],
    boundary: &'a [u8],
    from: usize,
}

/// A delimiter line. `start` is before the line ending that precedes it, `end` after its own.
struct Delimiter {
    start: usize,
    end: usize,
    closes: bool,
}

impl Iterator for Delimiters<'_> {
    type Item = Delimiter;

    fn next(&mut self) -> Option<Delimiter> {
        while self.from < self.body.len() {
            let line_start = self.from;
            let rest = &self.body[line_start..];
            let length = rest
                .iter()
                .position(|o| *o == b'\n')
                .map_or(rest.len(), |lf| lf + 1);
            self.from += length;
            let after = rest[..length]
                .strip_prefix(b"--")
                .and_then(|line| line.strip_prefix(self.boundary));
            let Some(after) = after else { continue };
            let after = after.trim_ascii_end();
            if after.is_empty() || after == b"--" {
                let before = &self.body[..line_start];
                let before = before.strip_suffix(b"\n").unwrap_or(before);
                let before = before.strip_suffix(b"\r").unwrap_or(before);
                return Some(Delimiter {
                    start: before.len(),
                    end: self.from,
                    closes: !after.is_empty(),
                });
            }
        }
        None
    }
}

/// The octets with every bare LF made CRLF, the form that RFC 8551 §3.1.1 signs.
pub(crate) fn canonical(octets: &[u8]) -> Cow<'_, [u8]> {
    let is_bare = |(i, o): (usize, &u8)| *o == b'\n' && (i == 0 || octets[i - 1] != b'\r');
    let bare = octets
        .iter()
        .enumerate()
        .filter(|pair| is_bare(*pair))
        .count();
    if bare == 0 {
        return Cow::Borrowed(octets);
    }
    let mut out = Vec::with_capacity(octets.len() + bare);
    for (i, octet) in octets.iter().enumerate() {
        if is_bare((i, octet)) {
            out.push(b'\r');
        }
        out.push(*octet);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn parts(octets: &[u8]) -> Result<(Vec<u8>, Vec<u8>), MimeError> {
        let entity = Entity::read(octets, &Limits::default())?;
        let content_type = entity.content_type()?.unwrap();
        two_parts(&entity, &content_type).map(|(a, b)| (a.to_vec(), b.to_vec()))
    }

    #[test]
    fn the_line_ending_before_a_delimiter_is_not_signed() {
        let (first, second) = parts(
            b"Content-Type: multipart/signed; boundary=b\r\n\r\npreamble\r\n--b\r\nA: 1\r\n\r\n\
              text\r\n\r\n--b \r\nB: 2\r\n\r\nx\r\n--b--\r\nepilogue",
        )
        .unwrap();
        assert_eq!(first, b"A: 1\r\n\r\ntext\r\n");
        assert_eq!(second, b"B: 2\r\n\r\nx");
    }

    #[test]
    fn one_or_three_parts_are_refused() {
        let head = b"Content-Type: multipart/signed; boundary=b\r\n\r\n".to_vec();
        for body in [
            "--b\r\nx\r\n--b--\r\n",
            "--b\r\n1\r\n--b\r\n2\r\n--b\r\n3\r\n--b--",
            "--b\r\n1\r\n--b\r\n2",
        ] {
            let octets = [&head[..], body.as_bytes()].concat();
            assert!(parts(&octets).is_err(), "{body}");
        }
    }

    #[test]
    fn base64_lines_decode_again() {
        for length in [0usize, 1, 56, 57, 58, 1000] {
            let octets: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let mut text = Vec::new();
            base64_lines(&octets, &mut text);
            assert!(text.split(|o| *o == b'\n').all(|line| line.len() <= 77));
            assert_eq!(decode_base64(&text).unwrap(), octets);
        }
    }

    #[test]
    fn only_bare_line_feeds_change() {
        assert_eq!(canonical(b"a\nb\r\n\n").as_ref(), b"a\r\nb\r\n\r\n");
        assert!(matches!(canonical(b"a\r\nb"), Cow::Borrowed(_)));
    }
}
