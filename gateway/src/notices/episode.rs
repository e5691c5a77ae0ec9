//! What is known of one stay, and who was told what.
//!
//! An episode is one visit (PV1-19) at one facility (MSH-4). Its movements are known by their
//! ZBE-1, so that a repeat, a correction or a cancellation finds what it is about.
//!
//! ```text
//!              INSERT                      CANCEL
//!  movement ───────────▶ Live ───────────────────────▶ Cancelled
//!     └───────────────── CANCEL first ────────────────────▲
//!
//!                 hand-over              cancellation, or a new version
//!  notice  Waiting ───────▶ HandedOver ──────────────────────────────▶ Cancelled | Replaced
//!            └──────── withdrawn: nobody saw it ──────────────▲
//! ```

use std::fmt;

use liaison_directory_client::{Finess, Rpps};
use liaison_hl7::adt::{Action, AdtEvent, Relative, RelativeRole, Stay, Trigger};
use serde::{Deserialize, Serialize};

use super::carried::Carried;
use super::circle::Target;
use super::french::Moment;
use super::kind::{Kind, Slot};
use super::movement::{MovementKey, MovementRecord, cancels, movement_keys, shares_key, subject};
use super::number::NoticeNumber;
use super::person::Person;
use super::plan::Planned;
use super::recipients::Recipient;
use super::statement::Statement;

/// Which stay.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EpisodeKey {
    /// MSH-4.1.
    pub facility: String,
    /// PV1-19.1.
    pub visit: String,
}

impl EpisodeKey {
    /// The stay that an event is about; `None` for an event about a person alone.
    pub fn of(event: &AdtEvent) -> Option<EpisodeKey> {
        let visit = event.visit.clone()?;
        Some(EpisodeKey {
            facility: event.facility.clone(),
            visit,
        })
    }
}

/// A stay. Serialises to JSON; it holds patient data and is kept sealed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// Which stay.
    pub key: EpisodeKey,
    /// The person, as last named.
    pub person: Person,
    /// Patient numbers that were merged into this one (A40).
    #[serde(default)]
    pub former: Vec<String>,
    /// Patient numbers that the stay was moved away from (A44): of other people.
    #[serde(default)]
    pub moved_from: Vec<String>,
    /// PID-18: the dossier that the visit belongs to.
    #[serde(default)]
    pub dossier: Option<String>,
    /// PV1-3.4: the facility where the person lies.
    #[serde(default)]
    pub site: Option<String>,
    /// When the newest message so far was typed in: an older one that arrives later does not
    /// undo it.
    #[serde(default)]
    pub heard_until: Option<Moment>,
    /// Kept from the admission: discharges do not name the family doctor.
    pub family_doctor: Option<Rpps>,
    /// PV1-2 as last said.
    pub class: Option<char>,
    /// Nursing home that the hospital named: where the person came from, or goes.
    pub nursing_home: Option<Finess>,
    /// ZFM-3 said that the person came from a nursing home.
    pub from_nursing_home: bool,
    /// PV2-9 or A16 as last said.
    pub expected_discharge: Option<Moment>,
    /// When that was typed in.
    #[serde(default)]
    pub expected_said_at: Option<Moment>,
    /// A protection flag was seen: nothing leaves without a human's release.
    pub is_protected: bool,
    /// Whether the patient named somebody who must not be told (NK1-7 P).
    #[serde(default)]
    pub not_to_notify: NotToNotify,
    /// Who was told in an earlier stay of the same person, for a role that nobody names in this
    /// one.
    #[serde(default)]
    pub carried: Vec<Carried>,
    /// A person asked that who receives the patient calls the ward first.
    #[serde(default)]
    pub contact_first: bool,
    /// Notices went out, and then the stay named another patient number. Nothing leaves until
    /// somebody called [`Episode::accept_patient`].
    pub has_identity_conflict: bool,
    /// Every movement heard of.
    pub movements: Vec<MovementRecord>,
    /// Every notice given.
    pub issued: Vec<Issued>,
}

