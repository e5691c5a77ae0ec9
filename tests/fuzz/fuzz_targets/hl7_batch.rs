//! Files of messages: each message begins with MSH, nothing is invented, and splitting what was
//! split changes nothing.
#![no_main]

use liaison_hl7::adt::AdtEvent;
use liaison_hl7::batch::split;
use liaison_hl7::er7::Message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(messages) = split(bytes) else {
        return;
    };
    let total: usize = messages.iter().map(Vec::len).sum();
    // Each segment may have had no end of its own: one CR is added.
    assert!(total <= bytes.len().saturating_add(bytes.len()).saturating_add(1));
    for message in &messages {
        assert!(message.starts_with(b"MSH") && message.ends_with(b"\r"));
        if let Ok(message) = Message::parse(message) {
            let _ = AdtEvent::parse(&message);
        }
    }
    if !messages.is_empty() {
        assert_eq!(split(&messages.concat()).as_ref(), Ok(&messages));
    }
});
