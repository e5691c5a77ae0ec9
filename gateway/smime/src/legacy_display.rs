//! Legacy Display Elements (RFC 9788 §4.5.3): copies of header fields that a sender put before
//! the text, for clients that know nothing of header protection. Whoever knows the protected
//! fields leaves the copies out.

use base64_simd::STANDARD;
use zeroize::Zeroizing;

use crate::limits::Limits;
use crate::mime::{ContentType, Entity};
use crate::spool::Spool;
use crate::stream::{Edit, Fault, Step, View, head};

/// The parameter that marks a part which has one (RFC 9788 §2.1.2).
pub(crate) const MARK: &str = "hp-legacy-display";
/// The class of the element in HTML (RFC 9788 §5.2.2).
const CLASS: &str = "header-protection-legacy-display";

/// Octets of a body in which parts are looked for: texts come first.
const LOOKED_AT: usize = 512 * 1024;
/// Octets of a part in which its element ends.
const ELEMENT: usize = 64 * 1024;
const DEPTH: usize = 8;
const PARTS: usize = 64;

/// The body of a payload without its Legacy Display Elements.
pub(crate) fn without(
    body: View,
    spool: &mut Spool<'_>,
    payload: &Entity<'_>,
    limits: &Limits,
) -> Result<View, Fault> {
    let Some(part) = Part::read(payload) else {
        return Ok(body);
    };
    if !part.is_marked() && !part.content_type.essence.starts_with("multipart/") {
        return Ok(body);
    }
    let octets = Zeroizing::new(head(&mut *body.open(spool)?, LOOKED_AT)?);
    let mut walk = Walk {
        body: &octets,
        limits,
        edits: Vec::new(),
        parts: 0,
    };
    walk.part(&part, 0, octets.len(), 0);
    Ok(match walk.edits.is_empty() {
        true => body,
        false => body.then(Step::Edit(walk.edits.into())),
    })
}

/// What a part's header section says of its text.
struct Part {
    content_type: ContentType,
    encoding: Vec<u8>,
}

impl Part {
    fn read(entity: &Entity<'_>) -> Option<Self> {
        let encoding = entity.single("Content-Transfer-Encoding").ok()?;
        Some(Self {
            content_type: entity.content_type().ok()??,
            encoding: encoding
                .map(|f| f.unfolded().to_ascii_lowercase())
                .unwrap_or_default(),
        })
    }

    /// Whether it is a text that says it has such an element.
    fn is_marked(&self) -> bool {
        matches!(
            self.content_type.essence.as_str(),
            "text/plain" | "text/html"
        ) && self.content_type.parameter(MARK) == Some("1")
    }
}

/// The way through the parts of a body.
struct Walk<'b> {
    body: &'b [u8],
    limits: &'b Limits,
    edits: Vec<Edit>,
    parts: usize,
}

impl Walk<'_> {
    /// Looks at the part whose body is `start..end`.
    fn part(&mut self, part: &Part, start: usize, end: usize, depth: usize) {
        self.parts += 1;
        if depth > DEPTH || self.parts > PARTS {
            return;
        }
        if part.is_marked() {
            let text = Text::read(&self.body[start..end.min(start + ELEMENT)], &part.encoding);
            let html = part.content_type.essence == "text/html";
            self.edits
                .extend(text.and_then(|text| text.edit(html, start)));
        } else if part.content_type.essence.starts_with("multipart/")
            && let Some(boundary) = part.content_type.parameter("boundary")
        {
            let delimiter = [b"--", boundary.as_bytes()].concat();
            for (from, to) in parts(self.body, (start, end), &delimiter) {
                self.entity(from, to, depth);
            }
        }
    }

    /// Looks at the entity `start..end`: a header section and a body.
    fn entity(&mut self, start: usize, end: usize, depth: usize) {
        let octets = &self.body[start..end];
        let Some(section) = lines(octets).find(|(line, _)| line.is_empty()) else {
            return;
        };
        let section = section.1;
        let Ok(entity) = Entity::read(&octets[..section], self.limits) else {
            return;
        };
        let Some(part) = Part::read(&entity) else {
            return;
        };
        let before = self.edits.len();
        self.part(&part, start + section, end, depth + 1);
        if part.is_marked()
            && self.edits.len() > before
            && let Some(mark) = mark_value(&octets[..section])
        {
            // The element is gone: a reader further on must not cut again.
            let unmark = Edit {
                at: (start + mark) as u64,
                remove: 1,
                insert: b"0".to_vec(),
            };
            self.edits.insert(before, unmark);
        }
    }
}

