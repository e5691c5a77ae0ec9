//! FHIR R4 in: what a bundle says of a stay, in the terms of an admission, discharge or transfer.
//!
//! | says | by |
//! |---|---|
//! | which event | MedCom's activity in `Provenance.activity`; else Da Vinci's `MessageHeader.event`; else `Encounter.status` and `class` |
//! | correction, cancellation | `revise-`, `cancel-` before the activity; `Encounter.status` `cancelled`, `entered-in-error` |
//! | who | `Encounter.subject`: identifiers (INS by its OID, with the French reliability extension VALI; the hospital's own number), names, birth date |
//! | when | `Encounter.period`; typed in: `Provenance.recorded`, `Bundle.timestamp` |
//! | where to | `Encounter.hospitalization` |
//! | family doctor | `Patient.generalPractitioner`, by RPPS |
//! | planned discharge | the R5 extension `Encounter.plannedEndDate` |
//!
//! - This file: reading a bundle. [`documents`]: letters and lists of treatments.
//! - `resource`: finding resources and their values.

pub mod documents;

mod resource;

use std::fmt;

use serde_json::Value;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::adt::{
    Action, AdtEvent, FamilyDoctor, Finess, Ins, InsKind, Modes, Patient, PersonName, Processing,
    Rpps, Stay, Trigger,
};
use crate::timestamp::{BirthDate, Timestamp};
pub use resource::Bundle;
use resource::{array, at, codes, text};

/// Largest bundle, in octets.
pub const MAX_BUNDLE: usize = 16 * 1024 * 1024;
const DA_VINCI: &str = "http://hl7.org/fhir/us/davinci-alerts/CodeSystem/notification-event";
const RELIABILITY: &str =
    "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-identity-reliability";
const PLANNED_END: &str =
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter.plannedEndDate";
const RPPS: &str = "urn:oid:1.2.250.1.71.4.2.1";
const FINESS: [&str; 2] = [
    "urn:oid:1.2.250.1.71.4.2.2",
    "https://finess.esante.gouv.fr",
];
const INS: &str = "urn:oid:1.2.250.1.213.1.4.";

/// What is wrong with a bundle: where, never a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not JSON, or not a bundle.
    #[error("not a FHIR R4 Bundle in JSON")]
    Structure,
    /// Something that has to be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value that cannot be used.
    #[error("{0} has a value that cannot be used")]
    Value(&'static str),
}

impl Fault {
    /// The code of an `OperationOutcome.issue`.
    pub fn code(self) -> &'static str {
        match self {
            Fault::Structure => "structure",
            Fault::Missing(_) => "required",
            Fault::Value(_) => "value",
        }
    }

    /// Where, as FHIRPath.
    pub fn expression(self) -> &'static str {
        match self {
            Fault::Structure => "Bundle",
            Fault::Missing(path) | Fault::Value(path) => path,
        }
    }
}

/// Who sends, and how its moments are read.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    /// Stands for MSH-4: with it the stays are known.
    pub facility: &'a str,
    /// Stands for MSH-3.
    pub application: &'a str,
    /// The local time of an instant.
    pub local: fn(OffsetDateTime) -> PrimitiveDateTime,
    /// Now, local: stands in where nothing says when the event was typed in.
    pub now: PrimitiveDateTime,
}

