//! ENVELOPE and BODYSTRUCTURE (RFC 3501 §7.4.2), values as they were written in the header.

use super::mime::{Inside, Part, with_parameters};
use super::write::{nstring, string, text};

/// Most addresses of one field.
const MAX_ADDRESSES: usize = 1000;

/// Writes the ENVELOPE of a message.
pub(crate) fn envelope(out: &mut Vec<u8>, message: &Part<'_>) {
    out.push(b'(');
    nstring(out, message.field("Date").as_deref());
    out.push(b' ');
    nstring(out, message.field("Subject").as_deref());
    let from = addresses(message, "From");
    // Sender and Reply-To default to From (RFC 3501 §7.4.2).
    for name in ["From", "Sender", "Reply-To", "To", "Cc", "Bcc"] {
        out.push(b' ');
        let mut list = addresses(message, name);
        if list.is_empty() && matches!(name, "Sender" | "Reply-To") {
            list.clone_from(&from);
        }
        write_addresses(out, &list);
    }
    for name in ["In-Reply-To", "Message-ID"] {
        out.push(b' ');
        nstring(out, message.field(name).as_deref());
    }
    out.push(b')');
}

/// Writes the BODY or BODYSTRUCTURE of a part; the latter has the extension data.
pub(crate) fn body(out: &mut Vec<u8>, part: &Part<'_>, extended: bool) {
    out.push(b'(');
    if let Inside::Multipart(parts) = &part.inside {
        for part in parts {
            body(out, part, extended);
        }
        out.push(b' ');
        upper(out, &part.media.subtype);
        if extended {
            out.push(b' ');
            parameters(out, &part.media.parameters);
            extension(out, part);
        }
    } else {
        single(out, part, extended);
    }
    out.push(b')');
}

fn single(out: &mut Vec<u8>, part: &Part<'_>, extended: bool) {
    upper(out, &part.media.kind);
    out.push(b' ');
    upper(out, &part.media.subtype);
    out.push(b' ');
    parameters(out, &part.media.parameters);
    for name in ["Content-ID", "Content-Description"] {
        out.push(b' ');
        nstring(out, part.field(name).as_deref());
    }
    out.push(b' ');
    let encoding = part.field("Content-Transfer-Encoding");
    let encoding = encoding.as_deref().filter(|value| !value.is_empty());
    string(out, &encoding.unwrap_or(b"7BIT").to_ascii_uppercase());
    text(out, &format!(" {}", part.body.len()));
    if let Inside::Message(inner) = &part.inside {
        out.push(b' ');
        envelope(out, inner);
        out.push(b' ');
        body(out, inner, extended);
    }
    if part.media.kind == "text" || matches!(part.inside, Inside::Message(_)) {
        let lines = part.body.iter().filter(|b| **b == b'\n').count();
        text(out, &format!(" {lines}"));
    }
    if extended {
        out.push(b' ');
        nstring(out, part.field("Content-MD5").as_deref());
        extension(out, part);
    }
}

/// Disposition, language and location.
fn extension(out: &mut Vec<u8>, part: &Part<'_>) {
    match part.field("Content-Disposition") {
        Some(value) if !value.is_empty() => {
            let (value, list) = with_parameters(&value);
            text(out, " (");
            string(out, value.to_ascii_uppercase().as_bytes());
            out.push(b' ');
            parameters(out, &list);
            out.push(b')');
        }
        _ => text(out, " NIL"),
    }
    out.push(b' ');
    nstring(out, part.field("Content-Language").as_deref());
    out.push(b' ');
    nstring(out, part.field("Content-Location").as_deref());
}

fn parameters(out: &mut Vec<u8>, list: &[(String, Vec<u8>)]) {
    if list.is_empty() {
        text(out, "NIL");
        return;
    }
    out.push(b'(');
    for (at, (name, value)) in list.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        string(out, name.to_ascii_uppercase().as_bytes());
        out.push(b' ');
        string(out, value);
    }
    out.push(b')');
}

fn upper(out: &mut Vec<u8>, value: &str) {
    string(out, value.to_ascii_uppercase().as_bytes());
}

