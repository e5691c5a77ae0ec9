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

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
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
                .sign(set.as_deref().unwrap_or(content), false)
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
            let element = Element::only(object, 16).unwrap();
            let signed = SignedData::read(&element, &Limits::default()).unwrap();
            let known = std::slice::from_ref(&self.certificate);
            signed.check(content, known).map(|_| ())
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
        let signature = forger.key.sign(&der, false).unwrap();
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
