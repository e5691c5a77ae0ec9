//! A month of a large hospital, made up from a seed: how many notices people get, who gets none,
//! and that nobody gets another's.

use std::collections::BTreeMap;

use super::*;
use crate::notices::explain::Explainer;
use liaison_hl7::adt::{Ins, InsKind};

/// Numbers that look random and are the same each time (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
}

/// A patient's month: messages as the hospital's system would send them.
struct Stay {
    messages: Vec<(time::PrimitiveDateTime, String)>,
    is_stay: bool,
}

const DAYS: u64 = 30;

fn at(minutes: u64) -> time::PrimitiveDateTime {
    time::macros::datetime!(2026-11-02 00:00) + time::Duration::minutes(minutes as i64)
}

fn stamp(at: time::PrimitiveDateTime) -> &'static str {
    let format = time::macros::format_description!("[year][month][day][hour][minute][second]");
    Box::leak(at.format(format).unwrap().into_boxed_str())
}

/// One message of a stay, typed in five minutes after the fact.
fn message(
    base: &Adt,
    visit: u64,
    when: time::PrimitiveDateTime,
) -> (time::PrimitiveDateTime, String) {
    let typed = when + time::Duration::minutes(5);
    let adt = Adt {
        effective: stamp(when),
        recorded: stamp(typed),
        ..base.clone()
    };
    let text = adt
        .text()
        .replace("26004711-1", &format!("V{visit}"))
        .replace("900123", &format!("P{visit}"));
    (typed, text)
}

/// Who is around a patient; whether an EHPAD is.
fn care_of(dice: &mut Dice, visit: u64, circle: &mut CareCircle) -> bool {
    let key = PatientKey::Local {
        facility: "CH-TEST".to_owned(),
        ipp: format!("P{visit}"),
    };
    let resident = dice.percent(20);
    for (share, role, target) in [
        (
            if resident { 100 } else { 0 },
            Role::NursingHome,
            finess("009400777"),
        ),
        (30, Role::HomeNurse, address("idel@cabinet.test")),
        (50, Role::Pharmacy, address("officine@pharmacie.test")),
        (10, Role::Coordination, address("dac@territoire.test")),
    ] {
        if dice.percent(share) {
            circle.insert(key.clone(), member(role, target));
        }
    }
    resident
}

fn way_out(dice: &mut Dice, class: &'static str, resident: bool) -> Adt {
    Adt {
        class,
        modes: match dice.below(100) {
            _ if resident => "|8||7",
            0..80 => "|8",
            80..88 => "|7||2",
            88..92 => "|9",
            92..94 => "|4",
            _ => "|8||6",
        },
        destination: if resident { "009400777" } else { "" },
        ..Adt::new("A03", "M9")
    }
}

fn stay(dice: &mut Dice, visit: u64, circle: &mut CareCircle) -> Stay {
    let resident = care_of(dice, visit, circle);
    let class = match dice.below(100) {
        0..40 => "I",
        40..60 => "E",
        60..90 => "R",
        _ => "O",
    };
    let begin = dice.below((DAYS - 12) * 24 * 60);
    let doctor = dice.percent(85);
    let mut messages = Vec::new();
    let mut put = |base: Adt, minutes: u64| messages.push(message(&base, visit, at(minutes)));
    let first = if class == "E" { "A04" } else { "A01" };
    let entry = Adt {
        class,
        doctor,
        ..Adt::new(first, "M1")
    };
    put(entry.clone(), begin);
    let length = match class {
        "I" => 24 * 60 * (1 + dice.below(9)) + dice.below(600),
        _ => 60 + dice.below(400),
    };
    let end = begin + length;
    let planned = class == "I" && length > 24 * 60 && dice.percent(40);
    if planned {
        let day = Adt {
            class,
            planned: stamp(at(end)),
            ..Adt::new("A16", "M2")
        };
        put(
            Adt {
                effective: day.planned,
                ..day.clone()
            },
            begin + length / 4,
        );
        if dice.percent(15) {
            let moved = stamp(at(end + 24 * 60));
            put(
                Adt {
                    planned: moved,
                    expected: moved,
                    ..day.update()
                },
                begin + length / 2,
            );
        }
    }
    for count in 0..dice.below(5) {
        let name: &'static str = Box::leak(format!("T{count}").into_boxed_str());
        let unit = if dice.percent(50) { "2200" } else { "3120" };
        let move_on = Adt {
            class,
            unit,
            ..Adt::new("A02", name)
        };
        put(
            move_on,
            begin + 10 + dice.below(length.saturating_sub(20).max(1)),
        );
    }
    for _ in 0..dice.below(4) {
        put(
            Adt {
                class,
                ..Adt::new("A31", "")
            },
            begin + dice.below(length),
        );
    }
    let exit = way_out(dice, class, resident);
    put(exit.clone(), end);
    if dice.percent(5) {
        put(exit.cancel("A13"), end + 30);
        put(
            Adt {
                movement: "M10",
                ..exit.clone()
            },
            end + 600,
        );
    } else if dice.percent(10) {
        put(exit.update(), end + 40);
    }
    if dice.percent(5) {
        put(entry, begin);
    }
    messages.sort_by_key(|(typed, _)| *typed);
    Stay {
        messages,
        is_stay: class == "I",
    }
}

