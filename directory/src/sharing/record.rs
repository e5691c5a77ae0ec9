//! What an entry of a log says.
//!
//! The log holds commitments, `1 ‖ SHA-256(salt ‖ record)`: a record that names a person can be
//! erased without breaking a proof. Records travel beside them, as JSON:
//!
//! ```json
//! {"at": 1795000000000, "subject": "o\u001f000000018", "facts": [["Name", "EHPAD ESSAI"]]}
//! {"at": 1795000000000, "erase": 12}
//! {"at": 1795000000000, "key": "ehpad.test/annuaire+c74f20a3+ARpc…"}
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_base::clock::{from_millis, millis};
use liaison_base::tlog::merkle::Hash;
use liaison_base::tlog::note::VerifierKey;
use ring::digest::{Context, SHA256};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::model::{Field, Period, Subject};

/// The longest record, in octets: a certificate of 16 KiB in base64 and what is said of it.
pub const MAX_RECORD: usize = 32 * 1024;
/// The most facts of one record.
const MAX_FACTS: usize = 200;
/// Octets of a salt.
pub(super) const SALT: usize = 16;
/// Octets of an entry.
pub(super) const ENTRY: usize = 33;
/// The form of entries.
const VERSION: u8 = 1;

/// What one entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// When its owner wrote it, to the millisecond. Never decides anything against another clock.
    pub at: OffsetDateTime,
    /// What it says.
    pub content: Content,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Something about a subject. An empty value takes back what the log said of that field.
    Said(Statement),
    /// The record of that entry is erased.
    Erased(u64),
    /// From the next entry on this key signs, and the present one no longer does.
    NextKey(VerifierKey),
}

/// What is said of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Of what.
    pub subject: Subject,
    /// When it holds.
    pub period: Period,
    /// What.
    pub facts: Vec<(Field, String)>,
    /// For a certificate: that the mailbox's key before vouches for it.
    pub endorsement: Option<Endorsement>,
}

impl Statement {
    /// The value that is given to a field, the empty one included.
    #[must_use]
    pub fn value(&self, field: Field) -> Option<&str> {
        self.facts
            .iter()
            .find(|(one, _)| *one == field)
            .map(|(_, value)| value.as_str())
    }
}

/// The word of a mailbox's earlier key for its next certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endorsement {
    /// The SHA-256 of the earlier certificate, in lower-case hexadecimal.
    pub by: String,
    /// The signature by its key over [`Endorsement::message`].
    pub signature: Vec<u8>,
}

impl Endorsement {
    /// What the earlier key signs, the certificates by their SHA-256 in lower-case hexadecimal.
    #[must_use]
    pub fn message(earlier: &str, next: &str) -> String {
        format!("liaison certificate succession v1\n{earlier}\n{next}\n")
    }

