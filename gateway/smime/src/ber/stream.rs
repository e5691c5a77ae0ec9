//! BER read from a source, for objects whose content is too large to hold: the small values
//! around it are read whole, within a budget, and the content goes by in chunks.

use const_oid::ObjectIdentifier;

use super::{BerError, CONSTRUCTED, Element, OBJECT_IDENTIFIER, OCTET_STRING};
use crate::stream::{Fault, Source};

const TRUNCATED: Fault = Fault::Malformed(BerError::Truncated.describe());

/// A value that was entered and not yet left.
#[derive(Clone, Copy)]
struct Frame {
    /// Where it ends, if its length is definite.
    end: Option<u64>,
    /// Where the innermost definite length around here ends.
    bound: u64,
}

/// BER values in order.
pub(crate) struct BerStream<'s> {
    source: Box<dyn Source + 's>,
    position: u64,
    frames: Vec<Frame>,
    depth: u8,
    /// Octets that may still be read whole, and how many there were.
    budget: usize,
    limit: usize,
    /// Octets left of the piece of a string, while one is read.
    piece: u64,
    string: StringState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum StringState {
    Outside,
    /// A primitive string.
    Whole,
    /// A string in pieces, inside so many frames.
    Pieces(usize),
}

/// The identifier and length octets of a value.
struct Head {
    tag: u8,
    /// `None` is the indefinite form.
    length: Option<u64>,
    /// The octets themselves.
    octets: [u8; 10],
    len: usize,
}

impl<'s> BerStream<'s> {
    /// Reads `source`, entering at most `depth` levels, and holding at most `budget` octets of
    /// values that are read whole.
    pub(crate) fn new(source: Box<dyn Source + 's>, depth: u8, budget: usize) -> Self {
        Self {
            source,
            position: 0,
            frames: Vec::new(),
            depth,
            budget,
            limit: budget,
            piece: 0,
            string: StringState::Outside,
        }
    }

    /// Octets read so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Levels that may be entered below this one.
    pub(crate) fn depth_left(&self) -> u8 {
        // At most `depth` frames are ever open.
        self.depth - self.frames.len() as u8
    }

    /// Whether another value follows in the value entered last, or, outside all, in the source.
    pub(crate) fn more(&mut self) -> Result<bool, Fault> {
        match self.frames.last() {
            None => Ok(self.peek()?.is_some()),
            Some(Frame { end: Some(end), .. }) => Ok(self.position < *end),
            Some(Frame { end: None, .. }) => Ok(self.peek()?.ok_or(TRUNCATED)? != 0),
        }
    }

    /// The tag of the next value here, if there is one.
    pub(crate) fn peek_tag(&mut self) -> Result<Option<u8>, Fault> {
        if self.more()? { self.peek() } else { Ok(None) }
    }

    /// Enters the next value, which must have this constructed tag.
    pub(crate) fn enter(&mut self, tag: u8) -> Result<(), Fault> {
        self.expect(tag)?;
        let head = self.head()?;
        self.push(&head)
    }

    /// Leaves the value entered last, which must have been read to its end.
    pub(crate) fn leave(&mut self) -> Result<(), Fault> {
        if self.more()? {
            return Err(BerError::Trailing.into());
        }
        if let Some(Frame { end: None, .. }) = self.frames.pop() {
            // End-of-contents: `more` saw its first octet.
            self.byte()?;
            if self.byte()? != 0 {
                return Err(BerError::Length.into());
            }
        }
        Ok(())
    }

    /// Fails unless the source ends here.
    pub(crate) fn finish(&mut self) -> Result<(), Fault> {
        if self.more()? {
            return Err(BerError::Trailing.into());
        }
        Ok(())
    }

    /// The next value, whole, which must have this tag.
    pub(crate) fn value(&mut self, tag: u8) -> Result<Vec<u8>, Fault> {
        self.expect(tag)?;
        self.any()
    }

