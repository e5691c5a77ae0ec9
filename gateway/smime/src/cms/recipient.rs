//! `RecipientInfo` (RFC 5652 §6.2): how the content key reaches one recipient.

use std::borrow::Cow;

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA224, SHA256, SHA384, SHA512};
use aws_lc_rs::hkdf;
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap as _};
use const_oid::ObjectIdentifier;
use zeroize::Zeroizing;

use super::kem::{Encapsulation, KemPlan, KemRecipient};
use crate::Refusal;
use crate::algorithm::{Algorithm, OaepParameters, ParametersError};
use crate::ber::{
    BerError, Element, Node, OCTET_STRING, SEQUENCE, context, context_constructed, explicit,
    octet_string, sequence,
};
use crate::key::{DecryptionKey, OaepDigest, RecipientId, RsaPadding};
use crate::{evp, oid};

/// `KeyAgreeRecipientInfo` (RFC 5652 §6.2).
const AGREEMENT: u8 = context_constructed(1);
/// `KEKRecipientInfo`.
const SHARED_KEY: u8 = context_constructed(2);
/// `PasswordRecipientInfo`.
const PASSWORD: u8 = context_constructed(3);
/// `OtherRecipientInfo`.
const OTHER: u8 = context_constructed(4);

/// One way to the content key.
pub(crate) struct Recipient<'a> {
    id: Rid<'a>,
    method: Method<'a>,
    encrypted_key: Cow<'a, [u8]>,
}

enum Rid<'a> {
    IssuerAndSerial(&'a [u8], &'a [u8]),
    SubjectKeyId(Cow<'a, [u8]>),
}

enum Method<'a> {
    Transport(Algorithm<'a>),
    Agreement {
        algorithm: Algorithm<'a>,
        point: &'a [u8],
        ukm: Option<Cow<'a, [u8]>>,
    },
    Encapsulation(Encapsulation<'a>),
}

impl<'a> Recipient<'a> {
    /// The recipients that one `RecipientInfo` names: several for key agreement, none for a kind
    /// that mail does not use, or for an originator's static key.
    pub(crate) fn read_all(info: &Element<'a>, limit: usize) -> Result<Vec<Self>, BerError> {
        match info.tag {
            SEQUENCE => Ok(vec![Self::read_transport(info)?]),
            AGREEMENT => Self::read_agreement(info, limit),
            OTHER => Ok(Self::read_encapsulation(info)?.into_iter().collect()),
            _ => Ok(Vec::new()),
        }
    }

    /// The refusal of an envelope that names nobody by a certificate: mail has neither passwords
    /// nor shared keys.
    pub(crate) fn refused_kind(tag: u8) -> Refusal {
        if tag == AGREEMENT {
            return Refusal::not_accepted(
                "key management",
                "key agreement with a static key of the originator, named by its certificate",
            );
        }
        Refusal::not_accepted(
            "recipient",
            match tag {
                SHARED_KEY => "by a shared key",
                PASSWORD => "by a password",
                _ => "of an unknown kind",
            },
        )
    }

    fn read_transport(info: &Element<'a>) -> Result<Self, BerError> {
        let mut inner = info.children()?;
        inner.small_integer()?;
        let id = read_rid(&inner.any()?)?;
        let algorithm = Algorithm::read(inner.expect(SEQUENCE)?)?;
        let encrypted_key = inner.octets(OCTET_STRING)?;
        inner.finish()?;
        Ok(Self {
            id,
            method: Method::Transport(algorithm),
            encrypted_key,
        })
    }

    fn read_agreement(info: &Element<'a>, limit: usize) -> Result<Vec<Self>, BerError> {
        let mut inner = info.children()?;
        inner.small_integer()?;
        let mut originator = inner.expect(context_constructed(0))?.children()?;
        // A static key is named by its certificate and has no point here (1-Pass ECMQV and
        // static-static DH, RFC 5753 §3.2, RFC 2631): S/MIME 4.0 has ephemeral ones alone.
        let point = match originator.optional(context_constructed(1))? {
            Some(key) => {
                let mut key = key.children()?;
                key.expect(SEQUENCE)?;
                Some(key.bit_string()?)
            }
            None => None,
        };
        let ukm = match inner.optional(context_constructed(1))? {
            Some(ukm) => Some(ukm.children()?.octets(OCTET_STRING)?),
            None => None,
        };
        let algorithm = Algorithm::read(inner.expect(SEQUENCE)?)?;
        let mut keys = inner.expect(SEQUENCE)?.children()?;
        inner.finish()?;
        let Some(point) = point else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        while !keys.is_empty() && found.len() <= limit {
            let mut key = keys.expect(SEQUENCE)?.children()?;
            let id = read_rid(&key.any()?)?;
            let encrypted_key = key.octets(OCTET_STRING)?;
            let method = Method::Agreement {
                algorithm,
                point,
                ukm: ukm.clone(),
            };
            found.push(Self {
                id,
                method,
                encrypted_key,
            });
        }
        Ok(found)
    }

    fn read_encapsulation(info: &Element<'a>) -> Result<Option<Self>, BerError> {
        let Some(read) = KemRecipient::read(info)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            id: read_rid(&read.rid)?,
            method: Method::Encapsulation(read.encapsulation),
            encrypted_key: read.encrypted_key,
        }))
    }

    pub(crate) fn id(&self) -> RecipientId<'_> {
        match &self.id {
            Rid::IssuerAndSerial(issuer, serial) => RecipientId::IssuerAndSerial { issuer, serial },
            Rid::SubjectKeyId(id) => RecipientId::SubjectKeyId(id),
        }
    }

    /// Prepares the unwrapping: everything that can be refused from the public octets alone is
    /// refused here, before the private key is touched.
    pub(crate) fn plan(&self) -> Result<Plan<'_>, Refusal> {
        match &self.method {
            Method::Transport(algorithm) => plan_transport(algorithm),
            Method::Agreement {
                algorithm,
                point,
                ukm,
            } => plan_agreement(algorithm, point, ukm.as_deref()),
            Method::Encapsulation(encapsulation) => encapsulation.plan().map(Plan::Encapsulation),
        }
    }

    /// The content key, or `None` whatever went wrong.
    pub(crate) fn unwrap(
        &self,
        plan: &Plan<'_>,
        key: &dyn DecryptionKey,
    ) -> Option<Zeroizing<Vec<u8>>> {
        match plan {
            Plan::Pkcs1 => key.decrypt_rsa(RsaPadding::Pkcs1, &self.encrypted_key),
            Plan::Oaep {
                digest,
                mask_digest,
                label,
            } => key.decrypt_rsa(
                RsaPadding::Oaep {
                    digest: *digest,
                    mask_digest: *mask_digest,
                    label,
                },
                &self.encrypted_key,
            ),
            Plan::Agreement(agreement) => {
                let secret = key.agree(agreement.point)?;
                agreement.unwrap(&secret, &self.encrypted_key)
            }
            Plan::Encapsulation(plan) => aes_unwrap(&plan.kek(key)?, &self.encrypted_key),
        }
    }
}

