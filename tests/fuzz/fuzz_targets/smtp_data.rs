//! The content after DATA: what the writer sends the reader reads back, and what the reader
//! accepts the writer can send.
#![no_main]

use liaison_smtp::data::{Canonical, ChunkReader, FINAL_DOT, Reader, Stuffing};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 20;

fn written(content: Canonical<'_>) -> Vec<u8> {
    let mut wire = Vec::new();
    Stuffing::default().write(content.as_bytes(), &mut wire);
    wire.extend_from_slice(FINAL_DOT);
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
    // In chunks, what is taken is what the writer could send after DATA, and nothing else.
    let mut reader = ChunkReader::new(LIMIT);
    for chunk in bytes.chunks(7) {
        reader.begin(chunk.len() as u64, false);
        assert_eq!(reader.read(chunk), chunk.len());
    }
    match reader.finish() {
        Ok(content) => assert_eq!(content.as_bytes(), bytes),
        Err(fault) => assert_eq!(Canonical::new(bytes).err(), Some(fault)),
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
