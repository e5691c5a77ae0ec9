//! A private key: PKCS#8, plain or encrypted, and the older PEM forms.
#![no_main]

use liaison_smime::PrivateKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = PrivateKey::from_pem(text, Some("nss"));
    }
    let _ = PrivateKey::from_encrypted_pkcs8_der(bytes, "nss");
    if let Ok(key) = PrivateKey::from_pkcs8_der(bytes)
        && let Ok(der) = key.to_pkcs8_der()
    {
        let again = PrivateKey::from_pkcs8_der(&der).expect("what is exported is read");
        assert_eq!(again.kind(), key.kind());
    }
});
