//! An OCSP response, and what it means for a person's certificate.
#![no_main]

use liaison_smime::OcspResponse;
use libfuzzer_sys::fuzz_target;
use time::macros::datetime;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(response) = OcspResponse::from_der(bytes) {
        let _ = (response.produced_at(), response.answers_nonce(&[7; 32]));
        let person = liaison_fuzz::person();
        let trust = liaison_fuzz::trust().with_ocsp_response(response);
        let now = datetime!(2026-11-22 12:00 UTC);
        let _ = trust.check_recipient(person.certificate(), person.chain(), now);
    }
});
