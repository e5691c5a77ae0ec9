//! Header sections: fields as received, in their order.

use std::sync::LazyLock;

use mail_parser::MessageParser;
use memchr::{memchr, memchr3};

use super::{ContentType, MimeError};
use crate::limits::Limits;

/// The header section of a message or body part, borrowed from the octets.
#[derive(Clone)]
pub(crate) struct Entity<'a> {
    pub(crate) fields: Vec<Field<'a>>,
}

/// One header field (RFC 5322 §2.2). `value` is what follows the colon, folds included, without
/// the last line ending.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a [u8],
}

impl<'a> Field<'a> {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// Whether the field describes the body part rather than the message (RFC 9788 §1.1).
    pub(crate) fn is_structural(&self) -> bool {
        self.is("MIME-Version")
            || self
                .name
                .get(..8)
                .is_some_and(|start| start.eq_ignore_ascii_case("content-"))
    }

    /// The value on one line, surrounding and folding white space reduced: for comparison.
    pub(crate) fn unfolded(&self) -> Vec<u8> {
        unfold(self.value)
    }

    /// Appends the field with CRLF line endings.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        field_line(out, self.name, self.value);
    }
}

impl<'a> Entity<'a> {
    /// Splits a header section into fields, up to its blank line. Accepts LF line endings beside
    /// CRLF.
    pub(crate) fn read(octets: &'a [u8], limits: &Limits) -> Result<Self, MimeError> {
        let mut fields = Vec::new();
        let mut position = 0;
        while position < octets.len() {
            let (line, next) = line_at(octets, position);
            if line.is_empty() {
                break;
            }
            if next > limits.header_octets {
                return Err(MimeError::TooLarge {
                    what: "octets of a header section",
                    limit: limits.header_octets,
                });
            }
            let mut end = position + line.len();
            let mut after = next;
            // RFC 5322 §2.2.3: a line that starts with white space continues the field.
            while after < octets.len() && matches!(octets[after], b' ' | b'\t') {
                let (line, next) = line_at(octets, after);
                end = after + line.len();
                after = next;
                if after > limits.header_octets {
                    return Err(MimeError::TooLarge {
                        what: "octets of a header section",
                        limit: limits.header_octets,
                    });
                }
            }
            if fields.len() >= limits.header_fields {
                return Err(MimeError::TooLarge {
                    what: "header fields",
                    limit: limits.header_fields,
                });
            }
            fields.push(field(&octets[position..end])?);
            position = after;
        }
        Ok(Self { fields })
    }

    /// The only field of this name; two of them are an error, because readers disagree on which
    /// one counts.
    pub(crate) fn single(&self, name: &'static str) -> Result<Option<&Field<'a>>, MimeError> {
        let mut found = self.fields.iter().filter(|f| f.is(name));
        let first = found.next();
        if found.next().is_some() {
            return Err(MimeError::Malformed(
                "a header field that must be unique occurs twice",
            ));
        }
        Ok(first)
    }

    /// The content type; absent, `None`, which means text/plain (RFC 2045 §5.2).
    pub(crate) fn content_type(&self) -> Result<Option<ContentType>, MimeError> {
        self.single("Content-Type")?
            .map(|f| ContentType::read(&f.unfolded()))
            .transpose()
    }
}

/// Appends `name: value` with CRLF line endings, whatever those of the value are. A lone CR and
/// NUL become spaces: some readers take them for the end of a line, and so for a new field.
pub(crate) fn field_line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    if !value.first().is_some_and(u8::is_ascii_whitespace) {
        out.push(b' ');
    }
    let mut rest = value;
    while let Some(at) = memchr3(b'\n', b'\r', 0, rest) {
        out.extend_from_slice(&rest[..at]);
        match &rest[at..] {
            [b'\n', ..] => out.extend_from_slice(b"\r\n"),
            [b'\r', b'\n', ..] => {}
            _ => out.push(b' '),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.extend_from_slice(b"\r\n");
}

/// The addresses of a From field, in lower case domains as written; `None` if it is unreadable.
pub(crate) fn addresses(value: &[u8]) -> Option<Vec<String>> {
    static PARSER: LazyLock<MessageParser> = LazyLock::new(MessageParser::new);
    let line = [b"From:", value, b"\r\n\r\n"].concat();
    let message = PARSER.parse_headers(&line)?;
    let list: Vec<String> = message
        .from()?
        .iter()
        .map(|addr| addr.address().unwrap_or_default().trim().to_owned())
        .collect();
    list.iter()
        .all(|address| is_plausible(address))
        .then_some(list)
}

/// One `@` at least, both sides present, nothing that displays as something else.
fn is_plausible(address: &str) -> bool {
    address
        .rsplit_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        && address.chars().all(|c| c.is_ascii_graphic() || c == ' ')
}

fn field(line: &[u8]) -> Result<Field<'_>, MimeError> {
    const BAD: MimeError = MimeError::Malformed("a header line is not a field");
    let colon = line.iter().position(|o| *o == b':').ok_or(BAD)?;
    // RFC 5322 §4.5: obsolete white space before the colon.
    let name = line[..colon].trim_ascii_end();
    if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
        return Err(BAD);
    }
    let name = std::str::from_utf8(name).map_err(|_| BAD)?;
    Ok(Field {
        name,
        value: &line[colon + 1..],
    })
}

