//! `KEMRecipientInfo` (RFC 9629) with ML-KEM (RFC 9936): how the content key reaches a recipient
//! whose key encapsulates.

use std::borrow::Cow;

use aws_lc_rs::hkdf::{self, HKDF_SHA256, HKDF_SHA384, HKDF_SHA512};
use aws_lc_rs::kem::EncapsulationKey;
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap as _};
use const_oid::ObjectIdentifier;
use zeroize::Zeroizing;

use super::recipient::hkdf_kek;
use super::sign::issuer_and_serial;
use crate::algorithm::Algorithm;
use crate::ber::{
    BerError, Element, INTEGER, Node, OCTET_STRING, SEQUENCE, constructed, context_constructed,
    explicit, integer, octet_string, oid as oid_node, sequence, to_der,
};
use crate::certificate::Certificate;
use crate::key::DecryptionKey;
use crate::post_quantum::MlKem;
use crate::{Refusal, oid};

/// The fields of a `KEMRecipientInfo` that follow `rid`.
pub(super) struct Encapsulation<'a> {
    kem: Algorithm<'a>,
    ciphertext: Cow<'a, [u8]>,
    kdf: Algorithm<'a>,
    kek_octets: u16,
    ukm: Option<Cow<'a, [u8]>>,
    wrap: Element<'a>,
}

/// A `KEMRecipientInfo` as received: who it is for, how, and the wrapped key.
pub(super) struct KemRecipient<'a> {
    pub(super) rid: Element<'a>,
    pub(super) encapsulation: Encapsulation<'a>,
    pub(super) encrypted_key: Cow<'a, [u8]>,
}

impl<'a> KemRecipient<'a> {
    /// Reads `OtherRecipientInfo`; `None` if it is of another kind than RFC 9629's.
    pub(super) fn read(info: &Element<'a>) -> Result<Option<Self>, BerError> {
        let mut other = info.children()?;
        if other.oid()? != oid::ORI_KEM {
            return Ok(None);
        }
        let mut inner = other.expect(SEQUENCE)?.children()?;
        other.finish()?;
        // RFC 9629 §3: the version is always 0.
        if inner.small_integer()? != 0 {
            return Err(BerError::Value);
        }
        let rid = inner.any()?;
        let kem = Algorithm::read(inner.expect(SEQUENCE)?)?;
        let ciphertext = inner.octets(OCTET_STRING)?;
        let kdf = Algorithm::read(inner.expect(SEQUENCE)?)?;
        let kek_octets = inner.small_integer()?;
        let ukm = match inner.optional(context_constructed(0))? {
            Some(ukm) => {
                let mut ukm = ukm.children()?;
                let octets = ukm.octets(OCTET_STRING)?;
                ukm.finish()?;
                Some(octets)
            }
            None => None,
        };
        let wrap = inner.expect(SEQUENCE)?;
        let encrypted_key = inner.octets(OCTET_STRING)?;
        inner.finish()?;
        Ok(Some(Self {
            rid,
            encapsulation: Encapsulation {
                kem,
                ciphertext,
                kdf,
                kek_octets,
                ukm,
                wrap,
            },
            encrypted_key,
        }))
    }
}

/// How to come to the key-encryption key, with nothing left that can be refused.
pub(crate) struct KemPlan<'a> {
    kem: MlKem,
    ciphertext: &'a [u8],
    hkdf: hkdf::Algorithm,
    info: Vec<u8>,
    kek_octets: usize,
}

impl Encapsulation<'_> {
    /// Refuses whatever the public octets alone show to be unacceptable.
    pub(super) fn plan(&self) -> Result<KemPlan<'_>, Refusal> {
        let kem = MlKem::of_oid(&self.kem.oid)
            .ok_or_else(|| Refusal::not_accepted("key encapsulation", self.kem.oid))?;
        // RFC 9936 §2.1 and RFC 8619 §2: parameters are absent.
        if self.kem.parameters.is_some() {
            return Err(Refusal::Malformed("ML-KEM with parameters"));
        }
        if self.ciphertext.len() != kem.ciphertext_octets() {
            return Err(Refusal::Malformed(
                "the ML-KEM ciphertext has another length than its algorithm's",
            ));
        }
        let hkdf = hkdf_of(&self.kdf.oid)
            .ok_or_else(|| Refusal::not_accepted("key derivation", self.kdf.oid))?;
        if self.kdf.parameters.is_some() {
            return Err(Refusal::Malformed("HKDF with parameters"));
        }
        let wrap = Algorithm::read(self.wrap)?;
        let kek_octets = match wrap.oid {
            oid::AES128_WRAP => 16,
            oid::AES256_WRAP => 32,
            other => return Err(Refusal::not_accepted("key wrap", other)),
        };
        // RFC 9629 §3: kekLength is that of the key wrap algorithm.
        if self.kek_octets != kek_octets {
            return Err(Refusal::Malformed(
                "kekLength is not that of the key wrap algorithm",
            ));
        }
        let wrap = to_der(&self.wrap, SEQUENCE)?;
        Ok(KemPlan {
            kem,
            ciphertext: &self.ciphertext,
            hkdf,
            info: other_info(&wrap, kek_octets, self.ukm.as_deref()),
            kek_octets: usize::from(kek_octets),
        })
    }
}

