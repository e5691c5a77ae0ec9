//! ML-KEM-768 and ML-KEM-1024 beside classical recipients in one envelope; what others write;
//! what is refused (RFC 9629, RFC 9936).

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::forge;

use forge::cms::{Kem, honest_gcm, honest_signature, multipart_signed};
use forge::der::{algorithm, null, oid, seq};
use forge::now;
use forge::pki::{Authority, Keys, Person, Template};
use liaison_smime::{
    MaterialError, Opened, PrivateKey, PublicKeyKind, Refusal, SealError, SealPolicy,
    SignatureVerdict, TrustStore,
};

const DOCTOR: &str = "dr.untel@hopital.test";
const HOME: &str = "accueil@ehpad.test";
const LETTER: &[u8] = b"From: dr.untel@hopital.test\r\nTo: accueil@ehpad.test\r\n\
    Subject: Sortie\r\n\r\nBonjour,\r\n";

fn open(message: &[u8], person: &Person, trust: &TrustStore) -> Result<Opened<'static>, Refusal> {
    forge::open(message, &person.ring(), trust)
}

#[test]
fn one_envelope_for_old_and_new_keys() {
    let root = Authority::root();
    let doctor = root.person(DOCTOR, &Keys::p256(), 10);
    let recipients = [
        root.person(HOME, &Keys::ml_kem(768), 11),
        root.person(HOME, &Keys::ml_kem(1024), 12),
        root.person(HOME, &Keys::p256(), 13),
        root.person(HOME, &Keys::rsa(), 14),
    ];
    let certificates: Vec<_> = recipients.iter().map(|r| r.certificate.clone()).collect();
    for certificate in &certificates {
        root.trust()
            .check_recipient(certificate, &[], now())
            .unwrap();
    }
    let mut policy = SealPolicy::default();
    let identity = doctor.identity();
    let refused = forge::seal(policy.clone(), Some(&identity), LETTER, &certificates);
    assert!(
        matches!(refused, Err(SealError::Recipient { index: 0, .. })),
        "never without the policy's word: {refused:?}"
    );
    policy.ml_kem = true;
    let sealed = forge::seal(policy, Some(&identity), LETTER, &certificates).unwrap();
    for recipient in &recipients {
        let opened = open(&sealed, recipient, &root.trust()).unwrap();
        assert!(matches!(opened.signature(), SignatureVerdict::Valid(_)));
        assert!(forge::readable(opened).ends_with("Bonjour,\r\n"));
    }
    let stranger = root.person(HOME, &Keys::ml_kem(768), 99);
    assert_eq!(
        open(&sealed, &stranger, &root.trust()).err(),
        Some(Refusal::CannotOpen)
    );
}

#[test]
fn what_others_write_is_read() {
    let root = Authority::root();
    let doctor = root.person(DOCTOR, &Keys::p256(), 10);
    let content = b"Content-Type: text/plain\r\n\r\nBonjour,\r\n";
    let entity = multipart_signed(content, &honest_signature(&doctor, content, false));
    for size in [512, 768, 1024] {
        let home = root.person(HOME, &Keys::ml_kem(size), 11);
        for ukm in [None, Some(&b"contexte"[..])] {
            let info = Kem::honest(&home, &forge::cms::KEY_256, ukm).encode(home.rid());
            let sealed = forge::mail(&honest_gcm(&[info], &entity));
            let mut opened = open(&sealed, &home, &root.trust()).unwrap();
            assert_eq!(forge::content(&mut opened), content, "ML-KEM-{size}");
        }
    }
}

