//! Keys of every kind, and an authority that signs whatever it is told to.

use aws_lc_rs::encoding::AsRawBytes as _;
use aws_lc_rs::kem::{self, DecapsulationKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, ML_DSA_44_SIGNING,
    ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair, PqdsaSigningAlgorithm,
};
use liaison_smime::{Certificate, Identities, Identity, PrivateKey, TrustStore};

use super::der::{algorithm, bits, ctx, int, octets, oid, seq, set, tlv, utc_time};

/// The moment at which the tests happen, as Unix time.
pub(crate) const NOW: i64 = 1_790_000_000;
const DAY: i64 = 86_400;

pub(crate) const EMAIL_PROTECTION: &str = "1.3.6.1.5.5.7.3.4";
pub(crate) const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";

/// Bits of keyUsage as its first content octet (RFC 5280 §4.2.1.3).
pub(crate) const DIGITAL_SIGNATURE: u8 = 0x80;
pub(crate) const KEY_ENCIPHERMENT: u8 = 0x20;
pub(crate) const KEY_AGREEMENT: u8 = 0x08;
pub(crate) const KEY_CERT_SIGN: u8 = 0x04;

/// A key pair as `SubjectPublicKeyInfo` and PKCS#8.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) spki: Vec<u8>,
    pub(crate) pkcs8: Vec<u8>,
    /// What keyUsage says of such a key.
    pub(crate) usage: u8,
}

impl Keys {
    pub(crate) fn p256() -> Self {
        Self::of_rcgen(
            &rcgen::PKCS_ECDSA_P256_SHA256,
            DIGITAL_SIGNATURE | KEY_AGREEMENT,
        )
    }

    pub(crate) fn rsa() -> Self {
        Self::of_rcgen(
            &rcgen::PKCS_RSA_SHA256,
            DIGITAL_SIGNATURE | KEY_ENCIPHERMENT,
        )
    }

    fn of_rcgen(algorithm: &'static rcgen::SignatureAlgorithm, usage: u8) -> Self {
        use rcgen::PublicKeyData as _;
        let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
        Self {
            spki: pair.subject_public_key_info(),
            pkcs8: pair.serialized_der().to_vec(),
            usage,
        }
    }

    /// ML-KEM-`size`, its private key in the expanded form.
    pub(crate) fn ml_kem(size: u16) -> Self {
        let (kem, name): (&'static kem::Algorithm, _) = match size {
            512 => (&kem::ML_KEM_512, "2.16.840.1.101.3.4.4.1"),
            768 => (&kem::ML_KEM_768, "2.16.840.1.101.3.4.4.2"),
            _ => (&kem::ML_KEM_1024, "2.16.840.1.101.3.4.4.3"),
        };
        let key = DecapsulationKey::generate(kem).unwrap();
        let public = key.encapsulation_key().unwrap().key_bytes().unwrap();
        let private = octets(key.key_bytes().unwrap().as_ref());
        Self {
            spki: seq(&[algorithm(name), bits(public.as_ref())]),
            pkcs8: seq(&[int(0), algorithm(name), octets(private)]),
            usage: KEY_ENCIPHERMENT,
        }
    }

    /// ML-DSA-`size`, its private key as a seed or in the expanded form.
    pub(crate) fn ml_dsa(size: u8, as_seed: bool) -> Self {
        let (signing, name): (&'static PqdsaSigningAlgorithm, _) = match size {
            44 => (&ML_DSA_44_SIGNING, "2.16.840.1.101.3.4.3.17"),
            65 => (&ML_DSA_65_SIGNING, "2.16.840.1.101.3.4.3.18"),
            _ => (&ML_DSA_87_SIGNING, "2.16.840.1.101.3.4.3.19"),
        };
        let pair = PqdsaKeyPair::generate(signing).unwrap();
        let pkcs8 = if as_seed {
            pair.to_pkcs8v1().unwrap().as_ref().to_vec()
        } else {
            let raw = pair.private_key().as_raw_bytes().unwrap();
            seq(&[int(0), algorithm(name), octets(octets(raw.as_ref()))])
        };
        Self {
            spki: seq(&[algorithm(name), bits(pair.public_key().as_ref())]),
            pkcs8,
            usage: DIGITAL_SIGNATURE,
        }
    }
}

