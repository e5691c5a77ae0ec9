//! `kill -9` of either of two relays, at a random octet of what they say to each other or a moment
//! after it, again and again: what a sender was told is taken arrives exactly once, or has failed and
//! its sender has one notice of it. Counted from both ends.
//!
//! `LIAISON_SEED` repeats a run's choices (the processes' own timing stays theirs); `LIAISON_LONG=1`
//! kills a thousand times.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use liaison_tests::Territory;
use liaison_tests::admin::steer;
use liaison_tests::cut::{Cut, Tripwire};
use liaison_tests::routine::letter;
use liaison_tests::territory::{DOCTOR, NURSE, Site, WARD};
use toml::{Table, Value};

/// A letter's way over an open connection is shorter, either way; its handshake is too.
const FORTH: u64 = 16_000;
const BACK: u64 = 2_500;
/// The two relays; the wire is before the second.
const RELAYS: [&str; 2] = ["hospital", "practice"];

#[test]
fn relays_killed_at_any_octet_lose_and_double_nothing() {
    let seed = seed();
    let kills = match std::env::var("LIAISON_LONG").as_deref() {
        Ok("1") => 1000,
        _ => 40,
    };
    println!("LIAISON_SEED={seed}, {kills} kills");
    let mut dice = Dice(seed);
    let territory = Territory::build();
    let wire = prepare(&territory);
    let _directory = territory.start_site("dac");
    let mut sites: BTreeMap<&str, Site> =
        RELAYS.map(|name| (name, territory.start_site(name))).into();
    let (mut sent, mut back, mut lost_mailbox) = (BTreeSet::new(), BTreeSet::new(), 0);
    let (mut killed, mut by_side) = (0, [0; 2]);
    while killed < kills {
        wire.arm(match dice.below(2) {
            0 => Cut::Forth(dice.below(FORTH) as usize),
            _ => Cut::Back(dice.below(BACK) as usize),
        });
        let stopped = loop {
            let subject = format!("Lettre {}", sent.len() + 1);
            let both = dice.below(4) == 0;
            let to: &[&str] = if both { &[DOCTOR, NURSE] } else { &[DOCTOR] };
            lost_mailbox += usize::from(both);
            submit(&territory, WARD, to, &subject, dice.below(400));
            sent.insert(subject);
            if dice.below(3) == 0 {
                let subject = format!("Retour {}", back.len() + 1);
                submit(&territory, DOCTOR, &[WARD], &subject, 1);
                back.insert(subject);
            }
            if let Some(stopped) = wire.wait(Duration::from_millis(300)) {
                break stopped;
            }
            assert!(sent.len() < 40 * kills, "the wire does not stop");
        };
        let victim = dice.below(2) as usize;
        if dice.below(3) == 0 {
            // Not a wait for anything: it draws the moment after the octet.
            thread::sleep(Duration::from_micros(dice.below(20_000)));
        }
        let mut victims = vec![victim];
        if dice.below(6) == 0 {
            victims.push(1 - victim);
        }
        for victim in &victims {
            sites.remove(RELAYS[*victim]).unwrap().kill();
            killed += 1;
            by_side[*victim] += 1;
        }
        drop(stopped);
        for victim in victims {
            sites.insert(RELAYS[victim], territory.start_site(RELAYS[victim]));
        }
    }

    for relay in RELAYS {
        wait_until_empty(&territory, relay);
    }
    let mut doctor = territory.imap(DOCTOR);
    let arrived = doctor.subjects();
    assert_eq!(
        arrived.len(),
        sent.len(),
        "seed {seed}: one is there twice, or not at all"
    );
    assert_eq!(
        arrived.into_iter().collect::<BTreeSet<_>>(),
        sent,
        "seed {seed}"
    );
    let (notices, arrived): (Vec<_>, Vec<_>) = territory
        .imap(WARD)
        .subjects()
        .into_iter()
        .partition(|subject| !subject.starts_with("Retour"));
    assert_eq!(arrived.len(), back.len(), "seed {seed}: {arrived:?}");
    assert_eq!(
        arrived.into_iter().collect::<BTreeSet<_>>(),
        back,
        "seed {seed}"
    );
    assert_eq!(notices.len(), lost_mailbox, "seed {seed}: {notices:?}");
    let ledger = states(&territory, "hospital");
    assert_eq!(
        ledger.get("failed").copied().unwrap_or(0),
        lost_mailbox,
        "{ledger:?}"
    );
    let there: usize = ["delivered", "opened"]
        .iter()
        .filter_map(|state| ledger.get(*state))
        .sum();
    assert_eq!(there, sent.len(), "seed {seed}: {ledger:?}");
    println!(
        "{killed} kills ({} of the sender's relay, {} of the receiver's), {} letters there once, \
         {} the other way, {lost_mailbox} failed with a notice",
        by_side[0],
        by_side[1],
        sent.len(),
        back.len()
    );
}

/// Puts the wire before the practice's relay, takes the nurse's mailbox away though the directory
/// still lists it, and makes the hospital's relay try again at once.
fn prepare(territory: &Territory) -> Tripwire {
    let listed = territory.member("practice").relay.unwrap();
    let real = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let real = real.local_addr().unwrap().port();
    change(territory, "practice", |settings| {
        let listen = format!("127.0.0.1:{real}");
        settings["relay"]["listen"] = Value::String(listen);
        for list in ["identity", "account"] {
            let all = settings["gateway"][list].as_array_mut().unwrap();
            all.retain(|one| one["address"].as_str() != Some(NURSE));
        }
    });
    for relay in RELAYS {
        change(territory, relay, |settings| {
            let schedule = settings["relay"]["schedule"].as_table_mut().unwrap();
            schedule.insert("first_retry".to_owned(), "20ms".into());
            schedule.insert("longest_retry".to_owned(), "200ms".into());
        });
    }
    Tripwire::new(listed, real)
}

fn change(territory: &Territory, member: &str, change: impl FnOnce(&mut Table)) {
    let path = territory.config(member);
    let mut settings: Table = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut settings);
    fs::write(path, toml::to_string(&settings).unwrap()).unwrap();
}

fn submit(territory: &Territory, from: &str, to: &[&str], subject: &str, lines: u64) {
    let text = "Bonjour.\r\n".repeat(lines as usize + 1);
    let text = letter(from, &to.join(", "), subject, &text);
    let reply = territory.smtp(from).submit(from, to, &text);
    assert!(reply.starts_with("250"), "{reply}");
}

/// Waits until a relay answers for nothing more.
fn wait_until_empty(territory: &Territory, member: &str) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let depths = steer(territory, member, "GET /v1/queue/depths", "").json();
        if depths["depths"].as_array().unwrap().is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{member} still holds {depths}");
        thread::yield_now();
    }
}

/// How many recipients stand where in a site's ledger.
fn states(territory: &Territory, member: &str) -> BTreeMap<String, usize> {
    let mut states = BTreeMap::new();
    for message in territory.track(member) {
        for recipient in message["recipients"].as_array().unwrap() {
            let state = recipient["state"].as_str().unwrap().to_owned();
            *states.entry(state).or_default() += 1;
        }
    }
    states
}

/// Draws numbers from a seed: the same ones each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

fn seed() -> u64 {
    std::env::var("LIAISON_SEED").map_or_else(
        |_| {
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            now.unwrap().as_micros() as u64
        },
        |seed| seed.parse().expect("LIAISON_SEED is a number"),
    )
}
