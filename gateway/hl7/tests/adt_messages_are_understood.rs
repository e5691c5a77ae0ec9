//! Messages as French hospitals send them, and what is made of them.

#![expect(clippy::unwrap_used, reason = "a test")]

use liaison_hl7::adt::{Action, AdtEvent, InsKind, Processing, RelativeRole, Trigger};
use liaison_hl7::er7::Message;
use liaison_hl7::{Code, Error, Refusal};
use time::macros::datetime;

const A01: &str = include_str!("data/a01_admission_through_emergency.hl7");
const A03: &str = include_str!("data/a03_discharge_to_nursing_home.hl7");
const A08: &str = include_str!("data/a08_international_update.hl7");
const A13: &str = include_str!("data/a13_discharge_cancelled.hl7");
const A16: &str = include_str!("data/a16_planned_discharge.hl7");

fn read(text: &str) -> Result<AdtEvent, Error> {
    let wire = text.replace('\n', "\r");
    AdtEvent::parse(&Message::parse(wire.as_bytes())?)
}

fn refusal(text: &str) -> String {
    read(text).unwrap_err().refusal().unwrap().to_string()
}

#[test]
fn an_admission_names_the_patient_the_stay_and_the_family_doctor() {
    let event = read(A01).unwrap();
    assert_eq!(
        (event.trigger, event.action),
        (Trigger::A01, Action::Insert)
    );
    assert_eq!(
        (event.control_id.as_str(), event.facility.as_str()),
        ("700001", "CH-TEST")
    );
    assert_eq!(event.processing, Processing::Production);
    assert_eq!(event.visit.as_deref(), Some("26004711-1"));

    let patient = &event.patient;
    assert_eq!(patient.ipp, "900123");
    let ins = patient.qualified_ins().unwrap();
    assert_eq!(
        (ins.value.as_str(), ins.kind),
        ("000000000000191", InsKind::TestNir)
    );
    assert_eq!(patient.name.birth_family.as_deref(), Some("ESSAI"));
    assert_eq!(patient.name.used_family.as_deref(), Some("FICTIVE"));
    assert_eq!(patient.name.given.as_deref(), Some("OCTAVIE"));
    assert_eq!(patient.name.title.as_deref(), Some("Mme"));
    assert_eq!(patient.birth_date.unwrap().year, 1938);
    assert_eq!(patient.sex, Some('F'));
    let home = patient.residence.as_ref().unwrap();
    assert_eq!(home.lines, ["12 RUE DES ESSAIS", "EHPAD LES TILLEULS"]);
    assert_eq!(home.city.as_deref(), Some("VILLE-ESSAI"));
    assert_eq!(patient.relatives[0].role, RelativeRole::Trusted);
    assert_eq!(patient.relatives[0].name.as_deref(), Some("PAUL ESSAI"));
    assert!(!patient.is_dead && !event.is_confidential());

    let doctor = event.family_doctor.as_ref().unwrap();
    assert_eq!(doctor.rpps.as_ref().unwrap().as_str(), "00000000011");
    assert_eq!(doctor.family.as_deref(), Some("GARANCE"));

    let stay = event.stay.as_ref().unwrap();
    assert_eq!(stay.class, Some('I'));
    assert_eq!(
        stay.expected_discharge.unwrap().local,
        datetime!(2026-11-20 11:00)
    );
    let movement = event.movement.as_ref().unwrap();
    assert_eq!(
        (
            movement.ids[0].id.as_str(),
            movement.ids[0].authority.as_str()
        ),
        ("M1", "CH-TEST")
    );
    assert_eq!(
        movement.medical_unit.as_ref().unwrap().code.as_deref(),
        Some("3120")
    );
    assert_eq!(
        (event.modes.entry, event.modes.from),
        (Some('8'), Some('7'))
    );
    assert!(event.modes.through_emergency);
}

