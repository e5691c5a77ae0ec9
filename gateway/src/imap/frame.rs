//! Cuts the octets of a connection into commands: lines and the literals inside them
//! (RFC 3501 §4.3, RFC 7888). No socket; the limits are checked before anything is kept.

use zeroize::Zeroizing;

/// Longest non-synchronizing literal (LITERAL-, RFC 7888 §5).
const NON_SYNC: usize = 4096;
/// Room asked for before each reading.
const CHUNK: usize = 8 * 1024;
/// A larger buffer is given back once it is empty.
const KEEP: usize = 64 * 1024;

/// What a command may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Octets of all lines of a command together.
    pub(crate) lines: usize,
    /// Octets of one literal, and of all literals of one command together.
    pub(crate) literals: usize,
    /// Octets of the literal of APPEND; 0 when APPEND is not possible yet.
    pub(crate) append: usize,
}

/// How the next octets are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As a command, which may hold literals.
    Command,
    /// As one line: an answer to a SASL challenge, or DONE.
    Line,
}

/// What has been cut.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framed {
    /// Nothing yet: read more.
    More,
    /// The peer waits for leave to send a literal.
    Continue,
    /// A whole command, or a whole line with its CRLF. It may hold a password.
    Whole(Zeroizing<Vec<u8>>),
    /// Too large. The tag is `*` when none was readable.
    Refused {
        /// Of the command refused.
        tag: String,
        /// Whether what follows cannot be told apart from commands.
        close: bool,
    },
}

/// The octets received and not yet cut.
#[derive(Default)]
pub(crate) struct Frames {
    buffer: Zeroizing<Vec<u8>>,
    /// Start of the line under way.
    line: usize,
    /// Where the search for the end of the line goes on.
    scanned: usize,
    /// End of the literal under way.
    literal_end: Option<usize>,
    /// Octets of literals so far.
    literals: usize,
}

impl Frames {
    /// Where received octets are appended.
    pub(crate) fn room(&mut self) -> &mut Vec<u8> {
        if self.buffer.is_empty() && self.buffer.capacity() > KEEP {
            *self.buffer = Vec::new();
        }
        self.buffer.reserve(CHUNK);
        &mut self.buffer
    }

    /// Cuts what can be cut. Call it again after each result except [`Framed::More`].
    pub(crate) fn next(&mut self, mode: Mode, limits: Limits) -> Framed {
        loop {
            if let Some(end) = self.literal_end {
                if self.buffer.len() < end {
                    return Framed::More;
                }
                self.literal_end = None;
                self.line = end;
                self.scanned = end;
            }
            let Some(end) = self.line_end() else {
                self.scanned = self.buffer.len().saturating_sub(1).max(self.line);
                let lines = self.buffer.len() - self.literals;
                return if lines > limits.lines {
                    self.refused(true)
                } else {
                    Framed::More
                };
            };
            if end - self.literals > limits.lines {
                return self.refused(true);
            }
            let literal = match mode {
                Mode::Line => None,
                Mode::Command => literal(&self.buffer[self.line..end - 2]),
            };
            let Some((size, sync)) = literal else {
                return Framed::Whole(self.cut(end));
            };
            let allowed = if self.is_append() {
                limits.append.max(limits.literals)
            } else {
                limits.literals
            };
            if !sync && size > NON_SYNC {
                return self.refused(true);
            }
            if size > allowed.saturating_sub(self.literals) {
                return self.refused(!sync);
            }
            self.literals += size;
            self.literal_end = Some(end + size);
            if sync {
                return Framed::Continue;
            }
        }
    }

    /// The index after the CRLF of the line under way.
    fn line_end(&self) -> Option<usize> {
        let from = self.scanned;
        self.buffer[from..]
            .windows(2)
            .position(|two| two == b"\r\n")
            .map(|at| from + at + 2)
    }

    fn cut(&mut self, end: usize) -> Zeroizing<Vec<u8>> {
        let rest = Zeroizing::new(self.buffer.split_off(end));
        let whole = std::mem::replace(&mut self.buffer, rest);
        self.line = 0;
        self.scanned = 0;
        self.literals = 0;
        self.literal_end = None;
        whole
    }

