//! One verdict for each wanted recipient: the directory is asked, and never second-guessed.

use liaison_directory_client::{Client, Finding, Lookup as _, Query};
use liaison_mail::Address;
use liaison_smime::HoldReason;
use thiserror::Error;
use time::OffsetDateTime;

use super::Wanted;
use crate::partners::Way;

/// What the directory's answer means for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// One mailbox with at least one usable certificate.
    Ready(Ready),
    /// It does not leave, for this reason.
    Stopped(Impediment),
    /// The directory could not be asked: try again. The text is for the log.
    Later(String),
}

/// Why a message does not leave for a recipient. Its `Display` is for operators; clinicians read
/// the French of `templates/mail/not_sent.txt`. Names no patient.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Impediment {
    /// Several mailboxes fit: a person must choose, nothing is guessed.
    #[error("several mailboxes fit, choose one: {}", .0.join(", "))]
    Ambiguous(Vec<String>),
    /// Nobody of that address or number is in the directory.
    #[error("not in the directory")]
    NotListed,
    /// In the directory, without a mailbox.
    #[error("{0} is in the directory without a mailbox")]
    NoMailbox(String),
    /// In the directory, without a certificate that may be used.
    #[error("{0} has no usable encryption certificate in the directory")]
    NoCertificate(Address),
    /// None of its certificates comes from an authority that this site trusts.
    #[error("no certificate of {0} in the directory comes from an authority trusted here")]
    Untrusted(Address),
    /// Its key is another one than was known, without its renewal being due: a person has to ask
    /// it by another way than mail, and `liaison partner confirm` the key.
    #[error("the key of {0} changed: {1}; ask it, then `liaison partner confirm`")]
    KeyChanged(Address, HoldReason),
    /// The directory or the relay refused, in its own words.
    #[error("{0}")]
    Refused(String),
}

impl Impediment {
    /// Whether a person can decide that it leaves after all: the draft waits until then.
    #[must_use]
    pub fn waits_for_a_person(&self) -> bool {
        matches!(self, Self::Ambiguous(_) | Self::KeyChanged(..))
    }
}

/// A recipient that can be written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Its mailbox.
    pub address: Address,
    /// Its usable encryption certificates, DER, the latest to expire first. All are used, so that
    /// a renewal never makes a message unreadable.
    pub certificates: Vec<Vec<u8>>,
    /// How its messages are made.
    pub way: Way,
}

/// Asks the directory for one recipient.
pub async fn resolve(directory: &Client, wanted: &Wanted, now: OffsetDateTime) -> Resolved {
    resolve_query(directory, &wanted.query, now).await
}

/// As [`resolve`], for a question without a label.
pub async fn resolve_query(directory: &Client, query: &Query, now: OffsetDateTime) -> Resolved {
    let resolution = match directory.resolve(query).await {
        Ok(resolution) => resolution,
        Err(error) if error.is_retryable() => return Resolved::Later(error.to_string()),
        Err(error) => return Resolved::Stopped(Impediment::Refused(error.to_string())),
    };
    let entry = match resolution.finding {
        Finding::Found(entry) => entry,
        Finding::Ambiguous(candidates) => {
            return Resolved::Stopped(Impediment::Ambiguous(
                candidates
                    .iter()
                    .map(|entry| entry.mailbox.address.to_string())
                    .collect(),
            ));
        }
        Finding::NoMailbox { name, .. } => {
            return Resolved::Stopped(Impediment::NoMailbox(name));
        }
        Finding::Unknown => return Resolved::Stopped(Impediment::NotListed),
    };
    let certificates: Vec<_> = entry
        .usable_certificates(now)
        .into_iter()
        .map(|certificate| certificate.der.clone())
        .collect();
    if certificates.is_empty() {
        return Resolved::Stopped(Impediment::NoCertificate(entry.mailbox.address));
    }
    Resolved::Ready(Ready {
        address: entry.mailbox.address,
        certificates,
        way: Way::default(),
    })
}
