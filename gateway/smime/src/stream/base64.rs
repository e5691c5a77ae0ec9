//! Base64 (RFC 2045 §6.8), both ways, a few tens of KiB at a time.

use std::io::{self, Write};

use super::{Fault, Source};
use crate::evp::Wiped;
use base64_simd::{AsOut as _, STANDARD, STANDARD_NO_PAD};
use memchr::memchr;

const NOT_BASE64: Fault = Fault::Malformed("a body is not base64");
/// Characters decoded at once.
const CHARACTERS: usize = 64 * 1024;
/// Characters of a line, its ending apart (RFC 2045 §6.8).
const CHARACTERS_OF_LINE: usize = 76;
/// Octets of a line.
const LINE: usize = CHARACTERS_OF_LINE / 4 * 3;
/// Octets encoded at once: whole lines.
const OCTETS: usize = LINE * 512;

/// Decodes another source. White space is passed over; the padding at the end may be missing, as
/// some senders leave it; nothing but white space may follow it.
pub(super) struct Base64Source<S> {
    inner: S,
    /// Characters without white space, not yet decoded; fewer than four between two chunks.
    text: Vec<u8>,
    decoded: Wiped,
    from: usize,
    padded: bool,
}

impl<S: Source> Base64Source<S> {
    pub(super) fn new(inner: S) -> Self {
        Self {
            inner,
            text: Vec::new(),
            decoded: Wiped::default(),
            from: 0,
            padded: false,
        }
    }

    fn refill(&mut self) -> Result<(), Fault> {
        self.decoded.clear();
        self.from = 0;
        while self.decoded.is_empty() {
            let chunk = self.inner.chunk()?;
            if chunk.is_empty() {
                return self.decode_last();
            }
            let chunk = &chunk[..chunk.len().min(CHARACTERS)];
            let count = chunk.len();
            let start = self.text.len();
            without_line_endings(chunk, &mut self.text);
            let irregular = self.text[start..].iter().any(u8::is_ascii_whitespace);
            if irregular {
                self.text.retain(|o| !o.is_ascii_whitespace());
            }
            self.inner.consume(count);
            self.decode()?;
        }
        Ok(())
    }

    /// Decodes whole groups of four.
    fn decode(&mut self) -> Result<(), Fault> {
        if self.padded {
            return if self.text.is_empty() {
                Ok(())
            } else {
                Err(NOT_BASE64)
            };
        }
        if let Some(pad) = memchr(b'=', &self.text) {
            // The padding may be cut by the edge of a chunk: `decode_last` checks its length.
            if !self.text[pad..].iter().all(|o| *o == b'=') {
                return Err(NOT_BASE64);
            }
            if self.text.len().is_multiple_of(4) && self.text.len() - pad <= 2 {
                self.padded = true;
                self.text.truncate(pad);
                return self.decode_rest();
            }
            if self.text.len() - pad > 2 {
                return Err(NOT_BASE64);
            }
        }
        let end = memchr(b'=', &self.text).unwrap_or(self.text.len());
        let whole = end - end % 4;
        decode_append(&self.text[..whole], &mut self.decoded)?;
        self.text.drain(..whole);
        Ok(())
    }

    fn decode_last(&mut self) -> Result<(), Fault> {
        if let Some(pad) = memchr(b'=', &self.text) {
            if self.text.len() > 4 {
                return Err(NOT_BASE64);
            }
            self.text.truncate(pad);
        }
        self.decode_rest()
    }

    fn decode_rest(&mut self) -> Result<(), Fault> {
        if self.text.len() % 4 == 1 {
            return Err(NOT_BASE64);
        }
        decode_append(&self.text, &mut self.decoded)?;
        self.text.clear();
        Ok(())
    }
}

impl<S: Source> Source for Base64Source<S> {
    fn chunk(&mut self) -> Result<&[u8], Fault> {
        if self.from == self.decoded.len() {
            self.refill()?;
        }
        Ok(&self.decoded[self.from..])
    }

    fn consume(&mut self, count: usize) {
        self.from = (self.from + count).min(self.decoded.len());
    }
}

fn without_line_endings(chunk: &[u8], text: &mut Vec<u8>) {
    let mut rest = chunk;
    while let Some(end) = memchr(b'\n', rest) {
        let line = &rest[..end];
        text.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        rest = &rest[end + 1..];
    }
    text.extend_from_slice(rest);
}

/// Decodes unpadded text.
fn decode_append(text: &[u8], out: &mut Wiped) -> Result<(), Fault> {
    let start = out.len();
    let whole = text.len() - text.len() % 4;
    out.resize(start + whole / 4 * 3 + 3);
    let written = STANDARD_NO_PAD
        .decode(&text[..whole], out[start..].as_out())
        .map_err(|_| NOT_BASE64)?
        .len();
    let mut end = start + written;
    match &text[whole..] {
        [] => {}
        [a, b] => {
            out[end] = sextet(*a)? << 2 | sextet(*b)? >> 4;
            end += 1;
        }
        [a, b, c] => {
            let (a, b, c) = (sextet(*a)?, sextet(*b)?, sextet(*c)?);
            out[end] = a << 2 | b >> 4;
            out[end + 1] = b << 4 | c >> 2;
            end += 2;
        }
        _ => return Err(NOT_BASE64),
    }
    out.truncate(end);
    Ok(())
}

fn sextet(character: u8) -> Result<u8, Fault> {
    Ok(match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return Err(NOT_BASE64),
    })
}

