//! Private keys and the ring that finds them.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::agreement;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    self, OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384,
    OAEP_SHA512_MGF1SHA512, OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey,
    PrivateDecryptingKey,
};
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING,
    ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, PqdsaKeyPair,
};
use zeroize::Zeroizing;

use crate::algorithm::{Algorithm, Digest, PublicKeyKind, SignatureScheme, pss_key_admits};
use crate::ber::{BerError, Element, OCTET_STRING, Reader, SEQUENCE};
use crate::certificate::Certificate;
use crate::error::MaterialError;
use crate::evp::RsaOaepKey;
use crate::post_quantum::{MlDsa, MlKem, MlKemKey, MlKemKeyFault};
use crate::{oid, pem};

/// A private key: RSA of 2048 to 8192 bits, P-256, P-384, P-521; Ed25519 and ML-DSA, which only
/// sign; X25519 and ML-KEM, which only decrypt.
///
/// Its secret lives in the memory of the cryptographic library, which wipes it when the key is
/// dropped; it is never shown, not even by `Debug`.
pub struct PrivateKey(pub(crate) Secret);

pub(crate) enum Secret {
    Rsa {
        sign: rsa::KeyPair,
        decrypt: PrivateDecryptingKey,
        /// The same key once more, for what `decrypt` cannot do.
        oaep: RsaOaepKey,
    },
    /// For signatures alone (RFC 4055 §1.2).
    RsaPss(rsa::KeyPair),
    Ec {
        kind: PublicKeyKind,
        sign: EcdsaKeyPair,
        agree: agreement::PrivateKey,
    },
    Ed25519(Ed25519KeyPair),
    X25519 {
        agree: agreement::PrivateKey,
        public: agreement::PublicKey,
    },
    MlKem(Box<MlKemKey>),
    MlDsa(MlDsa, Box<PqdsaKeyPair>),
}

