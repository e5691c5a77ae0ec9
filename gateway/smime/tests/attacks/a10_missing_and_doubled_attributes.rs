//! Attack 10: signed attributes that are missing, doubled, empty, or stripped so that they
//! themselves become the content.

use liaison_smime::{InvalidReason, SignatureVerdict};

use crate::forge::der::{algorithm, int, null, octets, oid, set_of, utc_time};
use crate::forge::pki::NOW;
use crate::forge::{Stage, cms, entity, mail};

fn verdict(
    stage: &Stage,
    kind: &str,
    content: &[u8],
    signer: &cms::Signer<'_>,
) -> SignatureVerdict {
    let object = cms::signed(
        kind,
        Some(content),
        &[stage.doctor.certificate.der()],
        &[signer.encode(content)],
    );
    stage.look(&mail(&object)).unwrap().signature().clone()
}

#[test]
fn attributes_occur_once_with_one_value() {
    let stage = Stage::new();
    let content = entity("x");
    let kind = || cms::attribute(cms::CONTENT_TYPE, &[oid(cms::DATA)]);
    let digest = || cms::attribute(cms::MESSAGE_DIGEST, &[octets(cms::sha256(&content))]);
    let time = || cms::attribute(cms::SIGNING_TIME, &[utc_time(NOW)]);
    let with = |list: Vec<Vec<u8>>| {
        let signer = cms::Signer::with(&stage.doctor, list);
        verdict(&stage, cms::DATA, &content, &signer)
    };
    assert!(matches!(
        with(vec![kind(), digest(), time()]),
        SignatureVerdict::Valid(_)
    ));
    assert!(matches!(
        with(vec![kind(), digest()]),
        SignatureVerdict::Valid(_)
    ));
    for (list, why) in [
        (vec![], "none"),
        (vec![digest()], "no contentType"),
        (vec![kind(), time()], "no messageDigest"),
        (vec![kind(), kind(), digest()], "contentType twice"),
        (vec![kind(), digest(), digest()], "messageDigest twice"),
        (vec![kind(), digest(), time(), time()], "signingTime twice"),
        (
            vec![kind(), cms::attribute(cms::MESSAGE_DIGEST, &[])],
            "no value",
        ),
        (
            vec![
                kind(),
                cms::attribute(
                    cms::MESSAGE_DIGEST,
                    &[octets([0; 32]), octets(cms::sha256(&content))],
                ),
            ],
            "two values",
        ),
        (
            vec![kind(), digest(), cms::attribute(cms::SIGNING_TIME, &[])],
            "signingTime without value",
        ),
        (
            vec![
                kind(),
                digest(),
                cms::attribute(cms::SIGNING_TIME, &[null()]),
            ],
            "signingTime of another type",
        ),
        (
            vec![
                cms::attribute(cms::CONTENT_TYPE, &[oid(cms::SIGNED_DATA)]),
                digest(),
            ],
            "another contentType",
        ),
        (
            vec![kind(), cms::attribute(cms::MESSAGE_DIGEST, &[octets([])])],
            "an empty digest",
        ),
        (
            vec![kind(), cms::attribute(cms::MESSAGE_DIGEST, &[int(7)])],
            "a digest of another type",
        ),
    ] {
        let answer = with(list);
        assert!(
            matches!(answer, SignatureVerdict::Invalid(_)),
            "{why}: {answer:?}"
        );
    }
}

#[test]
fn another_content_type_is_not_signed_bare() {
    let stage = Stage::new();
    let content = entity("x");
    let mut signer = cms::Signer::honest(&stage.doctor, &content);
    signer.attributes = None;
    for kind in [cms::SIGNED_DATA, "1.2.840.113549.1.9.16.1.4"] {
        let answer = verdict(&stage, kind, &content, &signer);
        assert!(matches!(answer, SignatureVerdict::Invalid(_)), "{answer:?}");
    }
}

#[test]
fn stripped_attributes_are_not_content() {
    let stage = Stage::new();
    // What the doctor truly signed, shown as a content of its own under the same signature.
    let attributes = set_of(&cms::honest_attributes(&entity("une autre lettre")));
    let signer = cms::Signer {
        person: &stage.doctor,
        digest: algorithm(cms::SHA256),
        attributes: None,
        method: algorithm(cms::ECDSA_SHA256),
        unsigned: None,
    };
    assert!(matches!(
        verdict(&stage, cms::DATA, &attributes, &signer),
        SignatureVerdict::Invalid(InvalidReason::Attributes(_))
    ));
}
