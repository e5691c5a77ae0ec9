//! Attack 14: certificates for something else, of another time, revoked, or that lead nowhere;
//! addresses inside them that want to be called.

use std::net::TcpListener;

use liaison_smime::{
    Certificate, InvalidReason, OpenPolicy, PathFault, SignatureVerdict, TrustStore,
};

use crate::forge::der::{ctx, ctx_primitive, int, oid, seq, tlv};
use crate::forge::pki::{
    Authority, DIGITAL_SIGNATURE, EMAIL_PROTECTION, KEY_AGREEMENT, KEY_CERT_SIGN, Keys, NOW,
    SERVER_AUTH, Template, basic_constraints, extended_key_usage, extension, key_usage,
};
use crate::forge::{DOCTOR, Stage, cms, entity, mail, open_with};

fn verdict(stage: &Stage, template: &Template, keys: &Keys) -> SignatureVerdict {
    let signer = stage.root.person_of(template, keys);
    let content = entity("x");
    let object = cms::honest_signature(&signer, &content, true);
    stage.look(&mail(&object)).unwrap().signature().clone()
}

#[test]
fn usages_and_dates_must_fit() {
    const DAY: i64 = 86_400;
    let stage = Stage::new();
    let keys = Keys::p256();
    let person = || Template::person(DOCTOR, &keys, 50);
    assert!(matches!(
        verdict(&stage, &person(), &keys),
        SignatureVerdict::Valid(_)
    ));
    let critical = extension("1.3.6.1.4.1.99999.7", true, int(1));
    let mut late = person();
    late.validity = (NOW - 30 * DAY, NOW - 1);
    let mut early = person();
    early.validity = (NOW + 1, NOW + 30 * DAY);
    for (template, why) in [
        (
            person().with(key_usage(KEY_AGREEMENT)),
            "no digitalSignature",
        ),
        (
            person().with(key_usage(KEY_CERT_SIGN)),
            "an authority's usage",
        ),
        (
            person().with(extended_key_usage(&[SERVER_AUTH])),
            "a web server's",
        ),
        (late, "expired"),
        (early, "not yet valid"),
        (person().with(critical), "an unknown critical extension"),
    ] {
        let answer = verdict(&stage, &template, &keys);
        assert!(
            matches!(answer, SignatureVerdict::Invalid(InvalidReason::Path(_))),
            "{why}: {answer:?}"
        );
    }
    let both = person().with(extended_key_usage(&[SERVER_AUTH, EMAIL_PROTECTION]));
    assert!(matches!(
        verdict(&stage, &both, &keys),
        SignatureVerdict::Valid(_)
    ));
    let both = person().with(key_usage(DIGITAL_SIGNATURE | KEY_AGREEMENT));
    assert!(matches!(
        verdict(&stage, &both, &keys),
        SignatureVerdict::Valid(_)
    ));
}

#[test]
fn a_person_does_not_issue_certificates() {
    let stage = Stage::new();
    // The doctor's key signs a certificate for the director.
    let keys = Keys::p256();
    let template = Template::person("direction@hopital.test", &keys, 51);
    let forged = Authority::impersonating(&stage.doctor, &template);
    let content = entity("x");
    let signer = crate::forge::pki::Person {
        certificate: Certificate::from_der(&forged).unwrap(),
        spki: keys.spki.clone(),
        pkcs8: keys.pkcs8.clone(),
    };
    let object = cms::signed(
        cms::DATA,
        Some(&content),
        &[&forged, stage.doctor.certificate.der()],
        &[cms::Signer::honest(&signer, &content).encode(&content)],
    );
    let message = String::from_utf8(mail(&object)).unwrap();
    let message = message.replace("From: dr.untel", "From: direction");
    let opened = stage.look(message.as_bytes()).unwrap();
    assert!(
        matches!(
            opened.signature(),
            SignatureVerdict::Invalid(InvalidReason::Path(_))
        ),
        "{:?}",
        opened.signature()
    );
}