impl PrivateKey {
    /// Reads an unencrypted PKCS#8 key in DER (RFC 5958). The caller wipes its own copy.
    ///
    /// # Errors
    /// [`MaterialError::PrivateKey`].
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, MaterialError> {
        const UNSUITABLE: MaterialError = MaterialError::PrivateKey("its values are unsuitable");
        let (algorithm, curve) =
            key_algorithm(der).map_err(|_| MaterialError::PrivateKey("not PKCS#8"))?;
        let secret = match (algorithm, curve) {
            (oid::RSA_ENCRYPTION, _) if is_short_rsa(der) => {
                return Err(MaterialError::PrivateKey(
                    "RSA under 2048 bits is not accepted",
                ));
            }
            (oid::RSA_ENCRYPTION, _) => Secret::Rsa {
                sign: rsa::KeyPair::from_pkcs8(der).map_err(|_| UNSUITABLE)?,
                decrypt: PrivateDecryptingKey::from_pkcs8(der).map_err(|_| UNSUITABLE)?,
                oaep: RsaOaepKey::from_pkcs8(der).ok_or(UNSUITABLE)?,
            },
            (oid::EC_PUBLIC_KEY, Some(curve)) => {
                let (kind, signing, agreement) = match curve {
                    oid::P256 => (
                        PublicKeyKind::P256,
                        &ECDSA_P256_SHA256_ASN1_SIGNING,
                        &agreement::ECDH_P256,
                    ),
                    oid::P384 => (
                        PublicKeyKind::P384,
                        &ECDSA_P384_SHA384_ASN1_SIGNING,
                        &agreement::ECDH_P384,
                    ),
                    oid::P521 => (
                        PublicKeyKind::P521,
                        &ECDSA_P521_SHA512_ASN1_SIGNING,
                        &agreement::ECDH_P521,
                    ),
                    _ => return Err(MaterialError::PrivateKey("its curve is not supported")),
                };
                Secret::Ec {
                    kind,
                    sign: EcdsaKeyPair::from_pkcs8(signing, der).map_err(|_| UNSUITABLE)?,
                    agree: agreement::PrivateKey::from_private_key_der(agreement, der)
                        .map_err(|_| UNSUITABLE)?,
                }
            }
            (oid::X25519, _) => {
                // RFC 8410 §7: an OCTET STRING inside the OCTET STRING.
                let seed = private_key_octets(der)
                    .and_then(|octets| Element::only(octets, 1))
                    .map_err(|_| UNSUITABLE)?;
                let agree =
                    agreement::PrivateKey::from_private_key(&agreement::X25519, seed.content)
                        .map_err(|_| UNSUITABLE)?;
                let public = agree.compute_public_key().map_err(|_| UNSUITABLE)?;
                Secret::X25519 { agree, public }
            }
            (oid::RSA_PSS, _) => pss_secret(der)?,
            (oid::ED25519, _) => Secret::Ed25519(
                Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| UNSUITABLE)?,
            ),
            (other, _) => post_quantum_secret(&other, der)?,
        };
        Ok(Self(secret))
    }

    /// Reads the first `PRIVATE KEY` block of a PEM text; [`PrivateKey::from_pem`] reads more
    /// forms.
    ///
    /// # Errors
    /// [`MaterialError::NoPemBlock`] or [`MaterialError::PrivateKey`].
    pub fn from_pkcs8_pem(text: &str) -> Result<Self, MaterialError> {
        let blocks = pem::blocks(text, "PRIVATE KEY")?;
        let first = blocks
            .first()
            .ok_or(MaterialError::NoPemBlock("PRIVATE KEY"))?;
        Self::from_pkcs8_der(first)
    }

    /// The kind of the key.
    #[must_use]
    pub fn kind(&self) -> PublicKeyKind {
        match &self.0 {
            Secret::Rsa { sign, .. } => {
                PublicKeyKind::Rsa(u32::try_from(sign.public_modulus_len() * 8).unwrap_or(u32::MAX))
            }
            Secret::RsaPss(sign) => PublicKeyKind::RsaPss(
                u32::try_from(sign.public_modulus_len() * 8).unwrap_or(u32::MAX),
            ),
            Secret::Ec { kind, .. } => *kind,
            Secret::Ed25519(_) => PublicKeyKind::Ed25519,
            Secret::X25519 { .. } => PublicKeyKind::X25519,
            Secret::MlKem(key) => key.kind(),
            Secret::MlDsa(set, _) => set.kind(),
        }
    }

    /// The `subjectPublicKey` octets of a certificate for this key.
    pub(crate) fn public_key(&self) -> &[u8] {
        match &self.0 {
            Secret::Rsa { sign, .. } | Secret::RsaPss(sign) => sign.public_key().as_ref(),
            Secret::Ec { sign, .. } => sign.public_key().as_ref(),
            Secret::Ed25519(sign) => sign.public_key().as_ref(),
            Secret::X25519 { public, .. } => public.as_ref(),
            Secret::MlKem(key) => key.public_key(),
            Secret::MlDsa(_, sign) => sign.public_key().as_ref(),
        }
    }

    /// Signs with a scheme that fits the key; `None` for any other.
    pub(crate) fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        let fits = |pss| SignatureScheme::for_key(self.kind(), pss) == Some(scheme);
        if !fits(true) && !fits(false) {
            return None;
        }
        match &self.0 {
            Secret::Rsa { sign, .. } | Secret::RsaPss(sign) => {
                let mut signature = vec![0; sign.public_modulus_len()];
                let padding: &'static dyn signature::RsaEncoding = match scheme {
                    SignatureScheme::RsaPssSha256 => &signature::RSA_PSS_SHA256,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                sign.sign(padding, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Secret::Ec { sign, .. } => Some(sign.sign(&random, message).ok()?.as_ref().to_vec()),
            Secret::Ed25519(sign) => Some(sign.try_sign(message).ok()?.as_ref().to_vec()),
            Secret::MlDsa(set, sign) => {
                let mut signature = vec![0; set.signing().signature_len()];
                sign.sign(message, &mut signature).ok()?;
                Some(signature)
            }
            Secret::X25519 { .. } | Secret::MlKem(_) => None,
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({:?}, redacted)", self.kind())
    }
}

/// A certificate with its private key, and the chain that lets others trust it.
#[derive(Debug)]
pub struct Identity {
    certificate: Certificate,
    chain: Vec<Certificate>,
    key: PrivateKey,
}

impl Identity {
    /// Pairs a certificate with its key. `chain` holds the intermediates (the anchor may be left
    /// out); they travel with every signature.
    ///
    /// # Errors
    /// [`MaterialError::KeyMismatch`] if the key is not the certificate's.
    pub fn new(
        certificate: Certificate,
        chain: Vec<Certificate>,
        key: PrivateKey,
    ) -> Result<Self, MaterialError> {
        if !key.is_of(&certificate) {
            return Err(MaterialError::KeyMismatch);
        }
        Ok(Self {
            certificate,
            chain,
            key,
        })
    }

    /// Reads an identity from PEM texts: the certificate first, then its chain; and the key.
    ///
    /// # Errors
    /// As [`Certificate::all_from_pem`], [`PrivateKey::from_pkcs8_pem`] and [`Identity::new`].
    pub fn from_pem(certificates: &str, key: &str) -> Result<Self, MaterialError> {
        let mut chain = Certificate::all_from_pem(certificates)?.into_iter();
        let certificate = chain
            .next()
            .ok_or(MaterialError::NoPemBlock("CERTIFICATE"))?;
        Self::new(
            certificate,
            chain.collect(),
            PrivateKey::from_pkcs8_pem(key)?,
        )
    }

    /// The certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The intermediates that travel with signatures.
    #[must_use]
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    pub(crate) fn key(&self) -> &PrivateKey {
        &self.key
    }
}

/// Signs for somebody, with a key here, in a device (PKCS#11) or elsewhere.
pub trait Signer: Send + Sync {
    /// The certificate of the key.
    fn certificate(&self) -> &Certificate;

    /// The intermediates that travel with signatures.
    fn chain(&self) -> &[Certificate];

    /// The signature of `message`: the signed attributes, about a kilobyte, which hold the digest
    /// of the content (a device that signs digests is given theirs). `scheme` is one for the
    /// certificate's key. `None` whatever went wrong.
    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Option<Vec<u8>>;
}

impl Signer for Identity {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Option<Vec<u8>> {
        self.key.sign(scheme, message)
    }
}

/// How a message names one of its recipients (RFC 5652 §6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecipientId<'a> {
    /// By the certificate's issuer (DER) and serial number (INTEGER content octets).
    IssuerAndSerial {
        /// Issuer name in DER.
        issuer: &'a [u8],
        /// Serial number.
        serial: &'a [u8],
    },
    /// By the certificate's subject key identifier.
    SubjectKeyId(&'a [u8]),
}

impl RecipientId<'_> {
    /// Whether this names `certificate`.
    #[must_use]
    pub fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                certificate.serial() == *serial && certificate.issuer_der() == *issuer
            }
            Self::SubjectKeyId(id) => certificate.subject_key_id() == Some(id),
        }
    }
}

