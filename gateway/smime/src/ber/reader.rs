//! The bounded BER reader.

use std::borrow::Cow;

use const_oid::ObjectIdentifier;

use super::{
    BIT_STRING, CONSTRUCTED, GENERALIZED_TIME, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE,
    UTC_TIME,
};

/// Why octets are not BER that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BerError {
    #[error("an ASN.1 value ends before its length says")]
    Truncated,
    #[error("ASN.1 values are nested too deeply")]
    TooDeep,
    #[error("an ASN.1 length is not encoded as X.690 says")]
    Length,
    #[error("an ASN.1 tag number above 30 is used")]
    HighTag,
    #[error("an ASN.1 value has an unexpected tag")]
    UnexpectedTag,
    #[error("an expected ASN.1 value is missing")]
    Missing,
    #[error("octets follow the end of an ASN.1 value")]
    Trailing,
    #[error("an ASN.1 value is outside its range")]
    Value,
}

impl BerError {
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Self::Truncated => "an ASN.1 value ends before its length says",
            Self::TooDeep => "ASN.1 values are nested too deeply",
            Self::Length => "an ASN.1 length is not encoded as X.690 says",
            Self::HighTag => "an ASN.1 tag number above 30 is used",
            Self::UnexpectedTag => "an ASN.1 value has an unexpected tag",
            Self::Missing => "an expected ASN.1 value is missing",
            Self::Trailing => "octets follow the end of an ASN.1 value",
            Self::Value => "an ASN.1 value is outside its range",
        }
    }
}

/// A run of BER values, read one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    input: &'a [u8],
    /// How many more levels may be entered.
    depth: u8,
}

/// One BER value. `content` excludes the end-of-contents octets of an indefinite length.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) raw: &'a [u8],
    pub(crate) content: &'a [u8],
    depth: u8,
}

impl<'a> Reader<'a> {
    /// Reads `input`, entering at most `depth` levels.
    pub(crate) fn new(input: &'a [u8], depth: u8) -> Self {
        Self { input, depth }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.input.is_empty()
    }

    /// The tag of the next value, if there is one.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.input.first().copied()
    }

    /// The next value, of any tag.
    pub(crate) fn any(&mut self) -> Result<Element<'a>, BerError> {
        let head = Head::read(self.input)?;
        let body = &self.input[head.len..];
        let (content, total) = match head.length {
            Some(length) => {
                let content = body.get(..length).ok_or(BerError::Truncated)?;
                (content, head.len + length)
            }
            None => {
                let length = indefinite_length(body, self.depth)?;
                // Two octets of end-of-contents follow: `indefinite_length` found them.
                (&body[..length], head.len + length + 2)
            }
        };
        let element = Element {
            tag: head.tag,
            raw: &self.input[..total],
            content,
            depth: self.depth,
        };
        self.input = &self.input[total..];
        Ok(element)
    }

    /// The next value, which must have this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<Element<'a>, BerError> {
        match self.peek() {
            None => Err(BerError::Missing),
            Some(found) if found == tag => self.any(),
            Some(_) => Err(BerError::UnexpectedTag),
        }
    }

    /// The next value if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, BerError> {
        if self.peek() == Some(tag) {
            self.any().map(Some)
        } else {
            Ok(None)
        }
    }

    /// The next string of this tag, whether it comes whole or in pieces (X.690 §8.7.3).
    pub(crate) fn octets(&mut self, tag: u8) -> Result<Cow<'a, [u8]>, BerError> {
        match self.peek() {
            None => Err(BerError::Missing),
            Some(found) if found & !CONSTRUCTED == tag => self.any()?.octets(),
            Some(_) => Err(BerError::UnexpectedTag),
        }
    }

    /// The next OBJECT IDENTIFIER.
    pub(crate) fn oid(&mut self) -> Result<ObjectIdentifier, BerError> {
        let element = self.expect(OBJECT_IDENTIFIER)?;
        ObjectIdentifier::from_bytes(element.content).map_err(|_| BerError::Value)
    }

    /// The content octets of the next INTEGER.
    pub(crate) fn integer(&mut self) -> Result<&'a [u8], BerError> {
        let content = self.expect(INTEGER)?.content;
        if content.is_empty() {
            return Err(BerError::Value);
        }
        Ok(content)
    }

    /// The next INTEGER, from 0 to 65535: versions and lengths.
    pub(crate) fn small_integer(&mut self) -> Result<u16, BerError> {
        small(self.integer()?)
    }

    /// The octets of the next BIT STRING, which must fill whole octets.
    pub(crate) fn bit_string(&mut self) -> Result<&'a [u8], BerError> {
        match self.expect(BIT_STRING)?.content.split_first() {
            Some((0, bits)) => Ok(bits),
            _ => Err(BerError::Value),
        }
    }

    /// Fails unless everything was read.
    pub(crate) fn finish(&self) -> Result<(), BerError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(BerError::Trailing)
        }
    }
}

