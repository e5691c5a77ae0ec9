//! Cancellations and new versions.

use super::*;
use crate::notices::kind::Slot;

fn correction(decision: Decision) -> (Vec<Withdrawal>, Vec<Planned>) {
    match decision {
        Decision::Correction { withdrawn, notices } => (withdrawn, notices),
        other => panic!("a correction was expected: {other:?}"),
    }
}

#[test]
fn a_cancelled_admission_takes_back_everything_said_of_the_stay() {
    let mut day = Day::admitted();
    day.receive(&a16());
    day.sent.clear();
    correction(day.receive(&a01().cancel("A11")));
    let cancelled: Vec<Kind> = day.told().into_iter().map(|(kind, ..)| kind).collect();
    assert!(cancelled.contains(&Kind::Cancellation { of: number(45) }));
    assert!(cancelled.contains(&Kind::Cancellation { of: number(46) }));
    assert!(day.episode.unwrap().live_notices().next().is_none());
}

#[test]
fn a_cancelled_discharge_leaves_the_entry_standing_and_can_be_announced_again() {
    let mut day = Day::admitted();
    day.receive(&return_to_nursing_home());
    correction(day.receive(&return_to_nursing_home().cancel("A13")));
    let live: Vec<Kind> = day
        .episode
        .as_ref()
        .unwrap()
        .live_notices()
        .map(|issued| issued.statement.kind)
        .collect();
    assert_eq!(live, [Kind::Admission]);
    day.sent.clear();
    let again = Adt {
        effective: "20261120100000",
        recorded: "20261120101000",
        movement: "M6",
        ..return_to_nursing_home()
    };
    assert!(matches!(day.receive(&again), Decision::Notices(_)));
}

#[test]
fn a_cancellation_goes_to_those_told_even_if_the_circle_changed_since() {
    let mut day = Day::admitted();
    day.receive(&return_to_nursing_home());
    let told: Vec<Target> = day.sent.drain(..).map(|notice| notice.target).collect();
    day.circle = CareCircle::default();
    day.circle.insert(
        patient(),
        member(Role::Pharmacy, address("autre@pharmacie.test")),
    );
    day.receive(&return_to_nursing_home().cancel("A13"));
    let cancelled: Vec<Target> = day
        .sent
        .iter()
        .map(|notice| notice.target.clone())
        .collect();
    assert_eq!(cancelled, told);
    assert!(
        day.sent
            .iter()
            .all(|notice| notice.follows == Some((number(46), 1)))
    );
}

#[test]
fn a_feed_without_movements_cancels_by_event() {
    let mut day = Day::new();
    let plain = |event: Adt| Adt {
        movement: "",
        ..event
    };
    day.receive(&plain(a01()));
    day.receive(&plain(discharge_home()));
    let a13 = Adt {
        recorded: "20261119150000",
        ..Adt::new("A13", "")
    };
    let (_, notices) = correction(day.receive(&a13));
    assert_eq!(notices[0].kind, Kind::Cancellation { of: number(46) });
    let a11 = Adt {
        recorded: "20261119151000",
        effective: "20261119151000",
        ..Adt::new("A11", "")
    };
    let (_, notices) = correction(day.receive(&a11));
    assert_eq!(notices[0].kind, Kind::Cancellation { of: number(45) });
}

#[test]
fn a_corrected_hour_gives_the_next_version_to_the_same_people() {
    let mut day = Day::admitted();
    day.receive(&return_to_nursing_home());
    let told: Vec<Target> = day.sent.drain(..).map(|notice| notice.target).collect();
    let earlier = Adt {
        effective: "20261119130000",
        ..return_to_nursing_home().update()
    };
    let (_, notices) = correction(day.receive(&earlier));
    assert!(!notices[0].needs_number());
    let again: Vec<Target> = day
        .sent
        .iter()
        .map(|notice| notice.target.clone())
        .collect();
    assert_eq!(again, told);
    for notice in &day.sent {
        assert_eq!((notice.number, notice.version), (number(46), 2));
        assert_eq!(notice.follows, Some((number(46), 1)));
        assert!(notice.text.starts_with(
            "RECTIFIE ET REMPLACE l'avis n° 2026-11-21-0046 (1re version) : jeudi 19/11/2026 à 13 h au lieu de jeudi 19/11/2026 à 14 h\n"
        ));
    }
    assert_eq!(
        day.receive(&earlier),
        Decision::NoNotice(Silence::NothingNew),
        "sent twice"
    );
    day.sent.clear();
    correction(day.receive(&return_to_nursing_home().cancel("A13")));
    assert_eq!(
        day.sent.len(),
        told.len(),
        "the cancellation takes back the last version"
    );
}

#[test]
fn a_corrected_hour_without_the_way_out_keeps_the_way_out() {
    let mut day = Day::admitted();
    day.receive(&return_to_nursing_home());
    let bare = Adt {
        modes: "",
        destination: "",
        effective: "20261119130000",
        ..return_to_nursing_home().update()
    };
    let (_, notices) = correction(day.receive(&bare));
    assert_eq!(notices[0].kind, Kind::ReturnToNursingHome);
}

#[test]
fn a_corrected_destination_reaches_the_old_and_the_new_recipients() {
    let mut day = Day::admitted();
    day.receive(&discharge_home());
    day.sent.clear();
    let update = Adt {
        modes: "|8||7",
        destination: "009400777",
        ..discharge_home().update()
    };
    correction(day.receive(&update));
    let roles: Vec<Role> = day.sent.iter().map(|notice| notice.role).collect();
    for role in [
        Role::NursingHome,
        Role::FamilyDoctor,
        Role::HomeNurse,
        Role::Pharmacy,
        Role::Coordination,
    ] {
        assert_eq!(
            roles.iter().filter(|other| **other == role).count(),
            1,
            "{role:?}"
        );
    }
    assert!(
        day.sent[0]
            .text
            .contains("« Retour à l'EHPAD » au lieu de « Sortie à domicile »")
    );
}