/// How to unwrap, with nothing left that can be refused.
pub(crate) enum Plan<'a> {
    Pkcs1,
    Oaep {
        digest: OaepDigest,
        mask_digest: OaepDigest,
        label: Vec<u8>,
    },
    Encapsulation(KemPlan<'a>),
    Agreement(Agreement<'a>),
}

/// A key agreement with its derivation and its key wrap.
pub(crate) struct Agreement<'a> {
    kdf: Kdf,
    point: &'a [u8],
    ukm: Option<Vec<u8>>,
    info: Vec<u8>,
    kek_octets: usize,
}

impl Agreement<'_> {
    fn unwrap(&self, secret: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let derive = |salt: Option<&[u8]>| match self.kdf {
            Kdf::X963(digest) => Some(x963_kdf(digest, secret, &self.info, self.kek_octets)),
            Kdf::Hkdf(hash) => hkdf_kek(hash, salt, secret, &self.info, self.kek_octets),
        };
        // RFC 8418 §2.2: the ukm is also the salt of HKDF. Bouncy Castle leaves it out (its issue
        // 2454); the key wrap tells which of the two it was.
        let first = derive(self.ukm.as_deref()).and_then(|kek| aes_unwrap(&kek, wrapped));
        match (&first, self.kdf, &self.ukm) {
            (None, Kdf::Hkdf(_), Some(_)) => derive(None).and_then(|kek| aes_unwrap(&kek, wrapped)),
            _ => first,
        }
    }
}

fn plan_transport<'a>(algorithm: &Algorithm<'_>) -> Result<Plan<'a>, Refusal> {
    match algorithm.oid {
        oid::RSA_ENCRYPTION => Ok(Plan::Pkcs1),
        oid::RSA_OAEP => {
            let parameters = OaepParameters::read(algorithm).map_err(|error| match error {
                ParametersError::Malformed => Refusal::Malformed("RSA-OAEP parameters"),
                ParametersError::NotAccepted => {
                    Refusal::not_accepted("key management", "RSA-OAEP of an unknown form")
                }
            })?;
            Ok(Plan::Oaep {
                digest: oaep_digest(parameters.digest)?,
                mask_digest: oaep_digest(parameters.mask_digest)?,
                label: parameters.label,
            })
        }
        other => Err(Refusal::not_accepted("key management", other)),
    }
}

