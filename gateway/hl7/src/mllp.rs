//! The minimal lower layer protocol: `0x0B` message `0x1C 0x0D` (HL7 v2.5 implementation guide,
//! appendix C.4).
//!
//! ```text
//!            0x0B                    0x1C
//!  Between ───────▶ Inside ─────────────────────▶ Ended
//!     ▲  any other      ▲  any other byte: both     │
//!     └──skipped        └──were content ────────────┤
//!     ▲                                     0x0D    │
//!     └──────────── frame given ◀───────────────────┤
//!                   frame given, next begun ◀─ 0x0B ┘
//! ```
//!
//! Tolerated: bytes before the start, several frames a read, a frame split anywhere, no final
//! `0x0D` (before another frame, at the end of the connection, or after a pause: see
//! [`Decoder::awaits_final_cr`]), and a stray `0x1C` or `0x0B` in a field.

use crate::error::Error;

/// Longest frame taken: 16 MiB, a document of some 11 MiB in base64. One limit for every message:
/// what a connection carries is not known before it is read.
pub const DEFAULT_LIMIT: usize = 16 * 1024 * 1024;

const START: u8 = 0x0B;
const END: u8 = 0x1C;
const FINAL: u8 = 0x0D;

/// Cuts what a connection brings into frames. Memory is bounded by the limit, however the peer
/// splits its bytes.
pub struct Decoder {
    limit: usize,
    state: State,
    frame: Vec<u8>,
    stray: usize,
    skipped: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    Inside,
    Ended,
}

impl Decoder {
    /// A decoder that refuses a frame longer than `limit` bytes of content.
    pub fn new(limit: usize) -> Decoder {
        Decoder {
            limit,
            state: State::Between,
            frame: Vec::new(),
            stray: 0,
            skipped: 0,
        }
    }

    /// Takes bytes off `input` until a frame is whole, and gives its content; `None` once
    /// `input` is empty. Call it again while `input` has bytes.
    ///
    /// # Errors
    /// [`Error::FrameTooLong`] when a frame, or what precedes one, passes the limit. The decoder
    /// is of no more use then.
    pub fn next_frame(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, Error> {
        while !input.is_empty() {
            match self.state {
                State::Between => self.skip_to_start(input)?,
                State::Inside => self.take_content(input)?,
                State::Ended => {
                    if let Some(frame) = self.after_end(input)? {
                        return Ok(Some(frame));
                    }
                }
            }
        }
        Ok(None)
    }

    /// Whether a frame lacks only its final `0x0D`.
    ///
    /// Some senders never send it and wait for their answer: when this holds and nothing arrives
    /// for a moment (a second, say), take the frame with [`Decoder::finish`].
    pub fn awaits_final_cr(&self) -> bool {
        self.state == State::Ended
    }

    /// Whether a frame has begun and is not whole yet: the sender owes its end.
    pub fn is_inside(&self) -> bool {
        self.state != State::Between
    }

    /// The connection ended or paused: the frame that lacked only its final `0x0D`, if any.
    ///
    /// # Errors
    /// [`Error::FrameTruncated`] inside a frame.
    pub fn finish(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self.state {
            State::Between => Ok(None),
            State::Inside => Err(Error::FrameTruncated {
                received: self.frame.len(),
            }),
            State::Ended => {
                self.state = State::Between;
                Ok(Some(std::mem::take(&mut self.frame)))
            }
        }
    }

    /// Bytes outside frames so far, to be counted: a healthy feed has none.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn skip_to_start(&mut self, input: &mut &[u8]) -> Result<(), Error> {
        let (noise, rest) = match input.iter().position(|&byte| byte == START) {
            Some(at) => {
                self.state = State::Inside;
                (at, &input[at + 1..])
            }
            None => (input.len(), &input[input.len()..]),
        };
        self.skipped = self.skipped.saturating_add(noise as u64);
        self.stray = self.stray.saturating_add(noise);
        if self.stray > self.limit {
            return Err(Error::FrameTooLong { limit: self.limit });
        }
        if self.state == State::Inside {
            self.stray = 0;
        }
        *input = rest;
        Ok(())
    }

