//! An event of a stay in, a decision out.
//!
//! | event | condition | notice |
//! |---|---|---|
//! | A01, A06 | class I | [`Kind::Admission`] |
//! | A02 | to another hospital (PV1-3.4) | [`Kind::Admission`], by the receiving one |
//! | A04 | class E, a resident or somebody followed | [`Kind::EmergencyVisit`] |
//! | A05, A14 | only if the rules tell somebody | [`Kind::PlannedAdmission`] |
//! | A07 | inserted, not a cancel of A06 | [`Kind::OutpatientFollowUp`] |
//! | A16, or PV2-9 in any event | class I, first said or moved by more than four hours | [`Kind::PlannedDischarge`] |
//! | A03 | ZFM-2 = 9 or PID-30 = Y | [`Kind::Death`] |
//! | A03 | ZFM-2 = 4, or PV1-36 = 4, F, PSA | [`Kind::UnauthorisedExit`] |
//! | A03 | ZFM-4 = 7, or PV1-37 a nursing home | [`Kind::ReturnToNursingHome`] |
//! | A03 | ZFM-4 = 6, or a HAD or SSIAD in the circle | [`Kind::DischargeWithCare`] |
//! | A03 | ZFM-2 = 7 | [`Kind::Transfer`] |
//! | A03 | class E, the visit was announced | [`Kind::EmergencyEnd`] |
//! | A03 | else | [`Kind::DischargeHome`] |
//! | A21, A22 | care prescribed | [`Kind::LeaveStart`], [`Kind::LeaveEnd`] |
//! | Z99, A08 and other UPDATEs of these | a stated fact changed | the same kind, next version |
//! | CANCEL of any of these | it was announced | [`Kind::Cancellation`], to exactly those told |
//! | PV2-9 = `""` | a planned discharge was announced | [`Kind::Cancellation`] |
//! | A44, A40 taken back | it was announced | [`Kind::Cancellation`] to those told, the notice anew to the right ones |
//! | any, under the number that an A44 moved away | it comes after the move | held for a person |
//! | anything else | | none |

use std::borrow::Cow;

use liaison_hl7::adt::{Action, AdtEvent, Processing, Trigger};

use super::circle::{CareCircle, CareMember};
use super::decision::{Decision, HoldReason, Silence, Withdrawal};
use super::episode::{Delivery, Episode, Issued, NotToNotify};
use super::identity::{self, Reach};
use super::kind::{Kind, Slot};
use super::movement::{movement_keys, shares_key, subject};
use super::plan::{Earlier, Planned, WardTask};
use super::recipients::{Around, Audience, audience};
use super::rules::Rules;
use super::statement::{Lateness, Statement, statements};

/// Takes an event into its stay and says what it gives: [`decide`], then absorbed. Apply what
/// [`first`] gives before.
pub fn take(
    episode: &mut Episode,
    event: &AdtEvent,
    circle: &CareCircle,
    rules: &Rules,
) -> Decision {
    // A training message changes nothing.
    if event.processing != Processing::Production {
        return Decision::NoNotice(Silence::NotProduction);
    }
    match identity::reach(event) {
        Reach::Visit => {}
        Reach::Unknown => return Decision::NoNotice(Silence::UnknownDossier),
        Reach::Patients(_) | Reach::Dossier { .. } => {
            return identity::follow(episode, event, circle, rules);
        }
    }
    let event = explicit(episode, event);
    let decision = decide(episode, &event, circle, rules);
    episode.absorb(&event);
    decision
}

/// What has to be done to a stay before an event is taken: when it names a patient number that
/// had been merged away, the merge is taken back. Apply the decision, then [`take`] the event.
pub fn first(
    episode: &mut Episode,
    event: &AdtEvent,
    circle: &CareCircle,
    rules: &Rules,
) -> Option<Decision> {
    let reversed = event.processing == Processing::Production
        && identity::reach(event) == Reach::Visit
        && identity::is_merge_reversed(episode, event);
    reversed.then(|| identity::move_to(episode, event, circle, rules))
}

/// An international A08 says what changed only by its values: PV1-44 and PV1-45 that differ from
/// what was told make it the correction of the admission or discharge.
fn explicit<'e>(episode: &Episode, event: &'e AdtEvent) -> Cow<'e, AdtEvent> {
    let Some(stay) = event
        .stay
        .as_ref()
        .filter(|_| event.trigger == Trigger::A08 && event.movement.is_none())
    else {
        return Cow::Borrowed(event);
    };
    let differs = |slot, said: Option<liaison_hl7::timestamp::Timestamp>| {
        let live: Option<&Issued> = episode.live(slot);
        match (live, said) {
            (Some(live), Some(said)) => !live.statement.at.reads_as(&said.into()),
            _ => false,
        }
    };
    let trigger = if differs(Slot::Discharge, stay.discharged_at) {
        Trigger::A03
    } else if differs(Slot::Admission, stay.admitted_at) {
        Trigger::A01
    } else {
        return Cow::Borrowed(event);
    };
    Cow::Owned(AdtEvent {
        trigger,
        ..event.clone()
    })
}

