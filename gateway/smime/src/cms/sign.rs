//! `SignedData` (RFC 5652 §5), written.

use time::OffsetDateTime;

use super::attributes;
use crate::SealError;
use crate::algorithm::SignatureScheme;
use crate::ber::{
    Node, OCTET_STRING, SET, context_constructed, explicit, integer, octet_string, oid as oid_node,
    sequence, set_of,
};
use crate::certificate::Certificate;
use crate::key::Signer;
use crate::oid;

/// What is signed, and how.
pub(crate) struct ToSign<'a> {
    pub(crate) signer: &'a dyn Signer,
    pub(crate) scheme: SignatureScheme,
    pub(crate) content_digest: &'a [u8],
    /// Octets of the content that travels inside; `None` if the signature is detached.
    pub(crate) content_octets: Option<usize>,
    pub(crate) signing_time: OffsetDateTime,
    /// The value of that attribute, for the profile that has it.
    pub(crate) recipient_emails: Option<&'a [u8]>,
    /// Whether the signer's chain travels along with its certificate.
    pub(crate) with_chain: bool,
}

/// The `ContentInfo` of a `SignedData`: what stands before the content and what behind it. For a
/// detached signature everything stands before.
pub(crate) fn signed_data(to_sign: &ToSign<'_>) -> Result<(Vec<u8>, Vec<u8>), SealError> {
    let digest = to_sign.scheme.digest();
    let algorithm = to_sign.scheme.identifier();
    let mut signed_attributes = attributes::to_sign(
        to_sign.content_digest,
        to_sign.signing_time,
        digest.identifier(),
        &algorithm,
        to_sign.recipient_emails,
    );
    let signature = to_sign
        .signer
        .sign(to_sign.scheme, &signed_attributes)
        .ok_or(SealError::Crypto("signing"))?;
    // The same octets travel under [0] IMPLICIT (RFC 5652 §5.4).
    if let Some(tag) = signed_attributes.first_mut() {
        *tag = context_constructed(0);
    }
    let certificate = to_sign.signer.certificate();
    let mut encapsulated = vec![oid_node(&oid::DATA)];
    if let Some(octets) = to_sign.content_octets {
        encapsulated.push(explicit(0, Node::Elsewhere(OCTET_STRING, octets)));
    }
    let chain = to_sign.signer.chain().iter().filter(|_| to_sign.with_chain);
    let certificates: Vec<Node<'_>> = std::iter::once(certificate)
        .chain(chain)
        .map(|c| Node::Encoded(c.der().into()))
        .collect();
    let object = sequence(&[
        oid_node(&oid::SIGNED_DATA),
        explicit(
            0,
            &[sequence(&[
                integer(1),
                set_of(SET, &[digest.identifier()]),
                sequence(encapsulated),
                set_of(context_constructed(0), certificates),
                set_of(
                    SET,
                    &[sequence(&[
                        integer(1),
                        sequence(&issuer_and_serial(certificate)),
                        digest.identifier(),
                        Node::Encoded(signed_attributes.into()),
                        sequence(&*algorithm),
                        octet_string(signature),
                    ])],
                ),
            ])],
        ),
    ])
    .encode_around();
    Ok(object)
}

/// The fields of `IssuerAndSerialNumber` (RFC 5652 §10.2.4).
pub(super) fn issuer_and_serial(certificate: &Certificate) -> [Node<'_>; 2] {
    [
        Node::Encoded(certificate.issuer_der().into()),
        Node::Primitive(crate::ber::INTEGER, certificate.serial().into()),
    ]
}