/// One structure of an address list: a person, or the start (`host` is `None`) or end (`mailbox`
/// too) of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Mention {
    name: Option<Vec<u8>>,
    mailbox: Option<Vec<u8>>,
    host: Option<Vec<u8>>,
}

fn write_addresses(out: &mut Vec<u8>, list: &[Mention]) {
    if list.is_empty() {
        text(out, "NIL");
        return;
    }
    out.push(b'(');
    for mention in list {
        out.push(b'(');
        nstring(out, mention.name.as_deref());
        text(out, " NIL ");
        nstring(out, mention.mailbox.as_deref());
        out.push(b' ');
        nstring(out, mention.host.as_deref());
        out.push(b')');
    }
    out.push(b')');
}

fn addresses(message: &Part<'_>, name: &str) -> Vec<Mention> {
    message
        .field(name)
        .map_or_else(Vec::new, |value| read_addresses(&value))
}

/// Reads an address list (RFC 5322 §3.4) leniently: whatever is there yields some structure.
fn read_addresses(value: &[u8]) -> Vec<Mention> {
    let mut reader = Reader::default();
    let mut at = 0;
    while at < value.len() && reader.list.len() < MAX_ADDRESSES {
        let rest = &value[at..];
        at += match rest[0] {
            b'"' => {
                let (text, used) = delimited(rest, b'"');
                reader.word(&text);
                used
            }
            b'(' => {
                let (text, used) = delimited(rest, b')');
                reader.comment = Some(text);
                used
            }
            b'<' => {
                let (text, used) = delimited(rest, b'>');
                reader.angle = Some(text);
                used
            }
            b',' => reader.finish(),
            b';' => {
                reader.finish();
                reader.end_group()
            }
            b':' => reader.start_group(),
            b' ' | b'\t' => {
                reader.space = true;
                1
            }
            octet => {
                reader.octet(octet);
                1
            }
        };
    }
    reader.finish();
    reader.end_group();
    reader.list
}

/// The text up to `close`, escapes undone, and how many octets it took with its delimiters.
fn delimited(rest: &[u8], close: u8) -> (Vec<u8>, usize) {
    let mut text = Vec::new();
    let mut at = 1;
    let mut quoted = false;
    while let Some(octet) = rest.get(at) {
        match *octet {
            octet if octet == close && !quoted => return (text, at + 1),
            b'\\' if at + 1 < rest.len() => {
                at += 1;
                text.push(rest[at]);
            }
            b'"' if close == b'>' => {
                quoted = !quoted;
                text.push(b'"');
            }
            octet => text.push(octet),
        }
        at += 1;
    }
    (text, rest.len())
}

#[derive(Default)]
struct Reader {
    list: Vec<Mention>,
    phrase: Vec<u8>,
    space: bool,
    angle: Option<Vec<u8>>,
    comment: Option<Vec<u8>>,
    in_group: bool,
}

impl Reader {
    fn octet(&mut self, octet: u8) {
        if std::mem::take(&mut self.space) && !self.phrase.is_empty() {
            self.phrase.push(b' ');
        }
        self.phrase.push(octet);
    }

    fn word(&mut self, text: &[u8]) {
        if std::mem::take(&mut self.space) && !self.phrase.is_empty() {
            self.phrase.push(b' ');
        }
        self.phrase.extend_from_slice(text);
    }

    fn finish(&mut self) -> usize {
        let phrase = std::mem::take(&mut self.phrase);
        let comment = self.comment.take();
        self.space = false;
        let (specification, name) = match self.angle.take() {
            Some(angle) => (angle, (!phrase.is_empty()).then_some(phrase).or(comment)),
            None => {
                let mut bare = phrase;
                bare.retain(|octet| *octet != b' ');
                (bare, comment)
            }
        };
        let name = name.filter(|name| !name.is_empty());
        // A source route is obsolete and not shown (RFC 5322 §4.4).
        let route = specification.starts_with(b"@");
        let start = specification.iter().position(|b| *b == b':');
        let specification = match start {
            Some(colon) if route => &specification[colon + 1..],
            _ => &specification[..],
        };
        if specification.is_empty() && name.is_none() {
            return 1;
        }
        let (mailbox, host) = match specification.iter().rposition(|b| *b == b'@') {
            Some(at) => (&specification[..at], &specification[at + 1..]),
            None => (specification, &b""[..]),
        };
        self.list.push(Mention {
            name,
            mailbox: Some(mailbox.to_vec()),
            host: Some(host.to_vec()),
        });
        1
    }

