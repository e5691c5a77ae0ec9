//! The feed of a hospital at its limits, against the real process on this machine:
//! `cargo bench -p liaison-tests --bench notices` (after `cargo build --release -p liaison`).
//!
//! - *parsing*: ADT messages for each processor second of one thread;
//! - *ingest*: messages a second on 16 MLLP connections, each waiting for its acknowledgement,
//!   which comes after the durable commit;
//! - *acknowledgement*: the wait for it at 50 messages a second on 4 connections;
//! - *urgent*: from the frame of an urgent discharge to the nursing home's mailbox;
//! - *backlog*: 100,000 messages pushed at once: the notices of each stay arrive in order, and
//!   urgent discharges overtake.
//!
//! Every figure stands beside its target. `LIAISON_BENCH=parsing`, `ingest`, `acknowledgement`,
//! `urgent` or `backlog` (or several, with commas) is a part of the whole;
//! `LIAISON_BENCH_BACKLOG=10000` a shorter backlog.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark speaks to its user, measures real time, and ends when it cannot go on"
)]

mod backlog;
mod feed;

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use liaison_hl7::adt::AdtEvent;
use liaison_hl7::er7::Message;
use liaison_tests::Territory;
use liaison_tests::imap::Imap;
use liaison_tests::mllp::{Mllp, verdict};
use liaison_tests::territory::{EHPAD, Site};

/// Messages of the ingest's measured part.
const INGEST: usize = 20_000;
const CONNECTIONS: usize = 16;

fn main() {
    let wanted = std::env::var("LIAISON_BENCH").unwrap_or_default();
    let wants = |part: &str| wanted.is_empty() || wanted.split(',').any(|one| one == part);
    if wants("parsing") {
        parsing();
    }
    if wants("ingest") {
        ingest();
    }
    if wants("acknowledgement") {
        acknowledgement();
    }
    if wants("urgent") {
        urgent();
    }
    if wants("backlog") {
        backlog::run();
    }
}

/// One line of the result.
fn show(what: &str, figure: f64, unit: &str, target: (&str, f64)) {
    let (sign, aim) = target;
    let met = match sign {
        "≥" => figure >= aim,
        _ => figure <= aim,
    };
    let verdict = if met { "met" } else { "MISSED" };
    println!("{what:<44} {figure:>10.1} {unit:<12} target {sign} {aim} {verdict}");
}

fn parsing() {
    let messages: Vec<String> = (0..100).flat_map(feed::stay).collect();
    let octets: usize = messages.iter().map(String::len).sum();
    let rounds = 200;
    let began = processor_time();
    for _ in 0..rounds {
        for message in &messages {
            let parsed = Message::parse(message.as_bytes()).unwrap();
            let event = AdtEvent::parse(&parsed).unwrap();
            assert!(!std::hint::black_box(event).control_id.is_empty());
        }
    }
    let taken = processor_time() - began;
    let rate = (rounds * messages.len()) as f64 / taken.as_secs_f64();
    let what = format!("parsing, {} octets a message", octets / messages.len());
    show(&what, rate, "ADT/CPU-s", ("≥", 50_000.0));
}

/// Processor time of this thread, as the kernel counts it (nanoseconds in schedstat).
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let spent = text.split_ascii_whitespace().next().unwrap();
    Duration::from_nanos(spent.parse().unwrap())
}

/// A territory whose hospital has these rules, its directory and hospital running; `all` starts
/// every site.
fn territory(rules: &str, all: bool) -> (Territory, BTreeMap<String, Site>) {
    let territory = Territory::build();
    fs::write(territory.site_folder("hospital").join("rules.toml"), rules).unwrap();
    let sites = if all {
        territory.start_all()
    } else {
        ["dac", "hospital"]
            .map(|name| (name.to_owned(), territory.start_site(name)))
            .into()
    };
    (territory, sites)
}

/// Nothing leaves while it is measured: what is measured is the taking in.
const WAITING: &str = "storm = 0\n[wait]\nentry = 86400\nexit = 86400\nexit_after_hours = 86400\n";
/// Nothing waits.
const AT_ONCE: &str = "storm = 0\n[wait]\nentry = 0\nexit = 0\nexit_after_hours = 0\n";