    /// The next value, whole, if it has this tag.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Vec<u8>>, Fault> {
        if self.peek_tag()? == Some(tag) {
            self.any().map(Some)
        } else {
            Ok(None)
        }
    }

    /// The next OBJECT IDENTIFIER.
    pub(crate) fn oid(&mut self) -> Result<ObjectIdentifier, Fault> {
        let octets = self.value(OBJECT_IDENTIFIER)?;
        let element = Element::only(&octets, 1)?;
        ObjectIdentifier::from_bytes(element.content).map_err(|_| BerError::Value.into())
    }

    /// The next value, whole, of any tag.
    pub(crate) fn any(&mut self) -> Result<Vec<u8>, Fault> {
        let mut octets = Vec::new();
        let mut open = 0u8;
        loop {
            // An end-of-contents inside reads as a value of tag and length 0.
            let head = self.head()?;
            self.spend(head.len)?;
            octets.extend_from_slice(&head.octets[..head.len]);
            match head.length {
                Some(0) if head.tag == 0 && open > 0 => open -= 1,
                Some(length) => self.copy(length, &mut octets)?,
                None if head.tag & CONSTRUCTED == 0 => return Err(BerError::Length.into()),
                None if open >= self.depth_left() => return Err(BerError::TooDeep.into()),
                None => open += 1,
            }
            if open == 0 {
                return Ok(octets);
            }
        }
    }

    /// Begins the next string, which must have this tag, whole or in pieces. Read it with
    /// [`BerStream::string_chunk`] until that gives nothing.
    pub(crate) fn begin_string(&mut self, tag: u8) -> Result<(), Fault> {
        match self.peek_tag()? {
            None => return Err(BerError::Missing.into()),
            Some(found) if found & !CONSTRUCTED != tag => {
                return Err(BerError::UnexpectedTag.into());
            }
            Some(_) => {}
        }
        let head = self.head()?;
        if head.tag & CONSTRUCTED == 0 {
            self.piece = head.length.ok_or(BerError::Length)?;
            self.string = StringState::Whole;
        } else {
            self.string = StringState::Pieces(self.frames.len());
            self.push(&head)?;
        }
        Ok(())
    }

    /// The next octets of the string; none at its end.
    pub(crate) fn string_chunk(&mut self) -> Result<&[u8], Fault> {
        while self.piece == 0 {
            match self.string {
                StringState::Outside => return Ok(&[]),
                StringState::Whole => self.string = StringState::Outside,
                StringState::Pieces(outer) if self.frames.len() == outer => {
                    self.string = StringState::Outside;
                }
                StringState::Pieces(_) => self.next_piece()?,
            }
        }
        let chunk = self.source.chunk()?;
        if chunk.is_empty() {
            return Err(TRUNCATED);
        }
        let end = usize::try_from(self.piece).map_or(chunk.len(), |left| chunk.len().min(left));
        Ok(&chunk[..end])
    }

    pub(crate) fn consume_string(&mut self, count: usize) {
        self.source.consume(count);
        self.position += count as u64;
        self.piece -= count as u64;
    }

    /// Feeds the whole of the next string to `sink`.
    pub(crate) fn string(
        &mut self,
        tag: u8,
        mut sink: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.begin_string(tag)?;
        loop {
            let chunk = self.string_chunk()?;
            if chunk.is_empty() {
                return Ok(());
            }
            let count = chunk.len();
            sink(chunk)?;
            self.consume_string(count);
        }
    }

    /// Pieces are strings themselves, possibly in pieces (X.690 §8.7.3).
    fn next_piece(&mut self) -> Result<(), Fault> {
        if !self.more()? {
            return self.leave();
        }
        let head = self.head()?;
        if head.tag == OCTET_STRING {
            self.piece = head.length.ok_or(BerError::Length)?;
            Ok(())
        } else if head.tag == OCTET_STRING | CONSTRUCTED {
            self.push(&head)
        } else {
            Err(BerError::UnexpectedTag.into())
        }
    }

    fn expect(&mut self, tag: u8) -> Result<(), Fault> {
        match self.peek_tag()? {
            None => Err(BerError::Missing.into()),
            Some(found) if found == tag => Ok(()),
            Some(_) => Err(BerError::UnexpectedTag.into()),
        }
    }

    fn push(&mut self, head: &Head) -> Result<(), Fault> {
        if head.tag & CONSTRUCTED == 0 {
            return Err(BerError::UnexpectedTag.into());
        }
        if self.frames.len() >= usize::from(self.depth) {
            return Err(BerError::TooDeep.into());
        }
        let end = head.length.map(|length| self.position + length);
        let bound = end.unwrap_or_else(|| self.bound());
        self.frames.push(Frame { end, bound });
        Ok(())
    }

    fn bound(&self) -> u64 {
        self.frames.last().map_or(u64::MAX, |frame| frame.bound)
    }

    /// Reads identifier and length octets. A definite length stays within the values around.
    fn head(&mut self) -> Result<Head, Fault> {
        let mut head = Head {
            tag: self.byte()?,
            length: None,
            octets: [0; 10],
            len: 2,
        };
        if head.tag & 0x1f == 0x1f {
            return Err(BerError::HighTag.into());
        }
        let first = self.byte()?;
        head.octets[0] = head.tag;
        head.octets[1] = first;
        let length = match first {
            0x80 => return Ok(head),
            0..=0x7f => u64::from(first),
            _ => {
                let count = usize::from(first & 0x7f);
                // X.690 §8.1.3.5: BER allows leading zeroes; eight octets hold any length.
                if count > 8 {
                    return Err(BerError::Length.into());
                }
                let mut length = 0u64;
                for _ in 0..count {
                    let octet = self.byte()?;
                    head.octets[head.len] = octet;
                    head.len += 1;
                    length = length << 8 | u64::from(octet);
                }
                length
            }
        };
        if length > self.bound().saturating_sub(self.position) {
            return Err(TRUNCATED);
        }
        // Without a bound around, no position may overflow.
        if length > u64::MAX / 4 {
            return Err(TRUNCATED);
        }
        head.length = Some(length);
        Ok(head)
    }

    fn copy(&mut self, length: u64, octets: &mut Vec<u8>) -> Result<(), Fault> {
        let mut left = usize::try_from(length).unwrap_or(usize::MAX);
        self.spend(left)?;
        while left > 0 {
            let chunk = self.source.chunk()?;
            if chunk.is_empty() {
                return Err(TRUNCATED);
            }
            let count = chunk.len().min(left);
            octets.extend_from_slice(&chunk[..count]);
            self.source.consume(count);
            self.position += count as u64;
            left -= count;
        }
        Ok(())
    }

    fn spend(&mut self, count: usize) -> Result<(), Fault> {
        self.budget = self.budget.checked_sub(count).ok_or(Fault::TooLarge {
            what: "octets of a CMS object beside its content",
            limit: self.limit,
        })?;
        Ok(())
    }

    fn peek(&mut self) -> Result<Option<u8>, Fault> {
        Ok(self.source.chunk()?.first().copied())
    }

    fn byte(&mut self) -> Result<u8, Fault> {
        if self.position >= self.bound() {
            return Err(TRUNCATED);
        }
        let octet = self.peek()?.ok_or(TRUNCATED)?;
        self.source.consume(1);
        self.position += 1;
        Ok(octet)
    }
}