/// What a bundle says happened to a stay.
///
/// # Errors
/// [`Fault`] naming the element.
pub fn event(bundle: &Bundle, sender: &Sender<'_>) -> Result<AdtEvent, Fault> {
    let encounter = bundle.encounter().ok_or(Fault::Missing("Encounter"))?;
    let person = bundle
        .resolve(at(encounter, &["subject"]))
        .or_else(|| bundle.first("Patient"))
        .ok_or(Fault::Missing("Encounter.subject"))?;
    let (trigger, action) = what(bundle, encounter)?;
    let time = |value: Option<&Value>, path| match value.and_then(Value::as_str) {
        None => Ok(None),
        Some(text) => moment(text, sender).map(Some).ok_or(Fault::Value(path)),
    };
    let starts = time(
        at(encounter, &["period", "start"]),
        "Encounter.period.start",
    )?;
    let ends = time(at(encounter, &["period", "end"]), "Encounter.period.end")?;
    let planned = resource::extension(encounter, PLANNED_END);
    let recorded = bundle
        .last("Provenance")
        .and_then(|one| at(one, &["recorded"]))
        .or_else(|| at(bundle.root(), &["timestamp"]));
    let recorded = time(recorded, "Bundle.timestamp")?.unwrap_or(Timestamp {
        local: sender.now,
        has_time: true,
        offset: None,
    });
    let happened = match trigger {
        Trigger::A03 => ends,
        Trigger::A01 | Trigger::A04 | Trigger::A05 => starts,
        _ => None,
    };
    if action != Action::Cancel && happened.is_none() && trigger == Trigger::A03 {
        return Err(Fault::Missing("Encounter.period.end"));
    }
    let (modes, circumstance) = way_out(encounter);
    let patient = patient(bundle, person, sender)?;
    let visit = visit(encounter).ok_or(Fault::Missing("Encounter.identifier"))?;
    let destination = bundle
        .resolve(at(encounter, &["hospitalization", "destination"]))
        .or_else(|| at(encounter, &["hospitalization", "destination"]));
    let origin = bundle
        .resolve(at(encounter, &["hospitalization", "origin"]))
        .or_else(|| at(encounter, &["hospitalization", "origin"]));
    Ok(AdtEvent {
        trigger,
        action,
        control_id: bundle.id().ok_or(Fault::Missing("MessageHeader.id"))?,
        facility: sender.facility.to_owned(),
        application: sender.application.to_owned(),
        processing: match bundle.is_test() {
            true => Processing::Training,
            false => Processing::Production,
        },
        recorded_at: Some(recorded),
        planned_at: if trigger == Trigger::A05 {
            starts
        } else {
            None
        },
        occurred_at: happened,
        stay: Some(Stay {
            class: class(encounter),
            circumstance,
            destination: destination.and_then(finess),
            admitted_at: starts,
            discharged_at: ends,
            expected_discharge: time(
                planned.and_then(|one| at(one, &["valueDateTime"])),
                "Encounter.extension",
            )?,
            expected_discharge_removed: false,
            expected_return: None,
            site: None,
            is_protected: is_confidential(encounter),
        }),
        visit: Some(visit),
        dossier: None,
        merge: None,
        movement: None,
        modes,
        origin: origin.and_then(finess),
        family_doctor: family_doctor(bundle, person),
        patient,
        charset_undeclared: false,
    })
}

/// Which event, and whether it inserts, corrects or cancels.
fn what(bundle: &Bundle, encounter: &Value) -> Result<(Trigger, Action), Fault> {
    let activity = bundle
        .last("Provenance")
        .and_then(|one| at(one, &["activity"]))
        .map(codes)
        .unwrap_or_default();
    let status = text(encounter, &["status"]).ok_or(Fault::Missing("Encounter.status"))?;
    let taken_back = matches!(status, "cancelled" | "entered-in-error");
    for (_, code) in &activity {
        let (code, action) = match (code.strip_prefix("revise-"), code.strip_prefix("cancel-")) {
            (Some(code), _) => (code, Action::Update),
            (_, Some(code)) => (code, Action::Cancel),
            _ => (*code, Action::Insert),
        };
        let trigger = match code {
            "admit-inpatient" => Trigger::A01,
            "admit-emergency" => Trigger::A04,
            "discharge-inpatient-home" | "discharge-emergency-home" => Trigger::A03,
            "start-leave-inpatient" => Trigger::A21,
            "end-leave-inpatient" => Trigger::A22,
            _ => continue,
        };
        return Ok((trigger, action));
    }
    let action = match taken_back {
        true => Action::Cancel,
        false => Action::Insert,
    };
    let emergency = class(encounter) == Some('E');
    let admits = if emergency {
        Trigger::A04
    } else {
        Trigger::A01
    };
    let header = bundle.first("MessageHeader");
    let event = header.and_then(|header| {
        let coding = at(header, &["eventCoding"])?;
        (text(coding, &["system"]) == Some(DA_VINCI)).then(|| text(coding, &["code"]))?
    });
    let trigger = match (event, status) {
        (Some("notification-admit"), _) => admits,
        (Some("notification-discharge"), _) => Trigger::A03,
        (Some("notification-transfer"), "finished") => Trigger::A03,
        (Some("notification-transfer"), _) => Trigger::A02,
        (Some(_), _) => return Err(Fault::Value("MessageHeader.eventCoding")),
        (None, "planned") => Trigger::A05,
        (None, "arrived" | "triaged" | "in-progress" | "cancelled" | "entered-in-error") => admits,
        (None, "onleave") => Trigger::A21,
        (None, "finished") => Trigger::A03,
        (None, _) => return Err(Fault::Value("Encounter.status")),
    };
    Ok((trigger, action))
}

