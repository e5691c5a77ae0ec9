//! X.509 certificates: the octets as received, and the few facts that mail needs.

use std::fmt;
use std::sync::Arc;

use const_oid::ObjectIdentifier;
use der::Decode as _;
use time::OffsetDateTime;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints,
    SubjectAltName, SubjectKeyIdentifier,
};

use crate::algorithm::{Algorithm, BadSignature, PublicKeyKind, Scheme};
use crate::ber::{BerError, Element, Reader, SEQUENCE, context_constructed};
use crate::error::MaterialError;
use crate::post_quantum::{MlDsa, MlKem};
use crate::{Limits, oid, pem};

/// Extensions that the path validator understands; another critical one makes a certificate
/// unusable (RFC 5280 §4.2).
const UNDERSTOOD: [&str; 8] = [
    "2.5.29.14", // subjectKeyIdentifier
    "2.5.29.15", // keyUsage
    "2.5.29.17", // subjectAltName
    "2.5.29.19", // basicConstraints
    "2.5.29.30", // nameConstraints
    "2.5.29.32", // certificatePolicies: no policy is demanded, so any is acceptable
    "2.5.29.35", // authorityKeyIdentifier
    "2.5.29.37", // extKeyUsage
];

/// An X.509 certificate (RFC 5280). Cheap to clone; compared by its octets.
#[derive(Clone)]
pub struct Certificate(Arc<Parsed>);

struct Parsed {
    der: Vec<u8>,
    tbs: Vec<u8>,
    subject: Vec<u8>,
    issuer: Vec<u8>,
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
    extensions: Extensions,
}

#[derive(Default)]
struct Extensions {
    subject_key_id: Option<Vec<u8>>,
    authority_key_id: Option<Vec<u8>>,
    rfc822_names: Vec<String>,
    dns_names: Vec<String>,
    /// Names of other kinds: never used, but an authority may be constrained on them.
    other_names: Vec<GeneralName>,
    key_usage: Option<KeyUsage>,
    extended_key_usage: Option<Vec<ObjectIdentifier>>,
    authority: Option<Authority>,
    name_constraints: Option<NameConstraints>,
    unknown_critical: bool,
}

