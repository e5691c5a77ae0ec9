//! The content after `DATA` (RFC 5321 §4.1.1.4 and §4.5.2).
//!
//! One rule makes smuggling impossible: content ends at exactly `CRLF . CRLF`, and content with a
//! CR or an LF alone is refused whole, in both directions. A peer that reads line ends otherwise
//! than we do can then never see a second message in one of ours, nor we in one of its.
//! Apart from the dots that §4.5.2 adds and removes, no octet is ever altered.

use std::fmt;

use thiserror::Error;

/// The message as it was received, dots removed. Held in memory; callers see only these methods,
/// so that a large one can rest in a spool file later.
#[derive(Clone, PartialEq, Eq)]
pub struct Content(Vec<u8>);

impl Content {
    /// The octets; they end with CRLF unless there are none.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes the octets out.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// How many octets.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing at all between `DATA` and the final dot.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Shows the size only: the content may be a patient's.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} octets)", self.0.len())
    }
}

/// Why content is not carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ContentFault {
    /// A CR that no LF follows (RFC 5321 §2.3.8).
    #[error("a line of the message has a CR without LF")]
    BareCr,
    /// An LF that no CR precedes (RFC 5321 §2.3.8).
    #[error("a line of the message ends with LF alone; lines end with CRLF")]
    BareLf,
    /// The last line has no CRLF: the final dot would need one, and would alter the content.
    #[error("the last line of the message does not end with CRLF")]
    Unterminated,
    /// More octets than the limit.
    #[error("the message is larger than the limit")]
    TooLarge,
}

/// Reads content as it arrives, in pieces of any size.
pub struct Reader {
    limit: usize,
    state: State,
    content: Vec<u8>,
    /// Octets read, also those not kept.
    seen: u64,
    fault: Option<ContentFault>,
}

/// Where the reader stands in the line. Only a CRLF leads to `LineStart`, and only `LineStart`
/// leads through a dot and a CRLF to `End`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    LineStart,
    Text,
    Cr,
    Dot,
    DotCr,
    End,
}

impl Reader {
    /// A reader that keeps at most `limit` octets.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            state: State::LineStart,
            content: Vec::new(),
            seen: 0,
            fault: None,
        }
    }

    /// Takes what belongs to the content from the start of `input` and says how many octets that
    /// was. Fewer than all means that the final dot was met: see [`Reader::is_complete`].
    ///
    /// After a fault nothing more is kept, and reading goes on to the true end.
    pub fn read(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        while at < input.len() && self.state != State::End {
            if self.state == State::Text {
                let run = plain_run(&input[at..]);
                self.keep(&input[at..at + run]);
                at += run;
                if at == input.len() {
                    break;
                }
            }
            self.take(input[at]);
            at += 1;
        }
        self.seen = self.seen.saturating_add(at as u64);
        at
    }

    /// Whether the final dot was read.
    pub fn is_complete(&self) -> bool {
        self.state == State::End
    }

    /// Octets read beyond the limit: for how long a client has been talking in vain.
    pub fn excess(&self) -> u64 {
        self.seen.saturating_sub(self.limit as u64)
    }

    /// The content, once [`Reader::is_complete`].
    ///
    /// # Errors
    /// The first fault met; [`ContentFault::Unterminated`] when the final dot was not reached.
    pub fn finish(self) -> Result<Content, ContentFault> {
        match (self.fault, self.state) {
            (Some(fault), _) => Err(fault),
            (None, State::End) => Ok(Content(self.content)),
            (None, _) => Err(ContentFault::Unterminated),
        }
    }

    fn take(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Cr, b'\n') => {
                self.keep(b"\r\n");
                State::LineStart
            }
            (State::DotCr, b'\n') => State::End,
            (State::Dot, b'\r') => State::DotCr,
            (State::Cr | State::DotCr, b'\r') => {
                self.fail(ContentFault::BareCr);
                State::Cr
            }
            (State::LineStart | State::Text, b'\r') => State::Cr,
            (State::Cr | State::DotCr, _) => {
                self.fail(ContentFault::BareCr);
                State::Text
            }
            (_, b'\n') => {
                self.fail(ContentFault::BareLf);
                State::Text
            }
            (State::LineStart, b'.') => State::Dot,
            // A dot at the start of a longer line was added by the sender (§4.5.2): it goes, and
            // the octet after it is content, be it a dot.
            (_, byte) => {
                self.keep(&[byte]);
                State::Text
            }
        };
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.content.len() + bytes.len() > self.limit {
            self.fail(ContentFault::TooLarge);
        }
        if self.fault.is_none() {
            self.content.extend_from_slice(bytes);
        }
    }

    fn fail(&mut self, fault: ContentFault) {
        self.fault.get_or_insert(fault);
        self.content = Vec::new();
    }
}

