//! The table of events, row by row: what each gives when it comes once, twice, late, after its
//! cancel, corrected, cancelled, and when the patient's numbers are merged in between.
//!
//! Each file of `rows/` holds the rows of one group. A row names its events and then, for every
//! case, exactly what leaves: `kind number version -> role urgency, …`. The test plays the events
//! and compares the whole file. « comes first » is the event before those that came before it: a
//! feed out of order. A family doctor whom only a late entry names is not told of the exit then.

use std::fmt::Write as _;

use super::*;

const GROUPS: [(&str, &str); 6] = [
    ("entries", include_str!("rows/entries.txt")),
    ("emergency", include_str!("rows/emergency.txt")),
    ("plans", include_str!("rows/plans.txt")),
    ("exits", include_str!("rows/exits.txt")),
    ("leaves", include_str!("rows/leaves.txt")),
    ("identities", include_str!("rows/identities.txt")),
];

/// A row as its file describes it.
#[derive(Default)]
struct Row {
    title: String,
    circle: Vec<&'static str>,
    before: Vec<Adt>,
    event: Option<Adt>,
    cancel: &'static str,
    correction: &'static str,
    then: Vec<Adt>,
}

#[test]
fn every_row_gives_exactly_its_notices() {
    let mut wrong = String::new();
    for (group, text) in GROUPS {
        let played = play(text);
        if played != text {
            let _ = writeln!(wrong, "### {group}\n{played}");
        }
    }
    assert!(wrong.is_empty(), "these rows give otherwise:\n{wrong}");
}

/// Which cells of row and case there are; printed, and every row has the first four.
#[test]
fn every_row_has_its_cells() {
    const CASES: [(&str, &str); 7] = [
        ("normal", "normal"),
        ("duplicate", "twice"),
        ("late", "typed in 5 h late"),
        ("days late", "typed in 3 days late"),
        ("merge", "merged"),
        ("cancel first", "cancel first"),
        ("correction", "corrected"),
    ];
    let mut rows = 0;
    for (group, text) in GROUPS {
        for row in text.split("\nrow: ").skip(1) {
            let title = row.lines().next().unwrap();
            let has = |case: &str| {
                row.lines().any(|line| {
                    line.trim_start().split(" :").next() == Some(case)
                        || line.trim_start().starts_with(&format!("{case:<20} :"))
                })
            };
            let cells: Vec<&str> = CASES
                .iter()
                .filter(|(_, case)| has(case))
                .map(|(name, _)| *name)
                .collect();
            println!("{group}: {title}: {}", cells.join(", "));
            assert!(cells.len() >= 5, "{title}: {cells:?}");
            // Without a cancel of its own (A31, A40, A44, A47 …) the standard has none.
            let takes_back = row.contains("\ncancel: ");
            assert_eq!(cells.contains(&"cancel first"), takes_back, "{title}");
            rows += 1;
        }
    }
    assert!(rows > 50, "{rows}");
}

/// The file again, with what its rows really give.
fn play(text: &'static str) -> String {
    let mut out = String::new();
    let mut row = Row::default();
    for line in text.lines() {
        // An outcome: it is made anew.
        if line.starts_with(' ') {
            continue;
        }
        let Some((key, value)) = line.split_once(": ").filter(|_| !line.starts_with('#')) else {
            if !row.title.is_empty() {
                outcomes(&mut out, &row);
                row = Row::default();
            }
            let _ = writeln!(out, "{line}");
            continue;
        };
        match key {
            "row" => row.title = value.to_owned(),
            "circle" => row.circle = value.split_whitespace().collect(),
            "before" => row.before.push(adt(value)),
            "event" => row.event = Some(adt(value)),
            "cancel" => row.cancel = value,
            "correction" => row.correction = value,
            "then" => row.then.push(adt(value)),
            other => panic!("a row has no {other}"),
        }
        let _ = writeln!(out, "{line}");
    }
    if !row.title.is_empty() {
        outcomes(&mut out, &row);
    }
    out
}

