//! The connection between two relays is cut in every phase of the dialogue, from either side:
//! handshake, greeting, envelope, content, the final dot and its answer. Counted from both ends,
//! each letter arrives exactly once.

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use liaison_tests::Territory;
use liaison_tests::admin::steer;
use liaison_tests::cut::{Cut, Wire};
use liaison_tests::imap::Imap;
use liaison_tests::routine::letter;
use liaison_tests::territory::{EHPAD, WARD};

/// A session of one letter is shorter, either way.
const FORTH: usize = 20_000;
const BACK: usize = 6_000;

#[test]
fn a_connection_cut_at_any_octet_loses_and_doubles_nothing() {
    let territory = Territory::build();
    let listed = territory.member("ehpad").relay.unwrap();
    let real = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    change(
        &territory,
        "ehpad",
        &[(&format!("127.0.0.1:{listed}"), &format!("127.0.0.1:{real}"))],
    );
    let often = [
        ("first_retry = \"500ms\"", "first_retry = \"20ms\""),
        ("longest_retry = \"5s\"", "longest_retry = \"100ms\""),
    ];
    change(&territory, "hospital", &often);
    let _sites: Vec<_> = ["dac", "hospital", "ehpad"]
        .map(|member| territory.start_site(member))
        .into();
    let forth = (0..FORTH).step_by(800).map(Cut::Forth);
    let back = (0..BACK).step_by(240).map(Cut::Back);
    let wire = Wire::new(listed, real, forth.chain(back));

    let mut reader = territory.imap(EHPAD);
    let mut sent = BTreeSet::new();
    while wire.left() > 0 {
        let subject = format!("Lettre {}", sent.len() + 1);
        let text = letter(WARD, EHPAD, &subject, &"Bonjour.\r\n".repeat(300));
        let reply = territory.smtp(WARD).submit(WARD, &[EHPAD], &text);
        assert!(reply.starts_with("250"), "{reply}");
        sent.insert(subject);
        arrives(&mut reader, sent.len());
        assert!(sent.len() < 500, "{} cuts are never used", wire.left());
    }

    wait_until_empty(&territory, "hospital");
    wait_until_empty(&territory, "ehpad");
    let arrived = reader.subjects();
    assert_eq!(arrived.len(), sent.len(), "a letter twice: {arrived:?}");
    assert_eq!(arrived.into_iter().collect::<BTreeSet<_>>(), sent);
    let delivered = territory
        .track("hospital")
        .iter()
        .filter(|message| {
            let state = &message["recipients"][0]["state"];
            ["delivered", "opened"].iter().any(|good| state == good)
        })
        .count();
    assert_eq!(delivered, sent.len());
}

/// Waits until so many letters are there, asking again and again: on a busy machine a letter whose
/// connection is cut several times in a row takes longer than a client in IDLE is patient.
fn arrives(reader: &mut Imap, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(180);
    loop {
        let found = reader.ok("UID SEARCH ALL");
        let uids = found
            .lines
            .iter()
            .filter_map(|line| line.strip_prefix("* SEARCH"));
        if uids.flat_map(str::split_ascii_whitespace).count() >= count {
            return;
        }
        assert!(Instant::now() < deadline, "letter {count} does not arrive");
        std::thread::yield_now();
    }
}

/// Changes a member's settings before its site is started; each text must be there.
fn change(territory: &Territory, member: &str, changes: &[(&str, &str)]) {
    let path = territory.config(member);
    let mut text = fs::read_to_string(&path).unwrap();
    for (old, new) in changes {
        assert!(text.contains(old), "{old} is not in the settings");
        text = text.replacen(old, new, 1);
    }
    fs::write(path, text).unwrap();
}

/// Waits until a relay answers for nothing more.
fn wait_until_empty(territory: &Territory, member: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let depths = steer(territory, member, "GET /v1/queue/depths", "").json();
        if depths["depths"].as_array().unwrap().is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{member} still holds {depths}");
        std::thread::yield_now();
    }
}