#[test]
fn a_discharge_says_when_and_where_to() {
    let event = read(A03).unwrap();
    assert_eq!(
        event.effective_at().unwrap().local,
        datetime!(2026-11-21 20:30)
    );
    assert_eq!(
        event.recorded_at.unwrap().local,
        datetime!(2026-11-21 21:41:04)
    );
    assert_eq!(
        event
            .stay
            .as_ref()
            .unwrap()
            .destination
            .as_ref()
            .unwrap()
            .as_str(),
        "009400777"
    );
    assert_eq!((event.modes.exit, event.modes.to), (Some('8'), Some('7')));
    assert!(event.family_doctor.is_none());
}

#[test]
fn the_structure_of_origin_is_read_from_zfv() {
    let event = read(&format!("{A01}ZFV|009400777^20261116\n")).unwrap();
    assert_eq!(event.origin.unwrap().as_str(), "009400777");
}

#[test]
fn a_planned_discharge_carries_its_date_and_an_identity_not_validated_gives_no_ins() {
    let event = read(A16).unwrap();
    assert_eq!(event.planned_at.unwrap().local, datetime!(2026-11-21 19:30));
    assert!(event.patient.qualified_ins().is_none());
    assert_eq!(
        event.patient.residence.unwrap().city.as_deref(),
        Some("Créteil-Essai")
    );
}

#[test]
fn an_ins_without_vali_is_kept_aside() {
    let event = read(&A01.replace("VALI", "PROV")).unwrap();
    assert!(event.patient.ins.is_some() && event.patient.qualified_ins().is_none());
    let removed = read(&A01.replace("000000000000191", "\"\"")).unwrap();
    assert!(removed.patient.ins.is_none() && removed.patient.ins_removed);
}

#[test]
fn a_nir_is_preferred_to_a_nia() {
    let both = A01.replace(
        "^INS|",
        "^INS~100000000000099^^^ASIP-SANTE-INS-NIA&1.2.250.1.213.1.4.9&ISO^INS~000000000000288^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.8&ISO^INS|",
    );
    assert_eq!(read(&both).unwrap().patient.ins.unwrap().kind, InsKind::Nir);
}

#[test]
fn a_cancel_names_the_event_it_takes_back() {
    let event = read(A13).unwrap();
    assert_eq!(event.action, Action::Cancel);
    let movement = event.movement.unwrap();
    assert_eq!(movement.original, Some(Trigger::A03));
    assert_eq!(movement.ids[0].id, "M4");
}

#[test]
fn a06_and_a07_do_what_zbe_4_says() {
    for (action, expected) in [("INSERT", Action::Insert), ("CANCEL", Action::Cancel)] {
        let text = A03
            .replace("ADT^A03^ADT_A03", "ADT^A07^ADT_A06")
            .replace("INSERT", action);
        assert_eq!(read(&text).unwrap().action, expected);
    }
}

#[test]
fn an_international_feed_without_zbe_is_taken() {
    let event = read(A08).unwrap();
    assert_eq!(
        (event.trigger, event.action),
        (Trigger::A08, Action::Update)
    );
    assert_eq!(event.patient.ipp, "4711");
    assert_eq!(event.visit.as_deref(), Some("V77"));
    assert!(event.charset_undeclared && event.movement.is_none());
}

#[test]
fn an_unknown_trigger_is_no_error() {
    assert_eq!(
        read(&A08.replace("A08", "Q42")).unwrap().trigger.as_str(),
        "Q42"
    );
}

#[test]
fn each_confidentiality_flag_is_seen() {
    for (from, to) in [
        ("PD1||||||||||||N", "PD1||||||||||||Y"),
        ("VALI\n", "VALI~ANOM\n"),
        ("VALI\n", "CACH\n"),
        (
            "PV2|||||||||20261120110000",
            "PV2|||||||||20261120110000|||||||||||||Y",
        ),
        ("L|R|||||||||||||||2", "L|R||||||||||||VIP|||2"),
    ] {
        let text = A01.replacen(from, to, 1);
        assert_ne!(text, A01, "{from}");
        assert!(read(&text).unwrap().is_confidential(), "{to}");
    }
}

