//! Accepted sets: everything that one list says, sorted by subject, in one file.
//!
//! A national file is millions of rows; a set keeps its assertions on disk in a compact form, so
//! that an import compares the new set with the last accepted one, and the index merges all sets,
//! in a bounded memory.
//!
//! - `claim.rs`: the compact form of an assertion.
//! - `sort.rs`: [`Sorter`], an external merge sort that joins what is said twice.
//! - `file.rs`: [`SetWriter`], [`SetReader`], the file.
//! - `compare.rs`: [`Comparison`], what changed from one set to the next, and the circuit breakers.

pub(crate) mod claim;
pub(crate) mod compare;
mod file;
mod sort;

use std::path::Path;

use crate::model::{Assertion, Origin, Subject};

pub use compare::{Breaker, Comparison, Counts, Limits};
pub(crate) use file::{SetReader, SetWriter};
pub(crate) use sort::Sorter;

/// Everything that a set says, by this origin.
pub(crate) fn assertions(path: &Path, origin: &Origin) -> std::io::Result<Vec<Assertion>> {
    let mut reader = SetReader::open(path)?;
    let mut said = Vec::new();
    while let Some(key) = reader.key() {
        let subject = std::str::from_utf8(key).ok().and_then(Subject::parse);
        if let (Some(subject), Some(claim)) = (subject, claim::Claim::read(reader.claim())) {
            said.push(Assertion {
                subject,
                origin: origin.clone(),
                period: claim.period,
                facts: claim
                    .map(|(field, value)| (field, value.to_owned()))
                    .collect(),
            });
        }
        reader.advance()?;
    }
    Ok(said)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}
