//! A receipt from anybody: nothing that our key did not sign is ever verified.
#![no_main]

use std::sync::LazyLock;

use liaison_base::tlog::note::VerifierKey;
use liaison_gateway::reports::{Proof, verify_receipt};
use libfuzzer_sys::fuzz_target;

/// A key whose other half nobody here has.
static KEY: LazyLock<VerifierKey> = LazyLock::new(|| {
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        .parse()
        .expect("a verifier key")
});

fuzz_target!(|text: &str| {
    let _ = Proof::find(text);
    let _ = text.parse::<VerifierKey>();
    assert!(verify_receipt(text, &KEY).is_err());
});
