//! Content that may be sent, and how it is written after `DATA` (RFC 5321 §4.5.2).

use std::fmt;

use memchr::memchr2;

use super::ContentFault;

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