/// What a certificate says.
#[derive(Clone)]
pub(crate) struct Template {
    /// Attributes of the subject as they stand in the RDNs.
    pub(crate) subject: Vec<u8>,
    pub(crate) serial: u64,
    pub(crate) validity: (i64, i64),
    pub(crate) spki: Vec<u8>,
    /// `Extension` values in DER.
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl Template {
    /// What an honest authority would issue for a person.
    pub(crate) fn person(address: &str, keys: &Keys, serial: u64) -> Self {
        Self {
            subject: name(address),
            serial,
            validity: (NOW - 30 * DAY, NOW + 30 * DAY),
            spki: keys.spki.clone(),
            extensions: vec![
                key_usage(keys.usage),
                extended_key_usage(&[EMAIL_PROTECTION]),
                alternative_names(&[tlv(0x81, address)]),
            ],
        }
    }

    /// The same with one extension replaced by another of its kind, or added.
    pub(crate) fn with(mut self, extension: Vec<u8>) -> Self {
        let kind = |e: &[u8]| e.get(2..7).map(<[u8]>::to_vec);
        self.extensions.retain(|e| kind(e) != kind(&extension));
        self.extensions.push(extension);
        self
    }
}

/// A name of one common name.
pub(crate) fn name(common_name: &str) -> Vec<u8> {
    seq(&[set(&[seq(&[oid("2.5.4.3"), tlv(0x0c, common_name)])])])
}

pub(crate) fn extension(kind: &str, critical: bool, value: Vec<u8>) -> Vec<u8> {
    let mut parts = vec![oid(kind)];
    if critical {
        parts.push(tlv(0x01, [0xff]));
    }
    parts.push(octets(value));
    seq(&parts)
}

pub(crate) fn key_usage(usage: u8) -> Vec<u8> {
    let unused = usage.trailing_zeros() as u8;
    extension("2.5.29.15", true, tlv(0x03, [unused, usage]))
}

pub(crate) fn extended_key_usage(kinds: &[&str]) -> Vec<u8> {
    let kinds: Vec<_> = kinds.iter().map(|kind| oid(kind)).collect();
    extension("2.5.29.37", false, seq(&kinds))
}

pub(crate) fn alternative_names(names: &[Vec<u8>]) -> Vec<u8> {
    extension("2.5.29.17", false, seq(names))
}

pub(crate) fn basic_constraints(authority: bool) -> Vec<u8> {
    let flag = if authority {
        vec![tlv(0x01, [0xff])]
    } else {
        vec![]
    };
    extension("2.5.29.19", true, seq(&flag))
}

/// An authority with a P-256 or ML-DSA key.
pub(crate) struct Authority {
    name: Vec<u8>,
    key: SigningKey,
    spki: Vec<u8>,
    pub(crate) certificate: Certificate,
}

enum SigningKey {
    P256(EcdsaKeyPair),
    MlDsa65(PqdsaKeyPair),
}

impl SigningKey {
    fn algorithm(&self) -> Vec<u8> {
        algorithm(match self {
            Self::P256(_) => "1.2.840.10045.4.3.2",
            Self::MlDsa65(_) => "2.16.840.1.101.3.4.3.18",
        })
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(pair) => {
                let signature = pair.sign(&SystemRandom::new(), message).unwrap();
                signature.as_ref().to_vec()
            }
            Self::MlDsa65(pair) => {
                let mut signature = vec![0; ML_DSA_65_SIGNING.signature_len()];
                pair.sign(message, &mut signature).unwrap();
                signature
            }
        }
    }
}

