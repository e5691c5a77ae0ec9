//! `AuthEnvelopedData` (RFC 5083) and `EnvelopedData` (RFC 5652 §6), opened.
//!
//! The container and the cipher are checked together before any key is touched: AES-GCM only in
//! the first, AES-CBC only in the second. Then one recipient is tried, and every failure after
//! that point takes the same way: a random key stands in for the one that could not be had, the
//! content is decrypted with it, and the outcome is [`Refusal::CannotOpen`].

use std::borrow::Cow;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    self, DecryptingKey, DecryptionContext, StreamingDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::attributes::check_authenticated;
use super::recipient::Recipient;
use crate::algorithm::Algorithm;
use crate::ber::{
    Element, INTEGER, OCTET_STRING, Reader, SEQUENCE, SET, context, context_constructed, to_der,
};
use crate::key::KeyRing;
use crate::limits::Limits;
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
    /// AES-256 in Galois/counter mode: authenticated.
    Aes256Gcm,
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
        matches!(self, Self::Aes128Gcm | Self::Aes256Gcm)
    }

    fn key_octets(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes128Cbc => 16,
            Self::Aes192Cbc => 24,
            Self::Aes256Gcm | Self::Aes256Cbc => 32,
        }
    }
}

/// What an envelope held.
pub(crate) struct Decrypted {
    pub(crate) content: Vec<u8>,
    pub(crate) cipher: ContentCipher,
    pub(crate) recipients: usize,
}

/// Opens the object inside a `ContentInfo`.
pub(crate) fn open(
    container: Container,
    object: &Element<'_>,
    ring: &dyn KeyRing,
    limits: &Limits,
) -> Result<Decrypted, Refusal> {
    let envelope = Envelope::read(container, object, limits)?;
    let key = envelope.content_key(ring)?;
    let recipients = envelope.recipients.len();
    let cipher = envelope.cipher;
    let content = envelope.decrypt(&key).ok_or(Refusal::CannotOpen)?;
    Ok(Decrypted {
        content,
        cipher,
        recipients,
    })
}

struct Envelope<'a> {
    recipients: Vec<Recipient<'a>>,
    cipher: ContentCipher,
    iv: Vec<u8>,
    ciphertext: Cow<'a, [u8]>,
    aad: Vec<u8>,
    mac: Vec<u8>,
}

impl<'a> Envelope<'a> {
    fn read(container: Container, object: &Element<'a>, limits: &Limits) -> Result<Self, Refusal> {
        let mut inner = object.children()?;
        inner.small_integer()?;
        inner.optional(context_constructed(0))?;
        let recipients = read_recipients(inner.expect(SET)?.children()?, limits)?;
        let mut info = inner.expect(SEQUENCE)?.children()?;
        let content_type = info.oid()?;
        if content_type != oid::DATA {
            return Err(Refusal::not_accepted(
                "encrypted content type",
                content_type,
            ));
        }
        let algorithm = Algorithm::read(info.expect(SEQUENCE)?)?;
        if info.is_empty() {
            return Err(Refusal::Malformed("the envelope does not hold its content"));
        }
        let ciphertext = info.octets(context(0))?;
        info.finish()?;
        let (cipher, iv, icv_octets) = read_cipher(container, &algorithm)?;
        let mut aad = Vec::new();
        let mut mac = Vec::new();
        if container == Container::AuthEnveloped {
            if let Some(attributes) = inner.optional(context_constructed(1))? {
                // RFC 5083 §2.2: the DER of authAttrs under the SET OF tag.
                aad = to_der(&attributes, SET)?;
                check_authenticated(&attributes, limits.attributes).map_err(Refusal::Malformed)?;
            }
            mac = inner.octets(OCTET_STRING)?.into_owned();
            // RFC 5084 §3.2: the mac is as long as the parameters say, neither more nor less.
            if mac.len() != icv_octets {
                return Err(Refusal::Malformed(
                    "the length of the mac is not the announced one",
                ));
            }
            inner.optional(context_constructed(2))?;
        } else {
            inner.optional(context_constructed(1))?;
        }
        inner.finish()?;
        Ok(Self {
            recipients,
            cipher,
            iv,
            ciphertext,
            aad,
            mac,
        })
    }

    /// The key of the first recipient that is held here; if there is none, or it cannot be
    /// unwrapped, or has another length: random octets, so that what follows is the same.
    fn content_key(&self, ring: &dyn KeyRing) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let mut key = Zeroizing::new(vec![0; self.cipher.key_octets()]);
        rand::fill(&mut key).map_err(|_| Refusal::CannotOpen)?;
        // RFC 8551 §6 and CVE-2026-42768: one entry, matched exactly; never the next one on
        // failure, which would tell the two failures apart.
        let held = self
            .recipients
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