/// Content that may be sent: each CR is followed by LF, each LF preceded by CR, and the last line
/// ends with CRLF.
///
/// ```
/// use liaison_smtp::data::{Canonical, ContentFault};
///
/// assert!(Canonical::new(b"Subject: x\r\n\r\n.\r\n").is_ok());
/// assert_eq!(Canonical::new(b"a\n").unwrap_err(), ContentFault::BareLf);
/// assert_eq!(Canonical::new(b"a").unwrap_err(), ContentFault::Unterminated);
/// ```
#[derive(Clone, Copy)]
pub struct Canonical<'a> {
    bytes: &'a [u8],
    eight_bit: bool,
}

impl<'a> Canonical<'a> {
    /// Checks the content; it is never mended, since it may be signed.
    ///
    /// # Errors
    /// [`ContentFault`] of the first line end that is not CRLF, or of the missing last one.
    pub fn new(bytes: &'a [u8]) -> Result<Self, ContentFault> {
        let mut at = 0;
        while let Some(found) = bytes[at..].iter().position(|b| matches!(b, b'\r' | b'\n')) {
            at += found;
            match (bytes[at], bytes.get(at + 1)) {
                (b'\r', Some(b'\n')) => at += 2,
                (b'\r', _) => return Err(ContentFault::BareCr),
                _ => return Err(ContentFault::BareLf),
            }
        }
        if at < bytes.len() {
            return Err(ContentFault::Unterminated);
        }
        Ok(Self {
            bytes,
            eight_bit: !bytes.is_ascii(),
        })
    }

    /// The octets.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether an octet is above 127, so that `BODY=8BITMIME` must be said (RFC 6152 §3).
    pub fn is_eight_bit(&self) -> bool {
        self.eight_bit
    }
}

/// Shows the size only.
impl fmt::Debug for Canonical<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Canonical({} octets)", self.bytes.len())
    }
}

/// Writes content for the wire: dots added (§4.5.2), the final dot at the end.
pub struct Writer<'a> {
    rest: &'a [u8],
    done: bool,
}

/// Size of the pieces, in octets; a piece may exceed it by one line.
const PIECE: usize = 64 * 1024;

impl<'a> Writer<'a> {
    /// Starts at the first line.
    pub fn new(content: Canonical<'a>) -> Self {
        Self {
            rest: content.bytes,
            done: false,
        }
    }

    /// The next piece, or `None` after the last, which ends with the final dot.
    pub fn next_piece(&mut self) -> Option<Vec<u8>> {
        if self.done {
            return None;
        }
        let mut piece = Vec::with_capacity(self.rest.len().min(PIECE) + 1024);
        while piece.len() < PIECE && !self.rest.is_empty() {
            if self.rest[0] == b'.' {
                piece.push(b'.');
            }
            let end = self.rest.iter().position(|b| *b == b'\n');
            let (line, rest) = self
                .rest
                .split_at(end.map_or(self.rest.len(), |end| end + 1));
            piece.extend_from_slice(line);
            self.rest = rest;
        }
        if self.rest.is_empty() {
            piece.extend_from_slice(b".\r\n");
            self.done = true;
        }
        Some(piece)
    }

    /// Whether the last piece has been given.
    pub fn is_done(&self) -> bool {
        self.done
    }
}