#[test]
fn a_corrected_notice_that_nobody_saw_is_withdrawn_and_begun_anew() {
    let mut day = Day::admitted();
    day.delivery = Delivery::Waiting;
    day.receive(&discharge_home());
    day.sent.clear();
    let (withdrawn, notices) = correction(day.receive(&Adt {
        effective: "20261119130000",
        ..discharge_home().update()
    }));
    assert_eq!(withdrawn[0].number, number(46));
    assert_eq!(
        notices[0].in_place_of,
        Some(number(46)),
        "no gap in the numbers"
    );
    assert_eq!((day.sent[0].number, day.sent[0].version), (number(46), 1));
    assert!(day.sent[0].text.starts_with("SORTIE À DOMICILE"));
    assert_eq!(day.episode.unwrap().live_notices().count(), 2);
}

#[test]
fn a_version_that_nobody_saw_is_taken_back_to_the_one_that_people_saw() {
    let seen = || {
        let mut day = Day::admitted();
        day.receive(&discharge_home());
        day.delivery = Delivery::Waiting;
        day.receive(&Adt {
            effective: "20261119130000",
            ..discharge_home().update()
        });
        day.sent.clear();
        day
    };
    // Corrected again: still the second version, of what people saw.
    let mut day = seen();
    let (withdrawn, notices) = correction(day.receive(&Adt {
        effective: "20261119120000",
        ..discharge_home().update()
    }));
    assert_eq!((withdrawn.len(), notices.len()), (1, 1));
    assert_eq!((day.sent[0].number, day.sent[0].version), (number(46), 2));
    assert!(
        day.sent[0]
            .text
            .contains("12 h au lieu de jeudi 19/11/2026 à 14 h")
    );
    // Corrected back: nobody hears of it.
    let mut day = seen();
    let (withdrawn, notices) = correction(day.receive(&discharge_home().update()));
    assert_eq!((withdrawn.len(), notices.len()), (1, 0));
    let live = day.episode.as_ref().unwrap().live(Slot::Discharge);
    assert_eq!(live.unwrap().version, 1);
    // Cancelled: those who saw the first version are told.
    let mut day = seen();
    let (withdrawn, notices) = correction(day.receive(&discharge_home().cancel("A13")));
    assert_eq!((withdrawn.len(), notices.len()), (1, 1));
    assert_eq!(notices[0].kind, Kind::Cancellation { of: number(46) });
}

#[test]
fn a_correction_that_changes_nothing_stated_tells_nobody() {
    let mut day = Day::admitted();
    day.receive(&return_to_nursing_home());
    let same = day.receive(&return_to_nursing_home().update());
    assert_eq!(same, Decision::NoNotice(Silence::NothingNew));
}

#[test]
fn a_correction_of_what_was_never_received_is_the_first_notice() {
    let mut day = Day::admitted();
    assert!(matches!(
        day.receive(&return_to_nursing_home().update()),
        Decision::Notices(_)
    ));
    assert_eq!(
        day.receive(&return_to_nursing_home()),
        Decision::NoNotice(Silence::Duplicate)
    );
}

#[test]
fn a_planned_date_that_moves_little_is_no_news_but_small_moves_add_up() {
    let mut day = Day::admitted();
    day.receive(&a16());
    let at = |hour: &'static str, movement: &'static str| Adt {
        expected: hour,
        planned: hour,
        movement,
        ..a16()
    };
    assert_eq!(
        day.receive(&at("20261124140000", "M5")),
        Decision::NoNotice(Silence::NothingNew)
    );
    day.sent.clear();
    let (_, notices) = correction(day.receive(&at("20261124163000", "M6")));
    assert_eq!(notices[0].earlier.as_ref().unwrap().number, number(46));
    assert_eq!((day.sent[0].number, day.sent[0].version), (number(46), 2));

    let through_identity_feed = Adt {
        expected: "20261125100000",
        ..Adt::new("A31", "")
    };
    correction(day.receive(&through_identity_feed));
}

#[test]
fn a_planned_date_taken_away_is_cancelled() {
    let mut day = Day::admitted();
    day.receive(&a16());
    let (_, notices) = correction(day.receive(&Adt {
        expected: "\"\"",
        ..Adt::new("A31", "")
    }));
    assert_eq!(notices[0].kind, Kind::Cancellation { of: number(46) });
}

#[test]
fn an_emergency_visit_that_becomes_a_stay_does_not_announce_the_entry_twice() {
    let mut day = Day::admitted();
    assert_eq!(
        day.receive(&Adt::new("A06", "M2")),
        Decision::NoNotice(Silence::NothingNew)
    );
}

#[test]
fn a_correction_for_a_protected_person_still_withdraws_what_nobody_saw() {
    let mut day = Day::admitted();
    day.delivery = Delivery::Waiting;
    day.receive(&discharge_home());
    let update = Adt {
        status: "VALI~CACH",
        effective: "20261119130000",
        ..discharge_home().update()
    };
    let Decision::Held {
        withdrawn, notices, ..
    } = day.receive(&update)
    else {
        panic!("it is held");
    };
    assert_eq!((withdrawn.len(), notices.len()), (1, 1));
}