#[test]
fn authorities_that_certify_each_other_lead_nowhere() {
    let stage = Stage::new();
    // Twelve strangers, each with a certificate from every other: paths without end.
    let ring: Vec<_> = (0..12)
        .map(|n| Authority::named(&format!("AC {n}")))
        .collect();
    let mut crossed = Vec::new();
    for (a, issuer) in ring.iter().enumerate() {
        for (b, subject) in ring.iter().enumerate() {
            if a != b {
                crossed.push(issuer.cross(subject, 1000 + (a * 12 + b) as u64));
            }
        }
    }
    let keys = Keys::p256();
    let signer = ring[0].person(DOCTOR, &keys, 52);
    let content = entity("x");
    let mut certificates = vec![signer.certificate.der()];
    certificates.extend(crossed.iter().take(31).map(Vec::as_slice));
    let object = cms::signed(
        cms::DATA,
        Some(&content),
        &certificates,
        &[cms::Signer::honest(&signer, &content).encode(&content)],
    );
    let opened = stage.look(&mail(&object)).unwrap();
    assert!(
        matches!(
            opened.signature(),
            SignatureVerdict::Invalid(InvalidReason::Path(
                PathFault::Untrusted | PathFault::TooComplex
            ))
        ),
        "{:?}",
        opened.signature()
    );
    // More certificates than the limit are not even read.
    let many: Vec<&[u8]> = crossed.iter().map(Vec::as_slice).collect();
    let object = cms::signed(cms::DATA, Some(&content), &many, &[]);
    assert!(crate::forge::is_named(&stage.look(&mail(&object))));
}

#[test]
fn an_address_inside_a_certificate_is_not_called() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/piste", listener.local_addr().unwrap());
    let stage = Stage::new();
    let keys = Keys::p256();
    let place = ctx_primitive(6, &url);
    let access = |kind: &str| seq(&[oid(kind), place.clone()]);
    let authority_access = extension(
        "1.3.6.1.5.5.7.1.1",
        false,
        seq(&[access("1.3.6.1.5.5.7.48.1"), access("1.3.6.1.5.5.7.48.2")]),
    );
    let distribution = extension("2.5.29.31", false, seq(&[seq(&[ctx(0, ctx(0, &place))])]));
    let template = Template::person(DOCTOR, &keys, 53)
        .with(authority_access)
        .with(distribution);
    let trusted = verdict(&stage, &template, &keys);
    assert!(matches!(trusted, SignatureVerdict::Valid(_)), "{trusted:?}");
    let stranger = Stage::new();
    let signer = stranger.root.person_of(&template, &keys);
    let content = entity("x");
    let object = cms::honest_signature(&signer, &content, true);
    let untrusted = stage.look(&mail(&object)).unwrap();
    assert!(matches!(
        untrusted.signature(),
        SignatureVerdict::Invalid(_)
    ));
    let called = listener.accept();
    assert!(called.is_err(), "somebody called {url}");
}

#[test]
fn a_list_that_the_sender_brings_along_proves_nothing() {
    let stage = Stage::new();
    let content = entity("x");
    let honest = cms::honest_signature(&stage.doctor, &content, true);
    // [1] RevocationInfoChoices after the certificates: any octets.
    let certificates = tlv(0xa0, stage.doctor.certificate.der());
    let at = honest
        .windows(certificates.len())
        .position(|w| w == certificates)
        .unwrap();
    let signers = &honest[at + certificates.len()..];
    let object = cms::content_info(
        cms::SIGNED_DATA,
        seq(&[
            int(1),
            crate::forge::der::set(&[crate::forge::der::algorithm(cms::SHA256)]),
            seq(&[oid(cms::DATA), ctx(0, crate::forge::der::octets(&content))]),
            certificates,
            tlv(0xa1, seq(&[])),
            signers.to_vec(),
        ]),
    );
    let mut policy = OpenPolicy::default();
    policy.accept_unencrypted = true;
    let opened = stage.look(&mail(&object)).unwrap();
    assert!(matches!(opened.signature(), SignatureVerdict::Valid(_)));
    policy.require_revocation = true;
    let trust: &TrustStore = &stage.trust;
    let opened = open_with(&policy, &mail(&object), &stage.ring, trust).unwrap();
    assert!(
        matches!(
            opened.signature(),
            SignatureVerdict::Invalid(InvalidReason::RevocationUnknown(_))
        ),
        "{:?}",
        opened.signature()
    );
}

#[test]
fn an_authority_may_not_write_letters_for_others() {
    let stage = Stage::new();
    let keys = Keys::p256();
    let template = Template::person(DOCTOR, &keys, 54)
        .with(basic_constraints(true))
        .with(key_usage(KEY_CERT_SIGN | DIGITAL_SIGNATURE));
    let answer = verdict(&stage, &template, &keys);
    assert!(
        matches!(
            answer,
            SignatureVerdict::Invalid(InvalidReason::WrongAddress)
        ),
        "{answer:?}"
    );
}
