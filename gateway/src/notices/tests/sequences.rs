//! Any order of events: what must hold whatever a feed sends.

use proptest::prelude::*;

use super::*;
use crate::notices::kind::Slot;

fn insertion() -> impl Strategy<Value = Adt> {
    let events = prop_oneof![
        Just(a01()),
        Just(a16()),
        Just(return_to_nursing_home()),
        Just(discharge_home()),
        Just(transfer()),
        Just(against_advice()),
        Just(death()),
        Just(Adt::new("A06", "M1")),
        Just(Adt::new("A02", "M1")),
    ];
    let movement = prop::sample::select(vec!["M1", "M2", "M3", "M4"]);
    let hour = prop::sample::select(vec!["20261119090000", "20261119140000", "20261119200000"]);
    let expected = prop::sample::select(vec!["", "20261124110000", "20261125180000"]);
    (events, movement, hour, expected, any::<bool>()).prop_map(
        |(event, movement, effective, expected, doctor)| Adt {
            movement,
            effective,
            expected,
            doctor,
            ..event
        },
    )
}

fn event() -> impl Strategy<Value = Adt> {
    (insertion(), 0..4).prop_map(|(event, action)| match action {
        0 => event.cancel("A13"),
        1 => event.update(),
        _ => event,
    })
}

fn check(day: &Day) -> Result<(), TestCaseError> {
    let episode = day.episode.as_ref().unwrap();
    for slot in [Slot::Admission, Slot::PlannedDischarge, Slot::Discharge] {
        let live = episode
            .live_notices()
            .filter(|issued| issued.statement.kind.slot() == Some(slot));
        prop_assert!(live.count() <= 1, "one statement of a slot holds");
    }
    for notice in &day.sent {
        let same = |other: &&Notice| {
            (other.number, other.version, &other.target)
                == (notice.number, notice.version, &notice.target)
        };
        prop_assert_eq!(day.sent.iter().filter(same).count(), 1, "told once");
        if let Kind::Cancellation { of } = notice.kind {
            let told = |other: &Notice| other.number == of && other.target == notice.target;
            prop_assert!(day.sent.iter().any(told), "cancelled only to who was told");
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_the_order_people_are_told_once_and_one_statement_holds(
        events in prop::collection::vec(event(), 1..12),
    ) {
        let mut day = Day::new();
        for event in &events {
            day.receive(event);
            check(&day)?;
        }
    }

    #[test]
    fn a_feed_sent_again_tells_nobody(
        events in prop::collection::vec((insertion(), any::<bool>()), 1..12),
    ) {
        let mut day = Day::new();
        let events: Vec<Adt> = events
            .into_iter()
            .map(|(event, cancelled)| if cancelled { event.cancel("A13") } else { event })
            .collect();
        for event in &events {
            day.receive(event);
        }
        day.sent.clear();
        for event in &events {
            day.receive(event);
        }
        prop_assert!(day.told().is_empty());
    }

    #[test]
    fn whoever_was_told_of_a_discharge_is_told_of_its_cancel(event in insertion()) {
        let mut day = Day::new();
        day.receive(&event);
        let told: Vec<Target> = day.sent.drain(..).map(|notice| notice.target).collect();
        day.receive(&event.cancel("A13"));
        let cancelled: Vec<Target> = day.sent.drain(..).map(|notice| notice.target).collect();
        prop_assert_eq!(cancelled, told);
    }
}