/// The line at `position` without its ending, and where the next one starts.
fn line_at(octets: &[u8], position: usize) -> (&[u8], usize) {
    let rest = &octets[position..];
    match memchr(b'\n', rest) {
        Some(lf) => {
            let line = rest[..lf].strip_suffix(b"\r").unwrap_or(&rest[..lf]);
            (line, position + lf + 1)
        }
        None => (rest, octets.len()),
    }
}

fn unfold(value: &[u8]) -> Vec<u8> {
    let words = value
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let mut line = Vec::with_capacity(value.len());
    for word in words {
        if !line.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(word);
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn folds_and_both_line_endings_are_read() {
        let octets = b"Subject: a\r\n\tb\nX-Empty:\r\n\r\nbody\r\n";
        let entity = Entity::read(octets, &Limits::default()).unwrap_or_else(|_| panic!("reads"));
        assert_eq!(entity.fields.len(), 2);
        assert_eq!(entity.fields[0].unfolded(), b"a b");
    }

    #[test]
    fn a_line_without_a_colon_is_refused() {
        assert!(Entity::read(b"Subject\r\n\r\n", &Limits::default()).is_err());
        assert!(Entity::read(b"Sub ject: x\r\n\r\n", &Limits::default()).is_err());
    }

    #[test]
    fn a_lone_carriage_return_starts_no_field() {
        let mut out = Vec::new();
        field_line(&mut out, "To", b" a\rBcc: b\n c\r\n d\0");
        assert_eq!(out, b"To: a Bcc: b\r\n c\r\n d \r\n");
    }

    #[test]
    fn a_giant_header_is_refused() {
        let mut octets = b"X: ".to_vec();
        octets.resize(300 * 1024, b'a');
        let refused = Entity::read(&octets, &Limits::default()).err();
        assert!(matches!(refused, Some(MimeError::TooLarge { .. })));
    }

    #[test]
    fn from_yields_addresses_only() {
        let one = addresses(b" \"M. Anne Untel <faux@autre.test>\" <anne@cabinet.test>");
        assert_eq!(one, Some(vec!["anne@cabinet.test".to_owned()]));
        let two = addresses(b" a@x.test, b@x.test");
        assert_eq!(two.map(|l| l.len()), Some(2));
        assert_eq!(addresses(b" nobody"), None);
        let display = addresses(b" faux@autre.test <anne@cabinet.test>");
        assert_eq!(display, Some(vec!["anne@cabinet.test".to_owned()]));
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused(octets: Vec<u8>) {
            let _ = Entity::read(&octets, &Limits::default());
            let _ = addresses(&octets);
        }
    }
}
