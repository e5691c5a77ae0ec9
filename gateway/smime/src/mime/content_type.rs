//! `Content-Type` (RFC 2045 §5.1), as far as S/MIME reads it.

use std::borrow::Cow;

use super::MimeError;

/// A media type with its parameters, names in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContentType {
    /// `type/subtype` in lower case.
    pub(crate) essence: String,
    parameters: Vec<(String, String)>,
}

impl ContentType {
    /// Reads an unfolded value.
    pub(crate) fn read(value: &[u8]) -> Result<Self, MimeError> {
        let text = String::from_utf8_lossy(value);
        let text = without_comments(&text);
        let mut pieces = split_parameters(&text);
        let essence = pieces.next().unwrap_or_default().to_ascii_lowercase();
        if essence.split('/').filter(|half| !half.is_empty()).count() != 2 {
            return Err(MimeError::Malformed("a Content-Type is not type/subtype"));
        }
        let mut parameters: Vec<(String, String)> = Vec::new();
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            let Some((name, value)) = piece.split_once('=') else {
                continue;
            };
            let name = name.trim().to_ascii_lowercase();
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(MimeError::Malformed(
                    "a Content-Type parameter occurs twice",
                ));
            }
            parameters.push((name, unquote(value.trim())));
        }
        Ok(Self {
            essence,
            parameters,
        })
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether this is a CMS object (RFC 8551 §3.2), by either of its names.
    pub(crate) fn is_pkcs7_mime(&self) -> bool {
        matches!(
            self.essence.as_str(),
            "application/pkcs7-mime" | "application/x-pkcs7-mime"
        )
    }

    /// Whether this is a detached CMS signature (RFC 8551 §3.5.3), by either of its names.
    pub(crate) fn is_pkcs7_signature(&self) -> bool {
        matches!(
            self.essence.as_str(),
            "application/pkcs7-signature" | "application/x-pkcs7-signature"
        )
    }

    /// The value without the parameter `name`, the others as they are written.
    pub(crate) fn without(value: &[u8], name: &str) -> Vec<u8> {
        let text = String::from_utf8_lossy(value);
        let text = without_comments(&text);
        let mut kept = String::with_capacity(text.len() + 8);
        for (position, piece) in split_parameters(&text).enumerate() {
            let named = piece.split('=').next().unwrap_or_default().trim();
            if position == 0 {
                kept.push_str(piece);
            } else if !piece.is_empty() && !named.eq_ignore_ascii_case(name) {
                kept.push_str("; ");
                kept.push_str(piece);
            }
        }
        kept.into_bytes()
    }
}

/// The value without its comments (RFC 5322 §3.2.2).
fn without_comments(text: &str) -> Cow<'_, str> {
    if !text.contains('(') {
        return text.into();
    }
    let mut kept = String::with_capacity(text.len());
    let mut quoted = false;
    let mut comments = 0usize;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' if quoted || comments > 0 => {
                let escaped = chars.next();
                if comments == 0 {
                    kept.push(c);
                    kept.extend(escaped);
                }
            }
            '"' if comments == 0 => {
                quoted = !quoted;
                kept.push(c);
            }
            '(' if !quoted => comments += 1,
            ')' if !quoted && comments > 0 => comments -= 1,
            _ if comments > 0 => {}
            _ => kept.push(c),
        }
    }
    kept.into()
}

/// The pieces between semicolons, quotes kept.
fn split_parameters(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let (mut quoted, mut escaped) = (false, false);
        let end = text.bytes().position(|octet| {
            match octet {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b';' if !quoted => return true,
                _ => {}
            }
            false
        });
        rest = end.map(|end| &text[end + 1..]);
        Some(text[..end.unwrap_or(text.len())].trim())
    })
}

fn unquote(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else {
        return value.to_owned();
    };
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.extend(chars.next()),
            _ => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_quotes_and_comments_are_read() {
        let read = ContentType::read(
            br#"Multipart/Signed (a; comment); Boundary="a;b\"c"; micalg=sha-256; protocol=x"#,
        )
        .unwrap();
        assert_eq!(read.essence, "multipart/signed");
        assert_eq!(read.parameter("boundary"), Some("a;b\"c"));
        assert_eq!(read.parameter("micalg"), Some("sha-256"));
    }

    #[test]
    fn a_parameter_twice_is_refused() {
        assert!(ContentType::read(b"multipart/signed; boundary=a; boundary=b").is_err());
        assert!(ContentType::read(b"text").is_err());
    }

    #[test]
    fn one_parameter_is_removed_and_the_others_stay_as_written() {
        let left = ContentType::without(br#"text/plain; charset="utf-8"; HP="cipher"; x=1"#, "hp");
        assert_eq!(left, br#"text/plain; charset="utf-8"; x=1"#);
    }
}