impl<'a> Element<'a> {
    /// Reads exactly one value from `input`.
    pub(crate) fn only(input: &'a [u8], depth: u8) -> Result<Self, BerError> {
        let mut reader = Reader::new(input, depth);
        let element = reader.any()?;
        reader.finish()?;
        Ok(element)
    }

    /// Reads `input` as exactly one SEQUENCE and gives the values inside.
    pub(crate) fn sequence(input: &'a [u8], depth: u8) -> Result<Reader<'a>, BerError> {
        let element = Self::only(input, depth)?;
        if element.tag != SEQUENCE {
            return Err(BerError::UnexpectedTag);
        }
        element.children()
    }

    /// The values inside this constructed one.
    pub(crate) fn children(&self) -> Result<Reader<'a>, BerError> {
        if self.tag & CONSTRUCTED == 0 {
            return Err(BerError::UnexpectedTag);
        }
        let depth = self.depth.checked_sub(1).ok_or(BerError::TooDeep)?;
        Ok(Reader::new(self.content, depth))
    }

    /// The octets of a string, joined if it came in pieces, whatever its own tag.
    pub(crate) fn octets(&self) -> Result<Cow<'a, [u8]>, BerError> {
        if self.tag & CONSTRUCTED == 0 {
            return Ok(Cow::Borrowed(self.content));
        }
        let mut joined = Vec::with_capacity(self.pieces_len()?);
        self.join_into(&mut joined)?;
        Ok(Cow::Owned(joined))
    }

    /// The octets of a UTCTime or GeneralizedTime, with its tag.
    pub(crate) fn time(&self) -> Result<(u8, &'a [u8]), BerError> {
        match self.tag {
            UTC_TIME | GENERALIZED_TIME => Ok((self.tag, self.content)),
            _ => Err(BerError::UnexpectedTag),
        }
    }

    fn pieces_len(&self) -> Result<usize, BerError> {
        let mut pieces = self.children()?;
        let mut total = 0usize;
        while !pieces.is_empty() {
            let piece = pieces.any()?;
            total += match piece.tag {
                OCTET_STRING => piece.content.len(),
                tag if tag == OCTET_STRING | CONSTRUCTED => piece.pieces_len()?,
                _ => return Err(BerError::UnexpectedTag),
            };
        }
        Ok(total)
    }

    fn join_into(&self, joined: &mut Vec<u8>) -> Result<(), BerError> {
        let mut pieces = self.children()?;
        while !pieces.is_empty() {
            let piece = pieces.any()?;
            if piece.tag == OCTET_STRING {
                joined.extend_from_slice(piece.content);
            } else {
                piece.join_into(joined)?;
            }
        }
        Ok(())
    }
}

/// An INTEGER's content octets as a number from 0 to 65535.
pub(super) fn small(content: &[u8]) -> Result<u16, BerError> {
    match content {
        [a] if *a < 0x80 => Ok(u16::from(*a)),
        [a, b] if *a < 0x80 => Ok(u16::from_be_bytes([*a, *b])),
        [0, a, b] => Ok(u16::from_be_bytes([*a, *b])),
        _ => Err(BerError::Value),
    }
}

/// The identifier and length octets of a value.
struct Head {
    tag: u8,
    /// Octets of identifier and length together.
    len: usize,
    /// `None` is the indefinite form.
    length: Option<usize>,
}

impl Head {
    fn read(input: &[u8]) -> Result<Self, BerError> {
        let (&tag, rest) = input.split_first().ok_or(BerError::Truncated)?;
        if tag & 0x1f == 0x1f {
            return Err(BerError::HighTag);
        }
        let (&first, rest) = rest.split_first().ok_or(BerError::Truncated)?;
        match first {
            0..=0x7f => Ok(Self {
                tag,
                len: 2,
                length: Some(usize::from(first)),
            }),
            0x80 if tag & CONSTRUCTED == 0 => Err(BerError::Length),
            0x80 => Ok(Self {
                tag,
                len: 2,
                length: None,
            }),
            _ => {
                let count = usize::from(first & 0x7f);
                // X.690 §8.1.3.5: BER allows leading zeroes; eight octets hold any length.
                if count > 8 {
                    return Err(BerError::Length);
                }
                let octets = rest.get(..count).ok_or(BerError::Truncated)?;
                let length = octets.iter().fold(0u64, |sum, o| sum << 8 | u64::from(*o));
                let length = usize::try_from(length).map_err(|_| BerError::Truncated)?;
                Ok(Self {
                    tag,
                    len: 2 + count,
                    length: Some(length),
                })
            }
        }
    }
}