#[test]
fn a_recipient_info_that_lies_is_refused_before_the_key_is_used() {
    let root = Authority::root();
    let home = root.person(HOME, &Keys::ml_kem(768), 11);
    let answer = |change: &dyn Fn(&mut Kem)| {
        let mut info = Kem::honest(&home, &forge::cms::KEY_256, None);
        change(&mut info);
        let object = honest_gcm(
            &[info.encode(home.rid())],
            b"Content-Type: text/plain\r\n\r\nx",
        );
        open(&forge::mail(&object), &home, &root.trust())
    };
    assert!(answer(&|_| {}).is_ok());
    // Public octets: a named refusal.
    for (why, change) in [
        (
            "version",
            &(|k: &mut Kem| k.version = 3) as &dyn Fn(&mut Kem),
        ),
        ("ciphertext short", &|k| k.ciphertext.truncate(1087)),
        ("ciphertext long", &|k| k.ciphertext.push(0)),
        ("ciphertext of ML-KEM-1024", &|k| {
            k.ciphertext.resize(1568, 0);
        }),
        ("KEM parameters", &|k| {
            k.kem = seq(&[oid("2.16.840.1.101.3.4.4.2"), null()]);
        }),
        ("kekLength", &|k| k.kek_octets = 16),
        ("kekLength of 64 KiB", &|k| k.kek_octets = 65535),
        ("unknown KEM", &|k| k.kem = algorithm("1.0.18033.2.2.4")),
        ("unknown KDF", &|k| {
            k.kdf = algorithm("1.3.133.16.840.9.44.1.2");
        }),
        ("triple DES wrap", &|k| {
            k.wrap = algorithm("1.2.840.113549.1.9.16.3.6");
        }),
    ] {
        assert!(
            matches!(
                answer(change),
                Err(Refusal::Malformed(_) | Refusal::NotAccepted { .. })
            ),
            "{why}"
        );
    }
    // What only the private key can tell: the one answer.
    for (why, change) in [
        (
            "ciphertext",
            &(|k: &mut Kem| k.ciphertext[100] ^= 1) as &dyn Fn(&mut Kem),
        ),
        ("wrapped key", &|k| k.encrypted_key[5] ^= 1),
        ("wrapped key cut", &|k| k.encrypted_key.truncate(32)),
        ("ukm added", &|k| k.ukm = Some(vec![1])),
        ("wrap parameters", &|k| {
            k.wrap = seq(&[oid(forge::cms::AES256_WRAP), null()]);
        }),
    ] {
        assert_eq!(answer(change).err(), Some(Refusal::CannotOpen), "{why}");
    }
}

#[test]
fn another_certificates_key_is_not_tried() {
    let root = Authority::root();
    let home = root.person(HOME, &Keys::ml_kem(768), 11);
    let rsa = root.person(HOME, &Keys::rsa(), 12);
    // A KEM entry that names an RSA certificate, and the reverse.
    let info = Kem::honest(&home, &forge::cms::KEY_256, None).encode(rsa.rid());
    let object = honest_gcm(&[info], b"Content-Type: text/plain\r\n\r\nx");
    assert_eq!(
        open(&forge::mail(&object), &rsa, &root.trust()).err(),
        Some(Refusal::CannotOpen)
    );
    let block = forge::cms::oaep_block(&rsa, &forge::cms::KEY_256);
    let method = forge::cms::oaep_algorithm(forge::cms::SHA256, forge::cms::SHA256);
    let info = forge::cms::key_transport(home.rid(), method, &block);
    let object = honest_gcm(&[info], b"Content-Type: text/plain\r\n\r\nx");
    assert_eq!(
        open(&forge::mail(&object), &home, &root.trust()).err(),
        Some(Refusal::CannotOpen)
    );
}

#[test]
fn ml_kem_512_and_wrong_usages_are_not_sent_to() {
    let root = Authority::root();
    let doctor = root.person(DOCTOR, &Keys::p256(), 10).identity();
    let mut policy = SealPolicy::default();
    policy.ml_kem = true;
    let small = root.person(HOME, &Keys::ml_kem(512), 11);
    let keys = Keys::ml_kem(768);
    let template = Template::person(HOME, &keys, 12);
    let template = template.with(forge::pki::key_usage(forge::pki::DIGITAL_SIGNATURE));
    let misused = root.person_of(&template, &keys);
    for person in [&small, &misused] {
        assert!(
            root.trust()
                .check_recipient(&person.certificate, &[], now())
                .is_err()
        );
        let certificates = std::slice::from_ref(&person.certificate);
        let answer = forge::seal(policy.clone(), Some(&doctor), LETTER, certificates);
        assert!(matches!(answer, Err(SealError::Recipient { .. })));
    }
    // And such a key does not sign.
    let home = root.person(DOCTOR, &Keys::ml_kem(768), 13);
    let certificates = std::slice::from_ref(&home.certificate);
    let answer = forge::seal(policy, Some(&home.identity()), LETTER, certificates);
    assert!(matches!(answer, Err(SealError::Signer(_))), "{answer:?}");
}

#[test]
fn a_key_is_not_paired_with_anothers_certificate() {
    let root = Authority::root();
    let home = root.person(HOME, &Keys::ml_kem(768), 11);
    let other = Keys::ml_kem(768);
    let key = PrivateKey::from_pkcs8_der(&other.pkcs8).unwrap();
    assert_eq!(key.kind(), PublicKeyKind::MlKem768);
    assert_eq!(format!("{key:?}"), "PrivateKey(MlKem768, redacted)");
    let crossed = liaison_smime::Identity::new(home.certificate, Vec::new(), key);
    assert_eq!(crossed.err(), Some(MaterialError::KeyMismatch));
}
