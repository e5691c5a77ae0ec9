//! What comes when the person has left, a letter and a result: normal, twice, late, before the
//! exit, after its cancel, corrected, merged. And what a unit's or a person's word adds.

use super::*;
use crate::notices::after_discharge::{Arrived, arrived};
use crate::notices::enclosure::Enclosures;
use crate::notices::french::Moment;
use Role::{FamilyDoctor, NursingHome, Pharmacy};
use Urgency::Normal;
use time::macros::datetime;

const KINDS: [Kind; 2] = [Kind::Letter, Kind::PendingResult];

impl Day {
    /// A letter or a result comes for the stay.
    fn comes(&mut self, kind: Kind, id: &str, at: time::PrimitiveDateTime) -> Decision {
        let came = Arrived {
            kind,
            id: id.to_owned(),
            at: Moment { at, has_time: true },
            urgent: false,
        };
        let episode = self.episode.as_ref().unwrap();
        let decision = arrived(episode, &came, &self.circle, &self.rules);
        self.apply(&decision);
        decision
    }

    fn left() -> Day {
        let mut day = Day::admitted();
        day.receive(&discharge_home());
        day.sent.clear();
        day
    }
}

fn of(kind: Kind) -> Vec<(Kind, Role, Urgency)> {
    let roles: &[Role] = match kind {
        Kind::Letter => &[FamilyDoctor, NursingHome, Pharmacy],
        _ => &[FamilyDoctor],
    };
    roles.iter().map(|&role| (kind, role, Normal)).collect()
}

const NOON: time::PrimitiveDateTime = datetime!(2026-11-23 12:00);

#[test]
fn what_comes_after_the_exit_is_told_once_however_late() {
    for kind in KINDS {
        for at in [
            NOON,
            datetime!(2026-11-26 12:00),
            datetime!(2026-12-20 12:00),
        ] {
            let mut day = Day::left();
            assert!(matches!(day.comes(kind, "l1", at), Decision::Notices(_)));
            assert_eq!(day.told(), of(kind), "{at}");
            let again = day.comes(kind, "l1", at);
            assert_eq!(again, Decision::NoNotice(Silence::Duplicate));
        }
    }
}

#[test]
fn what_comes_before_the_exit_or_after_its_cancel_tells_nobody() {
    for kind in KINDS {
        let silent = Decision::NoNotice(Silence::NotDischarged);
        let mut day = Day::admitted();
        assert_eq!(day.comes(kind, "l1", NOON), silent);
        let mut day = Day::left();
        day.receive(&discharge_home().cancel("A13"));
        assert_eq!(day.comes(kind, "l1", NOON), silent);
    }
}

#[test]
fn a_new_version_is_told_anew_and_a_merge_changes_nobody() {
    for kind in KINDS {
        let mut day = Day::left();
        day.comes(kind, "l1", NOON);
        day.sent.clear();
        day.comes(kind, "l2", NOON);
        assert_eq!(
            day.told(),
            of(kind),
            "a corrected document has a name of its own"
        );
        let merge = Adt {
            ipp: "900456",
            merged: "900123",
            recorded: "20261123100000",
            ..Adt::new("A40", "")
        };
        day.receive(&merge);
        assert!(day.told().is_empty());
        day.comes(kind, "l3", NOON);
        assert_eq!(
            day.told(),
            of(kind),
            "the circle of the former number still holds"
        );
    }
}

#[test]
fn with_the_entry_goes_what_came_after_the_exit() {
    for kind in KINDS {
        let mut day = Day::left();
        day.comes(kind, "l1", NOON);
        day.sent.clear();
        day.receive(&a01().cancel("A11"));
        let told = day.told();
        let cancelled = of(kind);
        for (_, role, _) in &cancelled {
            let of_this = told.iter().filter(|(told, to, _)| {
                *told == Kind::Cancellation { of: number(47) } && to == role
            });
            assert_eq!(of_this.count(), 1, "{kind:?} {told:?}");
        }
        let all = told
            .iter()
            .filter(|(told, ..)| *told == Kind::Cancellation { of: number(47) });
        assert_eq!(all.count(), cancelled.len(), "exactly those who got it");
    }
}

#[test]
fn contact_before_arrival_is_recommended_with_the_wards_telephone_and_not_why() {
    let words =
        "Contact avant accueil recommandé : appeler le service, 01 00 00 00 00, avant l'arrivée.";
    for (by_unit, by_person) in [(true, false), (false, true), (false, false)] {
        let mut day = Day::admitted();
        day.rules.hospital.units.insert(
            "3120".to_owned(),
            Unit {
                contact_first: by_unit,
                ..Unit::default()
            },
        );
        for event in [a16(), return_to_nursing_home()] {
            let Decision::Notices(planned) = day.receive(&event) else {
                panic!("nobody is told");
            };
            let enclosed = Enclosures {
                contact_first: by_person,
                ..Enclosures::default()
            };
            let unit = planned[0].statement.unit.clone();
            let notices = planned[0]
                .issue_with(number(50), &day.rules, &enclosed)
                .unwrap();
            let mut shown = 0;
            for notice in &notices {
                let says = notice.text.contains(words);
                let by_unit = by_unit && unit.as_deref() == Some("3120");
                let expected = (by_unit || by_person) && notice.role.receives();
                assert_eq!(says, expected, "{:?} {unit:?} {}", notice.role, notice.text);
                assert!(
                    !notice.text.contains("3120") && !notice.text.to_lowercase().contains("psy")
                );
                shown += usize::from(says);
            }
            assert_eq!(shown > 0, (by_unit && unit.is_some()) || by_person);
        }
    }
}
