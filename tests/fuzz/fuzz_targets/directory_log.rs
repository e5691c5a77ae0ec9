//! What anybody may show of a log: checkpoints, requests for cosignatures, paths, bundles. Nothing
//! that our keys did not sign is ever believed.
#![no_main]

use std::sync::LazyLock;

use liaison_base::tlog::note::{Checkpoint, VerifierKey};
use liaison_directory::sharing::{Asked, Part, judge, read_bundle, write_bundle};
use libfuzzer_sys::fuzz_target;

/// A key whose other half nobody here has.
static KEY: LazyLock<VerifierKey> = LazyLock::new(|| {
    "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        .parse()
        .expect("a verifier key")
});

fuzz_target!(|octets: &[u8]| {
    if let Ok(items) = read_bundle(octets, 300) {
        assert_eq!(write_bundle(items), octets);
    }
    let Ok(text) = std::str::from_utf8(octets) else {
        return;
    };
    if let Some(part) = Part::parse(text) {
        assert_eq!(part.to_string(), text);
    }
    let _ = Checkpoint::unverified(text);
    assert!(Checkpoint::open(text, &KEY).is_err());
    assert!(KEY.cosigner().cosigned_at(text).is_err());
    if let Some(asked) = Asked::read(text) {
        assert_eq!(asked.written(), text);
        assert!(judge(&asked, &[KEY.clone()], None).is_err());
    }
});
