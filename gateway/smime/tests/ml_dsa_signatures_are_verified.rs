//! ML-DSA-44, 65 and 87 in SignedData (RFC 9882) and in certificates (RFC 9881).

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::forge;

use forge::pki::{Authority, Keys};
use liaison_smime::{
    Identities, InvalidReason, OpenPolicy, PublicKeyKind, SealPolicy, SignatureForm,
    SignatureVerdict,
};

const LETTER: &[u8] = b"From: dr.untel@hopital.test\r\nTo: accueil@ehpad.test\r\n\
    Subject: Sortie\r\n\r\nBonjour,\r\n";

#[test]
fn ml_dsa_signatures_are_verified() {
    for root in [Authority::root(), Authority::ml_dsa_root()] {
        let home = root.person("accueil@ehpad.test", &Keys::ml_kem(1024), 3);
        let mut policy = SealPolicy::default();
        policy.ml_kem = true;
        for (size, as_seed, kind) in [
            (44, true, PublicKeyKind::MlDsa44),
            (65, false, PublicKeyKind::MlDsa65),
            (65, true, PublicKeyKind::MlDsa65),
            (87, false, PublicKeyKind::MlDsa87),
        ] {
            let doctor = root.person("dr.untel@hopital.test", &Keys::ml_dsa(size, as_seed), 4);
            assert_eq!(doctor.certificate.public_key_kind(), kind);
            for form in [SignatureForm::Detached, SignatureForm::Opaque] {
                policy.signature_form = form;
                let certificates = std::slice::from_ref(&home.certificate);
                let signer = doctor.identity();
                let sealed = forge::seal(policy.clone(), Some(&signer), LETTER, certificates);
                let opened = forge::open(&sealed.unwrap(), &home.ring(), &root.trust()).unwrap();
                let SignatureVerdict::Valid(valid) = opened.signature() else {
                    panic!("ML-DSA-{size}: {:?}", opened.signature());
                };
                assert_eq!(valid.signer, doctor.certificate);
            }
        }
    }
}

#[test]
fn a_digest_too_weak_for_the_signature_is_refused() {
    use forge::cms::{DATA, SHA256, honest_attributes, signed};
    use forge::der::{algorithm, int, octets, seq, set_of};

    let root = Authority::root();
    let keys = Keys::ml_dsa(87, true);
    let doctor = root.person("dr.untel@hopital.test", &keys, 4);
    let content = b"Content-Type: text/plain\r\n\r\nBonjour,\r\n";
    let pair = aws_lc_rs::signature::PqdsaKeyPair::from_pkcs8(
        &aws_lc_rs::signature::ML_DSA_87_SIGNING,
        &keys.pkcs8,
    )
    .unwrap();
    let mut attributes = set_of(&honest_attributes(content));
    let mut signature = vec![0; pair.algorithm().signature_len()];
    pair.sign(&attributes, &mut signature).unwrap();
    attributes[0] = 0xa0;
    // SHA-256 under ML-DSA-87: RFC 9882 §3.3 asks for 512 bits.
    let signer = seq(&[
        int(1),
        doctor.rid(),
        algorithm(SHA256),
        attributes,
        algorithm("2.16.840.1.101.3.4.3.19"),
        octets(&signature),
    ]);
    let object = signed(DATA, Some(content), &[doctor.certificate.der()], &[signer]);
    let mut policy = OpenPolicy::default();
    policy.accept_unencrypted = true;
    let ring = Identities::new();
    let opened = forge::open_with(&policy, &forge::mail(&object), &ring, &root.trust()).unwrap();
    assert!(matches!(
        opened.signature(),
        SignatureVerdict::Invalid(InvalidReason::Algorithm(_))
    ));
}