#[test]
fn a_month_of_a_large_hospital_gives_few_notices_and_none_for_seances_or_moves() {
    let mut dice = Dice(20_261_102);
    let mut circle = CareCircle::default();
    let count = 1_500;
    let stays: Vec<Stay> = (0..count)
        .map(|visit| stay(&mut dice, visit, &mut circle))
        .collect();
    let mut feed: Vec<(time::PrimitiveDateTime, u64, &str)> = Vec::new();
    for (visit, stay) in (0_u64..).zip(&stays) {
        feed.extend(
            stay.messages
                .iter()
                .map(|(typed, text)| (*typed, visit, text.as_str())),
        );
    }
    feed.sort_by_key(|(typed, visit, _)| (*typed, *visit));
    let rules = Rules::default();
    let mut explainer = Explainer::new(&rules, &circle);
    let mut told: BTreeMap<(u64, String), u32> = BTreeMap::new();
    let (mut moves, mut seances) = (0, 0);
    for (_, visit, text) in feed {
        let wire = text.replace('\n', "\r");
        let event = AdtEvent::parse(&Message::parse(wire.as_bytes()).unwrap()).unwrap();
        let given = explainer.take(&event).unwrap();
        let class = event.stay.as_ref().and_then(|stay| stay.class);
        for notice in &given.notices {
            seances += u32::from(matches!(class, Some('R' | 'O')));
            moves += u32::from(event.trigger.as_str() == "A02");
            for recipient in &notice.recipients {
                *told.entry((visit, recipient.to.clone())).or_default() += 1;
            }
        }
    }
    let of_stays: Vec<u32> = told
        .iter()
        .filter(|((visit, _), _)| stays[usize::try_from(*visit).unwrap()].is_stay)
        .map(|(_, count)| *count)
        .collect();
    let mean = f64::from(of_stays.iter().sum::<u32>()) / of_stays.len() as f64;
    assert!(of_stays.len() > 500, "{}", of_stays.len());
    assert!(mean <= 2.5, "{mean:.2} notices a stay and recipient");
    assert!(mean > 1.0, "{mean:.2}: the feed says too little");
    assert_eq!((seances, moves), (0, 0));
    println!(
        "{mean:.2} notices a stay and recipient, {} pairs",
        of_stays.len()
    );
}

/// A message about patient `number`: names come from a pool of four, so that most have thousands
/// of namesakes born on the same day.
fn about(base: &AdtEvent, number: u64, movement: &str) -> AdtEvent {
    let mut event = base.clone();
    let names = ["ESSAI", "FICTIVE", "MODELE", "EXEMPLE"];
    event.patient.ipp = format!("P{number}");
    event.patient.name.birth_family = Some(names[usize::try_from(number % 4).unwrap()].to_owned());
    event.patient.ins = Some(Ins {
        value: format!("{number:013}"),
        kind: InsKind::TestNir,
    });
    event.visit = Some(format!("V{number}"));
    event.dossier = event.visit.clone();
    if let Some(place) = event.movement.as_mut().and_then(|m| m.ids.first_mut()) {
        place.id = movement.to_owned();
    }
    event
}