/// How many octets [`Base64Writer`] makes of `octets`.
pub(crate) fn encoded_len(octets: u64) -> u64 {
    octets.div_ceil(3) * 4 + octets.div_ceil(LINE as u64) * 2
}

/// Encodes what is written to it, 76 characters a line, each line ended by CRLF.
pub(crate) struct Base64Writer<W> {
    inner: W,
    /// Fewer than `OCTETS`, not yet encoded.
    pending: Wiped,
    text: Vec<u8>,
    lines: Vec<u8>,
}

impl<W: Write> Base64Writer<W> {
    /// Writes to `inner`; about `octets` will come, for which room is made.
    pub(crate) fn new(inner: W, octets: usize) -> Self {
        Self {
            inner,
            pending: Wiped::with_capacity(octets.min(OCTETS)),
            text: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Writes what is left, and gives the writer below back.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.encode_pending()?;
        Ok(self.inner)
    }

    fn encode_pending(&mut self) -> io::Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        self.encode(&pending)?;
        pending.clear();
        self.pending = pending;
        Ok(())
    }

    fn encode(&mut self, octets: &[u8]) -> io::Result<()> {
        let length = octets.len().div_ceil(3) * 4;
        self.text.resize(length, 0);
        let text = STANDARD.encode(octets, self.text.as_mut_slice().as_out());
        let (whole, last) = text.as_chunks::<CHARACTERS_OF_LINE>();
        self.lines.clear();
        self.lines.reserve(length + length / 38 + 2);
        for line in whole {
            // Of a fixed length, so that no call is made for each.
            let mut ended = [b'\n'; CHARACTERS_OF_LINE + 2];
            ended[..CHARACTERS_OF_LINE].copy_from_slice(line);
            ended[CHARACTERS_OF_LINE] = b'\r';
            self.lines.extend_from_slice(&ended);
        }
        if !last.is_empty() {
            self.lines.extend_from_slice(last);
            self.lines.extend_from_slice(b"\r\n");
        }
        self.inner.write_all(&self.lines)
    }
}

impl<W: Write> Write for Base64Writer<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut rest = octets;
        if !self.pending.is_empty() {
            let count = rest.len().min(OCTETS - self.pending.len());
            self.pending.append(&rest[..count]);
            rest = &rest[count..];
            if self.pending.len() < OCTETS {
                return Ok(octets.len());
            }
            self.encode_pending()?;
        }
        let mut blocks = rest.chunks_exact(OCTETS);
        for block in &mut blocks {
            self.encode(block)?;
        }
        self.pending.append(blocks.remainder());
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stream::drain;

    /// Gives its octets in chunks of one size.
    struct Dribble<'a>(&'a [u8], usize);

    impl Source for Dribble<'_> {
        fn chunk(&mut self) -> Result<&[u8], Fault> {
            Ok(&self.0[..self.0.len().min(self.1)])
        }

        fn consume(&mut self, count: usize) {
            self.0 = &self.0[count..];
        }
    }

    fn decode(text: &[u8], at_once: usize) -> Result<Vec<u8>, Fault> {
        let mut octets = Vec::new();
        drain(&mut Base64Source::new(Dribble(text, at_once)), |chunk| {
            octets.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok(octets)
    }

    fn encode(octets: &[u8], at_once: usize) -> Vec<u8> {
        let mut writer = Base64Writer::new(Vec::new(), 0);
        for piece in octets.chunks(at_once) {
            writer.write_all(piece).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn lines_are_short_and_the_length_is_foretold() {
        for length in [0usize, 1, 56, 57, 58, 1000, OCTETS, OCTETS + 1, 100_000] {
            let octets: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let text = encode(&octets, 777);
            assert!(text.split(|o| *o == b'\n').all(|line| line.len() <= 77));
            assert_eq!(encoded_len(length as u64), text.len() as u64);
            assert_eq!(text, encode(&octets, usize::MAX));
            assert!(decode(&text, usize::MAX).unwrap() == octets);
        }
    }

    #[test]
    fn padding_may_be_missing_and_nothing_may_follow_it() {
        for (text, octets) in [
            (&b""[..], &b""[..]),
            (b"QQ", b"A"),
            (b"QQ=", b"A"),
            (b"QQ==", b"A"),
            (b"QUI", b"AB"),
            (b"Q U\tI\r\n=\n \n", b"AB"),
            (b"QUJD\nQQ==\n\n", b"ABCA"),
        ] {
            for at_once in [1, 2, 3, 100] {
                assert_eq!(decode(text, at_once).as_deref(), Ok(octets), "{text:?}");
            }
        }
        for text in [
            &b"Q"[..],
            b"QUJDQ",
            b"QQ==QQ==",
            b"QQ==x",
            b"Q===",
            b"QQ===",
            b"====",
            b"Q=Q=",
            b"QU-D",
            b"\xc3\xa9AA",
            b"--b--",
        ] {
            for at_once in [1, 2, 3, 100] {
                assert_eq!(decode(text, at_once), Err(NOT_BASE64), "{text:?} {at_once}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_again(octets: Vec<u8>, at_once in 1usize..200) {
            prop_assert_eq!(decode(&encode(&octets, at_once), at_once).unwrap(), octets);
        }

        #[test]
        fn any_text_decodes_the_same_in_any_chunks(text in "[A-C=\r\n ]{0,40}", at_once in 1usize..9) {
            prop_assert_eq!(decode(text.as_bytes(), at_once).ok(), decode(text.as_bytes(), 1000).ok());
        }
    }
}