fn oaep_digest(digest: ObjectIdentifier) -> Result<OaepDigest, Refusal> {
    match digest {
        oid::SHA1 => Ok(OaepDigest::Sha1),
        oid::SHA224 => Ok(OaepDigest::Sha224),
        oid::SHA256 => Ok(OaepDigest::Sha256),
        oid::SHA384 => Ok(OaepDigest::Sha384),
        oid::SHA512 => Ok(OaepDigest::Sha512),
        other => Err(Refusal::not_accepted("key management digest", other)),
    }
}

fn plan_agreement<'a>(
    algorithm: &Algorithm<'_>,
    point: &'a [u8],
    ukm: Option<&[u8]>,
) -> Result<Plan<'a>, Refusal> {
    let kdf = Kdf::of_scheme(&algorithm.oid)
        .ok_or_else(|| Refusal::not_accepted("key agreement", algorithm.oid))?;
    let wrap = algorithm.parameters.ok_or(Refusal::Malformed(
        "key agreement without a key wrap algorithm",
    ))?;
    let wrap = Algorithm::read(wrap)?;
    let kek_octets = match wrap.oid {
        oid::AES128_WRAP => 16,
        oid::AES192_WRAP => 24,
        oid::AES256_WRAP => 32,
        other => return Err(Refusal::not_accepted("key wrap", other)),
    };
    // The received octets go in: absent and NULL parameters derive different keys.
    let info = shared_info(wrap.raw, ukm, kek_octets);
    Ok(Plan::Agreement(Agreement {
        kdf,
        point,
        ukm: ukm.map(<[u8]>::to_vec),
        info,
        kek_octets,
    }))
}

/// How the key-encryption key comes from the shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kdf {
    /// RFC 5753 §7.1.4.
    X963(KdfDigest),
    /// RFC 8418 §2.2.
    Hkdf(hkdf::Algorithm),
}

impl Kdf {
    fn of_scheme(scheme: &ObjectIdentifier) -> Option<Self> {
        Some(match *scheme {
            oid::STD_DH_SHA1 | oid::COFACTOR_DH_SHA1 => Self::X963(KdfDigest::Sha1),
            oid::STD_DH_SHA224 | oid::COFACTOR_DH_SHA224 => Self::X963(KdfDigest::Sha224),
            oid::STD_DH_SHA256 | oid::COFACTOR_DH_SHA256 => Self::X963(KdfDigest::Sha256),
            oid::STD_DH_SHA384 | oid::COFACTOR_DH_SHA384 => Self::X963(KdfDigest::Sha384),
            oid::STD_DH_SHA512 | oid::COFACTOR_DH_SHA512 => Self::X963(KdfDigest::Sha512),
            oid::STD_DH_HKDF_SHA256 => Self::Hkdf(hkdf::HKDF_SHA256),
            oid::STD_DH_HKDF_SHA384 => Self::Hkdf(hkdf::HKDF_SHA384),
            oid::STD_DH_HKDF_SHA512 => Self::Hkdf(hkdf::HKDF_SHA512),
            _ => return None,
        })
    }
}

/// HKDF (RFC 5869) to a key-encryption key.
pub(crate) fn hkdf_kek(
    hash: hkdf::Algorithm,
    salt: Option<&[u8]>,
    secret: &[u8],
    info: &[u8],
    octets: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    struct Octets(usize);
    impl hkdf::KeyType for Octets {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut kek = Zeroizing::new(vec![0; octets]);
    hkdf::Salt::new(hash, salt.unwrap_or_default())
        .extract(secret)
        .expand(&[info], Octets(octets))
        .and_then(|okm| okm.fill(&mut kek))
        .ok()?;
    Some(kek)
}

/// The digest of the X9.63 key derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KdfDigest {
    /// OpenSSL's default. The derivation does not lean on collision resistance.
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl KdfDigest {
    pub(crate) fn scheme(self) -> ObjectIdentifier {
        match self {
            Self::Sha1 => oid::STD_DH_SHA1,
            Self::Sha224 => oid::STD_DH_SHA224,
            Self::Sha256 => oid::STD_DH_SHA256,
            Self::Sha384 => oid::STD_DH_SHA384,
            Self::Sha512 => oid::STD_DH_SHA512,
        }
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha224 => &SHA224,
            Self::Sha256 => &SHA256,
            Self::Sha384 => &SHA384,
            Self::Sha512 => &SHA512,
        }
    }
}

