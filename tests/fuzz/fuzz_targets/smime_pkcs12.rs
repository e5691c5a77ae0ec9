//! A PKCS #12 file. Its integrity code is computed and not looked at, so that what lies behind it
//! is reached.
#![no_main]

use liaison_smime::{certificates_from_pkcs12, identities_from_pkcs12};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = certificates_from_pkcs12(bytes, "nss");
    let _ = identities_from_pkcs12(bytes, "nss");
});
