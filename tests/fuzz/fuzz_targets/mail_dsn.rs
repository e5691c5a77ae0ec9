//! Delivery reports (RFC 3464): what was understood is understood again when written anew.
#![no_main]

use liaison_mail::dsn::{DeliveryReport, Heading};
use liaison_mail::{Address, MessageId};
use libfuzzer_sys::fuzz_target;
use time::macros::datetime;

fuzz_target!(|message: &[u8]| {
    let Ok(report) = DeliveryReport::read(message) else {
        return;
    };
    let address = Address::parse("postmaster@ehpad.test").expect("an address");
    let heading = Heading {
        message_id: MessageId::new(address.domain()),
        from: address.clone(),
        to: address,
        in_reply_to: None,
        date: datetime!(2026-11-22 12:00 UTC),
        subject: "Report".to_owned(),
        text: "x".to_owned(),
    };
    let written = report.compose(&heading).expect("a date of this century");
    let again = DeliveryReport::read(&written).expect("our own report");
    assert_eq!(again.envelope_id, report.envelope_id);
    let addresses = |report: &DeliveryReport| -> Vec<_> {
        let recipients = report.recipients.iter();
        recipients
            .map(|one| (one.address.clone(), one.action))
            .collect()
    };
    assert_eq!(addresses(&again), addresses(&report));
});
