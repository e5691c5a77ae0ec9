//! The server's input, cut into command lines.

use zeroize::{Zeroize, Zeroizing};

/// Longest command line with its CRLF, in octets: the 512 of RFC 5321 §4.5.3.1.4 and room for
/// what the announced extensions add (RFC 1870 §3, RFC 3461 §4, RFC 4954 §3, RFC 6710 §3).
pub(crate) const MAX_LINE: usize = 2048;

/// Bytes that have arrived and were not looked at yet.
///
/// Lines may hold passwords, so that each is wiped here once it is cut out.
#[derive(Default)]
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    start: usize,
    /// The rest of an overlong line is thrown away as it comes.
    skipping: bool,
}

/// What the buffer holds next.
pub(crate) enum Line {
    /// A line, without its CRLF.
    Complete(Zeroizing<Vec<u8>>),
    /// No line end yet.
    Incomplete,
    /// A line longer than [`MAX_LINE`] has just ended; it is gone.
    TooLong,
    /// A CR or an LF alone. Where the line ends is a matter of opinion (RFC 5321 §2.3.8 forbids
    /// both), so that nothing behind it may be read as a command.
    BareNewline,
}

impl LineBuffer {
    pub(crate) fn extend(&mut self, input: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(input);
    }

    /// Everything not consumed yet.
    pub(crate) fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.bytes.len());
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    pub(crate) fn next_line(&mut self) -> Line {
        match end_of_line(self.rest()) {
            End::At(length) => {
                let fits = !self.skipping && length + 2 <= MAX_LINE;
                self.skipping = false;
                let line = Zeroizing::new(self.rest()[..length].to_vec());
                self.wipe(length);
                self.consume(length + 2);
                match fits {
                    true => Line::Complete(line),
                    false => Line::TooLong,
                }
            }
            End::Bare => Line::BareNewline,
            End::NotYet => {
                let held = self.rest().len();
                if held > MAX_LINE {
                    self.skipping = true;
                    let kept = usize::from(self.rest().ends_with(b"\r"));
                    self.wipe(held - kept);
                    self.consume(held - kept);
                }
                Line::Incomplete
            }
        }
    }

    fn wipe(&mut self, count: usize) {
        self.bytes[self.start..self.start + count].zeroize();
    }
}

enum End {
    At(usize),
    Bare,
    NotYet,
}

fn end_of_line(bytes: &[u8]) -> End {
    let Some(at) = bytes.iter().position(|b| matches!(b, b'\r' | b'\n')) else {
        return End::NotYet;
    };
    match (bytes[at], bytes.get(at + 1)) {
        (b'\r', Some(b'\n')) => End::At(at),
        (b'\r', None) => End::NotYet,
        _ => End::Bare,
    }
}

impl Drop for LineBuffer {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(buffer: &mut LineBuffer) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match buffer.next_line() {
                Line::Complete(line) => lines.push(String::from_utf8_lossy(&line).into_owned()),
                Line::Incomplete => return lines,
                Line::TooLong => lines.push("<too long>".into()),
                Line::BareNewline => {
                    lines.push("<bare>".into());
                    return lines;
                }
            }
        }
    }

    #[test]
    fn lines_come_out_whole_however_they_arrive() {
        let mut buffer = LineBuffer::default();
        let mut seen = Vec::new();
        for byte in b"NOOP\r\n\r\nQUIT\r\nRS" {
            buffer.extend(&[*byte]);
            seen.extend(lines(&mut buffer));
        }
        assert_eq!(seen, ["NOOP", "", "QUIT"]);
        assert_eq!(buffer.rest(), b"RS");
    }

    #[test]
    fn an_overlong_line_is_thrown_away_without_being_held() {
        let mut buffer = LineBuffer::default();
        for _ in 0..1000 {
            buffer.extend(&[b'a'; 1000]);
            assert!(matches!(buffer.next_line(), Line::Incomplete));
            assert!(buffer.rest().len() <= MAX_LINE + 1000);
        }
        buffer.extend(b"\r");
        assert!(matches!(buffer.next_line(), Line::Incomplete));
        buffer.extend(b"\nNOOP\r\n");
        assert_eq!(lines(&mut buffer), ["<too long>", "NOOP"]);
        buffer.extend(&[b'a'; MAX_LINE - 2]);
        buffer.extend(b"\r\n");
        assert_eq!(lines(&mut buffer), ["a".repeat(MAX_LINE - 2)]);
    }

    #[test]
    fn a_lone_cr_or_lf_is_never_a_line_end() {
        for input in [
            "NOOP\nQUIT\r\n",
            "NOOP\rQUIT\r\n",
            "NOOP\r\r\n",
            "\n",
            "\n\r",
        ] {
            let mut buffer = LineBuffer::default();
            buffer.extend(input.as_bytes());
            assert_eq!(lines(&mut buffer), ["<bare>"], "{input:?}");
        }
    }
}