/// Finds the decryption keys that a site holds, among them all those of expired certificates:
/// renewing a certificate must not make old mail unreadable.
pub trait KeyRing {
    /// The key of the recipient named, if it is held here.
    fn find(&self, recipient: &RecipientId<'_>) -> Option<Arc<dyn DecryptionKey>>;
}

/// A private key that decrypts, here or in a device.
pub trait DecryptionKey: Send + Sync {
    /// The certificate of the key.
    fn certificate(&self) -> &Certificate;

    /// RSA decryption of one block; `None` whatever went wrong.
    fn decrypt_rsa(&self, padding: RsaPadding<'_>, block: &[u8]) -> Option<Zeroizing<Vec<u8>>>;

    /// The shared secret with the public key of an originator, a point (SEC 1) or 32 octets of
    /// X25519; `None` whatever went wrong.
    fn agree(&self, point: &[u8]) -> Option<Zeroizing<Vec<u8>>>;

    /// The secret that an ML-KEM ciphertext encapsulates (FIPS 203 §7.3); `None` whatever went
    /// wrong.
    fn decapsulate(&self, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>>;
}

/// The padding of an RSA block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RsaPadding<'a> {
    /// RSAES-PKCS1-v1_5 (RFC 8017 §7.2).
    Pkcs1,
    /// RSAES-OAEP (RFC 8017 §7.1).
    Oaep {
        /// Digest of the label.
        digest: OaepDigest,
        /// Digest of the mask function, MGF1: Java's default is SHA-1 beside any other digest.
        mask_digest: OaepDigest,
        /// The label; empty unless the sender says otherwise.
        label: &'a [u8],
    },
}

/// A digest of OAEP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OaepDigest {
    /// SHA-1, the default of RFC 3560. It is not used as a collision-resistant digest here.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl DecryptionKey for Identity {
    fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn decrypt_rsa(&self, padding: RsaPadding<'_>, block: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.key.decrypt_rsa(padding, block)
    }

