//! The file of entries, JSON or TOML: read whole, or refused with places.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use liaison_directory::{DirectoryError, import};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use time::macros::datetime;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    TempDir::new_in("/dev/shm")
        .or_else(|_| TempDir::new())
        .expect("a folder")
});

fuzz_target!(|text: &str| {
    let (name, text) = match text.strip_prefix('{') {
        Some(_) => ("entries.json", text),
        None => ("entries.toml", text),
    };
    let path = FOLDER.path().join(name);
    fs::write(&path, text).expect("room for the file");
    match import::read(&path, datetime!(2026-11-22 12:00 UTC)) {
        Err(DirectoryError::Entries { problems, .. }) => assert!(!problems.is_empty()),
        Err(error) => panic!("{error}"),
        Ok(_) => {}
    }
});
