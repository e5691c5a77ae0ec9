//! X.509 certificates: the octets as received, and the few facts that mail needs.

use std::fmt;
use std::sync::{Arc, OnceLock};

use const_oid::ObjectIdentifier;
use time::OffsetDateTime;

pub(crate) use self::extensions::{
    Authority, DistributionPoint, Extensions, KeyUsage, NameConstraints, Reasons,
};
use crate::algorithm::{Algorithm, BadSignature, PublicKeyKind, Scheme, Signed, pss_key_admits};
use crate::ber::{BerError, Element, Reader, SEQUENCE, SET, context, context_constructed, to_der};
use crate::cms::recipient_key::RecipientKey;
use crate::crl::moment;
use crate::error::MaterialError;
use crate::name::{self, DistinguishedName, GeneralName};
use crate::post_quantum::{MlDsa, MlKem};
use crate::{Limits, oid, pem};

pub(crate) mod extensions;

/// An X.509 certificate (RFC 5280). Cheap to clone; compared by its octets.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    tbs: Vec<u8>,
    subject: Vec<u8>,
    subject_name: DistinguishedName,
    issuer: Vec<u8>,
    issuer_name: DistinguishedName,
    serial: Vec<u8>,
    spki: Vec<u8>,
    key_kind: PublicKeyKind,
    key: Vec<u8>,
    scheme: Option<Scheme>,
    signature: Vec<u8>,
    subject_text: String,
    issuer_text: String,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    addresses: Vec<String>,
    dns_names: Vec<String>,
    extensions: Extensions,
    /// Prepared when the first message is sealed to it.
    recipient_key: OnceLock<Option<RecipientKey>>,
}

impl Certificate {
    /// Reads one DER certificate of at most 64 KiB.
    ///
    /// # Errors
    /// [`MaterialError::Certificate`] names the part that cannot be read.
    pub fn from_der(der: &[u8]) -> Result<Self, MaterialError> {
        if der.len() > Limits::default().certificate_octets {
            return Err(MaterialError::Certificate("longer than 64 KiB"));
        }
        let parts =
            Parts::read(der).map_err(|error| MaterialError::Certificate(error.describe()))?;
        let (key_kind, key) = read_public_key(parts.spki)
            .map_err(|_| MaterialError::Certificate("subjectPublicKeyInfo"))?;
        let subject = read_name(parts.subject)?;
        let issuer = read_name(parts.issuer)?;
        let extensions = match parts.extensions {
            Some(list) => Extensions::read(&list, &issuer)?,
            None => Extensions::default(),
        };
        let mut addresses = Vec::new();
        let mut dns_names = Vec::new();
        for name in &extensions.alternative_names {
            match name {
                GeneralName::Address(address) => addresses.push(address.clone()),
                GeneralName::Domain(domain) => dns_names.push(domain.clone()),
                _ => {}
            }
        }
        if addresses.is_empty() {
            // RFC 8550 §3: an address in the subject name must still be recognised.
            addresses = addresses_in(parts.subject).unwrap_or_default();
        }
        Ok(Self(Arc::new(Parsed {
            tbs: parts.tbs.to_vec(),
            subject: parts.subject.to_vec(),
            subject_name: subject,
            issuer: parts.issuer.to_vec(),
            issuer_name: issuer,
            serial: parts.serial.to_vec(),
            spki: parts.spki.to_vec(),
            key_kind,
            key,
            scheme: parts.scheme,
            signature: parts.signature.to_vec(),
            subject_text: name::text_of(parts.subject),
            issuer_text: name::text_of(parts.issuer),
            not_before: parts.not_before,
            not_after: parts.not_after,
            addresses,
            dns_names,
            extensions,
            der: der.to_vec(),
            recipient_key: OnceLock::new(),
        })))
    }

    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// [`MaterialError::NoPemBlock`] or [`MaterialError::Certificate`].
    pub fn from_pem(text: &str) -> Result<Self, MaterialError> {
        let blocks = pem::blocks(text, "CERTIFICATE")?;
        let first = blocks
            .first()
            .ok_or(MaterialError::NoPemBlock("CERTIFICATE"))?;
        Self::from_der(first)
    }

    /// Reads every certificate of a PEM text, in its order: a chain or a list of anchors.
    ///
    /// # Errors
    /// As [`Certificate::from_pem`]; one unreadable certificate fails the whole.
    pub fn all_from_pem(text: &str) -> Result<Vec<Self>, MaterialError> {
        pem::blocks(text, "CERTIFICATE")?
            .iter()
            .map(|der| Self::from_der(der))
            .collect()
    }