/// Where in a header section the value 1 of the mark stands.
fn mark_value(section: &[u8]) -> Option<usize> {
    let lower = section.to_ascii_lowercase();
    let name = memchr::memmem::find(&lower, MARK.as_bytes())? + MARK.len();
    let value = name + lower[name..].iter().position(|o| *o == b'1')?;
    lower[name..value]
        .iter()
        .all(|o| matches!(o, b'=' | b'"' | b' ' | b'\t' | b'\r' | b'\n'))
        .then_some(value)
}

/// Lines without their endings, each with where the next begins.
fn lines(octets: &[u8]) -> impl Iterator<Item = (&[u8], usize)> {
    let mut position = 0;
    std::iter::from_fn(move || {
        let rest = octets.get(position..).filter(|rest| !rest.is_empty())?;
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
        position += length;
        let line = rest[..length]
            .strip_suffix(b"\n")
            .unwrap_or(&rest[..length]);
        Some((line.strip_suffix(b"\r").unwrap_or(line), position))
    })
}

/// The parts between delimiter lines, without the line ending before each (RFC 2046 §5.1.1).
fn parts(body: &[u8], (start, end): (usize, usize), delimiter: &[u8]) -> Vec<(usize, usize)> {
    let octets = &body[start..end];
    let mut found = Vec::new();
    let mut open: Option<usize> = None;
    let mut line_start = 0;
    for (line, next) in lines(octets) {
        if let Some(rest) = line.strip_prefix(delimiter)
            && matches!(rest.trim_ascii_end(), b"" | b"--")
        {
            if let Some(from) = open {
                found.push((start + from, start + before(octets, from, line_start)));
            }
            open = rest.trim_ascii_end().is_empty().then_some(next);
            if open.is_none() || found.len() > PARTS {
                return found;
            }
        }
        line_start = next;
    }
    // What is looked at may end inside a part.
    found.extend(open.map(|from| (start + from, end)));
    found
}

/// Where the line ending before `position` begins.
fn before(octets: &[u8], from: usize, position: usize) -> usize {
    let text = &octets[from..position];
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    from + text.strip_suffix(b"\r").unwrap_or(text).len()
}

/// The beginning of a part's text, decoded, with the place that each octet comes from.
struct Text {
    octets: Zeroizing<Vec<u8>>,
    /// For each octet where its encoded form begins, and where the whole ends. For base64: for
    /// each group of three octets.
    places: Vec<usize>,
    base64: bool,
}

impl Text {
    fn read(raw: &[u8], encoding: &[u8]) -> Option<Self> {
        match encoding {
            b"" | b"7bit" | b"8bit" | b"binary" => Some(Self {
                octets: Zeroizing::new(raw.to_vec()),
                places: (0..=raw.len()).collect(),
                base64: false,
            }),
            b"quoted-printable" => Some(Self::quoted_printable(raw)),
            b"base64" => Self::base64(raw),
            _ => None,
        }
    }

    fn quoted_printable(raw: &[u8]) -> Self {
        let mut octets = Zeroizing::new(Vec::with_capacity(raw.len()));
        let mut places = Vec::with_capacity(raw.len() + 1);
        let mut position = 0;
        while position < raw.len() {
            let rest = &raw[position..];
            let (octet, length) = match rest {
                [b'=', b'\r', b'\n', ..] => (None, 3),
                [b'=', b'\n', ..] => (None, 2),
                [b'=', high, low, ..] => match (hexadecimal(*high), hexadecimal(*low)) {
                    (Some(high), Some(low)) => (Some(high << 4 | low), 3),
                    _ => (Some(b'='), 1),
                },
                _ => (Some(rest[0]), 1),
            };
            if let Some(octet) = octet {
                octets.push(octet);
                places.push(position);
            }
            position += length;
        }
        places.push(position);
        Self {
            octets,
            places,
            base64: false,
        }
    }

