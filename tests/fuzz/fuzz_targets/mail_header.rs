//! A header section: fields lie inside the message, in order, and identifiers are found in them.
#![no_main]

use liaison_mail::{MessageId, header};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    let (head, body) = header::split(message);
    assert!(head.as_bytes().len() + body.len() <= message.len());
    let mut fields = 0;
    for field in head.fields() {
        fields += 1;
        if let Some(value) = field.value() {
            assert!(!value.contains('\r') && !value.contains('\n'));
        }
    }
    assert!(head.count("From") <= fields);
    if let Some(value) = head.value("References") {
        for id in MessageId::parse_list(&value) {
            assert!(value.contains(id.as_str()));
        }
    }
});
