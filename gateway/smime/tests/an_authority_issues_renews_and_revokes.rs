//! The issuing authority and certificate requests, checked by `openssl` and by our own validator.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure here is the test's"
)]

use crate::territory;

use liaison_smime::{
    CertificateRequest, Crl, IssuingAuthority, Lifetimes, MaterialError, PathFault, PrivateKey,
    PublicKeyKind, Revocation, RevocationReason, RevocationRegister, TrustStore,
};
use territory::{DOCTOR, Openssl, now};
use time::Duration;

const KINDS: [PublicKeyKind; 4] = [
    PublicKeyKind::Rsa(2048),
    PublicKeyKind::P256,
    PublicKeyKind::P384,
    PublicKeyKind::Ed25519,
];

fn root() -> IssuingAuthority {
    IssuingAuthority::root(
        PrivateKey::generate(PublicKeyKind::P384).unwrap(),
        "Territoire fictif, racine",
        &[],
        (now() - Duration::days(1), now() + Duration::days(3650)),
    )
    .unwrap()
}

/// The authority of one hospital, below the root.
fn hospital(root: &IssuingAuthority) -> IssuingAuthority {
    root.issue_authority(
        PrivateKey::generate(PublicKeyKind::P256).unwrap(),
        "Hôpital fictif",
        &["hopital.test", ".hopital.test"],
        (now() - Duration::days(1), now() + Duration::days(1000)),
    )
    .unwrap()
}

fn request(kind: PublicKeyKind, addresses: &[&str]) -> CertificateRequest {
    let key = PrivateKey::generate(kind).unwrap();
    CertificateRequest::new(&key, "Dr Untel", addresses).unwrap()
}

#[test]
fn openssl_accepts_the_requests_the_certificates_and_the_lists() {
    let (root, openssl) = (root(), Openssl::new());
    let hospital = hospital(&root);
    let at = now().unix_timestamp();
    openssl.write("root.pem", root.certificate().to_pem().as_bytes());
    openssl.write("hospital.pem", hospital.certificate().to_pem().as_bytes());
    let mut register = RevocationRegister::new();
    let due = now() + Duration::days(7);
    for kind in KINDS {
        let request = request(kind, &[DOCTOR]);
        openssl.write("r.pem", request.to_pem().as_bytes());
        let text = openssl.run("req -in r.pem -verify -noout -text");
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("email:dr.untel@hopital.test"), "{text}");
        let certificate = hospital.issue(&request, now()).unwrap();
        openssl.write("c.pem", certificate.to_pem().as_bytes());
        let list = hospital.issue_crl(&mut register, now(), due).unwrap();
        let above = root
            .issue_crl(&mut RevocationRegister::new(), now(), due)
            .unwrap();
        openssl.write("lists.pem", (list.to_pem() + &above.to_pem()).as_bytes());
        openssl.run("crl -in lists.pem -noout -CAfile hospital.pem -verify");
        let verify = format!(
            "verify -attime {at} -x509_strict -crl_check_all -purpose smimesign -CAfile root.pem \
             -untrusted hospital.pem -CRLfile lists.pem c.pem"
        );
        openssl.run(&verify);
        register.revoke(&certificate, RevocationReason::KeyCompromise, now());
        let list = hospital.issue_crl(&mut register, now(), due).unwrap();
        openssl.write("lists.pem", (list.to_pem() + &above.to_pem()).as_bytes());
        let shown = openssl.run("crl -in lists.pem -noout -text");
        assert!(String::from_utf8(shown).unwrap().contains("Key Compromise"));
        let said = openssl.fails(&verify);
        assert!(said.contains("certificate revoked"), "{said}");
    }
}

