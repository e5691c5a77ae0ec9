//! The content after DATA: what the writer sends the reader reads back, and what the reader
//! accepts the writer can send.
#![no_main]

use liaison_smtp::data::{Canonical, Reader, Writer};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 20;

fn written(content: Canonical<'_>) -> Vec<u8> {
    let mut writer = Writer::new(content);
    let mut wire = Vec::new();
    while let Some(piece) = writer.next_piece() {
        wire.extend_from_slice(&piece);
    }
    wire
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(content) = Canonical::new(bytes) {
        let wire = written(content);
        let mut reader = Reader::new(LIMIT);
        assert_eq!(reader.read(&wire), wire.len());
        assert!(reader.is_complete());
        let read = reader.finish().expect("what was written is fit to be read");
        assert_eq!(read.as_bytes(), bytes);
    }
    let mut reader = Reader::new(LIMIT);
    let taken = reader.read(bytes);
    assert!(taken <= bytes.len());
    if reader.is_complete()
        && let Ok(content) = reader.finish()
    {
        let canonical = Canonical::new(content.as_bytes()).expect("accepted content is canonical");
        assert_eq!(written(canonical), bytes[..taken]);
    }
});
