//! Layers of a message as readers over readers, so that none of them is ever held whole.
//!
//! A [`Source`] gives octets in chunks. A [`View`] says how the octets of a layer come from those
//! of the spool: each of its steps is one source over the one before. A view is opened as often
//! as its octets are needed: once to authenticate them, once more to hand them out. What lies in
//! between is never stored, so that there is no plaintext to wipe from a disk.

mod base64;
mod decrypt;
mod edit;
mod part;
mod view;

use std::io;

pub(crate) use self::base64::{Base64Writer, encoded_len};
pub(crate) use decrypt::{Decryption, Verifier};
pub(crate) use edit::Edit;
pub(crate) use part::{Canonical, Range, canonicalize};
pub(crate) use view::{Step, View};

use crate::ber::BerError;

/// Octets in order, in chunks whose size is the source's choice.
pub(crate) trait Source {
    /// The octets that come next: at least one, unless there are no more.
    fn chunk(&mut self) -> Result<&[u8], Fault>;

    /// Marks the first `count` octets of the chunk as read.
    fn consume(&mut self, count: usize);
}

impl Source for Box<dyn Source + '_> {
    fn chunk(&mut self) -> Result<&[u8], Fault> {
        (**self).chunk()
    }

    fn consume(&mut self, count: usize) {
        (**self).consume(count);
    }
}

/// Feeds every octet left to `sink`, and says how many there were.
pub(crate) fn drain(
    source: &mut dyn Source,
    mut sink: impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<u64, Fault> {
    let mut total = 0;
    loop {
        let chunk = source.chunk()?;
        if chunk.is_empty() {
            return Ok(total);
        }
        let count = chunk.len();
        sink(chunk)?;
        source.consume(count);
        total += count as u64;
    }
}

/// The first `limit` octets, or all.
pub(crate) fn head(source: &mut dyn Source, limit: usize) -> Result<Vec<u8>, Fault> {
    let mut octets = Vec::new();
    while octets.len() < limit {
        let chunk = source.chunk()?;
        if chunk.is_empty() {
            break;
        }
        let count = chunk.len().min(limit - octets.len());
        octets.extend_from_slice(&chunk[..count]);
        source.consume(count);
    }
    Ok(octets)
}

/// Why octets cannot be read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The caller's file failed.
    Io(io::ErrorKind),
    /// They do not follow their format.
    Malformed(&'static str),
    /// There are more than [`Limits`](crate::Limits) allows.
    TooLarge { what: &'static str, limit: usize },
    /// They are not what was authenticated before: the spool was changed.
    Changed,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

impl From<BerError> for Fault {
    fn from(error: BerError) -> Self {
        Self::Malformed(error.describe())
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Io(kind) => Self::from(kind),
            Fault::Malformed(what) => Self::new(io::ErrorKind::InvalidData, what),
            Fault::TooLarge { what, .. } => Self::new(io::ErrorKind::InvalidData, what),
            Fault::Changed => Self::new(
                io::ErrorKind::InvalidData,
                "the message changed while it was read",
            ),
        }
    }
}

impl From<Fault> for crate::Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Io(kind) => Self::Spool(kind),
            Fault::Malformed(what) => Self::Malformed(what),
            Fault::TooLarge { what, limit } => Self::TooLarge { what, limit },
            Fault::Changed => Self::CannotOpen,
        }
    }
}

impl From<Fault> for crate::SealError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Io(kind) => Self::Spool(kind),
            Fault::Malformed(what) => Self::Malformed(what),
            Fault::TooLarge { what, limit } => Self::TooLarge { what, limit },
            Fault::Changed => Self::Malformed("it changed while it was sealed"),
        }
    }
}
