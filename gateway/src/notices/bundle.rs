//! A notice for machines: a FHIR R4 message (HL7 Da Vinci Unsolicited Notifications), with the
//! activity of MedCom's HospitalNotification in its Provenance.
//!
//! | kind | `MessageHeader.event` | MedCom activity | `Encounter.status` |
//! |---|---|---|---|
//! | admission | `notification-admit` | `admit-inpatient` | `in-progress` |
//! | emergency visit | `notification-admit` | `admit-emergency` | `in-progress` |
//! | returns, end of hospitalisation, unauthorised exit | `notification-discharge` | `discharge-inpatient-home` | `finished` |
//! | end of emergency visit | `notification-discharge` | `discharge-emergency-home` | `finished` |
//! | death | `notification-discharge` | | `finished` |
//! | transfer | `notification-transfer` | | `finished` |
//! | leaves | our own code | `start-leave-inpatient`, `end-leave-inpatient` | `onleave`, `in-progress` |
//! | planned entry, planned discharge, letter, result | our own code | | `planned`, `in-progress`, `finished` |
//!
//! A new version bears the same code with `revise-` before the activity, a cancellation with
//! `cancel-`, and its Provenance cites the message that it replaces or takes back. Nothing is in
//! the bundle that the text does not say: no reason, no diagnosis, no name of a unit.

use liaison_base::civil::legal_time;
use serde_json::{Value, json};
use time::{PrimitiveDateTime, UtcOffset};
use uuid::Uuid;

use super::circle::{Role, Target};
use super::explain::named;
use super::french::Moment;
use super::kind::{Kind, Urgency};
use super::statement::Destination;
use super::text::Page;

/// Of the attachment.
pub const MEDIA_TYPE: &str = "application/fhir+json";

const DA_VINCI: &str = "http://hl7.org/fhir/us/davinci-alerts/CodeSystem/notification-event";
const MEDCOM: &str =
    "http://medcomfhir.dk/ig/terminology/CodeSystem/medcom-messaging-activityCodes";
const OURS: &str = "urn:liaison:notice-kind";
const OPERATION: &str = "http://terminology.hl7.org/CodeSystem/v3-DataOperation";

/// The bundle of a notice for one recipient, as JSON.
pub(super) fn of(page: &Page<'_>) -> Vec<u8> {
    let id = |part: &str, version: u32| {
        part_id(&format!(
            "{} {} v{version} {} {part}",
            page.rules.hospital.name,
            page.number,
            named(&page.recipient.target)
        ))
    };
    let parts = Parts {
        header: id("header", page.version),
        encounter: id("encounter", page.version),
        patient: id("patient", page.version),
        hospital: id("hospital", page.version),
        provenance: id("provenance", page.version),
        earlier: page.planned.earlier.as_ref().map(|earlier| {
            part_id(&format!(
                "{} {} v{} {} header",
                page.rules.hospital.name,
                earlier.number,
                earlier.version,
                named(&page.recipient.target)
            ))
        }),
    };
    let entries = [
        (&parts.header, header(page, &parts)),
        (&parts.encounter, encounter(page, &parts)),
        (&parts.patient, patient(page, &parts)),
        (&parts.hospital, hospital(page, &parts)),
        (&parts.provenance, provenance(page, &parts)),
    ];
    let entries: Vec<Value> = entries
        .into_iter()
        .map(|(id, resource)| json!({"fullUrl": format!("urn:uuid:{id}"), "resource": resource}))
        .collect();
    let bundle = json!({
        "resourceType": "Bundle",
        "id": id("bundle", page.version),
        "identifier": {"system": "urn:liaison:notice", "value": format!("{}.v{}", page.number, page.version)},
        "type": "message",
        "timestamp": instant(recorded(page)),
        "entry": entries,
    });
    let mut bytes = serde_json::to_vec_pretty(&without_nulls(bundle)).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// A UUID of a name, always the same one (RFC 9562 §5.5).
pub(super) fn part_id(name: &str) -> String {
    Uuid::new_v5(
        &Uuid::NAMESPACE_URL,
        format!("urn:liaison:{name}").as_bytes(),
    )
    .to_string()
}

struct Parts {
    header: String,
    encounter: String,
    patient: String,
    hospital: String,
    provenance: String,
    earlier: Option<String>,
}

fn reference(id: &str) -> Value {
    json!({"reference": format!("urn:uuid:{id}")})
}

fn header(page: &Page<'_>, parts: &Parts) -> Value {
    let stated = page.planned.statement.kind;
    let event = match event(&stated) {
        Some(code) => json!({"system": DA_VINCI, "code": code}),
        None => {
            json!({"system": OURS, "code": stated.name(), "display": page.planned.statement.label()})
        }
    };
    let destination = match &page.recipient.target {
        Target::Address(address) => json!([{"endpoint": format!("mailto:{address}")}]),
        _ => Value::Null,
    };
    json!({
        "resourceType": "MessageHeader",
        "id": parts.header,
        "eventCoding": event,
        "destination": destination,
        "sender": reference(&parts.hospital),
        "source": {"name": page.rules.hospital.name, "endpoint": format!("urn:uuid:{}", parts.hospital)},
        "reason": {
            "coding": [{"system": OURS, "code": page.planned.kind.name()}],
            "text": page.name(),
        },
        "focus": [reference(&parts.encounter)],
    })
}

fn event(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Admission | Kind::EmergencyVisit => Some("notification-admit"),
        Kind::Transfer => Some("notification-transfer"),
        Kind::DischargeHome
        | Kind::DischargeWithCare
        | Kind::ReturnToNursingHome
        | Kind::EmergencyEnd
        | Kind::OutpatientFollowUp
        | Kind::UnauthorisedExit
        | Kind::Death => Some("notification-discharge"),
        _ => None,
    }
}

