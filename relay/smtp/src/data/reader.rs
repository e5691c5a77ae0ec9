//! Content after `DATA`, to its final dot (RFC 5321 §4.5.2).

use liaison_mail::Refusal;
use memchr::memchr2;

use super::{Content, ContentFault, Kept, Unusable};

/// Reads content as it arrives after `DATA`, in pieces of any size.
#[derive(Debug)]
pub struct Reader {
    state: State,
    pub(super) kept: Kept,
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
        self.end().map_err(Unusable::fault)
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
