//! Attack 18: RSA keys too large or absurd, points off the curve, at infinity or of another
//! curve, keys of a wrong length. Refused, before work where the octets show it.

use liaison_smime::{Certificate, InvalidReason, Refusal, SealError, SealPolicy, SignatureVerdict};

use crate::forge::der::{algorithm, bits, ctx, int, null, octets, oid, seq, tlv};
use crate::forge::pki::{Keys, Template};
use crate::forge::{DOCTOR, HOME, Stage, cms, entity, mail, open, seal};

fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = seq(&[tlv(0x02, modulus), tlv(0x02, exponent)]);
    seq(&[seq(&[oid(cms::RSA_ENCRYPTION), null()]), bits(key)])
}

fn modulus(octets: usize, last: u8) -> Vec<u8> {
    let mut modulus = vec![0];
    modulus.extend((0..octets).map(|i| 0x80 | (i % 127) as u8));
    *modulus.last_mut().unwrap() = last;
    modulus
}

const F4: &[u8] = &[1, 0, 1];

#[test]
fn absurd_rsa_keys_neither_receive_nor_verify() {
    let stage = Stage::new();
    let mut huge = vec![0x7f];
    huge.extend([0xff; 255]);
    for (spki, why) in [
        (rsa_spki(&modulus(2049, 0x81), F4), "16392 bits"),
        (rsa_spki(&modulus(4096, 0x81), F4), "32768 bits"),
        (rsa_spki(&modulus(64, 0x81), F4), "512 bits"),
        (rsa_spki(&modulus(256, 0x80), F4), "an even modulus"),
        (rsa_spki(&modulus(256, 0x81), &[1]), "an exponent of 1"),
        (rsa_spki(&modulus(256, 0x81), &[2]), "an even exponent"),
        (
            rsa_spki(&modulus(256, 0x81), &huge),
            "an exponent of 2048 bits",
        ),
        (rsa_spki(&[0], F4), "a modulus of zero"),
    ] {
        let keys = Keys {
            spki,
            ..Keys::rsa()
        };
        let der = stage.root.issue(&Template::person(DOCTOR, &keys, 60));
        let Ok(certificate) = Certificate::from_der(&der) else {
            continue;
        };
        assert_receives_nothing(&stage, SealPolicy::default(), &certificate, why);
        let signer = crate::forge::pki::Person {
            certificate,
            spki: keys.spki.clone(),
            pkcs8: stage.doctor.pkcs8.clone(),
        };
        let content = entity("x");
        let mut info = cms::Signer::honest(&signer, &content);
        info.method = seq(&[oid(cms::RSA_ENCRYPTION), null()]);
        let object = cms::signed(cms::DATA, Some(&content), &[&der], &[info.encode(&content)]);
        let opened = stage.look(&mail(&object)).unwrap();
        assert_eq!(
            opened.signature(),
            &SignatureVerdict::Invalid(InvalidReason::BadSignature),
            "{why}"
        );
    }
}

fn ec_spki(point: &[u8]) -> Vec<u8> {
    let curve = seq(&[oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")]);
    seq(&[curve, bits(point)])
}

/// Points that are none of P-256.
fn points() -> Vec<(&'static str, Vec<u8>)> {
    let of_p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let mut off = vec![4];
    off.extend([7; 64]);
    let mut beyond = vec![4];
    beyond.extend([0xff; 64]);
    vec![
        ("at infinity", vec![0]),
        ("empty", vec![]),
        ("off the curve", off),
        ("zero", [&[4][..], &[0; 64]].concat()),
        ("beyond the field", beyond),
        ("short", vec![4; 64]),
        ("of P-384", of_p384.public_key_raw().to_vec()),
        ("a compressed none", [&[2][..], &[0xff; 32]].concat()),
    ]
}

#[test]
fn points_that_are_none_agree_on_nothing() {
    let stage = Stage::new();
    let keys = Keys::p256();
    let home = stage.root.person(HOME, &keys, 61);
    let ring = home.ring();
    for (why, point) in points() {
        // `KeyAgreeRecipientInfo` (RFC 5753 §3.1) with that point as the originator's.
        let originator = ctx(
            0,
            ctx(1, [algorithm("1.2.840.10045.2.1"), bits(&point)].concat()),
        );
        let method = seq(&[oid("1.3.132.1.11.1"), algorithm(cms::AES256_WRAP)]);
        let wrapped = seq(&[seq(&[home.rid(), octets([9; 40])])]);
        let info = ctx(1, [int(3), originator, method, wrapped].concat());
        let object = cms::honest_gcm(&[info], &entity("x"));
        let answer = open(&mail(&object), &ring, &stage.trust);
        assert_eq!(answer.err(), Some(Refusal::CannotOpen), "{why}");
        // The same point as a recipient's or a signer's key.
        let bad = Keys {
            spki: ec_spki(&point),
            ..keys.clone()
        };
        let der = stage.root.issue(&Template::person(DOCTOR, &bad, 62));
        let Ok(certificate) = Certificate::from_der(&der) else {
            continue;
        };
        assert_receives_nothing(&stage, SealPolicy::default(), &certificate, why);
    }
}

#[test]
fn ml_kem_keys_of_a_wrong_length_receive_nothing() {
    let stage = Stage::new();
    let mut policy = SealPolicy::default();
    policy.ml_kem = true;
    for length in [0, 1, 800, 1183, 1185, 1568] {
        let keys = Keys {
            spki: seq(&[algorithm("2.16.840.1.101.3.4.4.2"), bits(vec![7; length])]),
            ..Keys::ml_kem(768)
        };
        let der = stage.root.issue(&Template::person(HOME, &keys, 63));
        let Ok(certificate) = Certificate::from_der(&der) else {
            continue;
        };
        assert_receives_nothing(&stage, policy.clone(), &certificate, &length.to_string());
    }
}

/// Sealing refuses to encrypt for this certificate.
fn assert_receives_nothing(stage: &Stage, policy: SealPolicy, to: &Certificate, why: &str) {
    let sealed = seal(
        policy,
        Some(&stage.doctor.identity()),
        b"From: dr.untel@hopital.test\r\n\r\nx\r\n",
        std::slice::from_ref(to),
    );
    assert!(
        matches!(sealed, Err(SealError::Recipient { .. })),
        "{why}: {sealed:?}"
    );
}