/// The octets of one string, as a source.
pub(crate) struct StringSource<'s>(BerStream<'s>);

impl<'s> StringSource<'s> {
    /// Reads the string that `source` begins with, entering at most `depth` levels.
    pub(crate) fn new(source: Box<dyn Source + 's>, depth: u8) -> Result<Self, Fault> {
        let mut stream = BerStream::new(source, depth, 0);
        let tag = stream.peek_tag()?.ok_or(TRUNCATED)?;
        stream.begin_string(tag & !CONSTRUCTED)?;
        Ok(Self(stream))
    }
}

impl Source for StringSource<'_> {
    fn chunk(&mut self) -> Result<&[u8], Fault> {
        self.0.string_chunk()
    }

    fn consume(&mut self, count: usize) {
        self.0.consume_string(count);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Reader, SEQUENCE};
    use super::*;

    fn stream(octets: &[u8], depth: u8) -> BerStream<'_> {
        BerStream::new(Box::new(octets), depth, 1 << 20)
    }

    fn joined(octets: &[u8], depth: u8) -> Result<Vec<u8>, Fault> {
        let mut stream = stream(octets, depth);
        let mut joined = Vec::new();
        stream.string(OCTET_STRING, |chunk| {
            joined.extend_from_slice(chunk);
            Ok(())
        })?;
        stream.finish()?;
        Ok(joined)
    }

    #[test]
    fn joins_a_string_in_nested_pieces() {
        let input = [
            0x24, 0x80, 4, 2, b'a', b'b', 0x24, 3, 4, 1, b'c', 4, 0, 0, 0,
        ];
        assert_eq!(joined(&input, 8).as_deref(), Ok(&b"abc"[..]));
    }

    #[test]
    fn lengths_stay_within_the_value_around() {
        // SEQUENCE of 3 with a string of 5; a string of 4 GiB; an indefinite primitive.
        let mut inner = stream(&[0x30, 3, 4, 5, 1, 1, 1, 1, 1], 8);
        inner.enter(SEQUENCE).unwrap();
        assert_eq!(inner.value(OCTET_STRING), Err(TRUNCATED));
        for input in [
            &[4u8, 0x84, 0xff, 0xff, 0xff, 0xff][..],
            &[4, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            &[0x24, 0x80, 4, 0x84, 0xff, 0xff, 0xff, 0xff, 0, 0],
            &[0x24, 0x80, 4, 1, 1],
            &[4, 5, 1],
        ] {
            assert_eq!(joined(input, 4), Err(TRUNCATED), "{input:?}");
        }
        let length = Fault::from(BerError::Length);
        assert_eq!(joined(&[4, 0x80, 0, 0], 4), Err(length));
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut value = vec![4, 0x82, 4, 0];
        value.resize(4 + 1024, 7);
        let read = |budget| BerStream::new(Box::new(&value[..]), 4, budget).any();
        assert_eq!(read(1028).unwrap(), value);
        assert!(matches!(read(1027), Err(Fault::TooLarge { .. })));
        let four_gib = [4u8, 0x84, 0xff, 0xff, 0xff, 0xff, 1];
        let answer = BerStream::new(Box::new(&four_gib[..]), 4, 1 << 20).any();
        assert!(matches!(answer, Err(Fault::TooLarge { .. })));
    }

    #[test]
    fn nesting_bombs_stop_at_the_depth() {
        let bomb: Vec<u8> = [0x24, 0x80].repeat(1_000_000);
        let deep = Fault::from(BerError::TooDeep);
        assert_eq!(joined(&bomb, 32), Err(deep));
        assert_eq!(stream(&bomb, 32).any(), Err(deep));
    }

    #[test]
    fn a_million_tiny_pieces_join_in_linear_time() {
        let mut input = vec![0x24, 0x80];
        input.extend([4, 1, b'x'].repeat(1 << 20));
        input.extend([0, 0]);
        assert_eq!(joined(&input, 4).unwrap().len(), 1 << 20);
    }

    proptest! {
        /// The two readers, of memory and of a stream, agree on every value.
        #[test]
        fn a_stream_reads_what_the_reader_of_slices_reads(
            octets in prop::collection::vec(prop::sample::select(&[0u8, 0, 1, 2, 3, 4, 4, 0x24, 0x24, 0x30, 0x80, 0x80, 0x81, 0xff][..]), 0..40),
        ) {
            let mut reader = Reader::new(&octets, 6);
            let slice = reader.any().map(|element| element.raw.to_vec());
            let streamed = stream(&octets, 6).any();
            prop_assert_eq!(slice.is_ok(), streamed.is_ok(), "{:?} {:?}", slice, streamed);
            if let (Ok(slice), Ok(streamed)) = (slice, streamed) {
                prop_assert_eq!(slice, streamed);
            }
            let slice = Reader::new(&octets, 6).octets(OCTET_STRING).map(std::borrow::Cow::into_owned);
            let mut joined = Vec::new();
            let streamed = stream(&octets, 6).string(OCTET_STRING, |chunk| {
                joined.extend_from_slice(chunk);
                Ok(())
            });
            prop_assert_eq!(slice.is_ok(), streamed.is_ok(), "{:?} {:?}", slice, streamed);
            if let Ok(slice) = slice {
                prop_assert_eq!(slice, joined);
            }
        }
    }
}
