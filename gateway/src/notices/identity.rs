//! Who a stay is about: merged numbers (A40), dossiers that move (A44), an INS withdrawn (A47),
//! corrected names (A31).
//!
//! Only a dossier that moves to another person, or a merge taken back, tells anybody: those who
//! were told of the wrong person are told that it does not hold, and the right ones are told
//! (notices.md §3).

use liaison_hl7::adt::{AdtEvent, Trigger};

use super::circle::CareCircle;
use super::decide::hold_if_needed;
use super::decision::{Decision, Silence, Withdrawal};
use super::episode::{Delivery, Episode, EpisodeKey, Issued};
use super::kind::{Kind, Slot, Urgency};
use super::plan::{Earlier, Planned, WardTask};
use super::recipients::{Around, Recipient, audience};
use super::rules::Rules;

/// Which stays an event about a person concerns, besides or instead of the visit that it names.
#[derive(Clone, PartialEq, Eq)]
pub enum Reach {
    /// The visit that the event names.
    Visit,
    /// Every stay of those patient numbers of the facility.
    Patients(Vec<String>),
    /// The stays of that patient number with that dossier, or that visit.
    Dossier {
        /// The number that the dossier leaves.
        ipp: String,
        /// PID-18 or MRG-3.
        dossier: Option<String>,
        /// MRG-5.
        visit: Option<String>,
    },
    /// Nobody can say which: the message names no dossier, or no patient to take it from.
    Unknown,
}

/// Which stays an event concerns.
pub fn reach(event: &AdtEvent) -> Reach {
    let giving_way = event.merge.as_ref().and_then(|merge| merge.ipp.clone());
    match (event.trigger, giving_way) {
        (Trigger::A40, Some(ipp)) => Reach::Patients(vec![ipp, event.patient.ipp.clone()]),
        (Trigger::A44, Some(ipp)) => {
            let merge = event.merge.as_ref();
            let dossier = merge
                .and_then(|merge| merge.dossier.clone())
                .or_else(|| event.dossier.clone());
            let visit = merge.and_then(|merge| merge.visit.clone());
            if dossier.is_none() && visit.is_none() {
                return Reach::Unknown;
            }
            Reach::Dossier {
                ipp,
                dossier,
                visit,
            }
        }
        (Trigger::A40 | Trigger::A44, None) => Reach::Unknown,
        (Trigger::A47, _) => Reach::Patients(vec![event.patient.ipp.clone()]),
        (Trigger::A31, _) if event.visit.is_none() || event.stay.is_none() => {
            Reach::Patients(vec![event.patient.ipp.clone()])
        }
        _ => Reach::Visit,
    }
}

/// The stay that an event moves, if the event names its visit: it is begun by the move where nothing
/// else was heard of it yet, so that an entry under the wrong number is known as such when it comes.
pub fn key_of_move(event: &AdtEvent) -> Option<EpisodeKey> {
    let Reach::Dossier { visit, .. } = reach(event) else {
        return None;
    };
    Some(EpisodeKey {
        facility: event.facility.clone(),
        visit: visit.or_else(|| event.visit.clone())?,
    })
}

impl Reach {
    /// Whether a stay found by its patient number is meant.
    pub fn includes(&self, episode: &Episode) -> bool {
        match self {
            Reach::Visit | Reach::Patients(_) => true,
            Reach::Dossier { dossier, visit, .. } => {
                let same_visit = visit
                    .as_ref()
                    .is_some_and(|visit| *visit == episode.key.visit);
                let same_dossier = dossier.is_some() && *dossier == episode.dossier;
                same_visit || same_dossier
            }
            Reach::Unknown => false,
        }
    }
}

/// Takes an event about a person into one of the person's stays.
pub fn follow(
    episode: &mut Episode,
    event: &AdtEvent,
    circle: &CareCircle,
    rules: &Rules,
) -> Decision {
    match event.trigger {
        Trigger::A40 => {
            merge(episode, event);
            Decision::NoNotice(Silence::NotNotified)
        }
        Trigger::A44 => move_to(episode, event, circle, rules),
        // A31, A47: an INS that is withdrawn or no longer qualified is in no later text, nor in
        // one that has not left: texts are made when notices leave.
        _ => {
            episode.person = super::person::Person::of(event);
            episode.is_protected |= event.is_confidential();
            Decision::NoNotice(Silence::NotNotified)
        }
    }
}