/// `ECC-CMS-SharedInfo` (RFC 5753 §7.2).
pub(crate) fn shared_info(wrap: &[u8], ukm: Option<&[u8]>, kek_octets: usize) -> Vec<u8> {
    // At most 32 octets: 256 bits.
    let bits = (kek_octets as u32 * 8).to_be_bytes();
    let mut fields = vec![Node::Encoded(wrap.into())];
    if let Some(ukm) = ukm {
        fields.push(explicit(0, octet_string(ukm)));
    }
    fields.push(explicit(2, octet_string(&bits[..])));
    sequence(fields).encode()
}

/// The key derivation of ANSI X9.63 (SEC 1 §3.6.1).
pub(crate) fn x963_kdf(
    digest: KdfDigest,
    secret: &[u8],
    info: &[u8],
    octets: usize,
) -> Zeroizing<Vec<u8>> {
    let mut derived = Zeroizing::new(Vec::with_capacity(octets + 64));
    let mut counter = 1u32;
    while derived.len() < octets {
        let mut context = digest::Context::new(digest.algorithm());
        context.update(secret);
        context.update(&counter.to_be_bytes());
        context.update(info);
        derived.extend_from_slice(context.finish().as_ref());
        counter += 1;
    }
    derived.truncate(octets);
    derived
}

/// AES key unwrap (RFC 3394) of a content key of at most 32 octets.
pub(crate) fn aes_unwrap(kek: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !(24..=40).contains(&wrapped.len()) {
        return None;
    }
    if let Ok(kek) = kek.try_into() {
        return evp::aes192_unwrap(kek, wrapped);
    }
    let cipher = if kek.len() == 16 { &AES_128 } else { &AES_256 };
    let mut buffer = Zeroizing::new(vec![0; wrapped.len()]);
    let length = AesKek::new(cipher, kek)
        .ok()?
        .unwrap(wrapped, &mut buffer)
        .ok()?
        .len();
    buffer.truncate(length);
    Some(buffer)
}

/// `RecipientIdentifier` and `KeyAgreeRecipientIdentifier`, told apart by their tags.
fn read_rid<'a>(element: &Element<'a>) -> Result<Rid<'a>, BerError> {
    match element.tag {
        SEQUENCE => {
            let mut inner = element.children()?;
            let issuer = inner.expect(SEQUENCE)?.raw;
            let serial = inner.integer()?;
            inner.finish()?;
            Ok(Rid::IssuerAndSerial(issuer, serial))
        }
        // [0] IMPLICIT SubjectKeyIdentifier, primitive.
        tag if tag == context(0) => Ok(Rid::SubjectKeyId(Cow::Borrowed(element.content))),
        // [0] IMPLICIT RecipientKeyIdentifier, a SEQUENCE (or a key identifier in pieces).
        tag if tag == context_constructed(0) => {
            let mut inner = element.children()?;
            Ok(Rid::SubjectKeyId(inner.octets(OCTET_STRING)?))
        }
        _ => Err(BerError::UnexpectedTag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derivation_matches_a_nist_vector() {
        // CAVS ANSI X9.63 KDF, SHA-256, 192-bit secret, no shared info, 128 bits.
        let secret = [
            0x96, 0xc0, 0x56, 0x19, 0xd5, 0x6c, 0x32, 0x8a, 0xb9, 0x5f, 0xe8, 0x4b, 0x18, 0x26,
            0x4b, 0x08, 0x72, 0x5b, 0x85, 0xe3, 0x3f, 0xd3, 0x4f, 0x08,
        ];
        let expected = [
            0x44, 0x30, 0x24, 0xc3, 0xda, 0xe6, 0x6b, 0x95, 0xe6, 0xf5, 0x67, 0x06, 0x01, 0x55,
            0x8f, 0x71,
        ];
        let derived = x963_kdf(KdfDigest::Sha256, &secret, &[], 16);
        assert_eq!(derived.as_slice(), expected);
    }

    #[test]
    fn a_wrapped_key_of_another_length_is_not_unwrapped() {
        for length in [0, 8, 16, 23, 41, 48, 4096] {
            assert!(aes_unwrap(&[7; 32], &vec![0; length]).is_none());
        }
    }
}
