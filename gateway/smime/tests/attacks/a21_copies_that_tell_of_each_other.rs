//! Attack 21: what one copy tells of the others: a blind recipient among the entries, a Bcc field,
//! a content key or a nonce used twice.

use std::collections::HashSet;

use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use base64::Engine as _;
use liaison_smime::SealPolicy;

use crate::forge::{Stage, readable, seal};

const LETTER: &[u8] = b"From: dr.untel@hopital.test\r\nTo: accueil@ehpad.test\r\n\
    Bcc: syndicat@ailleurs.test\r\nSubject: s\r\n\r\nBonjour,\r\n";

fn object(sealed: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(sealed);
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    let body: String = body.split_whitespace().collect();
    base64::engine::general_purpose::STANDARD
        .decode(body)
        .unwrap()
}

#[test]
fn a_blind_recipient_has_an_envelope_of_its_own() {
    let stage = Stage::new();
    let keys = crate::forge::pki::Keys::rsa();
    let blind = stage.root.person("syndicat@ailleurs.test", &keys, 71);
    let signer = stage.doctor.identity();
    let of = |person: &crate::forge::pki::Person| {
        let certificates = std::slice::from_ref(&person.certificate);
        seal(SealPolicy::default(), Some(&signer), LETTER, certificates).unwrap()
    };
    let [visible, hidden] = [of(&stage.home), of(&blind)];
    for (sealed, other) in [(&visible, &blind), (&hidden, &stage.home)] {
        assert!(!String::from_utf8_lossy(sealed).contains("syndicat@"));
        let octets = object(sealed);
        let rid = other.rid();
        assert!(!octets.windows(rid.len()).any(|w| w == rid));
    }
    for (sealed, ring) in [(&visible, stage.home.ring()), (&hidden, blind.ring())] {
        let opened = crate::forge::open(sealed, &ring, &stage.trust).unwrap();
        assert!(!readable(opened).contains("syndicat@"));
    }
}

/// Content key, nonce and first octets of the ciphertext of a message for one RSA recipient.
fn secrets(sealed: &[u8], key: &OaepPrivateDecryptingKey) -> (Vec<u8>, Vec<u8>) {
    let octets = object(sealed);
    // OCTET STRING of 256 octets: the encrypted key of RSA-2048.
    let block = octets
        .windows(4)
        .position(|w| w == [4, 0x82, 1, 0])
        .unwrap()
        + 4;
    let mut buffer = vec![0; 256];
    let cek = key
        .decrypt(
            &OAEP_SHA256_MGF1SHA256,
            &octets[block..block + 256],
            &mut buffer,
            None,
        )
        .unwrap()
        .to_vec();
    // The nonce: OCTET STRING of 12 octets, then the length of the tag.
    let nonce = octets[block + 256..]
        .windows(17)
        .find(|w| w[..2] == [4, 12] && w[14..] == [2, 1, 16])
        .unwrap()[2..14]
        .to_vec();
    (cek, nonce)
}

#[test]
fn no_key_and_no_nonce_serves_twice() {
    let long = std::env::var("LIAISON_LONG").is_ok_and(|v| v == "1");
    let count = if long { 100_000 } else { 500 };
    let stage = Stage::new();
    let key = PrivateDecryptingKey::from_pkcs8(&stage.home.pkcs8).unwrap();
    let key = OaepPrivateDecryptingKey::new(key).unwrap();
    let signer = stage.doctor.identity();
    let certificates = std::slice::from_ref(&stage.home.certificate);
    let mut keys = HashSet::new();
    let mut nonces = HashSet::new();
    for _ in 0..count {
        let sealed = seal(SealPolicy::default(), Some(&signer), LETTER, certificates).unwrap();
        let (cek, nonce) = secrets(&sealed, &key);
        assert_eq!(cek.len(), 32);
        assert!(keys.insert(cek), "a content key again");
        assert!(nonces.insert(nonce), "a nonce again");
    }
}
