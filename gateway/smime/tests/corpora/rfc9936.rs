//! The example of RFC 9936 (appendix C): a message for an ML-KEM-512 key, whose certificate an
//! ML-DSA-65 authority signed.

use liaison_smime::{
    Certificate, Identities, Identity, OpenPolicy, PathFault, PrivateKey, PublicKeyKind, TrustStore,
};
use time::macros::datetime;

use super::at_hand;

#[test]
fn the_example_of_rfc_9936_opens_with_each_form_of_its_key() {
    let Some(folder) = at_hand::folder("cms-kyber/example") else {
        return;
    };
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let certificate = Certificate::from_pem(&text("ML-KEM-512.pem")).unwrap();
    let object = super::pem(&text("ML-KEM-512.cms"));
    for form in ["seed", "expanded", "both"] {
        let key = text(&format!("ML-KEM-512-{form}.priv"));
        let key = PrivateKey::from_pkcs8_pem(&key).unwrap();
        let identity = Identity::new(certificate.clone(), Vec::new(), key).unwrap();
        let opened = super::open(
            &OpenPolicy::default(),
            &super::mail("a@b.test", &object),
            &Identities::new().with(identity),
            &TrustStore::new(),
            datetime!(2025-03-20 0:00 UTC),
        );
        let mut opened = opened.unwrap();
        assert_eq!(
            opened.content().into_vec().unwrap(),
            text("plaintext.txt").as_bytes(),
            "{form}"
        );
    }
}

#[test]
fn the_certificate_of_rfc_9936_is_not_sent_to() {
    let Some(folder) = at_hand::folder("cms-kyber/example") else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("ML-KEM-512.pem")).unwrap();
    let certificate = Certificate::from_pem(&text).unwrap();
    assert_eq!(certificate.public_key_kind(), PublicKeyKind::MlKem512);
    let at = datetime!(2025-03-20 0:00 UTC);
    assert_eq!(
        TrustStore::new()
            .check_recipient(&certificate, &[], at)
            .err(),
        Some(PathFault::Usage("ML-KEM-512 is too weak to send to"))
    );
}
