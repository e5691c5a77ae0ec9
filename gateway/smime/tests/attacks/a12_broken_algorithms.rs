//! Attack 12: RC2, DES, triple DES, MD5, SHA-1, RSA under 2048 bits, DSA, on live mail.

use std::process::Command;

use liaison_smime::{InvalidReason, Refusal, SealError, SealPolicy, SignatureVerdict};

use crate::forge::der::{algorithm, null, octets, oid, seq, set_of};
use crate::forge::pki::{DIGITAL_SIGNATURE, KEY_ENCIPHERMENT, Keys};
use crate::forge::{DOCTOR, Stage, cms, entity, mail, seal};

#[test]
fn old_ciphers_are_refused_by_name() {
    let stage = Stage::new();
    let recipient = [stage.recipient(&[0x42; 24])];
    for cipher in [
        "1.2.840.113549.3.2",
        "1.2.840.113549.3.7",
        "1.3.14.3.2.7",
        "1.2.840.113549.3.4",
        "1.2.392.200011.61.1.1.1.4",
    ] {
        let cipher = seq(&[oid(cipher), octets([0; 8])]);
        let object = cms::enveloped(&recipient, cipher, &[0; 64]);
        assert!(matches!(
            stage.open(&mail(&object)),
            Err(Refusal::NotAccepted {
                slot: "content encryption",
                ..
            })
        ));
    }
}

#[test]
fn old_digests_and_dsa_prove_nothing() {
    let stage = Stage::new();
    let content = entity("x");
    for (digest, method) in [
        (cms::SHA1, "1.2.840.10045.4.1"),
        (cms::MD5, "1.2.840.113549.1.1.4"),
        (cms::SHA1, "1.2.840.113549.1.1.5"),
        (cms::SHA256, "2.16.840.1.101.3.4.3.2"),
        (cms::SHA1, "1.2.840.10040.4.3"),
    ] {
        let mut signer = cms::Signer::honest(&stage.doctor, &content);
        signer.digest = algorithm(digest);
        signer.method = algorithm(method);
        let object = cms::signed(
            cms::DATA,
            Some(&content),
            &[stage.doctor.certificate.der()],
            &[signer.encode(&content)],
        );
        let opened = stage.look(&mail(&object)).unwrap();
        assert!(matches!(
            opened.signature(),
            SignatureVerdict::Invalid(InvalidReason::Algorithm(_))
        ));
    }
}

/// An RSA key of 1024 bits, which only the `openssl` program still makes.
fn small_rsa(folder: &std::path::Path) -> Keys {
    let openssl = |arguments: &[&str]| {
        let done = Command::new("openssl")
            .args(arguments)
            .current_dir(folder)
            .output()
            .expect("the openssl program (Debian package openssl)");
        assert!(done.status.success());
    };
    openssl(&["genrsa", "-out", "small.pem", "1024"]);
    openssl(&[
        "rsa",
        "-in",
        "small.pem",
        "-pubout",
        "-outform",
        "DER",
        "-out",
        "small.spki",
    ]);
    Keys {
        spki: std::fs::read(folder.join("small.spki")).unwrap(),
        pkcs8: Vec::new(),
        usage: DIGITAL_SIGNATURE | KEY_ENCIPHERMENT,
    }
}

#[test]
fn rsa_of_1024_bits_neither_signs_nor_receives() {
    let stage = Stage::new();
    let folder = tempfile::tempdir().unwrap();
    let small = stage.root.person(DOCTOR, &small_rsa(folder.path()), 77);
    let content = entity("x");
    let mut attributes = set_of(&cms::honest_attributes(&content));
    std::fs::write(folder.path().join("attributes"), &attributes).unwrap();
    let signature = Command::new("openssl")
        .args(["dgst", "-sha256", "-sign", "small.pem", "attributes"])
        .current_dir(folder.path())
        .output()
        .unwrap()
        .stdout;
    attributes[0] = 0xa0;
    let signer = seq(&[
        crate::forge::der::int(1),
        small.rid(),
        algorithm(cms::SHA256),
        attributes,
        seq(&[oid(cms::RSA_ENCRYPTION), null()]),
        octets(signature),
    ]);
    let object = cms::signed(
        cms::DATA,
        Some(&content),
        &[small.certificate.der()],
        &[signer],
    );
    let opened = stage.look(&mail(&object)).unwrap();
    assert!(matches!(opened.signature(), SignatureVerdict::Invalid(_)));
    let sealed = seal(
        SealPolicy::default(),
        Some(&stage.doctor.identity()),
        b"From: dr.untel@hopital.test\r\n\r\nx\r\n",
        std::slice::from_ref(&small.certificate),
    );
    assert!(matches!(sealed, Err(SealError::Recipient { .. })));
}
