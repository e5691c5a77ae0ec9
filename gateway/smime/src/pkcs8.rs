//! Private keys in files: PKCS#8 (RFC 5958), plain and encrypted, and the two older PEM forms
//! that `openssl` still writes; making a key; the public half as certificates carry it.

use aws_lc_rs::encoding::{AsBigEndian as _, AsDer as _, Curve25519SeedBin};
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use zeroize::Zeroizing;

use crate::algorithm::PublicKeyKind;
use crate::ber::{
    BIT_STRING, Element, Node, OBJECT_IDENTIFIER, SEQUENCE, constructed, context_constructed,
    implicit, integer, null, octet_string, oid as oid_node, sequence,
};
use crate::certificate::Certificate;
use crate::error::MaterialError;
use crate::key::{PrivateKey, Secret};
use crate::pbe::{self, Passphrase};
use crate::pkcs12::unshroud;
use crate::{oid, pem};

/// PEM labels of private keys, the standard ones first (RFC 7468 §10 and §11).
const LABELS: [&str; 4] = [
    "PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "RSA PRIVATE KEY",
    "EC PRIVATE KEY",
];

impl PrivateKey {
    /// Reads the first private key of a PEM text: PKCS#8, plain or encrypted, or the older
    /// `RSA PRIVATE KEY` and `EC PRIVATE KEY` without encryption.
    ///
    /// # Errors
    /// [`MaterialError::NoPemBlock`] without a key; [`MaterialError::PassphraseMissing`] if it is
    /// encrypted and there is no passphrase; else as [`PrivateKey::from_encrypted_pkcs8_der`].
    pub fn from_pem(text: &str, passphrase: Option<&str>) -> Result<Self, MaterialError> {
        let found = LABELS.iter().filter_map(|label| {
            let position = text.find(&format!("-----BEGIN {label}-----"))?;
            Some((position, *label))
        });
        let (_, label) = found
            .min()
            .ok_or(MaterialError::NoPemBlock("PRIVATE KEY"))?;
        if text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(MaterialError::PrivateKey(
                "the encryption of old PEM keys is too weak to take",
            ));
        }
        let blocks = pem::blocks(text, label)?;
        let der = blocks.first().ok_or(MaterialError::NoPemBlock(label))?;
        match label {
            "ENCRYPTED PRIVATE KEY" => {
                let passphrase = passphrase.ok_or(MaterialError::PassphraseMissing)?;
                Self::from_encrypted_pkcs8_der(der, passphrase)
            }
            "RSA PRIVATE KEY" => Self::from_pkcs8_der(&wrapped_rsa(der)),
            "EC PRIVATE KEY" => Self::from_pkcs8_der(&wrapped_ec(der)?),
            _ => Self::from_pkcs8_der(der),
        }
    }

    /// Reads an encrypted PKCS#8 key in DER (`EncryptedPrivateKeyInfo`, RFC 5958 §3): PBES2 with
    /// PBKDF2 and AES or 3DES, or the schemes of PKCS #12; at most 1,000,000 iterations.
    ///
    /// # Errors
    /// [`MaterialError::Passphrase`] if the passphrase is wrong, [`MaterialError::Encrypted`] if
    /// the scheme is not one of these, [`MaterialError::PrivateKey`] for the key inside.
    pub fn from_encrypted_pkcs8_der(der: &[u8], passphrase: &str) -> Result<Self, MaterialError> {
        let element = Element::only(der, 16)
            .map_err(|_| MaterialError::PrivateKey("not an encrypted PKCS#8 key"))?;
        let plain = unshroud(&element, &mut Passphrase::new(passphrase))?;
        Self::from_pkcs8_der(&plain)
    }

    /// Makes a new key.
    ///
    /// # Errors
    /// [`MaterialError::PrivateKey`] for a kind other than RSA of 2048, 3072 or 4096 bits, P-256,
    /// P-384 and Ed25519, or if the library fails.
    pub fn generate(kind: PublicKeyKind) -> Result<Self, MaterialError> {
        const FAILED: MaterialError = MaterialError::PrivateKey("it could not be made");
        type Der = Result<Zeroizing<Vec<u8>>, MaterialError>;
        let rsa = |size| -> Der {
            let key = rsa::KeyPair::generate(size).map_err(|_| FAILED)?;
            let der = key.as_der().map_err(|_| FAILED)?;
            Ok(Zeroizing::new(der.as_ref().to_vec()))
        };
        let ec = |algorithm| -> Der {
            let key = EcdsaKeyPair::generate(algorithm).map_err(|_| FAILED)?;
            let der = key.to_pkcs8v1().map_err(|_| FAILED)?;
            Ok(Zeroizing::new(der.as_ref().to_vec()))
        };
        let der = match kind {
            PublicKeyKind::Rsa(2048) => rsa(KeySize::Rsa2048)?,
            PublicKeyKind::Rsa(3072) => rsa(KeySize::Rsa3072)?,
            PublicKeyKind::Rsa(4096) => rsa(KeySize::Rsa4096)?,
            PublicKeyKind::P256 => ec(&ECDSA_P256_SHA256_ASN1_SIGNING)?,
            PublicKeyKind::P384 => ec(&ECDSA_P384_SHA384_ASN1_SIGNING)?,
            PublicKeyKind::Ed25519 => {
                let key = Ed25519KeyPair::generate().map_err(|_| FAILED)?;
                let der = key.to_pkcs8v1().map_err(|_| FAILED)?;
                Zeroizing::new(der.as_ref().to_vec())
            }
            _ => {
                return Err(MaterialError::PrivateKey(
                    "keys of this kind are not made here",
                ));
            }
        };
        Self::from_pkcs8_der(&der)
    }

    /// The key as unencrypted PKCS#8 in DER.
    ///
    /// # Errors
    /// [`MaterialError::PrivateKey`] for ML-KEM keys, which the library does not give back.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, MaterialError> {
        const FAILED: MaterialError = MaterialError::PrivateKey("it cannot be exported");
        let octets = match &self.0 {
            Secret::Rsa { sign, .. } => sign.as_der().map_err(|_| FAILED)?.as_ref().to_vec(),
            // The parameters of the key, and that it is for PSS alone, would be lost.
            Secret::RsaPss(_) => return Err(FAILED),
            Secret::Ec { sign, .. } => sign.to_pkcs8v1().map_err(|_| FAILED)?.as_ref().to_vec(),
            Secret::Ed25519(sign) => sign.to_pkcs8v1().map_err(|_| FAILED)?.as_ref().to_vec(),
            Secret::MlDsa(_, sign) => sign.to_pkcs8v1().map_err(|_| FAILED)?.as_ref().to_vec(),
            Secret::X25519 { agree, .. } => {
                let seed: Curve25519SeedBin<'_> = agree.as_be_bytes().map_err(|_| FAILED)?;
                wrapped_x25519(seed.as_ref()).to_vec()
            }
            Secret::MlKem(_) => return Err(FAILED),
        };
        Ok(Zeroizing::new(octets))
    }

    /// The key as unencrypted PKCS#8 in PEM.
    ///
    /// # Errors
    /// As [`PrivateKey::to_pkcs8_der`].
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, MaterialError> {
        Ok(Zeroizing::new(pem::text(
            "PRIVATE KEY",
            &self.to_pkcs8_der()?,
        )))
    }

    /// The key as PKCS#8 in PEM, encrypted: PBES2, PBKDF2 with HMAC-SHA-256 and 100,000
    /// iterations, AES-256-CBC.
    ///
    /// # Errors
    /// As [`PrivateKey::to_pkcs8_der`].
    pub fn to_encrypted_pkcs8_pem(&self, passphrase: &str) -> Result<String, MaterialError> {
        let (algorithm, octets) = pbe::encrypt(&self.to_pkcs8_der()?, passphrase)
            .ok_or(MaterialError::PrivateKey("it cannot be exported"))?;
        let der = sequence(vec![Node::Encoded(algorithm.into()), octet_string(octets)]).encode();
        Ok(pem::text("ENCRYPTED PRIVATE KEY", &der))
    }

    /// Whether `certificate` is one for this key.
    #[must_use]
    pub fn is_of(&self, certificate: &Certificate) -> bool {
        self.kind() == certificate.public_key_kind()
            && self.public_key() == certificate.public_key()
    }

    /// The `SubjectPublicKeyInfo` of the key (RFC 5280 §4.1.2.7).
    pub(crate) fn public_key_info(&self) -> Option<Vec<u8>> {
        let algorithm = match self.kind() {
            PublicKeyKind::Rsa(_) => vec![oid_node(&oid::RSA_ENCRYPTION), null()],
            PublicKeyKind::P256 => vec![oid_node(&oid::EC_PUBLIC_KEY), oid_node(&oid::P256)],
            PublicKeyKind::P384 => vec![oid_node(&oid::EC_PUBLIC_KEY), oid_node(&oid::P384)],
            PublicKeyKind::P521 => vec![oid_node(&oid::EC_PUBLIC_KEY), oid_node(&oid::P521)],
            PublicKeyKind::Ed25519 => vec![oid_node(&oid::ED25519)],
            PublicKeyKind::X25519 => vec![oid_node(&oid::X25519)],
            _ => return None,
        };
        let mut bits = vec![0];
        bits.extend_from_slice(self.public_key());
        Some(sequence(vec![sequence(algorithm), implicit(BIT_STRING, bits)]).encode())
    }
}