/// Octets before the end-of-contents that closes an indefinite length. One pass, no recursion.
fn indefinite_length(body: &[u8], depth: u8) -> Result<usize, BerError> {
    let mut position = 0usize;
    let mut open = 1u8;
    loop {
        let rest = &body[position..];
        if rest.starts_with(&[0, 0]) {
            open -= 1;
            if open == 0 {
                return Ok(position);
            }
            position += 2;
            continue;
        }
        let head = Head::read(rest)?;
        position += head.len;
        match head.length {
            Some(length) => {
                if length > body.len() - position {
                    return Err(BerError::Truncated);
                }
                position += length;
            }
            None if open >= depth => return Err(BerError::TooDeep),
            None => open += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_all(input: &[u8], depth: u8) -> Result<(), BerError> {
        fn walk(mut reader: Reader<'_>) -> Result<(), BerError> {
            while !reader.is_empty() {
                let element = reader.any()?;
                if element.tag & CONSTRUCTED != 0 {
                    walk(element.children()?)?;
                }
            }
            Ok(())
        }
        walk(Reader::new(input, depth))
    }

    #[test]
    fn joins_a_string_in_nested_pieces() {
        // 24 80 { 04 02 'ab', 24 03 { 04 01 'c' }, 04 00 } 00 00
        let input = [
            0x24, 0x80, 4, 2, b'a', b'b', 0x24, 3, 4, 1, b'c', 4, 0, 0, 0,
        ];
        let mut reader = Reader::new(&input, 8);
        assert_eq!(reader.octets(OCTET_STRING).unwrap().as_ref(), b"abc");
        reader.finish().unwrap();
    }

    #[test]
    fn refuses_another_type_inside_a_string_in_pieces() {
        let input = [0x24, 3, 2, 1, 5];
        assert_eq!(
            Reader::new(&input, 8).octets(OCTET_STRING),
            Err(BerError::UnexpectedTag)
        );
    }

    #[test]
    fn accepts_a_length_with_leading_zeroes() {
        let mut reader = Reader::new(&[4, 0x83, 0, 0, 1, b'x'], 4);
        assert_eq!(reader.octets(OCTET_STRING).unwrap().as_ref(), b"x");
    }

    #[test]
    fn refuses_a_length_beyond_the_input_without_allocating() {
        for input in [
            &[4, 0x84, 0xff, 0xff, 0xff, 0xff][..],
            &[4, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x24, 0x80, 4, 0x84, 0xff, 0xff, 0xff, 0xff, 0, 0],
            &[4, 5, 1],
            &[0x30],
            &[],
        ] {
            assert_eq!(
                Reader::new(input, 4).any().err(),
                Some(BerError::Truncated),
                "{input:?}"
            );
        }
    }

    #[test]
    fn refuses_a_primitive_of_indefinite_length_and_a_missing_end() {
        assert_eq!(
            Reader::new(&[4, 0x80, 0, 0], 4).any().err(),
            Some(BerError::Length)
        );
        assert_eq!(
            Reader::new(&[0x30, 0x80, 4, 0], 4).any().err(),
            Some(BerError::Truncated)
        );
    }

    #[test]
    fn nesting_bombs_stop_at_the_depth() {
        let bomb: Vec<u8> = [0x30, 0x80].repeat(1_000_000);
        assert_eq!(Reader::new(&bomb, 32).any().err(), Some(BerError::TooDeep));
        let mut definite = vec![4, 0];
        for _ in 0..60 {
            let mut outer = vec![0x30, u8::try_from(definite.len()).unwrap()];
            outer.append(&mut definite);
            definite = outer;
        }
        assert_eq!(read_all(&definite, 32), Err(BerError::TooDeep));
        read_all(&definite, 64).unwrap();
    }

    #[test]
    fn a_million_tiny_pieces_join_in_linear_time() {
        let mut input = vec![0x24, 0x80];
        input.extend([4, 1, b'x'].repeat(1 << 20));
        input.extend([0, 0]);
        let joined = Reader::new(&input, 4)
            .octets(OCTET_STRING)
            .unwrap()
            .into_owned();
        assert_eq!(joined.len(), 1 << 20);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_or_refused_without_panic(input: Vec<u8>, depth in 0u8..40) {
            let _ = read_all(&input, depth);
        }
    }
}