    fn agree(&self, point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.key.agree(point)
    }

    fn decapsulate(&self, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.key.decapsulate(ciphertext)
    }
}

/// What [`DecryptionKey`] asks of a key that is here.
impl PrivateKey {
    pub(crate) fn decrypt_rsa(
        &self,
        padding: RsaPadding<'_>,
        block: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let Secret::Rsa { decrypt, oaep, .. } = &self.0 else {
            return None;
        };
        let mut buffer = Zeroizing::new(vec![0; decrypt.key_size_bytes()]);
        let length = match padding {
            RsaPadding::Pkcs1 => {
                let key = Pkcs1PrivateDecryptingKey::new(decrypt.clone()).ok()?;
                key.decrypt(block, &mut buffer).ok()?.len()
            }
            RsaPadding::Oaep {
                digest,
                mask_digest,
                label,
            } => {
                let algorithm = match digest {
                    OaepDigest::Sha1 => &OAEP_SHA1_MGF1SHA1,
                    OaepDigest::Sha256 => &OAEP_SHA256_MGF1SHA256,
                    OaepDigest::Sha384 => &OAEP_SHA384_MGF1SHA384,
                    OaepDigest::Sha512 => &OAEP_SHA512_MGF1SHA512,
                    OaepDigest::Sha224 => {
                        return oaep.decrypt(digest, mask_digest, label, block);
                    }
                };
                if digest != mask_digest {
                    return oaep.decrypt(digest, mask_digest, label, block);
                }
                let label = (!label.is_empty()).then_some(label);
                let key = OaepPrivateDecryptingKey::new(decrypt.clone()).ok()?;
                key.decrypt(algorithm, block, &mut buffer, label)
                    .ok()?
                    .len()
            }
        };
        buffer.truncate(length);
        Some(buffer)
    }

    pub(crate) fn agree(&self, point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (Secret::Ec { agree, .. } | Secret::X25519 { agree, .. }) = &self.0 else {
            return None;
        };
        let peer = agreement::UnparsedPublicKey::new(agree.algorithm(), point);
        agreement::agree(agree, peer, (), |secret| {
            Ok(Zeroizing::new(secret.to_vec()))
        })
        .ok()
    }

