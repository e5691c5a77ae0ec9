//! `RecipientInfo` (RFC 5652 §6.2): how the content key reaches one recipient.

use std::borrow::Cow;

use aws_lc_rs::digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};
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
use crate::oid;

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
    /// The recipients that one `RecipientInfo` names: several for key agreement, none for the
    /// kinds that mail does not use (password, shared key, others than RFC 9629's).
    pub(crate) fn read_all(info: &Element<'a>, limit: usize) -> Result<Vec<Self>, BerError> {
        if info.tag == SEQUENCE {
            return Ok(vec![Self::read_transport(info)?]);
        }
        if info.tag == context_constructed(1) {
            return Self::read_agreement(info, limit);
        }
        if info.tag == context_constructed(4) {
            return Ok(Self::read_encapsulation(info)?.into_iter().collect());
        }
        Ok(Vec::new())
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
        // Static keys named by a certificate (RFC 5753 §3.2 is obsolete practice) have no point
        // here; such a recipient is simply not one of ours.
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
            Plan::Oaep(digest, label) => {
                key.decrypt_rsa(RsaPadding::Oaep(*digest, label), &self.encrypted_key)
            }
            Plan::Agreement {
                digest,
                point,
                info,
                kek_octets,
            } => {
                let secret = key.agree(point)?;
                let kek = x963_kdf(*digest, &secret, info, *kek_octets);
                aes_unwrap(&kek, &self.encrypted_key)
            }
            Plan::Encapsulation(plan) => aes_unwrap(&plan.kek(key)?, &self.encrypted_key),
        }
    }
}

/// How to unwrap, with nothing left that can be refused.
pub(crate) enum Plan<'a> {
    Pkcs1,
    Oaep(OaepDigest, Vec<u8>),
    Agreement {
        digest: KdfDigest,
        point: &'a [u8],
        info: Vec<u8>,
        kek_octets: usize,
    },
    Encapsulation(KemPlan<'a>),
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
            let digest = match parameters.digest {
                oid::SHA1 => OaepDigest::Sha1,
                oid::SHA256 => OaepDigest::Sha256,
                oid::SHA384 => OaepDigest::Sha384,
                oid::SHA512 => OaepDigest::Sha512,
                other => return Err(Refusal::not_accepted("key management digest", other)),
            };
            if parameters.mask_digest != parameters.digest {
                return Err(Refusal::not_accepted(
                    "key management",
                    "RSA-OAEP with two different digests",
                ));
            }
            Ok(Plan::Oaep(digest, parameters.label))
        }
        other => Err(Refusal::not_accepted("key management", other)),
    }
}

fn plan_agreement<'a>(
    algorithm: &Algorithm<'_>,
    point: &'a [u8],
    ukm: Option<&[u8]>,
) -> Result<Plan<'a>, Refusal> {
    let digest = KdfDigest::of_scheme(&algorithm.oid)
        .ok_or_else(|| Refusal::not_accepted("key agreement", algorithm.oid))?;
    let wrap = algorithm.parameters.ok_or(Refusal::Malformed(
        "key agreement without a key wrap algorithm",
    ))?;
    let wrap = Algorithm::read(wrap)?;
    let kek_octets = match wrap.oid {
        oid::AES128_WRAP => 16,
        oid::AES256_WRAP => 32,
        other => return Err(Refusal::not_accepted("key wrap", other)),
    };
    // The received octets go in: absent and NULL parameters derive different keys.
    let info = shared_info(wrap.raw, ukm, kek_octets);
    Ok(Plan::Agreement {
        digest,
        point,
        info,
        kek_octets,
    })
}

/// The digest of the X9.63 key derivation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KdfDigest {
    /// OpenSSL's default. The derivation does not lean on collision resistance.
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl KdfDigest {
    fn of_scheme(scheme: &ObjectIdentifier) -> Option<Self> {
        match *scheme {
            oid::STD_DH_SHA1 => Some(Self::Sha1),
            oid::STD_DH_SHA256 => Some(Self::Sha256),
            oid::STD_DH_SHA384 => Some(Self::Sha384),
            oid::STD_DH_SHA512 => Some(Self::Sha512),
            _ => None,
        }
    }

    pub(crate) fn scheme(self) -> ObjectIdentifier {
        match self {
            Self::Sha1 => oid::STD_DH_SHA1,
            Self::Sha256 => oid::STD_DH_SHA256,
            Self::Sha384 => oid::STD_DH_SHA384,
            Self::Sha512 => oid::STD_DH_SHA512,
        }
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
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
fn aes_unwrap(kek: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if !(24..=40).contains(&wrapped.len()) {
        return None;
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