    fn take_content(&mut self, input: &mut &[u8]) -> Result<(), Error> {
        let (content, rest) = match input.iter().position(|&byte| byte == END) {
            Some(at) => {
                self.state = State::Ended;
                (&input[..at], &input[at + 1..])
            }
            None => (*input, &input[input.len()..]),
        };
        self.append(content)?;
        *input = rest;
        Ok(())
    }

    fn after_end(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some((&byte, rest)) = input.split_first() else {
            return Ok(None);
        };
        match byte {
            FINAL => {
                *input = rest;
                self.state = State::Between;
                Ok(Some(std::mem::take(&mut self.frame)))
            }
            START => {
                *input = rest;
                self.state = State::Inside;
                Ok(Some(std::mem::take(&mut self.frame)))
            }
            // A control byte in a field: cutting the message there would acknowledge half of it.
            _ => {
                self.append(&[END])?;
                self.state = State::Inside;
                Ok(None)
            }
        }
    }

    fn append(&mut self, content: &[u8]) -> Result<(), Error> {
        if self.frame.len().saturating_add(content.len()) > self.limit {
            return Err(Error::FrameTooLong { limit: self.limit });
        }
        self.frame.extend_from_slice(content);
        Ok(())
    }
}

/// The frame around one message.
pub fn encode(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(message.len().saturating_add(3));
    frame.push(START);
    frame.extend_from_slice(message);
    frame.extend_from_slice(&[END, FINAL]);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(decoder: &mut Decoder, mut input: &[u8]) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        while let Some(frame) = decoder.next_frame(&mut input).unwrap() {
            found.push(frame);
        }
        found
    }

    #[test]
    fn bytes_before_the_start_are_skipped_and_counted() {
        let mut decoder = Decoder::new(100);
        assert_eq!(
            frames(&mut decoder, b"\r\n\x0bMSH\x1c\r"),
            [b"MSH".to_vec()]
        );
        assert_eq!(decoder.skipped(), 2);
    }

    #[test]
    fn two_frames_in_one_read_are_two() {
        let mut decoder = Decoder::new(100);
        assert_eq!(
            frames(&mut decoder, b"\x0bone\x1c\r\x0btwo\x1c\r"),
            [b"one".to_vec(), b"two".to_vec()]
        );
    }

    #[test]
    fn a_missing_final_cr_is_made_up_by_the_next_frame_or_the_end() {
        let mut decoder = Decoder::new(100);
        assert_eq!(
            frames(&mut decoder, b"\x0bone\x1c\x0btwo\x1c"),
            [b"one".to_vec()]
        );
        assert!(decoder.awaits_final_cr());
        assert_eq!(decoder.finish().unwrap(), Some(b"two".to_vec()));
        assert_eq!(
            frames(&mut decoder, b"\r\x0bthree\x1c\r"),
            [b"three".to_vec()]
        );
    }

    #[test]
    fn an_end_byte_inside_a_field_does_not_cut_the_message() {
        let mut decoder = Decoder::new(100);
        assert_eq!(
            frames(&mut decoder, b"\x0ba\x1cb\x1c\x1c\r"),
            [b"a\x1cb\x1c".to_vec()]
        );
    }

    #[test]
    fn a_frame_without_end_is_refused_at_the_limit() {
        let mut decoder = Decoder::new(4);
        let mut input: &[u8] = b"\x0b12345";
        assert_eq!(
            decoder.next_frame(&mut input),
            Err(Error::FrameTooLong { limit: 4 })
        );
    }

    #[test]
    fn noise_without_a_start_is_refused_at_the_limit() {
        let mut decoder = Decoder::new(4);
        assert_eq!(
            decoder.next_frame(&mut b"GET / HTTP/1.1".as_slice()),
            Err(Error::FrameTooLong { limit: 4 })
        );
    }

    #[test]
    fn a_frame_of_exactly_the_limit_passes() {
        let mut decoder = Decoder::new(4);
        assert_eq!(frames(&mut decoder, b"\x0b1234\x1c\r"), [b"1234".to_vec()]);
    }

    #[test]
    fn a_connection_that_ends_inside_a_frame_says_so() {
        let mut decoder = Decoder::new(100);
        assert!(frames(&mut decoder, b"\x0bMSH|").is_empty());
        assert_eq!(decoder.finish(), Err(Error::FrameTruncated { received: 4 }));
    }
}
