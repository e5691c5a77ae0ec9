//! Content in chunks of announced sizes (RFC 3030 §2).

use liaison_mail::Refusal;
use memchr::memchr2;

use super::{Content, ContentFault, Kept, Unusable};

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
        self.end().map_err(Unusable::fault)
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
