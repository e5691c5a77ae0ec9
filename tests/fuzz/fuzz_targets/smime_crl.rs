//! A revocation list, DER or PEM.
#![no_main]

use liaison_smime::Crl;
use libfuzzer_sys::fuzz_target;
use time::macros::datetime;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = Crl::from_pem(text);
    }
    if let Ok(crl) = Crl::from_der(bytes) {
        let _ = (crl.this_update(), crl.next_update(), crl.issuer_der());
        let person = liaison_fuzz::person();
        let trust = liaison_fuzz::trust().with_crl(crl);
        let now = datetime!(2026-11-22 12:00 UTC);
        let _ = trust.check_recipient(person.certificate(), person.chain(), now);
    }
});