#[test]
fn our_own_validator_agrees_at_each_moment_of_a_life() {
    let root = root();
    let hospital = hospital(&root).with_lifetimes(Lifetimes {
        validity: Duration::days(90),
        overlap: Duration::days(30),
        backdate: Duration::minutes(5),
    });
    let request = request(PublicKeyKind::P256, &[DOCTOR]);
    let certificate = hospital.issue(&request, now()).unwrap();
    let mut register = RevocationRegister::new();
    let due = now() + Duration::days(7);
    let above = root
        .issue_crl(&mut RevocationRegister::new(), now(), due)
        .unwrap();
    let trust = |list: Crl| {
        TrustStore::new()
            .with_anchor(root.certificate().clone())
            .with_crl(list)
            .with_crl(above.clone())
    };
    let list = hospital.issue_crl(&mut register, now(), due).unwrap();
    let path = trust(list.clone())
        .check_signer(&certificate, &hospital.chain(), now())
        .unwrap();
    assert_eq!(path.revocation, Revocation::Good { as_of: now() });
    assert_eq!(
        path.revocation.age(now() + Duration::days(2)),
        Some(Duration::days(2))
    );
    let later = now() + Duration::days(8);
    let path = trust(list)
        .check_signer(&certificate, &hospital.chain(), later)
        .unwrap();
    assert!(
        matches!(path.revocation, Revocation::Stale { .. }),
        "{path:?}"
    );

    // Renewed with an overlap, by a request for the same addresses, by the same authority.
    let soon = now() + Duration::days(10);
    assert!(matches!(
        hospital.renew(&certificate, &request, soon),
        Err(MaterialError::Issue(_))
    ));
    let in_time = now() + Duration::days(61);
    assert!(hospital.lifetimes().renewal_is_due(&certificate, in_time));
    let next = hospital.renew(&certificate, &request, in_time).unwrap();
    let both = in_time + Duration::days(1);
    for valid in [&certificate, &next] {
        assert!(valid.not_before() <= both && both <= valid.not_after());
    }
    let other = self::request(PublicKeyKind::P256, &["autre@hopital.test"]);
    assert!(hospital.renew(&certificate, &other, in_time).is_err());
    assert!(root.renew(&certificate, &request, in_time).is_err());

    register.revoke(&certificate, RevocationReason::Superseded, now());
    register.revoke(
        &certificate,
        RevocationReason::Hold,
        now() + Duration::days(1),
    );
    let stored = serde_json::to_string(&register).unwrap();
    let mut register: RevocationRegister = serde_json::from_str(&stored).unwrap();
    let list = hospital.issue_crl(&mut register, now(), due).unwrap();
    assert_eq!((list.entries(), register.lists_issued()), (1, 2));
    assert!(matches!(
        trust(list).check_signer(&certificate, &hospital.chain(), now()),
        Err(PathFault::Revoked {
            reason: RevocationReason::Superseded,
            ..
        })
    ));
    // Named once more after it expired, then forgotten.
    let past = certificate.not_after() + Duration::days(1);
    let last = hospital
        .issue_crl(&mut register, past, past + Duration::days(7))
        .unwrap();
    assert_eq!((last.entries(), register.entries()), (1, 0));
}

#[test]
fn an_authority_names_only_what_it_may() {
    let root = root();
    let hospital = hospital(&root);
    for address in ["a@ehpad.test", "a@autrehopital.test", "a@hopital.test.x"] {
        let refused = hospital.issue(&request(PublicKeyKind::P256, &[DOCTOR, address]), now());
        assert!(
            matches!(refused, Err(MaterialError::Issue(_))),
            "{address}: {refused:?}"
        );
    }
    assert!(
        hospital
            .issue(&request(PublicKeyKind::P256, &["a@x.hopital.test"]), now())
            .is_ok()
    );
    let too_late = now() + Duration::days(999);
    assert!(
        hospital
            .issue(&request(PublicKeyKind::P256, &[DOCTOR]), too_late)
            .is_err()
    );
    assert!(
        hospital
            .issue_authority(
                PrivateKey::generate(PublicKeyKind::P256).unwrap(),
                "sans contrainte",
                &[],
                (now(), now() + Duration::days(1)),
            )
            .is_err()
    );
}

#[test]
fn a_request_is_refused_unless_its_key_signed_it() {
    let good = request(PublicKeyKind::P256, &[DOCTOR]);
    for position in 0..good.der().len() {
        let mut bad = good.der().to_vec();
        bad[position] ^= 0x04;
        assert!(
            CertificateRequest::from_der(&bad).is_err(),
            "octet {position}"
        );
    }
    for addresses in [
        &[][..],
        &["sans-arobase"],
        &["é@hopital.test"],
        &["a@b@c"],
        &["a b@c.test"],
    ] {
        let key = PrivateKey::generate(PublicKeyKind::P256).unwrap();
        let refused = CertificateRequest::new(&key, "x", addresses);
        assert!(
            matches!(refused, Err(MaterialError::Request(_))),
            "{addresses:?}"
        );
    }
}

#[test]
fn a_request_made_by_openssl_is_read() {
    let openssl = Openssl::new();
    for kind in ["ec -pkeyopt ec_paramgen_curve:P-256", "rsa:2048", "ed25519"] {
        openssl.run(&format!(
            "req -new -newkey {kind} -nodes -keyout k.pem -out r.pem -subj /CN=Untel \
             -addext subjectAltName=email:dr.untel@hopital.test"
        ));
        let text = String::from_utf8(openssl.read("r.pem")).unwrap();
        let request = CertificateRequest::from_pem(&text).unwrap();
        assert_eq!(request.common_name(), "Untel");
        assert_eq!(request.addresses(), [DOCTOR]);
        hospital(&root()).issue(&request, now()).unwrap();
    }
}