fn merge(episode: &mut Episode, event: &AdtEvent) {
    let old = event.merge.as_ref().and_then(|merge| merge.ipp.as_ref());
    if episode.person.ipp != event.patient.ipp {
        episode.merge_into(event);
    } else if let Some(old) = old
        && episode.has_identity_conflict
        && episode.issued.iter().any(|issued| issued.ipp == *old)
    {
        // The merge explains why the stay changed its number.
        episode.accept_patient();
        episode.former.push(old.clone());
    }
}

/// Whether a stay names a number that had been merged into its present one: the merge is taken
/// back, unless the message is older than it.
pub fn is_merge_reversed(episode: &Episode, event: &AdtEvent) -> bool {
    episode.former.contains(&event.patient.ipp) && !episode.is_older(event)
}

/// The stay is another person's: those told are told that it does not hold, the right ones are
/// told anew, and the ward documents the breach.
pub fn move_to(
    episode: &mut Episode,
    event: &AdtEvent,
    circle: &CareCircle,
    rules: &Rules,
) -> Decision {
    let wrong = episode.person.clone();
    let merge = event.merge.as_ref();
    for left in [Some(&wrong.ipp), merge.and_then(|merge| merge.ipp.as_ref())] {
        episode.moved_from.extend(left.cloned());
    }
    episode.moved_from.retain(|ipp| *ipp != event.patient.ipp);
    episode.moved_from.sort_unstable();
    episode.moved_from.dedup();
    if wrong.ipp == event.patient.ipp {
        return Decision::NoNotice(Silence::NothingNew);
    }
    episode.leave_patient();
    episode.former.clear();
    episode.person = super::person::Person::of(event);
    episode.is_protected |= event.is_confidential();
    episode.has_identity_conflict = false;
    if let Some(dossier) = &event.dossier {
        episode.dossier = Some(dossier.clone());
    }
    let told: Vec<Issued> = episode
        .live_notices()
        .filter(|issued| issued.ipp != event.patient.ipp)
        .cloned()
        .collect();
    let around = Around {
        members: circle.around(&episode.key.facility, &episode.person, &[]),
        never: circle.never(&episode.key.facility, &episode.person, &[]),
    };
    let left = episode.live(Slot::Discharge).is_some();
    let mut withdrawn = Vec::new();
    let mut cancelled = Vec::new();
    let mut anew = Vec::new();
    for issued in &told {
        let seen = match issued.delivery {
            Delivery::HandedOver => Some(issued),
            Delivery::Waiting => {
                withdrawn.push(Withdrawal::of(issued));
                episode.seen_version(issued.number)
            }
        };
        cancelled.extend(seen.map(|seen| Planned {
            kind: Kind::Cancellation { of: seen.number },
            person: wrong.clone(),
            statement: seen.statement.clone(),
            earlier: Some(Earlier::of(seen)),
            recipients: urgently(&seen.recipients),
            missing: Vec::new(),
            movement: seen.movement.clone(),
            ward_task: Some(WardTask::PrivacyIncident),
            in_place_of: None,
            reminder: None,
            origin: None,
        }));
        // Who learns now that the person left need not learn that the person came.
        if left && issued.statement.kind.slot() != Some(Slot::Discharge) {
            continue;
        }
        let found = audience(&issued.statement, episode, &around, rules);
        if found.recipients.is_empty() {
            continue;
        }
        anew.push(Planned {
            kind: issued.statement.kind,
            person: episode.person.clone(),
            statement: issued.statement.clone(),
            earlier: None,
            recipients: urgently(&found.recipients),
            missing: found.missing,
            movement: issued.movement.clone(),
            ward_task: None,
            in_place_of: None,
            reminder: None,
            origin: None,
        });
    }
    if told.is_empty() {
        return Decision::NoNotice(Silence::NothingToCancel);
    }
    // Taking back what the wrong people were told waits for nobody.
    match hold_if_needed(Decision::Notices(anew), episode) {
        Decision::Held {
            reason, notices, ..
        } => Decision::Held {
            reason,
            withdrawn,
            leaving: cancelled,
            notices,
        },
        Decision::Notices(anew) => Decision::Correction {
            withdrawn,
            notices: cancelled.into_iter().chain(anew).collect(),
        },
        other => other,
    }
}

fn urgently(recipients: &[Recipient]) -> Vec<Recipient> {
    recipients
        .iter()
        .map(|recipient| Recipient {
            urgency: Urgency::Urgent,
            ..recipient.clone()
        })
        .collect()
}
