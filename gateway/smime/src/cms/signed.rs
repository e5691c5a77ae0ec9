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
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::SignatureScheme;
    use crate::ber::{Node, integer, null, octet_string, oid as oid_node, sequence, set_of};
    use crate::key::PrivateKey;

    const CONTENT: &[u8] = b"Content-Type: text/plain\r\n\r\nx\r\n";

    /// A signer who signs whatever is asked.
    struct Forger {
        certificate: Certificate,
        key: PrivateKey,
    }

    fn attribute<'a>(kind: &ObjectIdentifier, values: Vec<Node<'a>>) -> Node<'a> {
        sequence(vec![oid_node(kind), Node::Constructed(SET, values)])
    }

    fn content_type<'a>(kind: &ObjectIdentifier) -> Node<'a> {
        attribute(&oid::CONTENT_TYPE, vec![oid_node(kind)])
    }

    fn message_digest<'a>() -> Node<'a> {
        let digest = Digest::Sha256.of(CONTENT).as_ref().to_vec();
        attribute(&oid::MESSAGE_DIGEST, vec![octet_string(digest)])
    }

    fn protection<'a>(digest: Digest, signature: ObjectIdentifier) -> Node<'a> {
        let signature = Node::Constructed(0xa1, vec![oid_node(&signature)]);
        let value = sequence(vec![digest.identifier(), signature]);
        attribute(&oid::ALGORITHM_PROTECTION, vec![value])
    }

    impl Forger {
        fn new() -> Self {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::default().self_signed(&key).unwrap();
            Self {
                certificate: Certificate::from_der(certificate.der()).unwrap(),
                key: PrivateKey::from_pkcs8_der(key.serialized_der()).unwrap(),
            }
        }

        /// `SignedData` with these attributes in this order, or none, over `content`.
        fn object(
            &self,
            attributes: Option<Vec<Node<'_>>>,
            content: &[u8],
            digest: Digest,
        ) -> Vec<u8> {
            let set = attributes.map(|list| Node::Constructed(SET, list).encode());
            let signature = self
                .key
                .sign(
                    SignatureScheme::EcdsaP256Sha256,
                    set.as_deref().unwrap_or(content),
                )
                .unwrap();
            let mut signer = vec![
                integer(1),
                super::super::sign::issuer_and_serial(&self.certificate),
                digest.identifier(),
            ];
            signer.extend(set.map(|mut octets| {
                octets[0] = context_constructed(0);
                Node::Encoded(octets.into())
            }));
            signer.push(sequence(vec![oid_node(&oid::ECDSA_SHA256)]));
            signer.push(octet_string(signature));
            sequence(vec![
                integer(1),
                set_of(SET, &[digest.identifier()]),
                sequence(vec![oid_node(&oid::DATA)]),
                Node::Constructed(SET, vec![sequence(signer)]),
            ])
            .encode()
        }

        fn check(&self, object: &[u8], content: &[u8]) -> Result<(), InvalidReason> {
            let mut stream = BerStream::new(Box::new(object), 16, 1 << 20);
            let signed = SignedData::read(&mut stream, &Limits::default()).unwrap();
            let mut hashing = Hashing::new(&signed.digests());
            hashing.update(content);
            let known = std::slice::from_ref(&self.certificate);
            let hashed = hashing.finish();
            signed.check(&hashed, Some(content), known).map(|_| ())
        }

        fn with(&self, attributes: Vec<Node<'_>>) -> Result<(), InvalidReason> {
            self.check(
                &self.object(Some(attributes), CONTENT, Digest::Sha256),
                CONTENT,
            )
        }
    }

    #[test]
    fn attributes_occur_once_with_one_value() {
        let forger = Forger::new();
        let data = || content_type(&oid::DATA);
        assert_eq!(forger.with(vec![data(), message_digest()]), Ok(()));
        assert_eq!(
            forger.with(vec![message_digest(), data()]),
            Ok(()),
            "in another order"
        );
        let twice = attribute(
            &oid::CONTENT_TYPE,
            vec![oid_node(&oid::DATA), oid_node(&oid::DATA)],
        );
        for (wrong, why) in [
            (vec![message_digest()], "no contentType"),
            (vec![data()], "no messageDigest"),
            (vec![data(), data(), message_digest()], "contentType twice"),
            (
                vec![data(), message_digest(), message_digest()],
                "messageDigest twice",
            ),
            (vec![twice, message_digest()], "two values"),
            (
                vec![attribute(&oid::CONTENT_TYPE, vec![]), message_digest()],
                "no value",
            ),
            (
                vec![
                    attribute(&oid::CONTENT_TYPE, vec![null()]),
                    message_digest(),
                ],
                "no OID",
            ),
            (
                vec![content_type(&oid::SIGNED_DATA), message_digest()],
                "another contentType",
            ),
        ] {
            let answer = forger.with(wrong);
            assert!(
                matches!(answer, Err(InvalidReason::Attributes(_))),
                "{why}: {answer:?}"
            );
        }
    }

    #[test]
    fn algorithm_protection_names_the_algorithms_used() {
        let forger = Forger::new();
        let with = |digest, signature| {
            let protection = protection(digest, signature);
            forger.with(vec![content_type(&oid::DATA), message_digest(), protection])
        };
        assert_eq!(with(Digest::Sha256, oid::ECDSA_SHA256), Ok(()));
        assert!(with(Digest::Sha512, oid::ECDSA_SHA256).is_err());
        assert!(with(Digest::Sha256, oid::ECDSA_SHA512).is_err());
    }

    #[test]
    fn the_two_digests_must_be_one() {
        let forger = Forger::new();
        let attributes = vec![content_type(&oid::DATA), message_digest()];
        let object = forger.object(Some(attributes), CONTENT, Digest::Sha512);
        assert!(matches!(
            forger.check(&object, CONTENT),
            Err(InvalidReason::Algorithm(_))
        ));
    }

    #[test]
    fn a_signature_over_attributes_is_not_one_over_content() {
        let forger = Forger::new();
        let bare = forger.object(None, CONTENT, Digest::Sha256);
        assert_eq!(forger.check(&bare, CONTENT), Ok(()));
        assert_eq!(
            forger.check(&bare, b"autre"),
            Err(InvalidReason::BadSignature)
        );
        // The attributes of a true signature, shown as content under that same signature.
        let attributes = set_of(SET, &[content_type(&oid::DATA), message_digest()]).encode();
        let stripped = forger.object(None, &attributes, Digest::Sha256);
        assert!(matches!(
            forger.check(&stripped, &attributes),
            Err(InvalidReason::Attributes(_))
        ));
    }

    #[test]
    fn loosely_encoded_attributes_are_checked_as_der() {
        let forger = Forger::new();
        let der = set_of(SET, &[content_type(&oid::DATA), message_digest()]).encode();
        let signature = forger
            .key
            .sign(SignatureScheme::EcdsaP256Sha256, &der)
            .unwrap();
        // The same attributes under an indefinite length.
        let mut loose = vec![context_constructed(0), 0x80];
        loose.extend_from_slice(&der[2..]);
        loose.extend([0, 0]);
        let signer = sequence(vec![
            integer(1),
            super::super::sign::issuer_and_serial(&forger.certificate),
            Digest::Sha256.identifier(),
            Node::Encoded(loose.into()),
            sequence(vec![oid_node(&oid::ECDSA_SHA256)]),
            octet_string(signature),
        ]);
        let object = sequence(vec![
            integer(1),
            Node::Constructed(SET, vec![Digest::Sha256.identifier()]),
            sequence(vec![oid_node(&oid::DATA)]),
            Node::Constructed(SET, vec![signer]),
        ])
        .encode();
        assert_eq!(forger.check(&object, CONTENT), Ok(()));
    }
}
