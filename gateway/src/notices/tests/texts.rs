//! The words, to the letter.

use super::*;

const A01: &str = include_str!("../../../hl7/tests/data/a01_admission_through_emergency.hl7");
const A03: &str = include_str!("../../../hl7/tests/data/a03_discharge_to_nursing_home.hl7");
const A13: &str = include_str!("../../../hl7/tests/data/a13_discharge_cancelled.hl7");

/// The day of `reference`: admission, Saturday evening discharge, cancellation.
fn saturday() -> (Vec<Notice>, Vec<Notice>, Vec<Notice>) {
    let mut day = Day::new();
    let mut after = |text: &str| {
        day.receive_text(text);
        std::mem::take(&mut day.sent)
    };
    (after(A01), after(A03), after(A13))
}

fn to(notices: &[Notice], kind: Kind, role: Role) -> &Notice {
    notices
        .iter()
        .find(|notice| notice.kind == kind && notice.role == role)
        .unwrap()
}

#[test]
fn an_admission_reads_so() {
    let (entry, ..) = saturday();
    let doctor = to(&entry, Kind::Admission, Role::FamilyDoctor);
    assert_eq!(
        doctor.subject,
        "Entrée à l'hôpital - Mme OCTAVIE ESSAI (usage FICTIVE) - avis n° 2026-11-21-0045"
    );
    assert_eq!(
        doctor.text,
        "ENTRÉE À L'HÔPITAL - avis n° 2026-11-21-0045 (1re version)\n\
         Mme OCTAVIE ESSAI (usage FICTIVE), née le 12/05/1938 - INS : 000000000000191\n\
         Entrée le lundi 16/11/2026 à 14 h 30, par les urgences (saisie à 14 h 35) - Service hospitalier, CH d'Essai - tél. 24 h/24 : 01 00 00 00 00\n\
         À FAIRE : répondre à ce message en joignant les antécédents et le traitement en cours ; sinon répondre « PRIS EN CHARGE » ou appeler le numéro ci-dessus.\n"
    );
    let nurse = to(&entry, Kind::Admission, Role::HomeNurse);
    assert!(
        nurse
            .text
            .starts_with("ENTRÉE À L'HÔPITAL - URGENT - avis n° 2026-11-21-0045")
    );
    assert!(nurse.text.ends_with(
        "À FAIRE : suspendre les passages ; répondre « PRIS EN CHARGE » ou appeler le numéro ci-dessus.\n"
    ));
}

#[test]
fn a_planned_discharge_reads_so() {
    let (entry, ..) = saturday();
    let pharmacy = to(&entry, Kind::PlannedDischarge, Role::Pharmacy);
    assert_eq!(
        pharmacy.text,
        "SORTIE PRÉVUE LE VENDREDI 20/11/2026 À 11 H - avis n° 2026-11-21-0046 (1re version)\n\
         Mme OCTAVIE ESSAI (usage FICTIVE), née le 12/05/1938 - INS : 000000000000191\n\
         Sortie prévue le vendredi 20/11/2026 à 11 h - Service hospitalier, CH d'Essai - tél. 24 h/24 : 01 00 00 00 00\n\
         À FAIRE : prévoir les traitements de sortie ; répondre « PRIS EN CHARGE » ou appeler le numéro ci-dessus.\n"
    );
}

#[test]
fn a_return_to_the_nursing_home_on_saturday_evening_reads_so() {
    let (_, discharge, _) = saturday();
    let home = to(&discharge, Kind::ReturnToNursingHome, Role::NursingHome);
    assert_eq!(
        home.subject,
        "URGENT - Retour à l'EHPAD - Mme OCTAVIE ESSAI (usage FICTIVE) - avis n° 2026-11-21-0047"
    );
    assert_eq!(
        home.text,
        "RETOUR À L'EHPAD - URGENT - avis n° 2026-11-21-0047 (1re version)\n\
         Mme OCTAVIE ESSAI (usage FICTIVE), née le 12/05/1938 - INS : 000000000000191\n\
         Sortie le samedi 21/11/2026 à 20 h 30 (saisie à 21 h 41) - Service hospitalier, CH d'Essai - tél. 24 h/24 : 01 00 00 00 00\n\
         Destination : EHPAD Les Tilleuls, Ville-Essai. Sortie prévue le vendredi 20/11/2026 à 11 h, non reconfirmée depuis.\n\
         Lettre de liaison : non jointe à cet avis. Traitement modifié : inconnu, ne pas reprendre l'ancien traitement sans avis.\n\
         À FAIRE : confirmer l'arrivée en répondant « ARRIVÉE » ou appeler le numéro ci-dessus.\n"
    );
    let pharmacy = to(&discharge, Kind::ReturnToNursingHome, Role::Pharmacy);
    assert!(
        pharmacy
            .text
            .contains("\nOrdonnance de sortie : non jointe à cet avis.")
    );
    assert!(!pharmacy.text.contains("Lettre de liaison"));
}