fn activity(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Admission => Some("admit-inpatient"),
        Kind::EmergencyVisit => Some("admit-emergency"),
        Kind::DischargeHome
        | Kind::DischargeWithCare
        | Kind::ReturnToNursingHome
        | Kind::OutpatientFollowUp
        | Kind::UnauthorisedExit => Some("discharge-inpatient-home"),
        Kind::EmergencyEnd => Some("discharge-emergency-home"),
        Kind::LeaveStart => Some("start-leave-inpatient"),
        Kind::LeaveEnd => Some("end-leave-inpatient"),
        _ => None,
    }
}

fn encounter(page: &Page<'_>, parts: &Parts) -> Value {
    let statement = &page.planned.statement;
    let cancelled = matches!(page.planned.kind, Kind::Cancellation { .. });
    let stated = statement.kind;
    let status = match stated {
        Kind::Admission | Kind::EmergencyVisit | Kind::PlannedAdmission if cancelled => "cancelled",
        _ if cancelled => "in-progress",
        Kind::PlannedAdmission => "planned",
        Kind::Admission | Kind::EmergencyVisit | Kind::PlannedDischarge | Kind::LeaveEnd => {
            "in-progress"
        }
        Kind::LeaveStart => "onleave",
        _ => "finished",
    };
    let emergency = matches!(stated, Kind::EmergencyVisit | Kind::EmergencyEnd);
    let (class, display) = match emergency {
        true => ("EMER", "emergency"),
        false => ("IMP", "inpatient encounter"),
    };
    let at = date_time(statement.at);
    let begins = matches!(
        stated,
        Kind::Admission | Kind::EmergencyVisit | Kind::PlannedAdmission
    );
    let period = match stated {
        _ if cancelled => Value::Null,
        _ if begins => json!({"start": at}),
        _ if status == "finished" && event(&stated).is_some() => json!({"end": at}),
        _ => Value::Null,
    };
    let planned = match stated {
        Kind::PlannedDischarge if !cancelled => json!([{
            "url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-Encounter.plannedEndDate",
            "valueDateTime": at,
        }]),
        _ => Value::Null,
    };
    json!({
        "resourceType": "Encounter",
        "id": parts.encounter,
        "extension": planned,
        "status": status,
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": class, "display": display},
        "priority": match page.recipient.urgency {
            Urgency::Urgent => json!({"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActPriority", "code": "UR"}]}),
            _ => Value::Null,
        },
        "subject": reference(&parts.patient),
        "period": period,
        "hospitalization": disposition(stated, &statement.destination, cancelled),
        "serviceProvider": reference(&parts.hospital),
    })
}

fn disposition(kind: Kind, destination: &Destination, cancelled: bool) -> Value {
    if cancelled {
        return Value::Null;
    }
    let code = match (kind, destination) {
        (Kind::Death, _) => "exp",
        (Kind::UnauthorisedExit, _) => "aadvice",
        (_, Destination::Home) => "home",
        (_, Destination::HomeHospitalisation | Destination::HomeCare) => "alt-home",
        (_, Destination::NursingHome { .. }) => "snf",
        (_, Destination::OtherHospital) => "other-hcf",
        (_, Destination::Unsaid) => return Value::Null,
    };
    let to = match destination {
        Destination::NursingHome { finess, name } => json!({
            "identifier": finess.as_ref().map(|finess| json!({
                "system": "urn:oid:1.2.250.1.71.4.2.2", "value": finess,
            })),
            "display": name.clone().unwrap_or_else(|| "EHPAD".to_owned()),
        }),
        _ => Value::Null,
    };
    json!({
        "destination": to,
        "dischargeDisposition": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/discharge-disposition", "code": code,
        }]},
    })
}

