//! What a feed would give, without sending anything: for `liaison notice explain`, and for tests
//! of whole feeds.

use std::collections::BTreeMap;

use liaison_hl7::adt::{Action, AdtEvent};
use serde::Serialize;
use time::{Date, PrimitiveDateTime};

use super::circle::{CareCircle, Role, Target};
use super::decide::{first, take};
use super::decision::Decision;
use super::episode::{Delivery, Episode, EpisodeKey};
use super::identity::{self, Reach};
use super::kind::{Kind, Urgency};
use super::movement::subject;
use super::number::NoticeNumber;
use super::pages::PageError;
use super::plan::Planned;
use super::rules::Rules;

/// Takes events in order and says what each would give.
pub struct Explainer<'a> {
    rules: &'a Rules,
    circle: &'a CareCircle,
    stays: BTreeMap<EpisodeKey, Episode>,
    waiting: Vec<(EpisodeKey, NoticeNumber, PrimitiveDateTime)>,
    last: u32,
}

/// What one event gives.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// MSH-10.
    pub control_id: String,
    /// The event: `A03`, for a correction with the event that it corrects: `Z99 of A03`.
    pub event: String,
    /// `insert`, `update` or `cancel`.
    pub action: &'static str,
    /// The stays concerned, by visit number.
    pub visits: Vec<String>,
    /// Why nobody is told, where nobody is.
    pub silence: Option<String>,
    /// Unseen notices that will never leave.
    pub withdrawn: Vec<String>,
    /// Notices that leave.
    pub notices: Vec<ExplainedNotice>,
    /// Why a person has to decide, where one has.
    pub held: Option<String>,
    /// What that person decides about.
    pub held_notices: Vec<ExplainedNotice>,
}

/// A notice that would leave.
#[derive(Debug, Clone, Serialize)]
pub struct ExplainedNotice {
    /// Its number; made up from 1 on the day of the message.
    pub number: String,
    /// Its version.
    pub version: u32,
    /// Its kind: `return_to_nursing_home`.
    pub kind: String,
    /// Its kind in French.
    pub label: String,
    /// The notice that it cancels or replaces, and why.
    pub corrects: Option<Corrected>,
    /// Who is told.
    pub recipients: Vec<ExplainedRecipient>,
    /// Who should be told and is not known.
    pub missing: Vec<Role>,
    /// Seconds before it leaves.
    pub wait_seconds: i64,
    /// What the ward is asked to do.
    pub ward_task: Option<&'static str>,
}

/// An earlier notice that no longer holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Corrected {
    /// Its number.
    pub number: String,
    /// Its version.
    pub version: u32,
    /// `cancelled` or `replaced`.
    pub how: &'static str,
    /// The event that does it.
    pub because: String,
}

/// Somebody told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedRecipient {
    /// What they are to the patient.
    pub role: Role,
    /// RPPS, FINESS or address.
    pub to: String,
    /// How fast they have to act.
    pub urgency: Urgency,
}

