//! The MIME structure of a message as offsets into its octets (RFC 2045, RFC 2046), so that a
//! section is given out exactly as it arrived.
//!
//! mail-parser decodes what it reads, which search needs and FETCH must not do: BODYSTRUCTURE and
//! ENVELOPE show header values as they were written (RFC 3501 §7.4.2).

use liaison_mail::header;

/// Deepest nesting read; what lies deeper is shown as one part.
const MAX_DEPTH: usize = 16;
/// Most parts of one multipart.
const MAX_PARTS: usize = 500;
/// Most parameters of one header field.
const MAX_PARAMETERS: usize = 50;

/// A message or a part of one.
pub(crate) struct Part<'a> {
    /// The header with the empty line that ends it.
    pub(crate) header: &'a [u8],
    /// What follows it.
    pub(crate) body: &'a [u8],
    /// Content-Type.
    pub(crate) media: Media,
    /// What is inside.
    pub(crate) inside: Inside<'a>,
}

/// What a part holds.
pub(crate) enum Inside<'a> {
    /// Octets.
    Leaf,
    /// Parts, at least one.
    Multipart(Vec<Part<'a>>),
    /// A message (`message/rfc822`).
    Message(Box<Part<'a>>),
}

/// A media type (RFC 2045 §5.1), in lower case, its parameters as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Media {
    pub(crate) kind: String,
    pub(crate) subtype: String,
    pub(crate) parameters: Vec<(String, Vec<u8>)>,
}

impl Media {
    fn of(kind: &str, subtype: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            subtype: subtype.to_owned(),
            parameters: Vec::new(),
        }
    }

    fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind == kind && self.subtype == subtype
    }

    fn boundary(&self) -> Option<&[u8]> {
        self.parameters
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("boundary"))
            .map(|(_, value)| value.as_slice())
            .filter(|value| !value.is_empty())
    }
}

impl<'a> Part<'a> {
    /// Reads the structure of a message.
    pub(crate) fn message(octets: &'a [u8]) -> Self {
        Self::read(octets, 0, &Media::of("text", "plain"))
    }

    /// Reads the header alone, as one part.
    pub(crate) fn message_header(octets: &'a [u8]) -> Self {
        Self::read(octets, MAX_DEPTH, &Media::of("text", "plain"))
    }

    /// The part of this number (RFC 3501 §6.4.5): `[1, 2]` is the second part of the first.
    pub(crate) fn at(&self, numbers: &[u32]) -> Option<&Self> {
        let Some((number, rest)) = numbers.split_first() else {
            return Some(self);
        };
        self.child(*number)?.below(rest)
    }

    /// The value of a header field of this part, unfolded, as written.
    pub(crate) fn field(&self, name: &str) -> Option<Vec<u8>> {
        field(self.header, name)
    }

    /// Goes further down from a part that was named already.
    fn below(&self, numbers: &[u32]) -> Option<&Self> {
        match (numbers, &self.inside) {
            ([], _) => Some(self),
            (_, Inside::Leaf) => None,
            (_, Inside::Multipart(_)) => self.at(numbers),
            (_, Inside::Message(inner)) => inner.at(numbers),
        }
    }

    fn child(&self, number: u32) -> Option<&Self> {
        match &self.inside {
            Inside::Multipart(parts) => parts.get(usize::try_from(number).ok()?.checked_sub(1)?),
            _ => (number == 1).then_some(self),
        }
    }

    fn read(octets: &'a [u8], depth: usize, default: &Media) -> Self {
        let (_, body) = header::split(octets);
        let header = &octets[..octets.len() - body.len()];
        let media = field(header, "Content-Type")
            .and_then(|value| media(&value))
            .unwrap_or_else(|| default.clone());
        let inside = if depth >= MAX_DEPTH {
            Inside::Leaf
        } else if media.kind == "multipart" {
            multipart(body, depth, &media)
        } else if media.is("message", "rfc822") {
            let inner = Self::read(body, depth + 1, &Media::of("text", "plain"));
            Inside::Message(Box::new(inner))
        } else {
            Inside::Leaf
        };
        let media = match (&inside, media.kind.as_str()) {
            // A multipart without parts has no form in BODYSTRUCTURE.
            (Inside::Leaf, "multipart") => Media::of("text", "plain"),
            (Inside::Leaf, "message") if media.subtype == "rfc822" => {
                Media::of("application", "octet-stream")
            }
            _ => media,
        };
        Self {
            header,
            body,
            media,
            inside,
        }
    }
}