    /// The octets as received.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// The subject name, as RFC 4514 writes it.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject_text
    }

    /// The issuer name, as RFC 4514 writes it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer_text
    }

    /// The subject name in DER.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        &self.0.subject
    }

    /// The issuer name in DER.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        &self.0.issuer
    }

    /// The serial number: the content octets of its INTEGER, big-endian.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.0.serial
    }

    /// The subject key identifier, if the certificate has one.
    #[must_use]
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.0.extensions.subject_key_id.as_deref()
    }

    /// The mail addresses: the rfc822Name of subjectAltName, else emailAddress of the subject
    /// (RFC 8550 §3).
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.0.addresses
    }

    /// The dNSName entries of subjectAltName.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.0.dns_names
    }

    /// First moment of validity.
    #[must_use]
    pub fn not_before(&self) -> OffsetDateTime {
        self.0.not_before
    }

    /// Last moment of validity.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.0.not_after
    }

    /// The kind of the public key.
    #[must_use]
    pub fn public_key_kind(&self) -> PublicKeyKind {
        self.0.key_kind
    }

    /// SHA-256 of the whole certificate, to name it in logs and directories.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let mut octets = [0; 32];
        octets.copy_from_slice(crate::algorithm::Digest::Sha256.of(self.der()).as_ref());
        octets
    }

    /// Tells certificates in memory apart, at no cost; two equal ones may differ in it.
    pub(crate) fn handle(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// What the extensions say.
    pub(crate) fn extensions(&self) -> &Extensions {
        &self.0.extensions
    }

    /// The subject, as names are compared.
    pub(crate) fn subject_name(&self) -> &DistinguishedName {
        &self.0.subject_name
    }

    /// The issuer, as names are compared.
    pub(crate) fn issuer_name(&self) -> &DistinguishedName {
        &self.0.issuer_name
    }

    /// Whether keyUsage, where it is present, sets one of `bits`.
    pub(crate) fn key_usage_allows(&self, bits: u16) -> bool {
        let usage = self.0.extensions.key_usage;
        usage.is_none_or(|usage| usage.allows(bits))
    }

    /// Whether keyUsage lets the key sign mail (RFC 8550 §4.4.2).
    pub(crate) fn may_sign(&self) -> bool {
        self.key_usage_allows(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::NON_REPUDIATION)
    }

    /// Whether extKeyUsage lets the certificate protect mail (RFC 8550 §4.4.4); absent, it does.
    pub(crate) fn is_for_mail(&self) -> bool {
        self.extended_key_usage().is_none_or(|u| {
            u.contains(&oid::EMAIL_PROTECTION) || u.contains(&oid::ANY_EXTENDED_KEY_USAGE)
        })
    }

    /// Why the certificate cannot receive encrypted mail, if it cannot: its key or its usages.
    pub(crate) fn reception_fault(&self) -> Option<&'static str> {
        let enciphers = self.key_usage_allows(KeyUsage::KEY_ENCIPHERMENT);
        let agrees = self.key_usage_allows(KeyUsage::KEY_AGREEMENT);
        match self.public_key_kind() {
            PublicKeyKind::Rsa(2048..=8192) if enciphers => {}
            PublicKeyKind::P256
            | PublicKeyKind::P384
            | PublicKeyKind::P521
            | PublicKeyKind::X25519
                if agrees => {}
            // RFC 9935 §5.
            PublicKeyKind::MlKem768 | PublicKeyKind::MlKem1024 if enciphers => {}
            PublicKeyKind::Rsa(2048..=8192)
            | PublicKeyKind::MlKem768
            | PublicKeyKind::MlKem1024 => return Some("its key usage lacks keyEncipherment"),
            PublicKeyKind::Rsa(_) => return Some("its RSA key is not of 2048 to 8192 bits"),
            PublicKeyKind::P256
            | PublicKeyKind::P384
            | PublicKeyKind::P521
            | PublicKeyKind::X25519 => {
                return Some("its key usage lacks keyAgreement");
            }
            PublicKeyKind::MlKem512 => return Some("ML-KEM-512 is too weak to send to"),
            PublicKeyKind::RsaPss(_) => return Some("its RSA key is one for signatures alone"),
            PublicKeyKind::Ed25519
            | PublicKeyKind::MlDsa44
            | PublicKeyKind::MlDsa65
            | PublicKeyKind::MlDsa87
            | PublicKeyKind::Other => {
                return Some("its public key is not RSA, P-256, P-384, P-521, X25519 or ML-KEM");
            }
        }
        (!self.is_for_mail()).then_some("its extended key usage lacks emailProtection")
    }

    pub(crate) fn extended_key_usage(&self) -> Option<&[ObjectIdentifier]> {
        self.0.extensions.extended_key_usage.as_deref()
    }

    pub(crate) fn authority(&self) -> Option<Authority> {
        self.0.extensions.authority
    }

    pub(crate) fn is_self_issued(&self) -> bool {
        self.0.subject_name == self.0.issuer_name
    }

    /// The `SubjectPublicKeyInfo` in DER.
    pub(crate) fn spki(&self) -> &[u8] {
        &self.0.spki
    }

    /// The key that content keys are sealed to, by RSA or key agreement; `None` if it is another,
    /// or not usable.
    pub(crate) fn recipient_key(&self) -> Option<&RecipientKey> {
        let prepare = || RecipientKey::read(self);
        self.0.recipient_key.get_or_init(prepare).as_ref()
    }

    /// The octets of `subjectPublicKey`: a point, an `RSAPublicKey`, a raw Ed25519 key.
    pub(crate) fn public_key(&self) -> &[u8] {
        &self.0.key
    }

    /// Checks a signature over `message` made by this certificate's key.
    pub(crate) fn verify(
        &self,
        scheme: Scheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        self.verify_signed(scheme, Signed::Message(message), signature)
    }

    /// Checks a signature made by this certificate's key.
    pub(crate) fn verify_signed(
        &self,
        scheme: Scheme,
        signed: Signed<'_>,
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        if matches!(self.0.key_kind, PublicKeyKind::RsaPss(_)) {
            let Scheme::RsaPss(digest, salt) = scheme else {
                return Err(BadSignature);
            };
            let admitted = Element::only(&self.0.spki, 8)
                .and_then(|info| Algorithm::read(info.children()?.expect(SEQUENCE)?))
                .is_ok_and(|key| pss_key_admits(&key, digest, salt));
            if !admitted {
                return Err(BadSignature);
            }
        }
        scheme.verify(self.0.key_kind, &self.0.key, signed, signature)
    }

    /// Checks that `issuer` signed this certificate.
    pub(crate) fn verify_issued_by(&self, issuer: &Certificate) -> Result<(), BadSignature> {
        #[cfg(test)]
        if crate::path::pkits::verify(issuer, &self.0.tbs, &self.0.signature) {
            return Ok(());
        }
        let scheme = self.0.scheme.ok_or(BadSignature)?;
        issuer.verify(scheme, &self.0.tbs, &self.0.signature)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject())
            .field("issuer", &self.issuer())
            .field("key", &self.public_key_kind())
            .finish_non_exhaustive()
    }
}

