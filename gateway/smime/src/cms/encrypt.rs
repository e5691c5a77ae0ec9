//! `AuthEnvelopedData` (RFC 5083) and `EnvelopedData` (RFC 5652 §6), written.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::LazyLock;

use aws_lc_rs::agreement::{self, ParsedPublicKey};
use aws_lc_rs::cipher::{
    AES_256 as AES_256_CBC, EncryptionContext, StreamingEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::hkdf::HKDF_SHA256;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap as _};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey};
use zeroize::Zeroizing;

use super::attributes::written;
use super::kem;
use super::recipient::{KdfDigest, hkdf_kek, shared_info, x963_kdf};
use super::recipient_key::RecipientKey;
use super::sign::issuer_and_serial;
use crate::SealError;
use crate::algorithm::{Digest, PublicKeyKind, mgf1_identifier};
use crate::ber::{
    BIT_STRING, IA5_STRING, Node, SET, constructed, context, context_constructed, explicit,
    integer, octet_string, oid as oid_node, sequence, set_of,
};
use crate::certificate::Certificate;
use crate::evp::{Aead, AeadStream};
use crate::oid;
use crate::post_quantum::MlKem;

/// Octets encrypted at once.
const AT_ONCE: usize = 64 * 1024;

/// What an envelope is made of.
pub(crate) struct ToEncrypt<'a> {
    pub(crate) recipients: &'a [&'a Certificate],
    /// AES-256-CBC in `EnvelopedData` rather than AES-256-GCM in `AuthEnvelopedData`.
    pub(crate) cbc: bool,
    /// Octets of the content, which is written afterwards.
    pub(crate) content_octets: usize,
    /// The value of that attribute, for the profile that has it.
    pub(crate) recipient_emails: Option<&'a [u8]>,
}

/// An envelope that is being written: what is written to it is encrypted on its way.
///
/// The content key, the nonce and the vector are fresh random octets each time; a key is used
/// once, so that a nonce can never repeat under it.
pub(crate) struct Envelope<W> {
    out: W,
    cipher: Cipher,
    /// What stands behind the content; a tag is put into it.
    after: Vec<u8>,
    buffer: Vec<u8>,
    left: usize,
}

enum Cipher {
    Gcm(AeadStream),
    Cbc(StreamingEncryptingKey),
}

impl<W: Write> Envelope<W> {
    /// Writes what stands before the content.
    pub(crate) fn begin(to_encrypt: &ToEncrypt<'_>, mut out: W) -> Result<Self, SealError> {
        // A key, and behind it what begins the cipher: a nonce or a vector.
        let mut fresh = Zeroizing::new([0u8; 48]);
        rand::fill(fresh.as_mut_slice()).map_err(|_| SealError::Crypto("random octets"))?;
        let (key, start) = fresh.split_at(32);
        let mut infos = Vec::with_capacity(to_encrypt.recipients.len());
        for (index, recipient) in to_encrypt.recipients.iter().enumerate() {
            let info = recipient_info(recipient, key).ok_or(SealError::Recipient {
                index,
                reason: "its public key is not usable",
            })?;
            infos.push(Node::Encoded(info.into()));
        }
        let infos = set_of(SET, infos);
        let (cipher, (before, after)) = if to_encrypt.cbc {
            enveloped_data(to_encrypt, (key, start), infos)?
        } else {
            auth_enveloped_data(to_encrypt, (key, start), infos)?
        };
        out.write_all(&before)
            .map_err(|error| SealError::Spool(error.kind()))?;
        Ok(Self {
            out,
            cipher,
            after,
            buffer: Vec::with_capacity(to_encrypt.content_octets.min(AT_ONCE)),
            left: to_encrypt.content_octets,
        })
    }

    /// Writes what stands behind the content, and gives the writer below back.
    pub(crate) fn finish(mut self) -> Result<W, SealError> {
        const ENCRYPTING: SealError = SealError::Crypto("content encryption");
        if self.left != 0 {
            return Err(SealError::Malformed("it changed while it was sealed"));
        }
        let mut last = [0u8; 32];
        let last = match self.cipher {
            Cipher::Gcm(stream) => {
                let tag = stream.tag().ok_or(ENCRYPTING)?;
                let place = self
                    .after
                    .get_mut(MAC_HEAD..MAC_HEAD + 16)
                    .ok_or(ENCRYPTING)?;
                place.copy_from_slice(&tag);
                &[][..]
            }
            Cipher::Cbc(cbc) => {
                let (_, written) = cbc.finish(&mut last).map_err(|_| ENCRYPTING)?;
                let count = written.written().len();
                &last[..count]
            }
        };
        self.out
            .write_all(last)
            .and_then(|()| self.out.write_all(&self.after))
            .map_err(|error| SealError::Spool(error.kind()))?;
        Ok(self.out)
    }

