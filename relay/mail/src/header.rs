//! Single header fields out of raw bytes, which stay untouched: a signature covers them.

/// Most octets of header read; what lies beyond is not looked at.
pub const MAX_HEADER: usize = 256 * 1024;
/// Most fields read.
pub const MAX_FIELDS: usize = 2000;

/// The header section of a message, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    bytes: &'a [u8],
}

/// One field: its name as written and its raw value, folds included, line end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name before the colon.
    pub name: &'a str,
    /// What follows the colon, with its folds.
    pub raw_value: &'a [u8],
}

/// Splits a message at its first empty line into header and body (RFC 5322 §2.1). A message
/// without an empty line is all header. Accepts CRLF and bare LF line ends.
pub fn split(message: &[u8]) -> (Header<'_>, &[u8]) {
    let mut start = 0;
    while start < message.len() {
        let end = line_end(message, start);
        let line = &message[start..end];
        if line == b"\r\n" || line == b"\n" {
            return (
                Header {
                    bytes: &message[..start],
                },
                &message[end..],
            );
        }
        start = end;
    }
    (Header { bytes: message }, &[])
}

impl<'a> Header<'a> {
    /// The section's bytes, without the empty line that ends it.
    pub fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The fields in order, at most [`MAX_FIELDS`] within [`MAX_HEADER`]. Lines that are not a
    /// field (no colon, a name that is not printable ASCII) are skipped.
    pub fn fields(self) -> impl Iterator<Item = Field<'a>> {
        let bytes = &self.bytes[..self.bytes.len().min(MAX_HEADER)];
        let mut start = 0;
        std::iter::from_fn(move || {
            while start < bytes.len() {
                let mut end = line_end(bytes, start);
                while matches!(bytes.get(end), Some(b' ' | b'\t')) {
                    end = line_end(bytes, end);
                }
                let field = parse_field(&bytes[start..end]);
                start = end;
                if field.is_some() {
                    return field;
                }
            }
            None
        })
        .take(MAX_FIELDS)
    }

    /// How many fields bear this name, in any case.
    pub fn count(self, name: &str) -> usize {
        self.fields().filter(|f| f.is(name)).count()
    }

    /// The unfolded, trimmed value of the first field of this name, when it is valid UTF-8.
    pub fn value(self, name: &str) -> Option<String> {
        self.fields().find(|f| f.is(name))?.value()
    }
}

impl Field<'_> {
    /// Whether the field bears this name; names compare without case (RFC 5322 §1.2.2).
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value with its folds undone (RFC 5322 §2.2.3) and outer white space removed.
    pub fn value(&self) -> Option<String> {
        let text = std::str::from_utf8(self.raw_value).ok()?;
        Some(text.replace(['\r', '\n'], "").trim().to_owned())
    }
}

/// The index after the line that starts at `start`.
fn line_end(bytes: &[u8], start: usize) -> usize {
    bytes[start..]
        .iter()
        .position(|b| *b == b'\n')
        .map_or(bytes.len(), |at| start + at + 1)
}

fn parse_field(line: &[u8]) -> Option<Field<'_>> {
    let colon = line.iter().position(|b| *b == b':')?;
    let name = std::str::from_utf8(&line[..colon]).ok()?.trim_end();
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let mut raw_value = &line[colon + 1..];
    while let [rest @ .., b'\r' | b'\n'] = raw_value {
        raw_value = rest;
    }
    Some(Field { name, raw_value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MESSAGE: &[u8] =
        b"From: a@x.test\r\nSubject: one\r\n two\r\nnonsense\r\nTo: b@x.test\r\n\r\nbody: no\r\n";

    #[test]
    fn folded_fields_are_unfolded_and_the_body_is_apart() {
        let (header, body) = split(MESSAGE);
        assert_eq!(header.value("subject").as_deref(), Some("one two"));
        assert_eq!(header.value("To").as_deref(), Some("b@x.test"));
        assert_eq!(header.value("body"), None);
        assert_eq!(body, b"body: no\r\n");
    }

    proptest! {
        #[test]
        fn splitting_loses_no_byte(message in proptest::collection::vec(any::<u8>(), 0..400)) {
            let (header, body) = split(&message);
            prop_assert!(message.starts_with(header.as_bytes()));
            prop_assert!(message.ends_with(body));
            prop_assert!(message.len() - header.as_bytes().len() - body.len() <= 2);
            prop_assert!(header.fields().count() <= MAX_FIELDS);
        }
    }
}
