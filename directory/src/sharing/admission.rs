//! What becomes of the records of a log, one after another. Pure.
//!
//! A mailbox's first certificates, those that are seen together when nobody knows one yet, are
//! believed at once. Every later one waits for the hold, unless
//! the key before it vouches for it ([`super::record::Endorsement`]) or somebody confirmed it by
//! another way; meanwhile the certificate before goes on being used, and when that one was
//! revoked nothing is encrypted. Revocations never wait; taking one back does.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use liaison_directory_client::PublishedCertificate;
use liaison_mail::Address;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use time::OffsetDateTime;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

use super::authority::{Delegation, published};
use super::checkpoint::SKEW;
use super::record::{Content, Endorsement, Record, Statement};
use super::verdict::RecordVerdict;
use crate::model::{Field, Kind, Period, Subject};

/// What was decided of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    /// What became of it.
    pub(super) verdict: RecordVerdict,
    /// For a record that is held: until when, and which certificate.
    pub(super) held: Option<(OffsetDateTime, String)>,
}

impl From<RecordVerdict> for Decision {
    fn from(verdict: RecordVerdict) -> Self {
        Self {
            verdict,
            held: None,
        }
    }
}

/// What is known of the certificates that other sources publish for an address.
pub(super) type Elsewhere<'a> = &'a dyn Fn(&Address) -> Vec<PublishedCertificate>;

/// What the records of one log have said so far.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    delegation: Delegation,
    hold: Duration,
    /// The certificates, by SHA-256, that were confirmed by another way.
    confirmed: HashSet<String>,
    last_at: OffsetDateTime,
    said: HashMap<(Subject, Field), (Period, Vec<String>)>,
    /// The certificates believed for each address, ever, before the records that are decided now;
    /// by SHA-256.
    believed: HashMap<String, HashMap<String, PublishedCertificate>>,
    /// Those among the records that are decided now.
    fresh: HashMap<String, HashMap<String, PublishedCertificate>>,
    revoked: HashSet<Subject>,
}

impl Admission {
    /// Nothing was said yet. A certificate waits for `hold`, unless it is among the `confirmed`.
    #[must_use]
    pub(super) fn new(delegation: Delegation, hold: Duration, confirmed: HashSet<String>) -> Self {
        Self {
            delegation,
            hold,
            confirmed,
            last_at: OffsetDateTime::UNIX_EPOCH,
            said: HashMap::new(),
            believed: HashMap::new(),
            fresh: HashMap::new(),
            revoked: HashSet::new(),
        }
    }

    /// Takes over a record whose verdict is known from before.
    pub(super) fn recall(&mut self, record: &Record, verdict: RecordVerdict) {
        if !matches!(verdict, RecordVerdict::Backdated | RecordVerdict::Postdated) {
            self.last_at = self.last_at.max(record.at);
        }
        let Content::Said(said) = &record.content else {
            return;
        };
        match verdict {
            RecordVerdict::Accepted => self.believe(said, false),
            RecordVerdict::Held => self.remember(said),
            _ => {}
        }
    }

    /// Decides about the next record, which this replica first saw at `seen_at`.
    pub(super) fn decide(
        &mut self,
        record: &Record,
        seen_at: OffsetDateTime,
        elsewhere: Elsewhere<'_>,
    ) -> Decision {
        if record.at > seen_at + SKEW {
            return RecordVerdict::Postdated.into();
        }
        if record.at < self.last_at {
            return RecordVerdict::Backdated.into();
        }
        self.last_at = record.at;
        let said = match &record.content {
            Content::Said(said) => said,
            Content::Erased(_) | Content::NextKey(_) => return RecordVerdict::Accepted.into(),
        };
        if let Err(verdict) = self.delegation.judge(said) {
            return verdict.into();
        }
        if self.is_known(said) {
            return RecordVerdict::Duplicate.into();
        }
        if let Some(sha256) = self.must_wait(said, elsewhere) {
            self.remember(said);
            return Decision {
                verdict: RecordVerdict::Held,
                held: Some((seen_at + self.hold, sha256)),
            };
        }
        self.believe(said, true);
        RecordVerdict::Accepted.into()
    }