#[test]
fn a_cancellation_reads_so() {
    let (.., cancelled) = saturday();
    let of = number(47);
    let doctor = to(&cancelled, Kind::Cancellation { of }, Role::FamilyDoctor);
    assert_eq!(
        doctor.subject,
        "URGENT - ANNULE l'avis n° 2026-11-21-0047 (Retour à l'EHPAD) - Mme OCTAVIE ESSAI (usage FICTIVE) - avis n° 2026-11-21-0048"
    );
    assert_eq!(
        doctor.text,
        "ANNULE l'avis n° 2026-11-21-0047 (Retour à l'EHPAD, samedi 21/11/2026 à 20 h 30) - URGENT - avis n° 2026-11-21-0048 (1re version)\n\
         Mme OCTAVIE ESSAI (usage FICTIVE), née le 12/05/1938 - INS : 000000000000191\n\
         Ne plus tenir compte de cet avis. La personne est toujours à l'hôpital.\n\
         Service hospitalier, CH d'Essai - tél. 24 h/24 : 01 00 00 00 00\n\
         À FAIRE : arrêter ce qui a été engagé pour cet avis ; répondre « PRIS EN CHARGE » ou appeler le numéro ci-dessus.\n"
    );
}

#[test]
fn a_discharge_home_reads_so() {
    let mut day = Day::admitted();
    day.receive(&Adt {
        recorded: "20261119190000",
        ..discharge_home()
    });
    let nurse = to(&day.sent, Kind::DischargeHome, Role::HomeNurse);
    assert_eq!(
        nurse.text,
        "SORTIE À DOMICILE - URGENT - avis n° 2026-11-21-0046 (1re version)\n\
         Mme OCTAVIE ESSAI (usage FICTIVE), née le 12/05/1938 - INS : 000000000000191\n\
         Sortie le jeudi 19/11/2026 à 14 h (saisie tardive à 19 h) - Service hospitalier, CH d'Essai - tél. 24 h/24 : 01 00 00 00 00\n\
         Destination : domicile. Sortie non annoncée à l'avance.\n\
         Prescription de soins : non jointe à cet avis.\n\
         À FAIRE : reprendre les soins ; répondre « PRIS EN CHARGE » ou appeler le numéro ci-dessus.\n"
    );
    let coordination = to(&day.sent, Kind::DischargeHome, Role::Coordination);
    assert!(
        !coordination.text.contains("INS"),
        "a coordinator gets no record number"
    );
}

#[test]
fn a_death_says_the_least() {
    let mut day = Day::admitted();
    day.receive(&death());
    let doctor = to(&day.sent, Kind::Death, Role::FamilyDoctor);
    assert_eq!(
        doctor.text,
        "DÉCÈS - avis n° 2026-11-21-0046 (1re version)\n\
         Mme OCTAVIE ESSAI (usage FICTIVE), née le 12/05/1938 - INS : 000000000000191\n\
         Décès le jeudi 19/11/2026 à 14 h (saisie à 14 h 05) - Service hospitalier, CH d'Essai - tél. 24 h/24 : 01 00 00 00 00\n\
         À FAIRE : arrêter les interventions en cours. Aucune réponse n'est attendue.\n"
    );
}

#[test]
fn nothing_in_any_notice_tells_of_psychiatry() {
    let risky = [
        a01(),
        Adt {
            circumstance: "S",
            ..discharge_home()
        },
        Adt {
            circumstance: "R",
            ..return_to_nursing_home()
        },
        transfer(),
        against_advice(),
        a16(),
    ];
    for event in risky {
        let mut day = Day::new();
        day.receive(&event);
        assert!(!day.sent.is_empty());
        for notice in &day.sent {
            let words = format!("{}\n{}", notice.subject, notice.text).to_lowercase();
            for secret in ["psy", "3120", "009400999", "programme de soins", "adulte"] {
                assert!(!words.contains(secret), "{secret} in {words}");
            }
        }
    }
}

#[test]
fn a_unit_is_named_only_where_the_site_says_so() {
    let mut day = Day::new();
    let geriatrics = Unit {
        name: Some("Gériatrie".to_owned()),
        phone: Some("01 00 00 00 99".to_owned()),
        ..Unit::default()
    };
    day.rules
        .hospital
        .units
        .insert("3120".to_owned(), geriatrics);
    day.receive(&a01());
    assert!(
        day.sent[0]
            .text
            .contains(" - Gériatrie, CH d'Essai - tél. 24 h/24 : 01 00 00 00 99\n")
    );
}

#[test]
fn a_hospital_without_telephone_offers_none() {
    let mut day = Day::new();
    day.rules.hospital.phone = None;
    day.receive(&a01());
    assert!(
        day.sent
            .iter()
            .all(|notice| !notice.text.contains("tél.") && !notice.text.contains("numéro"))
    );
}

#[test]
fn every_text_is_short_lines_of_one_paragraph() {
    let events = [
        a01(),
        a16(),
        return_to_nursing_home(),
        discharge_home(),
        transfer(),
        against_advice(),
        death(),
    ];
    for event in events {
        let mut day = Day::new();
        day.receive(&event);
        for notice in &day.sent {
            let lines: Vec<&str> = notice.text.lines().collect();
            assert!((3..=8).contains(&lines.len()), "{}", notice.text);
            assert!(
                lines
                    .iter()
                    .all(|line| !line.trim().is_empty() && line.trim_end() == *line),
                "{:?}",
                notice.text
            );
            assert!(lines.last().unwrap().starts_with("À FAIRE : "));
            assert!(notice.text.ends_with(".\n"));
        }
    }
}
