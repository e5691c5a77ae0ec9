//! A notice decided, and the notice as each recipient gets it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::circle::{Role, Target};
use super::enclosure::Enclosures;
use super::episode::{Episode, Issued};
use super::kind::{ExpectedReply, Kind, Urgency};
use super::movement::MovementKey;
use super::number::NoticeNumber;
use super::pages::PageError;
use super::person::Person;
use super::recipients::Recipient;
use super::rules::Rules;
use super::statement::Statement;
use super::text;
use crate::outbound::Attachment;

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
    /// The number of an unseen notice whose place it takes.
    #[serde(default)]
    pub in_place_of: Option<NoticeNumber>,
    /// For a planned discharge said again: in how many days.
    #[serde(default)]
    pub reminder: Option<u8>,
    /// The message of the hospital's system that it comes from.
    #[serde(default)]
    pub origin: Option<Origin>,
}

/// Which message of which system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// MSH-10.
    pub control_id: String,
    /// MSH-3.1.
    pub application: String,
    /// MSH-4.1.
    pub facility: String,
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
    /// « Sortie non confirmée »: it is tomorrow, and who receives the person has not answered.
    UnconfirmedDischarge,
    /// People were told of a stay that is somebody else's: a breach to be documented.
    PrivacyIncident,
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
    /// What it is called, in French, naming nobody.
    pub title: String,
    /// Where an answer with a document is asked for: hours until the ward is told that it is
    /// missing.
    pub asks_hours: Option<u32>,
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
    /// What goes with it: for machines, and the letter where there is one.
    pub attachments: Vec<Attachment>,
    /// The word that closes the loop.
    pub expected_reply: ExpectedReply,
    /// The notice (number, version) that this one follows in its thread, for `In-Reply-To`.
    pub follows: Option<(NoticeNumber, u32)>,
    /// For a planned discharge said again: in how many days.
    pub reminder: Option<u8>,
}

impl Planned {
    /// Number and version: the fresh number and 1, or those of the next version of the notice
    /// that is replaced. A cancellation is a notice of its own; a reminder is the notice that it
    /// repeats.
    pub fn identity(&self, fresh: NoticeNumber) -> (NoticeNumber, u32) {
        match (&self.earlier, self.kind, self.in_place_of) {
            (Some(earlier), ..) if self.reminder.is_some() => (earlier.number, earlier.version),
            (Some(earlier), kind, _) if !matches!(kind, Kind::Cancellation { .. }) => {
                (earlier.number, earlier.version.saturating_add(1))
            }
            (_, _, Some(number)) => (number, 1),
            _ => (fresh, 1),
        }
    }

    /// Whether [`Planned::identity`] uses the fresh number.
    pub fn needs_number(&self) -> bool {
        let is_cancellation = matches!(self.kind, Kind::Cancellation { .. });
        (self.earlier.is_none() || is_cancellation) && self.in_place_of.is_none()
    }

    /// The notice for each recipient. `fresh` is the next number of the site's day.
    ///
    /// # Errors
    /// [`PageError`] when a site's own template fails on this notice.
    pub fn issue(&self, fresh: NoticeNumber, rules: &Rules) -> Result<Vec<Notice>, PageError> {
        self.issue_with(fresh, rules, &Enclosures::default())
    }

    /// As [`Planned::issue`], with what the hospital has given to enclose.
    ///
    /// # Errors
    /// [`PageError`] when a site's own template fails on this notice.
    pub fn issue_with(
        &self,
        fresh: NoticeNumber,
        rules: &Rules,
        enclosed: &Enclosures,
    ) -> Result<Vec<Notice>, PageError> {
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
                rules,
                enclosed,
            };
            Ok(Notice {
                number,
                version,
                kind: self.kind,
                title: page.name().to_owned(),
                asks_hours: page.asks().map(|asked| asked.1),
                urgency: recipient.urgency,
                role: recipient.role,
                target: recipient.target.clone(),
                subject: page.subject(),
                text: page.body()?,
                attachments: page.attachments(),
                expected_reply: self.expected_reply(recipient.role, rules),
                follows,
                reminder: self.reminder,
            })
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
            && (episode.person.ipp == self.person.ipp || episode.former.contains(&self.person.ipp))
    }

    /// The word that a recipient is asked to answer with.
    pub fn expected_reply(&self, role: Role, rules: &Rules) -> ExpectedReply {
        match (self.kind, role) {
            (Kind::ReturnToNursingHome | Kind::EmergencyEnd, Role::NursingHome) => {
                ExpectedReply::Arrival
            }
            (Kind::Death | Kind::LeaveStart | Kind::LeaveEnd | Kind::Letter, _) => {
                ExpectedReply::Nothing
            }
            (Kind::Message(name), _) if !rules.confirms(&name) => ExpectedReply::Nothing,
            _ => ExpectedReply::TakenCharge,
        }
    }
}

impl WardTask {
    /// Its name in the template of tasks, and in what machines read.
    pub fn name(self) -> &'static str {
        match self {
            WardTask::RiskyDischarge => "risky_discharge",
            WardTask::CallAtOnce => "call_at_once",
            WardTask::UnconfirmedDischarge => "unconfirmed_discharge",
            WardTask::PrivacyIncident => "privacy_incident",
        }
    }

    /// The subject of the ward's message, in French. It names nobody.
    pub fn label(self) -> &'static str {
        match self {
            WardTask::RiskyDischarge => "Sortie à risque : à déplacer ou à confirmer",
            WardTask::CallAtOnce => "Sortie sans autorisation : appeler maintenant",
            WardTask::UnconfirmedDischarge => "Sortie prévue sans confirmation de l'accueil",
            WardTask::PrivacyIncident => "Avis envoyé pour un autre patient : incident à déclarer",
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
