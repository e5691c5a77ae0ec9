//! Fields and their parts.

use std::borrow::Cow;
use std::fmt;

use super::charset::Charset;
use super::escape;
use super::separators::Separators;

/// A field, repetition, component or subcomponent.
///
/// Parts are numbered from 1 as in the standard. Part 1 of a value that has no parts is the
/// value itself, any other is empty: a message may leave trailing parts out, and one of an older
/// version may have a plain value where a newer one has components (HL7 v2.5 §2.8).
#[derive(Clone, Copy)]
pub struct Element<'m> {
    pub(super) bytes: &'m [u8],
    pub(super) separators: Separators,
    pub(super) charset: Charset,
}

impl<'m> Element<'m> {
    /// The bytes as received, escapes included.
    pub fn bytes(&self) -> &'m [u8] {
        self.bytes
    }

    /// Nothing was said: the receiver keeps what it has.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// `""`: the receiver removes what it has (HL7 v2.5 §2.5.3).
    pub fn is_delete(&self) -> bool {
        self.bytes == b"\"\""
    }

    /// Neither empty nor `""`.
    pub fn has_value(&self) -> bool {
        !self.is_empty() && !self.is_delete()
    }

    /// The repetitions of a field; one of an empty field.
    pub fn repetitions(&self) -> Elements<'m> {
        self.split(self.separators.repetition)
    }

    /// A repetition of a field.
    pub fn repetition(&self, number: usize) -> Element<'m> {
        nth(self.repetitions(), number, self)
    }

    /// A component of a field's first repetition, or of a repetition.
    pub fn component(&self, number: usize) -> Element<'m> {
        let first = self.repetition(1);
        nth(first.split(self.separators.component), number, self)
    }

    /// A subcomponent of a component.
    pub fn subcomponent(&self, number: usize) -> Element<'m> {
        let first = self.component(1);
        nth(first.split(self.separators.subcomponent), number, self)
    }

    /// The text, escapes decoded; empty for `""`.
    pub fn text(&self) -> Cow<'m, str> {
        if self.is_delete() {
            return Cow::Borrowed("");
        }
        escape::unescape(self.bytes, &self.separators, self.charset).text
    }

    /// The text with its escapes decoded and the count of those not known.
    pub fn unescape(&self) -> escape::Unescaped<'m> {
        escape::unescape(self.bytes, &self.separators, self.charset)
    }

    /// Whether the bytes are exactly this code; for table values, which are ASCII.
    pub fn is(&self, code: &str) -> bool {
        self.bytes == code.as_bytes()
    }

    fn split(&self, separator: u8) -> Elements<'m> {
        Elements {
            rest: Some(self.bytes),
            separator,
            of: *self,
        }
    }
}

impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Element({} bytes)", self.bytes.len())
    }
}

/// The parts of an element, in order.
#[derive(Clone)]
pub struct Elements<'m> {
    rest: Option<&'m [u8]>,
    separator: u8,
    of: Element<'m>,
}

impl<'m> Iterator for Elements<'m> {
    type Item = Element<'m>;

    fn next(&mut self) -> Option<Element<'m>> {
        let rest = self.rest?;
        let bytes = match rest.iter().position(|&byte| byte == self.separator) {
            Some(at) => {
                self.rest = Some(&rest[at + 1..]);
                &rest[..at]
            }
            None => {
                self.rest = None;
                rest
            }
        };
        Some(Element { bytes, ..self.of })
    }
}

fn nth<'m>(mut parts: Elements<'m>, number: usize, of: &Element<'m>) -> Element<'m> {
    number
        .checked_sub(1)
        .and_then(|index| parts.nth(index))
        .unwrap_or(Element { bytes: &[], ..*of })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(bytes: &[u8]) -> Element<'_> {
        Element {
            bytes,
            separators: Separators::RECOMMENDED,
            charset: Charset::Latin9,
        }
    }

    #[test]
    fn parts_are_numbered_from_one() {
        let field = element(b"1^A&x&y^PI~2^B");
        assert_eq!(field.repetitions().count(), 2);
        assert_eq!(field.component(3).text(), "PI");
        assert_eq!(field.component(2).subcomponent(2).text(), "x");
        assert_eq!(field.repetition(2).component(2).text(), "B");
        assert!(field.component(0).is_empty());
        assert!(field.component(9).is_empty());
        assert!(field.repetition(3).component(1).is_empty());
    }

    #[test]
    fn the_first_part_of_a_plain_value_is_the_value() {
        assert_eq!(element(b"x").component(1).subcomponent(1).text(), "x");
        assert!(element(b"x").component(2).is_empty());
    }

    #[test]
    fn deleted_and_empty_are_different() {
        assert!(element(b"\"\"").is_delete() && !element(b"\"\"").is_empty());
        assert!(element(b"").is_empty() && !element(b"").is_delete());
        assert_eq!(element(b"\"\"").text(), "");
    }

    #[test]
    fn debug_shows_no_value() {
        assert_eq!(format!("{:?}", element(b"MARTINEAU")), "Element(9 bytes)");
    }
}
