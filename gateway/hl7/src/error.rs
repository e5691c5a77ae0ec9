//! The one error of the crate.

use crate::refusal::Refusal;

/// Why bytes of a peer cannot be used.
///
/// None carries a value of the message: it may be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A frame, or what precedes one, passed the limit. Close the connection: nothing that
    /// follows can be told apart, and a repeat meets the same limit.
    #[error("no end of MLLP frame within {limit} bytes; close the connection")]
    FrameTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection ended inside a frame. Nothing is lost: the sender had no acknowledgement
    /// and repeats.
    #[error(
        "the connection ended {received} bytes into an MLLP frame; the sender has to repeat it"
    )]
    FrameTruncated {
        /// Bytes of the frame that did arrive.
        received: usize,
    },
    /// The message itself is at fault; a repeat of the same bytes cannot help. Answer it with
    /// [`crate::ack`].
    #[error("HL7 message refused: {0}; correct it at the sender")]
    Refused(#[from] Refusal),
    /// A discharge letter that cannot be read or packed.
    #[error("the letter cannot be used: {0}; correct it at the sender")]
    Letter(&'static str),
}

impl Error {
    /// The refusal to acknowledge with, when the fault is the message's own.
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Error::Refused(refusal) => Some(*refusal),
            Error::FrameTooLong { .. } | Error::FrameTruncated { .. } | Error::Letter(_) => None,
        }
    }
}