fn parsed(adt: &Adt) -> AdtEvent {
    let wire = adt.text().replace('\n', "\r");
    AdtEvent::parse(&Message::parse(wire.as_bytes()).unwrap()).unwrap()
}

/// Everybody's own nurse, known by the facility's number (even) or by the INS (odd).
fn own_nurse(circle: &mut CareCircle, number: u64) {
    let key = if number.is_multiple_of(2) {
        PatientKey::Local {
            facility: "CH-TEST".to_owned(),
            ipp: format!("P{number}"),
        }
    } else {
        PatientKey::Ins(format!("{number:013}"))
    };
    circle.insert(
        key,
        member(Role::HomeNurse, address(&format!("n{number}@soins.test"))),
    );
}

#[test]
fn nobody_is_told_of_anothers_stay_among_namesakes() {
    let long = std::env::var_os("LIAISON_LONG").is_some();
    let identities: u64 = if long { 1_000_000 } else { 20_000 };
    let mut dice = Dice(7);
    let rules = Rules::default();
    let (entry, exit) = (parsed(&Adt::new("A01", "M1")), parsed(&discharge_home()));
    let other = Adt {
        ipp: "X",
        merged: "Y",
        ..Adt::new("A40", "")
    };
    let merge = parsed(&other);
    let mut notices = 0_u64;
    // Patients in groups, so that a circle holds some thousand people and not a million.
    for group in 0..identities / 1_000 {
        let first_one = group * 1_000;
        let mut circle = CareCircle::default();
        (first_one..first_one + 1_000).for_each(|number| own_nurse(&mut circle, number));
        for number in first_one..first_one + 1_000 {
            let partner = first_one + dice.below(1_000);
            let partner = if partner == number {
                first_one + (number + 1) % 1_000
            } else {
                partner
            };
            let mut stay = Episode::begin(&about(&entry, number, "M1")).unwrap();
            let mut may = vec![number];
            let mut tell = |stay: &mut Episode, event: &AdtEvent, may: &[u64]| {
                let decision = take(stay, event, &circle, &rules);
                let planned: Vec<Planned> = match decision {
                    Decision::Notices(notices) | Decision::Correction { notices, .. } => notices,
                    Decision::Held { leaving, .. } => leaving,
                    Decision::NoNotice(_) => Vec::new(),
                };
                for (one, sequence) in planned.iter().zip(1..) {
                    let earlier = matches!(one.kind, Kind::Cancellation { .. });
                    for to in &one.recipients {
                        notices += 1;
                        let of = |number: &u64| address(&format!("n{number}@soins.test"));
                        let known = stay.issued.iter().any(|issued| issued.went_to(&to.target));
                        assert!(
                            may.iter().map(of).any(|own| own == to.target) || (earlier && known),
                            "patient {number}"
                        );
                    }
                    let fresh = NoticeNumber::new(date!(2026 - 11 - 21), sequence);
                    stay.record(one, fresh, Delivery::HandedOver);
                }
            };
            tell(&mut stay, &about(&entry, number, "M1"), &may);
            let mut current = number;
            match dice.below(10) {
                0 => {
                    let mut merged = about(&merge, partner, "");
                    merged.merge.as_mut().unwrap().ipp = Some(format!("P{number}"));
                    tell(&mut stay, &merged, &may);
                    may.push(partner);
                    current = partner;
                }
                1 => {
                    let mut moved = about(&merge, partner, "");
                    moved.trigger = liaison_hl7::adt::Trigger::A44;
                    moved.dossier = Some(format!("V{number}"));
                    let giving_way = moved.merge.as_mut().unwrap();
                    giving_way.ipp = Some(format!("P{number}"));
                    giving_way.dossier = None;
                    may = vec![partner];
                    tell(&mut stay, &moved, &may);
                    current = partner;
                }
                _ => {}
            }
            let mut last = about(&exit, current, "M4");
            last.visit = Some(format!("V{number}"));
            // An identity that lost its qualification finds nobody by its INS.
            last.patient.is_validated = !dice.percent(10);
            tell(&mut stay, &last, &may);
        }
    }
    assert!(notices > identities, "{notices}");
}
