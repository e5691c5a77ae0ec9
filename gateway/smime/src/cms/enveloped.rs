//! `AuthEnvelopedData` (RFC 5083) and `EnvelopedData` (RFC 5652 §6), opened.
//!
//! The container and the cipher are checked together before any key is touched: authenticated
//! ciphers only in the first, AES-CBC only in the second. Then one recipient is tried, and every
//! failure after that point takes the same way: a random key stands in for the one that could not
//! be had, the content is decrypted with it, and the outcome is [`Refusal::CannotOpen`].
//!
//! The content goes by once, to be verified, and is not kept. Reading it decrypts it again.

use std::sync::Arc;

use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::attributes::{check_authenticated, recipient_emails};
use super::recipient::Recipient;
use crate::algorithm::Algorithm;
use crate::ber::{
    BerStream, Element, INTEGER, OCTET_STRING, Reader, SEQUENCE, SET, context, context_constructed,
    to_der,
};
use crate::evp::Aead;
use crate::key::KeyRing;
use crate::limits::Limits;
use crate::stream::{Decryption, Verifier};
use crate::{Refusal, oid};

/// Which of the two objects it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    Enveloped,
    AuthEnveloped,
}

/// The cipher of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentCipher {
    /// AES-128 in Galois/counter mode: authenticated.
    Aes128Gcm,
    /// AES-192 in Galois/counter mode: authenticated.
    Aes192Gcm,
    /// AES-256 in Galois/counter mode: authenticated.
    Aes256Gcm,
    /// ChaCha20 with Poly1305 (RFC 8103): authenticated.
    ChaCha20Poly1305,
    /// AES-128 in cipher block chaining: not authenticated.
    Aes128Cbc,
    /// AES-192 in cipher block chaining: not authenticated.
    Aes192Cbc,
    /// AES-256 in cipher block chaining: not authenticated.
    Aes256Cbc,
}

impl ContentCipher {
    /// Whether decryption proves that the content is what the sender encrypted.
    #[must_use]
    pub fn is_authenticated(self) -> bool {
        self.aead().is_some()
    }

    fn aead(self) -> Option<Aead> {
        match self {
            Self::Aes128Gcm => Some(Aead::Aes128Gcm),
            Self::Aes192Gcm => Some(Aead::Aes192Gcm),
            Self::Aes256Gcm => Some(Aead::Aes256Gcm),
            Self::ChaCha20Poly1305 => Some(Aead::ChaCha20Poly1305),
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc => None,
        }
    }

    fn key_octets(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes128Cbc => 16,
            Self::Aes192Gcm | Self::Aes192Cbc => 24,
            Self::Aes256Gcm | Self::Aes256Cbc | Self::ChaCha20Poly1305 => 32,
        }
    }
}

/// An envelope whose content went by.
pub(crate) struct Envelope {
    pub(crate) cipher: ContentCipher,
    pub(crate) recipients: usize,
    /// The `recipient-emails` attribute (gemSMIME_KOMLE), its values in DER.
    pub(crate) recipient_emails: Option<Vec<u8>>,
    /// Where in the object the string with the content begins, and how deep it may go.
    pub(crate) content: (u64, u8),
    pub(crate) decryption: Arc<Decryption>,
    pub(crate) outcome: Outcome,
}

/// Whether the content is what was encrypted (or, for AES-CBC, at least ends as it must).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Good,
    Bad,
    /// It has to go by again: the associated data stood behind it.
    Again,
}

