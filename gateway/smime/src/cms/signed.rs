//! `SignedData` (RFC 5652 §5), read and checked.
//!
//! The content goes by and leaves its digests behind; what was signed are attributes that hold
//! one of them, or, in an old form, the content itself.

use std::borrow::Cow;

use aws_lc_rs::digest;
use const_oid::ObjectIdentifier;
use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;

use super::attributes::SignedAttributes;
use crate::algorithm::{Algorithm, Digest, Scheme, Signed};
use crate::ber::{
    BerError, BerStream, Element, INTEGER, OCTET_STRING, Reader, SEQUENCE, SET, context,
    context_constructed,
};
use crate::capabilities::ClientCapabilities;
use crate::certificate::Certificate;
use crate::key::RecipientId;
use crate::limits::Limits;
use crate::verdict::InvalidReason;
use crate::{Refusal, oid};

/// A content that goes by.
pub(crate) struct Hashing {
    contexts: Vec<(Digest, digest::Context)>,
    head: Vec<u8>,
    length: u64,
}

/// A content that went by: its digests, and enough to know what it could be mistaken for.
pub(crate) struct Hashed {
    digests: Vec<(Digest, digest::Digest)>,
    head: Vec<u8>,
    length: u64,
}

impl Hashing {
    pub(crate) fn new(digests: &[Digest]) -> Self {
        Self {
            contexts: digests.iter().map(|d| (*d, d.context())).collect(),
            head: Vec::new(),
            length: 0,
        }
    }

    pub(crate) fn update(&mut self, octets: &[u8]) {
        for (_, context) in &mut self.contexts {
            context.update(octets);
        }
        let room = 16usize.saturating_sub(self.head.len()).min(octets.len());
        self.head.extend_from_slice(&octets[..room]);
        self.length += octets.len() as u64;
    }

    pub(crate) fn finish(self) -> Hashed {
        let finish = |(kind, context): (Digest, digest::Context)| (kind, context.finish());
        Hashed {
            digests: self.contexts.into_iter().map(finish).collect(),
            head: self.head,
            length: self.length,
        }
    }
}

impl Hashed {
    pub(crate) fn has(&self, digest: Digest) -> bool {
        self.get(digest).is_some()
    }

    pub(crate) fn get(&self, digest: Digest) -> Option<&digest::Digest> {
        let found = self.digests.iter().find(|(kind, _)| *kind == digest)?;
        Some(&found.1)
    }

    /// Whether the content begins and ends as a SET does: it could be the attributes of a
    /// signature that was made for something else.
    fn could_be_attributes(&self) -> bool {
        let (Some(&SET), Some(&first)) = (self.head.first(), self.head.get(1)) else {
            return false;
        };
        let (count, mut length) = match first {
            0x80 => return true,
            0..=0x7f => (0, u64::from(first)),
            _ => (usize::from(first & 0x7f), 0),
        };
        // Longer lengths than this are those of contents that nobody holds.
        let Some(octets) = self.head.get(2..2 + count) else {
            return true;
        };
        for octet in octets {
            length = length << 8 | u64::from(*octet);
        }
        self.length == 2 + count as u64 + length
    }
}

/// A `SignedData` that was read, not yet checked.
pub(crate) struct SignedData {
    content_type: ObjectIdentifier,
    /// The content, unless it is detached.
    pub(crate) content: Option<Content>,
    /// What came along: possibly the signers' certificates, possibly anything.
    pub(crate) certificates: Vec<Certificate>,
    /// The SET of `SignerInfo`, and how deep it may go.
    signers: Vec<u8>,
    depth: u8,
    attribute_limit: usize,
}

/// The content of an opaque signature.
pub(crate) struct Content {
    /// Where in the object the string with the content begins, and how deep it may go.
    pub(crate) place: (u64, u8),
    pub(crate) hashed: Hashed,
}

/// A signer whose signature holds over the content. Nothing is said yet of who that is.
pub(crate) struct CheckedSigner {
    pub(crate) certificate: Certificate,
    pub(crate) claimed_time: Option<OffsetDateTime>,
    /// The signed `recipient-emails` attribute (gemSMIME_KOMLE), its value in DER.
    pub(crate) recipient_emails: Option<Vec<u8>>,
    /// What the signer's client says that it reads.
    pub(crate) capabilities: Option<ClientCapabilities>,
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

impl SignedData {
    /// Reads the object inside a `ContentInfo`, whose SEQUENCE is the next value of `stream`.
    pub(crate) fn read(stream: &mut BerStream<'_>, limits: &Limits) -> Result<Self, Refusal> {
        stream.enter(SEQUENCE)?;
        Reader::new(&stream.value(INTEGER)?, 1).small_integer()?;
        let announced = announced_digests(&stream.value(SET)?, stream.depth_left())?;
        stream.enter(SEQUENCE)?;
        let content_type = stream.oid()?;
        let content = if stream.more()? {
            stream.enter(context_constructed(0))?;
            let place = (stream.position(), stream.depth_left());
            let mut hashing = Hashing::new(&announced);
            stream.string(OCTET_STRING, |octets| {
                hashing.update(octets);
                Ok(())
            })?;
            stream.leave()?;
            Some(Content {
                place,
                hashed: hashing.finish(),
            })
        } else {
            None
        };
        stream.leave()?;
        let certificates = match stream.optional(context_constructed(0))? {
            Some(set) => {
                let set = Element::only(&set, stream.depth_left())?;
                read_certificates(set.children()?, limits)?
            }
            None => Vec::new(),
        };
        // Embedded CRLs may be stale and come from the sender: the trust store's count.
        stream.optional(context_constructed(1))?;
        let read = Self {
            content_type,
            content,
            certificates,
            signers: stream.value(SET)?,
            depth: stream.depth_left(),
            attribute_limit: limits.attributes,
        };
        stream.leave()?;
        let mut set = Element::only(&read.signers, read.depth)?.children()?;
        let mut count = 0;
        while !set.is_empty() {
            if count >= limits.signers {
                return Err(Refusal::TooLarge {
                    what: "signers",
                    limit: limits.signers,
                });
            }
            Signer::read(&set.expect(SEQUENCE)?)?;
            count += 1;
        }
        Ok(read)
    }