impl KemPlan<'_> {
    /// The key-encryption key, or `None` whatever went wrong.
    pub(super) fn kek(&self, key: &dyn DecryptionKey) -> Option<Zeroizing<Vec<u8>>> {
        // A certificate of another kind cannot have been encapsulated to.
        if key.certificate().public_key_kind() != self.kem.kind() {
            return None;
        }
        let secret = key.decapsulate(self.ciphertext)?;
        hkdf_kek(self.hkdf, None, &secret, &self.info, self.kek_octets)
    }
}

/// `OtherRecipientInfo` with a `KEMRecipientInfo` of ML-KEM-768 or ML-KEM-1024, HKDF-SHA256 and
/// AES-256 key wrap (RFC 9936 §2.2), around a content key of 32 octets. No ukm is sent.
pub(super) fn recipient_info(recipient: &Certificate, key: &[u8]) -> Option<Vec<u8>> {
    let kem = MlKem::of_kind(recipient.public_key_kind())?;
    let public = EncapsulationKey::new(kem.algorithm(), recipient.public_key()).ok()?;
    let (ciphertext, secret) = public.encapsulate().ok()?;
    let wrap = sequence(vec![oid_node(&oid::AES256_WRAP)]).encode();
    // RFC 9629 §5: the salt is empty.
    let info = other_info(&wrap, 32, None);
    let kek = hkdf_kek(HKDF_SHA256, None, secret.as_ref(), &info, 32)?;
    let mut wrapped = [0u8; 40];
    AesKek::new(&AES_256, &kek)
        .ok()?
        .wrap(key, &mut wrapped)
        .ok()?;
    let info = sequence(vec![
        integer(0),
        sequence(Vec::from(issuer_and_serial(recipient))),
        sequence(vec![oid_node(&kem.oid())]),
        octet_string(ciphertext.as_ref()),
        sequence(vec![oid_node(&oid::HKDF_SHA256)]),
        integer(32),
        Node::Encoded(wrap.into()),
        octet_string(&wrapped[..]),
    ]);
    let other = constructed(context_constructed(4), vec![oid_node(&oid::ORI_KEM), info]);
    Some(other.encode())
}

fn hkdf_of(oid: &ObjectIdentifier) -> Option<hkdf::Algorithm> {
    match *oid {
        oid::HKDF_SHA256 => Some(HKDF_SHA256),
        oid::HKDF_SHA384 => Some(HKDF_SHA384),
        oid::HKDF_SHA512 => Some(HKDF_SHA512),
        _ => None,
    }
}

/// `CMSORIforKEMOtherInfo` (RFC 9629 §5).
fn other_info(wrap: &[u8], kek_octets: u16, ukm: Option<&[u8]>) -> Vec<u8> {
    // 16 or 32: one octet without a sign bit.
    let length = Node::Primitive(INTEGER, kek_octets.to_be_bytes()[1..].to_vec().into());
    let mut fields = vec![Node::Encoded(wrap.into()), length];
    fields.extend(ukm.map(|ukm| explicit(0, octet_string(ukm))));
    sequence(fields).encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn the_other_info_is_the_one_of_rfc_9936() {
        // RFC 9936 appendix C.
        let wrap = sequence(vec![oid_node(&oid::AES128_WRAP)]).encode();
        assert_eq!(
            other_info(&wrap, 16, None),
            hex("3010300b0609608648016503040105020110")
        );
    }

    #[test]
    fn the_key_is_derived_as_in_rfc_9936() {
        let secret = hex("7df12d412ae299a24fde6d7c3bb8e3194c80ad3c733dcf2775e09fe8bedb86d8");
        let info = hex("3010300b0609608648016503040105020110");
        let kek = hkdf_kek(HKDF_SHA256, None, &secret, &info, 16).unwrap();
        assert_eq!(kek.as_slice(), hex("cf453a3e2bae0a78701b8206c185a008"));
    }
}
