//! The table of events: each row with its recipients and urgencies.

use super::*;
use Role::{Coordination, FamilyDoctor, HomeNurse, NursingHome, Pharmacy};
use Urgency::{Normal, Urgent};

/// The event, the trigger of its cancel, its kind, and who is told how urgently.
type Row = (Adt, &'static str, Kind, Vec<(Role, Urgency)>);

/// Each row built.
fn rows() -> Vec<Row> {
    let a06 = Adt {
        modes: "",
        ..Adt::new("A06", "M2")
    };
    let entry = vec![
        (FamilyDoctor, Normal),
        (NursingHome, Urgent),
        (HomeNurse, Urgent),
        (Coordination, Normal),
    ];
    vec![
        (a01(), "A11", Kind::Admission, entry.clone()),
        (
            Adt {
                doctor: true,
                ..a06
            },
            "A07",
            Kind::Admission,
            entry,
        ),
        (
            Adt {
                doctor: true,
                ..a16()
            },
            "A25",
            Kind::PlannedDischarge,
            vec![
                (NursingHome, Normal),
                (HomeNurse, Normal),
                (Pharmacy, Normal),
                (FamilyDoctor, Normal),
            ],
        ),
        (
            Adt {
                doctor: true,
                ..return_to_nursing_home()
            },
            "A13",
            Kind::ReturnToNursingHome,
            vec![
                (NursingHome, Urgent),
                (HomeNurse, Urgent),
                (Pharmacy, Urgent),
                (FamilyDoctor, Urgent),
            ],
        ),
        (
            Adt {
                doctor: true,
                ..discharge_home()
            },
            "A13",
            Kind::DischargeHome,
            vec![
                (FamilyDoctor, Normal),
                (HomeNurse, Normal),
                (Pharmacy, Normal),
                (Coordination, Normal),
            ],
        ),
        (
            Adt {
                doctor: true,
                ..transfer()
            },
            "A13",
            Kind::Transfer,
            vec![(FamilyDoctor, Normal), (NursingHome, Normal)],
        ),
        (
            Adt {
                doctor: true,
                ..against_advice()
            },
            "A13",
            Kind::UnauthorisedExit,
            vec![(FamilyDoctor, Urgent), (NursingHome, Urgent)],
        ),
        (
            Adt {
                doctor: true,
                ..death()
            },
            "A13",
            Kind::Death,
            vec![
                (FamilyDoctor, Normal),
                (NursingHome, Normal),
                (HomeNurse, Normal),
                (Pharmacy, Normal),
            ],
        ),
    ]
}

fn of_kind(kind: Kind, recipients: &[(Role, Urgency)]) -> Vec<(Kind, Role, Urgency)> {
    let mut told: Vec<_> = recipients
        .iter()
        .map(|&(role, urgency)| (kind, role, urgency))
        .collect();
    told.sort_unstable_by_key(|(_, role, _)| *role);
    told
}

#[test]
fn each_row_tells_its_recipients_once() {
    for (event, _, kind, recipients) in rows() {
        let mut day = Day::new();
        assert!(
            matches!(day.receive(&event), Decision::Notices(_)),
            "{kind:?}"
        );
        assert_eq!(day.told(), of_kind(kind, &recipients));
    }
}

#[test]
fn a_duplicate_of_each_row_tells_nobody() {
    for (event, _, kind, _) in rows() {
        let mut day = Day::new();
        day.receive(&event);
        day.sent.clear();
        assert_eq!(
            day.receive(&event),
            Decision::NoNotice(Silence::Duplicate),
            "{kind:?}"
        );
        assert!(day.told().is_empty());
    }
}

#[test]
fn a_cancel_of_each_row_tells_exactly_those_who_were_told() {
    for (event, trigger, kind, recipients) in rows() {
        let mut day = Day::new();
        day.receive(&event);
        day.sent.clear();
        let cancel = event.cancel(trigger);
        let decision = day.receive(&cancel);
        assert!(
            matches!(&decision, Decision::Correction { withdrawn, .. } if withdrawn.is_empty()),
            "{kind:?}"
        );
        let of = Kind::Cancellation { of: number(45) };
        assert_eq!(day.told(), of_kind(of, &recipients));
        assert_eq!(
            day.receive(&cancel),
            Decision::NoNotice(Silence::Duplicate),
            "{kind:?}"
        );
        assert_eq!(
            day.receive(&event),
            Decision::NoNotice(Silence::CancelledBefore),
            "{kind:?}"
        );
    }
}

#[test]
fn a_cancel_of_what_nobody_saw_yet_withdraws_it() {
    for (event, trigger, kind, _) in rows() {
        let mut day = Day::new();
        day.delivery = Delivery::Waiting;
        day.receive(&event);
        day.sent.clear();
        let Decision::Correction { withdrawn, notices } = day.receive(&event.cancel(trigger))
        else {
            panic!("{kind:?} is not corrected");
        };
        assert_eq!(withdrawn.len(), 1, "{kind:?}");
        assert_eq!(withdrawn[0].number, number(45));
        assert!(notices.is_empty() && day.sent.is_empty());
        assert!(day.episode.unwrap().live_notices().next().is_none());
    }
}

#[test]
fn a_cancel_before_its_insertion_silences_both() {
    for (event, trigger, kind, _) in rows() {
        let mut day = Day::new();
        let first = day.receive(&event.cancel(trigger));
        assert_eq!(
            first,
            Decision::NoNotice(Silence::NothingToCancel),
            "{kind:?}"
        );
        assert_eq!(
            day.receive(&event),
            Decision::NoNotice(Silence::CancelledBefore),
            "{kind:?}"
        );
        assert!(day.told().is_empty());
    }
}

#[test]
fn a_historic_movement_tells_nobody_but_its_cancel_still_corrects() {
    for (event, trigger, kind, _) in rows() {
        let mut day = Day::new();
        let historic = Adt {
            historic: "Y",
            ..event.clone()
        };
        assert_eq!(
            day.receive(&historic),
            Decision::NoNotice(Silence::Historic),
            "{kind:?}"
        );

        let mut day = Day::new();
        day.receive(&event);
        let cancel = Adt {
            historic: "Y",
            ..event.cancel(trigger)
        };
        assert!(
            matches!(day.receive(&cancel), Decision::Correction { .. }),
            "{kind:?}"
        );
    }
}

#[test]
fn after_hours_make_discharges_urgent_and_leave_deaths_and_transfers_alone() {
    for at in [
        "20261121203000",
        "20261120170000",
        "20261119180000",
        "20261111100000",
        "20261120030000",
    ] {
        for (event, kind, urgency) in [
            (discharge_home(), Kind::DischargeHome, Urgent),
            (death(), Kind::Death, Normal),
            (transfer(), Kind::Transfer, Normal),
        ] {
            let mut day = Day::new();
            day.receive(&Adt {
                effective: at,
                recorded: at,
                ..event
            });
            assert!(
                day.sent
                    .iter()
                    .all(|notice| notice.kind == kind && notice.urgency == urgency),
                "{at} {kind:?}"
            );
            assert!(!day.sent.is_empty());
        }
    }
}

#[test]
fn a_discharge_typed_in_after_hours_is_urgent_too() {
    let mut day = Day::new();
    day.receive(&Adt {
        recorded: "20261119203000",
        ..discharge_home()
    });
    assert!(day.sent.iter().all(|notice| notice.urgency == Urgent));
}

#[test]
fn a_planned_discharge_on_a_weekend_is_urgent_and_gives_the_ward_a_task() {
    let mut day = Day::admitted();
    let saturday = Adt {
        effective: "20261121110000",
        planned: "20261121110000",
        ..a16()
    };
    let Decision::Notices(notices) = day.receive(&saturday) else {
        panic!("a planned discharge is announced");
    };
    assert_eq!(notices[0].ward_task, Some(WardTask::RiskyDischarge));
    assert!(day.sent.iter().all(|notice| notice.urgency == Urgent));
}

#[test]
fn an_expected_date_in_the_admission_announces_both() {
    let mut day = Day::new();
    let Decision::Notices(notices) = day.receive(&Adt {
        expected: "20261120110000",
        ..a01()
    }) else {
        panic!("both are announced");
    };
    let kinds: Vec<Kind> = notices.iter().map(|planned| planned.kind).collect();
    assert_eq!(kinds, [Kind::Admission, Kind::PlannedDischarge]);
}

#[test]
fn an_expected_date_first_said_in_any_event_is_announced_once() {
    for trigger in ["A02", "A31", "A08", "Z99", "A54"] {
        let mut day = Day::admitted();
        let dated = Adt {
            expected: "20261124110000",
            ..Adt::new(trigger, "M9")
        };
        assert!(
            matches!(day.receive(&dated), Decision::Notices(_)),
            "{trigger}"
        );
        let again = Adt {
            movement: "M10",
            expected: "20261124110000",
            ..dated
        };
        assert!(
            matches!(day.receive(&again), Decision::NoNotice(_)),
            "{trigger}"
        );
    }
}

#[test]
fn the_family_doctor_named_at_the_admission_hears_of_the_discharge() {
    let mut day = Day::admitted();
    day.receive(&return_to_nursing_home());
    let doctor = day
        .sent
        .iter()
        .find(|notice| notice.role == FamilyDoctor)
        .unwrap();
    assert_eq!(doctor.target, rpps("00000000011"));
    let home = day
        .sent
        .iter()
        .find(|notice| notice.role == NursingHome)
        .unwrap();
    assert_eq!(home.target, finess("009400777"));
}

#[test]
fn without_a_family_doctor_the_coordination_is_told_and_the_lack_is_said() {
    let mut day = Day::new();
    let Decision::Notices(notices) = day.receive(&return_to_nursing_home()) else {
        panic!("the others are told");
    };
    assert_eq!(notices[0].missing, [FamilyDoctor]);
    assert!(day.sent.iter().any(|notice| notice.role == Coordination));
    assert!(
        day.sent[0]
            .text
            .contains("Médecin traitant : non connu de l'hôpital.")
    );
}

#[test]
fn the_destination_decides_which_nursing_home_is_told() {
    let mut day = Day::admitted();
    day.receive(&Adt {
        destination: "009400888",
        ..return_to_nursing_home()
    });
    let home = day
        .sent
        .iter()
        .find(|notice| notice.role == NursingHome)
        .unwrap();
    assert_eq!(home.target, finess("009400888"));
}

#[test]
fn pv1_37_alone_tells_a_return_to_a_nursing_home_of_the_circle() {
    let mut day = Day::admitted();
    day.receive(&Adt {
        modes: "|8",
        ..return_to_nursing_home()
    });
    assert!(
        day.sent
            .iter()
            .all(|notice| notice.kind == Kind::ReturnToNursingHome)
    );
}

#[test]
fn a_nurse_with_prescribed_care_hears_of_a_discharge_at_once() {
    let mut day = Day::admitted();
    let nurse = CareMember {
        care_prescribed: true,
        ..member(HomeNurse, address("ssiad@soins.test"))
    };
    day.circle.insert(patient(), nurse);
    day.receive(&discharge_home());
    let urgent: Vec<&Target> = day
        .sent
        .iter()
        .filter(|notice| notice.urgency == Urgent)
        .map(|notice| &notice.target)
        .collect();
    assert_eq!(urgent, [&address("ssiad@soins.test")]);
}

#[test]
fn a_circle_found_by_the_qualified_ins_counts_and_one_by_an_unqualified_ins_does_not() {
    let mut circle = CareCircle::default();
    let ins = PatientKey::Ins("000000000000191".to_owned());
    circle.insert(ins, member(HomeNurse, address("idel@cabinet.test")));
    for (status, expected) in [("VALI", 1), ("PROV", 0)] {
        let mut day = Day {
            circle: circle.clone(),
            ..Day::new()
        };
        day.receive(&Adt {
            status,
            doctor: true,
            ..discharge_home()
        });
        let nurses = day
            .sent
            .iter()
            .filter(|notice| notice.role == HomeNurse)
            .count();
        assert_eq!(nurses, expected, "{status}");
    }
}

#[test]
fn a_leave_against_advice_asks_the_ward_to_telephone() {
    let mut day = Day::admitted();
    let Decision::Notices(notices) = day.receive(&against_advice()) else {
        panic!("it is announced");
    };
    assert_eq!(notices[0].ward_task, Some(WardTask::CallAtOnce));
    assert!(Kind::Death.closes_pending() && !Kind::UnauthorisedExit.closes_pending());
}

#[test]
fn the_reply_asked_for_fits_the_recipient() {
    let mut day = Day::admitted();
    day.receive(&return_to_nursing_home());
    for notice in &day.sent {
        let (reply, word) = match notice.role {
            NursingHome => (ExpectedReply::Arrival, "« ARRIVÉE »"),
            _ => (ExpectedReply::TakenCharge, "« PRIS EN CHARGE »"),
        };
        assert_eq!(notice.expected_reply, reply);
        assert!(notice.text.contains(word), "{:?}", notice.role);
    }
}