fn outcomes(out: &mut String, row: &Row) {
    let event = row.event.clone().unwrap();
    let mut case = |name: &str, events: &[Adt]| {
        let mut day = row.day();
        let mut shown = Vec::new();
        for event in events {
            shown = day.shown(event);
        }
        for (at, line) in shown.iter().enumerate() {
            let name = if at == 0 { name } else { "" };
            let _ = writeln!(out, "  {name:<20} : {line}");
        }
    };
    let delayed = |hours| Adt {
        recorded: later(event.effective, hours),
        ..event.clone()
    };
    case("normal", std::slice::from_ref(&event));
    case("twice", &[event.clone(), event.clone()]);
    case("typed in 5 h late", &[delayed(5)]);
    case("typed in 3 days late", &[delayed(72)]);
    if !row.cancel.is_empty() {
        let cancel = event.cancel(row.cancel);
        case("cancelled", &[event.clone(), cancel.clone()]);
        case("cancel first", &[cancel.clone(), event.clone()]);
        let merge = Adt {
            ipp: "900456",
            merged: "900123",
            recorded: later(event.recorded, 1),
            ..Adt::new("A40", "")
        };
        case("merged", &[event.clone(), merge.clone()]);
        let cancel = Adt {
            ipp: "900456",
            recorded: later(event.recorded, 2),
            ..cancel
        };
        case("merged, cancelled", &[event.clone(), merge, cancel]);
    }
    if row.cancel.is_empty() {
        let merge = Adt {
            ipp: "900456",
            merged: event.ipp,
            recorded: later(event.recorded, 1),
            ..Adt::new("A40", "")
        };
        case("merged", &[event.clone(), merge]);
    }
    if !row.correction.is_empty() {
        let correction = changed(event.update(), row.correction);
        case("corrected", &[event.clone(), correction.clone()]);
        case(
            "corrected twice",
            &[event.clone(), correction.clone(), correction],
        );
    }
    if !row.then.is_empty() {
        let mut events = vec![event.clone()];
        events.extend(row.then.iter().cloned());
        case("then", &events);
    }
    if !row.before.is_empty() {
        // What came before it arrives after it: a feed out of order.
        let mut day = Row {
            circle: row.circle.clone(),
            ..Row::default()
        }
        .day();
        let first = day.shown(&event).join("; ");
        let _ = writeln!(out, "  {:<20} : {first}", "comes first");
        for before in &row.before {
            let then = day.shown(before).join("; ");
            let _ = writeln!(out, "  {:<20} : {then}", "  then its before");
        }
    }
}

impl Row {
    fn day(&self) -> Day {
        let mut day = Day::new();
        if !self.circle.is_empty() {
            day.circle = CareCircle::default();
        }
        for member in &self.circle {
            let care_prescribed = member.ends_with('+');
            let (role, target) = match member.trim_end_matches('+') {
                "ehpad" => (Role::NursingHome, finess("009400777")),
                "idel" => (Role::HomeNurse, address("idel@cabinet.test")),
                "ssiad" => (Role::HomeCareService, address("ssiad@soins.test")),
                "had" => (Role::HomeHospitalisation, address("had@soins.test")),
                "pharmacy" => (Role::Pharmacy, address("officine@pharmacie.test")),
                "dac" => (Role::Coordination, address("dac@territoire.test")),
                "nobody" => continue,
                other => panic!("no member {other}"),
            };
            let member = CareMember {
                care_prescribed,
                ..member_of(role, target)
            };
            day.circle.insert(patient(), member);
        }
        // The patient whose dossier it was not.
        let other = PatientKey::Local {
            facility: "CH-TEST".to_owned(),
            ipp: "900777".to_owned(),
        };
        day.circle.insert(
            other,
            member_of(Role::HomeNurse, address("autre.idel@cabinet.test")),
        );
        for event in &self.before {
            day.receive(event);
        }
        day.sent.clear();
        day
    }
}

fn member_of(role: Role, target: Target) -> CareMember {
    member(role, target)
}

