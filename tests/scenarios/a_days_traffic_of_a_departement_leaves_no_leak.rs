//! A Friday of a département, a million messages a year at its scale, replayed as fast as it goes:
//! admissions, discharges and letters of all sizes, most of them before the weekend. Whenever the
//! queues are empty, the memory and the open files of each process are read; once warm they stay
//! where they are. `LIAISON_LONG=1` only.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use liaison_tests::Territory;
use liaison_tests::admin::steer;
use liaison_tests::mllp::verdict;
use liaison_tests::programs::not_run;
use liaison_tests::routine::letter;
use liaison_tests::smtp::Smtp;
use liaison_tests::territory::{DAC, DOCTOR, EHPAD, NURSE, PHARMACY, Site, WARD};

use crate::nothing_acknowledged_is_lost_or_shown_twice_when_sites_are_killed::load::{
    admission, discharge, ipp,
};

const PEOPLE: [&str; 6] = [EHPAD, DOCTOR, NURSE, PHARMACY, WARD, DAC];
/// Messages of each hour of a Friday, midnight first: 2,740 in all, 1,000,000 in a year of such days.
const HOURS: [usize; 24] = [
    20, 15, 10, 10, 10, 20, 50, 90, 150, 180, 180, 160, 120, 130, 160, 200, 300, 350, 260, 140, 80,
    50, 35, 20,
];
/// From this hour on the processes are warm: all they do in a day they have done.
const WARM: usize = 10;
/// Growth after it that is no leak: of memory, in KiB, and of open files.
const MEMORY: u64 = 24 * 1024;
const FILES: usize = 24;

/// What one process holds.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    /// Resident memory, in KiB.
    memory: u64,
    files: usize,
}

#[test]
fn a_days_traffic_of_a_departement_leaves_no_leak() {
    if std::env::var("LIAISON_LONG").as_deref() != Ok("1") {
        return not_run("a day's traffic of a département (tests/run --long)");
    }
    assert_eq!(HOURS.iter().sum::<usize>(), 2740);
    let territory = Territory::build();
    let patients = HOURS.iter().sum::<usize>();
    write_circles(&territory, patients);
    let sites = territory.start_all();
    let began = Instant::now();
    let mut hours: Vec<BTreeMap<String, Held>> = Vec::new();
    let (mut sent, mut patient) = (0, 0);
    for count in HOURS {
        // A third of it is the hospital's feed; the rest is written by everybody at once.
        let events = count / 3;
        let each = (count - events).div_ceil(PEOPLE.len());
        thread::scope(|scope| {
            scope.spawn(|| push(&territory, patient..patient + events.div_ceil(2), events));
            for (place, from) in PEOPLE.into_iter().enumerate() {
                let territory = &territory;
                scope.spawn(move || write(territory, from, place, each));
            }
        });
        patient += events.div_ceil(2);
        sent += events + each * PEOPLE.len();
        for member in sites.keys() {
            wait_until_empty(&territory, member);
        }
        hours.push(
            sites
                .iter()
                .map(|(name, site)| (name.clone(), held(site)))
                .collect(),
        );
    }
    println!("{sent} messages in {:.0} s", began.elapsed().as_secs_f64());
    let mut leaks = Vec::new();
    for name in sites.keys() {
        let of = |hour: usize| hours[hour][name];
        let warm: Vec<Held> = (WARM..HOURS.len()).map(of).collect();
        let (early, late) = warm.split_at(warm.len() / 2);
        let memory = |some: &[Held]| some.iter().map(|held| held.memory).max().unwrap_or(0);
        let files = |some: &[Held]| some.iter().map(|held| held.files).max().unwrap_or(0);
        println!(
            "{name}: {} MiB and {} files at the start, at most {} MiB and {} files up to hour {}, \
             {} MiB and {} files after it",
            of(0).memory / 1024,
            of(0).files,
            memory(early) / 1024,
            files(early),
            WARM + early.len(),
            memory(late) / 1024,
            files(late),
        );
        if memory(late) > memory(early) + MEMORY || files(late) > files(early) + FILES {
            leaks.push(name);
        }
    }
    assert!(leaks.is_empty(), "{leaks:?} grow");
}

/// Everybody's care circle: the nursing home, the home nurse and the pharmacy.
fn write_circles(territory: &Territory, patients: usize) {
    let path = territory.site_folder("hospital").join("care-circles.toml");
    let mut circles = fs::read_to_string(&path).unwrap();
    for patient in 0..patients {
        circles.push_str(&format!(
            "\n[[patient]]\nfacility = \"CH-VALOMBRE\"\nipp = \"{}\"\n",
            ipp(patient)
        ));
        for (role, target) in [
            ("nursing_home", "finess = \"000000777\""),
            ("home_nurse", "rpps = \"00000000022\""),
            ("pharmacy", "finess = \"000000888\""),
        ] {
            circles.push_str(&format!(
                "[[patient.member]]\nrole = \"{role}\"\ntarget = {{ {target} }}\n"
            ));
        }
    }
    fs::write(path, circles).unwrap();
}

/// So many movements of these patients: each comes and goes.
fn push(territory: &Territory, patients: std::ops::Range<usize>, count: usize) {
    let mut feed = territory.mllp();
    let movements = patients.flat_map(|patient| [admission(patient), discharge(patient)]);
    for event in movements.take(count) {
        let answer = feed.push(&event.text).unwrap();
        assert_eq!(verdict(&answer).0, "CA", "{answer}");
    }
}

/// Somebody's letters of an hour, over one session: most are short, one in eight has an attachment's
/// size, one in forty is large.
fn write(territory: &Territory, from: &'static str, place: usize, count: usize) {
    let mut session: Smtp = territory.smtp(from);
    for number in 0..count {
        let to = PEOPLE[(place + 1 + number % (PEOPLE.len() - 1)) % PEOPLE.len()];
        let lines = match number % 40 {
            39 => 16_000,
            n if n % 8 == 7 => 700,
            n => 10 + n,
        };
        let text = "Une ligne de soixante-dix octets comme en ont les lettres des soignants.\r\n";
        let text = letter(from, to, "Lettre", &text.repeat(lines));
        let reply = session.submit(from, &[to], &text);
        assert!(reply.starts_with("250"), "{reply}");
    }
}

/// Waits until a relay answers for nothing more.
fn wait_until_empty(territory: &Territory, member: &str) {
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        let depths = steer(territory, member, "GET /v1/queue/depths", "").json();
        if depths["depths"].as_array().unwrap().is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{member} still holds {depths}");
        thread::yield_now();
    }
}

fn held(site: &Site) -> Held {
    let folder = format!("/proc/{}", site.id());
    let status = fs::read_to_string(format!("{folder}/status")).unwrap();
    let memory = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
    Held {
        memory: memory.expect("the system says how much is resident"),
        files: fs::read_dir(format!("{folder}/fd")).unwrap().count(),
    }
}
