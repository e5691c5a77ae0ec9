//! Bundles of fictitious stays.

use super::*;
use crate::cda::How;
use serde_json::json;
use time::macros::datetime;

fn local(instant: OffsetDateTime) -> PrimitiveDateTime {
    let there = instant.to_offset(time::macros::offset!(+1));
    PrimitiveDateTime::new(there.date(), there.time())
}

const SENDER: Sender<'static> = Sender {
    facility: "CH-TEST",
    application: "DPI",
    local,
    now: datetime!(2026-11-21 21:41),
};

fn discharge() -> Value {
    json!({
        "resourceType": "Bundle",
        "type": "message",
        "timestamp": "2026-11-21T20:41:00Z",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": {
                "resourceType": "MessageHeader", "id": "m-1",
                "eventCoding": {"system": DA_VINCI, "code": "notification-discharge"},
                "focus": [{"reference": "Encounter/e-1"}],
            }},
            {"fullUrl": "https://ch.test/fhir/Encounter/e-1", "resource": {
                "resourceType": "Encounter", "id": "e-1", "status": "finished",
                "class": {"code": "IMP"},
                "identifier": [{"value": "X"}, {"type": {"coding": [{"code": "VN"}]}, "value": "26004711-1"}],
                "subject": {"reference": "Patient/p-1"},
                "period": {"start": "2026-11-16T14:30:00+01:00", "end": "2026-11-21T20:30:00+01:00"},
                "hospitalization": {
                    "dischargeDisposition": {"coding": [{"code": "snf"}]},
                    "destination": {"reference": "Organization/o-1"},
                },
            }},
            {"resource": {
                "resourceType": "Patient", "id": "p-1",
                "extension": [{"url": RELIABILITY, "extension": [{"url": "identityStatus", "valueCoding": {"code": "VALI"}}]}],
                "identifier": [
                    {"system": "urn:oid:1.2.250.1.213.1.4.10", "value": "000000000000191"},
                    {"system": "urn:oid:1.2.3", "value": "900123"},
                ],
                "name": [
                    {"use": "official", "family": "ESSAI", "given": ["OCTAVIE", "MARIE"], "prefix": ["Mme"]},
                    {"use": "usual", "family": "FICTIVE"},
                ],
                "gender": "female", "birthDate": "1938-05-12",
                "generalPractitioner": [{"identifier": {"system": RPPS, "value": "00000000011"}}],
            }},
            {"resource": {
                "resourceType": "Organization", "id": "o-1",
                "identifier": [{"system": FINESS[0], "value": "009400777"}],
            }},
        ],
    })
}

fn read(bundle: &Value) -> Result<AdtEvent, Fault> {
    event(&Bundle::parse(bundle.to_string().as_bytes())?, &SENDER)
}

#[test]
fn a_discharge_message_says_what_its_hl7_would() {
    let event = read(&discharge()).unwrap();
    assert_eq!(
        (event.trigger, event.action),
        (Trigger::A03, Action::Insert)
    );
    assert_eq!(event.control_id, "m-1");
    assert_eq!(event.visit.as_deref(), Some("26004711-1"));
    assert_eq!(
        event.effective_at().unwrap().local,
        datetime!(2026-11-21 20:30)
    );
    assert_eq!(
        event.recorded_at.unwrap().local,
        datetime!(2026-11-21 21:41)
    );
    assert_eq!((event.modes.exit, event.modes.to), (Some('8'), Some('7')));
    let stay = event.stay.as_ref().unwrap();
    assert_eq!(stay.class, Some('I'));
    assert_eq!(stay.destination.as_ref().unwrap().as_str(), "009400777");
    let patient = &event.patient;
    assert_eq!(patient.ipp, "900123");
    assert_eq!(patient.qualified_ins().unwrap().kind, InsKind::TestNir);
    assert_eq!(patient.name.used_family.as_deref(), Some("FICTIVE"));
    let doctor = event.family_doctor.unwrap().rpps.unwrap();
    assert_eq!(doctor.as_str(), "00000000011");
}

#[test]
fn medcom_activities_correct_and_cancel() {
    for (activity, expected) in [
        (
            "revise-discharge-inpatient-home",
            (Trigger::A03, Action::Update),
        ),
        ("cancel-admit-inpatient", (Trigger::A01, Action::Cancel)),
        ("start-leave-inpatient", (Trigger::A21, Action::Insert)),
    ] {
        let mut bundle = discharge();
        bundle["entry"]
            .as_array_mut()
            .unwrap()
            .push(json!({"resource": {
                "resourceType": "Provenance", "recorded": "2026-11-21T21:00:00+01:00",
                "activity": {"coding": [{"code": activity}]},
            }}));
        let event = read(&bundle).unwrap();
        assert_eq!((event.trigger, event.action), expected, "{activity}");
    }
}

