//! Signers that sign whatever is asked, and what is made of it.

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
    sequence(vec![oid_node(kind), crate::ber::constructed(SET, values)])
}

fn content_type<'a>(kind: &ObjectIdentifier) -> Node<'a> {
    attribute(&oid::CONTENT_TYPE, vec![oid_node(kind)])
}

fn message_digest<'a>() -> Node<'a> {
    let digest = Digest::Sha256.of(CONTENT).as_ref().to_vec();
    attribute(&oid::MESSAGE_DIGEST, vec![octet_string(digest)])
}

fn protection<'a>(digest: Digest, signature: ObjectIdentifier) -> Node<'a> {
    let signature = crate::ber::constructed(0xa1, vec![oid_node(&signature)]);
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
    fn object(&self, attributes: Option<Vec<Node<'_>>>, content: &[u8], digest: Digest) -> Vec<u8> {
        let set = attributes.map(|list| crate::ber::constructed(SET, list).encode());
        let signature = self
            .key
            .sign(
                SignatureScheme::EcdsaP256Sha256,
                set.as_deref().unwrap_or(content),
            )
            .unwrap();
        let mut signer = vec![
            integer(1),
            sequence(Vec::from(crate::cms::sign::issuer_and_serial(
                &self.certificate,
            ))),
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
            crate::ber::constructed(SET, vec![sequence(signer)]),
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
        sequence(Vec::from(crate::cms::sign::issuer_and_serial(
            &forger.certificate,
        ))),
        Digest::Sha256.identifier(),
        Node::Encoded(loose.into()),
        sequence(vec![oid_node(&oid::ECDSA_SHA256)]),
        octet_string(signature),
    ]);
    let object = sequence(vec![
        integer(1),
        crate::ber::constructed(SET, vec![Digest::Sha256.identifier()]),
        sequence(vec![oid_node(&oid::DATA)]),
        crate::ber::constructed(SET, vec![signer]),
    ])
    .encode();
    assert_eq!(forger.check(&object, CONTENT), Ok(()));
}
