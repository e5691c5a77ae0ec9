//! Replies: written by the server, read by the client (RFC 5321 §4.2).

use liaison_mail::{EnhancedStatus, Refusal, ReplyCode};

use crate::SmtpError;

/// Longest reply line read, with its CRLF, in octets. RFC 5321 §4.5.3.1.5 allows 512; some
/// servers put long explanations in one line.
pub const MAX_REPLY_LINE: usize = 2048;
/// Most lines of one reply; an EHLO answer has about twenty.
pub const MAX_REPLY_LINES: usize = 100;
/// Most octets held unread: a hundred pipelined answers take about fifty thousand.
const MAX_HELD: usize = 256 * 1024;
/// Longest public text kept of a refusal, in octets.
const MAX_TEXT: usize = 400;

/// A reply as the client read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: ReplyCode,
    status: Option<EnhancedStatus>,
    lines: Vec<String>,
}

impl Reply {
    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code.get()
    }

    /// The enhanced status, when the peer gave one of the reply's own class (RFC 2034 §4).
    pub fn status(&self) -> Option<EnhancedStatus> {
        self.status
    }

    /// The text of each line, printable ASCII, without code and enhanced status.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Whether it says yes (2yz).
    pub fn is_positive(&self) -> bool {
        self.code() < 300
    }

    /// The refusal that it states, if its first digit is 4 or 5.
    pub fn refusal(&self) -> Option<Refusal> {
        if self.code() < 400 {
            return None;
        }
        let mut text = self.lines.join(" ");
        text.truncate(MAX_TEXT);
        let class = if self.code() < 500 { 4 } else { 5 };
        // The class alone is all that a peer without enhanced codes says (RFC 3463 §3.1).
        let status = self
            .status
            .or_else(|| EnhancedStatus::new(class, 0, 0).ok())
            .unwrap_or(EnhancedStatus::TRY_LATER);
        Some(Refusal {
            code: self.code,
            status,
            text,
        })
    }
}

/// Reads replies as they arrive, in pieces of any size.
#[derive(Default)]
pub struct ReplyReader {
    buffer: Vec<u8>,
    code: Option<ReplyCode>,
    lines: Vec<String>,
    flooded: bool,
}

impl ReplyReader {
    /// Adds what has arrived. A peer that talks without being asked is cut off after 256 KiB.
    pub fn input(&mut self, bytes: &[u8]) {
        self.flooded |= self.buffer.len() + bytes.len() > MAX_HELD;
        if !self.flooded {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Whether more has arrived than is held.
    pub fn is_flooded(&self) -> bool {
        self.flooded
    }

    /// Whether what is held next begins as the reply of a peer that is leaving (RFC 5321 §3.8).
    pub fn holds_goodbye(&self) -> bool {
        self.lines.is_empty() && self.buffer.starts_with(b"421")
    }

    /// Whether nothing is held, not even part of a reply.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.lines.is_empty()
    }

    /// The next whole reply, or `None` until more has arrived.
    ///
    /// # Errors
    /// [`SmtpError::Protocol`] on a line that is not a reply's, a code that changes within a
    /// reply, a reply beyond [`MAX_REPLY_LINE`] or [`MAX_REPLY_LINES`], or a flood of them.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, SmtpError> {
        if self.flooded {
            return Err(SmtpError::Protocol("too many replies"));
        }
        loop {
            let Some(end) = self.buffer.iter().position(|b| *b == b'\n') else {
                return match self.buffer.len() < MAX_REPLY_LINE {
                    true => Ok(None),
                    false => Err(SmtpError::Protocol("reply line too long")),
                };
            };
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            if let Some(reply) = self.take_line(&line)? {
                return Ok(Some(reply));
            }
        }
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Option<Reply>, SmtpError> {
        let line = match line.strip_suffix(b"\r\n") {
            Some(line) if line.len() + 2 <= MAX_REPLY_LINE => line,
            Some(_) => return Err(SmtpError::Protocol("reply line too long")),
            None => return Err(SmtpError::Protocol("reply line without CRLF")),
        };
        let (code, more, text) =
            split_line(line).ok_or(SmtpError::Protocol("reply without a code"))?;
        if *self.code.get_or_insert(code) != code {
            return Err(SmtpError::Protocol("reply code changes between lines"));
        }
        if self.lines.len() == MAX_REPLY_LINES {
            return Err(SmtpError::Protocol("reply with too many lines"));
        }
        self.lines.push(printable(text));
        if more {
            return Ok(None);
        }
        self.code = None;
        Ok(Some(with_status(code, std::mem::take(&mut self.lines))))
    }
}

/// One of the server's own replies, or of its refusals of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedReply {
    /// Reply code (RFC 5321 §4.2.3).
    pub code: u16,
    /// Enhanced status (RFC 3463), empty where RFC 2034 §3 wants none.
    pub status: &'static str,
    /// What a person reads.
    pub text: &'static str,
}

impl FixedReply {
    /// Writes the reply as one line.
    pub fn write(&self, output: &mut Vec<u8>) {
        let text = match self.status {
            "" => self.text.to_owned(),
            status => format!("{status} {}", self.text),
        };
        write_line(output, self.code, &text, true);
    }
}

/// Writes a refusal as one line; what is not printable ASCII in it becomes `?`.
pub fn write_refusal(output: &mut Vec<u8>, refusal: &Refusal) {
    let text = format!("{} {}", refusal.status, refusal.text);
    write_line(output, refusal.code.get(), &text, true);
}

