//! Doors for `tests/fuzz` to readers that are private: of files, of FHIR queries. Only cargo-fuzz
//! builds it.

use std::fs;
use std::path::Path;

use time::OffsetDateTime;

pub use crate::fhir::fuzzing::query as fhir_query;
use crate::import::{FileKind, Options, Place, prepare};

/// Imports a file twice, in a folder of the caller's that is empty and stays empty.
///
/// # Panics
/// When the same file says something else the second time, or when the folder cannot be written.
pub fn import(kind: FileKind, octets: &[u8], folder: &Path, now: OffsetDateTime) {
    let name = match octets.first() {
        Some(b'{') => "file.json",
        _ if kind == FileKind::Entries => "file.toml",
        _ => "file.txt",
    };
    let path = folder.join(name);
    fs::write(&path, octets).expect("room for the file");
    let mut place = Place {
        folder: folder.to_owned(),
        now,
        accepted_before: Vec::new(),
    };
    let read = |place: &Place| {
        let options = Options {
            observed_at: Some(now),
            accept_changes: true,
            ..Options::default()
        };
        prepare(kind, &path, options, place).ok()
    };
    let first = read(&place).map(|prepared| {
        place.accepted_before.push(prepared.row);
        prepared.report
    });
    if let Some(first) = first {
        assert!(first.quarantine.count() <= first.rows, "{first}");
        let second = read(&place).expect("what was read is read again");
        let total = second.report.changes.total();
        let changed = (total.added, total.changed, total.removed);
        assert_eq!(changed, (0, 0, 0), "{}", second.report);
    }
    for entry in fs::read_dir(folder).expect("the folder") {
        fs::remove_file(entry.expect("an entry").path()).expect("a file");
    }
}