/// Opens the object inside a `ContentInfo`, whose SEQUENCE is the next value of `stream`.
///
/// Everything that can be told from the octets alone is told before the outcome of decrypting is
/// looked at, so that what is told does not depend on a key.
pub(crate) fn open(
    container: Container,
    stream: &mut BerStream<'_>,
    ring: &dyn KeyRing,
    limits: &Limits,
) -> Result<Envelope, Refusal> {
    stream.enter(SEQUENCE)?;
    Reader::new(&stream.value(INTEGER)?, 1).small_integer()?;
    stream.optional(context_constructed(0))?;
    let infos = read_infos(stream, limits)?;
    let recipients = read_recipients(&infos, stream.depth_left(), limits)?;
    stream.enter(SEQUENCE)?;
    let content_type = stream.oid()?;
    if content_type != oid::DATA {
        return Err(Refusal::not_accepted(
            "encrypted content type",
            content_type,
        ));
    }
    let algorithm = stream.value(SEQUENCE)?;
    let parameters = Parameters::read(
        container,
        &Algorithm::read(Element::only(&algorithm, stream.depth_left())?)?,
    )?;
    if !stream.more()? {
        return Err(Refusal::Malformed("the envelope does not hold its content"));
    }
    let mut decryption = parameters.decryption(content_key(&recipients, &parameters, ring)?);
    let content = (stream.position(), stream.depth_left());
    let mut verifier = Verifier::new(&decryption);
    stream.string(context(0), |octets| {
        verifier.update(octets);
        Ok(())
    })?;
    stream.leave()?;
    let trailer = Trailer::read(container, stream, &parameters, limits)?;
    stream.leave()?;
    let outcome = match (trailer.aad.is_empty(), verifier.finish(&trailer.mac)) {
        (false, _) => Outcome::Again,
        (true, true) => Outcome::Good,
        (true, false) => Outcome::Bad,
    };
    if let Decryption::Aead { aad, tag, .. } = &mut decryption {
        *aad = trailer.aad;
        *tag = trailer.mac;
    }
    Ok(Envelope {
        cipher: parameters.cipher,
        recipients: recipients.len(),
        recipient_emails: trailer.recipient_emails,
        content,
        decryption: Arc::new(decryption),
        outcome,
    })
}

/// The key of the first recipient that is held here; if there is none, or it cannot be unwrapped,
/// or has another length: random octets, so that what follows is the same.
fn content_key(
    recipients: &[Recipient<'_>],
    parameters: &Parameters,
    ring: &dyn KeyRing,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let mut key = Zeroizing::new(vec![0; parameters.cipher.key_octets()]);
    rand::fill(&mut key).map_err(|_| Refusal::CannotOpen)?;
    // RFC 8551 §6 and CVE-2026-42768: one entry, matched exactly; never the next one on failure,
    // which would tell the two failures apart.
    let held = recipients
        .iter()
        .find_map(|r| ring.find(&r.id()).map(|key| (r, key)));
    if let Some((recipient, private)) = held {
        let plan = recipient.plan()?;
        if let Some(unwrapped) = recipient.unwrap(&plan, private.as_ref())
            && unwrapped.len() == key.len()
        {
            key = unwrapped;
        }
    }
    Ok(key)
}

/// The values of the SET of `RecipientInfo`, no more of them than the limit.
fn read_infos(stream: &mut BerStream<'_>, limits: &Limits) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut infos = Vec::new();
    stream.enter(SET)?;
    while stream.more()? {
        if infos.len() >= limits.recipients {
            return Err(too_many(limits));
        }
        infos.push(stream.any()?);
    }
    stream.leave()?;
    Ok(infos)
}

fn read_recipients<'a>(
    infos: &'a [Vec<u8>],
    depth: u8,
    limits: &Limits,
) -> Result<Vec<Recipient<'a>>, Refusal> {
    let mut recipients = Vec::new();
    for info in infos {
        let found = Recipient::read_all(&Element::only(info, depth)?, limits.recipients)?;
        if recipients.len() + found.len() > limits.recipients {
            return Err(too_many(limits));
        }
        recipients.extend(found);
    }
    // RFC 5652 §6.1 has at least one recipient. That none has a certificate is told by the octets
    // alone; beside others, such an entry is simply nobody's.
    match infos.first().and_then(|info| info.first()) {
        Some(tag) if recipients.is_empty() => Err(Recipient::refused_kind(*tag)),
        _ => Ok(recipients),
    }
}

fn too_many(limits: &Limits) -> Refusal {
    Refusal::TooLarge {
        what: "recipients",
        limit: limits.recipients,
    }
}

/// The cipher with its initialization vector, and for an authenticated one the length of the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parameters {
    cipher: ContentCipher,
    /// 16 octets for AES-CBC, 12 and zeroes otherwise.
    iv: [u8; 16],
    icv_octets: usize,
}