impl Day {
    /// What an event gives, a line a notice.
    fn shown(&mut self, event: &Adt) -> Vec<String> {
        let decision = self.receive(event);
        let mut lines = Vec::new();
        match &decision {
            Decision::NoNotice(silence) => lines.push(format!("nobody ({silence})")),
            Decision::Held {
                reason, notices, ..
            } => {
                let kinds: Vec<&str> = notices.iter().map(|planned| planned.kind.name()).collect();
                lines.push(format!("held, {}: {}", kinds.join(", "), reason));
            }
            _ => {}
        }
        let sent = std::mem::take(&mut self.sent);
        let mut at = 0;
        while let Some(one) = sent.get(at) {
            let same = |other: &&Notice| {
                (other.number, other.version, other.kind) == (one.number, one.version, one.kind)
            };
            let told: Vec<String> = sent[at..]
                .iter()
                .take_while(same)
                .map(|notice| {
                    let urgency = match notice.urgency {
                        Urgency::Info => "info",
                        Urgency::Normal => "normal",
                        Urgency::Urgent => "URGENT",
                    };
                    let other = match notice.target.clone() {
                        Target::Address(address) if address.local().starts_with("autre") => {
                            " (of the other)"
                        }
                        _ => "",
                    };
                    format!("{}{other} {urgency}", notice.role.label())
                })
                .collect();
            let what = match one.kind {
                Kind::Cancellation { of } => format!("cancellation of {}", of.sequence()),
                kind if one.version > 1 => format!("{}, replaces", kind.name()),
                kind => kind.name().to_owned(),
            };
            let task = decision
                .ward_task(one.kind)
                .map(|task| format!("; ward: {task}"));
            lines.push(format!(
                "{what} {} v{} -> {}{}",
                one.number.sequence(),
                one.version,
                told.join(", "),
                task.unwrap_or_default()
            ));
            at += told.len();
        }
        lines
    }
}

impl Decision {
    fn ward_task(&self, kind: Kind) -> Option<&'static str> {
        let notices = match self {
            Decision::Notices(notices)
            | Decision::Correction { notices, .. }
            | Decision::Held {
                leaving: notices, ..
            } => notices,
            Decision::NoNotice(_) => return None,
        };
        notices
            .iter()
            .find(|planned| planned.kind == kind)
            .and_then(|planned| planned.ward_task)
            .map(WardTask::name)
    }
}

/// `A03 M4 modes=|8||7 destination=009400777`.
fn adt(text: &'static str) -> Adt {
    let mut words = text.split_whitespace();
    let trigger = words.next().unwrap();
    let rest = text[trigger.len()..].trim_start();
    let (movement, rest) = match rest.split_once(' ') {
        Some((movement, rest)) if !movement.contains('=') => (movement, rest),
        None if !rest.contains('=') => (rest, ""),
        _ => ("", rest),
    };
    let movement = if movement == "-" { "" } else { movement };
    changed(Adt::new(trigger, movement), rest)
}

fn changed(mut adt: Adt, changes: &'static str) -> Adt {
    for change in changes.split_whitespace() {
        let (field, value) = change.split_once('=').unwrap_or((change, ""));
        let value = value.trim_matches('\'');
        match field {
            "action" => adt.action = value,
            "original" => adt.original = value,
            "effective" => adt.effective = value,
            "recorded" => adt.recorded = value,
            "planned" => adt.planned = value,
            "class" => adt.class = value,
            "circumstance" => adt.circumstance = value,
            "destination" => adt.destination = value,
            "expected" => adt.expected = value,
            "modes" => adt.modes = value,
            "ipp" => adt.ipp = value,
            "dead" => adt.dead = value,
            "status" => adt.status = value,
            "doctor" => adt.doctor = true,
            "site" => adt.site = value,
            "unit" => adt.unit = value,
            "until" => adt.until = value,
            "merged" => adt.merged = value,
            "historic" => adt.historic = "Y",
            other => panic!("no field {other}"),
        }
    }
    adt
}

/// So many hours later, as HL7 writes it.
fn later(stamp: &str, hours: i64) -> &'static str {
    let format = time::macros::format_description!("[year][month][day][hour][minute][second]");
    let at = time::PrimitiveDateTime::parse(stamp, format).unwrap() + time::Duration::hours(hours);
    Box::leak(at.format(format).unwrap().into_boxed_str())
}