    pub(crate) fn decapsulate(&self, ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match &self.0 {
            Secret::MlKem(key) => key.decapsulate(ciphertext),
            _ => None,
        }
    }
}

/// Reads the post-quantum keys of RFC 9935 §6 and RFC 9881 §6: seed, expanded key or both.
fn post_quantum_secret(
    algorithm: &const_oid::ObjectIdentifier,
    der: &[u8],
) -> Result<Secret, MaterialError> {
    if let Some(set) = MlDsa::of_oid(algorithm) {
        let key = PqdsaKeyPair::from_pkcs8(set.signing(), der)
            .map_err(|_| MaterialError::PrivateKey("its values are unsuitable"))?;
        return Ok(Secret::MlDsa(set, Box::new(key)));
    }
    let kem = MlKem::of_oid(algorithm)
        .ok_or(MaterialError::PrivateKey("its algorithm is not supported"))?;
    let private_key =
        private_key_octets(der).map_err(|_| MaterialError::PrivateKey("not PKCS#8"))?;
    let key = MlKemKey::read(kem, private_key).map_err(|fault| match fault {
        MlKemKeyFault::Malformed => MaterialError::PrivateKey("not an ML-KEM key of RFC 9935"),
        MlKemKeyFault::Inconsistent => {
            MaterialError::PrivateKey("its seed, its expanded key and its hash disagree")
        }
    })?;
    Ok(Secret::MlKem(Box::new(key)))
}

/// A [`KeyRing`] in memory.
#[derive(Debug, Clone, Default)]
pub struct Identities(Vec<Arc<Identity>>);

impl Identities {
    /// An empty ring.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an identity; add those of expired certificates too.
    #[must_use]
    pub fn with(mut self, identity: impl Into<Arc<Identity>>) -> Self {
        self.0.push(identity.into());
        self
    }
}

impl KeyRing for Identities {
    fn find(&self, recipient: &RecipientId<'_>) -> Option<Arc<dyn DecryptionKey>> {
        let found = self
            .0
            .iter()
            .find(|identity| recipient.names(identity.certificate()))?;
        Some(Arc::<Identity>::clone(found))
    }
}

/// The content of `privateKey` of a PKCS#8 key.
fn private_key_octets(der: &[u8]) -> Result<&[u8], BerError> {
    let mut inner = Element::only(der, 8)?.children()?;
    inner.small_integer()?;
    inner.expect(SEQUENCE)?;
    Ok(inner.expect(OCTET_STRING)?.content)
}

/// A key for RSASSA-PSS alone: the same numbers in PKCS#8 under another identifier. Only one that
/// may sign with SHA-256 is of use here, since that is what this crate signs with.
fn pss_secret(der: &[u8]) -> Result<Secret, MaterialError> {
    const UNSUITABLE: MaterialError = MaterialError::PrivateKey("its values are unsuitable");
    let octets = private_key_octets(der).map_err(|_| UNSUITABLE)?;
    let admitted = Element::only(der, 8)
        .and_then(|key| {
            let mut inner = key.children()?;
            inner.small_integer()?;
            Algorithm::read(inner.expect(SEQUENCE)?)
        })
        .is_ok_and(|key| pss_key_admits(&key, Digest::Sha256, 32));
    if !admitted {
        return Err(MaterialError::PrivateKey(
            "its RSASSA-PSS parameters are not those of SHA-256",
        ));
    }
    let plain = crate::pkcs8::wrapped_rsa(octets);
    let sign = rsa::KeyPair::from_pkcs8(&plain).map_err(|_| UNSUITABLE)?;
    Ok(Secret::RsaPss(sign))
}

/// Whether the modulus of an RSA key in PKCS#8 has less than 2048 bits.
fn is_short_rsa(der: &[u8]) -> bool {
    let modulus = private_key_octets(der).and_then(|key| {
        let mut inner = Element::only(key, 4)?.children()?;
        inner.small_integer()?;
        inner.integer()
    });
    modulus.is_ok_and(|modulus| modulus.strip_prefix(&[0]).unwrap_or(modulus).len() < 256)
}

/// The algorithm and, for EC, the curve of a PKCS#8 key.
fn key_algorithm(
    der: &[u8],
) -> Result<
    (
        const_oid::ObjectIdentifier,
        Option<const_oid::ObjectIdentifier>,
    ),
    BerError,
> {
    let mut inner = Element::only(der, 8)?.children()?;
    inner.small_integer()?;
    let algorithm = Algorithm::read(inner.expect(SEQUENCE)?)?;
    let curve = algorithm
        .parameters
        .and_then(|p| Reader::new(p.raw, 1).oid().ok());
    Ok((algorithm.oid, curve))
}
