//! OCSP responses (RFC 6960, RFC 9654): read and verified, never fetched. Whoever owns the trust
//! store asks the responder that its own settings name, and brings the answer.

use std::fmt;
use std::sync::Arc;

use const_oid::ObjectIdentifier;
use time::OffsetDateTime;

use crate::algorithm::{Algorithm, BadSignature, Scheme};
use crate::ber::{
    BerError, Element, GENERALIZED_TIME, OCTET_STRING, Reader, SEQUENCE, constructed, context,
    context_constructed, explicit, implicit, octet_string, oid as oid_node, sequence,
};
use crate::certificate::{Certificate, KeyUsage, extensions};
use crate::crl::{RevocationReason, Revoked, moment, number};
use crate::error::MaterialError;
use crate::name::DistinguishedName;
use crate::oid;

const ENUMERATED: u8 = 0x0a;
const DEPTH: u8 = 16;
/// Certificates that a response may carry, and answers: a responder sends few.
const CERTIFICATES: usize = 8;
const ANSWERS: usize = 64;

/// A signed OCSP response that holds answers. Cheap to clone.
///
/// Reading it says nothing of who signed it: that is checked when a path is
/// ([`TrustStore::with_ocsp_response`](crate::TrustStore::with_ocsp_response)).
#[derive(Clone)]
pub struct OcspResponse(Arc<Parsed>);

struct Parsed {
    tbs: Vec<u8>,
    responder: Responder,
    produced_at: OffsetDateTime,
    answers: Vec<Answer>,
    nonce: Option<Vec<u8>>,
    scheme: Option<Scheme>,
    signature: Vec<u8>,
    certificates: Vec<Certificate>,
}

/// `ResponderID`.
enum Responder {
    Name(DistinguishedName),
    /// SHA-1 of the responder's public key: a name, not a signature.
    KeyHash(Vec<u8>),
}

/// `SingleResponse`.
struct Answer {
    digest: IdDigest,
    name_hash: Vec<u8>,
    key_hash: Vec<u8>,
    serial: Vec<u8>,
    said: Said,
}

/// What a response says of one certificate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said {
    pub(crate) status: Status,
    pub(crate) this_update: OffsetDateTime,
    pub(crate) next_update: Option<OffsetDateTime>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Status {
    Good,
    Revoked(Revoked),
    Unknown,
}

/// The digest by which a response names the issuer. SHA-1 is what most responders use; nothing
/// is signed with it here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum IdDigest {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl IdDigest {
    fn from_oid(oid: &ObjectIdentifier) -> Option<Self> {
        Some(match *oid {
            oid::SHA1 => Self::Sha1,
            oid::SHA256 => Self::Sha256,
            oid::SHA384 => Self::Sha384,
            oid::SHA512 => Self::Sha512,
            _ => return None,
        })
    }

    fn of(self, octets: &[u8]) -> aws_lc_rs::digest::Digest {
        use aws_lc_rs::digest;
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, octets)
    }
}

impl OcspResponse {
    /// Reads one DER `OCSPResponse` of at most 64 KiB.
    ///
    /// # Errors
    /// [`MaterialError::Ocsp`] names the part that cannot be read, or says that the responder
    /// gave no answer.
    pub fn from_der(der: &[u8]) -> Result<Self, MaterialError> {
        if der.len() > 64 * 1024 {
            return Err(MaterialError::Ocsp("longer than 64 KiB"));
        }
        read(der).map(|parsed| Self(Arc::new(parsed)))
    }

    /// When the responder made it.
    #[must_use]
    pub fn produced_at(&self) -> OffsetDateTime {
        self.0.produced_at
    }

    /// Whether it answers the request that had this nonce: it repeats it (RFC 9654 §2.1).
    /// `None` if the response has no nonce: many responders sign their answers beforehand, and
    /// their age is all there is against a replay.
    #[must_use]
    pub fn answers_nonce(&self, nonce: &[u8]) -> Option<bool> {
        self.0.nonce.as_ref().map(|own| own == nonce)
    }

    /// What it says of `certificate`, issued by `issuer`.
    pub(crate) fn answer(&self, certificate: &Certificate, issuer: &Certificate) -> Option<Said> {
        let serial = number(certificate.serial());
        let mut own = self.0.answers.iter().filter(|answer| {
            answer.serial == serial
                && answer.digest.of(issuer.subject_der()).as_ref() == answer.name_hash
                && answer.digest.of(issuer.public_key()).as_ref() == answer.key_hash
        });
        own.next().map(|answer| answer.said)
    }