    /// Signs with the key of the earlier certificate (PKCS#8: RSA, P-256 or P-384); `None` when it
    /// is no such key.
    #[must_use]
    pub fn sign(pkcs8: &[u8], earlier: &str, next: &str) -> Option<Self> {
        let message = Self::message(earlier, next);
        let random = SystemRandom::new();
        let elliptic = [
            &ECDSA_P256_SHA256_ASN1_SIGNING,
            &ECDSA_P384_SHA384_ASN1_SIGNING,
        ];
        let pair = elliptic
            .into_iter()
            .find_map(|algorithm| EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &random).ok());
        let signature = if let Some(pair) = pair {
            pair.sign(&random, message.as_bytes())
                .ok()?
                .as_ref()
                .to_vec()
        } else {
            let pair = RsaKeyPair::from_pkcs8(pkcs8).ok()?;
            let mut signature = vec![0; pair.public().modulus_len()];
            pair.sign(
                &RSA_PKCS1_SHA256,
                &random,
                message.as_bytes(),
                &mut signature,
            )
            .ok()?;
            signature
        };
        Some(Self {
            by: earlier.to_owned(),
            signature,
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    facts: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endorsed_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endorsement: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    erase: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl Record {
    /// Its octets.
    #[must_use]
    pub fn written(&self) -> Vec<u8> {
        let mut wire = Wire {
            at: millis(self.at),
            subject: None,
            from: None,
            until: None,
            facts: Vec::new(),
            endorsed_by: None,
            endorsement: None,
            erase: None,
            key: None,
        };
        match &self.content {
            Content::Said(said) => {
                wire.subject = Some(said.subject.key().to_owned());
                wire.from = said.period.from.map(millis);
                wire.until = said.period.until.map(millis);
                wire.facts = said
                    .facts
                    .iter()
                    .map(|(field, value)| (field.name().to_owned(), value.clone()))
                    .collect();
                if let Some(endorsement) = &said.endorsement {
                    wire.endorsed_by = Some(endorsement.by.clone());
                    wire.endorsement = Some(STANDARD.encode(&endorsement.signature));
                }
            }
            Content::Erased(index) => wire.erase = Some(*index),
            Content::NextKey(key) => wire.key = Some(key.to_string()),
        }
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads a record; `None` when it is none. A fact of a later version is passed over.
    #[must_use]
    pub fn read(octets: &[u8]) -> Option<Self> {
        if octets.len() > MAX_RECORD {
            return None;
        }
        let wire: Wire = serde_json::from_slice(octets).ok()?;
        let in_range = |millis: i64| (0..=253_402_300_799_999).contains(&millis);
        let instants = [Some(wire.at), wire.from, wire.until];
        if !instants.into_iter().flatten().all(in_range) || wire.facts.len() > MAX_FACTS {
            return None;
        }
        let content = match (wire.subject, wire.erase, wire.key) {
            (Some(subject), None, None) => Content::Said(Statement {
                subject: Subject::parse(&subject)?,
                period: Period {
                    from: wire.from.map(from_millis),
                    until: wire.until.map(from_millis),
                },
                facts: wire
                    .facts
                    .into_iter()
                    .filter_map(|(name, value)| Some((Field::named(&name)?, value)))
                    .collect(),
                endorsement: match (wire.endorsed_by, wire.endorsement) {
                    (Some(by), Some(signature)) => Some(Endorsement {
                        by,
                        signature: STANDARD.decode(signature).ok()?,
                    }),
                    (None, None) => None,
                    _ => return None,
                },
            }),
            (None, Some(index), None) => Content::Erased(index),
            (None, None, Some(key)) => Content::NextKey(key.parse().ok()?),
            _ => return None,
        };
        Some(Self {
            at: from_millis(wire.at),
            content,
        })
    }
}

/// A record with its salt, as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Chosen by chance, so that a commitment cannot be tried out.
    pub salt: [u8; SALT],
    /// The record's octets.
    pub record: Vec<u8>,
}

impl Sealed {
    /// `salt ‖ record`; `None` when it is too short or too long.
    #[must_use]
    pub fn read(octets: &[u8]) -> Option<Self> {
        let (salt, record) = octets.split_first_chunk::<SALT>()?;
        (record.len() <= MAX_RECORD).then(|| Self {
            salt: *salt,
            record: record.to_vec(),
        })
    }

    /// `salt ‖ record`.
    #[must_use]
    pub fn written(&self) -> Vec<u8> {
        let mut octets = self.salt.to_vec();
        octets.extend_from_slice(&self.record);
        octets
    }

    /// The log's entry.
    #[must_use]
    pub fn entry(&self) -> Entry {
        let mut context = Context::new(&SHA256);
        context.update(&self.salt);
        context.update(&self.record);
        let mut octets = [0; ENTRY];
        let (version, commitment) = octets.split_at_mut(1);
        version.fill(VERSION);
        commitment.copy_from_slice(context.finish().as_ref());
        Entry(octets)
    }
}

/// An entry of the log: a commitment to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry([u8; ENTRY]);

impl Entry {
    /// Reads an entry; `None` when it is none of this version.
    #[must_use]
    pub fn read(octets: &[u8]) -> Option<Self> {
        let entry = Self(octets.try_into().ok()?);
        (entry.0.first() == Some(&VERSION)).then_some(entry)
    }

    /// Its octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its hash in the tree.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        Hash::leaf(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    fn record(content: Content) -> Record {
        Record {
            at: datetime!(2026-11-22 12:00 UTC),
            content,
        }
    }

    #[test]
    fn records_are_read_back() {
        let subject = Subject::organisation_of("siret", "1");
        let said = Statement {
            subject,
            period: Period::ALWAYS,
            facts: vec![(Field::Name, "É".to_owned()), (Field::Phone, String::new())],
            endorsement: Some(Endorsement {
                by: "ab".to_owned(),
                signature: vec![1, 2],
            }),
        };
        let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        for content in [
            Content::Said(said),
            Content::Erased(7),
            Content::NextKey(key.parse().unwrap()),
        ] {
            let record = record(content);
            assert_eq!(Record::read(&record.written()), Some(record));
        }
    }

    #[test]
    fn what_is_no_record_or_two_at_once_is_refused() {
        for bad in [
            "",
            "{}",
            r#"{"at":1}"#,
            r#"{"at":1,"erase":1,"subject":"o\u001f1"}"#,
            r#"{"at":-1,"erase":1}"#,
            r#"{"at":1,"erase":-1}"#,
            r#"{"at":1,"key":"a+b+c"}"#,
            r#"{"at":1,"subject":"q\u001f1"}"#,
            r#"{"at":1,"subject":"o\u001f1","endorsed_by":"ab"}"#,
            r#"{"at":1,"erase":1,"patient":"x"}"#,
            r#"{"at":999999999999999,"erase":1}"#,
        ] {
            assert_eq!(Record::read(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Record::read(&vec![b' '; MAX_RECORD + 1]), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_harm(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Record::read(&octets);
            let _ = Sealed::read(&octets);
            let _ = Entry::read(&octets);
        }

        #[test]
        fn another_salt_or_record_is_another_entry(
            salt in any::<[u8; SALT]>(),
            record in prop::collection::vec(any::<u8>(), 1..50),
            at in 0_usize..66,
        ) {
            let sealed = Sealed { salt, record };
            let mut octets = sealed.written();
            let at = at % octets.len();
            octets[at] ^= 1;
            let other = Sealed::read(&octets).unwrap();
            prop_assert_ne!(other.entry(), sealed.entry());
        }
    }
}
