//! Disposition notifications (RFC 8098): what was understood is understood again when written
//! anew.
#![no_main]

use liaison_mail::dsn::Heading;
use liaison_mail::mdn::DispositionReport;
use liaison_mail::{Address, MessageId};
use libfuzzer_sys::fuzz_target;
use time::macros::datetime;

fuzz_target!(|message: &[u8]| {
    let Ok(report) = DispositionReport::read(message) else {
        return;
    };
    let address = Address::parse("idel@cabinet.test").expect("an address");
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
    let again = DispositionReport::read(&written).expect("our own report");
    assert_eq!(again.message_id, report.message_id);
    assert_eq!(again.recipient, report.recipient);
});
