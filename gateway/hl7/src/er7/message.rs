//! A message and its segments.

use std::fmt;
use std::ops::Range;

use super::charset::{Charset, Declared};
use super::element::Element;
use super::separators::Separators;
use crate::error::Error;
use crate::refusal::{Code, Location, Refusal};

/// Most segments of a message. An ADT has some twenty; a batch of results some thousand.
pub const MAX_SEGMENTS: usize = 20_000;

/// Longest header field echoed in an acknowledgement (MSH-3 to MSH-6, MSH-10 to MSH-12), in
/// bytes: v2.5 allows 227.
const MAX_HEADER_FIELD: usize = 256;

/// A message, as received. The bytes are borrowed and never changed: what was read is what is
/// kept.
pub struct Message<'m> {
    bytes: &'m [u8],
    separators: Separators,
    charset: Charset,
    declared: Declared,
    segments: Vec<Range<usize>>,
}

impl<'m> Message<'m> {
    /// Finds the segments. A segment ends with CR; a message whose first segment ends with LF
    /// (a file edited by hand) ends all of them so, and CR LF is taken too.
    ///
    /// # Errors
    /// [`Error::Refused`]: no MSH first, separators that cannot be told apart, a second MSH (two
    /// messages run together), more than [`MAX_SEGMENTS`] segments, or a header field longer
    /// than 256 bytes.
    pub fn parse(bytes: &'m [u8]) -> Result<Message<'m>, Error> {
        let separators = Separators::parse(bytes)?;
        let segments = find_segments(bytes)?;
        let mut message = Message {
            bytes,
            separators,
            charset: Charset::Latin9,
            declared: Declared::Nothing,
            segments,
        };
        message.check_single_header()?;
        (message.charset, message.declared) =
            Charset::from_declaration(message.msh().field(18).repetition(1).bytes());
        Ok(message)
    }

    /// The bytes received.
    pub fn bytes(&self) -> &'m [u8] {
        self.bytes
    }

    /// MSH-1 and MSH-2.
    pub fn separators(&self) -> Separators {
        self.separators
    }

    /// How its bytes are read as text.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// What MSH-18 said.
    pub fn declared_charset(&self) -> Declared {
        self.declared
    }

    /// All segments, in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'m>> + '_ {
        self.segments.iter().map(|range| self.at(range))
    }

    /// The segments of that name, in order.
    pub fn segments_named<'s>(&'s self, name: &'s str) -> impl Iterator<Item = Segment<'m>> + 's {
        self.segments()
            .filter(move |segment| segment.name() == name.as_bytes())
    }

    /// The first segment of that name.
    pub fn segment(&self, name: &str) -> Option<Segment<'m>> {
        self.segments()
            .find(|segment| segment.name() == name.as_bytes())
    }

    /// The message header.
    pub fn msh(&self) -> Segment<'m> {
        // The first segment begins with MSH: `Separators::parse` read it.
        self.segments
            .first()
            .map_or(self.at(&(0..0)), |range| self.at(range))
    }

    fn at(&self, range: &Range<usize>) -> Segment<'m> {
        Segment {
            whole: Element {
                bytes: &self.bytes[range.clone()],
                separators: self.separators,
                charset: self.charset,
            },
        }
    }

    fn check_single_header(&self) -> Result<(), Refusal> {
        // A frame whose end was lost runs into the next one; acting on the mixture of two
        // patients would be worse than refusing both.
        let second = self
            .segments
            .iter()
            .skip(1)
            .any(|range| self.at(range).name() == b"MSH")
            || self.bytes.windows(4).any(|four| four == b"\x0bMSH");
        if second {
            let at = Location {
                sequence: 2,
                ..Location::segment("MSH")
            };
            return Err(Refusal {
                code: Code::SegmentSequence,
                at,
            });
        }
        let msh = self.msh();
        for field in [3, 4, 5, 6, 10, 11, 12] {
            if msh.field(usize::from(field)).bytes().len() > MAX_HEADER_FIELD {
                return Err(Refusal::at_field(Code::DataType, "MSH", field));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Message({} bytes, {} segments)",
            self.bytes.len(),
            self.segments.len()
        )
    }
}

/// A segment.
#[derive(Clone, Copy)]
pub struct Segment<'m> {
    whole: Element<'m>,
}