/// `IMP`, `ACUTE`, `NONAC` are stays; `EMER` is emergency; the rest tells nobody.
fn class(encounter: &Value) -> Option<char> {
    Some(match text(encounter, &["class", "code"])? {
        "IMP" | "ACUTE" | "NONAC" => 'I',
        "EMER" => 'E',
        "PRENC" => 'N',
        _ => 'O',
    })
}

fn way_out(encounter: &Value) -> (Modes, Option<String>) {
    let disposition = at(encounter, &["hospitalization", "dischargeDisposition"]);
    let code = disposition
        .map(codes)
        .and_then(|codes| codes.first().map(|(_, code)| *code));
    let (exit, to) = match code {
        Some("exp") => (Some('9'), None),
        Some("aadvice") => (Some('4'), None),
        Some("home" | "alt-home") => (Some('8'), None),
        Some("snf" | "long") => (Some('8'), Some('7')),
        Some("other-hcf" | "hosp" | "rehab" | "psy") => (Some('7'), None),
        _ => (None, None),
    };
    let source = at(encounter, &["hospitalization", "admitSource"]);
    let through_emergency = source
        .map(codes)
        .is_some_and(|codes| codes.iter().any(|(_, code)| *code == "emd"));
    let from_home = source
        .map(codes)
        .is_some_and(|codes| codes.iter().any(|(_, code)| *code == "nursing"));
    let modes = Modes {
        entry: None,
        exit,
        from: from_home.then_some('7'),
        to,
        through_emergency,
    };
    (modes, None)
}

/// The number of the visit: the identifier of type VN, else the first.
fn visit(encounter: &Value) -> Option<String> {
    let identifiers = array(encounter, "identifier");
    let is_visit = |one: &&Value| {
        at(one, &["type"])
            .map(codes)
            .is_some_and(|codes| codes.iter().any(|(_, code)| *code == "VN"))
    };
    let chosen = identifiers.iter().find(is_visit).or(identifiers.first());
    chosen
        .and_then(|one| text(one, &["value"]))
        .or_else(|| text(encounter, &["id"]))
        .map(str::to_owned)
}

