//! A certificate of the directory or of a message, DER or PEM.
#![no_main]

use liaison_smime::{Certificate, TrustStore};
use libfuzzer_sys::fuzz_target;
use time::macros::datetime;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = Certificate::all_from_pem(text);
    }
    if let Ok(certificate) = Certificate::from_der(bytes) {
        assert_eq!(certificate.der(), bytes);
        assert!(certificate.not_before() <= certificate.not_after() || !bytes.is_empty());
        let now = datetime!(2026-11-22 12:00 UTC);
        let trust = TrustStore::new().with_intermediate(certificate.clone());
        assert!(
            trust.check_recipient(&certificate, &[], now).is_err(),
            "nothing is trusted"
        );
        let trust = liaison_fuzz::trust();
        let _ = trust.check_recipient(&certificate, &[], now);
        let _ = trust.check_signer(&certificate, &[], now);
    }
});
