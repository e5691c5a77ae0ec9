//! A notice decided, and the notice as each recipient gets it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::circle::{Role, Target};
use super::episode::{Episode, Issued, MovementKey, Person};
use super::kind::{ExpectedReply, Kind, Urgency};
use super::number::NoticeNumber;
use super::recipients::Recipient;
use super::statement::Statement;
use super::text::{self, Hospital};

/// A notice that has no number yet. Serialises, so that one held for a human can be kept, sealed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// Which kind.
    pub kind: Kind,
    /// About whom.
    pub person: Person,
    /// What it states; for a cancellation, what was stated and no longer holds.
    pub statement: Statement,
    /// The notice that it cancels or replaces.
    pub earlier: Option<Earlier>,
    /// Who gets it.
    pub recipients: Vec<Recipient>,
    /// Who should get it and is not known.
    pub missing: Vec<Role>,
    /// The movement that it comes from.
    pub movement: Vec<MovementKey>,
    /// What the ward should do.
    pub ward_task: Option<WardTask>,
}

/// A notice that is cancelled or replaced.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    /// Its number.
    pub number: NoticeNumber,
    /// Its version.
    pub version: u32,
    /// What it stated.
    pub statement: Statement,
}

/// What the ward should do beside the notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WardTask {
    /// « Sortie à risque »: planned for an evening, a weekend or a public holiday, and can still
    /// be moved.
    RiskyDischarge,
    /// Telephone at once: somebody left without authorisation.
    CallAtOnce,
}

/// A notice for one recipient.
#[derive(Clone, PartialEq)]
pub struct Notice {
    /// Number, the same for all recipients.
    pub number: NoticeNumber,
    /// Version, from 1.
    pub version: u32,
    /// Which kind.
    pub kind: Kind,
    /// How fast this recipient has to act.
    pub urgency: Urgency,
    /// What the recipient is to the patient.
    pub role: Role,
    /// Where the recipient is found.
    pub target: Target,
    /// Subject inside the sealed message; it names the patient. The outer one must not.
    pub subject: String,
    /// Body, plain text in French, lines ended by LF.
    pub text: String,
    /// The word that closes the loop.
    pub expected_reply: ExpectedReply,
    /// The notice (number, version) that this one follows in its thread, for `In-Reply-To`.
    pub follows: Option<(NoticeNumber, u32)>,
}

impl Planned {
    /// Number and version: the fresh number and 1, or those of the next version of the notice
    /// that is replaced. A cancellation is a notice of its own.
    pub fn identity(&self, fresh: NoticeNumber) -> (NoticeNumber, u32) {
        match (&self.earlier, self.kind) {
            (Some(earlier), kind) if !matches!(kind, Kind::Cancellation { .. }) => {
                (earlier.number, earlier.version.saturating_add(1))
            }
            _ => (fresh, 1),
        }
    }

    /// Whether [`Planned::identity`] uses the fresh number.
    pub fn needs_number(&self) -> bool {
        self.earlier.is_none() || matches!(self.kind, Kind::Cancellation { .. })
    }

    /// The notice for each recipient. `fresh` is the next number of the site's day.
    pub fn issue(&self, fresh: NoticeNumber, hospital: &Hospital) -> Vec<Notice> {
        let (number, version) = self.identity(fresh);
        let follows = self
            .earlier
            .as_ref()
            .map(|earlier| (earlier.number, earlier.version));
        let address = |recipient: &Recipient| {
            let page = text::Page {
                planned: self,
                recipient,
                number,
                version,
                hospital,
            };
            Notice {
                number,
                version,
                kind: self.kind,
                urgency: recipient.urgency,
                role: recipient.role,
                target: recipient.target.clone(),
                subject: page.subject(),
                text: page.body(),
                expected_reply: self.expected_reply(recipient.role),
                follows,
            }
        };
        self.recipients.iter().map(address).collect()
    }

    /// Whether it may still be sent: ask before releasing one that was held. The stay, its
    /// movement and its patient must be what they were.
    pub fn still_holds(&self, episode: &Episode) -> bool {
        if let Kind::Cancellation { of } = self.kind {
            return episode.live_notices().any(|issued| issued.number == of);
        }
        let is_cancelled = episode
            .movement(&self.movement)
            .is_some_and(|record| record.is_cancelled);
        !is_cancelled
            && !episode.is_admission_cancelled()
            && !episode.has_identity_conflict
            && episode.person.ipp == self.person.ipp
    }

    /// The word that a recipient is asked to answer with.
    pub fn expected_reply(&self, role: Role) -> ExpectedReply {
        match (self.kind, role) {
            (Kind::ReturnToNursingHome, Role::NursingHome) => ExpectedReply::Arrival,
            (Kind::Death, _) => ExpectedReply::Nothing,
            _ => ExpectedReply::TakenCharge,
        }
    }
}

impl Earlier {
    /// The earlier notice as it was given.
    pub fn of(issued: &Issued) -> Earlier {
        Earlier {
            number: issued.number,
            version: issued.version,
            statement: issued.statement.clone(),
        }
    }
}

impl fmt::Debug for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Planned({:?} to {} recipients)",
            self.kind,
            self.recipients.len()
        )
    }
}

impl fmt::Debug for Earlier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Earlier({} version {})", self.number, self.version)
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Notice({} version {} {:?} to {:?})",
            self.number, self.version, self.kind, self.role
        )
    }
}
