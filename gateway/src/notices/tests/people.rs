//! Whom the hospital, the care circle and earlier stays name; and whom the patient does not want
//! told.

use super::*;
use crate::notices::episode::Standing;
use crate::notices::person::Person;

/// The same person comes again two months later, under another visit, with nobody named.
fn second_stay(modes: &'static str) -> Day {
    let mut day = Day::new();
    day.circle = CareCircle::default();
    day.receive(&a01());
    day.receive(&return_to_nursing_home());
    let first = day.episode.take().unwrap();
    day.sent.clear();
    let text = Adt {
        doctor: false,
        modes,
        effective: "20270116143000",
        recorded: "20270116143512",
        ..a01()
    }
    .text()
    .replace("26004711-1", "27000001-1");
    let wire = text.replace('\n', "\r");
    let event = AdtEvent::parse(&Message::parse(wire.as_bytes()).unwrap()).unwrap();
    let mut second = Episode::begin(&event).unwrap();
    second.carry_over(&[first], &event);
    day.episode = Some(second);
    day.receive_text(&text);
    day
}

#[test]
fn who_was_told_in_the_last_stay_is_told_when_nobody_is_named() {
    let mut day = second_stay("|");
    let told: Vec<_> = day
        .sent
        .iter()
        .map(|one| (one.role, one.target.clone()))
        .collect();
    assert!(
        told.contains(&(Role::FamilyDoctor, rpps("00000000011"))),
        "{told:?}"
    );
    assert!(
        told.contains(&(Role::NursingHome, finess("009400777"))),
        "{told:?}"
    );
    // Who comes from home does not live in the nursing home any more.
    day = second_stay("8");
    assert!(day.sent.iter().all(|one| one.role == Role::FamilyDoctor));
}

#[test]
fn earlier_stays_that_were_taken_back_or_are_old_name_nobody() {
    let mut day = Day::new();
    day.circle = CareCircle::default();
    day.receive(&a01());
    let first = day.episode.take().unwrap();
    let later = |recorded: &'static str, first: &Episode| {
        let text = Adt {
            doctor: false,
            modes: "",
            effective: recorded,
            recorded,
            ..a01()
        }
        .text()
        .replace("26004711-1", "27000001-1")
        .replace('\n', "\r");
        let event = AdtEvent::parse(&Message::parse(text.as_bytes()).unwrap()).unwrap();
        let mut second = Episode::begin(&event).unwrap();
        second.carry_over(std::slice::from_ref(first), &event);
        second.carried.len()
    };
    assert_eq!(later("20270116143000", &first), 1);
    assert_eq!(later("20280116143000", &first), 0, "more than a year");
    let mut cancelled = first.clone();
    for issued in &mut cancelled.issued {
        issued.standing = Standing::Cancelled;
    }
    assert_eq!(later("20270116143000", &cancelled), 0);
    let other = Episode {
        person: Person {
            ipp: "900124".to_owned(),
            ..first.person.clone()
        },
        ..first
    };
    assert_eq!(later("20270116143000", &other), 0, "a namesake");
}

#[test]
fn whom_the_patient_does_not_want_told_is_not_told_whoever_names_them() {
    let mut day = Day::new();
    for target in [rpps("00000000011"), finess("009400777")] {
        let forbidden = CareMember {
            never: true,
            ..member(Role::Coordination, target)
        };
        day.circle.insert(patient(), forbidden);
    }
    day.receive(&a01());
    day.receive(&return_to_nursing_home());
    let told: Vec<Role> = day.sent.iter().map(|one| one.role).collect();
    assert!(!told.contains(&Role::FamilyDoctor) && !told.contains(&Role::NursingHome));
    assert!(told.contains(&Role::HomeNurse));
}

#[test]
fn who_no_longer_wants_somebody_told_ends_what_they_hear() {
    let mut day = Day::admitted();
    let forbidden = CareMember {
        never: true,
        ..member(Role::HomeNurse, address("idel@cabinet.test"))
    };
    day.circle.insert(patient(), forbidden);
    day.receive(&Adt {
        effective: "20261116160000",
        ..a01().update()
    });
    let told: Vec<Role> = day.sent.iter().map(|one| one.role).collect();
    assert!(
        told.contains(&Role::NursingHome) && !told.contains(&Role::HomeNurse),
        "{told:?}"
    );
}

#[test]
fn a_person_looks_once_at_the_recipients_of_who_named_somebody_not_to_be_told() {
    let mut day = Day::new();
    let text = a01().text().replace(
        "PV1|",
        "NK1|1|ESSAI^PAUL|CHD||^PRN^CP^^^^^^^^^0600000000||P^Personne a ne pas prevenir\nPV1|",
    );
    let decision = day.receive_text(&text);
    assert!(
        matches!(
            decision,
            Decision::Held {
                reason: HoldReason::NotToNotify,
                ..
            }
        ),
        "{decision:?}"
    );
    assert!(day.sent.is_empty());
    day.episode.as_mut().unwrap().accept_recipients();
    day.receive(&return_to_nursing_home());
    assert!(!day.sent.is_empty());
}
