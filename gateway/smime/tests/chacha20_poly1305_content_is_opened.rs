//! `AuthEnvelopedData` under ChaCha20-Poly1305 (RFC 8103), which OpenSSL does not write: whole
//! messages, from memory and from a file, and what is changed in them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure here is the test's"
)]

use crate::forge;

use std::io::Cursor;

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use forge::der::{octets, oid, seq};
use forge::{Stage, cms, entity, mail, now};
use liaison_smime::{ContentCipher, Layer, OpenPolicy, Opener, Refusal, SignatureVerdict, Spool};

/// id-alg-AEADChaCha20Poly1305 (RFC 8103 §3).
const CHACHA20: &str = "1.2.840.113549.1.9.16.3.18";

/// An envelope around `plain`, its ciphertext and tag as `change` leaves them.
fn sealed(stage: &Stage, plain: &[u8], change: impl Fn(&mut Vec<u8>, &mut Vec<u8>)) -> Vec<u8> {
    let key = UnboundKey::new(&CHACHA20_POLY1305, &cms::KEY_256).unwrap();
    let nonce = Nonce::assume_unique_for_key(cms::NONCE);
    let mut ciphertext = plain.to_vec();
    let tag = LessSafeKey::new(key)
        .seal_in_place_separate_tag(nonce, Aad::empty(), &mut ciphertext)
        .unwrap();
    let mut tag = tag.as_ref().to_vec();
    change(&mut ciphertext, &mut tag);
    let cipher = seq(&[oid(CHACHA20), octets(cms::NONCE)]);
    let recipient = stage.recipient(&cms::KEY_256);
    mail(&cms::auth_enveloped(
        &[recipient],
        cipher,
        &ciphertext,
        None,
        &tag,
    ))
}

#[test]
fn a_whole_signed_message_is_opened_from_memory_and_from_a_file() {
    let stage = Stage::new();
    for length in [0, 1, 1000, 70_000, 1_000_000] {
        let content = entity(&"x".repeat(length));
        let object = cms::honest_signature(&stage.doctor, &content, false);
        let signed = cms::multipart_signed(&content, &object);
        let message = sealed(&stage, &signed, |_, _| {});
        let policy = OpenPolicy::default();
        let opener = Opener::new(&policy, &stage.ring, &stage.trust);
        let file = Spool::file(Cursor::new(message.clone()));
        for spool in [Spool::from(message), file] {
            let mut opened = opener.open(spool, now()).unwrap();
            assert!(matches!(opened.signature(), SignatureVerdict::Valid(_)));
            assert!(matches!(
                opened.layers(),
                [
                    Layer::Encrypted {
                        cipher: ContentCipher::ChaCha20Poly1305,
                        recipients: 1
                    },
                    Layer::Signed { .. }
                ]
            ));
            assert_eq!(opened.content().into_vec().unwrap(), content);
        }
    }
}

#[test]
fn what_is_changed_is_not_opened() {
    let stage = Stage::new();
    let plain = entity("Mme Fictive sort demain");
    type Change = fn(&mut Vec<u8>, &mut Vec<u8>);
    let changes: [(&str, Change); 4] = [
        ("an octet", |ciphertext, _| ciphertext[3] ^= 1),
        ("the end", |ciphertext, _| {
            ciphertext.pop();
        }),
        ("the tag", |_, tag| tag[15] ^= 1),
        ("everything", |ciphertext, _| ciphertext.clear()),
    ];
    for (why, change) in changes {
        let answer = stage.open(&sealed(&stage, &plain, change));
        assert_eq!(answer.err(), Some(Refusal::CannotOpen), "{why}");
    }
    let short = sealed(&stage, &plain, |_, tag| tag.truncate(12));
    let answer = stage.open(&short);
    assert!(
        forge::is_named(&answer),
        "RFC 8103 §2: 16 octets, {answer:?}"
    );
}
