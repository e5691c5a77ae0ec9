//! The content after `DATA` (RFC 5321 §4.1.1.4 and §4.5.2).
//!
//! One rule makes smuggling impossible: content ends at exactly `CRLF . CRLF`, and content with a
//! CR or an LF alone is refused whole, in both directions. A peer that reads line ends otherwise
//! than we do can then never see a second message in one of ours, nor we in one of its.
//! Apart from the dots that §4.5.2 adds and removes, no octet is ever altered.
//!
//! # Map
//! - [`Content`], [`ContentFault`]: what was read, or why it is not carried.
//! - `reader`: after `DATA`. `chunk`: in `BDAT` chunks (RFC 3030). `canonical`: what is sent.

mod canonical;
mod chunk;
mod reader;

use std::fmt;

use liaison_mail::Refusal;
use thiserror::Error;

pub use canonical::{Canonical, FINAL_DOT, PIECE, Stuffing};
pub use chunk::ChunkReader;
pub use reader::Reader;

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

impl Unusable {
    /// The fault, for whoever reads without a session.
    fn fault(self) -> ContentFault {
        match self {
            Self::Fault(fault) => fault,
            // Only a session that takes pieces can refuse one.
            Self::Refused(_) => ContentFault::TooLarge,
        }
    }
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

#[cfg(test)]
mod tests;
