//! An event of a stay in, a decision out.
//!
//! | event | condition | notice |
//! |---|---|---|
//! | A01, A06 | class I | [`Kind::Admission`] |
//! | A16, or PV2-9 in any event | class I, first said or moved by more than four hours | [`Kind::PlannedDischarge`] |
//! | A03 | ZFM-2 = 9 or PID-30 = Y | [`Kind::Death`] |
//! | A03 | ZFM-2 = 4, or PV1-36 = 4, F, PSA | [`Kind::UnauthorisedExit`] |
//! | A03 | ZFM-4 = 7, or PV1-37 a nursing home | [`Kind::ReturnToNursingHome`] |
//! | A03 | ZFM-2 = 7 | [`Kind::Transfer`] |
//! | A03 | else | [`Kind::DischargeHome`] |
//! | Z99 and other UPDATEs of these | a stated fact changed | the same kind, next version |
//! | CANCEL of any of these | it was announced | [`Kind::Cancellation`], to exactly those told |
//! | PV2-9 = `""` | a planned discharge was announced | [`Kind::Cancellation`] |
//! | anything else | | none |

use std::fmt;

use liaison_hl7::adt::{Action, AdtEvent, Processing, Trigger};

use super::calendar::Calendar;
use super::circle::{CareCircle, CareMember, Role, Target};
use super::episode::{Delivery, Episode, Issued, movement_keys, shares_key, subject};
use super::kind::{Kind, Slot, Urgency};
use super::number::NoticeNumber;
use super::plan::{Earlier, Planned, WardTask};
use super::recipients::{Audience, audience};
use super::statement::{Statement, statements};

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
}

/// Why a human has to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldReason {
    /// A protected person or stay (PD1-12, PV2-22, PV1-16, PID-32 ANOM or CACH).
    Protected,
    /// Notices of this stay went out for another patient number.
    PatientChanged,
    /// Nobody to tell is known.
    NoRecipient,
}

/// Decides what an event gives. `episode` is the stay before the event.
pub fn decide(
    episode: &Episode,
    event: &AdtEvent,
    circle: &CareCircle,
    calendar: &Calendar,
) -> Decision {
    if event.processing != Processing::Production {
        return Decision::NoNotice(Silence::NotProduction);
    }
    if event.visit.is_none() {
        return Decision::NoNotice(Silence::NoVisit);
    }
    if let Some(silence) = seen_before(episode, event) {
        return Decision::NoNotice(silence);
    }
    let mut next = episode.clone();
    next.absorb(event);
    if next.has_identity_conflict {
        return Decision::Held {
            reason: HoldReason::PatientChanged,
            withdrawn: Vec::new(),
            notices: Vec::new(),
        };
    }
    let decision = match event.action {
        Action::Cancel => cancel(episode, &next, event),
        Action::Insert | Action::Update => {
            let members = circle.around(&next.key.facility, &next.person);
            let scene = Scene {
                before: episode,
                next: &next,
                members: &members,
                calendar,
            };
            state(&scene, event)
        }
    };
    hold_if_needed(decision, &next)
}

struct Scene<'a> {
    before: &'a Episode,
    next: &'a Episode,
    members: &'a [&'a CareMember],
    calendar: &'a Calendar,
}

fn seen_before(episode: &Episode, event: &AdtEvent) -> Option<Silence> {
    let record = episode.movement(&movement_keys(event))?;
    match event.action {
        Action::Cancel => record.is_cancelled.then_some(Silence::Duplicate),
        _ if record.is_cancelled => Some(Silence::CancelledBefore),
        Action::Insert => Some(Silence::Duplicate),
        Action::Update => None,
    }
}

/// A cancellation of whatever was announced of that movement.
fn cancel(episode: &Episode, next: &Episode, event: &AdtEvent) -> Decision {
    let keys = movement_keys(event);
    let slot = match subject(event) {
        Trigger::A03 | Trigger::A13 => Some(Slot::Discharge),
        Trigger::A16 | Trigger::A25 => Some(Slot::PlannedDischarge),
        _ => None,
    };
    // Without the admission there is no stay: nothing said of it holds.
    let of_admission = matches!(subject(event), Trigger::A01 | Trigger::A11)
        || episode
            .movement(&keys)
            .is_some_and(|record| record.trigger == Trigger::A01.as_str());
    let concerned = |issued: &&Issued| {
        of_admission
            || shares_key(&issued.movement, &keys)
            // An international feed does not say which movement: the one that holds is meant.
            || (event.movement.is_none() && issued.statement.kind.slot() == slot)
    };
    let targets: Vec<&Issued> = episode.live_notices().filter(concerned).collect();
    if targets.is_empty() {
        return Decision::NoNotice(Silence::NothingToCancel);
    }
    take_back(&targets, next, event)
}

