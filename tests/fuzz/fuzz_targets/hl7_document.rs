//! Messages that carry documents, and letters themselves: whatever they hold, what is shown of
//! them is short.
#![no_main]

use liaison_hl7::cda::Letter;
use liaison_hl7::document::DocumentEvent;
use liaison_hl7::er7::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::parse(bytes) {
        if let Ok(event) = DocumentEvent::parse(&message) {
            for file in &event.files {
                read(&file.bytes);
            }
        }
    }
    read(bytes);
});

fn read(bytes: &[u8]) {
    if let Ok(letter) = Letter::read(bytes) {
        assert!(letter.changes.len() <= 200);
        for change in &letter.changes {
            assert!(change.product.chars().count() <= 160);
        }
    }
}
