//! What the directory answers.

use std::fmt;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{Entry, EntryKind};

/// An answer with its reasons and the age of its facts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resolution {
    /// Who was found.
    pub finding: Finding,
    /// Why, in the order in which the rules were applied. Never empty.
    pub reasons: Vec<Reason>,
    /// When the facts were last asserted by their source, not when the question was asked.
    #[serde(with = "time::serde::rfc3339")]
    pub as_of: OffsetDateTime,
    /// Who asserted the facts, for people to read: a register or the territory's own list.
    pub source: String,
}

impl Resolution {
    /// The one recipient found, if there is exactly one.
    #[must_use]
    pub fn found(&self) -> Option<&Entry> {
        match &self.finding {
            Finding::Found(entry) => Some(entry),
            _ => None,
        }
    }

    /// Whether one of the reasons has this code.
    #[must_use]
    pub fn has_reason(&self, code: ReasonCode) -> bool {
        self.reasons.iter().any(|reason| reason.code == code)
    }
}

/// Whom a query means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Exactly one recipient with one mailbox.
    Found(Box<Entry>),
    /// More than one mailbox or recipient fits: somebody must choose, the message is held.
    Ambiguous(Vec<Entry>),
    /// The person or organisation is listed, but has no mailbox.
    NoMailbox {
        /// Person, organisation or service.
        kind: EntryKind,
        /// Its name.
        name: String,
    },
    /// The directory lists nobody by that name.
    Unknown,
}

/// One reason for a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// For programs.
    pub code: ReasonCode,
    /// For people: one English sentence.
    pub text: String,
}

impl Reason {
    /// A reason with its sentence.
    #[must_use]
    pub fn new(code: ReasonCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The kinds of reasons. A code that this version does not know is read as [`ReasonCode::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// The address asked for is a listed mailbox.
    ExactAddress,
    /// The address asked for is listed with other capital letters.
    AddressCaseDiffers,
    /// The RPPS number asked for is listed.
    ExactRpps,
    /// The FINESS number asked for is listed.
    ExactFiness,
    /// It is the recipient's only mailbox.
    OnlyMailbox,
    /// The mailbox declares the purpose asked for, and no other mailbox does.
    PurposeMatch,
    /// No mailbox declares the purpose asked for.
    PurposeUnmatched,
    /// The recipient has several mailboxes that fit.
    SeveralMailboxes,
    /// Several recipients have the name asked for.
    SeveralEntries,
    /// The recipient is listed without a mailbox.
    NoMailbox,
    /// Nobody is listed by that name.
    NotListed,
    /// No certificate of the recipient is usable now: nothing can be encrypted for it.
    NoUsableCertificate,
    /// A certificate of the recipient has expired.
    CertificateExpired,
    /// A certificate of the recipient was revoked.
    CertificateRevoked,
    /// A certificate of the recipient is not valid yet.
    CertificateNotYetValid,
    /// The words typed mean exactly this recipient.
    TextMatch,
    /// The words typed were read with a slip, by sound or as beginnings: somebody must confirm.
    TextResembles,
    /// The recipient whom the identifier names is away.
    Absent,
    /// The recipient found takes over from the one who is away.
    Substitute,
    /// The territory names this recipient for patients without a family doctor.
    TerritoryFallback,
    /// The national extract no longer lists the mailbox: it may be closed.
    SuspectedClosed,
    /// The last message to the mailbox came back.
    LastMessageReturned,
    /// The list that the answer rests on is older than it should be.
    StaleSource,
    /// The directory cannot be reached: the answer is an older one from memory; the text tells
    /// its age.
    Stale,
    /// A reason of a later version.
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_reason_of_a_later_version_is_still_read() {
        let reason: Reason =
            serde_json::from_str(r#"{"code":"full_moon","text":"It is night."}"#).unwrap();
        assert_eq!(reason.code, ReasonCode::Other);
    }

    #[test]
    fn an_answer_has_one_form_on_the_wire() {
        let resolution = Resolution {
            finding: Finding::Unknown,
            reasons: vec![Reason::new(ReasonCode::NotListed, "Nobody is listed.")],
            as_of: datetime!(2026-11-22 12:00 UTC),
            source: "Demo".to_owned(),
        };
        let json = concat!(
            r#"{"finding":"unknown","reasons":[{"code":"not_listed","text":"Nobody is listed."}],"#,
            r#""as_of":"2026-11-22T12:00:00Z","source":"Demo"}"#
        );
        assert_eq!(serde_json::to_string(&resolution).unwrap(), json);
        assert_eq!(
            serde_json::from_str::<Resolution>(json).unwrap(),
            resolution
        );
    }
}