    /// Whether every fact is what the log says already.
    fn is_known(&self, said: &Statement) -> bool {
        let mut fields: Vec<Field> = said.facts.iter().map(|(field, _)| *field).collect();
        fields.dedup();
        !fields.is_empty()
            && fields.iter().all(|field| {
                self.said.get(&(said.subject.clone(), *field))
                    == Some(&(said.period, values(said, *field)))
            })
    }

    /// The certificate for which a statement must wait.
    fn must_wait(&self, said: &Statement, elsewhere: Elsewhere<'_>) -> Option<String> {
        if said.subject.kind() != Kind::Certificate {
            return None;
        }
        let address = said.subject.parent()?.component().to_owned();
        let sha256 = said.subject.component().to_owned();
        if self.confirmed.contains(&sha256) {
            return None;
        }
        if self.revoked.contains(&said.subject) && said.value(Field::RevokedAt) == Some("") {
            return Some(sha256);
        }
        let address = Address::parse(&address).ok()?;
        let next = published(said, &address).ok().flatten()?;
        let mut known: HashMap<String, PublishedCertificate> = elsewhere(&address)
            .into_iter()
            .map(|one| (one.sha256.clone(), one))
            .collect();
        known.extend(
            self.believed
                .get(&address.key())
                .cloned()
                .unwrap_or_default(),
        );
        let is_first = known.is_empty();
        known.extend(self.fresh.get(&address.key()).cloned().unwrap_or_default());
        let is_endorsed = said.endorsement.as_ref().is_some_and(|endorsement| {
            let revoked = |sha256: &str| {
                self.revoked
                    .iter()
                    .any(|subject| subject.component() == sha256)
            };
            !revoked(&endorsement.by)
                && known
                    .get(&endorsement.by)
                    .is_some_and(|earlier| vouches(earlier, endorsement, &next.sha256))
        });
        (!is_first && !known.contains_key(&next.sha256) && !is_endorsed).then_some(next.sha256)
    }

    fn believe(&mut self, said: &Statement, is_new: bool) {
        self.remember(said);
        let Some(parent) = said.subject.parent() else {
            return;
        };
        if let Ok(address) = Address::parse(parent.component())
            && let Ok(Some(certificate)) = published(said, &address)
        {
            let known = if is_new {
                &mut self.fresh
            } else {
                &mut self.believed
            };
            known
                .entry(address.key())
                .or_default()
                .insert(certificate.sha256.clone(), certificate);
        }
        match said.value(Field::RevokedAt) {
            Some("") => {
                self.revoked.remove(&said.subject);
            }
            Some(_) => {
                self.revoked.insert(said.subject.clone());
            }
            None => {}
        }
    }

    fn remember(&mut self, said: &Statement) {
        for (field, _) in &said.facts {
            self.said.insert(
                (said.subject.clone(), *field),
                (said.period, values(said, *field)),
            );
        }
    }
}

fn values(said: &Statement, field: Field) -> Vec<String> {
    said.facts
        .iter()
        .filter(|(one, _)| *one == field)
        .map(|(_, value)| value.clone())
        .collect()
}

/// Whether the key of `earlier` signed that `next` follows it.
fn vouches(earlier: &PublishedCertificate, endorsement: &Endorsement, next: &str) -> bool {
    let Ok(certificate) = Certificate::from_der(&earlier.der) else {
        return false;
    };
    let spki = certificate.tbs_certificate().subject_public_key_info();
    let Some(bits) = spki.subject_public_key.as_bytes() else {
        return false;
    };
    let parameters = spki
        .algorithm
        .parameters
        .as_ref()
        .and_then(|parameters| parameters.to_der().ok());
    // RFC 5480 §2.1.1, RFC 8017 §A.1, RFC 8410 §3.
    let algorithm: &dyn VerificationAlgorithm = match spki.algorithm.oid.to_string().as_str() {
        "1.2.840.113549.1.1.1" => &RSA_PKCS1_2048_8192_SHA256,
        "1.3.101.112" => &ED25519,
        "1.2.840.10045.2.1" => match parameters.as_deref() {
            Some([6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7]) => &ECDSA_P256_SHA256_ASN1,
            Some([6, 5, 0x2b, 0x81, 4, 0, 0x22]) => &ECDSA_P384_SHA384_ASN1,
            _ => return false,
        },
        _ => return false,
    };
    let message = Endorsement::message(&earlier.sha256, next);
    UnparsedPublicKey::new(algorithm, bits)
        .verify(message.as_bytes(), &endorsement.signature)
        .is_ok()
}