    fn base64(raw: &[u8]) -> Option<Self> {
        let mut octets = Zeroizing::new(Vec::with_capacity(raw.len() / 4 * 3));
        let mut places = Vec::with_capacity(raw.len() / 4 + 1);
        let mut group = Vec::with_capacity(4);
        let mut end = 0;
        for (position, octet) in raw.iter().enumerate() {
            if octet.is_ascii_whitespace() {
                continue;
            }
            if group.is_empty() {
                places.push(position);
            }
            group.push(*octet);
            if group.len() == 4 {
                octets.extend(STANDARD.decode_to_vec(&group).ok()?);
                group.clear();
                end = position + 1;
            }
        }
        if !group.is_empty() {
            places.pop();
        }
        places.push(end);
        Some(Self {
            octets,
            places,
            base64: true,
        })
    }

    /// What takes the element out, if there is one; `start` is where the text begins.
    fn edit(&self, html: bool, start: usize) -> Option<Edit> {
        let (from, to) = match html {
            true => html_element(&self.octets)?,
            // RFC 9788 §4.5.3.2: the leading lines, the first blank one included.
            false => {
                let blank = lines(&self.octets).find(|(line, _)| line.trim_ascii().is_empty());
                (0, blank?.1)
            }
        };
        if !self.base64 {
            let (at, end) = (self.places[from], self.places[to]);
            return Some(Edit {
                at: (start + at) as u64,
                remove: (end - at) as u64,
                insert: Vec::new(),
            });
        }
        // The groups around the cut are written anew; blanks fill what the cut leaves of one.
        let (first, last) = (from / 3, to.div_ceil(3));
        let mut kept = Zeroizing::new(self.octets[first * 3..from].to_vec());
        let rest = &self.octets[to..self.octets.len().min(last * 3)];
        let is_end = last * 3 >= self.octets.len();
        while !is_end && !(kept.len() + rest.len()).is_multiple_of(3) {
            kept.push(if html { b' ' } else { b'\n' });
        }
        kept.extend_from_slice(rest);
        let (at, end) = (self.places[first], self.places[last]);
        Some(Edit {
            at: (start + at) as u64,
            remove: (end - at) as u64,
            insert: STANDARD.encode_to_string(&*kept).into_bytes(),
        })
    }
}