/// The parts of a certificate whose received octets matter.
struct Parts<'a> {
    tbs: &'a [u8],
    serial: &'a [u8],
    issuer: &'a [u8],
    subject: &'a [u8],
    spki: &'a [u8],
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    extensions: Option<Element<'a>>,
    scheme: Option<Scheme>,
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(der: &'a [u8]) -> Result<Self, BerError> {
        let whole = Element::only(der, 16)?;
        // One encoding for each certificate, so that its octets can name it.
        if whole.tag != SEQUENCE || to_der(&whole, SEQUENCE)? != der {
            return Err(BerError::Length);
        }
        let mut outer = whole.children()?;
        let tbs = outer.expect(SEQUENCE)?;
        let algorithm = Algorithm::read(outer.expect(SEQUENCE)?)?;
        let signature = outer.bit_string()?;
        outer.finish()?;
        let mut inner = tbs.children()?;
        inner.optional(context_constructed(0))?;
        let serial = inner.integer()?;
        let inner_algorithm = Algorithm::read(inner.expect(SEQUENCE)?)?;
        let issuer = inner.expect(SEQUENCE)?.raw;
        let mut validity = inner.expect(SEQUENCE)?.children()?;
        let not_before = moment(&validity.any()?)?;
        let not_after = moment(&validity.any()?)?;
        validity.finish()?;
        let subject = inner.expect(SEQUENCE)?.raw;
        let spki = inner.expect(SEQUENCE)?.raw;
        // issuerUniqueID and subjectUniqueID name nobody.
        inner.optional(context(1))?;
        inner.optional(context(2))?;
        let extensions = match inner.optional(context_constructed(3))? {
            Some(wrapper) => Some(wrapper.children()?.expect(SEQUENCE)?),
            None => None,
        };
        inner.finish()?;
        // RFC 5280 §4.1.1.2: both identifiers must be the same.
        let scheme = if inner_algorithm.same_as(&algorithm) {
            Scheme::of_certificate(&algorithm)
        } else {
            None
        };
        Ok(Self {
            tbs: tbs.raw,
            serial,
            issuer,
            subject,
            spki,
            not_before,
            not_after,
            extensions,
            scheme,
            signature,
        })
    }
}

