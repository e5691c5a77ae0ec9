//! The people whom the S/MIME targets know: a key that opens, and authorities that vouch.
//!
//! They come from the demo's throw-away PKI and are trusted nowhere else. Fixed, so that what a
//! target found is found again.

use std::sync::LazyLock;

use liaison_smime::{
    Certificate, Identities, Identity, OpenPolicy, Opener, SignatureVerdict, TrustStore, inspect,
};
use time::macros::datetime;

static PERSON: LazyLock<Identity> = LazyLock::new(|| {
    let chain = include_str!("../keys/person.chain.pem");
    Identity::from_pem(chain, include_str!("../keys/person.key")).expect("an identity")
});

/// Somebody with a certificate and its key.
pub fn person() -> &'static Identity {
    &PERSON
}

/// Trusts the authorities of the person's territory.
pub fn trust() -> TrustStore {
    let authorities = include_str!("../keys/authorities.pem");
    let mut authorities = Certificate::all_from_pem(authorities)
        .expect("authorities")
        .into_iter();
    let root = authorities.next().expect("the root stands first");
    authorities.fold(
        TrustStore::new().with_anchor(root),
        TrustStore::with_intermediate,
    )
}

/// Opens a message as the gateway does, and describes it as an auditor's tool does.
///
/// # Panics
/// When a signature is found valid without a signer's address.
pub fn open(message: &[u8]) {
    static RING: LazyLock<Identities> = LazyLock::new(|| {
        let chain = include_str!("../keys/person.chain.pem");
        let key = include_str!("../keys/person.key");
        Identities::new().with(Identity::from_pem(chain, key).expect("an identity"))
    });
    static TRUST: LazyLock<TrustStore> = LazyLock::new(trust);
    let mut policy = OpenPolicy::default();
    policy.accept_unencrypted = true;
    let now = datetime!(2026-11-22 18:00 UTC);
    let _ = inspect(message, &policy.limits);
    let Ok(mut opened) = Opener::new(&policy, &*RING, &*TRUST).open(message, now) else {
        return;
    };
    if let SignatureVerdict::Valid(valid) = opened.signature() {
        assert!(!valid.signer.addresses().is_empty());
    }
    opened.readable().into_vec().expect("memory is read");
}