fn hexadecimal(octet: u8) -> Option<u8> {
    char::from(octet)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// The element of an HTML text: a `div` of its class, with what is in it (RFC 9788 §4.5.3.3).
fn html_element(html: &[u8]) -> Option<(usize, usize)> {
    let lower = html.to_ascii_lowercase();
    let mut position = 0;
    let (start, mut after) = loop {
        let (start, after) = opening_div(&lower, position)?;
        let tag = &lower[start..after];
        if memchr::memmem::find(tag, CLASS.as_bytes()).is_some() {
            break (start, after);
        }
        position = after;
    };
    let mut open = 1;
    while open > 0 {
        let close = after + memchr::memmem::find(&lower[after..], b"</div")?;
        match opening_div(&lower[..close], after) {
            Some((_, next)) => {
                open += 1;
                after = next;
            }
            None => {
                open -= 1;
                after = close + memchr::memchr(b'>', &lower[close..])? + 1;
            }
        }
    }
    Some((start, after))
}

/// The next `<div …>`, from its `<` to after its `>`.
fn opening_div(lower: &[u8], from: usize) -> Option<(usize, usize)> {
    let mut position = from;
    loop {
        let start = position + memchr::memmem::find(lower.get(position..)?, b"<div")?;
        position = start + 4;
        if lower.get(position).is_some_and(u8::is_ascii_alphanumeric) {
            continue;
        }
        let end = position + memchr::memchr(b'>', &lower[position..])? + 1;
        return Some((start, end));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The body of an entity without its elements.
    fn stripped(entity: &[u8]) -> String {
        let limits = Limits::default();
        let section = lines(entity).find(|(line, _)| line.is_empty()).unwrap().1;
        let read = Entity::read(&entity[..section], &limits).unwrap();
        let mut spool = Spool::from(entity);
        let body = View::whole().then(Step::Range {
            start: section as u64,
            length: None,
        });
        let view = without(body, &mut spool, &read, &limits).unwrap();
        let octets = head(&mut *view.open(&mut spool).unwrap(), usize::MAX).unwrap();
        String::from_utf8(octets).unwrap()
    }

    #[test]
    fn leading_lines_of_a_marked_text_are_left_out() {
        let part = |mark: &str, encoding: &str, body: &str| {
            stripped(
                format!(
                    "Content-Type: text/plain; {mark}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}"
                )
                .as_bytes(),
            )
        };
        let marked = "hp-legacy-display=\"1\"";
        assert_eq!(
            part(marked, "7bit", "Subject: a\r\nTo: b\r\n\r\nx\r\n\r\ny\r\n"),
            "x\r\n\r\ny\r\n"
        );
        assert_eq!(
            part(
                marked,
                "quoted-printable",
                "Subject: =C3=A9t=\r\n=C3=A9\r\n \r\nx=20\r\n"
            ),
            "x=20\r\n"
        );
        let kept = "Subject: a\r\n\r\nx\r\n";
        assert_eq!(part("hp-legacy-display=0", "7bit", kept), kept);
        assert_eq!(part("charset=utf-8", "7bit", kept), kept);
        assert_eq!(
            part(marked, "7bit", "no blank line\r\n"),
            "no blank line\r\n"
        );
        assert_eq!(part(marked, "x-unknown", kept), kept);
    }

    #[test]
    fn parts_are_found_in_nested_multiparts_and_unmarked() {
        let entity = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\
            Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\
            Content-Type: text/plain;\r\n hp-legacy-display=\"1\"\r\n\r\nSubject: s\r\n\r\nx\r\n\
            --b\r\nContent-Type: text/html; hp-legacy-display=1\r\n\r\n<body><div>y</div>\
            <DIV class=\"header-protection-legacy-display\"><pre>Subject: s</pre><div></div></DIV>\
            <p>x</p></body>\r\n--b--\r\n--a\r\nContent-Type: text/plain\r\n\r\n\
            Subject: s\r\n\r\nattached\r\n--a--\r\n";
        let out = stripped(entity.as_bytes());
        assert_eq!(out.matches("Subject: s").count(), 1, "{out}");
        assert!(
            out.contains("hp-legacy-display=\"0\"\r\n\r\nx\r\n--b"),
            "{out}"
        );
        assert!(out.contains("<body><div>y</div><p>x</p></body>"), "{out}");
        assert!(out.contains("Subject: s\r\n\r\nattached\r\n--a--"), "{out}");
    }

    proptest! {
        /// In base64, what stands after the element comes out whole, wherever the cut falls.
        #[test]
        fn base64_keeps_what_follows(
            subject in "[a-zé ]{0,70}", text in "[a-zé\r\n]{0,300}", width in 1usize..20
        ) {
            let plain = format!("Subject: {subject}\r\n\r\n{text}");
            let encoded = STANDARD.encode_to_string(plain.as_bytes());
            let mut body = String::new();
            for line in encoded.as_bytes().chunks(width * 4) {
                body.push_str(std::str::from_utf8(line).unwrap());
                body.push_str("\r\n");
            }
            let entity = format!(
                "Content-Type: text/plain; hp-legacy-display=1\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n{body}"
            );
            let out: String = stripped(entity.as_bytes()).split_whitespace().collect();
            let decoded = String::from_utf8(STANDARD.decode_to_vec(out).unwrap()).unwrap();
            prop_assert!(!decoded.contains("Subject:"));
            prop_assert_eq!(decoded.trim_start_matches('\n'), text.trim_start_matches('\n'));
        }

        #[test]
        fn no_text_makes_it_panic(
            head in prop::sample::select(vec![
                "text/plain", "text/html", "multipart/mixed; boundary=b",
            ]),
            encoding in prop::sample::select(vec!["7bit", "base64", "quoted-printable"]),
            body in prop::collection::vec(any::<u8>(), 0..300),
            marks in "(--b\r\n|<div|</div>|=|\r\n|>){0,20}",
        ) {
            let mut entity = format!(
                "Content-Type: {head}; hp-legacy-display=1\r\n\
                 Content-Transfer-Encoding: {encoding}\r\n\r\n{marks}"
            ).into_bytes();
            entity.extend(body);
            let limits = Limits::default();
            let read = Entity::read(&entity, &limits).unwrap();
            let mut spool = Spool::from(&entity);
            let view = without(View::whole(), &mut spool, &read, &limits).unwrap();
            head_of(&view, &mut spool);
        }
    }

    fn head_of(view: &View, spool: &mut Spool<'_>) -> Vec<u8> {
        head(&mut *view.open(spool).unwrap(), usize::MAX).unwrap()
    }
}