impl Authority {
    pub(crate) fn root() -> Self {
        let keys = Keys::p256();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &keys.pkcs8).unwrap();
        Self::new(SigningKey::P256(pair), &keys.spki)
    }

    /// An authority that signs with ML-DSA-65 (RFC 9881).
    pub(crate) fn ml_dsa_root() -> Self {
        let keys = Keys::ml_dsa(65, true);
        let pair = PqdsaKeyPair::from_pkcs8(&ML_DSA_65_SIGNING, &keys.pkcs8).unwrap();
        Self::new(SigningKey::MlDsa65(pair), &keys.spki)
    }

    /// An authority of another name.
    pub(crate) fn named(common_name: &str) -> Self {
        let keys = Keys::p256();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &keys.pkcs8).unwrap();
        Self::of(SigningKey::P256(pair), &keys.spki, name(common_name))
    }

    /// What `person` signs with the own key, as if it were an authority's.
    pub(crate) fn impersonating(person: &Person, template: &Template) -> Vec<u8> {
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &person.pkcs8).unwrap();
        let issuer = person.certificate.subject_der();
        signed(template, issuer, &SigningKey::P256(pair))
    }

    /// A certificate of this authority for another authority.
    pub(crate) fn cross(&self, other: &Self, serial: u64) -> Vec<u8> {
        self.issue(&Template {
            subject: other.name.clone(),
            serial,
            validity: (NOW - DAY, NOW + DAY),
            spki: other.spki.clone(),
            extensions: vec![basic_constraints(true), key_usage(KEY_CERT_SIGN)],
        })
    }

    fn new(key: SigningKey, spki: &[u8]) -> Self {
        Self::of(key, spki, name("Racine fictive"))
    }

    fn of(key: SigningKey, spki: &[u8], name: Vec<u8>) -> Self {
        let template = Template {
            subject: name.clone(),
            serial: 1,
            validity: (NOW - 3000 * DAY, NOW + 3000 * DAY),
            spki: spki.to_vec(),
            extensions: vec![basic_constraints(true), key_usage(KEY_CERT_SIGN)],
        };
        let der = signed(&template, &name, &key);
        Self {
            name,
            key,
            spki: spki.to_vec(),
            certificate: Certificate::from_der(&der).unwrap(),
        }
    }

    /// Signs what the template says, however absurd.
    pub(crate) fn issue(&self, template: &Template) -> Vec<u8> {
        signed(template, &self.name, &self.key)
    }

    /// An honest certificate with its key.
    pub(crate) fn person(&self, address: &str, keys: &Keys, serial: u64) -> Person {
        self.person_of(&Template::person(address, keys, serial), keys)
    }

    pub(crate) fn person_of(&self, template: &Template, keys: &Keys) -> Person {
        let certificate = Certificate::from_der(&self.issue(template)).unwrap();
        Person {
            certificate,
            spki: keys.spki.clone(),
            pkcs8: keys.pkcs8.clone(),
        }
    }

    pub(crate) fn trust(&self) -> TrustStore {
        TrustStore::new().with_anchor(self.certificate.clone())
    }
}

/// A certificate with its key.
pub(crate) struct Person {
    pub(crate) certificate: Certificate,
    pub(crate) spki: Vec<u8>,
    pub(crate) pkcs8: Vec<u8>,
}

impl Person {
    pub(crate) fn identity(&self) -> Identity {
        let key = PrivateKey::from_pkcs8_der(&self.pkcs8).unwrap();
        Identity::new(self.certificate.clone(), Vec::new(), key).unwrap()
    }

    pub(crate) fn ring(&self) -> Identities {
        Identities::new().with(self.identity())
    }

    /// `IssuerAndSerialNumber`.
    pub(crate) fn rid(&self) -> Vec<u8> {
        seq(&[
            self.certificate.issuer_der().to_vec(),
            tlv(0x02, self.certificate.serial()),
        ])
    }
}

fn signed(template: &Template, issuer: &[u8], key: &SigningKey) -> Vec<u8> {
    let tbs = seq(&[
        ctx(0, int(2)),
        int(template.serial),
        key.algorithm(),
        issuer.to_vec(),
        seq(&[utc_time(template.validity.0), utc_time(template.validity.1)]),
        template.subject.clone(),
        template.spki.clone(),
        ctx(3, seq(&template.extensions)),
    ]);
    let signature = key.sign(&tbs);
    seq(&[tbs, key.algorithm(), bits(signature)])
}
