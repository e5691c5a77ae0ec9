//! A published file, an address book or a community's list: whatever it holds, its rows are taken
//! or put aside with a reason, and the same file says the same again. The first octet chooses the
//! kind of file.
#![no_main]

use std::sync::LazyLock;

use liaison_directory::fuzzing;
use liaison_directory::import::FileKind;
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use time::macros::datetime;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a folder")
});

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, file)) = bytes.split_first() else {
        return;
    };
    let kinds = FileKind::ALL;
    let kind = kinds[usize::from(kind.wrapping_sub(b'0')) % kinds.len()];
    fuzzing::import(kind, file, FOLDER.path(), datetime!(2026-11-22 12:00 UTC));
});