fn patient(page: &Page<'_>, parts: &Parts) -> Value {
    let person = &page.planned.person;
    // A coordinator works on the case, not on the record: as in the text.
    let ins = person
        .ins
        .as_ref()
        .filter(|_| page.recipient.role != Role::Coordination);
    let identifier = ins.map(|ins| {
        let system = person.ins_oid.as_deref().unwrap_or("1.2.250.1.213.1.4.8");
        json!([{
            "use": "official",
            "type": {"coding": [{"system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203", "code": "INS-NIR"}]},
            "system": format!("urn:oid:{system}"),
            "value": ins,
        }])
    });
    let given = person.given.as_ref().map(|given| json!([given]));
    let prefix = person.title.as_ref().map(|title| json!([title]));
    let name = |usage: &str, family: &Option<String>| {
        family
            .as_ref()
            .map(|family| json!({"use": usage, "family": family, "given": given, "prefix": prefix}))
    };
    let names: Vec<Value> = [
        name("official", &person.birth_family),
        name("usual", &person.used_family),
    ]
    .into_iter()
    .flatten()
    .collect();
    json!({
        "resourceType": "Patient",
        "id": parts.patient,
        "identifier": identifier,
        "name": if names.is_empty() { Value::Null } else { json!(names) },
        "gender": match person.sex {
            Some('F') => json!("female"),
            Some('M') => json!("male"),
            _ => json!("unknown"),
        },
        "birthDate": person.birth_date.as_deref().and_then(birth_date),
        "deceasedBoolean": match page.planned.kind {
            Kind::Death => json!(true),
            _ => Value::Null,
        },
    })
}

fn hospital(page: &Page<'_>, parts: &Parts) -> Value {
    let (_, phone) = page.rules.shown(page.planned.statement.unit.as_deref());
    json!({
        "resourceType": "Organization",
        "id": parts.hospital,
        "name": page.rules.hospital.name,
        "telecom": phone.map(|phone| json!([{"system": "phone", "value": phone, "use": "work"}])),
    })
}

fn provenance(page: &Page<'_>, parts: &Parts) -> Value {
    let stated = page.planned.statement.kind;
    let (lead, operation) = match (page.planned.kind, &page.planned.earlier) {
        (Kind::Cancellation { .. }, _) => ("cancel-", "NULLIFY"),
        (_, Some(_)) if page.planned.reminder.is_none() => ("revise-", "UPDATE"),
        _ => ("", "CREATE"),
    };
    let mut codings = vec![json!({"system": OPERATION, "code": operation})];
    if let Some(activity) = activity(&stated) {
        codings.push(json!({"system": MEDCOM, "code": format!("{lead}{activity}")}));
    }
    let entity = parts
        .earlier
        .as_ref()
        .map(|earlier| json!([{"role": "revision", "what": reference(earlier)}]));
    json!({
        "resourceType": "Provenance",
        "id": parts.provenance,
        "target": [reference(&parts.header)],
        "recorded": instant(recorded(page)),
        "activity": {"coding": codings},
        "agent": [{"who": reference(&parts.hospital)}],
        "entity": entity,
    })
}

/// When it was typed in, else when it happened.
fn recorded(page: &Page<'_>) -> PrimitiveDateTime {
    let statement = &page.planned.statement;
    statement.recorded_at.unwrap_or(statement.at).at
}

/// « 12/05/1938 » as FHIR writes it.
fn birth_date(shown: &str) -> Option<String> {
    let parts: Vec<&str> = shown.split('/').rev().collect();
    let formed = parts
        .iter()
        .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    (formed && parts.first().is_some_and(|year| year.len() == 4)).then(|| parts.join("-"))
}

/// A date, or a moment with the offset of legal time then.
fn date_time(moment: Moment) -> String {
    if moment.has_time {
        instant(moment.at)
    } else {
        moment.at.date().to_string()
    }
}

/// A local moment with its offset: that of the two at which clocks in France show it.
fn instant(local: PrimitiveDateTime) -> String {
    let hours = [2, 1]
        .into_iter()
        .find(|hours| {
            UtcOffset::from_hms(*hours, 0, 0)
                .is_ok_and(|offset| legal_time(local.assume_offset(offset)) == local)
        })
        .unwrap_or(1);
    format!(
        "{}T{:02}:{:02}:{:02}+{hours:02}:00",
        local.date(),
        local.hour(),
        local.minute(),
        local.second()
    )
}

/// FHIR knows neither null nor empty.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name, without_nulls(value)))
                .filter(|(_, value)| !value.is_null())
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}
