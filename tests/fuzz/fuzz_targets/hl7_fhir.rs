//! FHIR bundles: events, letters and lists of treatments.
#![no_main]

use liaison_hl7::fhir::{Bundle, Sender, documents, event};
use libfuzzer_sys::fuzz_target;
use time::macros::datetime;
use time::{OffsetDateTime, PrimitiveDateTime};

fuzz_target!(|bytes: &[u8]| {
    let Ok(bundle) = Bundle::parse(bytes) else {
        return;
    };
    let sender = Sender {
        facility: "CH-TEST",
        application: "DPI",
        local,
        now: datetime!(2026-11-21 21:41),
    };
    if let Ok(event) = event(&bundle, &sender) {
        assert!(event.visit.is_some() && event.control_id.chars().count() <= 64);
        let _ = event.effective_at();
    }
    let _ = documents::letters(&bundle, &sender);
    assert!(documents::changes(&bundle).len() <= 200);
});

fn local(instant: OffsetDateTime) -> PrimitiveDateTime {
    PrimitiveDateTime::new(instant.date(), instant.time())
}