    fn encrypt(&mut self, piece: &[u8]) -> Option<usize> {
        match &mut self.cipher {
            Cipher::Gcm(stream) => {
                if self.buffer.len() < piece.len() {
                    self.buffer.resize(piece.len(), 0);
                }
                stream.update(piece, &mut self.buffer[..piece.len()])?;
                Some(piece.len())
            }
            Cipher::Cbc(cbc) => {
                self.buffer.resize(piece.len() + 16, 0);
                Some(cbc.update(piece, &mut self.buffer).ok()?.written().len())
            }
        }
    }
}

impl<W: Write> Write for Envelope<W> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let piece = &octets[..octets.len().min(AT_ONCE)];
        let failed = || io::Error::from(io::ErrorKind::InvalidData);
        // More than was foretold would not fit into the lengths already written.
        self.left = self.left.checked_sub(piece.len()).ok_or_else(failed)?;
        let count = self.encrypt(piece).ok_or_else(failed)?;
        self.out.write_all(&self.buffer[..count])?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Octets before the tag in what follows the content: identifier and length.
const MAC_HEAD: usize = 2;

/// What stands before the content, and what behind it.
type Around = (Vec<u8>, Vec<u8>);

fn auth_enveloped_data(
    to_encrypt: &ToEncrypt<'_>,
    (key, start): (&[u8], &[u8]),
    infos: Node<'_>,
) -> Result<(Cipher, Around), SealError> {
    let mut nonce = [0u8; 12];
    nonce.copy_from_slice(&start[..12]);
    let stream = AeadStream::seal(Aead::Aes256Gcm, key, &nonce)
        .ok_or(SealError::Crypto("the content key"))?;
    let object = content_info(
        &oid::AUTH_ENVELOPED_DATA,
        &[
            integer(0),
            infos,
            sequence(&[
                oid_node(&oid::DATA),
                sequence(&[
                    oid_node(&oid::AES256_GCM),
                    // GCMParameters: the ICV length has to be said, its default is 12 (RFC 5084
                    // §3.2).
                    sequence(&[octet_string(&nonce[..]), integer(16)]),
                ]),
                Node::Elsewhere(context(0), to_encrypt.content_octets),
            ]),
            octet_string(&[0; 16][..]),
            unauthenticated(to_encrypt, 2),
        ],
    );
    Ok((Cipher::Gcm(stream), object))
}

fn enveloped_data(
    to_encrypt: &ToEncrypt<'_>,
    (key, start): (&[u8], &[u8]),
    infos: Node<'_>,
) -> Result<(Cipher, Around), SealError> {
    const FAILED: SealError = SealError::Crypto("the content key");
    let unbound = UnboundCipherKey::new(&AES_256_CBC, key).map_err(|_| FAILED)?;
    let mut iv = [0u8; 16];
    iv.copy_from_slice(&start[..16]);
    let vector = EncryptionContext::Iv128(FixedLength::from(iv));
    let cbc = StreamingEncryptingKey::less_safe_cbc_pkcs7(unbound, vector).map_err(|_| FAILED)?;
    // RFC 5652 §6.3: one to sixteen octets of padding.
    let padded = (to_encrypt.content_octets / 16 + 1) * 16;
    // RFC 5652 §6.1: version 2 where a recipient is not by issuer and serial in key transport.
    let transport_only = to_encrypt
        .recipients
        .iter()
        .all(|r| matches!(r.public_key_kind(), PublicKeyKind::Rsa(_)));
    let object = content_info(
        &oid::ENVELOPED_DATA,
        &[
            integer(if transport_only { 0 } else { 2 }),
            infos,
            sequence(&[
                oid_node(&oid::DATA),
                sequence(&[oid_node(&oid::AES256_CBC), octet_string(&iv[..])]),
                Node::Elsewhere(context(0), padded),
            ]),
        ],
    );
    Ok((Cipher::Cbc(cbc), object))
}

/// The unauthenticated attributes under `[n]`; nothing if there are none.
fn unauthenticated<'a>(to_encrypt: &ToEncrypt<'a>, n: u8) -> Node<'a> {
    let Some(emails) = to_encrypt.recipient_emails else {
        return Node::Encoded(Cow::Borrowed(&[]));
    };
    let attribute = written(&oid::RECIPIENT_EMAILS, Node::Encoded(emails.into()));
    set_of(context_constructed(n), attribute)
}

