//! Attack 4: a tag cut short is easier to forge. 12 to 16 octets are accepted, exactly as many as
//! announced, all of them compared.

use liaison_smime::Refusal;

use crate::forge::{Stage, cms, is_named, mail};

#[test]
fn tags_are_as_long_as_announced_and_compared_whole() {
    let stage = Stage::new();
    let recipient = [stage.recipient(&cms::KEY_256)];
    for plain in [stage.signed_entity(), Vec::new()] {
        let (ciphertext, tag) = cms::encrypt_gcm(&cms::KEY_256, &plain, b"");
        let open = |icv: Option<u64>, mac: &[u8]| {
            let cipher = cms::gcm(cms::AES256_GCM, &cms::NONCE, icv);
            let object = cms::auth_enveloped(&recipient, cipher, &ciphertext, None, mac);
            stage.open(&mail(&object)).map(|_| ())
        };
        for length in 12..=16 {
            assert_eq!(open(Some(length as u64), &tag[..length]), Ok(()));
            for octet in 0..length {
                let mut wrong = tag[..length].to_vec();
                wrong[octet] ^= 0x80;
                assert_eq!(
                    open(Some(length as u64), &wrong),
                    Err(Refusal::CannotOpen),
                    "octet {octet} of {length}"
                );
            }
        }
        assert_eq!(open(None, &tag[..12]), Ok(()), "the default is 12");
        for (icv, length) in [
            (None, 16),
            (None, 0),
            (Some(16), 12),
            (Some(12), 16),
            (Some(16), 0),
            (Some(16), 15),
            (Some(0), 0),
            (Some(1), 1),
            (Some(4), 4),
            (Some(8), 8),
            (Some(11), 11),
            (Some(17), 16),
            (Some(128), 16),
            (Some(65_536 + 16), 16),
        ] {
            let answer = open(icv, &tag[..length]);
            assert!(is_named(&answer), "{icv:?} {length}: {answer:?}");
        }
    }
}
