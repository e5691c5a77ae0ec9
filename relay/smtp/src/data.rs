//! The content after `DATA` (RFC 5321 §4.1.1.4 and §4.5.2).
//!
//! One rule makes smuggling impossible: content ends at exactly `CRLF . CRLF`, and content with a
//! CR or an LF alone is refused whole, in both directions. A peer that reads line ends otherwise
//! than we do can then never see a second message in one of ours, nor we in one of its.
//! Apart from the dots that §4.5.2 adds and removes, no octet is ever altered.

use std::fmt;

use liaison_mail::Refusal;
use memchr::memchr2;
use thiserror::Error;

/// The message as it was received, dots removed: what is still held of it. What the session took
/// before the end ([`crate::server::Event::Content`]) is not in it any more.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    held: Vec<u8>,
    taken: u64,
    eight_bit: bool,
}

impl Content {
    /// The octets still held; they end with CRLF unless there are none. All of the message, when
    /// the settings let it be held whole.
    pub fn as_bytes(&self) -> &[u8] {
        &self.held
    }

    /// Takes the octets out.
    pub fn into_bytes(self) -> Vec<u8> {
        self.held
    }

    /// How many octets the message has, those taken before included.
    pub fn len(&self) -> u64 {
        self.taken + self.held.len() as u64
    }

    /// Whether the message has no octet at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether an octet of the message is above 127 (RFC 6152).
    pub fn is_eight_bit(&self) -> bool {
        self.eight_bit
    }
}

/// Shows the size only: the content may be a patient's.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} octets)", self.len())
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

/// Why content that was read to its end is not handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// By itself.
    Fault(ContentFault),
    /// The session did not take a piece of it.
    Refused(Refusal),
}

/// What is read of a content, whatever frames it.
#[derive(Debug)]
struct Kept {
    limit: u64,
    held: Vec<u8>,
    taken: u64,
    eight_bit: bool,
    fault: Option<Unusable>,
}

impl Kept {
    fn new(limit: usize) -> Self {
        Self {
            limit: limit as u64,
            held: Vec::new(),
            taken: 0,
            eight_bit: false,
            fault: None,
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.taken + (self.held.len() + bytes.len()) as u64 > self.limit {
            self.fail(ContentFault::TooLarge);
        }
        if self.fault.is_none() {
            self.held.extend_from_slice(bytes);
        }
    }

    fn fail(&mut self, fault: ContentFault) {
        self.refuse(Unusable::Fault(fault));
    }

    fn refuse(&mut self, fault: Unusable) {
        self.fault.get_or_insert(fault);
        self.held = Vec::new();
    }

    /// Everything held, once it is more than `hold` octets.
    fn spill(&mut self, hold: usize) -> Option<Vec<u8>> {
        // Once a message is on its way out of memory, small pieces of it follow.
        let most = if self.taken == 0 {
            hold
        } else {
            hold.min(PIECE)
        };
        if self.held.len() <= most {
            return None;
        }
        self.taken += self.held.len() as u64;
        self.eight_bit |= !self.held.is_ascii();
        Some(std::mem::take(&mut self.held))
    }

    fn finish(self) -> Result<Content, Unusable> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(Content {
                eight_bit: self.eight_bit || !self.held.is_ascii(),
                held: self.held,
                taken: self.taken,
            }),
        }
    }
}

/// Reads content as it arrives after `DATA`, in pieces of any size.
#[derive(Debug)]
pub struct Reader {
    state: State,
    kept: Kept,
    /// Octets read, also those not kept.
    seen: u64,
}