fn ingest() {
    let (territory, sites) = territory(WAITING, false);
    let port = territory.member("hospital").mllp.unwrap();
    push_stays(port, 0..CONNECTIONS * 10);
    let first = 10_000;
    let stays = INGEST / feed::PER_STAY;
    let before = process_time(&sites["hospital"]);
    let began = Instant::now();
    push_stays(port, first..first + stays);
    let taken = began.elapsed();
    let spent = process_time(&sites["hospital"]) - before;
    let rate = INGEST as f64 / taken.as_secs_f64();
    let what = format!("durable ingest, {CONNECTIONS} connections");
    show(&what, rate, "messages/s", ("≥", 2_000.0));
    println!(
        "{:<44} {:>10.3} ms of processor a message",
        "",
        spent.as_secs_f64() * 1e3 / INGEST as f64
    );
}

/// Processor time, user and system, that a site has used: fields 14 and 15 of proc(5), in ticks
/// of 10 ms.
fn process_time(site: &Site) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", site.id())).unwrap();
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = rest
        .split_ascii_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().unwrap())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Pushes stays on all connections, a stay's messages in order on one of them.
fn push_stays(port: u16, stays: std::ops::Range<usize>) {
    thread::scope(|scope| {
        for lane in 0..CONNECTIONS {
            let mine = stays.clone().skip(lane).step_by(CONNECTIONS);
            scope.spawn(move || {
                let mut wire = Mllp::connect(port).unwrap();
                for message in mine.flat_map(feed::stay) {
                    let answer = wire.push(&message).unwrap();
                    assert_eq!(verdict(&answer).0, "CA", "{answer}");
                }
            });
        }
    });
}

fn acknowledgement() {
    let (territory, _sites) = territory(WAITING, false);
    let port = territory.member("hospital").mllp.unwrap();
    let lanes = 4;
    // 50 a second on 4 connections: each sends one every 80 ms, whenever the last was answered.
    let pace = Duration::from_millis(80);
    let mut waits: Vec<Duration> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes)
            .map(|lane| {
                scope.spawn(move || {
                    let mut wire = Mllp::connect(port).unwrap();
                    let began = Instant::now() + pace / 4 * lane;
                    let messages = (0..25).flat_map(|round| {
                        feed::stay(50_000 + usize::try_from(lane).unwrap() * 1000 + round)
                    });
                    (0..)
                        .zip(messages)
                        .map(|(count, message)| {
                            let due = began + pace * count;
                            thread::sleep(due.saturating_duration_since(Instant::now()));
                            // From when it was due: a late answer makes the next ones late too.
                            let answer = wire.push(&message).unwrap();
                            assert_eq!(verdict(&answer).0, "CA", "{answer}");
                            due.elapsed()
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        lanes
            .into_iter()
            .flat_map(|lane| lane.join().unwrap())
            .collect()
    });
    let [median, most] = quantiles(&mut waits, [50, 99]);
    show("acknowledgement at 50/s, median", median, "ms", ("≤", 8.0));
    show("acknowledgement at 50/s, 99 %", most, "ms", ("≤", 25.0));
}

/// Those percentiles, in milliseconds.
fn quantiles<const N: usize>(times: &mut [Duration], wanted: [usize; N]) -> [f64; N] {
    times.sort_unstable();
    wanted.map(|percent| {
        let at = (times.len() * percent / 100).min(times.len() - 1);
        times[at].as_secs_f64() * 1e3
    })
}

fn urgent() {
    let (territory, _sites) = territory(AT_ONCE, true);
    let mut wire = territory.mllp();
    let mut reader = territory.imap(EHPAD);
    let mut times: Vec<Duration> = (0..60)
        .map(|round| urgent_once(&mut wire, &mut reader, round))
        .collect();
    let [median, most] = quantiles(&mut times, [50, 95]);
    show(
        "urgent event to the peer's mailbox, median",
        median,
        "ms",
        ("≤", 1000.0),
    );
    show(
        "urgent event to the peer's mailbox, 95 %",
        most,
        "ms",
        ("≤", 1000.0),
    );
}

/// From the frame of an urgent discharge to the news of it in an IDLE of the nursing home.
fn urgent_once(wire: &mut Mllp, reader: &mut Imap, number: usize) -> Duration {
    let tag = reader.idle_begin();
    let began = Instant::now();
    let answer = wire.push(&feed::urgent_return(number)).unwrap();
    assert_eq!(verdict(&answer).0, "CA", "{answer}");
    while !reader.pushed().ends_with(" EXISTS") {}
    let taken = began.elapsed();
    reader.idle_end(&tag);
    taken
}