/// A notice given.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Issued {
    /// Its number.
    pub number: NoticeNumber,
    /// Its version, from 1.
    pub version: u32,
    /// What it stated.
    pub statement: Statement,
    /// The movement that it came from.
    pub movement: Vec<MovementKey>,
    /// Exactly who was told.
    pub recipients: Vec<Recipient>,
    /// The patient number under which they were told.
    #[serde(default)]
    pub ipp: String,
    /// Whether it left.
    pub delivery: Delivery,
    /// Whether it still holds.
    pub standing: Standing,
}

/// Whether a notice left the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// Numbered, and can still be withdrawn without anybody knowing.
    Waiting,
    /// Given to the relay: only a cancellation can take it back.
    HandedOver,
}

/// Whether a recipient may be somebody whom the patient named as not to be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotToNotify {
    /// Nobody was named.
    #[default]
    Nobody,
    /// Somebody was; a person has to look at the recipients. The feed knows a name alone, and
    /// names choose nobody here.
    Named,
    /// A person has looked.
    Checked,
}

/// Whether a notice still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It does.
    Live,
    /// It was cancelled or withdrawn.
    Cancelled,
    /// A later version holds.
    Replaced,
}

impl Episode {
    /// A stay of which nothing was told yet, begun by its first event; `None` for an event
    /// without visit. The event itself is not absorbed.
    pub fn begin(event: &AdtEvent) -> Option<Episode> {
        Some(Self::begin_at(EpisodeKey::of(event)?, event))
    }

    /// As [`Episode::begin`], of a stay that the event names elsewhere than as its visit.
    pub fn begin_at(key: EpisodeKey, event: &AdtEvent) -> Episode {
        Episode {
            key,
            person: Person::of(event),
            former: Vec::new(),
            moved_from: Vec::new(),
            dossier: event.dossier.clone(),
            site: None,
            heard_until: None,
            family_doctor: None,
            class: None,
            nursing_home: None,
            from_nursing_home: false,
            expected_discharge: None,
            expected_said_at: None,
            is_protected: false,
            not_to_notify: NotToNotify::Nobody,
            carried: Vec::new(),
            contact_first: false,
            has_identity_conflict: false,
            movements: Vec::new(),
            issued: Vec::new(),
        }
    }

    /// Takes in what an event says. Call it once for each event, after
    /// [`decide`](super::decide::decide), whatever was decided; absorbing twice changes nothing.
    pub fn absorb(&mut self, event: &AdtEvent) {
        if self.moved_from.contains(&event.patient.ipp) {
            // It was written before the move: nothing that it says of its patient is of who lies
            // here. What is new in it a person has to judge.
            self.has_identity_conflict |= self.movement(&movement_keys(event)).is_none();
            self.absorb_movement(event);
            return;
        }
        let older = self.is_older(event);
        self.absorb_person(event, older);
        self.is_protected |= event.is_confidential();
        let forbids = |relative: &Relative| relative.role == RelativeRole::DoNotNotify;
        if self.not_to_notify == NotToNotify::Nobody && event.patient.relatives.iter().any(forbids)
        {
            self.not_to_notify = NotToNotify::Named;
        }
        let named = event
            .family_doctor
            .as_ref()
            .and_then(|doctor| doctor.rpps.as_ref());
        if let Some(rpps) = named.and_then(|rpps| Rpps::parse(rpps.as_str()).ok())
            && (!older || self.family_doctor.is_none())
        {
            self.family_doctor = Some(rpps);
        }
        self.from_nursing_home |= event.modes.from == Some('7');
        if event.modes.from == Some('7') {
            self.note_nursing_home(event.origin.as_ref());
        }
        self.absorb_stay(event, older);
        self.absorb_movement(event);
        let recorded = event.recorded_at.map(Moment::from);
        if !older && recorded.is_some() {
            self.heard_until = recorded;
        }
    }

    /// Whether an event was typed in before the newest one heard: it came late, or came again.
    pub fn is_older(&self, event: &AdtEvent) -> bool {
        match (self.heard_until, event.recorded_at) {
            (Some(newest), Some(recorded)) => recorded.local < newest.at,
            _ => false,
        }
    }

    /// Whether a newer version of the movement of this correction was heard already.
    pub fn is_superseded(&self, event: &AdtEvent) -> bool {
        let known = self
            .movement(&movement_keys(event))
            .and_then(|record| record.recorded_at);
        match (known, event.recorded_at) {
            (Some(known), Some(recorded)) => recorded.local < known.at,
            _ => false,
        }
    }