fn patient(bundle: &Bundle, person: &Value, sender: &Sender<'_>) -> Result<Patient, Fault> {
    let identifiers = array(person, "identifier");
    let mut ins: Vec<Ins> = Vec::new();
    let mut own = None;
    for identifier in identifiers {
        let (system, value) = (
            text(identifier, &["system"]).unwrap_or_default(),
            text(identifier, &["value"]),
        );
        let Some(value) = value else { continue };
        match system.strip_prefix(INS) {
            Some(arc) => {
                let kind = match arc {
                    "8" => InsKind::Nir,
                    "9" => InsKind::Nia,
                    "10" => InsKind::TestNir,
                    "11" => InsKind::DemoNir,
                    _ => continue,
                };
                let formed = (13..=15).contains(&value.len())
                    && value.bytes().all(|octet| octet.is_ascii_alphanumeric());
                if !formed {
                    return Err(Fault::Value("Patient.identifier"));
                }
                ins.push(Ins {
                    value: value.to_owned(),
                    kind,
                });
            }
            None => own = own.or(Some(value)),
        }
    }
    ins.sort_by_key(|one| one.kind);
    let ipp = own
        .or_else(|| text(person, &["id"]))
        .ok_or(Fault::Missing("Patient.identifier"))?;
    let named = |usage: &[&str]| {
        array(person, "name")
            .iter()
            .find(|name| text(name, &["use"]).is_some_and(|said| usage.contains(&said)))
    };
    let official = named(&["official"]).or_else(|| array(person, "name").first());
    let usual = named(&["usual", "maiden"]);
    let first = |name: Option<&Value>, key: &str| {
        name.and_then(|name| array(name, key).first()?.as_str())
            .map(str::to_owned)
    };
    let family = |name: Option<&Value>| {
        name.and_then(|name| text(name, &["family"]))
            .map(str::to_owned)
    };
    let birth_date = match text(person, &["birthDate"]) {
        None => None,
        Some(date) => Some(
            BirthDate::parse(&date.replace('-', "")).ok_or(Fault::Value("Patient.birthDate"))?,
        ),
    };
    let died = text(person, &["deceasedDateTime"]).is_some_and(|at| moment(at, sender).is_some());
    Ok(Patient {
        ipp: ipp.to_owned(),
        ins: ins.into_iter().next(),
        ins_removed: false,
        is_validated: bundle_reliability(person),
        name: PersonName {
            birth_family: family(official),
            used_family: family(usual),
            given: first(official, "given"),
            title: first(official, "prefix"),
        },
        birth_date,
        sex: match text(person, &["gender"]) {
            Some("female") => Some('F'),
            Some("male") => Some('M'),
            _ => None,
        },
        residence: None,
        is_dead: died || at(person, &["deceasedBoolean"]) == Some(&Value::Bool(true)),
        is_protected: is_confidential(person) || is_confidential(bundle.root()),
        relatives: Vec::new(),
    })
}

/// The identity was checked (RNIV): the INS may be used.
fn bundle_reliability(person: &Value) -> bool {
    let Some(found) = resource::extension(person, RELIABILITY) else {
        return false;
    };
    let valid = |one: &Value| {
        text(one, &["valueCoding", "code"]) == Some("VALI")
            || text(one, &["valueCode"]) == Some("VALI")
    };
    valid(found) || array(found, "extension").iter().any(valid)
}

/// Restricted, very restricted (v3-Confidentiality), or a celebrity (v3-ActCode).
fn is_confidential(resource: &Value) -> bool {
    let Some(meta) = at(resource, &["meta"]) else {
        return false;
    };
    array(meta, "security").iter().any(|label| {
        matches!(
            text(label, &["code"]),
            Some("R" | "V" | "CEL" | "VIP" | "PRS" | "TBOO")
        )
    })
}

fn family_doctor(bundle: &Bundle, person: &Value) -> Option<FamilyDoctor> {
    array(person, "generalPractitioner").iter().find_map(|one| {
        let practitioner = bundle.resolve(Some(one)).unwrap_or(one);
        let single = at(practitioner, &["identifier"]).into_iter();
        let identifiers = single.chain(array(practitioner, "identifier"));
        let rpps = identifiers
            .filter(|id| text(id, &["system"]) == Some(RPPS))
            .find_map(|id| Rpps::parse(text(id, &["value"])?))?;
        Some(FamilyDoctor {
            rpps: Some(rpps),
            family: None,
            given: None,
        })
    })
}

fn finess(organisation: &Value) -> Option<Finess> {
    let single = at(organisation, &["identifier"]).into_iter();
    let mut identifiers = single.chain(array(organisation, "identifier"));
    identifiers.find_map(|id| {
        let known = text(id, &["system"]).is_some_and(|system| FINESS.contains(&system));
        known.then(|| Finess::parse(text(id, &["value"])?))?
    })
}

/// A FHIR dateTime or instant, as the hospital's clocks showed it.
fn moment(value: &str, sender: &Sender<'_>) -> Option<Timestamp> {
    if value.len() <= 10 {
        return Timestamp::parse(&value.replace('-', ""));
    }
    let instant =
        OffsetDateTime::parse(value, &time::format_description::well_known::Rfc3339).ok()?;
    // Clocks of other centuries; at the ends of the calendar no local time exists.
    if !(1900..2200).contains(&instant.year()) {
        return None;
    }
    Some(Timestamp {
        local: (sender.local)(instant),
        has_time: true,
        offset: None,
    })
}

impl fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender({} of {})", self.application, self.facility)
    }
}

#[cfg(test)]
mod tests;