/// Decides what an event gives. `episode` is the stay before the event.
pub fn decide(episode: &Episode, event: &AdtEvent, circle: &CareCircle, rules: &Rules) -> Decision {
    if event.visit.is_none() {
        return Decision::NoNotice(Silence::NoVisit);
    }
    if let Some(silence) = seen_before(episode, event) {
        return Decision::NoNotice(silence);
    }
    let mut next = episode.clone();
    next.absorb(event);
    let decision = match event.action {
        Action::Cancel => cancel(episode, &next, event),
        Action::Insert | Action::Update => {
            let around = Around::of(circle, &next);
            let scene = Scene {
                before: episode,
                next: &next,
                members: &around.members,
                around: &around,
                rules,
            };
            state(&scene, event)
        }
    };
    hold_if_needed(decision, &next)
}

/// An event's surroundings.
pub(super) struct Scene<'a> {
    /// The stay without the event.
    pub(super) before: &'a Episode,
    /// The stay with it.
    pub(super) next: &'a Episode,
    /// Who is around the person and may be told.
    pub(super) members: &'a [&'a CareMember],
    /// The same, with those who may not.
    pub(super) around: &'a Around<'a>,
    /// The site's rules.
    pub(super) rules: &'a Rules,
}

fn seen_before(episode: &Episode, event: &AdtEvent) -> Option<Silence> {
    let record = episode.movement(&movement_keys(event))?;
    match event.action {
        Action::Cancel => record.is_cancelled.then_some(Silence::Duplicate),
        _ if record.is_cancelled => Some(Silence::CancelledBefore),
        Action::Insert => Some(Silence::Duplicate),
        Action::Update => episode.is_superseded(event).then_some(Silence::Superseded),
    }
}

/// A cancellation of whatever was announced of that movement.
fn cancel(episode: &Episode, next: &Episode, event: &AdtEvent) -> Decision {
    let keys = movement_keys(event);
    let slot = match subject(event) {
        Trigger::A03 | Trigger::A13 => Some(Slot::Discharge),
        Trigger::A16 | Trigger::A25 => Some(Slot::PlannedDischarge),
        Trigger::A21 | Trigger::A52 => Some(Slot::LeaveStart),
        Trigger::A22 | Trigger::A53 => Some(Slot::LeaveEnd),
        _ => None,
    };
    // Without the entry there is no stay: nothing said of it holds.
    let begins = [Trigger::A01, Trigger::A04, Trigger::A05, Trigger::A14];
    let of_admission = begins.contains(&subject(event))
        || matches!(subject(event), Trigger::A11 | Trigger::A27 | Trigger::A38)
        || episode.movement(&keys).is_some_and(|record| {
            begins
                .iter()
                .any(|trigger| record.trigger == trigger.as_str())
        });
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
        let seen = match issued.delivery {
            Delivery::HandedOver => Some(*issued),
            Delivery::Waiting => {
                withdrawn.push(Withdrawal::of(issued));
                next.seen_version(issued.number)
            }
        };
        notices.extend(seen.map(|seen| Planned {
            kind: Kind::Cancellation { of: seen.number },
            person: next.person.clone(),
            statement: seen.statement.clone(),
            earlier: Some(Earlier::of(seen)),
            recipients: seen.recipients.clone(),
            missing: Vec::new(),
            movement: movement_keys(event),
            ward_task: None,
            in_place_of: None,
            reminder: None,
            origin: None,
        }));
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
    let keys = movement_keys(event);
    let is_announced = scene
        .next
        .live_notices()
        .any(|issued| shares_key(&issued.movement, &keys));
    if is_historic && !is_announced {
        return Decision::NoNotice(Silence::Historic);
    }
    let stated = match statements(scene, event) {
        Ok(stated) => stated,
        Err(silence) => return Decision::NoNotice(silence),
    };
    let mut withdrawn = Vec::new();
    let mut notices = Vec::new();
    let mut replaces = false;
    let mut silence = Silence::NothingNew;
    for statement in stated {
        if scene.rules.to(&statement.kind).next().is_none() {
            silence = Silence::NotNotified;
            continue;
        }
        let live = scene.replaced(&statement, event);
        match live {
            Some(live) if live.statement.says_the_same(&statement, scene.rules) => continue,
            // Emergency to hospitalised when the entry was announced: no second entry.
            Some(_)
                if subject(event) == Trigger::A06
                    && event.action == Action::Insert
                    && statement.kind == Kind::Admission =>
            {
                continue;
            }
            _ => {}
        }
        let seen = live.and_then(|live| scene.seen(live));
        if let (Some(live), Some(seen)) = (live, seen)
            && seen.statement.says_the_same(&statement, scene.rules)
        {
            // What waits would have changed it, and no longer does.
            replaces = true;
            withdrawn.push(Withdrawal::of(live));
            continue;
        }
        let overtaken = scene.overtaken(&statement);
        let planned = scene.plan(statement, live, event);
        if planned.recipients.is_empty() && !planned.kind.is_owed() {
            silence = Silence::NobodyConcerned;
            continue;
        }
        if let Some(live) = live {
            replaces = true;
            if live.delivery == Delivery::Waiting {
                withdrawn.push(Withdrawal::of(live));
            }
        }
        replaces |= !overtaken.is_empty();
        withdrawn.extend(overtaken);
        notices.push(planned);
    }
    if notices.is_empty() && !replaces {
        Decision::NoNotice(silence)
    } else if replaces {
        Decision::Correction { withdrawn, notices }
    } else {
        Decision::Notices(notices)
    }
}

