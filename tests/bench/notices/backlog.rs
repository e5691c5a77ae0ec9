//! A hospital's system comes back after a day and pushes what it has kept, at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use liaison_tests::territory::{DOCTOR, EHPAD};

use crate::{AT_ONCE, feed, push_stays, quantiles, show, territory, urgent_once};

/// Messages, unless `LIAISON_BENCH_BACKLOG` says otherwise.
const MESSAGES: usize = 100_000;
/// Between two urgent discharges.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) fn run() {
    let messages = std::env::var("LIAISON_BENCH_BACKLOG")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(MESSAGES);
    let stays = messages / feed::PER_STAY;
    let told = stays.div_ceil(10);
    let (territory, _sites) = territory(AT_ONCE, true);
    let port = territory.member("hospital").mllp.unwrap();
    let over = AtomicBool::new(false);
    let began = Instant::now();
    let mut urgent = thread::scope(|scope| {
        let overtaking = scope.spawn(|| {
            let mut wire = territory.mllp();
            let mut reader = territory.imap(EHPAD);
            let mut times = Vec::new();
            while !over.load(Ordering::Relaxed) {
                times.push(urgent_once(&mut wire, &mut reader, times.len()));
                thread::sleep(PAUSE);
            }
            times
        });
        push_stays(port, 0..stays);
        let taken = began.elapsed();
        println!(
            "backlog of {messages}: taken in {:.1} s, {:.0} messages/s",
            taken.as_secs_f64(),
            messages as f64 / taken.as_secs_f64()
        );
        let mut doctor = territory.imap(DOCTOR);
        let expected = told * 3;
        let mut count = 0;
        let patience = Instant::now() + Duration::from_secs(1800);
        while count < expected {
            assert!(Instant::now() < patience, "{count} of {expected} notices");
            thread::sleep(PAUSE);
            let found = doctor.ok("STATUS INBOX (MESSAGES)");
            count = found
                .lines
                .iter()
                .find_map(|line| messages_of(line))
                .unwrap_or(0);
        }
        over.store(true, Ordering::Relaxed);
        overtaking.join().unwrap()
    });
    println!(
        "{:<44} {:>10.1} s until the last of {} notices was in its mailbox",
        "",
        began.elapsed().as_secs_f64(),
        told * 3
    );
    let rounds = urgent.len();
    let [median, most] = quantiles(&mut urgent, [50, 95]);
    show(
        &format!("urgent during the backlog, median of {rounds}"),
        median,
        "ms",
        ("≤", 10_000.0),
    );
    show(
        "urgent during the backlog, 95 %",
        most,
        "ms",
        ("≤", 10_000.0),
    );
    let subjects = territory.imap(DOCTOR).subjects();
    let wrong = out_of_order(&subjects, told);
    show(
        "stays whose notices arrived out of order",
        wrong as f64,
        "stays",
        ("≤", 0.0),
    );
}

/// `* STATUS INBOX (MESSAGES 12)`.
fn messages_of(line: &str) -> Option<usize> {
    let (_, rest) = line.split_once("MESSAGES ")?;
    rest.trim_end_matches(')').trim().parse().ok()
}

/// Stays whose entry, planned discharge and discharge are not there once each, in this order.
fn out_of_order(subjects: &[String], stays: usize) -> usize {
    let mut by_stay: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for subject in subjects {
        let kind = ["Entrée", "Sortie prévue", "Sortie à domicile"]
            .into_iter()
            .find(|kind| subject.contains(kind));
        let name = subject
            .split(|c: char| !c.is_ascii_uppercase())
            .find(|word| word.starts_with("ESSAI"));
        if let (Some(kind), Some(name)) = (kind, name) {
            by_stay.entry(name).or_default().push(kind);
        }
    }
    let right = by_stay
        .values()
        .filter(|kinds| **kinds == ["Entrée", "Sortie prévue", "Sortie à domicile"])
        .count();
    stays.saturating_sub(right)
}
