//! What an admission, discharge or transfer message says (PAM-FR 2.11; IHE ITI-30, ITI-31).
//!
//! - [`AdtEvent`]: the whole, read by [`AdtEvent::parse`].
//! - [`trigger`]: which event, and whether it inserts, updates or cancels.
//! - [`patient`]: PID, PD1, NK1.
//! - [`movement`]: PV1, PV2, ZBE, ZFM: the stay and what happened to it.
//! - [`doctor`]: the family doctor, from ROL.
//! - [`merge`]: MRG: which identifiers give way in A40, A44 and A47.
//!
//! PV2-3, ZFV-10, ZFS and the diagnosis segments are not read at all: what they say must never be
//! in a notice.
//!
//! # How strict
//! What decides the meaning of the event (header, identifier of the patient, visit, movement,
//! its time and action) is required and must be well formed; what only describes (names, birth
//! date, address) may be missing or odd. International feeds without ZBE are taken.

pub mod doctor;
pub mod merge;
pub mod movement;
pub mod patient;
pub mod trigger;

pub(crate) mod text;

use std::fmt;

pub use doctor::{FamilyDoctor, Rpps};
pub use merge::Merge;
pub use movement::{Finess, Modes, Movement, MovementId, Stay, Unit};
pub use patient::{Address, Ins, InsKind, Patient, PersonName, Relative, RelativeRole};
pub use trigger::{Action, Trigger};

use crate::er7::{Declared, Message};
use crate::error::Error;
use crate::refusal::{Code, Location, Refusal};
use crate::timestamp::Timestamp;
use text::clean;

/// An ADT message, understood.
#[derive(Clone, PartialEq)]
pub struct AdtEvent {
    /// MSH-9.2 (EVN-1 in old feeds).
    pub trigger: Trigger,
    /// What it does to a movement: ZBE-4, or what the trigger implies without ZBE.
    pub action: Action,
    /// MSH-10.
    pub control_id: String,
    /// MSH-4.1: the facility that sends; with it every identifier of patients, visits and
    /// movements is read.
    pub facility: String,
    /// MSH-3.1: the system that sends.
    pub application: String,
    /// MSH-11.
    pub processing: Processing,
    /// EVN-2: when it was typed in.
    pub recorded_at: Option<Timestamp>,
    /// EVN-3: when it is planned for.
    pub planned_at: Option<Timestamp>,
    /// EVN-6: when it happened.
    pub occurred_at: Option<Timestamp>,
    /// PID, PD1, NK1.
    pub patient: Patient,
    /// PV1-19.1, or PID-18.1 (the dossier) where a feed has no visit number. Always there for a
    /// trigger that concerns a visit ([`Trigger::concerns_visit`]).
    pub visit: Option<String>,
    /// PID-18.1: the dossier, which may hold several visits.
    pub dossier: Option<String>,
    /// MRG: the identifiers that give way.
    pub merge: Option<Merge>,
    /// PV1 and PV2.
    pub stay: Option<Stay>,
    /// ZBE.
    pub movement: Option<Movement>,
    /// ZFM.
    pub modes: Modes,
    /// ZFV-1.1: FINESS of the structure that the person came from.
    pub origin: Option<Finess>,
    /// ROL-3 = ODRP.
    pub family_doctor: Option<FamilyDoctor>,
    /// MSH-18 is empty: 8859/15 was assumed.
    pub charset_undeclared: bool,
}

/// MSH-11.1 (table HL70103).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processing {
    /// `P`.
    Production,
    /// `T`: training.
    Training,
    /// `D`: debugging.
    Debugging,
}

