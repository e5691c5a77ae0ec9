//! What the world sees of me: replicas compared with what the own log published.
//!
//! Whoever steals the log's key, or puts something else in a replica's lists, shows the world what
//! the owner never said. Here the owner sees it within one poll.

use std::collections::{BTreeMap, BTreeSet};

use liaison_base::tlog::note::{Checkpoint, VerifierKey};
use liaison_directory_client::{Finding, Resolution};
use liaison_mail::{Address, Domain};
use serde::{Deserialize, Serialize};

use super::facts::Facts;
use super::verdict::LogVerdict;
use crate::model::{Field, Kind, Subject};
use liaison_base::tlog::merkle::Tree;

/// What a replica says of a log that it follows: `GET /sharing/seen/ORIGIN`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenOf {
    /// The log.
    pub origin: String,
    /// The checkpoint that it took last, signed.
    pub note: String,
    /// What became of its last poll.
    pub verdict: String,
    /// The certificates, by SHA-256, that it holds back.
    #[serde(default)]
    pub held: Vec<String>,
}

/// Something that the owner must look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// What it is.
    pub verdict: LogVerdict,
    /// In words.
    pub detail: String,
}

/// What the own log publishes, for comparison.
#[derive(Debug, Clone, Default)]
pub struct Published {
    /// The mailboxes with all certificates that are published for them, by address in lower case.
    pub mailboxes: BTreeMap<String, BTreeSet<String>>,
    /// The certificates that are revoked.
    pub revoked: BTreeSet<String>,
    /// The FINESS numbers of the organisations with a mailbox of their own.
    pub finess: BTreeSet<String>,
}

impl Published {
    /// From what the log says.
    #[must_use]
    pub fn of(said: &BTreeMap<Subject, Facts>) -> Self {
        let mut published = Self::default();
        for (subject, facts) in said {
            let component = subject.component().to_owned();
            let parent = subject.parent();
            let owner = parent.as_ref().map(|parent| parent.component().to_owned());
            match subject.kind() {
                Kind::Mailbox => {
                    published.mailboxes.entry(component).or_default();
                    if let Some(parent) = parent
                        && parent.kind() == Kind::Organisation
                        && !parent.component().contains(':')
                    {
                        published.finess.insert(parent.component().to_owned());
                    }
                }
                Kind::Certificate => {
                    if facts.values.contains_key(&Field::RevokedAt) {
                        published.revoked.insert(component.clone());
                    }
                    let mailbox = owner.unwrap_or_default();
                    published
                        .mailboxes
                        .entry(mailbox)
                        .or_default()
                        .insert(component);
                }
                _ => {}
            }
        }
        published
    }
}

/// Compares the checkpoint that a replica took with the own tree. `keys` are all that ever signed
/// for the own log: a checkpoint that none of them signed is nobody's and the replica's error.
#[must_use]
pub fn compare_checkpoint(
    shown: &SeenOf,
    (own, origin): (&Tree, &str),
    keys: &[VerifierKey],
) -> Option<Deviation> {
    if shown.note.is_empty() {
        return None;
    }
    let foreign = |detail: String| {
        Some(Deviation {
            verdict: LogVerdict::ForeignCheckpoint,
            detail,
        })
    };
    let Some(checkpoint) = keys
        .iter()
        .find_map(|key| Checkpoint::open(&shown.note, key).ok())
        .filter(|checkpoint| checkpoint.origin.as_str() == origin)
    else {
        return foreign("a replica took a checkpoint that no key of this log signed".to_owned());
    };
    if own.root_at(checkpoint.size) != Some(checkpoint.root) {
        return foreign(format!(
            "a key of this log signed {} entries with the root {}, which it never published: it is \
             stolen, or the log was put back from an old copy",
            checkpoint.size, checkpoint.root
        ));
    }
    None
}

/// Compares what a replica answers about an own address with what is published.
#[must_use]
pub fn compare_mailbox(
    address: &Address,
    answer: &Resolution,
    published: &Published,
) -> Vec<Deviation> {
    let key = address.key();
    let nothing = BTreeSet::new();
    let own = published.mailboxes.get(&key).unwrap_or(&nothing);
    let Finding::Found(entry) = &answer.finding else {
        return vec![Deviation {
            verdict: LogVerdict::NotShown,
            detail: format!("a replica does not show {key}"),
        }];
    };
    entry
        .certificates
        .iter()
        .filter(|certificate| !own.contains(&certificate.sha256))
        .map(|certificate| Deviation {
            verdict: LogVerdict::ForeignCertificate,
            detail: format!(
                "a replica shows the certificate {} for {key}, which this log never published",
                certificate.sha256
            ),
        })
        .collect()
}

/// Compares the mailboxes that a replica names for an own organisation with its domains.
#[must_use]
pub fn compare_organisation(
    finess: &str,
    answer: &Resolution,
    domains: &[Domain],
) -> Vec<Deviation> {
    let entries: Vec<_> = match &answer.finding {
        Finding::Found(entry) => vec![entry.as_ref()],
        Finding::Ambiguous(entries) => entries.iter().collect(),
        Finding::NoMailbox { .. } | Finding::Unknown => Vec::new(),
    };
    entries
        .into_iter()
        .filter(|entry| !domains.contains(entry.mailbox.address.domain()))
        .map(|entry| Deviation {
            verdict: LogVerdict::ForeignMailbox,
            detail: format!(
                "a replica names {} for the FINESS number {finess}, which is in no domain of this \
                 organisation",
                entry.mailbox.address.key()
            ),
        })
        .collect()
}