    fn decrypt(self, key: &[u8]) -> Option<Vec<u8>> {
        match self.cipher {
            ContentCipher::Aes128Gcm => self.decrypt_gcm(&aead::AES_128_GCM, key),
            ContentCipher::Aes256Gcm => self.decrypt_gcm(&aead::AES_256_GCM, key),
            ContentCipher::Aes128Cbc => self.decrypt_cbc(&cipher::AES_128, key),
            ContentCipher::Aes192Cbc => self.decrypt_cbc(&cipher::AES_192, key),
            ContentCipher::Aes256Cbc => self.decrypt_cbc(&cipher::AES_256, key),
        }
    }

    fn decrypt_gcm(self, algorithm: &'static aead::Algorithm, key: &[u8]) -> Option<Vec<u8>> {
        let sealing = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
        let nonce: [u8; 12] = self.iv.as_slice().try_into().ok()?;
        if self.mac.len() < algorithm.tag_len() {
            return self.decrypt_short_tag(&sealing, key, nonce);
        }
        let mut content = self.ciphertext.into_owned();
        let opened = sealing.open_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(&self.aad),
            &self.mac,
            &mut content,
        );
        match opened {
            Ok(_) => Some(content),
            Err(_) => {
                content.zeroize();
                None
            }
        }
    }

    /// Tags of 12 to 15 octets, which the library does not check by itself: decrypt in counter
    /// mode (NIST SP 800-38D §7.2: the first block counts 2), seal again, compare the tags.
    fn decrypt_short_tag(
        self,
        sealing: &LessSafeKey,
        key: &[u8],
        nonce: [u8; 12],
    ) -> Option<Vec<u8>> {
        let mut block = [0u8; 16];
        block[..12].copy_from_slice(&nonce);
        block[15] = 2;
        let cipher = if key.len() == 16 {
            &cipher::AES_128
        } else {
            &cipher::AES_256
        };
        let mut content = self.ciphertext.into_owned();
        let counter = DecryptingKey::ctr(UnboundCipherKey::new(cipher, key).ok()?).ok()?;
        counter
            .decrypt(
                &mut content,
                DecryptionContext::Iv128(FixedLength::from(block)),
            )
            .ok()?;
        let mut again = content.clone();
        let tag = sealing
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(&self.aad),
                &mut again,
            )
            .ok()?;
        let expected = tag.as_ref().get(..self.mac.len())?;
        if bool::from(expected.ct_eq(&self.mac)) {
            Some(content)
        } else {
            content.zeroize();
            None
        }
    }

    fn decrypt_cbc(self, cipher: &'static cipher::Algorithm, key: &[u8]) -> Option<Vec<u8>> {
        let iv: [u8; 16] = self.iv.as_slice().try_into().ok()?;
        let context = DecryptionContext::Iv128(FixedLength::from(iv));
        let unbound = UnboundCipherKey::new(cipher, key).ok()?;
        let mut decrypting = StreamingDecryptingKey::cbc_pkcs7(unbound, context).ok()?;
        let mut content = vec![0; self.ciphertext.len() + 16];
        let written = decrypting
            .update(&self.ciphertext, &mut content)
            .ok()?
            .written()
            .len();
        let last = decrypting
            .finish(content.get_mut(written..)?)
            .ok()?
            .written()
            .len();
        content.truncate(written + last);
        Some(content)
    }
}

fn read_recipients<'a>(
    mut infos: Reader<'a>,
    limits: &Limits,
) -> Result<Vec<Recipient<'a>>, Refusal> {
    let mut recipients = Vec::new();
    let mut count = 0usize;
    while !infos.is_empty() {
        let info = infos.any()?;
        count += 1;
        let found = Recipient::read_all(&info, limits.recipients)?;
        if count > limits.recipients || recipients.len() + found.len() > limits.recipients {
            return Err(Refusal::TooLarge {
                what: "recipients",
                limit: limits.recipients,
            });
        }
        recipients.extend(found);
    }
    Ok(recipients)
}