/// Where the reader stands in the line. Only a CRLF leads to `LineStart`, and only `LineStart`
/// leads through a dot and a CRLF to `End`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
            state: State::LineStart,
            kept: Kept::new(limit),
            seen: 0,
        }
    }

    /// Takes what belongs to the content from the start of `input` and says how many octets that
    /// was. Fewer than all means that the final dot was met: see [`Reader::is_complete`].
    ///
    /// After a fault nothing more is kept, and reading goes on to the true end.
    pub fn read(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        while at < input.len() && self.state != State::End {
            let plain = match self.state {
                State::Text => plain_lines(&input[at..], false),
                State::LineStart => plain_lines(&input[at..], true),
                _ => Run::default(),
            };
            if plain.octets > 0 {
                self.kept.keep(&input[at..at + plain.octets]);
                at += plain.octets;
                self.state = match plain.ends_line {
                    true => State::LineStart,
                    false => State::Text,
                };
                continue;
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
        self.seen.saturating_sub(self.kept.limit)
    }

    /// The content, once [`Reader::is_complete`].
    ///
    /// # Errors
    /// The first fault met; [`ContentFault::Unterminated`] when the final dot was not reached.
    pub fn finish(self) -> Result<Content, ContentFault> {
        self.end().map_err(|unusable| match unusable {
            Unusable::Fault(fault) => fault,
            // Only a session that takes pieces can refuse one.
            Unusable::Refused(_) => ContentFault::TooLarge,
        })
    }

    pub(crate) fn end(self) -> Result<Content, Unusable> {
        match (self.state, self.kept.fault.is_some()) {
            (State::End, _) | (_, true) => self.kept.finish(),
            (_, false) => Err(Unusable::Fault(ContentFault::Unterminated)),
        }
    }

    /// What is held beyond `hold` octets, to be taken out of memory.
    pub(crate) fn spill(&mut self, hold: usize) -> Option<Vec<u8>> {
        self.kept.spill(hold)
    }

    /// The session cannot take any more of it.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.kept.refuse(Unusable::Refused(refusal));
    }

    fn take(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Cr, b'\n') => {
                self.kept.keep(b"\r\n");
                State::LineStart
            }
            (State::DotCr, b'\n') => State::End,
            (State::Dot, b'\r') => State::DotCr,
            (State::Cr | State::DotCr, b'\r') => {
                self.kept.fail(ContentFault::BareCr);
                State::Cr
            }
            (State::LineStart | State::Text, b'\r') => State::Cr,
            (State::Cr | State::DotCr, _) => {
                self.kept.fail(ContentFault::BareCr);
                State::Text
            }
            (_, b'\n') => {
                self.kept.fail(ContentFault::BareLf);
                State::Text
            }
            (State::LineStart, b'.') => State::Dot,
            // A dot at the start of a longer line was added by the sender (§4.5.2): it goes, and
            // the octet after it is content, be it a dot.
            (_, byte) => {
                self.kept.keep(&[byte]);
                State::Text
            }
        };
    }
}

/// Reads content that comes in chunks of announced sizes (`BDAT`, RFC 3030 §2).
///
/// Lines must end as after `DATA`: the message may have to leave by `DATA`, and is then not to be
/// altered.
#[derive(Debug)]
pub struct ChunkReader {
    kept: Kept,
    line: LineEnd,
    /// Octets of the present chunk still to come.
    awaited: u64,
    /// Whether the present chunk is the last.
    last: bool,
    /// Nothing is kept: the chunk came out of place.
    skips: bool,
    seen: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    Met,
    Text,
    Cr,
}

impl ChunkReader {
    /// A reader that keeps at most `limit` octets.
    pub fn new(limit: usize) -> Self {
        Self {
            kept: Kept::new(limit),
            line: LineEnd::Met,
            awaited: 0,
            last: false,
            skips: false,
            seen: 0,
        }
    }

    /// A reader that throws away what it reads.
    pub(crate) fn skipping() -> Self {
        Self {
            skips: true,
            ..Self::new(0)
        }
    }

    /// A chunk of `size` octets begins.
    pub fn begin(&mut self, size: u64, last: bool) {
        self.awaited = size;
        self.last = last;
    }

    /// Takes what belongs to the chunk from the start of `input` and says how many octets that
    /// was.
    pub fn read(&mut self, input: &[u8]) -> usize {
        let count = usize::try_from(self.awaited).map_or(input.len(), |left| left.min(input.len()));
        self.awaited -= count as u64;
        self.seen = self.seen.saturating_add(count as u64);
        if !self.skips {
            self.check_lines(&input[..count]);
            self.kept.keep(&input[..count]);
        }
        count
    }

    /// Whether the chunk has been read.
    pub fn is_complete(&self) -> bool {
        self.awaited == 0
    }

    /// Whether the chunk is the last of its content.
    pub(crate) fn is_last(&self) -> bool {
        self.last
    }

    pub(crate) fn excess(&self) -> u64 {
        self.seen.saturating_sub(self.kept.limit)
    }