    fn start_group(&mut self) -> usize {
        self.angle = None;
        self.comment = None;
        self.space = false;
        self.end_group();
        self.in_group = true;
        self.list.push(Mention {
            mailbox: Some(std::mem::take(&mut self.phrase)),
            ..Mention::default()
        });
        1
    }

    fn end_group(&mut self) -> usize {
        if std::mem::take(&mut self.in_group) {
            self.list.push(Mention::default());
        }
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(value: &str) -> String {
        let mut out = Vec::new();
        write_addresses(&mut out, &read_addresses(value.as_bytes()));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn addresses_have_their_four_parts() {
        for (value, expected) in [
            ("a@b.test", r#"((NIL NIL "a" "b.test"))"#),
            (
                r#""Dr, X" <a@b.test>, c@d.test (C)"#,
                r#"(("Dr, X" NIL "a" "b.test")("C" NIL "c" "d.test"))"#,
            ),
            (
                "=?utf-8?q?H=C3=A9l?= L <a@b.test>",
                r#"(("=?utf-8?q?H=C3=A9l?= L" NIL "a" "b.test"))"#,
            ),
            (
                "Cercle: a@b.test, c@d.test;",
                r#"((NIL NIL "Cercle" NIL)(NIL NIL "a" "b.test")(NIL NIL "c" "d.test")(NIL NIL NIL NIL))"#,
            ),
            (
                "undisclosed-recipients:;",
                r#"((NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL))"#,
            ),
            ("<@r.test:a@b.test>", r#"((NIL NIL "a" "b.test"))"#),
            ("nobody", r#"((NIL NIL "nobody" ""))"#),
            ("", "NIL"),
            (" , ,", "NIL"),
        ] {
            assert_eq!(written(value), expected, "{value}");
        }
    }

    #[test]
    fn envelope_and_structure_are_exact_to_the_nil() {
        let message = b"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nSubject: =?utf-8?q?=C3=A9?=\r\n\
            From: A <a@x.test>\r\nTo: b@y.test\r\nMessage-ID: <m@x.test>\r\n\
            Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
            Content-Type: text/plain; charset=utf-8\r\n\r\none\r\ntwo\r\n--b\r\n\
            Content-Type: application/pdf; name=\"a.pdf\"\r\n\
            Content-Transfer-Encoding: base64\r\n\
            Content-Disposition: attachment; filename=\"a.pdf\"\r\n\r\nAAAA\r\n--b--\r\n";
        let message = Part::message(message);
        let mut out = Vec::new();
        envelope(&mut out, &message);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "(\"Sun, 22 Nov 2026 12:00:00 +0000\" \"=?utf-8?q?=C3=A9?=\" \
             ((\"A\" NIL \"a\" \"x.test\")) ((\"A\" NIL \"a\" \"x.test\")) \
             ((\"A\" NIL \"a\" \"x.test\")) ((NIL NIL \"b\" \"y.test\")) NIL NIL NIL \
             \"<m@x.test>\")"
        );
        let mut out = Vec::new();
        body(&mut out, &message, true);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "((\"TEXT\" \"PLAIN\" (\"CHARSET\" \"utf-8\") NIL NIL \"7BIT\" 8 1 NIL NIL NIL NIL)\
             (\"APPLICATION\" \"PDF\" (\"NAME\" \"a.pdf\") NIL NIL \"BASE64\" 4 NIL \
             (\"ATTACHMENT\" (\"FILENAME\" \"a.pdf\")) NIL NIL) \
             \"MIXED\" (\"BOUNDARY\" \"b\") NIL NIL NIL)"
        );
    }

    proptest! {
        #[test]
        fn any_list_has_balanced_parentheses(value in "[ -~]*") {
            let mut out = Vec::new();
            write_addresses(&mut out, &read_addresses(value.as_bytes()));
            prop_assert!(!out.contains(&b'\n'));
        }
    }
}