impl AdtEvent {
    /// Reads an ADT message.
    ///
    /// # Errors
    /// [`Error::Refused`] with the ERR-3 code and place, never a value:
    /// 101 MSH-4, MSH-9, MSH-10, MSH-11, PID-3, PV1-19, ZBE-1, ZBE-2 or ZBE-4 empty; 100 no PID,
    /// or no PV1 where the trigger concerns a visit; 102 a movement time that is none; 103 an
    /// unknown ZBE-4 or character set; 200 not an ADT; 202 an unknown MSH-11; 203 not version 2.
    /// An unknown trigger is no error (PAM-FR: ignored, but acknowledged).
    pub fn parse(message: &Message<'_>) -> Result<AdtEvent, Error> {
        let msh = message.msh();
        let trigger = read_trigger(message)?;
        let control_id = required(message, "MSH", 10)?;
        let processing = read_processing(message)?;
        if !matches!(
            msh.field(12).component(1).bytes(),
            [] | [b'2', b'.', ..] | b"2"
        ) {
            return Err(Refusal::at_field(Code::VersionId, "MSH", 12).into());
        }
        if message.declared_charset() == Declared::Unknown {
            return Err(Refusal::at_field(Code::TableValue, "MSH", 18).into());
        }
        let facility = required(message, "MSH", 4)?;
        let patient = Patient::read(message)?;
        let stay = Stay::read(message)?;
        let visit = read_visit(message);
        if trigger.concerns_visit() {
            if stay.is_none() {
                return Err(Refusal::no_segment("PV1").into());
            }
            if visit.is_none() {
                return Err(Refusal::missing("PV1", 19).into());
            }
        }
        let movement = Movement::read(message)?;
        let action = movement
            .as_ref()
            .map_or(trigger.implied_action(), |movement| movement.action);
        let evn = message.segment("EVN");
        let time = |field: usize| {
            evn.and_then(|evn| Timestamp::parse(&evn.field(field).component(1).text()))
        };
        Ok(AdtEvent {
            trigger,
            action,
            control_id,
            facility,
            application: clean(msh.field(3).component(1)).unwrap_or_default(),
            processing,
            recorded_at: time(2).or_else(|| Timestamp::parse(&msh.field(7).component(1).text())),
            planned_at: time(3),
            occurred_at: time(6),
            patient,
            visit,
            dossier: message
                .segment("PID")
                .and_then(|pid| clean(pid.field(18).component(1))),
            merge: Merge::read(message),
            stay,
            movement,
            modes: Modes::read(message),
            origin: message
                .segment("ZFV")
                .and_then(|zfv| Finess::parse(&zfv.field(1).component(1).subcomponent(1).text())),
            family_doctor: FamilyDoctor::read(message),
            charset_undeclared: message.declared_charset() == Declared::Nothing,
        })
    }

    /// When it happened: ZBE-2; without ZBE (international feeds) the time of the visit itself
    /// (PV1-44 of an admission, PV1-45 of a discharge), else EVN-6, else EVN-2.
    pub fn effective_at(&self) -> Option<Timestamp> {
        let of_visit = || {
            let stay = self.stay.as_ref()?;
            match self.trigger {
                Trigger::A01 | Trigger::A04 => stay.admitted_at,
                Trigger::A03 => stay.discharged_at,
                _ => None,
            }
        };
        self.movement
            .as_ref()
            .map(|movement| movement.effective_at)
            .or_else(of_visit)
            .or(self.occurred_at)
            .or(self.recorded_at)
    }

    /// Whether a human has to release any notice of it: confidential stay or person, secret
    /// presence (PD1-12, PV2-22, PV1-16, PID-32 ANOM or CACH).
    pub fn is_confidential(&self) -> bool {
        self.patient.is_protected || self.stay.as_ref().is_some_and(|stay| stay.is_protected)
    }
}

impl fmt::Debug for AdtEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "AdtEvent({} {:?} of {})",
            self.trigger, self.action, self.control_id
        )
    }
}

fn read_trigger(message: &Message<'_>) -> Result<Trigger, Refusal> {
    let kind = message.msh().field(9);
    if !kind.has_value() {
        return Err(Refusal::missing("MSH", 9));
    }
    if !kind.component(1).is("ADT") {
        return Err(Refusal::at_field(Code::MessageType, "MSH", 9));
    }
    let mut trigger = kind.component(2);
    if !trigger.has_value() {
        let at = Location::component("MSH", 9, 2);
        let evn = message.segment("EVN").ok_or(Refusal {
            code: Code::RequiredField,
            at,
        })?;
        trigger = evn.field(1);
    }
    Trigger::from_code(trigger.bytes()).ok_or(Refusal {
        code: Code::EventCode,
        at: Location::component("MSH", 9, 2),
    })
}

fn read_processing(message: &Message<'_>) -> Result<Processing, Refusal> {
    match message.msh().field(11).component(1).bytes() {
        b"P" => Ok(Processing::Production),
        b"T" => Ok(Processing::Training),
        b"D" => Ok(Processing::Debugging),
        b"" | b"\"\"" => Err(Refusal::missing("MSH", 11)),
        _ => Err(Refusal::at_field(Code::ProcessingId, "MSH", 11)),
    }
}

fn read_visit(message: &Message<'_>) -> Option<String> {
    let number = |segment: &str, field: usize| {
        message
            .segment(segment)
            .and_then(|found| clean(found.field(field).component(1)))
    };
    number("PV1", 19).or_else(|| number("PID", 18))
}

/// The first component of a field of a segment that must have it.
fn required(message: &Message<'_>, segment: &'static str, field: u16) -> Result<String, Refusal> {
    message
        .segment(segment)
        .and_then(|found| clean(found.field(usize::from(field)).component(1)))
        .ok_or(Refusal::missing(segment, field))
}