    /// Whether the response says that `certificate`'s key signed it.
    pub(crate) fn is_named_by(&self, certificate: &Certificate) -> bool {
        match &self.0.responder {
            Responder::Name(name) => name == certificate.subject_name(),
            Responder::KeyHash(hash) => {
                IdDigest::Sha1.of(certificate.public_key()).as_ref() == hash
            }
        }
    }

    /// The certificates in the response that may be a delegated responder's at `now`: named by
    /// it, valid, for OCSP signing (RFC 6960 §4.2.2.2).
    pub(crate) fn delegates(&self, now: OffsetDateTime) -> impl Iterator<Item = &Certificate> {
        self.0.certificates.iter().filter(move |c| {
            let purposes = c.extended_key_usage();
            self.is_named_by(c)
                && purposes.is_some_and(|p| p.contains(&oid::OCSP_SIGNING))
                && c.key_usage_allows(KeyUsage::DIGITAL_SIGNATURE | KeyUsage::NON_REPUDIATION)
                && c.not_before() <= now
                && now <= c.not_after()
                && !c.extensions().unknown_critical
        })
    }

    /// Checks the signature of the response.
    pub(crate) fn verify(&self, responder: &Certificate) -> bool {
        let verify = || -> Result<(), BadSignature> {
            let scheme = self.0.scheme.ok_or(BadSignature)?;
            responder.verify(scheme, &self.0.tbs, &self.0.signature)
        };
        verify().is_ok()
    }

    pub(crate) fn handle(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl fmt::Debug for OcspResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OcspResponse")
            .field("produced_at", &self.0.produced_at)
            .field("answers", &self.0.answers.len())
            .finish_non_exhaustive()
    }
}

/// The DER of an unsigned OCSP request on `certificate` (RFC 6960 §4.1), SHA-256 naming its
/// issuer. A `nonce`, of 1 to 128 octets, of which 32 are best (RFC 9654 §2.1), keeps an old
/// answer from being replayed.
#[must_use]
pub fn ocsp_request(
    certificate: &Certificate,
    issuer: &Certificate,
    nonce: Option<&[u8]>,
) -> Vec<u8> {
    let digest = IdDigest::Sha256;
    let id = sequence(vec![
        sequence(vec![oid_node(&oid::SHA256), crate::ber::null()]),
        octet_string(digest.of(issuer.subject_der()).as_ref().to_vec()),
        octet_string(digest.of(issuer.public_key()).as_ref().to_vec()),
        implicit(crate::ber::INTEGER, certificate.serial()),
    ]);
    let mut request = vec![sequence(vec![sequence(vec![id])])];
    if let Some(nonce) = nonce {
        let extension = sequence(vec![
            oid_node(&oid::OCSP_NONCE),
            octet_string(octet_string(nonce).encode()),
        ]);
        request.push(explicit(2, sequence(vec![extension])));
    }
    sequence(vec![constructed(SEQUENCE, request)]).encode()
}

fn read(der: &[u8]) -> Result<Parsed, MaterialError> {
    let bad = |error: BerError| MaterialError::Ocsp(error.describe());
    let mut outer = Element::sequence(der, DEPTH).map_err(bad)?;
    let status = outer.expect(ENUMERATED).map_err(bad)?;
    match status.content {
        [0] => {}
        [1] => {
            return Err(MaterialError::Ocsp(
                "the responder found the request malformed",
            ));
        }
        [2] => return Err(MaterialError::Ocsp("the responder had an internal error")),
        [3] => return Err(MaterialError::Ocsp("the responder says to try later")),
        [5] => return Err(MaterialError::Ocsp("the responder wants a signed request")),
        [6] => return Err(MaterialError::Ocsp("the responder refused the request")),
        _ => return Err(MaterialError::Ocsp("an unknown response status")),
    }
    let basic = (|| {
        let mut bytes = outer.expect(context_constructed(0))?.children()?;
        let mut bytes = bytes.expect(SEQUENCE)?.children()?;
        if bytes.oid()? != oid::OCSP_BASIC {
            return Err(BerError::Value);
        }
        Ok(bytes.expect(OCTET_STRING)?.content)
    })()
    .map_err(bad)?;
    read_basic(basic).map_err(bad)
}

