//! `SignedData` (RFC 5652 §5), written.

use time::OffsetDateTime;

use super::attributes;
use crate::SealError;
use crate::algorithm::{Digest, Scheme, pss_parameters};
use crate::ber::{
    Node, SET, context_constructed, explicit, integer, null, octet_string, oid as oid_node,
    sequence, set_of,
};
use crate::key::Identity;
use crate::oid;

/// Whether the content travels inside the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Detached,
    Opaque,
}

/// The digest that `identity` signs with.
pub(crate) fn digest(identity: &Identity, prefer_pss: bool) -> Digest {
    match identity.key().scheme(prefer_pss) {
        Scheme::RsaPkcs1(d) | Scheme::RsaPss(d, _) | Scheme::Ecdsa(d) => d,
        // RFC 8419 §3.1.
        Scheme::Ed25519 => Digest::Sha512,
        // RFC 9882 §3.3: strong enough for every parameter set, and what all must know.
        Scheme::MlDsa(_) => Digest::Sha512,
    }
}

/// The `ContentInfo` of a `SignedData` over `content`, with the signer's certificate and chain.
pub(crate) fn signed_data(
    identity: &Identity,
    content: &[u8],
    form: Form,
    signing_time: OffsetDateTime,
    prefer_pss: bool,
) -> Result<Vec<u8>, SealError> {
    let digest = digest(identity, prefer_pss);
    let algorithm = signature_algorithm(identity.key().scheme(prefer_pss));
    let algorithm_content: Vec<u8> = algorithm.iter().flat_map(Node::encode).collect();
    let signed_attributes = attributes::to_sign(
        digest.of(content).as_ref(),
        signing_time,
        digest.identifier().encode(),
        algorithm_content,
    );
    let signature = identity
        .key()
        .sign(&signed_attributes, prefer_pss)
        .ok_or(SealError::Crypto("signing"))?;
    let mut attributes_field = signed_attributes;
    // The same octets travel under [0] IMPLICIT (RFC 5652 §5.4).
    if let Some(tag) = attributes_field.first_mut() {
        *tag = context_constructed(0);
    }
    let certificate = identity.certificate();
    let signer = sequence(vec![
        integer(1),
        issuer_and_serial(certificate),
        digest.identifier(),
        Node::Encoded(attributes_field.into()),
        sequence(algorithm),
        octet_string(signature),
    ]);
    let mut encapsulated = vec![oid_node(&oid::DATA)];
    if form == Form::Opaque {
        encapsulated.push(explicit(0, octet_string(content)));
    }
    let certificates: Vec<Node<'_>> = std::iter::once(certificate)
        .chain(identity.chain())
        .map(|c| Node::Encoded(c.der().into()))
        .collect();
    let signed = sequence(vec![
        integer(1),
        set_of(SET, &[digest.identifier()]),
        sequence(encapsulated),
        set_of(context_constructed(0), &certificates),
        set_of(SET, &[signer]),
    ]);
    Ok(sequence(vec![oid_node(&oid::SIGNED_DATA), explicit(0, signed)]).encode())
}

/// `IssuerAndSerialNumber` (RFC 5652 §10.2.4).
pub(super) fn issuer_and_serial(certificate: &crate::Certificate) -> Node<'_> {
    sequence(vec![
        Node::Encoded(certificate.issuer_der().into()),
        Node::Primitive(crate::ber::INTEGER, certificate.serial().into()),
    ])
}

/// The fields of the signature's `AlgorithmIdentifier`.
fn signature_algorithm<'a>(scheme: Scheme) -> Vec<Node<'a>> {
    match scheme {
        // RFC 5754 §3.2: every implementation understands rsaEncryption here.
        Scheme::RsaPkcs1(_) => vec![oid_node(&oid::RSA_ENCRYPTION), null()],
        Scheme::RsaPss(digest, _) => vec![oid_node(&oid::RSA_PSS), pss_parameters(digest)],
        Scheme::Ecdsa(Digest::Sha256) => vec![oid_node(&oid::ECDSA_SHA256)],
        Scheme::Ecdsa(Digest::Sha384) => vec![oid_node(&oid::ECDSA_SHA384)],
        Scheme::Ecdsa(Digest::Sha512) => vec![oid_node(&oid::ECDSA_SHA512)],
        Scheme::Ed25519 => vec![oid_node(&oid::ED25519)],
        Scheme::MlDsa(set) => vec![oid_node(&set.oid())],
    }
}
