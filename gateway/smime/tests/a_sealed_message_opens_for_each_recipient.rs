//! Sign, encrypt, decrypt, verify: what a doctor sends is what the nursing home reads.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::territory;

use liaison_smime::{
    AddressBinding, HeaderProtection, Identities, Layer, OpenPolicy, Opener, Recipients,
    SealPolicy, Sealer, SignatureForm, SignatureVerdict,
};
use territory::{Authority, DOCTOR, HOME, Kind, letter, now, open, seal};

#[test]
fn a_sealed_message_opens_for_each_recipient() {
    let root = Authority::root();
    let trust = root.trust();
    let recipients = [Kind::Rsa, Kind::P256, Kind::P384].map(|kind| root.person(HOME, kind));
    for signer in [Kind::Rsa, Kind::P256, Kind::P384, Kind::Ed25519] {
        let doctor = root.person(DOCTOR, signer);
        let sealed = seal(
            &letter("Bonjour,\r\nà demain.\r\n"),
            &doctor,
            &recipients.each_ref(),
        );
        for recipient in &recipients {
            let mut opened = open(&sealed, recipient, &trust).unwrap();
            let SignatureVerdict::Valid(valid) = opened.signature() else {
                panic!("{signer:?}: {:?}", opened.signature());
            };
            assert_eq!(valid.signer, doctor.certificate);
            assert_eq!(valid.binding, AddressBinding::Address(DOCTOR.to_owned()));
            assert_eq!(valid.claimed_time, Some(now()));
            assert_eq!(opened.from_address(), Some(DOCTOR));
            assert_eq!(opened.headers().protection, HeaderProtection::Cipher);
            assert_eq!(opened.headers().findings, []);
            assert!(matches!(
                opened.layers(),
                [Layer::Encrypted { recipients: 3, .. }, Layer::Signed { .. }]
            ));
            let readable = String::from_utf8(opened.readable().into_vec().unwrap()).unwrap();
            assert!(readable.contains("\r\nSubject: Sortie de Mme Fictive\r\n"));
            assert!(readable.ends_with("\r\n\r\nBonjour,\r\nà demain.\r\n"));
            assert!(!readable.contains("HP-Outer") && !readable.contains("hp="));
        }
    }
}

#[test]
fn an_opaque_pss_signature_opens_too() {
    let root = Authority::root();
    let doctor = root.person(DOCTOR, Kind::Rsa);
    let home = root.person(HOME, Kind::P256);
    let mut policy = SealPolicy::default();
    policy.signature_form = SignatureForm::Opaque;
    policy.rsa_pss = true;
    let identity = doctor.identity();
    let sealer = Sealer::new(policy).sign_with(&identity);
    let certificates = [home.certificate.clone()];
    let sealed = sealer
        .seal_to_vec(
            letter("x\r\n"),
            &Recipients::visible(certificates.clone()),
            now(),
        )
        .unwrap();
    let mut opened = open(&sealed, &home, &root.trust()).unwrap();
    assert!(matches!(opened.signature(), SignatureVerdict::Valid(_)));
    assert!(
        opened
            .readable()
            .into_vec()
            .unwrap()
            .ends_with(b"\r\n\r\nx\r\n")
    );
}

#[test]
fn an_expired_certificate_still_decrypts_old_mail() {
    let root = Authority::root();
    let doctor = root.person(DOCTOR, Kind::P256);
    let old = root.person(HOME, Kind::P256);
    let new = root.person(HOME, Kind::Rsa);
    let ring = Identities::new().with(new.identity()).with(old.identity());
    let sealed = seal(&letter("x\r\n"), &doctor, &[&old]);
    let later = now() + time::Duration::days(400);
    let policy = OpenPolicy::default();
    let trust = root.trust();
    let mut opened = Opener::new(&policy, &ring, &trust)
        .open(&sealed, later)
        .unwrap();
    assert!(opened.readable().into_vec().unwrap().ends_with(b"x\r\n"));
    assert!(
        matches!(opened.signature(), SignatureVerdict::Invalid(_)),
        "the signer has expired"
    );
}
