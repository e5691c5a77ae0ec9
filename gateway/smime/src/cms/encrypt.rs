//! `AuthEnvelopedData` with AES-256-GCM (RFC 5083, RFC 5084), written.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement;
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap as _};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use zeroize::Zeroizing;

use super::kem;
use super::recipient::{KdfDigest, shared_info, x963_kdf};
use super::sign::issuer_and_serial;
use crate::SealError;
use crate::algorithm::{Digest, PublicKeyKind, mgf1_identifier};
use crate::ber::{
    BIT_STRING, Node, SET, context, context_constructed, explicit, implicit, integer, octet_string,
    oid as oid_node, sequence, set_of,
};
use crate::certificate::Certificate;
use crate::oid;

/// The `ContentInfo` of an `AuthEnvelopedData` of `content` for `recipients`.
///
/// The content key and the nonce are fresh random octets each time; a key is used once, so that
/// the nonce can never repeat under it. `content` is encrypted where it lies.
pub(crate) fn auth_enveloped_data(
    content: Vec<u8>,
    recipients: &[Certificate],
) -> Result<Vec<u8>, SealError> {
    let mut key = Zeroizing::new([0u8; 32]);
    let mut nonce = [0u8; 12];
    rand::fill(key.as_mut_slice()).map_err(|_| SealError::Crypto("random octets"))?;
    rand::fill(&mut nonce).map_err(|_| SealError::Crypto("random octets"))?;
    let mut infos = Vec::with_capacity(recipients.len());
    for (index, recipient) in recipients.iter().enumerate() {
        let info = recipient_info(recipient, key.as_slice()).ok_or(SealError::Recipient {
            index,
            reason: "its public key is not usable",
        })?;
        infos.push(Node::Encoded(info.into()));
    }
    let mut ciphertext = content;
    let cipher = UnboundKey::new(&AES_256_GCM, key.as_slice())
        .map_err(|_| SealError::Crypto("the content key"))?;
    let tag = LessSafeKey::new(cipher)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::empty(),
            &mut ciphertext,
        )
        .map_err(|_| SealError::Crypto("content encryption"))?;
    // GCMParameters: the ICV length has to be said, its default is 12 (RFC 5084 §3.2).
    let parameters = sequence(vec![octet_string(&nonce[..]), integer(16)]);
    let enveloped = sequence(vec![
        integer(0),
        set_of(SET, &infos),
        sequence(vec![
            oid_node(&oid::DATA),
            sequence(vec![oid_node(&oid::AES256_GCM), parameters]),
            implicit(context(0), &ciphertext[..]),
        ]),
        octet_string(tag.as_ref()),
    ]);
    Ok(sequence(vec![
        oid_node(&oid::AUTH_ENVELOPED_DATA),
        explicit(0, enveloped),
    ])
    .encode())
}

fn recipient_info(recipient: &Certificate, key: &[u8]) -> Option<Vec<u8>> {
    match recipient.public_key_kind() {
        PublicKeyKind::Rsa(2048..=8192) => key_transport(recipient, key),
        PublicKeyKind::P256 => {
            key_agreement(recipient, key, &agreement::ECDH_P256, KdfDigest::Sha256)
        }
        PublicKeyKind::P384 => {
            key_agreement(recipient, key, &agreement::ECDH_P384, KdfDigest::Sha384)
        }
        PublicKeyKind::P521 => {
            key_agreement(recipient, key, &agreement::ECDH_P521, KdfDigest::Sha512)
        }
        PublicKeyKind::MlKem768 | PublicKeyKind::MlKem1024 => kem::recipient_info(recipient, key),
        _ => None,
    }
}

/// `KeyTransRecipientInfo` with RSAES-OAEP, SHA-256 for the label and the mask (RFC 3560).
fn key_transport(recipient: &Certificate, key: &[u8]) -> Option<Vec<u8>> {
    let public = PublicEncryptingKey::from_der(recipient.spki()).ok()?;
    let public = OaepPublicEncryptingKey::new(public).ok()?;
    let mut block = vec![0; public.ciphertext_size()];
    public
        .encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut block, None)
        .ok()?;
    let parameters = sequence(vec![
        explicit(0, Digest::Sha256.identifier_with_null()),
        explicit(1, mgf1_identifier(Digest::Sha256)),
    ]);
    let info = sequence(vec![
        integer(0),
        issuer_and_serial(recipient),
        sequence(vec![oid_node(&oid::RSA_OAEP), parameters]),
        octet_string(block),
    ]);
    Some(info.encode())
}

/// `KeyAgreeRecipientInfo`, ephemeral-static ECDH with AES-256 key wrap (RFC 5753 §3.1). The
/// digest of the derivation is as strong as the curve (RFC 5753 §7.1.4). No ukm is sent.
fn key_agreement(
    recipient: &Certificate,
    key: &[u8],
    curve: &'static agreement::Algorithm,
    digest: KdfDigest,
) -> Option<Vec<u8>> {
    let ephemeral = agreement::PrivateKey::generate(curve).ok()?;
    let point = ephemeral.compute_public_key().ok()?;
    let wrap = sequence(vec![oid_node(&oid::AES256_WRAP)]).encode();
    let info = shared_info(&wrap, None, 32);
    let peer = agreement::UnparsedPublicKey::new(curve, recipient.public_key());
    let kek = agreement::agree(&ephemeral, peer, (), |secret| {
        Ok(x963_kdf(digest, secret, &info, 32))
    })
    .ok()?;
    let mut wrapped = [0u8; 40];
    AesKek::new(&AES_256, &kek)
        .ok()?
        .wrap(key, &mut wrapped)
        .ok()?;
    let mut point_bits = vec![0];
    point_bits.extend_from_slice(point.as_ref());
    let originator_key = Node::Constructed(
        context_constructed(1),
        vec![
            // RFC 5753 §3.1.1: the curve is the recipient's, so its parameters stay absent.
            sequence(vec![oid_node(&oid::EC_PUBLIC_KEY)]),
            Node::Primitive(BIT_STRING, point_bits.into()),
        ],
    );
    let encrypted_key = sequence(vec![
        issuer_and_serial(recipient),
        octet_string(&wrapped[..]),
    ]);
    let info = Node::Constructed(
        context_constructed(1),
        vec![
            integer(3),
            explicit(0, originator_key),
            sequence(vec![oid_node(&digest.scheme()), Node::Encoded(wrap.into())]),
            sequence(vec![encrypted_key]),
        ],
    );
    Some(info.encode())
}
