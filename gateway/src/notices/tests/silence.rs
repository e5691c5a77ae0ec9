//! Events that tell nobody, and events that wait for a human.

use super::*;

#[test]
fn seances_consultations_and_emergency_visits_are_no_stays() {
    for class in ["R", "O", "E", "N"] {
        for event in [a01(), a16(), discharge_home()] {
            let mut day = Day::new();
            let decision = day.receive(&Adt {
                class,
                expected: "20261124110000",
                ..event
            });
            assert_eq!(decision, Decision::NoNotice(Silence::NotAStay), "{class}");
        }
    }
}

#[test]
fn movements_inside_the_hospital_and_unknown_events_tell_nobody() {
    for trigger in [
        "A02", "A05", "A14", "A31", "A47", "A54", "Z99", "Q42", "A04",
    ] {
        let mut day = Day::admitted();
        let decision = day.receive(&Adt::new(trigger, "M7"));
        assert_eq!(
            decision,
            Decision::NoNotice(Silence::NotNotified),
            "{trigger}"
        );
    }
    for trigger in ["A21", "A22"] {
        let decision = Day::admitted().receive(&Adt::new(trigger, "M7"));
        assert_eq!(decision, Decision::NoNotice(Silence::NobodyConcerned));
    }
    for trigger in ["A40", "A44"] {
        let decision = Day::admitted().receive(&Adt::new(trigger, ""));
        assert_eq!(decision, Decision::NoNotice(Silence::UnknownDossier));
    }
    for exit in ["|0", "|6"] {
        let mut day = Day::admitted();
        let decision = day.receive(&Adt {
            modes: exit,
            ..Adt::new("A03", "M4")
        });
        assert_eq!(
            decision,
            Decision::NoNotice(Silence::InternalMove),
            "{exit}"
        );
    }
}

#[test]
fn training_messages_tell_nobody() {
    let mut day = Day::new();
    let text = a01().text().replace("|1|P|", "|1|T|");
    assert_eq!(
        day.receive_text(&text),
        Decision::NoNotice(Silence::NotProduction)
    );
}

#[test]
fn an_event_about_a_person_alone_has_no_episode() {
    let alone = Adt {
        dossier: "",
        ..Adt::new("A31", "")
    };
    let text = alone.text().replace("26004711-1", "").replace('\n', "\r");
    let event = AdtEvent::parse(&Message::parse(text.as_bytes()).unwrap()).unwrap();
    assert!(Episode::begin(&event).is_none());
    let mut day = Day::admitted();
    let episode = day.episode.take().unwrap();
    let decision = decide(&episode, &event, &day.circle, &day.rules);
    assert_eq!(decision, Decision::NoNotice(Silence::NoVisit));
}

#[test]
fn an_admission_that_arrives_after_the_discharge_tells_nobody() {
    let mut day = Day::new();
    day.receive(&discharge_home());
    assert_eq!(
        day.receive(&a01()),
        Decision::NoNotice(Silence::AlreadyDischarged)
    );
}

#[test]
fn a_movement_typed_in_days_later_tells_nobody_unless_an_entry_is_open() {
    let late = Adt {
        recorded: "20261122140500",
        ..discharge_home()
    };
    let mut day = Day::new();
    assert_eq!(day.receive(&late), Decision::NoNotice(Silence::TooLate));
    let mut day = Day::new();
    let entry = Adt {
        recorded: "20261119150000",
        ..a01()
    };
    assert_eq!(day.receive(&entry), Decision::NoNotice(Silence::TooLate));

    let mut day = Day::admitted();
    day.receive(&late);
    assert!(
        day.sent
            .iter()
            .all(|notice| notice.urgency == Urgency::Info)
    );
    assert!(day.sent[0].text.contains("RÉGULARISATION"));
}

#[test]
fn a_planned_date_in_the_past_tells_nobody() {
    let mut day = Day::admitted();
    let past = Adt {
        planned: "20261118110000",
        effective: "20261118110000",
        ..a16()
    };
    assert_eq!(day.receive(&past), Decision::NoNotice(Silence::InThePast));
}

#[test]
fn a_protected_person_or_stay_waits_for_a_human_from_then_on() {
    let mut day = Day::new();
    let Decision::Held {
        reason, notices, ..
    } = day.receive(&Adt {
        status: "VALI~ANOM",
        ..a01()
    })
    else {
        panic!("it is held");
    };
    assert_eq!(reason, HoldReason::Protected);
    assert_eq!(notices[0].kind, Kind::Admission);
    assert!(!notices[0].recipients.is_empty());
    // The discharge does not repeat the flag.
    assert!(matches!(
        day.receive(&discharge_home()),
        Decision::Held { .. }
    ));
    assert!(day.told().is_empty());
}

#[test]
fn a_held_notice_may_be_released_only_while_it_holds() {
    let mut day = Day::new();
    let Decision::Held { notices, .. } = day.receive(&Adt {
        status: "CACH",
        ..a01()
    }) else {
        panic!("it is held");
    };
    let holds = |day: &Day| notices[0].still_holds(day.episode.as_ref().unwrap());
    assert!(holds(&day));
    let cancelled = day.receive(&a01().cancel("A11"));
    assert_eq!(cancelled, Decision::NoNotice(Silence::NothingToCancel));
    assert!(!holds(&day));
}

#[test]
fn a_notice_for_nobody_known_waits_for_a_human() {
    let mut day = Day {
        circle: CareCircle::default(),
        ..Day::new()
    };
    let decision = day.receive(&discharge_home());
    assert!(matches!(
        decision,
        Decision::Held {
            reason: HoldReason::NoRecipient,
            ..
        }
    ));
    assert_eq!(decision.missing(), [Role::FamilyDoctor]);
    assert_eq!(decision.urgency(), None);
}

#[test]
fn a_stay_that_names_another_patient_waits_until_a_human_says_so() {
    let mut day = Day::admitted();
    let other = Adt {
        ipp: "900999",
        ..discharge_home()
    };
    for event in [
        other.clone(),
        Adt {
            movement: "M5",
            expected: "20261124110000",
            ..a16()
        },
    ] {
        let event = Adt {
            ipp: "900999",
            doctor: true,
            ..event
        };
        let Decision::Held {
            reason,
            leaving,
            notices,
            ..
        } = day.receive(&event)
        else {
            panic!("it is held");
        };
        assert_eq!(reason, HoldReason::PatientChanged, "the conflict lasts");
        assert!(leaving.is_empty() && !notices.is_empty());
    }

    day.episode.as_mut().unwrap().accept_patient();
    let accepted = day.receive(&Adt {
        movement: "M6",
        ipp: "900999",
        ..Adt::new("A03", "M6")
    });
    // Neither the doctor nor the circle of the other patient hears of it.
    let Decision::Notices(notices) = accepted else {
        panic!("it leaves");
    };
    assert_eq!(notices[0].recipients.len(), 1);
    assert_eq!(notices[0].recipients[0].target, rpps("00000000011"));
}

#[test]
fn nothing_kept_or_planned_shows_in_debug_output() {
    let mut day = Day::new();
    let decision = day.receive(&a01());
    let shown = format!("{decision:?} {:?} {:?}", day.sent, day.episode);
    for secret in [
        "ESSAI",
        "FICTIVE",
        "OCTAVIE",
        "900123",
        "000000000000191",
        "1938",
        "PSYCHIATRIE",
    ] {
        assert!(!shown.contains(secret), "{secret}");
    }
}
