//! ER7 and ADT: whatever comes is understood or refused, its acknowledgement is itself a message,
//! and what is logged of it is a code and a place.
#![no_main]

use liaison_hl7::ack::{Stamp, acknowledge, acknowledge_unreadable};
use liaison_hl7::adt::AdtEvent;
use liaison_hl7::er7::Message;
use libfuzzer_sys::fuzz_target;
use time::macros::datetime;

fuzz_target!(|bytes: &[u8]| {
    let stamp = Stamp {
        now: datetime!(2026-11-21 21:41:05),
        control_id: "L-1",
    };
    let answer = match Message::parse(bytes) {
        Err(error) => error
            .refusal()
            .map(|refusal| acknowledge_unreadable(refusal, &stamp)),
        Ok(message) => {
            for segment in message.segments() {
                for field in 0..40 {
                    let _ = segment.field(field).component(1).subcomponent(1).text();
                }
            }
            match AdtEvent::parse(&message) {
                Ok(_) => acknowledge(&message, Ok(()), &stamp),
                Err(error) => {
                    let refusal = error.refusal().expect("a fault of the message");
                    acknowledge(&message, Err(refusal), &stamp)
                }
            }
        }
    };
    if let Some(answer) = answer {
        assert!(Message::parse(&answer).is_ok());
    }
});