    fn refused(&mut self, close: bool) -> Framed {
        let tag = tag(&self.buffer);
        // Whoever waits for leave to send a literal has sent nothing behind it.
        let end = self.buffer.len();
        self.cut(end);
        Framed::Refused { tag, close }
    }

    fn is_append(&self) -> bool {
        verb(&self.buffer).eq_ignore_ascii_case(b"APPEND")
    }
}

/// The second word of a command.
pub(crate) fn verb(command: &[u8]) -> &[u8] {
    command
        .split(|b| b" \r\n".contains(b))
        .nth(1)
        .unwrap_or_default()
}

/// The tag of a command, or `*` when it has none that could be repeated.
pub(crate) fn tag(command: &[u8]) -> String {
    let tag = command
        .split(|b| b" \r\n".contains(b))
        .next()
        .unwrap_or_default();
    let valid = (1..=64).contains(&tag.len())
        && tag
            .iter()
            .all(|b| b.is_ascii_graphic() && !b"(){%*\"\\+".contains(b));
    match std::str::from_utf8(tag) {
        Ok(tag) if valid => tag.to_owned(),
        _ => "*".to_owned(),
    }
}

/// The literal that a line announces at its end: its size, and whether the peer waits for leave.
fn literal(line: &[u8]) -> Option<(usize, bool)> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|b| *b == b'{')?;
    let (digits, sync) = match inner[open + 1..].strip_suffix(b"+") {
        Some(digits) => (digits, false),
        None => (&inner[open + 1..], true),
    };
    if digits.is_empty() || digits.len() > 10 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let size = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((size, sync))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        lines: 64,
        literals: 16,
        append: 100_000,
    };

    fn all(octets: &[u8], piece: usize) -> Vec<Framed> {
        let mut frames = Frames::default();
        let mut cut = Vec::new();
        for octets in octets.chunks(piece) {
            frames.room().extend_from_slice(octets);
            loop {
                match frames.next(Mode::Command, LIMITS) {
                    Framed::More => break,
                    framed => cut.push(framed),
                }
            }
        }
        cut
    }

    fn whole(octets: &[u8]) -> Framed {
        Framed::Whole(Zeroizing::new(octets.to_vec()))
    }

    #[test]
    fn commands_are_the_same_however_they_arrive() {
        let octets = b"a NOOP\r\nb LOGIN {3}\r\nide {4+}\r\n\r\n}x\r\nc DONE\r\n";
        let expected = [
            whole(b"a NOOP\r\n"),
            Framed::Continue,
            whole(b"b LOGIN {3}\r\nide {4+}\r\n\r\n}x\r\n"),
            whole(b"c DONE\r\n"),
        ];
        for piece in 1..=octets.len() {
            assert_eq!(all(octets, piece), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_before_it_is_kept() {
        let refused = |close| Framed::Refused {
            tag: "a".to_owned(),
            close,
        };
        assert_eq!(all(b"a LOGIN {17}\r\n", 99), [refused(false)]);
        assert_eq!(all(b"a LOGIN {4294967295}\r\n", 99), [refused(false)]);
        assert_eq!(all(b"a LOGIN {5000+}\r\n", 99), [refused(true)]);
        assert_eq!(all(&[b'a'; 65], 99).len(), 1);
        assert_eq!(
            all(b"a LOGIN {9}\r\n123456789 {9}\r\n", 99),
            [Framed::Continue, refused(false)]
        );
        assert_eq!(all(b"a APPEND x {100000}\r\n", 99), [Framed::Continue]);
        assert_eq!(all(b"a APPEND x {100001}\r\n", 99), [refused(false)]);
    }

    #[test]
    fn a_tag_that_could_forge_an_answer_is_not_repeated() {
        assert_eq!(tag(b"a1 NOOP\r\n"), "a1");
        assert_eq!(tag(b"* OK\r\n"), "*");
        assert_eq!(tag(b"+ OK\r\n"), "*");
        assert_eq!(tag("é x\r\n".as_bytes()), "*");
    }
}
