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
    // A sender may leave out the dot that the writer doubles (RFC 5321 §4.5.2), so that the wire
    // itself need not come back, while the content must.
    let mut reader = Reader::new(LIMIT);
    assert!(reader.read(bytes) <= bytes.len());
    if reader.is_complete()
        && let Ok(content) = reader.finish()
    {
        let canonical = Canonical::new(content.as_bytes()).expect("accepted content is canonical");
        let mut reader = Reader::new(LIMIT);
        reader.read(&written(canonical));
        let again = reader.finish().expect("what was written is fit to be read");
        assert_eq!(again.as_bytes(), content.as_bytes());
    }
});