/// The cipher with its initialization vector, and for GCM the length of the tag.
fn read_cipher(
    container: Container,
    algorithm: &Algorithm<'_>,
) -> Result<(ContentCipher, Vec<u8>, usize), Refusal> {
    let cipher = match (container, algorithm.oid) {
        (Container::AuthEnveloped, oid::AES128_GCM) => ContentCipher::Aes128Gcm,
        (Container::AuthEnveloped, oid::AES256_GCM) => ContentCipher::Aes256Gcm,
        (Container::Enveloped, oid::AES128_CBC) => ContentCipher::Aes128Cbc,
        (Container::Enveloped, oid::AES192_CBC) => ContentCipher::Aes192Cbc,
        (Container::Enveloped, oid::AES256_CBC) => ContentCipher::Aes256Cbc,
        (_, other) => return Err(Refusal::not_accepted("content encryption", other)),
    };
    let parameters = algorithm
        .parameters
        .ok_or(Refusal::Malformed("content encryption parameters"))?;
    if !cipher.is_authenticated() {
        let iv = Reader::new(parameters.raw, 1).expect(OCTET_STRING)?.content;
        if iv.len() != 16 {
            return Err(Refusal::Malformed(
                "the initialization vector is not of 16 octets",
            ));
        }
        return Ok((cipher, iv.to_vec(), 0));
    }
    let mut inner = parameters.children()?;
    let nonce = inner.expect(OCTET_STRING)?.content;
    let icv_octets = match inner.peek() {
        Some(INTEGER) => inner.small_integer()?,
        // RFC 5084 §3.2: DEFAULT 12.
        _ => 12,
    };
    inner.finish()?;
    if nonce.len() != 12 {
        return Err(Refusal::not_accepted(
            "content encryption",
            "AES-GCM nonce not of 12 octets",
        ));
    }
    if !(12..=16).contains(&icv_octets) {
        return Err(Refusal::not_accepted(
            "content encryption",
            "AES-GCM tag not of 12 to 16 octets",
        ));
    }
    Ok((cipher, nonce.to_vec(), usize::from(icv_octets)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ber::{Node, integer, octet_string, oid as oid_node, sequence};

    const KEY: [u8; 32] = [7; 32];
    const NONCE: [u8; 12] = [9; 12];

    fn gcm(plain: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let sealing = LessSafeKey::new(UnboundKey::new(&aead::AES_256_GCM, &KEY).unwrap());
        let mut octets = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(NONCE);
        let tag = sealing
            .seal_in_place_separate_tag(nonce, Aad::from(b"aad"), &mut octets)
            .unwrap();
        (octets, tag.as_ref().to_vec())
    }

    fn envelope(ciphertext: Vec<u8>, mac: Vec<u8>) -> Envelope<'static> {
        Envelope {
            recipients: Vec::new(),
            cipher: ContentCipher::Aes256Gcm,
            iv: NONCE.to_vec(),
            ciphertext: Cow::Owned(ciphertext),
            aad: b"aad".to_vec(),
            mac,
        }
    }

    #[test]
    fn tags_of_12_to_16_octets_are_checked_in_full() {
        for plain in [&b""[..], b"a secret of more than one block"] {
            let (ciphertext, tag) = gcm(plain);
            for length in 12..=16 {
                let right = envelope(ciphertext.clone(), tag[..length].to_vec());
                assert_eq!(right.decrypt(&KEY).as_deref(), Some(plain));
                for position in 0..length {
                    let mut wrong = tag[..length].to_vec();
                    wrong[position] ^= 1;
                    assert_eq!(envelope(ciphertext.clone(), wrong).decrypt(&KEY), None);
                }
            }
        }
    }

    fn parameters(nonce: usize, icv: Option<u8>) -> Result<usize, Refusal> {
        let mut fields = vec![octet_string(vec![0; nonce])];
        fields.extend(icv.map(integer));
        let algorithm = sequence(vec![oid_node(&oid::AES256_GCM), sequence(fields)]).encode();
        let algorithm = Algorithm::read(Element::only(&algorithm, 8)?)?;
        read_cipher(Container::AuthEnveloped, &algorithm).map(|(_, _, icv)| icv)
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
        let with = |container, cipher, iv: usize| {
            let parameters = if iv == 12 {
                sequence(vec![octet_string(vec![0; iv]), integer(16)])
            } else {
                octet_string(vec![0; iv])
            };
            let octets = sequence(vec![oid_node(&cipher), parameters]).encode();
            let algorithm = Algorithm::read(Element::only(&octets, 8)?)?;
            read_cipher(container, &algorithm).map(|(cipher, ..)| cipher)
        };
        let refused = |answer| matches!(answer, Err(Refusal::NotAccepted { .. }));
        assert!(refused(with(Container::AuthEnveloped, oid::AES256_CBC, 16)));
        assert!(refused(with(Container::Enveloped, oid::AES256_GCM, 12)));
        let triple_des = const_oid::ObjectIdentifier::new_unwrap("1.2.840.113549.3.7");
        assert!(refused(with(Container::Enveloped, triple_des, 8)));
        assert_eq!(
            with(Container::Enveloped, oid::AES128_CBC, 16),
            Ok(ContentCipher::Aes128Cbc)
        );
    }

    #[test]
    fn the_mac_must_have_the_announced_length() {
        let (ciphertext, tag) = gcm(b"x");
        let object = |mac: &[u8]| {
            let parameters = sequence(vec![octet_string(&NONCE[..]), integer(16)]);
            sequence(vec![
                integer(0),
                Node::Constructed(SET, Vec::new()),
                sequence(vec![
                    oid_node(&oid::DATA),
                    sequence(vec![oid_node(&oid::AES256_GCM), parameters]),
                    Node::Primitive(context(0), ciphertext.clone().into()),
                ]),
                octet_string(mac.to_vec()),
            ])
            .encode()
        };
        let read = |octets: &[u8]| {
            let element = Element::only(octets, 8)?;
            Envelope::read(Container::AuthEnveloped, &element, &Limits::default()).map(|_| ())
        };
        assert_eq!(read(&object(&tag)), Ok(()));
        for length in [0, 12, 15] {
            assert!(read(&object(&tag[..length])).is_err(), "{length}");
        }
        assert!(read(&object(&[&tag[..], &[0]].concat())).is_err());
    }
}