impl<'m> Segment<'m> {
    /// The name: the bytes before the first separator, normally three.
    pub fn name(&self) -> &'m [u8] {
        if self.whole.bytes.starts_with(b"MSH") {
            return b"MSH";
        }
        self.part(0).bytes
    }

    /// A field, from 1 as in the standard. MSH-1 is the separator itself (HL7 v2.5 §2.14.9.1).
    pub fn field(&self, number: usize) -> Element<'m> {
        if self.name() != b"MSH" {
            return match number {
                0 => Element {
                    bytes: &[],
                    ..self.whole
                },
                _ => self.part(number),
            };
        }
        match number {
            0 => Element {
                bytes: &[],
                ..self.whole
            },
            1 => Element {
                bytes: self.whole.bytes.get(3..4).unwrap_or(&[]),
                ..self.whole
            },
            _ => self.part(number - 1),
        }
    }

    /// The bytes as received, without the end of segment.
    pub fn bytes(&self) -> &'m [u8] {
        self.whole.bytes
    }

    fn part(&self, index: usize) -> Element<'m> {
        let separator = self.whole.separators.field;
        let bytes = self
            .whole
            .bytes
            .split(|&byte| byte == separator)
            .nth(index)
            .unwrap_or(&[]);
        Element {
            bytes,
            ..self.whole
        }
    }
}

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Segment({} bytes)", self.whole.bytes.len())
    }
}

fn find_segments(bytes: &[u8]) -> Result<Vec<Range<usize>>, Refusal> {
    let end = match bytes.iter().find(|&&byte| byte == b'\r' || byte == b'\n') {
        Some(b'\n') => b'\n',
        _ => b'\r',
    };
    let mut segments = Vec::with_capacity(24);
    let mut start = 0;
    for line in bytes.split(|&byte| byte == end) {
        let next = start + line.len() + 1;
        let skipped = line.len() - line.trim_ascii_start().len();
        if skipped < line.len() {
            if segments.len() == MAX_SEGMENTS {
                return Err(Refusal {
                    code: Code::Cardinality,
                    at: Location::segment("MSH"),
                });
            }
            segments.push(start + leading_line_feeds(line)..start + line.len());
        }
        start = next;
    }
    Ok(segments)
}

/// The LF of a CR LF pair begins the next line.
fn leading_line_feeds(line: &[u8]) -> usize {
    line.iter().take_while(|&&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = r"MSH|^~\&|GAM|CH|L|R|20261116||ADT^A01^ADT_A01|7|P|2.5||||||8859/1";

    #[test]
    fn msh_is_numbered_from_its_separator() {
        let message = Message::parse(HEADER.as_bytes()).unwrap();
        let msh = message.msh();
        assert_eq!(msh.field(1).bytes(), b"|");
        assert_eq!(msh.field(2).bytes(), br"^~\&");
        assert_eq!(msh.field(3).text(), "GAM");
        assert_eq!(msh.field(9).component(2).text(), "A01");
        assert_eq!(message.charset(), Charset::Latin1);
    }

    #[test]
    fn segments_end_with_cr_lf_or_both() {
        for end in ["\r", "\n", "\r\n"] {
            let text = format!("{HEADER}{end}PID|1||42{end}ZZZ{end}");
            let message = Message::parse(text.as_bytes()).unwrap();
            assert_eq!(message.segments().count(), 3, "{end:?}");
            assert_eq!(message.segment("PID").unwrap().field(3).bytes(), b"42");
            assert_eq!(message.bytes(), text.as_bytes());
        }
    }

    #[test]
    fn a_line_feed_inside_a_field_does_not_end_a_segment() {
        let text = format!("{HEADER}\rPID|1||4\n2\r");
        let message = Message::parse(text.as_bytes()).unwrap();
        assert_eq!(message.segment("PID").unwrap().field(3).bytes(), b"4\n2");
    }

    #[test]
    fn two_messages_run_together_are_refused() {
        for join in ["\r", "\x0b", "|x\x0b"] {
            let text = format!("{HEADER}{join}{HEADER}");
            let error = Message::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.refusal().unwrap().code, Code::SegmentSequence);
        }
    }

    #[test]
    fn a_header_field_that_is_echoed_has_a_limit() {
        let text = format!(r"MSH|^~\&|{}|", "A".repeat(257));
        assert!(Message::parse(text.as_bytes()).is_err());
    }

    #[test]
    fn too_many_segments_are_refused() {
        let text = format!("{HEADER}\r{}", "ZZZ|\r".repeat(MAX_SEGMENTS));
        assert!(Message::parse(text.as_bytes()).is_err());
    }

    #[test]
    fn an_absent_field_is_empty() {
        let message = Message::parse(HEADER.as_bytes()).unwrap();
        assert!(message.msh().field(40).is_empty());
        assert!(message.segment("PID").is_none());
    }
}