/// Writes a reply of several lines without enhanced status, as EHLO wants it.
pub fn write_lines(output: &mut Vec<u8>, code: u16, lines: &[String]) {
    for (index, line) in lines.iter().enumerate() {
        write_line(output, code, line, index + 1 == lines.len());
    }
}

fn write_line(output: &mut Vec<u8>, code: u16, text: &str, last: bool) {
    let mut text = printable(text.as_bytes());
    text.truncate(MAX_TEXT);
    let separator = if last { ' ' } else { '-' };
    output.extend_from_slice(format!("{code}{separator}{text}\r\n").as_bytes());
}

/// `250-text`, `250 text` or `250` alone (RFC 5321 §4.2).
fn split_line(line: &[u8]) -> Option<(ReplyCode, bool, &[u8])> {
    let digits = line.get(..3)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits
        .iter()
        .fold(0, |number, digit| number * 10 + u16::from(digit - b'0'));
    let code = ReplyCode::new(number).ok()?;
    match line.get(3) {
        None => Some((code, false, b"")),
        Some(b' ') => Some((code, false, &line[4..])),
        Some(b'-') => Some((code, true, &line[4..])),
        Some(_) => None,
    }
}

/// Takes the enhanced status off each line (RFC 2034 §4 repeats it on every one).
fn with_status(code: ReplyCode, mut lines: Vec<String>) -> Reply {
    let status = lines
        .first()
        .and_then(|line| EnhancedStatus::parse(line.split(' ').next()?).ok())
        .filter(|status| u16::from(status.class()) == code.get() / 100);
    if let Some(status) = status {
        let prefix = status.to_string();
        for line in &mut lines {
            if let Some(rest) = line.strip_prefix(&prefix) {
                *line = rest.trim_start().to_owned();
            }
        }
    }
    Reply {
        code,
        status,
        lines,
    }
}

fn printable(text: &[u8]) -> String {
    let visible = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    text.iter().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(wire: &[u8], step: usize) -> Result<Vec<Reply>, SmtpError> {
        let mut reader = ReplyReader::default();
        let mut replies = Vec::new();
        for piece in wire.chunks(step.max(1)) {
            reader.input(piece);
            while let Some(reply) = reader.next_reply()? {
                replies.push(reply);
            }
        }
        Ok(replies)
    }

    #[test]
    fn replies_are_read_whole_however_they_arrive() {
        let wire = b"250-relay.ch.test\r\n250-SIZE 100\r\n250 DSN\r\n550 5.1.1 no such mailbox\r\n";
        for step in [1, 2, 5, 1000] {
            let replies = read(wire, step).unwrap();
            assert_eq!(replies.len(), 2);
            assert_eq!(replies[0].lines(), ["relay.ch.test", "SIZE 100", "DSN"]);
            let refusal = replies[1].refusal().unwrap();
            assert_eq!(refusal.status, EnhancedStatus::NO_SUCH_MAILBOX);
            assert_eq!(refusal.text, "no such mailbox");
        }
    }

    #[test]
    fn a_status_of_another_class_is_not_believed() {
        let replies = read(b"451 5.1.1 later\r\n554\r\n", 1).unwrap();
        let refusal = replies[0].refusal().unwrap();
        assert!(refusal.is_transient());
        assert_eq!(refusal.to_string(), "451 4.0.0 5.1.1 later");
        assert_eq!(replies[1].refusal().unwrap().to_string(), "554 5.0.0 ");
    }

    #[test]
    fn what_is_not_a_reply_is_refused() {
        let long = format!("250 {}\r\n", "a".repeat(MAX_REPLY_LINE));
        let endless = "250-a\r\n".repeat(MAX_REPLY_LINES + 1);
        for wire in [
            "hello\r\n",
            "25\r\n",
            "250_x\r\n",
            "199 x\r\n",
            "999 x\r\n",
            "250 x\n",
            "250-a\r\n251 b\r\n",
            &long,
            &endless,
        ] {
            assert!(
                matches!(read(wire.as_bytes(), 1), Err(SmtpError::Protocol(_))),
                "{wire:.40} was accepted"
            );
        }
    }

    #[test]
    fn a_refusal_cannot_start_a_second_line() {
        let mut wire = Vec::new();
        let text = "no\r\n250 yes \u{e9}";
        write_refusal(
            &mut wire,
            &Refusal::permanent(554, EnhancedStatus::REFUSED, text),
        );
        assert_eq!(wire, b"554 5.7.1 no??250 yes ??\r\n");
    }

    proptest! {
        #[test]
        fn a_refusal_reads_back_as_written(text in "[ -~]{0,100}", code in 400u16..600) {
            let status = if code < 500 { EnhancedStatus::TRY_LATER } else { EnhancedStatus::REFUSED };
            let refusal = Refusal { code: ReplyCode::new(code).unwrap(), status, text };
            let mut wire = Vec::new();
            write_refusal(&mut wire, &refusal);
            let read = read(&wire, 3).unwrap()[0].refusal().unwrap();
            prop_assert_eq!(read.text.trim_start(), refusal.text.trim_start());
            prop_assert_eq!((read.code, read.status), (refusal.code, refusal.status));
        }

        #[test]
        fn no_input_makes_the_reader_panic(wire in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&wire, 7);
        }
    }
}
