//! `SignedData` (RFC 5652 §5), read and checked.

use std::borrow::Cow;

use const_oid::ObjectIdentifier;
use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;

use super::attributes::SignedAttributes;
use crate::algorithm::{Algorithm, Digest, Scheme};
use crate::ber::{
    BerError, Element, OCTET_STRING, Reader, SEQUENCE, SET, context, context_constructed,
};
use crate::certificate::Certificate;
use crate::key::RecipientId;
use crate::limits::Limits;
use crate::verdict::InvalidReason;
use crate::{Refusal, oid};

/// A `SignedData` that was read, not yet checked.
pub(crate) struct SignedData<'a> {
    content_type: ObjectIdentifier,
    /// The content, unless it is detached.
    pub(crate) content: Option<Cow<'a, [u8]>>,
    /// What came along: possibly the signers' certificates, possibly anything.
    pub(crate) certificates: Vec<Certificate>,
    signers: Vec<Signer<'a>>,
    attribute_limit: usize,
}

/// A signer whose signature holds over the content. Nothing is said yet of who that is.
pub(crate) struct CheckedSigner {
    pub(crate) certificate: Certificate,
    pub(crate) claimed_time: Option<OffsetDateTime>,
}

struct Signer<'a> {
    id: SignerId<'a>,
    digest: Algorithm<'a>,
    attributes: Option<Element<'a>>,
    algorithm: Algorithm<'a>,
    signature: Cow<'a, [u8]>,
}

enum SignerId<'a> {
    IssuerAndSerial(&'a [u8], &'a [u8]),
    SubjectKeyId(Cow<'a, [u8]>),
}

impl<'a> SignedData<'a> {
    pub(crate) fn read(object: &Element<'a>, limits: &Limits) -> Result<Self, Refusal> {
        let mut inner = object.children()?;
        inner.small_integer()?;
        inner.expect(SET)?;
        let mut encapsulated = inner.expect(SEQUENCE)?.children()?;
        let content_type = encapsulated.oid()?;
        let content = match encapsulated.optional(context_constructed(0))? {
            Some(wrapper) => {
                let mut wrapper = wrapper.children()?;
                let content = wrapper.octets(OCTET_STRING)?;
                wrapper.finish()?;
                Some(content)
            }
            None => None,
        };
        encapsulated.finish()?;
        let certificates = match inner.optional(context_constructed(0))? {
            Some(set) => read_certificates(set.children()?, limits)?,
            None => Vec::new(),
        };
        // Embedded CRLs may be stale and come from the sender: the trust store's count.
        inner.optional(context_constructed(1))?;
        let mut set = inner.expect(SET)?.children()?;
        inner.finish()?;
        let mut signers = Vec::new();
        while !set.is_empty() {
            if signers.len() >= limits.signers {
                return Err(Refusal::TooLarge {
                    what: "signers",
                    limit: limits.signers,
                });
            }
            signers.push(Signer::read(&set.expect(SEQUENCE)?)?);
        }
        Ok(Self {
            content_type,
            content,
            certificates,
            signers,
            attribute_limit: limits.attributes,
        })
    }

    /// Checks every signature over `content`; all must hold. `known` are certificates of signers
    /// that did not send theirs.
    pub(crate) fn check(
        &self,
        content: &[u8],
        known: &[Certificate],
    ) -> Result<Vec<CheckedSigner>, InvalidReason> {
        if self.content_type != oid::DATA {
            let name = format!("content type {}", self.content_type);
            return Err(InvalidReason::Algorithm(name));
        }
        if self.signers.is_empty() {
            return Err(InvalidReason::NoSigner);
        }
        let pool = || self.certificates.iter().chain(known);
        self.signers
            .iter()
            .map(|s| s.check(content, pool(), self.attribute_limit))
            .collect()
    }
}