/// The first field of a name, unfolded and trimmed, its octets as written.
pub(crate) fn field(section: &[u8], name: &str) -> Option<Vec<u8>> {
    let (section, _) = header::split(section);
    let field = section.fields().find(|field| field.is(name))?;
    let mut value = field.raw_value.to_vec();
    value.retain(|octet| !matches!(octet, b'\r' | b'\n' | 0));
    Some(value.trim_ascii().to_vec())
}

/// A value with parameters, as Content-Type and Content-Disposition have them (RFC 2045 §5.1,
/// RFC 2183): the value in lower case, and the parameters.
pub(crate) fn with_parameters(value: &[u8]) -> (String, Vec<(String, Vec<u8>)>) {
    let mut scanner = Scanner { rest: value };
    let first = scanner.until_semicolon();
    let first = String::from_utf8_lossy(&first).trim().to_ascii_lowercase();
    let mut parameters = Vec::new();
    while scanner.semicolon() && parameters.len() < MAX_PARAMETERS {
        if let Some(parameter) = scanner.parameter() {
            parameters.push(parameter);
        }
    }
    (first, parameters)
}

fn media(value: &[u8]) -> Option<Media> {
    let (value, parameters) = with_parameters(value);
    let (kind, subtype) = value.split_once('/')?;
    let token = |text: &str| {
        let text = text.trim();
        let valid = !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&b));
        valid.then(|| text.to_owned())
    };
    Some(Media {
        kind: token(kind)?,
        subtype: token(subtype)?,
        parameters,
    })
}

struct Scanner<'a> {
    rest: &'a [u8],
}

impl Scanner<'_> {
    /// What comes before the next semicolon, comments left out.
    fn until_semicolon(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        while let Some((octet, rest)) = self.rest.split_first() {
            match octet {
                b';' => break,
                b'(' => {
                    self.comment();
                    continue;
                }
                octet => value.push(*octet),
            }
            self.rest = rest;
        }
        value
    }

    fn semicolon(&mut self) -> bool {
        self.until_semicolon();
        match self.rest.split_first() {
            Some((b';', rest)) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn parameter(&mut self) -> Option<(String, Vec<u8>)> {
        let equals = self.rest.iter().position(|b| b"=;".contains(b))?;
        if self.rest[equals] == b';' {
            return None;
        }
        let name = std::str::from_utf8(self.rest[..equals].trim_ascii()).ok()?;
        let name = name.to_owned();
        self.rest = self.rest[equals + 1..].trim_ascii_start();
        let value = if self.rest.first() == Some(&b'"') {
            self.quoted()
        } else {
            self.until_semicolon().trim_ascii().to_vec()
        };
        (!name.is_empty()).then_some((name, value))
    }

    fn quoted(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        let mut at = 1;
        while let Some(octet) = self.rest.get(at) {
            match octet {
                b'"' => break,
                b'\\' => {
                    at += 1;
                    value.extend(self.rest.get(at));
                }
                octet => value.push(*octet),
            }
            at += 1;
        }
        self.rest = self.rest.get(at + 1..).unwrap_or_default();
        value
    }

    fn comment(&mut self) {
        let mut depth = 0_usize;
        let mut at = 0;
        while let Some(octet) = self.rest.get(at) {
            match octet {
                b'(' => depth += 1,
                b')' => depth -= 1,
                b'\\' => at += 1,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                break;
            }
        }
        self.rest = self.rest.get(at..).unwrap_or_default();
    }
}

/// Cuts a multipart at its boundary lines (RFC 2046 §5.1.1). The line end before a boundary
/// belongs to the boundary.
fn multipart<'a>(body: &'a [u8], depth: usize, media: &Media) -> Inside<'a> {
    let Some(boundary) = media.boundary() else {
        return Inside::Leaf;
    };
    let default = if media.subtype == "digest" {
        Media::of("message", "rfc822")
    } else {
        Media::of("text", "plain")
    };
    let mut parts = Vec::new();
    let mut started = None;
    let mut at = 0;
    while at < body.len() && parts.len() < MAX_PARTS {
        let end = body[at..]
            .iter()
            .position(|b| *b == b'\n')
            .map_or(body.len(), |newline| at + newline + 1);
        if let Some(last) = delimiter(&body[at..end], boundary) {
            if let Some(start) = started {
                parts.push(&body[start..before_line_end(body, start, at)]);
            }
            started = (!last).then_some(end);
            if last {
                break;
            }
        }
        at = end;
    }
    if let Some(start) = started.filter(|_| parts.len() < MAX_PARTS) {
        // The last boundary is missing: what is there is shown.
        parts.push(&body[start..]);
    }
    if parts.is_empty() {
        return Inside::Leaf;
    }
    Inside::Multipart(
        parts
            .into_iter()
            .map(|octets| Part::read(octets, depth + 1, &default))
            .collect(),
    )
}

