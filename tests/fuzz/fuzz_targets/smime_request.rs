//! A certificate request, DER or PEM. One that is read reads again the same.
#![no_main]

use liaison_smime::CertificateRequest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = CertificateRequest::from_pem(text);
    }
    if let Ok(request) = CertificateRequest::from_der(bytes) {
        assert!(!request.addresses().is_empty());
        assert_eq!(
            CertificateRequest::from_pem(&request.to_pem()).as_ref(),
            Ok(&request)
        );
    }
});