    pub(crate) fn spill(&mut self, hold: usize) -> Option<Vec<u8>> {
        self.kept.spill(hold)
    }

    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.kept.refuse(Unusable::Refused(refusal));
    }

    /// The content, after its last chunk.
    ///
    /// # Errors
    /// The first fault met; [`ContentFault::Unterminated`] when its last line has no CRLF.
    pub fn finish(self) -> Result<Content, ContentFault> {
        self.end().map_err(|unusable| match unusable {
            Unusable::Fault(fault) => fault,
            Unusable::Refused(_) => ContentFault::TooLarge,
        })
    }

    pub(crate) fn end(mut self) -> Result<Content, Unusable> {
        match self.line {
            LineEnd::Met => {}
            LineEnd::Text => self.kept.fail(ContentFault::Unterminated),
            LineEnd::Cr => self.kept.fail(ContentFault::BareCr),
        }
        self.kept.finish()
    }

    fn check_lines(&mut self, mut bytes: &[u8]) {
        if let (LineEnd::Cr, Some((first, rest))) = (self.line, bytes.split_first()) {
            if *first != b'\n' {
                self.kept.fail(ContentFault::BareCr);
            }
            self.line = LineEnd::Met;
            bytes = rest;
            if *first != b'\n' {
                self.line = LineEnd::Text;
            }
        }
        while !bytes.is_empty() {
            let Some(at) = memchr2(b'\r', b'\n', bytes) else {
                self.line = LineEnd::Text;
                return;
            };
            match (bytes[at], bytes.get(at + 1)) {
                (b'\r', None) => {
                    self.line = LineEnd::Cr;
                    return;
                }
                (b'\r', Some(b'\n')) => {
                    self.line = LineEnd::Met;
                    bytes = &bytes[at + 2..];
                }
                (fault, _) => {
                    self.kept.fail(match fault {
                        b'\r' => ContentFault::BareCr,
                        _ => ContentFault::BareLf,
                    });
                    self.line = LineEnd::Text;
                    bytes = &bytes[at + 1..];
                }
            }
        }
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
        while let Some(found) = memchr2(b'\r', b'\n', &bytes[at..]) {
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

/// Writes content for the wire after `DATA`: dots added (§4.5.2), the final dot at the end.
///
/// The content comes in pieces of any size, [`Canonical`] as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Stuffing {
    /// Whether the next octet begins a line.
    at_line_start: bool,
}

/// How the content ends on the wire.
pub const FINAL_DOT: &[u8] = b".\r\n";

/// Size of the pieces in which content is read and written, in octets.
pub const PIECE: usize = 64 * 1024;

impl Default for Stuffing {
    fn default() -> Self {
        Self {
            at_line_start: true,
        }
    }
}

impl Stuffing {
    /// Adds a piece to `wire`.
    pub fn write(&mut self, mut piece: &[u8], wire: &mut Vec<u8>) {
        wire.reserve(piece.len() + 64);
        while !piece.is_empty() {
            if self.at_line_start && piece[0] == b'.' {
                wire.push(b'.');
            }
            // Only lines that begin with a dot are of interest.
            let end = memchr::memmem::find(piece, b"\n.").map_or(piece.len(), |at| at + 1);
            let (lines, rest) = piece.split_at(end);
            wire.extend_from_slice(lines);
            self.at_line_start = lines.ends_with(b"\n");
            piece = rest;
        }
    }
}

/// How many octets can be kept as they are.
#[derive(Clone, Copy, Default)]
struct Run {
    octets: usize,
    ends_line: bool,
}

/// The lines at the start of `input` that end with CRLF and begin with no dot, and the start of
/// the next; `at_line_start` says whether the first octet begins a line.
fn plain_lines(input: &[u8], at_line_start: bool) -> Run {
    let mut run = Run {
        octets: 0,
        ends_line: at_line_start,
    };
    loop {
        let rest = &input[run.octets..];
        if run.ends_line && matches!(rest.first(), Some(b'.') | None) {
            return run;
        }
        match memchr2(b'\r', b'\n', rest) {
            Some(at) if rest[at] == b'\r' && rest.get(at + 1) == Some(&b'\n') => {
                run.octets += at + 2;
                run.ends_line = true;
            }
            found => {
                let text = found.unwrap_or(rest.len());
                run.octets += text;
                run.ends_line &= text == 0;
                return run;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write(content: &[u8]) -> Vec<u8> {
        Canonical::new(content).unwrap();
        let (mut stuffing, mut wire) = (Stuffing::default(), Vec::new());
        for piece in content.chunks(7) {
            stuffing.write(piece, &mut wire);
        }
        wire.extend(FINAL_DOT);
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
        fn chunks_bring_the_same_content_or_the_same_fault(wire in hostile(), cut in 1usize..60, step in 1usize..10) {
            let mut reader = ChunkReader::new(1 << 20);
            for (index, chunk) in wire.chunks(cut).enumerate() {
                reader.begin(chunk.len() as u64, (index + 1) * cut >= wire.len());
                let mut rest = chunk;
                while !rest.is_empty() {
                    let taken = reader.read(&rest[..step.min(rest.len())]);
                    rest = &rest[taken..];
                }
                prop_assert!(reader.is_complete());
            }
            match (reader.finish(), Canonical::new(&wire)) {
                (Ok(content), Ok(_)) => prop_assert_eq!(content.into_bytes(), wire),
                (Err(ours), Err(fault)) => prop_assert_eq!(ours, fault),
                (ours, _) => prop_assert!(false, "{ours:?}"),
            }
        }

        #[test]
        fn what_is_taken_early_and_what_is_held_make_the_content(content in canonical(), step in 1usize..40, hold in 0usize..30) {
            let wire = write(&content);
            let (mut reader, mut taken) = (Reader::new(1 << 20), Vec::new());
            for piece in wire.chunks(step) {
                reader.read(piece);
                taken.extend(reader.spill(hold).unwrap_or_default());
            }
            let last = reader.finish().unwrap();
            prop_assert_eq!(last.len(), content.len() as u64);
            prop_assert_eq!(last.is_eight_bit(), !content.is_ascii());
            taken.extend(last.into_bytes());
            prop_assert_eq!(taken, content);
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
        assert_eq!((reader.kept.held.capacity(), reader.excess()), (0, 3990));
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
