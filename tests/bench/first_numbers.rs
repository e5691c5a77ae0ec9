//! The first numbers of the house, on this machine:
//! `cargo bench -p liaison-tests --bench first_numbers` (after `cargo build --release -p liaison`).
//!
//! - resident memory of each site, idle;
//! - from an MLLP frame to the notice in IDLE at another site;
//! - from the 250 of a submission to IDLE in a mailbox of the same site: the whole way of sealing,
//!   queueing, opening and filing, and the notification.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark speaks to its user and measures real time"
)]

use std::fs;
use std::time::{Duration, Instant};

use liaison_tests::Territory;
use liaison_tests::territory::{DOCTOR, EHPAD, NURSE, Site};

const ROUNDS: usize = 50;

fn main() {
    let (territory, sites) = Territory::start();
    for (name, site) in &sites {
        println!("{name:<9} idle, resident {:>6} KiB", resident(site));
    }
    show("MLLP frame to IDLE at the EHPAD", frame_to_idle(&territory));
    show(
        "submission's 250 to IDLE, same site",
        submission_to_idle(&territory),
    );
    for (name, site) in &sites {
        println!(
            "{name:<9} after the load, resident {:>6} KiB",
            resident(site)
        );
    }
}

fn frame_to_idle(territory: &Territory) -> Vec<Duration> {
    let template = territory.hl7("a01-admission");
    let mut feed = territory.mllp();
    let mut reader = territory.imap(EHPAD);
    (0..ROUNDS)
        .map(|round| {
            // Another stay and another movement each time.
            let message = template
                .replace("26004711-1", &format!("2600{round:04}-1"))
                .replace("|M1^", &format!("|M{}^", 5000 + round))
                .replace("700001", &format!("{}", 800_000 + round));
            let tag = reader.idle_begin();
            let began = Instant::now();
            feed.push(&message).unwrap();
            until_exists(&mut reader);
            let taken = began.elapsed();
            reader.idle_end(&tag);
            taken
        })
        .collect()
}

fn submission_to_idle(territory: &Territory) -> Vec<Duration> {
    let mut reader = territory.imap(DOCTOR);
    let mut writer = territory.smtp(NURSE);
    (0..ROUNDS)
        .map(|round| {
            let message = format!(
                "From: {NURSE}\r\nTo: {DOCTOR}\r\nSubject: n{round}\r\nMessage-ID: <bench-{round}@cabinet-riviere.test>\r\n\r\nBonjour.\r\n"
            );
            let tag = reader.idle_begin();
            let reply = writer.submit(NURSE, &[DOCTOR], &message);
            let began = Instant::now();
            assert!(reply.starts_with("250"), "{reply}");
            until_exists(&mut reader);
            let taken = began.elapsed();
            reader.idle_end(&tag);
            taken
        })
        .collect()
}

fn until_exists(reader: &mut liaison_tests::imap::Imap) {
    while !reader.pushed().ends_with(" EXISTS") {}
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    println!(
        "{what:<38} median {:>7.1} ms   95 % {:>7.1} ms   ({} rounds)",
        times[times.len() / 2].as_secs_f64() * 1e3,
        times[times.len() * 95 / 100].as_secs_f64() * 1e3,
        times.len()
    );
}

/// Resident memory in KiB, as the kernel counts it.
fn resident(site: &Site) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", site.id())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_ascii_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}