#[test]
fn a_transaction_without_header_speaks_by_its_encounter() {
    for (status, class, expected) in [
        ("in-progress", "IMP", (Trigger::A01, Action::Insert)),
        ("in-progress", "EMER", (Trigger::A04, Action::Insert)),
        ("planned", "IMP", (Trigger::A05, Action::Insert)),
        ("entered-in-error", "IMP", (Trigger::A01, Action::Cancel)),
        ("onleave", "IMP", (Trigger::A21, Action::Insert)),
        ("finished", "IMP", (Trigger::A03, Action::Insert)),
    ] {
        let mut bundle = discharge();
        bundle["type"] = json!("transaction");
        bundle["id"] = json!("b-1");
        bundle["entry"].as_array_mut().unwrap().remove(0);
        bundle["entry"][0]["resource"]["status"] = json!(status);
        bundle["entry"][0]["resource"]["class"]["code"] = json!(class);
        let event = read(&bundle).unwrap();
        assert_eq!((event.trigger, event.action), expected, "{status} {class}");
    }
}

#[test]
fn what_is_wrong_is_named_by_its_path_and_not_by_its_value() {
    let change = |path: &[&str], value: Value| {
        let mut bundle = discharge();
        let mut place = &mut bundle;
        for name in path {
            place = match name.parse::<usize>() {
                Ok(at) => &mut place[at],
                Err(_) => &mut place[*name],
            };
        }
        *place = value;
        read(&bundle).unwrap_err()
    };
    let at = |rest: &[&'static str]| [&["entry", "1", "resource"], rest].concat();
    for (error, told) in [
        (change(&["resourceType"], json!("Patient")), "Bundle"),
        (change(&["type"], json!("searchset")), "Bundle.type"),
        (change(&["timestamp"], json!("GARANCE")), "Bundle.timestamp"),
        (change(&at(&["status"]), json!(null)), "Encounter.status"),
        (
            change(&at(&["period", "end"]), json!("GARANCE")),
            "Encounter.period.end",
        ),
        (
            change(&at(&["period", "end"]), json!(null)),
            "Encounter.period.end",
        ),
        (
            change(&["entry", "2", "resource", "birthDate"], json!("GARANCE")),
            "Patient.birthDate",
        ),
        (
            change(
                &["entry", "0", "resource", "eventCoding", "code"],
                json!("GARANCE"),
            ),
            "MessageHeader.eventCoding",
        ),
    ] {
        assert_eq!(error.expression(), told);
        assert!(!error.to_string().contains("GARANCE"));
    }
    assert_eq!(Bundle::parse(b"{").err(), Some(Fault::Structure));
    assert_eq!(Bundle::parse(b"[]").err(), Some(Fault::Structure));
}

#[test]
fn letters_and_lists_of_treatments_are_found() {
    let mut bundle = discharge();
    let entries = bundle["entry"].as_array_mut().unwrap();
    entries.push(json!({"resource": {
        "resourceType": "DocumentReference", "id": "d-1",
        "content": [{"attachment": {"contentType": "application/pdf", "title": "Lettre", "data": "JVBERi0xLjcK"}}],
    }}));
    entries.push(json!({"resource": {"resourceType": "List", "entry": [
        {"item": {"reference": "MedicationStatement/s-1"}, "flag": {"coding": [{"code": "05"}]}},
        {"item": {"reference": "MedicationStatement/s-2"}, "flag": {"coding": [{"code": "01"}]}},
    ]}}));
    for (id, status, name) in [
        ("s-1", "completed", "ESSAILOL"),
        ("s-2", "active", "ANCIEN"),
        ("s-3", "intended", "NOUVEL"),
    ] {
        entries.push(json!({"resource": {
            "resourceType": "MedicationStatement", "id": id, "status": status,
            "medicationCodeableConcept": {"text": name},
            "statusReason": [{"text": "chute de tension"}],
            "dosage": [{"text": "1 le soir"}],
        }}));
    }
    let bundle = Bundle::parse(bundle.to_string().as_bytes()).unwrap();
    let letters = documents::letters(&bundle, &SENDER).unwrap().unwrap();
    assert_eq!(letters.files[0].bytes, b"%PDF-1.7\n");
    assert_eq!(
        (letters.visit.as_str(), letters.ipp.as_str()),
        ("26004711-1", "900123")
    );
    let changes: Vec<(How, String, Option<String>)> = documents::changes(&bundle)
        .into_iter()
        .map(|change| (change.how, change.product, change.dose))
        .collect();
    assert_eq!(
        changes,
        [
            (How::Stopped, "ESSAILOL".to_owned(), None),
            (
                How::Added,
                "NOUVEL".to_owned(),
                Some("1 le soir".to_owned())
            ),
        ]
    );
}