    /// The patient number gives way to the one that `event` names (A40): the same person.
    pub fn merge_into(&mut self, event: &AdtEvent) {
        let old = std::mem::take(&mut self.person.ipp);
        if old != event.patient.ipp && !self.former.contains(&old) {
            self.former.push(old);
        }
        self.person = Person::of(event);
        self.is_protected |= event.is_confidential();
    }

    /// A human looked at the recipients of a stay whose patient named somebody not to be told.
    pub fn accept_recipients(&mut self) {
        self.not_to_notify = NotToNotify::Checked;
    }

    /// A human checked that the stay is now this patient's (an identity corrected or merged) and
    /// dealt with the notices given for the other number.
    pub fn accept_patient(&mut self) {
        self.has_identity_conflict = false;
    }

    /// Records a notice that was numbered and stored with the event. `number` is the fresh one,
    /// which a new version of an earlier notice does not use.
    pub fn record(&mut self, planned: &Planned, number: NoticeNumber, delivery: Delivery) {
        let standing = match planned.kind {
            Kind::Cancellation { of } => {
                self.settle(of, Standing::Cancelled);
                // A cancellation states nothing that could be cancelled in turn.
                Standing::Replaced
            }
            _ => Standing::Live,
        };
        let (number, version) = planned.identity(number);
        if version > 1 {
            self.settle(number, Standing::Replaced);
        }
        self.issued.push(Issued {
            number,
            version,
            statement: planned.statement.clone(),
            movement: planned.movement.clone(),
            recipients: planned.recipients.clone(),
            ipp: planned.person.ipp.clone(),
            delivery,
            standing,
        });
    }

    /// Records that a notice was given to the relay.
    pub fn mark_handed_over(&mut self, number: NoticeNumber) {
        for issued in self
            .issued
            .iter_mut()
            .filter(|issued| issued.number == number)
        {
            issued.delivery = Delivery::HandedOver;
        }
    }

    /// Records that a waiting notice was withdrawn. The version that people saw before holds again.
    pub fn mark_withdrawn(&mut self, number: NoticeNumber) {
        self.settle(number, Standing::Cancelled);
        let seen = |issued: &&mut Issued| {
            issued.number == number && issued.delivery == Delivery::HandedOver
        };
        if let Some(seen) = self.issued.iter_mut().rfind(seen) {
            seen.standing = Standing::Live;
        }
    }

    /// The newest version of a notice that left.
    pub fn seen_version(&self, number: NoticeNumber) -> Option<&Issued> {
        self.issued
            .iter()
            .rfind(|issued| issued.number == number && issued.delivery == Delivery::HandedOver)
    }

    /// The notice of a slot that holds; the newest of them.
    pub fn live(&self, slot: Slot) -> Option<&Issued> {
        self.live_notices()
            .filter(|issued| issued.statement.kind.slot() == Some(slot))
            .last()
    }

    /// The notice that a statement of `slot` from the movement `keys` would replace.
    pub fn replaced_by(&self, slot: Slot, keys: &[MovementKey]) -> Option<&Issued> {
        if slot.repeats() {
            self.live_notices().find(|issued| {
                issued.statement.kind.slot() == Some(slot) && shares_key(&issued.movement, keys)
            })
        } else {
            self.live(slot)
        }
    }

    /// All notices that hold.
    pub fn live_notices(&self) -> impl Iterator<Item = &Issued> {
        self.issued
            .iter()
            .filter(|issued| issued.standing == Standing::Live)
    }

    /// What is known of the movement of an event.
    pub fn movement(&self, keys: &[MovementKey]) -> Option<&MovementRecord> {
        self.movements
            .iter()
            .find(|record| shares_key(&record.keys, keys))
    }

    /// Whether every admission heard of was cancelled: there is no stay then.
    pub fn is_admission_cancelled(&self) -> bool {
        let mut admissions = self
            .movements
            .iter()
            .filter(|record| record.is_admission())
            .peekable();
        admissions.peek().is_some() && admissions.all(|record| record.is_cancelled)
    }