impl Scene<'_> {
    /// The notice that a statement replaces.
    fn replaced(&self, statement: &Statement, event: &AdtEvent) -> Option<&Issued> {
        let slot = statement.kind.slot()?;
        let keys = movement_keys(event);
        if slot != Slot::Admission {
            return self.next.replaced_by(slot, &keys);
        }
        let entries = || {
            self.next.live_notices().filter(|issued| {
                let slot = issued.statement.kind.slot();
                matches!(slot, Some(Slot::Admission | Slot::FollowUp))
            })
        };
        // The entry into another hospital is one of its own; so is that of somebody who had gone
        // on without a bed.
        let anew = subject(event) == Trigger::A02
            || entries()
                .last()
                .is_some_and(|last| last.statement.kind == Kind::OutpatientFollowUp);
        entries()
            .filter(|issued| issued.statement.kind == Kind::Admission)
            .filter(|issued| !anew || shares_key(&issued.movement, &keys))
            .last()
    }

    /// The newest version that people saw.
    fn seen<'i>(&'i self, live: &'i Issued) -> Option<&'i Issued> {
        match live.delivery {
            Delivery::HandedOver => Some(live),
            Delivery::Waiting => self.next.seen_version(live.number),
        }
    }

    /// Unseen notices that a statement leaves without meaning.
    fn overtaken(&self, statement: &Statement) -> Vec<Withdrawal> {
        let slots: &[Slot] = match statement.kind.slot() {
            Some(Slot::Discharge) => &[Slot::PlannedDischarge, Slot::LeaveStart, Slot::LeaveEnd],
            Some(Slot::Admission) => &[Slot::Emergency, Slot::PlannedAdmission],
            _ => &[],
        };
        self.next
            .live_notices()
            .filter(|issued| issued.delivery == Delivery::Waiting)
            .filter(|issued| {
                let slot = issued.statement.kind.slot();
                slot.is_some_and(|slot| slots.contains(&slot))
            })
            .map(Withdrawal::of)
            .collect()
    }

    fn plan(&self, statement: Statement, live: Option<&Issued>, event: &AdtEvent) -> Planned {
        let Audience {
            mut recipients,
            missing,
        } = audience(&statement, self.next, self.around, self.rules);
        let risky = statement.kind == Kind::PlannedDischarge
            && self.rules.calendar.is_after_hours(statement.at);
        // A version that nobody saw is as good as none.
        let seen = live.and_then(|live| self.seen(live));
        let told = seen.into_iter().flat_map(|live| &live.recipients);
        // Somebody whom the person does not want told any more hears of nothing further.
        for told in told.filter(|told| !self.around.never.contains(&&told.target)) {
            match recipients
                .iter_mut()
                .find(|recipient| recipient.target == told.target)
            {
                Some(again) => again.urgency = again.urgency.max(told.urgency),
                None => recipients.push(told.clone()),
            }
        }
        let unauthorised = statement.kind == Kind::UnauthorisedExit
            && statement.lateness != Lateness::Regularisation;
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
            in_place_of: live.filter(|_| seen.is_none()).map(|live| live.number),
            reminder: None,
            origin: None,
        }
    }
}

/// Keeps for a human what a human has to decide.
pub(super) fn hold_if_needed(decision: Decision, next: &Episode) -> Decision {
    let (withdrawn, notices, corrects) = match decision {
        Decision::Notices(notices) => (Vec::new(), notices, false),
        Decision::Correction { withdrawn, notices } => (withdrawn, notices, true),
        other => return other,
    };
    let reason = if notices.is_empty() {
        None
    } else if next.has_identity_conflict {
        Some(HoldReason::PatientChanged)
    } else if next.is_protected {
        Some(HoldReason::Protected)
    } else if next.not_to_notify == NotToNotify::Named {
        Some(HoldReason::NotToNotify)
    } else if notices.iter().all(|planned| planned.recipients.is_empty()) {
        Some(HoldReason::NoRecipient)
    } else {
        None
    };
    match reason {
        Some(reason) => Decision::Held {
            reason,
            withdrawn,
            leaving: Vec::new(),
            notices,
        },
        None if corrects => Decision::Correction { withdrawn, notices },
        None => Decision::Notices(notices),
    }
}