#[test]
fn a_family_doctor_whose_role_ends_or_who_has_no_rpps_is_not_an_rpps() {
    assert!(
        read(&A01.replace("ROL||UC|", "ROL||DE|"))
            .unwrap()
            .family_doctor
            .is_none()
    );
    let adeli = read(&A01.replace("^RPPS", "^ADELI"))
        .unwrap()
        .family_doctor
        .unwrap();
    assert!(adeli.rpps.is_none() && adeli.family.is_some());
}

#[test]
fn each_fault_is_named_by_code_and_place_and_never_by_value() {
    let without = |segment: &str| {
        A01.lines()
            .filter(|line| !line.starts_with(segment))
            .collect::<Vec<_>>()
            .join("\n")
    };
    for (text, expected) in [
        (without("MSH"), "100 Segment sequence error at MSH^1"),
        (without("PID"), "100 Segment sequence error at PID^1"),
        (without("PV1"), "100 Segment sequence error at PV1^1"),
        (
            A01.replace("900123^", "^"),
            "101 Required field missing at PID^1^3",
        ),
        (
            A01.replace("26004711-1^^^CH-TEST&009400001&L^VN", "")
                .replace("26004711^", "^"),
            "101 Required field missing at PV1^1^19",
        ),
        (
            A01.replace("|700001|", "||"),
            "101 Required field missing at MSH^1^10",
        ),
        (
            A01.replace("|GAM|CH-TEST|", "|GAM||"),
            "101 Required field missing at MSH^1^4",
        ),
        (
            A01.replace("|P|2.5", "||2.5"),
            "101 Required field missing at MSH^1^11",
        ),
        (
            A01.replace("|P|2.5", "|X|2.5"),
            "202 Unsupported processing id at MSH^1^11",
        ),
        (
            A01.replace("2.5^FRA", "3.0^FRA"),
            "203 Unsupported version id at MSH^1^12",
        ),
        (
            A01.replace("ADT^A01^ADT_A01", "ORU^R01"),
            "200 Unsupported message type at MSH^1^9",
        ),
        (
            A01.replace("ADT^A01^ADT_A01", ""),
            "101 Required field missing at MSH^1^9",
        ),
        (
            A01.replace("^A01^", "^a1^"),
            "201 Unsupported event code at MSH^1^9^1^2",
        ),
        (
            A01.replace("8859/15", "BIG-5"),
            "103 Table value not found at MSH^1^18",
        ),
        (
            A01.replace("ZBE|M1^", "ZBE|^"),
            "101 Required field missing at ZBE^1^1",
        ),
        (
            A01.replace("|20261116143000||INSERT", "|||INSERT"),
            "101 Required field missing at ZBE^1^2",
        ),
        (
            A01.replace("|20261116143000||INSERT", "|HIER||INSERT"),
            "102 Data type error at ZBE^1^2",
        ),
        (
            A01.replace("||INSERT", "||"),
            "101 Required field missing at ZBE^1^4",
        ),
        (
            A01.replace("INSERT", "ADD"),
            "103 Table value not found at ZBE^1^4",
        ),
        (
            A01.replace("|20261120110000", "|VENDREDI"),
            "102 Data type error at PV2^1^9",
        ),
    ] {
        assert_eq!(refusal(&text), expected);
    }
}

#[test]
fn a_fault_becomes_a_reply_of_the_same_code() {
    let text = A01.replace("900123^", "^");
    assert_eq!(
        read(&text).unwrap_err(),
        Error::Refused(Refusal {
            code: Code::RequiredField,
            at: liaison_hl7::Location::field("PID", 3)
        })
    );
}

#[test]
fn debug_output_holds_no_patient_data() {
    let event = read(A01).unwrap();
    let shown = format!(
        "{event:?} {:?} {:?} {:?}",
        event.patient, event.family_doctor, event.stay
    );
    for secret in [
        "ESSAI",
        "FICTIVE",
        "OCTAVIE",
        "900123",
        "191",
        "1938",
        "GARANCE",
        "00000000011",
    ] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