impl Parameters {
    fn read(container: Container, algorithm: &Algorithm<'_>) -> Result<Self, Refusal> {
        let cipher = match (container, algorithm.oid) {
            (Container::AuthEnveloped, oid::AES128_GCM) => ContentCipher::Aes128Gcm,
            (Container::AuthEnveloped, oid::AES192_GCM) => ContentCipher::Aes192Gcm,
            (Container::AuthEnveloped, oid::AES256_GCM) => ContentCipher::Aes256Gcm,
            (Container::AuthEnveloped, oid::CHACHA20_POLY1305) => ContentCipher::ChaCha20Poly1305,
            (Container::Enveloped, oid::AES128_CBC) => ContentCipher::Aes128Cbc,
            (Container::Enveloped, oid::AES192_CBC) => ContentCipher::Aes192Cbc,
            (Container::Enveloped, oid::AES256_CBC) => ContentCipher::Aes256Cbc,
            (_, other) => return Err(Refusal::not_accepted("content encryption", other)),
        };
        let parameters = algorithm
            .parameters
            .ok_or(Refusal::Malformed("content encryption parameters"))?;
        let (octets, icv_octets) = match cipher {
            // RFC 3565 §2.3.1 and RFC 8103 §3: the parameters are the vector, the nonce.
            _ if !cipher.is_authenticated() => (
                Reader::new(parameters.raw, 1).expect(OCTET_STRING)?.content,
                0,
            ),
            ContentCipher::ChaCha20Poly1305 => (
                Reader::new(parameters.raw, 1).expect(OCTET_STRING)?.content,
                16,
            ),
            _ => gcm_parameters(&parameters)?,
        };
        let expected = if cipher.is_authenticated() { 12 } else { 16 };
        if octets.len() != expected {
            return Err(Refusal::not_accepted(
                "content encryption",
                "an initialization vector or nonce of another length than is usual",
            ));
        }
        if cipher.is_authenticated() && !(12..=16).contains(&icv_octets) {
            return Err(Refusal::not_accepted(
                "content encryption",
                "AES-GCM tag not of 12 to 16 octets",
            ));
        }
        let mut iv = [0; 16];
        iv[..expected].copy_from_slice(octets);
        Ok(Self {
            cipher,
            iv,
            icv_octets,
        })
    }

    /// What decrypts with `key`; the tag and the associated data are not known yet.
    fn decryption(&self, key: Zeroizing<Vec<u8>>) -> Decryption {
        match self.cipher.aead() {
            Some(cipher) => {
                let mut nonce = [0; 12];
                nonce.copy_from_slice(&self.iv[..12]);
                Decryption::Aead {
                    cipher,
                    key,
                    nonce,
                    aad: Vec::new(),
                    tag: Vec::new(),
                }
            }
            None => Decryption::Cbc { key, iv: self.iv },
        }
    }
}

/// `GCMParameters` (RFC 5084 §3.2): the nonce, and the length of the tag, by default 12.
fn gcm_parameters<'a>(parameters: &Element<'a>) -> Result<(&'a [u8], usize), Refusal> {
    let mut inner = parameters.children()?;
    let nonce = inner.expect(OCTET_STRING)?.content;
    let icv_octets = match inner.peek() {
        Some(INTEGER) => inner.small_integer()?,
        _ => 12,
    };
    inner.finish()?;
    Ok((nonce, usize::from(icv_octets)))
}

/// What stands behind the content.
struct Trailer {
    aad: Vec<u8>,
    mac: Vec<u8>,
    recipient_emails: Option<Vec<u8>>,
}

