//! Attack 11: one algorithm is named, another is checked.

use liaison_smime::{InvalidReason, SignatureVerdict};

use crate::forge::der::{algorithm, ctx, int, null, octets, oid, seq};
use crate::forge::{Stage, cms, entity, mail};

const RSA_PSS: &str = "1.2.840.113549.1.1.10";
const ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";

fn verdict(stage: &Stage, signer: &cms::Signer<'_>) -> SignatureVerdict {
    let content = entity("x");
    let object = cms::signed(
        cms::DATA,
        Some(&content),
        &[stage.doctor.certificate.der()],
        &[signer.encode(&content)],
    );
    stage.look(&mail(&object)).unwrap().signature().clone()
}

#[test]
fn digest_and_signature_name_the_same_digest() {
    let stage = Stage::new();
    let content = entity("x");
    let mut signer = cms::Signer::honest(&stage.doctor, &content);
    assert!(matches!(
        verdict(&stage, &signer),
        SignatureVerdict::Valid(_)
    ));
    for (digest, method) in [
        (cms::SHA384, cms::ECDSA_SHA256),
        (cms::SHA512, cms::ECDSA_SHA256),
        (cms::SHA256, ECDSA_SHA384),
        (cms::SHA1, cms::ECDSA_SHA256),
        (cms::SHA1, cms::RSA_ENCRYPTION),
        (cms::MD5, cms::RSA_ENCRYPTION),
        (cms::SHA256, "1.3.101.112"),
        (cms::SHA256, "2.16.840.1.101.3.4.3.19"),
        (cms::SHA256, cms::SHA256),
    ] {
        signer.digest = algorithm(digest);
        signer.method = algorithm(method);
        let answer = verdict(&stage, &signer);
        assert!(
            matches!(
                answer,
                SignatureVerdict::Invalid(InvalidReason::Algorithm(_))
            ),
            "{digest} {method}: {answer:?}"
        );
    }
    // An algorithm of another key than the certificate's.
    signer.digest = algorithm(cms::SHA256);
    signer.method = seq(&[oid(cms::RSA_ENCRYPTION), null()]);
    assert_eq!(
        verdict(&stage, &signer),
        SignatureVerdict::Invalid(InvalidReason::BadSignature)
    );
}

#[test]
fn algorithm_protection_is_enforced() {
    let stage = Stage::new();
    let content = entity("x");
    let with = |values: &[Vec<u8>]| {
        let mut attributes = cms::honest_attributes(&content);
        attributes.push(cms::attribute(cms::ALGORITHM_PROTECTION, values));
        verdict(&stage, &cms::Signer::with(&stage.doctor, attributes))
    };
    let protection = |digest: &str, method: &str| seq(&[algorithm(digest), ctx(1, oid(method))]);
    let honest = protection(cms::SHA256, cms::ECDSA_SHA256);
    assert!(matches!(
        with(std::slice::from_ref(&honest)),
        SignatureVerdict::Valid(_)
    ));
    for values in [
        vec![protection(cms::SHA512, cms::ECDSA_SHA256)],
        vec![protection(cms::SHA256, ECDSA_SHA384)],
        vec![seq(&[algorithm(cms::SHA256)])],
        // [2], a MAC algorithm, in the place of the signature's.
        vec![seq(&[
            algorithm(cms::SHA256),
            ctx(2, oid(cms::ECDSA_SHA256)),
        ])],
        vec![honest.clone(), honest],
        vec![],
        vec![null()],
    ] {
        let answer = with(&values);
        assert!(
            matches!(
                answer,
                SignatureVerdict::Invalid(InvalidReason::Attributes(_))
            ),
            "{answer:?}"
        );
    }
}

#[test]
fn pss_parameters_admit_no_trick() {
    let stage = Stage::new();
    let content = entity("x");
    let named = |digest: &str| seq(&[oid(digest), null()]);
    let mask = |digest: &str| seq(&[oid(cms::MGF1), named(digest)]);
    let pss = |fields: &[Vec<u8>]| seq(&[oid(RSA_PSS), seq(fields)]);
    for (method, why) in [
        (algorithm(RSA_PSS), "no parameters: SHA-1"),
        (pss(&[]), "empty parameters: SHA-1"),
        (
            pss(&[ctx(0, named(cms::SHA1)), ctx(1, mask(cms::SHA1))]),
            "SHA-1",
        ),
        (pss(&[ctx(0, named(cms::SHA256))]), "a mask with SHA-1"),
        (
            pss(&[
                ctx(0, named(cms::SHA256)),
                ctx(1, mask(cms::SHA1)),
                ctx(2, int(32)),
            ]),
            "a mask with SHA-1",
        ),
        (
            pss(&[
                ctx(0, named(cms::SHA512)),
                ctx(1, mask(cms::SHA512)),
                ctx(2, int(64)),
            ]),
            "another digest than digestAlgorithm",
        ),
        (
            pss(&[
                ctx(0, named(cms::SHA256)),
                ctx(1, mask(cms::SHA256)),
                ctx(2, int(32)),
                ctx(3, int(2)),
            ]),
            "another trailer",
        ),
        (
            pss(&[ctx(0, named(cms::SHA256)), ctx(1, seq(&[oid(cms::SHA256)]))]),
            "another mask function",
        ),
        (
            pss(&[
                ctx(0, named(cms::SHA256)),
                ctx(1, mask(cms::SHA256)),
                ctx(2, int(1 << 40)),
            ]),
            "a salt of a terabyte",
        ),
        (
            seq(&[oid(RSA_PSS), octets(b"x")]),
            "parameters of another type",
        ),
    ] {
        let mut signer = cms::Signer::honest(&stage.doctor, &content);
        signer.method = method;
        let answer = verdict(&stage, &signer);
        assert!(
            matches!(
                answer,
                SignatureVerdict::Invalid(InvalidReason::Algorithm(_))
            ),
            "{why}: {answer:?}"
        );
    }
}
