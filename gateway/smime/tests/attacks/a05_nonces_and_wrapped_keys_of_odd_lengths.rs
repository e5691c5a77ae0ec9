//! Attack 5: lengths that the reader's buffers do not expect (CVE-2025-15467, CVE-2026-63072).

use liaison_smime::Refusal;

use crate::forge::pki::Keys;
use crate::forge::{HOME, Stage, cms, is_named, mail, open};

#[test]
fn a_nonce_is_of_twelve_octets() {
    let stage = Stage::new();
    let recipient = [stage.recipient(&cms::KEY_256)];
    let (ciphertext, tag) = cms::encrypt_gcm(&cms::KEY_256, &stage.signed_entity(), b"");
    for length in [0, 1, 8, 11, 13, 16, 17, 255, 65_536] {
        let cipher = cms::gcm(cms::AES256_GCM, &vec![0x11; length], Some(16));
        let object = cms::auth_enveloped(&recipient, cipher, &ciphertext, None, &tag);
        let answer = stage.open(&mail(&object));
        assert!(is_named(&answer), "{length}: {answer:?}");
    }
    let blocks = cms::encrypt_cbc(&cms::KEY_256, &stage.signed_entity());
    for length in [0, 8, 15, 17, 65_536] {
        let cipher = cms::cbc(cms::AES256_CBC, &vec![0x33; length]);
        let answer = stage.open(&mail(&cms::enveloped(&recipient, cipher, &blocks)));
        assert!(is_named(&answer), "vector of {length}: {answer:?}");
    }
}

#[test]
fn a_wrapped_key_is_that_of_the_cipher() {
    let stage = Stage::new();
    let refused = |recipient: Vec<u8>, why: &str, length: usize| {
        let object = cms::honest_gcm(&[recipient], &stage.signed_entity());
        let answer = stage.open(&mail(&object));
        assert_eq!(answer.err(), Some(Refusal::CannotOpen), "{why} {length}");
    };
    for length in [0, 1, 15, 16, 24, 31, 33, 64, 190] {
        refused(stage.recipient(&vec![0x42; length]), "OAEP", length);
        refused(cms::pkcs1(&stage.home, &vec![0x42; length]), "v1.5", length);
    }
    let home = stage.root.person(HOME, &Keys::ml_kem(768), 12);
    let ring = home.ring();
    for length in [0, 7, 8, 16, 23, 24, 32, 39, 41, 48, 72, 65_536] {
        let mut info = cms::Kem::honest(&home, &cms::KEY_256, None);
        info.encrypted_key.resize(length, 0x5a);
        let object = cms::honest_gcm(&[info.encode(home.rid())], &stage.signed_entity());
        let answer = open(&mail(&object), &ring, &stage.trust);
        assert_eq!(answer.err(), Some(Refusal::CannotOpen), "wrapped {length}");
    }
    // A key that unwraps well and is not as long as the cipher's.
    for length in [16, 24, 64] {
        let info = cms::Kem::honest(&home, &vec![0x42; length], None);
        let object = cms::honest_gcm(&[info.encode(home.rid())], &stage.signed_entity());
        let answer = open(&mail(&object), &ring, &stage.trust);
        assert_eq!(answer.err(), Some(Refusal::CannotOpen), "key of {length}");
    }
}