    fn settle(&mut self, number: NoticeNumber, standing: Standing) {
        let live =
            |issued: &&mut Issued| issued.number == number && issued.standing == Standing::Live;
        self.issued
            .iter_mut()
            .filter(live)
            .for_each(|issued| issued.standing = standing);
    }

    fn note_nursing_home(&mut self, finess: Option<&liaison_hl7::adt::Finess>) {
        if let Some(finess) = finess.and_then(|finess| Finess::parse(finess.as_str()).ok()) {
            self.nursing_home = Some(finess);
        }
    }

    fn absorb_person(&mut self, event: &AdtEvent, older: bool) {
        if self.dossier.is_none() {
            self.dossier = event.dossier.clone();
        }
        if self.former.contains(&event.patient.ipp) {
            // A message of before the merge, or its reversal: see `identity`.
            return;
        }
        if event.patient.ipp != self.person.ipp {
            self.leave_patient();
            let was_announced = self.live_notices().next().is_some();
            self.has_identity_conflict |= was_announced;
        } else if older {
            return;
        }
        self.person = Person::of(event);
    }

    /// Another patient's doctor and nursing home must not hear of this one.
    pub(super) fn leave_patient(&mut self) {
        self.family_doctor = None;
        self.nursing_home = None;
        self.carried.clear();
        self.from_nursing_home = false;
    }

    fn absorb_stay(&mut self, event: &AdtEvent, older: bool) {
        let Some(stay) = &event.stay else {
            return;
        };
        self.class = if older {
            self.class.or(stay.class)
        } else {
            stay.class.or(self.class)
        };
        let cancelled = event.action == Action::Cancel;
        if !cancelled && stay.site.is_some() && (!older || self.site.is_none()) {
            self.site.clone_from(&stay.site);
        }
        if event.modes.to == Some('7') && !cancelled {
            self.note_nursing_home(stay.destination.as_ref());
        }
        self.absorb_expected(event, stay);
    }

    /// PV2-9 and A16. Feeds repeat PV2-9 in every message: only what was typed in later than what
    /// is known says something new.
    fn absorb_expected(&mut self, event: &AdtEvent, stay: &Stay) {
        let recorded = event.recorded_at.map(Moment::from);
        if let (Some(known), Some(recorded)) = (self.expected_said_at, recorded)
            && recorded.at < known.at
        {
            return;
        }
        let planned = event
            .planned_at
            .filter(|_| subject(event) == Trigger::A16)
            .or(stay.expected_discharge)
            .filter(|_| event.action != Action::Cancel);
        let removed =
            stay.expected_discharge_removed || cancels(event, &[Trigger::A16, Trigger::A25]);
        if removed {
            self.expected_discharge = None;
        } else if let Some(expected) = planned {
            self.expected_discharge = Some(expected.into());
        } else {
            return;
        }
        self.expected_said_at = recorded.or(self.expected_said_at);
    }

    fn absorb_movement(&mut self, event: &AdtEvent) {
        if event.movement.is_none() && event.action == Action::Update {
            // No movement at all: identity feeds would fill the list.
            return;
        }
        let keys = movement_keys(event);
        let cancelled = event.action == Action::Cancel;
        let recorded = event.recorded_at.map(Moment::from);
        let position = self
            .movements
            .iter()
            .position(|record| shares_key(&record.keys, &keys));
        match position.and_then(|at| self.movements.get_mut(at)) {
            Some(record) => {
                // What was cancelled stays so, also when its insertion arrives late.
                record.is_cancelled |= cancelled;
                if record.trigger.is_empty() && !cancelled {
                    record.trigger = subject(event).to_string();
                }
                if recorded.is_some_and(|new| record.recorded_at.is_none_or(|old| old.at < new.at))
                {
                    record.recorded_at = recorded;
                }
            }
            None => self.movements.push(MovementRecord {
                keys,
                trigger: if cancelled {
                    String::new()
                } else {
                    subject(event).to_string()
                },
                is_cancelled: cancelled,
                recorded_at: recorded,
            }),
        }
    }
}

impl Issued {
    /// Whether that target got it.
    pub fn went_to(&self, target: &Target) -> bool {
        self.recipients
            .iter()
            .any(|recipient| recipient.target == *target)
    }
}

macro_rules! redact {
    ($($name:ident)*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        })*
    };
}

redact! { EpisodeKey Episode Issued }