pub(crate) fn read_public_key(spki: &[u8]) -> Result<(PublicKeyKind, Vec<u8>), BerError> {
    let mut inner = Element::only(spki, 8)?.children()?;
    let algorithm = Algorithm::read(inner.expect(SEQUENCE)?)?;
    let key = inner.bit_string()?;
    let kind = match algorithm.oid {
        oid::RSA_ENCRYPTION => rsa_kind(key)?,
        oid::RSA_PSS => match rsa_kind(key)? {
            PublicKeyKind::Rsa(bits) => PublicKeyKind::RsaPss(bits),
            other => other,
        },
        oid::EC_PUBLIC_KEY => match algorithm.parameters {
            Some(parameters) => match Reader::new(parameters.raw, 1).oid() {
                Ok(oid::P256) => PublicKeyKind::P256,
                Ok(oid::P384) => PublicKeyKind::P384,
                Ok(oid::P521) => PublicKeyKind::P521,
                _ => PublicKeyKind::Other,
            },
            None => PublicKeyKind::Other,
        },
        oid::ED25519 => PublicKeyKind::Ed25519,
        oid::X25519 => PublicKeyKind::X25519,
        other => post_quantum_kind(&other, algorithm.parameters.is_some()),
    };
    Ok((kind, key.to_vec()))
}

/// The kind of an ML-KEM or ML-DSA key, whose parameters are absent (RFC 9935 §3, RFC 9881 §2).
fn post_quantum_kind(oid: &ObjectIdentifier, has_parameters: bool) -> PublicKeyKind {
    if has_parameters {
        return PublicKeyKind::Other;
    }
    let kem = MlKem::of_oid(oid).map(MlKem::kind);
    kem.or_else(|| MlDsa::of_oid(oid).map(MlDsa::kind))
        .unwrap_or(PublicKeyKind::Other)
}

/// An RSA key by its modulus. One whose numbers no generator makes is of no use: an even
/// modulus, or an exponent that is even, 1, or longer than 33 bits (each check costs its length).
fn rsa_kind(key: &[u8]) -> Result<PublicKeyKind, BerError> {
    let mut inner = Element::only(key, 4)?.children()?;
    let modulus = significant(inner.integer()?);
    let exponent = significant(inner.integer()?);
    inner.finish()?;
    let odd = |number: &[u8]| number.last().is_some_and(|o| o & 1 == 1);
    let sound = odd(modulus) && odd(exponent) && bit_length(exponent)? <= 33 && exponent != [1];
    Ok(if sound {
        PublicKeyKind::Rsa(bit_length(modulus)?)
    } else {
        PublicKeyKind::Other
    })
}

fn significant(integer: &[u8]) -> &[u8] {
    match integer {
        [0, rest @ ..] => rest,
        _ => integer,
    }
}

fn bit_length(number: &[u8]) -> Result<u32, BerError> {
    let first = number.first().ok_or(BerError::Value)?;
    let octets = u32::try_from(number.len()).map_err(|_| BerError::Value)?;
    Ok(octets * 8 - first.leading_zeros())
}

fn read_name(der: &[u8]) -> Result<DistinguishedName, MaterialError> {
    Element::only(der, 8)
        .and_then(|name| DistinguishedName::read(&name))
        .map_err(|_| MaterialError::Certificate("a name"))
}

/// The emailAddress attributes of a subject name.
fn addresses_in(subject: &[u8]) -> Result<Vec<String>, BerError> {
    let mut found = Vec::new();
    let mut relative = Element::only(subject, 8)?.children()?;
    while !relative.is_empty() {
        let mut set = relative.expect(SET)?.children()?;
        while !set.is_empty() {
            let mut attribute = set.expect(SEQUENCE)?.children()?;
            if attribute.oid()? == oid::EMAIL_ADDRESS {
                found.extend(name::text(&attribute.any()?));
            }
        }
    }
    Ok(found)
}