/// A private key of X25519 as PKCS#8 (RFC 8410 §7).
fn wrapped_x25519(seed: &[u8]) -> Zeroizing<Vec<u8>> {
    let seed = Zeroizing::new(octet_string(seed).encode());
    let algorithm = sequence(vec![oid_node(&oid::X25519)]);
    let key = sequence(vec![integer(0), algorithm, octet_string(&seed[..])]);
    Zeroizing::new(key.encode())
}

/// PKCS#1 (RFC 8017 appendix A.1.2) as PKCS#8.
pub(crate) fn wrapped_rsa(der: &[u8]) -> Zeroizing<Vec<u8>> {
    let algorithm = sequence(vec![oid_node(&oid::RSA_ENCRYPTION), null()]);
    let key = sequence(vec![integer(0), algorithm, octet_string(der)]);
    Zeroizing::new(key.encode())
}

/// `ECPrivateKey` (RFC 5915) as PKCS#8: the curve, which it names, goes outside.
fn wrapped_ec(der: &[u8]) -> Result<Zeroizing<Vec<u8>>, MaterialError> {
    let curve = (|| {
        let mut inner = Element::only(der, 8)?.children()?;
        inner.small_integer()?;
        inner.expect(crate::ber::OCTET_STRING)?;
        let parameters = inner.expect(context_constructed(0))?;
        Ok(parameters.children()?.expect(OBJECT_IDENTIFIER)?.raw)
    })();
    let curve = curve.map_err(|_: crate::ber::BerError| {
        MaterialError::PrivateKey("an EC key that does not name its curve")
    })?;
    let algorithm = constructed(
        SEQUENCE,
        vec![oid_node(&oid::EC_PUBLIC_KEY), Node::Encoded(curve.into())],
    );
    let key = sequence(vec![integer(0), algorithm, octet_string(der)]);
    Ok(Zeroizing::new(key.encode()))
}