impl Trailer {
    fn read(
        container: Container,
        stream: &mut BerStream<'_>,
        parameters: &Parameters,
        limits: &Limits,
    ) -> Result<Self, Refusal> {
        let mut aad = Vec::new();
        let mut mac = Vec::new();
        let unauthenticated = if container == Container::AuthEnveloped {
            if let Some(attributes) = stream.optional(context_constructed(1))? {
                // RFC 5083 §2.2: the DER of authAttrs under the SET OF tag.
                let attributes = Element::only(&attributes, stream.depth_left())?;
                aad = to_der(&attributes, SET)?;
                check_authenticated(&attributes, limits.attributes).map_err(Refusal::Malformed)?;
            }
            stream.string(OCTET_STRING, |octets| {
                // One more than a tag has is enough to refuse it.
                let room = 17usize.saturating_sub(mac.len()).min(octets.len());
                mac.extend_from_slice(&octets[..room]);
                Ok(())
            })?;
            // RFC 5084 §3.2: the mac is as long as the parameters say, neither more nor less.
            if mac.len() != parameters.icv_octets {
                return Err(Refusal::Malformed(
                    "the length of the mac is not the announced one",
                ));
            }
            stream.optional(context_constructed(2))?
        } else {
            stream.optional(context_constructed(1))?
        };
        let recipient_emails = match &unauthenticated {
            Some(set) => recipient_emails(&Element::only(set, stream.depth_left())?)?,
            None => None,
        };
        Ok(Self {
            aad,
            mac,
            recipient_emails,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ber::{Node, integer, octet_string, oid as oid_node, sequence};

    const NONCE: [u8; 12] = [9; 12];

    fn parameters(nonce: usize, icv: Option<u8>) -> Result<usize, Refusal> {
        let mut fields = vec![octet_string(vec![0; nonce])];
        fields.extend(icv.map(integer));
        let algorithm = sequence(vec![oid_node(&oid::AES256_GCM), sequence(fields)]).encode();
        let algorithm = Algorithm::read(Element::only(&algorithm, 8)?)?;
        Parameters::read(Container::AuthEnveloped, &algorithm).map(|p| p.icv_octets)
    }

    #[test]
    fn other_tags_and_nonces_are_refused_before_any_work() {
        assert_eq!(parameters(12, None), Ok(12));
        assert_eq!(parameters(12, Some(16)), Ok(16));
        for icv in [0, 4, 8, 11, 17, 127] {
            assert!(parameters(12, Some(icv)).is_err(), "{icv}");
        }
        for nonce in [0, 8, 13, 16, 65536] {
            assert!(parameters(nonce, Some(16)).is_err(), "{nonce}");
        }
    }

    #[test]
    fn each_cipher_belongs_to_one_container() {
        let with = |container, cipher, iv: usize, sequenced: bool| {
            let parameters = if sequenced {
                sequence(vec![octet_string(vec![0; iv]), integer(16)])
            } else {
                octet_string(vec![0; iv])
            };
            let octets = sequence(vec![oid_node(&cipher), parameters]).encode();
            let algorithm = Algorithm::read(Element::only(&octets, 8)?)?;
            Parameters::read(container, &algorithm).map(|p| p.cipher)
        };
        let refused = |answer| matches!(answer, Err(Refusal::NotAccepted { .. }));
        let (enveloped, auth) = (Container::Enveloped, Container::AuthEnveloped);
        assert!(refused(with(auth, oid::AES256_CBC, 16, false)));
        assert!(refused(with(enveloped, oid::AES256_GCM, 12, true)));
        assert!(refused(with(enveloped, oid::CHACHA20_POLY1305, 12, false)));
        // Triple-DES, RC2, AES-CCM, AES-CTR, AES-OFB, AES-CFB.
        for other in [
            "1.2.840.113549.3.7",
            "1.2.840.113549.3.2",
            "2.16.840.1.101.3.4.1.47",
            "2.16.840.1.101.3.4.1.43",
            "2.16.840.1.101.3.4.1.44",
        ] {
            let other = const_oid::ObjectIdentifier::new_unwrap(other);
            for container in [enveloped, auth] {
                for (iv, sequenced) in [(8, false), (12, true), (16, false)] {
                    assert!(refused(with(container, other, iv, sequenced)), "{other}");
                }
            }
        }
        for (container, cipher, iv, sequenced, read) in [
            (
                enveloped,
                oid::AES128_CBC,
                16,
                false,
                ContentCipher::Aes128Cbc,
            ),
            (auth, oid::AES192_GCM, 12, true, ContentCipher::Aes192Gcm),
            (
                auth,
                oid::CHACHA20_POLY1305,
                12,
                false,
                ContentCipher::ChaCha20Poly1305,
            ),
        ] {
            assert_eq!(with(container, cipher, iv, sequenced), Ok(read));
            assert!(with(container, cipher, iv + 1, sequenced).is_err());
        }
    }

    #[test]
    fn the_mac_must_have_the_announced_length() {
        let object = |mac: &[u8]| {
            let parameters = sequence(vec![octet_string(&NONCE[..]), integer(16)]);
            sequence(vec![
                integer(0),
                crate::ber::set_of(SET, Vec::new()),
                sequence(vec![
                    oid_node(&oid::DATA),
                    sequence(vec![oid_node(&oid::AES256_GCM), parameters]),
                    Node::Primitive(context(0), b"content"[..].into()),
                ]),
                octet_string(mac.to_vec()),
            ])
            .encode()
        };
        let read = |octets: &[u8]| {
            let mut stream = BerStream::new(Box::new(octets), 8, 4096);
            let nobody = crate::Identities::new();
            open(
                Container::AuthEnveloped,
                &mut stream,
                &nobody,
                &Limits::default(),
            )
            .map(|envelope| envelope.outcome)
        };
        assert_eq!(read(&object(&[0; 16])), Ok(Outcome::Bad));
        for length in [0, 12, 15, 17, 5000] {
            let answer = read(&object(&vec![0; length]));
            assert!(matches!(answer, Err(Refusal::Malformed(_))), "{length}");
        }
    }
}