impl<'a> Explainer<'a> {
    /// Nothing heard yet.
    pub fn new(rules: &'a Rules, circle: &'a CareCircle) -> Explainer<'a> {
        Explainer {
            rules,
            circle,
            stays: BTreeMap::new(),
            waiting: Vec::new(),
            last: 0,
        }
    }

    /// Takes the next event. The hour at which it was typed in (EVN-2) stands for the present:
    /// what had to wait longer than until then has not left.
    ///
    /// # Errors
    /// [`PageError`] when a site's template fails.
    pub fn take(&mut self, event: &AdtEvent) -> Result<Explanation, PageError> {
        let now = event.recorded_at.map(|at| at.local);
        self.let_leave(now);
        let keys = self.concerned(event);
        let mut explained = Explanation {
            control_id: event.control_id.clone(),
            event: name_of(event),
            action: match event.action {
                Action::Insert => "insert",
                Action::Update => "update",
                Action::Cancel => "cancel",
            },
            visits: keys.iter().map(|key| key.visit.clone()).collect(),
            silence: None,
            withdrawn: Vec::new(),
            notices: Vec::new(),
            held: None,
            held_notices: Vec::new(),
        };
        if keys.is_empty() {
            explained.silence = Some("about no known stay".to_owned());
        }
        for key in keys {
            let known = self.stays.remove(&key);
            let mut stay = known.unwrap_or_else(|| self.begin(key.clone(), event));
            if let Some(decision) = first(&mut stay, event, self.circle, self.rules) {
                self.follow(&mut stay, decision, (now, event), &mut explained)?;
            }
            let decision = take(&mut stay, event, self.circle, self.rules);
            self.follow(&mut stay, decision, (now, event), &mut explained)?;
            self.stays.insert(key, stay);
        }
        Ok(explained)
    }

    fn begin(&self, key: EpisodeKey, event: &AdtEvent) -> Episode {
        let mut stay = Episode::begin_at(key, event);
        let mut earlier: Vec<Episode> = self
            .stays
            .values()
            .filter(|known| known.key.facility == stay.key.facility)
            .filter(|known| known.person.ipp == stay.person.ipp)
            .cloned()
            .collect();
        earlier.sort_by_key(|known| std::cmp::Reverse(known.heard_until.map(|at| at.at)));
        stay.carry_over(&earlier, event);
        stay
    }

    fn concerned(&self, event: &AdtEvent) -> Vec<EpisodeKey> {
        let reach = identity::reach(event);
        let numbers: Vec<&String> = match &reach {
            Reach::Visit => return EpisodeKey::of(event).into_iter().collect(),
            Reach::Patients(numbers) => numbers.iter().collect(),
            Reach::Dossier { ipp, .. } => vec![ipp],
            Reach::Unknown => Vec::new(),
        };
        let found: Vec<EpisodeKey> = self
            .stays
            .values()
            .filter(|stay| stay.key.facility == event.facility)
            .filter(|stay| numbers.contains(&&stay.person.ipp) && reach.includes(stay))
            .map(|stay| stay.key.clone())
            .collect();
        match found.is_empty() {
            true => identity::key_of_move(event)
                .filter(|key| !self.stays.contains_key(key))
                .into_iter()
                .collect(),
            false => found,
        }
    }

    fn let_leave(&mut self, now: Option<PrimitiveDateTime>) {
        let stays = &mut self.stays;
        self.waiting.retain(|(key, number, due)| {
            let leaves = now.is_none_or(|now| *due <= now);
            if let Some(stay) = stays.get_mut(key).filter(|_| leaves) {
                stay.mark_handed_over(*number);
            }
            !leaves
        });
    }

    fn follow(
        &mut self,
        stay: &mut Episode,
        decision: Decision,
        (now, event): (Option<PrimitiveDateTime>, &AdtEvent),
        explained: &mut Explanation,
    ) -> Result<(), PageError> {
        let (withdrawn, leaving, held) = match decision {
            Decision::NoNotice(silence) => {
                explained.silence = Some(silence.to_string());
                return Ok(());
            }
            Decision::Notices(notices) => (Vec::new(), notices, None),
            Decision::Correction { withdrawn, notices } => (withdrawn, notices, None),
            Decision::Held {
                reason,
                withdrawn,
                leaving,
                notices,
            } => (withdrawn, leaving, Some((reason, notices))),
        };
        for withdrawal in withdrawn {
            self.waiting
                .retain(|(key, number, _)| (key, *number) != (&stay.key, withdrawal.number));
            stay.mark_withdrawn(withdrawal.number);
            explained.withdrawn.push(withdrawal.number.to_string());
        }
        for planned in leaving {
            let day = now.map_or(Date::MIN, PrimitiveDateTime::date);
            self.last += u32::from(planned.needs_number());
            let fresh = NoticeNumber::new(day, self.last);
            // The texts are made to be sure that they can be.
            planned.issue(fresh, self.rules)?;
            let wait = now.map_or(time::Duration::ZERO, |now| {
                self.rules.wait_of(&planned.kind, now)
            });
            let (number, version) = planned.identity(fresh);
            let delivery = match now.filter(|_| !wait.is_zero()) {
                Some(now) => {
                    self.waiting.push((stay.key.clone(), number, now + wait));
                    Delivery::Waiting
                }
                None => Delivery::HandedOver,
            };
            stay.record(&planned, fresh, delivery);
            let explanation = explain(&planned, (number, version), wait.whole_seconds(), event);
            explained.notices.push(explanation);
        }
        if let Some((reason, notices)) = held {
            explained.held = Some(reason.to_string());
            let none = (NoticeNumber::new(Date::MIN, 0), 0);
            let notices = notices
                .iter()
                .map(|planned| explain(planned, none, 0, event));
            explained.held_notices.extend(notices);
        }
        Ok(())
    }
}

fn explain(
    planned: &Planned,
    (number, version): (NoticeNumber, u32),
    wait_seconds: i64,
    event: &AdtEvent,
) -> ExplainedNotice {
    let is_cancellation = matches!(planned.kind, Kind::Cancellation { .. });
    ExplainedNotice {
        number: if version == 0 {
            String::new()
        } else {
            number.to_string()
        },
        version,
        kind: planned.kind.name().to_owned(),
        label: planned.kind.label().to_owned(),
        corrects: planned.earlier.as_ref().map(|earlier| Corrected {
            number: earlier.number.to_string(),
            version: earlier.version,
            how: if is_cancellation {
                "cancelled"
            } else {
                "replaced"
            },
            because: name_of(event),
        }),
        recipients: planned
            .recipients
            .iter()
            .map(|recipient| ExplainedRecipient {
                role: recipient.role,
                to: named(&recipient.target),
                urgency: recipient.urgency,
            })
            .collect(),
        missing: planned.missing.clone(),
        wait_seconds,
        ward_task: planned.ward_task.map(super::plan::WardTask::name),
    }
}

/// `A03`, `Z99 of A03`.
fn name_of(event: &AdtEvent) -> String {
    let about = subject(event);
    if about == event.trigger {
        event.trigger.to_string()
    } else {
        format!("{} of {about}", event.trigger)
    }
}

/// RPPS, FINESS or address, as text.
pub fn named(target: &Target) -> String {
    match target {
        Target::Address(address) => address.to_string(),
        Target::Rpps(rpps) => format!("RPPS {}", rpps.as_str()),
        Target::Finess(finess) => format!("FINESS {}", finess.as_str()),
        Target::Text(text) => text.clone(),
        Target::WithoutFamilyDoctor(commune) => format!("commune {commune}"),
    }
}
