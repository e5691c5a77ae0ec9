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

pub use compare::{Breaker, Comparison, Counts, Limits};
pub(crate) use file::{SetReader, SetWriter};
pub(crate) use sort::Sorter;

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &std::path::Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}
