//! The JSON of `POST /v1/notices`: for systems without HL7 or FHIR.
//!
//! ```json
//! {
//!   "event": "discharge",
//!   "visit": "26004711-1",
//!   "at": "2026-11-21T20:30:00",
//!   "destination": {"kind": "nursing_home", "finess": "000000777"},
//!   "patient": {
//!     "ipp": "900123", "birth_family": "LEFEBVRE", "given": "JEANNE",
//!     "birth_date": "1938-05-12", "sex": "F"
//!   }
//! }
//! ```
//!
//! Moments are the hospital's own clock, or have an offset. A `movement` is the sender's own name
//! of what happened: a correction (`"action": "update"`) or a cancellation (`"cancel"`) repeats it.

use liaison_base::civil::legal_time;
use liaison_hl7::adt::{
    Action, AdtEvent, FamilyDoctor, Finess, Ins, InsKind, Modes, Movement, MovementId, Patient,
    PersonName, Processing, Relative, RelativeRole, Rpps, Stay, Trigger,
};
use liaison_hl7::timestamp::{BirthDate, Timestamp};
use serde::Deserialize;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::access::Caller;

/// What is wrong with a request: where, and what to write. Never a value of it.
#[derive(Debug, thiserror::Error)]
#[error("{at}: {detail}")]
pub(super) struct Wrong {
    pub(super) at: &'static str,
    pub(super) detail: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Admission,
    EmergencyVisit,
    PlannedAdmission,
    PlannedDischarge,
    Discharge,
    LeaveStart,
    LeaveEnd,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Doing {
    #[default]
    Insert,
    Update,
    Cancel,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Whereto {
    Home,
    HomeHospitalisation,
    NursingHome,
    OtherHospital,
    AgainstAdvice,
    Death,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    event: Event,
    #[serde(default)]
    action: Doing,
    movement: Option<String>,
    visit: String,
    at: String,
    recorded_at: Option<String>,
    expected_discharge: Option<String>,
    expected_return: Option<String>,
    unit: Option<String>,
    #[serde(default)]
    through_emergency: bool,
    #[serde(default)]
    confidential: bool,
    patient: Person,
    family_doctor: Option<Doctor>,
    origin: Option<Place>,
    destination: Option<Destination>,
    #[serde(default)]
    test: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Person {
    ipp: String,
    ins: Option<String>,
    ins_oid: Option<String>,
    #[serde(default)]
    ins_validated: bool,
    birth_family: Option<String>,
    used_family: Option<String>,
    given: Option<String>,
    title: Option<String>,
    birth_date: Option<String>,
    sex: Option<char>,
    #[serde(default)]
    somebody_not_to_be_told: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Doctor {
    rpps: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    #[serde(default)]
    nursing_home: bool,
    finess: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Destination {
    kind: Whereto,
    finess: Option<String>,
}

/// Reads a request. `key` names it to the hospital's system; `now` is local.
///
/// # Errors
/// [`Wrong`].
pub(super) fn read(
    bytes: &[u8],
    caller: &Caller,
    key: &str,
    now: PrimitiveDateTime,
) -> Result<AdtEvent, Wrong> {
    let body: Body = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
    let at = moment("at", &body.at)?;
    let stamp = |local| Timestamp {
        local,
        has_time: true,
        offset: None,
    };
    let recorded = match &body.recorded_at {
        Some(text) => moment("recorded_at", text)?,
        None => stamp(now),
    };
    let trigger = match body.event {
        Event::Admission => Trigger::A01,
        Event::EmergencyVisit => Trigger::A04,
        Event::PlannedAdmission => Trigger::A05,
        Event::PlannedDischarge => Trigger::A16,
        Event::Discharge => Trigger::A03,
        Event::LeaveStart => Trigger::A21,
        Event::LeaveEnd => Trigger::A22,
    };
    let planned = matches!(
        body.event,
        Event::PlannedAdmission | Event::PlannedDischarge
    );
    let action = match body.action {
        Doing::Insert => Action::Insert,
        Doing::Update => Action::Update,
        Doing::Cancel => Action::Cancel,
    };
    let movement = movement(&body, caller, (trigger, action), (at, recorded))?;
    let expected =
        |at, text: &Option<String>| text.as_ref().map(|text| moment(at, text)).transpose();
    let destination = body.destination.as_ref();
    let to_place = place(
        "destination.finess",
        destination.and_then(|to| to.finess.as_ref()),
    )?;
    let origin = body.origin.as_ref();
    Ok(AdtEvent {
        trigger,
        action,
        control_id: key.to_owned(),
        facility: caller.facility.clone(),
        application: caller.name.clone(),
        processing: match body.test {
            true => Processing::Training,
            false => Processing::Production,
        },
        recorded_at: Some(recorded),
        planned_at: planned.then_some(at),
        occurred_at: Some(at),
        patient: patient(&body.patient)?,
        visit: Some(named("visit", &body.visit)?),
        dossier: None,
        merge: None,
        stay: Some(Stay {
            class: Some(match body.event {
                Event::EmergencyVisit => 'E',
                _ => 'I',
            }),
            circumstance: None,
            destination: to_place,
            admitted_at: None,
            discharged_at: None,
            expected_discharge: expected("expected_discharge", &body.expected_discharge)?,
            expected_discharge_removed: false,
            expected_return: expected("expected_return", &body.expected_return)?,
            site: None,
            is_protected: body.confidential,
        }),
        movement: Some(movement),
        modes: modes(&body),
        origin: place(
            "origin.finess",
            origin.and_then(|from| from.finess.as_ref()),
        )?,
        family_doctor: match &body.family_doctor {
            None => None,
            Some(doctor) => Some(FamilyDoctor {
                rpps: Some(
                    Rpps::parse(&doctor.rpps)
                        .ok_or_else(|| wrong("family_doctor.rpps", "eleven digits"))?,
                ),
                family: None,
                given: None,
            }),
        },
        charset_undeclared: false,
    })
}

fn movement(
    body: &Body,
    caller: &Caller,
    (trigger, action): (Trigger, Action),
    (at, recorded): (Timestamp, Timestamp),
) -> Result<Movement, Wrong> {
    let id = match &body.movement {
        Some(id) => named("movement", id)?,
        // A stay has one admission and one discharge; a leave has its hour.
        None if matches!(body.event, Event::LeaveStart | Event::LeaveEnd) => {
            format!("{trigger} {}", at.local)
        }
        None => trigger.to_string(),
    };
    Ok(Movement {
        ids: vec![MovementId {
            id,
            authority: caller.facility.clone(),
        }],
        effective_at: match body.event {
            Event::PlannedDischarge | Event::PlannedAdmission => recorded,
            _ => at,
        },
        action,
        is_historic: false,
        original: (action != Action::Insert).then_some(trigger),
        medical_unit: body.unit.as_ref().map(|code| liaison_hl7::adt::Unit {
            code: Some(code.clone()),
            name: None,
        }),
        nursing_unit: None,
    })
}

fn modes(body: &Body) -> Modes {
    let (exit, to) = match body.destination.as_ref().map(|to| to.kind) {
        None => (None, None),
        Some(Whereto::Home) => (Some('8'), None),
        Some(Whereto::HomeHospitalisation) => (Some('8'), Some('6')),
        Some(Whereto::NursingHome) => (Some('8'), Some('7')),
        Some(Whereto::OtherHospital) => (Some('7'), None),
        Some(Whereto::AgainstAdvice) => (Some('4'), None),
        Some(Whereto::Death) => (Some('9'), None),
    };
    let resident = body.origin.as_ref().is_some_and(|from| from.nursing_home);
    Modes {
        entry: None,
        exit,
        from: resident.then_some('7'),
        to,
        through_emergency: body.through_emergency,
    }
}

fn patient(person: &Person) -> Result<Patient, Wrong> {
    let ins = match &person.ins {
        None => None,
        Some(value) => {
            let formed = (13..=15).contains(&value.len())
                && value.bytes().all(|octet| octet.is_ascii_alphanumeric());
            if !formed {
                return Err(wrong("patient.ins", "13 to 15 letters and digits"));
            }
            let kinds = [
                InsKind::Nir,
                InsKind::Nia,
                InsKind::TestNir,
                InsKind::DemoNir,
            ];
            let said = person.ins_oid.as_deref().unwrap_or(InsKind::Nir.oid());
            let kind = kinds
                .into_iter()
                .find(|kind| kind.oid() == said)
                .ok_or_else(|| wrong("patient.ins_oid", "1.2.250.1.213.1.4.8, .9, .10 or .11"))?;
            Some(Ins {
                value: value.clone(),
                kind,
            })
        }
    };
    let birth_date = match &person.birth_date {
        None => None,
        Some(text) => Some(
            BirthDate::parse(&text.replace('-', ""))
                .ok_or_else(|| wrong("patient.birth_date", "write 1938-05-12, 1938-05 or 1938"))?,
        ),
    };
    let forbids = person.somebody_not_to_be_told.then_some(Relative {
        name: None,
        role: RelativeRole::DoNotNotify,
    });
    Ok(Patient {
        ipp: named("patient.ipp", &person.ipp)?,
        ins,
        ins_removed: false,
        is_validated: person.ins_validated,
        name: PersonName {
            birth_family: person.birth_family.clone(),
            used_family: person.used_family.clone(),
            given: person.given.clone(),
            title: person.title.clone(),
        },
        birth_date,
        sex: person.sex,
        residence: None,
        is_dead: false,
        is_protected: false,
        relatives: forbids.into_iter().collect(),
    })
}

fn place(at: &'static str, finess: Option<&String>) -> Result<Option<Finess>, Wrong> {
    match finess {
        None => Ok(None),
        Some(text) => Finess::parse(text)
            .map(Some)
            .ok_or_else(|| wrong(at, "nine characters")),
    }
}

pub(super) fn named(at: &'static str, text: &str) -> Result<String, Wrong> {
    let text = text.trim();
    let formed = (1..=64).contains(&text.len()) && !text.chars().any(char::is_control);
    match formed {
        true => Ok(text.to_owned()),
        false => Err(wrong(at, "1 to 64 characters")),
    }
}

fn moment(at: &'static str, text: &str) -> Result<Timestamp, Wrong> {
    let local = OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
        .ok()
        .filter(|instant| (1900..2200).contains(&instant.year()))
        .map(legal_time)
        .or_else(|| {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            let written = |octet: u8| octet.is_ascii_digit() || b"-:T.".contains(&octet);
            let formed = text.len() >= 16
                && text.as_bytes().get(10) == Some(&b'T')
                && text.bytes().all(written);
            let stamp = Timestamp::parse(&digits).filter(|_| formed)?;
            Some(stamp.local)
        });
    let local =
        local.ok_or_else(|| wrong(at, "write 2026-11-21T20:30:00, with or without an offset"))?;
    Ok(Timestamp {
        local,
        has_time: true,
        offset: None,
    })
}

pub(super) fn wrong(at: &'static str, detail: &str) -> Wrong {
    Wrong {
        at,
        detail: detail.to_owned(),
    }
}

/// serde quotes values of the wrong type; its place alone is told.
pub(super) fn unreadable(error: &serde_json::Error) -> Wrong {
    let detail = format!(
        "line {}, column {}: it is no JSON, or not the object that /v1/openapi.json describes",
        error.line(),
        error.column()
    );
    Wrong { at: "body", detail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: PrimitiveDateTime = datetime!(2026-11-21 21:41);

    fn read_text(text: &str) -> Result<AdtEvent, Wrong> {
        read(text.as_bytes(), &Caller::made_up(), "k1", NOW)
    }

    const DISCHARGE: &str = r#"{"event": "discharge", "visit": "26004711-1", "at": "2026-11-21T20:30:00",
        "destination": {"kind": "nursing_home", "finess": "009400777"},
        "patient": {"ipp": "900123", "birth_family": "ESSAI", "given": "OCTAVIE", "birth_date": "1938-05-12", "sex": "F"}}"#;

    #[test]
    fn a_discharge_reads_as_its_hl7_would() {
        let event = read_text(DISCHARGE).unwrap();
        assert_eq!(
            (event.trigger, event.action),
            (Trigger::A03, Action::Insert)
        );
        assert_eq!((event.modes.exit, event.modes.to), (Some('8'), Some('7')));
        assert_eq!(
            event.effective_at().unwrap().local,
            datetime!(2026-11-21 20:30)
        );
        assert_eq!(event.recorded_at.unwrap().local, NOW);
        assert_eq!(event.facility, "CH-TEST");
        let utc = read_text(&DISCHARGE.replace("20:30:00", "19:30:00Z")).unwrap();
        assert_eq!(utc.effective_at(), event.effective_at());
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place_and_not_by_its_value() {
        for (from, to, told) in [
            ("\"discharge\"", "\"GARANCE\"", "body"),
            ("{\"event\"", "{\"GARANCE\": 1, \"event\"", "body"),
            ("26004711-1", "", "visit"),
            ("2026-11-21T20:30:00", "GARANCE", "at"),
            ("2026-11-21T20:30:00", "2026-11-21TGARANCE", "at"),
            ("009400777", "GARANCE", "destination.finess"),
            ("1938-05-12", "GARANCE", "patient.birth_date"),
            ("\"sex\": \"F\"", "\"ins\": \"GARANCE 1\"", "patient.ins"),
        ] {
            let error = read_text(&DISCHARGE.replace(from, to)).unwrap_err();
            assert_eq!(error.at, told, "{error}");
            assert!(!error.to_string().contains("GARANCE"), "{error}");
        }
    }
}
