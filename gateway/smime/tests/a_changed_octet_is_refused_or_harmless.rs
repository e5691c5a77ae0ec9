//! Every octet of an envelope is changed in turn: nothing but the sent content ever comes out,
//! and a change of the ciphertext or the tag has always the same answer.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::territory;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_smime::{Refusal, SignatureVerdict};
use territory::{Authority, DOCTOR, HOME, Kind, letter, open, seal};

/// The header section with its blank line, and the CMS object.
fn split(sealed: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let cut = sealed.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
    let text: Vec<u8> = sealed[cut..]
        .iter()
        .copied()
        .filter(|o| !o.is_ascii_whitespace())
        .collect();
    (sealed[..cut].to_vec(), STANDARD.decode(text).unwrap())
}

fn join(head: &[u8], object: &[u8]) -> Vec<u8> {
    [head, STANDARD.encode(object).as_bytes(), b"\r\n"].concat()
}

#[test]
fn a_changed_octet_is_refused_or_harmless() {
    let root = Authority::root();
    let trust = root.trust();
    let doctor = root.person(DOCTOR, Kind::P256);
    let other = root.person("autre@ehpad.test", Kind::P256);
    for kind in [Kind::P256, Kind::Rsa] {
        let home = root.person(HOME, kind);
        let sealed = seal(&letter("secret\r\n"), &doctor, &[&home, &other]);
        let mut expected = open(&sealed, &home, &trust).unwrap();
        let (head, object) = split(&sealed);
        let mut refused = 0usize;
        for position in 0..object.len() {
            let mut changed = object.clone();
            changed[position] ^= 1 << (position % 8);
            match open(&join(&head, &changed), &home, &trust) {
                Err(_) => refused += 1,
                Ok(mut opened) => {
                    assert_eq!(
                        opened.content().into_vec().unwrap(),
                        expected.content().into_vec().unwrap(),
                        "octet {position}"
                    );
                    assert!(matches!(opened.signature(), SignatureVerdict::Valid(_)));
                }
            }
        }
        assert!(
            refused > object.len() * 3 / 4,
            "{refused} of {}",
            object.len()
        );
        // The tag ends the object; the ciphertext comes before it.
        for position in
            (object.len() - 400..object.len() - 18).chain(object.len() - 16..object.len())
        {
            let mut changed = object.clone();
            changed[position] ^= 0x80;
            let answer = open(&join(&head, &changed), &home, &trust);
            assert_eq!(answer.err(), Some(Refusal::CannotOpen), "octet {position}");
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let root = Authority::root();
    let doctor = root.person(DOCTOR, Kind::P256);
    let home = root.person(HOME, Kind::P256);
    let sealed = seal(&letter("secret\r\n"), &doctor, &[&home]);
    let (head, object) = split(&sealed);
    for length in (0..object.len()).step_by(7).chain([object.len() - 1]) {
        let answer = open(&join(&head, &object[..length]), &home, &root.trust());
        assert!(answer.is_err(), "{length} octets");
    }
    let longer = [&object[..], &[0]].concat();
    assert!(
        open(&join(&head, &longer), &home, &root.trust()).is_err(),
        "trailing octet"
    );
}
