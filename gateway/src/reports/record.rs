//! The sealed part of an entry: salt, author and mail, under a key of its own.

use liaison_mail::{Address, EnvelopeId};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::entry::{SALT_LEN, commitment};
use crate::GatewayError;
use crate::keys::{KeyError, fill_random};
use liaison_base::tlog::merkle::Hash;

/// Octets of a record's key.
const KEY_LEN: usize = 32;
/// First octet of a sealed record: AES-256-GCM, no nonce, tag at the end.
const FORM: u8 = 1;

/// What was reported, opened. Its Debug output shows nothing of it.
pub struct Record {
    /// The verified author of a report; `None` when nothing proved who wrote it, and for an
    /// erasure.
    pub author: Option<Address>,
    /// The mail as it was opened, attachments and all; for an erasure, its reason.
    pub content: Vec<u8>,
    /// The octets that the entry's commitment covers, for who must check it.
    pub committed: Vec<u8>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").finish_non_exhaustive()
    }
}

/// The line before the content.
#[derive(Serialize, Deserialize)]
struct Head {
    author: Option<Address>,
    envelope: Option<EnvelopeId>,
}

/// A record sealed, with the key that must be kept elsewhere.
#[derive(Clone)]
pub(super) struct Sealed {
    pub(super) commitment: Hash,
    pub(super) octets: Vec<u8>,
    pub(super) key: Zeroizing<[u8; KEY_LEN]>,
}

/// Salts, commits to and seals a record under a fresh key.
pub(super) fn seal(
    author: Option<Address>,
    envelope: Option<&EnvelopeId>,
    content: &[u8],
) -> Result<Sealed, GatewayError> {
    let head = Head {
        author,
        envelope: envelope.cloned(),
    };
    let head = serde_json::to_vec(&head).map_err(|_| GatewayError::Stored("head of a report"))?;
    let mut salt = [0; SALT_LEN];
    fill_random(&mut salt)?;
    let mut record = Zeroizing::new(Vec::with_capacity(
        SALT_LEN + head.len() + 1 + content.len(),
    ));
    record.extend_from_slice(&salt);
    record.extend_from_slice(&head);
    record.push(b'\n');
    record.extend_from_slice(content);

    let mut key = Zeroizing::new([0; KEY_LEN]);
    fill_random(key.as_mut_slice())?;
    let mut octets = Vec::with_capacity(1 + record.len() + AES_256_GCM.tag_len());
    octets.push(FORM);
    octets.extend_from_slice(&record);
    let tag = cipher(key.as_slice())?
        .seal_in_place_separate_tag(nonce(), Aad::empty(), &mut octets[1..])
        // AES-GCM refuses only plain texts beyond 64 GiB.
        .map_err(|_| KeyError::Damaged)?;
    octets.extend_from_slice(tag.as_ref());
    Ok(Sealed {
        commitment: commitment(&record),
        octets,
        key,
    })
}

/// Opens what [`seal`] sealed, if it is what the entry committed to.
pub(super) fn open(expected: Hash, octets: &[u8], key: &[u8]) -> Result<Record, GatewayError> {
    let Some((&FORM, sealed)) = octets.split_first() else {
        return Err(KeyError::Damaged.into());
    };
    let mut committed = sealed.to_vec();
    let length = cipher(key)?
        .open_in_place(nonce(), Aad::empty(), &mut committed)
        .map_err(|_| KeyError::Damaged)?
        .len();
    committed.truncate(length);
    if commitment(&committed) != expected {
        return Err(KeyError::Damaged.into());
    }
    let rest = committed.get(SALT_LEN..).ok_or(KeyError::Damaged)?;
    let end = rest
        .iter()
        .position(|octet| *octet == b'\n')
        .ok_or(KeyError::Damaged)?;
    let head: Head = serde_json::from_slice(&rest[..end])
        .map_err(|_| GatewayError::Stored("head of a report"))?;
    Ok(Record {
        author: head.author,
        content: rest[end + 1..].to_vec(),
        committed,
    })
}

fn cipher(key: &[u8]) -> Result<LessSafeKey, KeyError> {
    UnboundKey::new(&AES_256_GCM, key)
        .map(LessSafeKey::new)
        .map_err(|_| KeyError::Damaged)
}

/// A key seals one record and nothing else, so its one nonce may be fixed (NIST SP 800-38D §8.2).
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_opens_with_its_key_and_its_commitment_only() {
        let author = Address::parse("ide@ehpad.test").unwrap();
        let envelope = EnvelopeId::parse("e1").unwrap();
        let sealed = seal(
            Some(author.clone()),
            Some(&envelope),
            b"content\nof two lines",
        )
        .unwrap();
        let other = seal(None, None, b"").unwrap();
        let opened = open(sealed.commitment, &sealed.octets, &*sealed.key).unwrap();
        assert_eq!(opened.author, Some(author));
        assert_eq!(opened.content, b"content\nof two lines");
        assert_eq!(commitment(&opened.committed), sealed.commitment);
        assert!(open(sealed.commitment, &sealed.octets, &*other.key).is_err());
        assert!(open(other.commitment, &sealed.octets, &*sealed.key).is_err());
        assert!(open(sealed.commitment, &[], &*sealed.key).is_err());
        for at in 0..sealed.octets.len() {
            let mut changed = sealed.octets.clone();
            changed[at] ^= 1;
            assert!(
                open(sealed.commitment, &changed, &*sealed.key).is_err(),
                "octet {at}"
            );
        }
    }

    #[test]
    fn equal_reports_have_unequal_commitments() {
        let (one, two) = (
            seal(None, None, b"same").unwrap(),
            seal(None, None, b"same").unwrap(),
        );
        assert_ne!(one.commitment, two.commitment);
    }
}
