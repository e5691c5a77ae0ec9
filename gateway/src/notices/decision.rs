//! What an event comes to: nothing, notices, a correction, or a person's decision; with its reasons.

use std::fmt;

use super::circle::{Role, Target};
use super::episode::Issued;
use super::kind::Urgency;
use super::number::NoticeNumber;
use super::plan::Planned;

/// What to do about an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Nobody is told, and why.
    NoNotice(Silence),
    /// New notices.
    Notices(Vec<Planned>),
    /// An earlier notice no longer holds.
    Correction {
        /// Notices that nobody saw yet: they must not leave.
        withdrawn: Vec<Withdrawal>,
        /// Cancellations and new versions.
        notices: Vec<Planned>,
    },
    /// A human has to decide.
    Held {
        /// Why.
        reason: HoldReason,
        /// Notices that nobody saw yet: they must not leave, whatever the human decides.
        withdrawn: Vec<Withdrawal>,
        /// Notices that leave whatever the human decides: what the wrong people were told.
        leaving: Vec<Planned>,
        /// What would be sent; empty where even that cannot be said.
        notices: Vec<Planned>,
    },
}

/// A notice that must not leave.
#[derive(Debug, Clone, PartialEq)]
pub struct Withdrawal {
    /// Its number.
    pub number: NoticeNumber,
    /// Who would have got it.
    pub targets: Vec<Target>,
}

/// Why nobody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// The same movement was inserted before.
    Duplicate,
    /// Its cancellation came first.
    CancelledBefore,
    /// What it cancels was never announced.
    NothingToCancel,
    /// ZBE-5: a movement of the past.
    Historic,
    /// Typed in more than two days after the fact.
    TooLate,
    /// A séance, a consultation or an emergency visit.
    NotAStay,
    /// What was announced still holds.
    NothingNew,
    /// No notice for this event.
    NotNotified,
    /// MSH-11 is not P.
    NotProduction,
    /// The event is about a person, not a stay.
    NoVisit,
    /// The discharge was announced before.
    AlreadyDischarged,
    /// The person stays in the hospital's care.
    InternalMove,
    /// The planned date is past.
    InThePast,
    /// The message does not say when.
    NoTime,
    /// A newer version of the movement was received before.
    Superseded,
    /// An emergency visit of somebody whom nobody follows.
    NotFollowed,
    /// Nobody is concerned by it.
    NobodyConcerned,
    /// The site's rules say nothing about this unit.
    SilentUnit,
    /// A document or a result of a stay that has not ended: it goes with the discharge.
    NotDischarged,
    /// A message about identities that does not say which.
    UnknownDossier,
}

/// Why a human has to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldReason {
    /// A protected person or stay (PD1-12, PV2-22, PV1-16, PID-32 ANOM or CACH).
    Protected,
    /// The patient named somebody who must not be told (NK1-7 P).
    NotToNotify,
    /// Notices of this stay went out for another patient number.
    PatientChanged,
    /// Nobody to tell is known.
    NoRecipient,
    /// Far more notices than usual in a few minutes.
    Storm,
}

impl Withdrawal {
    pub(super) fn of(issued: &Issued) -> Withdrawal {
        let targets = issued
            .recipients
            .iter()
            .map(|recipient| recipient.target.clone())
            .collect();
        Withdrawal {
            number: issued.number,
            targets,
        }
    }
}

impl Decision {
    /// The highest urgency of its notices.
    pub fn urgency(&self) -> Option<Urgency> {
        let notices = match self {
            Decision::NoNotice(_) => return None,
            Decision::Notices(notices)
            | Decision::Correction { notices, .. }
            | Decision::Held { notices, .. } => notices,
        };
        notices
            .iter()
            .flat_map(|planned| &planned.recipients)
            .map(|recipient| recipient.urgency)
            .max()
    }

    /// Roles that should be told and are not known.
    pub fn missing(&self) -> Vec<Role> {
        match self {
            Decision::NoNotice(_) => Vec::new(),
            Decision::Notices(notices)
            | Decision::Correction { notices, .. }
            | Decision::Held { notices, .. } => notices
                .iter()
                .flat_map(|planned| planned.missing.iter().copied())
                .collect(),
        }
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Silence::Duplicate => "this movement was received before",
            Silence::CancelledBefore => "this movement was cancelled before it was received",
            Silence::NothingToCancel => "what it cancels was never announced",
            Silence::Historic => "a movement of the past (ZBE-5)",
            Silence::TooLate => "typed in more than 48 hours after the fact",
            Silence::NotAStay => "a séance, a consultation or an emergency visit (PV1-2)",
            Silence::NothingNew => "what was announced still holds",
            Silence::NotNotified => "no notice for this event",
            Silence::NotProduction => "not a production message (MSH-11)",
            Silence::NoVisit => "about a person, not a stay",
            Silence::AlreadyDischarged => "the discharge was announced before",
            Silence::InternalMove => "the person stays in the hospital's care (ZFM-2)",
            Silence::InThePast => "the planned date is past",
            Silence::NoTime => "no usable time (ZBE-2, EVN-6, EVN-2)",
            Silence::Superseded => "a newer version of this movement was received before",
            Silence::NotFollowed => "an emergency visit of somebody whom nobody follows",
            Silence::NobodyConcerned => "nobody around the person is concerned",
            Silence::SilentUnit => "the site's rules keep this unit silent",
            Silence::NotDischarged => "the stay has not ended: it goes with the discharge",
            Silence::UnknownDossier => {
                "it names no patient number or dossier to take (MRG-1, MRG-3, PID-18)"
            }
        })
    }
}

impl HoldReason {
    /// The reason in French, for the ward.
    pub fn words(self) -> &'static str {
        match self {
            HoldReason::Protected => {
                "la personne ou le séjour est protégé (confidentialité demandée)."
            }
            HoldReason::NotToNotify => {
                "le patient a désigné une personne à ne pas prévenir. Vérifier qu'aucun destinataire n'est cette personne ni son entourage."
            }
            HoldReason::PatientChanged => {
                "le séjour porte maintenant un autre numéro de patient. Vérifier qui a été prévenu."
            }
            HoldReason::NoRecipient => "aucun destinataire n'est connu pour ce patient.",
            HoldReason::Storm => {
                "le système de l'hôpital envoie beaucoup plus de mouvements que d'habitude."
            }
        }
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HoldReason::Protected => {
                "protected person or stay (PD1-12, PV2-22, PV1-16 or PID-32): release it by hand"
            }
            HoldReason::NotToNotify => {
                "the patient named somebody not to be told (NK1-7 P): check that no recipient is that person, then release it"
            }
            HoldReason::PatientChanged => {
                "the stay now names another patient number: check who was told, then cancel or send again"
            }
            HoldReason::NoRecipient => {
                "nobody to tell is known: complete the care circle or the directory, then release it"
            }
            HoldReason::Storm => {
                "more notices in five minutes than the rules allow (storm): release or drop them"
            }
        })
    }
}