impl<'a> Signer<'a> {
    fn read(info: &Element<'a>) -> Result<Self, BerError> {
        let mut inner = info.children()?;
        inner.small_integer()?;
        let id = match inner.peek() {
            Some(SEQUENCE) => {
                let mut name = inner.any()?.children()?;
                let issuer = name.expect(SEQUENCE)?.raw;
                let serial = name.integer()?;
                name.finish()?;
                SignerId::IssuerAndSerial(issuer, serial)
            }
            _ => SignerId::SubjectKeyId(inner.octets(context(0))?),
        };
        let digest = Algorithm::read(inner.expect(SEQUENCE)?)?;
        let attributes = inner.optional(context_constructed(0))?;
        let algorithm = Algorithm::read(inner.expect(SEQUENCE)?)?;
        let signature = inner.octets(OCTET_STRING)?;
        // Unsigned attributes prove nothing: counter-signatures included.
        inner.optional(context_constructed(1))?;
        inner.finish()?;
        Ok(Self {
            id,
            digest,
            attributes,
            algorithm,
            signature,
        })
    }

    fn check<'p>(
        &self,
        content: &[u8],
        pool: impl Iterator<Item = &'p Certificate>,
        attribute_limit: usize,
    ) -> Result<CheckedSigner, InvalidReason> {
        let digest = Digest::from_oid(&self.digest.oid)
            .ok_or_else(|| InvalidReason::Algorithm(format!("digest {}", self.digest.oid)))?;
        let scheme = Scheme::of_signer(&self.algorithm, digest)
            .ok_or_else(|| InvalidReason::Algorithm(format!("signature {}", self.algorithm.oid)))?;
        let certificate = self.find(pool).ok_or(InvalidReason::NoCertificate)?;
        let Some(attributes) = &self.attributes else {
            return self.check_bare(scheme, content, certificate);
        };
        let attributes = SignedAttributes::read(attributes, attribute_limit)
            .map_err(InvalidReason::Attributes)?;
        if attributes.content_type != oid::DATA {
            return Err(InvalidReason::Attributes(
                "contentType is not that of the content",
            ));
        }
        attributes
            .check_protection(&self.digest, &self.algorithm)
            .map_err(InvalidReason::Attributes)?;
        let computed = digest.of(content);
        if !bool::from(computed.as_ref().ct_eq(&attributes.message_digest)) {
            return Err(InvalidReason::ContentChanged);
        }
        let holds = attributes
            .signed_octets
            .iter()
            .any(|octets| certificate.verify(scheme, octets, &self.signature).is_ok());
        if !holds {
            return Err(InvalidReason::BadSignature);
        }
        Ok(CheckedSigner {
            certificate: certificate.clone(),
            claimed_time: attributes.signing_time,
        })
    }

    /// A signature directly over the content. Content that reads as a SET of attributes is
    /// refused: it could be the attributes of a signature made for something else.
    fn check_bare(
        &self,
        scheme: Scheme,
        content: &[u8],
        certificate: &Certificate,
    ) -> Result<CheckedSigner, InvalidReason> {
        if content.first() == Some(&SET) && Element::only(content, 8).is_ok() {
            return Err(InvalidReason::Attributes(
                "the content could be signed attributes",
            ));
        }
        certificate
            .verify(scheme, content, &self.signature)
            .map_err(|_| InvalidReason::BadSignature)?;
        Ok(CheckedSigner {
            certificate: certificate.clone(),
            claimed_time: None,
        })
    }

    fn find<'p>(&self, mut pool: impl Iterator<Item = &'p Certificate>) -> Option<&'p Certificate> {
        let id = match &self.id {
            SignerId::IssuerAndSerial(issuer, serial) => {
                RecipientId::IssuerAndSerial { issuer, serial }
            }
            SignerId::SubjectKeyId(id) => RecipientId::SubjectKeyId(id),
        };
        pool.find(|certificate| id.names(certificate))
    }
}

/// The X.509 certificates of `CertificateSet`. Other choices (attribute certificates, obsolete
/// forms) and certificates that cannot be read are passed over: they help nobody here.
fn read_certificates(mut set: Reader<'_>, limits: &Limits) -> Result<Vec<Certificate>, Refusal> {
    let mut certificates = Vec::new();
    let mut count = 0usize;
    while !set.is_empty() {
        let element = set.any()?;
        count += 1;
        if count > limits.certificates {
            return Err(Refusal::TooLarge {
                what: "certificates",
                limit: limits.certificates,
            });
        }
        if element.raw.len() > limits.certificate_octets {
            return Err(Refusal::TooLarge {
                what: "octets of a certificate",
                limit: limits.certificate_octets,
            });
        }
        if element.tag == SEQUENCE {
            certificates.extend(Certificate::from_der(element.raw).ok());
        }
    }
    Ok(certificates)
}