/// Whether a line is a boundary, and whether it is the last one.
fn delimiter(line: &[u8], boundary: &[u8]) -> Option<bool> {
    let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
    let (rest, last) = match rest.strip_prefix(b"--") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    rest.trim_ascii().is_empty().then_some(last)
}

fn before_line_end(body: &[u8], start: usize, end: usize) -> usize {
    let octets = &body[start..end];
    let octets = octets.strip_suffix(b"\n").unwrap_or(octets);
    let octets = octets.strip_suffix(b"\r").unwrap_or(octets);
    start + octets.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NESTED: &[u8] = b"Subject: x\r\nContent-Type: multipart/mixed; boundary=\"a b\"\r\n\r\n\
        preamble\r\n--a b\r\n\r\nfirst\r\n--a b\r\nContent-Type: message/rfc822\r\n\r\n\
        Subject: inner\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n\
        --c\r\nContent-Type: text/html\r\n\r\n<p>\r\n--c--\r\n--a b--\r\nepilogue";

    #[test]
    fn sections_are_the_octets_that_arrived() {
        let message = Part::message(NESTED);
        let body = |numbers: &[u32]| message.at(numbers).map(|part| part.body);
        assert_eq!(body(&[1]), Some(&b"first"[..]));
        assert!(body(&[2]).unwrap().starts_with(b"Subject: inner"));
        assert_eq!(body(&[2, 1]), Some(&b"<p>"[..]));
        assert_eq!(body(&[1, 1]), None);
        assert_eq!(body(&[3]), None);
        assert_eq!(
            message.at(&[2, 1]).unwrap().header,
            b"Content-Type: text/html\r\n\r\n"
        );
    }

    #[test]
    fn a_message_of_one_part_is_its_own_first_part() {
        let message = Part::message(b"Subject: x\r\n\r\nbody\r\n");
        assert_eq!(message.at(&[1]).unwrap().body, b"body\r\n");
        assert!(message.at(&[2]).is_none());
        assert!(message.at(&[1, 1]).is_none());
    }

    #[test]
    fn parameters_are_read_quoted_folded_and_with_comments() {
        let (value, parameters) = with_parameters(
            b"Text/Plain (a;b); charset=utf-8 ; name=\"a;\\\"b\"; broken; format=flowed",
        );
        assert_eq!(value, "text/plain");
        let names: Vec<_> = parameters.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["charset", "name", "format"]);
        assert_eq!(parameters[1].1, b"a;\"b");
    }

    #[test]
    fn a_message_nested_without_end_is_bounded() {
        let mut deep = b"Content-Type: message/rfc822\r\n\r\n".repeat(1000);
        deep.extend_from_slice(b"x");
        let mut depth = 0;
        let message = Part::message(&deep);
        let mut part = &message;
        while let Inside::Message(inner) = &part.inside {
            part = inner;
            depth += 1;
        }
        assert_eq!(depth, MAX_DEPTH);
    }

    proptest! {
        #[test]
        fn any_octets_have_a_structure(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut message = b"Content-Type: multipart/x; boundary=a\r\n\r\n--a\r\n".to_vec();
            message.extend_from_slice(&octets);
            let part = Part::message(&message);
            prop_assert_eq!(part.header.len() + part.body.len(), message.len());
            prop_assert!(part.at(&[1]).is_some());
        }
    }
}
