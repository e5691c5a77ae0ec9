//! How the octets of a layer come from those of the spool.

use std::sync::Arc;

use super::base64::Base64Source;
use super::edit::Edited;
use super::{Canonical, Decryption, Edit, Fault, Range, Source};
use crate::ber::StringSource;
use crate::spool::Spool;

/// One source over another.
#[derive(Clone)]
pub(crate) enum Step {
    /// From an octet on, so many of them or all.
    Range { start: u64, length: Option<u64> },
    /// Base64 undone.
    Base64,
    /// The octets of the BER string that begins at this octet, whole or in pieces, entering so
    /// many levels.
    String { start: u64, depth: u8 },
    /// Decrypted. The ciphertext has been verified, except for a cipher that proves nothing.
    Decrypt(Arc<Decryption>),
    /// Line endings made CRLF.
    Canonical,
    /// Some octets left out or replaced.
    Edit(Arc<[Edit]>),
}

/// A layer of the message in a spool.
#[derive(Clone, Default)]
pub(crate) struct View(Vec<Step>);

impl View {
    /// The whole spool.
    pub(crate) fn whole() -> Self {
        Self::default()
    }

    /// What one more step makes of this layer.
    #[must_use]
    pub(crate) fn then(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    /// Reads the layer from its start.
    pub(crate) fn open<'s>(
        &'s self,
        spool: &'s mut Spool<'_>,
    ) -> Result<Box<dyn Source + 's>, Fault> {
        let mut steps = self.0.as_slice();
        let mut source = match steps {
            // The spool winds forward without reading.
            [
                Step::Range {
                    start,
                    length: None,
                },
                rest @ ..,
            ] => {
                steps = rest;
                spool.read_from(*start)?
            }
            _ => spool.read_from(0)?,
        };
        for step in steps {
            source = match step {
                Step::Range { start, length } => Box::new(Range::new(source, *start, *length)),
                Step::Base64 => Box::new(Base64Source::new(source)),
                Step::String { start, depth } => {
                    let from = Range::new(source, *start, None);
                    Box::new(StringSource::new(Box::new(from), *depth)?)
                }
                Step::Decrypt(decryption) => decryption.source(source)?,
                Step::Canonical => Box::new(Canonical::new(source)),
                Step::Edit(edits) => Box::new(Edited::new(source, Arc::clone(edits))),
            };
        }
        Ok(source)
    }
}