/// The basicConstraints of an authority (RFC 5280 §4.2.1.9).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Authority {
    pub(crate) path_length: Option<u8>,
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
        let x509 = x509_cert::Certificate::from_der(der)
            .map_err(|_| MaterialError::Certificate("not DER of RFC 5280"))?;
        let parts =
            Parts::read(der).map_err(|error| MaterialError::Certificate(error.describe()))?;
        let tbs = x509.tbs_certificate();
        let (key_kind, key) = read_public_key(parts.spki)
            .map_err(|_| MaterialError::Certificate("subjectPublicKeyInfo"))?;
        let mut extensions = read_extensions(tbs)?;
        if extensions.rfc822_names.is_empty() {
            // RFC 8550 §3: an address in the subject name must still be recognised.
            let in_subject = tbs.subject().email_address();
            extensions
                .rfc822_names
                .extend(in_subject.ok().flatten().map(|a| a.to_string()));
        }
        Ok(Self(Arc::new(Parsed {
            tbs: parts.tbs.to_vec(),
            subject: parts.subject.to_vec(),
            issuer: parts.issuer.to_vec(),
            serial: parts.serial.to_vec(),
            spki: parts.spki.to_vec(),
            key_kind,
            key,
            scheme: parts.scheme,
            signature: parts.signature.to_vec(),
            subject_text: tbs.subject().to_string(),
            issuer_text: tbs.issuer().to_string(),
            not_before: date(&tbs.validity().not_before)?,
            not_after: date(&tbs.validity().not_after)?,
            extensions,
            der: der.to_vec(),
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
        &self.0.extensions.rfc822_names
    }

    /// The dNSName entries of subjectAltName.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.0.extensions.dns_names
    }

    /// The subject alternative names that are neither addresses nor host names.
    pub(crate) fn other_names(&self) -> &[GeneralName] {
        &self.0.extensions.other_names
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

    pub(crate) fn key_usage(&self) -> Option<KeyUsage> {
        self.0.extensions.key_usage
    }

    /// Whether keyUsage lets the key sign mail (RFC 8550 §4.4.2).
    pub(crate) fn may_sign(&self) -> bool {
        self.key_usage()
            .is_none_or(|u| u.digital_signature() || u.non_repudiation())
    }

    /// Whether extKeyUsage lets the certificate protect mail (RFC 8550 §4.4.4); absent, it does.
    pub(crate) fn is_for_mail(&self) -> bool {
        self.extended_key_usage().is_none_or(|u| {
            u.contains(&oid::EMAIL_PROTECTION) || u.contains(&oid::ANY_EXTENDED_KEY_USAGE)
        })
    }

    /// Why the certificate cannot receive encrypted mail, if it cannot: its key or its usages.
    pub(crate) fn reception_fault(&self) -> Option<&'static str> {
        let usage = self.key_usage();
        match self.public_key_kind() {
            PublicKeyKind::Rsa(2048..=8192) if usage.is_none_or(|u| u.key_encipherment()) => {}
            PublicKeyKind::P256 | PublicKeyKind::P384 | PublicKeyKind::P521
                if usage.is_none_or(|u| u.key_agreement()) => {}
            // RFC 9935 §5.
            PublicKeyKind::MlKem768 | PublicKeyKind::MlKem1024
                if usage.is_none_or(|u| u.key_encipherment()) => {}
            PublicKeyKind::Rsa(2048..=8192)
            | PublicKeyKind::MlKem768
            | PublicKeyKind::MlKem1024 => return Some("its key usage lacks keyEncipherment"),
            PublicKeyKind::Rsa(_) => return Some("its RSA key is not of 2048 to 8192 bits"),
            PublicKeyKind::P256 | PublicKeyKind::P384 | PublicKeyKind::P521 => {
                return Some("its key usage lacks keyAgreement");
            }
            PublicKeyKind::MlKem512 => return Some("ML-KEM-512 is too weak to send to"),
            PublicKeyKind::Ed25519
            | PublicKeyKind::MlDsa44
            | PublicKeyKind::MlDsa65
            | PublicKeyKind::MlDsa87
            | PublicKeyKind::Other => {
                return Some("its public key is not RSA, P-256, P-384, P-521 or ML-KEM");
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

    pub(crate) fn authority_key_id(&self) -> Option<&[u8]> {
        self.0.extensions.authority_key_id.as_deref()
    }

    pub(crate) fn name_constraints(&self) -> Option<&NameConstraints> {
        self.0.extensions.name_constraints.as_ref()
    }

    pub(crate) fn has_unknown_critical_extension(&self) -> bool {
        self.0.extensions.unknown_critical
    }

    pub(crate) fn is_self_issued(&self) -> bool {
        self.0.subject == self.0.issuer
    }

    /// The `SubjectPublicKeyInfo` in DER.
    pub(crate) fn spki(&self) -> &[u8] {
        &self.0.spki
    }

    /// The octets of `subjectPublicKey`: a point, an `RSAPublicKey`, a raw Ed25519 key.
    pub(crate) fn public_key(&self) -> &[u8] {
        &self.0.key
    }

    /// Checks a signature made by this certificate's key.
    pub(crate) fn verify(
        &self,
        scheme: Scheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), BadSignature> {
        scheme.verify(self.0.key_kind, &self.0.key, message, signature)
    }

    /// Checks that `issuer` signed this certificate.
    pub(crate) fn verify_issued_by(&self, issuer: &Certificate) -> Result<(), BadSignature> {
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
    scheme: Option<Scheme>,
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(der: &'a [u8]) -> Result<Self, BerError> {
        let mut outer = Element::only(der, 16)?.children()?;
        let tbs = outer.expect(SEQUENCE)?;
        let algorithm = Algorithm::read(outer.expect(SEQUENCE)?)?;
        let signature = outer.bit_string()?;
        outer.finish()?;
        let mut inner = tbs.children()?;
        inner.optional(context_constructed(0))?;
        let serial = inner.integer()?;
        let inner_algorithm = Algorithm::read(inner.expect(SEQUENCE)?)?;
        let issuer = inner.expect(SEQUENCE)?.raw;
        inner.expect(SEQUENCE)?;
        let subject = inner.expect(SEQUENCE)?.raw;
        let spki = inner.expect(SEQUENCE)?.raw;
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
            scheme,
            signature,
        })
    }
}

fn read_public_key(spki: &[u8]) -> Result<(PublicKeyKind, Vec<u8>), BerError> {
    let mut inner = Element::only(spki, 8)?.children()?;
    let algorithm = Algorithm::read(inner.expect(SEQUENCE)?)?;
    let key = inner.bit_string()?;
    let kind = match algorithm.oid {
        oid::RSA_ENCRYPTION => PublicKeyKind::Rsa(modulus_bits(key)?),
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

fn modulus_bits(key: &[u8]) -> Result<u32, BerError> {
    let modulus = Element::only(key, 4)?.children()?.integer()?;
    let modulus = match modulus {
        [0, rest @ ..] => rest,
        _ => modulus,
    };
    let first = modulus.first().ok_or(BerError::Value)?;
    let octets = u32::try_from(modulus.len()).map_err(|_| BerError::Value)?;
    Ok(octets * 8 - first.leading_zeros())
}

fn read_extensions(tbs: &x509_cert::TbsCertificate) -> Result<Extensions, MaterialError> {
    const BAD: MaterialError = MaterialError::Certificate("an extension");
    macro_rules! extension {
        ($kind:ty) => {
            tbs.get_extension::<$kind>()
                .map_err(|_| BAD)?
                .map(|(_, value)| value)
        };
    }
    let mut read = Extensions {
        subject_key_id: extension!(SubjectKeyIdentifier).map(|id| id.0.as_bytes().to_vec()),
        authority_key_id: extension!(AuthorityKeyIdentifier)
            .and_then(|id| id.key_identifier.map(|k| k.as_bytes().to_vec())),
        key_usage: extension!(KeyUsage),
        extended_key_usage: extension!(ExtendedKeyUsage).map(|usage| usage.0),
        authority: extension!(BasicConstraints)
            .filter(|basic| basic.ca)
            .map(|basic| Authority {
                path_length: basic.path_len_constraint,
            }),
        name_constraints: extension!(NameConstraints),
        ..Extensions::default()
    };
    for name in extension!(SubjectAltName)
        .map(|names| names.0)
        .unwrap_or_default()
    {
        match name {
            GeneralName::Rfc822Name(address) => read.rfc822_names.push(address.to_string()),
            GeneralName::DnsName(domain) => read.dns_names.push(domain.to_string()),
            other => read.other_names.push(other),
        }
    }
    read.unknown_critical = tbs
        .extensions()
        .into_iter()
        .flatten()
        .any(|e| e.critical && !UNDERSTOOD.contains(&e.extn_id.to_string().as_str()));
    Ok(read)
}

pub(crate) fn date(time: &x509_cert::time::Time) -> Result<OffsetDateTime, MaterialError> {
    i64::try_from(time.to_unix_duration().as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .ok_or(MaterialError::Certificate("a date"))
}