fn content_info(kind: &const_oid::ObjectIdentifier, fields: &[Node<'_>]) -> Around {
    sequence(&[oid_node(kind), explicit(0, &[sequence(fields)])]).encode_around()
}

fn recipient_info(recipient: &Certificate, key: &[u8]) -> Option<Vec<u8>> {
    if MlKem::of_kind(recipient.public_key_kind()).is_some() {
        return kem::recipient_info(recipient, key);
    }
    match recipient.recipient_key()? {
        RecipientKey::Rsa(public) => key_transport(recipient, public, key),
        RecipientKey::Agreement(public) => key_agreement(recipient, public, key),
    }
}

/// `KeyTransRecipientInfo` with RSAES-OAEP, SHA-256 for the label and the mask (RFC 3560).
fn key_transport(
    recipient: &Certificate,
    public: &OaepPublicEncryptingKey,
    key: &[u8],
) -> Option<Vec<u8>> {
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
        sequence(Vec::from(issuer_and_serial(recipient))),
        sequence(vec![oid_node(&oid::RSA_OAEP), parameters]),
        octet_string(block),
    ]);
    Some(info.encode())
}

/// `KeyAgreeRecipientInfo`, ephemeral-static ECDH with AES-256 key wrap (RFC 5753 §3.1, RFC 8418).
/// The digest of the derivation is as strong as the curve (RFC 5753 §7.1.4). No ukm is sent:
/// implementations differ on what it means.
fn key_agreement(recipient: &Certificate, peer: &ParsedPublicKey, key: &[u8]) -> Option<Vec<u8>> {
    let curve = peer.alg();
    let ephemeral = agreement::PrivateKey::generate(curve).ok()?;
    let public = ephemeral.compute_public_key().ok()?;
    static WRAP: LazyLock<Vec<u8>> =
        LazyLock::new(|| sequence(vec![oid_node(&oid::AES256_WRAP)]).encode());
    static INFO: LazyLock<Vec<u8>> = LazyLock::new(|| shared_info(&WRAP, None, 32));
    let info = INFO.as_slice();
    let (scheme, key_oid, kek) = if curve == &agreement::X25519 {
        let derive = |secret: &[u8]| hkdf_kek(HKDF_SHA256, None, secret, info, 32).ok_or(());
        let kek = agreement::agree(&ephemeral, peer.clone(), (), derive).ok()?;
        (oid::STD_DH_HKDF_SHA256, oid::X25519, kek)
    } else {
        let digest = match recipient.public_key_kind() {
            PublicKeyKind::P256 => KdfDigest::Sha256,
            PublicKeyKind::P384 => KdfDigest::Sha384,
            _ => KdfDigest::Sha512,
        };
        let derive = |secret: &[u8]| Ok(x963_kdf(digest, secret, info, 32));
        let kek = agreement::agree(&ephemeral, peer.clone(), (), derive).ok()?;
        (digest.scheme(), oid::EC_PUBLIC_KEY, kek)
    };
    let mut wrapped = [0u8; 40];
    AesKek::new(&AES_256, &kek)
        .ok()?
        .wrap(key, &mut wrapped)
        .ok()?;
    let mut bits = vec![0];
    bits.extend_from_slice(public.as_ref());
    let info = constructed(
        context_constructed(1),
        &[
            integer(3),
            explicit(
                0,
                &[constructed(
                    context_constructed(1),
                    &[
                        // RFC 5753 §3.1.1: the curve is the recipient's, so its parameters stay
                        // absent.
                        sequence(&[oid_node(&key_oid)]),
                        Node::Primitive(BIT_STRING, bits.into()),
                    ],
                )],
            ),
            sequence(&[oid_node(&scheme), Node::Encoded(WRAP.as_slice().into())]),
            sequence(&[sequence(&[
                sequence(&issuer_and_serial(recipient)),
                octet_string(&wrapped[..]),
            ])]),
        ],
    )
    .encode();
    Some(info)
}

/// The value of `recipient-emails` (gemSMIME_KOMLE): the address and the identifier of each
/// recipient's certificate, in DER.
pub(crate) fn recipient_emails(recipients: &[&Certificate]) -> Option<Vec<u8>> {
    let entries: Option<Vec<Node<'_>>> = recipients
        .iter()
        .map(|recipient| {
            let address = recipient.addresses().first()?;
            let identifier = Vec::from(issuer_and_serial(recipient));
            Some(sequence(vec![
                Node::Primitive(IA5_STRING, address.as_bytes().into()),
                sequence(identifier),
            ]))
        })
        .collect();
    Some(set_of(SET, entries?).encode())
}
