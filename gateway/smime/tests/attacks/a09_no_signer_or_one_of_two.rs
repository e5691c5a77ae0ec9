//! Attack 9: a signature without a signer, two signers of whom one is false, a counter-signature
//! only, a list of certificates presented as a signature.

use liaison_smime::{InvalidReason, Refusal, SignatureVerdict};

use crate::forge::der::{octets, oid, seq, set, tlv};
use crate::forge::{DOCTOR, Stage, cms, entity, mail, plain_mail};

fn verdict(stage: &Stage, object: &[u8]) -> SignatureVerdict {
    stage.look(&mail(object)).unwrap().signature().clone()
}

#[test]
fn nobody_signed() {
    let stage = Stage::new();
    let content = entity("x");
    let none = cms::signed(
        cms::DATA,
        Some(&content),
        &[stage.doctor.certificate.der()],
        &[],
    );
    assert_eq!(
        verdict(&stage, &none),
        SignatureVerdict::Invalid(InvalidReason::NoSigner)
    );
    let detached = cms::signed(cms::DATA, None, &[stage.doctor.certificate.der()], &[]);
    let message = plain_mail(DOCTOR, &cms::multipart_signed(&content, &detached));
    assert_eq!(
        stage.look(&message).unwrap().signature(),
        &SignatureVerdict::Invalid(InvalidReason::NoSigner)
    );
    // Certificates only (RFC 8551 §3.8), shown as a signed message.
    assert!(matches!(
        stage.look(&mail(&detached)),
        Err(Refusal::Malformed(_))
    ));
}

#[test]
fn all_of_several_signers_must_hold() {
    let stage = Stage::new();
    let content = entity("x");
    let good = cms::Signer::honest(&stage.doctor, &content).encode(&content);
    let bad = cms::Signer::honest(&stage.doctor, b"autre chose").encode(b"autre chose");
    let other = stage
        .root
        .person("autre@hopital.test", &crate::forge::pki::Keys::p256(), 66);
    let others = cms::Signer::honest(&other, &content).encode(&content);
    let certificates = [stage.doctor.certificate.der(), other.certificate.der()];
    let of = |signers: &[Vec<u8>]| {
        verdict(
            &stage,
            &cms::signed(cms::DATA, Some(&content), &certificates, signers),
        )
    };
    assert!(matches!(
        of(std::slice::from_ref(&good)),
        SignatureVerdict::Valid(_)
    ));
    for signers in [
        [good.clone(), bad.clone()],
        [bad.clone(), good.clone()],
        [good, others],
    ] {
        assert!(matches!(of(&signers), SignatureVerdict::Invalid(_)));
    }
}

#[test]
fn a_counter_signature_is_not_a_signature() {
    let stage = Stage::new();
    let content = entity("x");
    let keys = crate::forge::pki::Keys::p256();
    let stranger = Stage::new().root.person(DOCTOR, &keys, 55);
    let mut signer = cms::Signer::honest(&stranger, &content);
    // The doctor counter-signs what a stranger signed (RFC 5652 §11.4).
    let counter = cms::Signer::with(
        &stage.doctor,
        vec![cms::attribute(cms::MESSAGE_DIGEST, &[octets([0; 32])])],
    )
    .encode(b"");
    let attribute = seq(&[oid("1.2.840.113549.1.9.6"), set(&[counter])]);
    signer.unsigned = Some(tlv(0xa1, attribute));
    let object = cms::signed(
        cms::DATA,
        Some(&content),
        &[stage.doctor.certificate.der(), stranger.certificate.der()],
        &[signer.encode(&content)],
    );
    assert!(matches!(
        verdict(&stage, &object),
        SignatureVerdict::Invalid(InvalidReason::Path(_))
    ));
}