/// `BasicOCSPResponse`.
fn read_basic(der: &[u8]) -> Result<Parsed, BerError> {
    let mut outer = Element::sequence(der, DEPTH)?;
    let tbs = outer.expect(SEQUENCE)?;
    let algorithm = Algorithm::read(outer.expect(SEQUENCE)?)?;
    let signature = outer.bit_string()?;
    let mut certificates = Vec::new();
    if let Some(wrapper) = outer.optional(context_constructed(0))? {
        let mut list = wrapper.children()?.expect(SEQUENCE)?.children()?;
        while !list.is_empty() {
            let element = list.any()?;
            if certificates.len() >= CERTIFICATES {
                return Err(BerError::Value);
            }
            certificates.extend(Certificate::from_der(element.raw).ok());
        }
    }
    outer.finish()?;
    let mut inner = tbs.children()?;
    inner.optional(context_constructed(0))?;
    let responder = read_responder(&mut inner)?;
    let produced_at = moment(&inner.expect(GENERALIZED_TIME)?)?;
    let mut list = inner.expect(SEQUENCE)?.children()?;
    let mut answers = Vec::new();
    while !list.is_empty() {
        if answers.len() >= ANSWERS {
            return Err(BerError::Value);
        }
        answers.extend(read_answer(list.expect(SEQUENCE)?.children()?)?);
    }
    let nonce = match inner.optional(context_constructed(1))? {
        Some(wrapper) => read_nonce(&wrapper.children()?.expect(SEQUENCE)?)?,
        None => None,
    };
    inner.finish()?;
    Ok(Parsed {
        tbs: tbs.raw.to_vec(),
        responder,
        produced_at,
        answers,
        nonce,
        scheme: Scheme::of_certificate(&algorithm),
        signature: signature.to_vec(),
        certificates,
    })
}

fn read_responder(inner: &mut Reader<'_>) -> Result<Responder, BerError> {
    if let Some(name) = inner.optional(context_constructed(1))? {
        let name = name.children()?.expect(SEQUENCE)?;
        return Ok(Responder::Name(DistinguishedName::read(&name)?));
    }
    let hash = inner.expect(context_constructed(2))?;
    let hash = hash.children()?.expect(OCTET_STRING)?;
    Ok(Responder::KeyHash(hash.content.to_vec()))
}

/// `SingleResponse`; `None` if its digest is not one that we compute, or if it has a critical
/// extension (none is defined that changes what it says).
fn read_answer(mut inner: Reader<'_>) -> Result<Option<Answer>, BerError> {
    let mut id = inner.expect(SEQUENCE)?.children()?;
    let digest = IdDigest::from_oid(&Algorithm::read(id.expect(SEQUENCE)?)?.oid);
    let name_hash = id.expect(OCTET_STRING)?.content.to_vec();
    let key_hash = id.expect(OCTET_STRING)?.content.to_vec();
    let serial = number(id.integer()?);
    id.finish()?;
    let status = read_status(&inner.any()?)?;
    let this_update = moment(&inner.expect(GENERALIZED_TIME)?)?;
    let next_update = match inner.optional(context_constructed(0))? {
        Some(wrapper) => Some(moment(&wrapper.children()?.expect(GENERALIZED_TIME)?)?),
        None => None,
    };
    let mut critical = false;
    if let Some(wrapper) = inner.optional(context_constructed(1))? {
        let list = wrapper.children()?.expect(SEQUENCE)?;
        critical = extensions::each(&list)?.iter().any(|e| e.critical);
    }
    inner.finish()?;
    Ok(digest.filter(|_| !critical).map(|digest| Answer {
        digest,
        name_hash,
        key_hash,
        serial,
        said: Said {
            status,
            this_update,
            next_update,
        },
    }))
}

fn read_status(choice: &Element<'_>) -> Result<Status, BerError> {
    const GOOD: u8 = context(0);
    const REVOKED: u8 = context_constructed(1);
    const UNKNOWN: u8 = context(2);
    match choice.tag {
        GOOD => Ok(Status::Good),
        UNKNOWN => Ok(Status::Unknown),
        REVOKED => {
            let mut inner = choice.children()?;
            let at = moment(&inner.expect(GENERALIZED_TIME)?)?;
            let mut reason = RevocationReason::Unspecified;
            if let Some(wrapper) = inner.optional(context_constructed(0))? {
                let code = wrapper.children()?.expect(ENUMERATED)?;
                if let [code] = code.content {
                    reason = RevocationReason::of_code(*code).unwrap_or(reason);
                }
            }
            inner.finish()?;
            Ok(Status::Revoked(Revoked { at, reason }))
        }
        _ => Err(BerError::UnexpectedTag),
    }
}

/// The nonce is an OCTET STRING inside the extension's; some responders leave the inner one out.
fn read_nonce(list: &Element<'_>) -> Result<Option<Vec<u8>>, BerError> {
    for extension in extensions::each(list)? {
        if extension.kind == oid::OCSP_NONCE {
            let inner = Element::only(extension.value, 1);
            return Ok(Some(match inner {
                Ok(inner) if inner.tag == OCTET_STRING => inner.content.to_vec(),
                _ => extension.value.to_vec(),
            }));
        }
    }
    Ok(None)
}