/// How many octets at the start of `input` are neither CR nor LF.
fn plain_run(input: &[u8]) -> usize {
    input
        .iter()
        .position(|b| matches!(b, b'\r' | b'\n'))
        .unwrap_or(input.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write(content: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new(Canonical::new(content).unwrap());
        let mut wire = Vec::new();
        while let Some(piece) = writer.next_piece() {
            wire.extend(piece);
        }
        wire
    }

    /// Reads `wire` in pieces of `step` octets; gives the outcome and what was left over.
    fn read(wire: &[u8], step: usize, limit: usize) -> (Result<Content, ContentFault>, usize) {
        let mut reader = Reader::new(limit);
        let mut used = 0;
        for piece in wire.chunks(step) {
            let taken = reader.read(piece);
            used += taken;
            if reader.is_complete() {
                break;
            }
            assert_eq!(taken, piece.len(), "input left before the end");
        }
        (reader.finish(), wire.len() - used)
    }

    fn canonical() -> impl Strategy<Value = Vec<u8>> {
        let octet = prop_oneof![Just(b'.'), Just(b'a'), Just(0), Just(0xe9), any::<u8>()];
        let line = prop::collection::vec(octet, 0..20).prop_map(|mut line| {
            line.retain(|b| !matches!(b, b'\r' | b'\n'));
            line.extend(b"\r\n");
            line
        });
        prop::collection::vec(line, 0..20).prop_map(|lines| lines.concat())
    }

    /// Octets that make every kind of line end likely.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        let octet = prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'.'), Just(b'a'), Just(0)];
        prop::collection::vec(octet, 0..60)
    }

    proptest! {
        #[test]
        fn canonical_content_comes_back_as_it_was(content in canonical(), step in 1usize..40) {
            let mut wire = write(&content);
            wire.extend(b"QUIT\r\n");
            let (outcome, left) = read(&wire, step, 1 << 20);
            prop_assert_eq!(outcome.unwrap().into_bytes(), content);
            prop_assert!(left <= 6);
        }

        #[test]
        fn the_end_is_at_the_first_crlf_dot_crlf_and_nowhere_else(
            wire in hostile(),
            step in 1usize..10,
        ) {
            let mut framed = b"\r\n".to_vec();
            framed.extend(&wire);
            let end = framed.windows(5).position(|w| w == b"\r\n.\r\n").map(|at| at + 3);
            let mut reader = Reader::new(1 << 20);
            let mut used = 0;
            for piece in wire.chunks(step) {
                used += reader.read(piece);
                if reader.is_complete() {
                    break;
                }
            }
            prop_assert_eq!(reader.is_complete().then_some(used), end);
        }

        #[test]
        fn accepted_content_is_canonical(wire in hostile(), step in 1usize..10) {
            let mut wire = wire;
            wire.extend(b"\r\n.\r\n");
            if let (Ok(content), _) = read(&wire, step, 1 << 20) {
                prop_assert!(Canonical::new(content.as_bytes()).is_ok());
            }
        }
    }

    /// The end-of-data forms of SMTP smuggling (SEC Consult 2023, CVE-2023-51764 to 51766) and
    /// of readers that mend line ends: each must be content, and the content refused.
    #[test]
    fn every_smuggling_form_is_refused_with_what_follows_it() {
        let forms: [&[u8]; 16] = [
            b"\n.\n",
            b"\n.\r\n",
            b"\r\n.\n",
            b"\r.\r",
            b"\r.\r\n",
            b"\r\n.\r",
            b"\n.\r",
            b"\r.\n",
            b"\r\n.\r\r\n",
            b"\r\r\n.\r\r\n",
            b"\n\n.\r\n",
            b"\r\n\0.\n",
            b"\r\n.\0\n",
            b"\n\r.\r\n",
            b"\r\n.\n\r\n",
            b"\r\n.\r\0\n",
        ];
        for form in forms {
            let mut wire = b"Subject: one\r\n\r\nfirst".to_vec();
            wire.extend(form);
            wire.extend(
                b"MAIL FROM:<evil@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\nsecond\r\n.\r\n",
            );
            for step in [1, 2, 3, 7, 1000] {
                let (outcome, left) = read(&wire, step, 1 << 20);
                assert_eq!(left, 0, "{form:?} ended the message");
                assert!(
                    matches!(outcome, Err(ContentFault::BareCr | ContentFault::BareLf)),
                    "{form:?} was accepted"
                );
            }
        }
    }

    /// `CR CR LF . CR LF` holds a true end, before which a CR stands alone.
    #[test]
    fn a_doubled_cr_before_the_true_end_spoils_the_message() {
        let (outcome, left) = read(b"a\r\r\n.\r\nQUIT\r\n", 1, 100);
        assert_eq!((outcome, left), (Err(ContentFault::BareCr), 6));
    }

    #[test]
    fn dots_are_added_and_removed_on_every_line() {
        assert_eq!(write(b"..x\r\n.\r\na\r\n"), b"...x\r\n..\r\na\r\n.\r\n");
        assert_eq!(write(b""), b".\r\n");
        let (outcome, _) = read(b"..\r\n...x\r\n.y\r\n.\r\n", 1, 100);
        assert_eq!(outcome.unwrap().as_bytes(), b".\r\n..x\r\ny\r\n");
    }

    #[test]
    fn more_than_the_limit_is_read_to_its_end_and_not_kept() {
        let mut wire = vec![b'a'; 5000];
        wire.extend(b"\r\n.\r\nNOOP\r\n");
        assert_eq!(
            read(&wire, 100, 5001),
            (Err(ContentFault::TooLarge), b"NOOP\r\n".len())
        );
        assert_eq!(read(&wire, 100, 5002).0.unwrap().len(), 5002);
        let mut reader = Reader::new(10);
        reader.read(&wire[..4000]);
        assert_eq!((reader.content.capacity(), reader.excess()), (0, 3990));
    }

    #[test]
    fn content_that_would_need_mending_is_not_sent() {
        for (content, fault) in [
            (&b"a\nb\r\n"[..], ContentFault::BareLf),
            (b"a\rb\r\n", ContentFault::BareCr),
            (b"a\r\r\n", ContentFault::BareCr),
            (b"a\r\n\n", ContentFault::BareLf),
            (b"a\r\nb", ContentFault::Unterminated),
            (b"a\r", ContentFault::BareCr),
        ] {
            assert_eq!(Canonical::new(content).err(), Some(fault), "{content:?}");
        }
    }

    #[test]
    fn debug_output_shows_no_content() {
        let (outcome, _) = read(b"Subject: secret\r\n.\r\n", 5, 100);
        let shown = format!("{:?}", outcome.unwrap());
        assert_eq!(shown, "Content(17 octets)");
    }
}