fn take_back(targets: &[&Issued], next: &Episode, event: &AdtEvent) -> Decision {
    let mut withdrawn = Vec::new();
    let mut notices = Vec::new();
    for issued in targets {
        match issued.delivery {
            Delivery::Waiting => withdrawn.push(Withdrawal::of(issued)),
            Delivery::HandedOver => notices.push(Planned {
                kind: Kind::Cancellation { of: issued.number },
                person: next.person.clone(),
                statement: issued.statement.clone(),
                earlier: Some(Earlier::of(issued)),
                recipients: issued.recipients.clone(),
                missing: Vec::new(),
                movement: movement_keys(event),
                ward_task: None,
            }),
        }
    }
    Decision::Correction { withdrawn, notices }
}

/// New notices and new versions for what an insertion or correction states.
fn state(scene: &Scene<'_>, event: &AdtEvent) -> Decision {
    let removed = event
        .stay
        .as_ref()
        .is_some_and(|stay| stay.expected_discharge_removed);
    if let (true, Some(planned)) = (removed, scene.next.live(Slot::PlannedDischarge)) {
        return take_back(&[planned], scene.next, event);
    }
    let is_historic = event
        .movement
        .as_ref()
        .is_some_and(|movement| movement.is_historic);
    if is_historic && event.action == Action::Insert {
        return Decision::NoNotice(Silence::Historic);
    }
    let stated = match statements(event, scene.before, scene.next, scene.members) {
        Ok(stated) => stated,
        Err(silence) => return Decision::NoNotice(silence),
    };
    let mut withdrawn = Vec::new();
    let mut notices = Vec::new();
    let mut replaces = false;
    for statement in stated {
        let live = statement.kind.slot().and_then(|slot| scene.next.live(slot));
        match live {
            Some(live) if live.statement.says_the_same(&statement) => {}
            // Emergency to hospitalised when the entry was announced: no second entry.
            Some(_) if event.trigger == Trigger::A06 && statement.kind == Kind::Admission => {}
            Some(live) => {
                replaces = true;
                if live.delivery == Delivery::Waiting {
                    withdrawn.push(Withdrawal::of(live));
                }
                notices.push(scene.plan(statement, Some(live), event));
            }
            None => notices.push(scene.plan(statement, None, event)),
        }
    }
    if notices.is_empty() {
        Decision::NoNotice(Silence::NothingNew)
    } else if replaces {
        Decision::Correction { withdrawn, notices }
    } else {
        Decision::Notices(notices)
    }
}

impl Scene<'_> {
    fn plan(&self, statement: Statement, live: Option<&Issued>, event: &AdtEvent) -> Planned {
        let Audience {
            mut recipients,
            missing,
        } = audience(&statement, self.next, self.members, self.calendar);
        let risky =
            statement.kind == Kind::PlannedDischarge && self.calendar.is_after_hours(statement.at);
        // A version that nobody saw is as good as none.
        let seen = live.filter(|live| live.delivery == Delivery::HandedOver);
        for told in seen.into_iter().flat_map(|live| &live.recipients) {
            match recipients
                .iter_mut()
                .find(|recipient| recipient.target == told.target)
            {
                Some(again) => again.urgency = again.urgency.max(told.urgency),
                None => recipients.push(told.clone()),
            }
        }
        let unauthorised = statement.kind == Kind::UnauthorisedExit;
        Planned {
            kind: statement.kind,
            person: self.next.person.clone(),
            statement,
            earlier: seen.map(Earlier::of),
            recipients,
            missing,
            movement: movement_keys(event),
            ward_task: match (risky, unauthorised) {
                (true, _) => Some(WardTask::RiskyDischarge),
                (_, true) => Some(WardTask::CallAtOnce),
                _ => None,
            },
        }
    }
}

impl Withdrawal {
    fn of(issued: &Issued) -> Withdrawal {
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

fn hold_if_needed(decision: Decision, next: &Episode) -> Decision {
    let (withdrawn, notices, corrects) = match decision {
        Decision::Notices(notices) => (Vec::new(), notices, false),
        Decision::Correction { withdrawn, notices } => (withdrawn, notices, true),
        other => return other,
    };
    let reason = if notices.is_empty() {
        None
    } else if next.is_protected {
        Some(HoldReason::Protected)
    } else if notices.iter().all(|planned| planned.recipients.is_empty()) {
        Some(HoldReason::NoRecipient)
    } else {
        None
    };
    match reason {
        Some(reason) => Decision::Held {
            reason,
            withdrawn,
            notices,
        },
        None if corrects => Decision::Correction { withdrawn, notices },
        None => Decision::Notices(notices),
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
            HoldReason::PatientChanged => {
                "le séjour porte maintenant un autre numéro de patient. Vérifier qui a été prévenu."
            }
            HoldReason::NoRecipient => "aucun destinataire n'est connu pour ce patient.",
        }
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HoldReason::Protected => {
                "protected person or stay (PD1-12, PV2-22, PV1-16 or PID-32): release it by hand"
            }
            HoldReason::PatientChanged => {
                "the stay now names another patient number: check who was told, then cancel or send again"
            }
            HoldReason::NoRecipient => {
                "nobody to tell is known: complete the care circle or the directory, then release it"
            }
        })
    }
}