    /// The digests that checking takes.
    pub(crate) fn digests(&self) -> Vec<Digest> {
        let mut digests = Vec::new();
        for signer in self.signers().unwrap_or_default() {
            if let Some(digest) = Digest::from_oid(&signer.digest.oid)
                && !digests.contains(&digest)
            {
                digests.push(digest);
            }
        }
        digests
    }

    /// Whether checking takes the content itself: a signature without attributes of an algorithm
    /// that makes its digest on its own.
    pub(crate) fn wants_content(&self) -> bool {
        self.signers().unwrap_or_default().iter().any(|signer| {
            signer.attributes.is_none()
                && matches!(
                    Scheme::of_certificate(&signer.algorithm),
                    Some(Scheme::Ed25519 | Scheme::MlDsa(_))
                )
        })
    }

    /// Checks every signature over a content; all must hold. `whole` is the content if
    /// [`SignedData::wants_content`] and it is not too large; `known` are certificates of signers
    /// that did not send theirs.
    pub(crate) fn check(
        &self,
        content: &Hashed,
        whole: Option<&[u8]>,
        known: &[Certificate],
    ) -> Result<Vec<CheckedSigner>, InvalidReason> {
        if self.content_type != oid::DATA {
            let name = format!("content type {}", self.content_type);
            return Err(InvalidReason::Algorithm(name));
        }
        let signers = self
            .signers()
            .map_err(|error| InvalidReason::Attributes(error.describe()))?;
        if signers.is_empty() {
            return Err(InvalidReason::NoSigner);
        }
        signers
            .iter()
            .map(|signer| {
                let pool = self.certificates.iter().chain(known);
                let certificate = signer.find(pool);
                signer.check(certificate, content, whole, self.attribute_limit)
            })
            .collect()
    }

    fn signers(&self) -> Result<Vec<Signer<'_>>, BerError> {
        let mut set = Element::only(&self.signers, self.depth)?.children()?;
        let mut signers = Vec::new();
        while !set.is_empty() {
            signers.push(Signer::read(&set.expect(SEQUENCE)?)?);
        }
        Ok(signers)
    }
}

/// The accepted digests of `digestAlgorithms`. Others are passed over: a signer that uses one is
/// told later.
fn announced_digests(set: &[u8], depth: u8) -> Result<Vec<Digest>, BerError> {
    let mut algorithms = Element::only(set, depth)?.children()?;
    let mut digests = Vec::new();
    while !algorithms.is_empty() {
        let algorithm = Algorithm::read(algorithms.expect(SEQUENCE)?)?;
        if let Some(digest) = Digest::from_oid(&algorithm.oid)
            && !digests.contains(&digest)
        {
            digests.push(digest);
        }
    }
    Ok(digests)
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

    fn check(
        &self,
        certificate: Option<&Certificate>,
        content: &Hashed,
        whole: Option<&[u8]>,
        attribute_limit: usize,
    ) -> Result<CheckedSigner, InvalidReason> {
        let digest = Digest::from_oid(&self.digest.oid)
            .ok_or_else(|| InvalidReason::Algorithm(format!("digest {}", self.digest.oid)))?;
        let scheme = Scheme::of_signer(&self.algorithm, digest)
            .ok_or_else(|| InvalidReason::Algorithm(format!("signature {}", self.algorithm.oid)))?;
        let certificate = certificate.ok_or(InvalidReason::NoCertificate)?;
        let computed = content.get(digest).ok_or(InvalidReason::ContentChanged)?;
        let Some(attributes) = &self.attributes else {
            return self.check_bare(scheme, certificate, (content, computed), whole);
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
            recipient_emails: attributes.recipient_emails,
            capabilities: attributes.capabilities,
        })
    }

    /// A signature directly over the content. Content that reads as a SET of attributes is
    /// refused: it could be the attributes of a signature made for something else.
    fn check_bare(
        &self,
        scheme: Scheme,
        certificate: &Certificate,
        (content, computed): (&Hashed, &digest::Digest),
        whole: Option<&[u8]>,
    ) -> Result<CheckedSigner, InvalidReason> {
        if content.could_be_attributes() {
            return Err(InvalidReason::Attributes(
                "the content could be signed attributes",
            ));
        }
        let signed = match scheme {
            Scheme::Ed25519 | Scheme::MlDsa(_) => Signed::Message(whole.ok_or(
                InvalidReason::Attributes("there are none, and the content is too large without"),
            )?),
            _ => Signed::Digest(computed),
        };
        certificate
            .verify_signed(scheme, signed, &self.signature)
            .map_err(|_| InvalidReason::BadSignature)?;
        Ok(CheckedSigner {
            certificate: certificate.clone(),
            claimed_time: None,
            recipient_emails: None,
            capabilities: None,
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
pub(crate) fn read_certificates(
    mut set: Reader<'_>,
    limits: &Limits,
) -> Result<Vec<Certificate>, Refusal> {
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

#[cfg(test)]
mod tests;
