//! The examples of RFC 9882 (SignedData) with the certificates of RFC 9881, as Bouncy Castle's
//! test data carries them.

use liaison_smime::{
    Certificate, Identities, InvalidReason, Layer, OpenPolicy, PathFault, SignatureVerdict,
    TrustStore,
};
use time::macros::datetime;

use super::at_hand;

#[test]
fn the_signatures_of_rfc_9882_hold() {
    let Some(folder) = at_hand::folder("bc-test-data/pkix/cms/mldsa") else {
        return;
    };
    let mut policy = OpenPolicy::default();
    policy.accept_unencrypted = true;
    for size in [44, 65, 87] {
        let text = |name: String| std::fs::read_to_string(folder.join(name)).unwrap();
        let certificate = text(format!("../../cert/mldsa/ML-DSA-{size}.pem"));
        let certificate = Certificate::from_pem(&certificate).unwrap();
        let object = super::pem(&text(format!("SignedData_ML-DSA-{size}.pem")));
        let trust = TrustStore::new().with_intermediate(certificate.clone());
        let check = |object: &[u8]| {
            let mail = super::mail("a@b.test", object);
            let at = datetime!(2026-10-01 0:00 UTC);
            super::open(&policy, &mail, &Identities::new(), &trust, at).unwrap()
        };
        let opened = check(&object);
        let held = Layer::Signed {
            signers: vec![certificate],
            fault: None,
        };
        assert_eq!(opened.layers(), [held]);
        // Nobody vouches for the people of an RFC.
        let untrusted = InvalidReason::Path(PathFault::Untrusted);
        assert_eq!(opened.signature(), &SignatureVerdict::Invalid(untrusted));
        let mut damaged = object;
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(
            check(&damaged).signature(),
            &SignatureVerdict::Invalid(InvalidReason::BadSignature)
        );
    }
}
