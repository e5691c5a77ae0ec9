//! The network between two sites breaks, in a network namespace that the test makes: everything gets
//! lost and nobody is told. Before a letter, while its answer is on the way, both ways and one way.
//! Once it is mended every letter is there, once; counted from both ends.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::admin::steer;
use liaison_tests::network::{Forwarding, Network, Way};
use liaison_tests::programs::not_run;
use liaison_tests::routine::letter;
use liaison_tests::territory::{EHPAD, Site, WARD};
use toml::{Table, Value};

use crate::shared_site::until;

/// The nursing home behind the wire, and what leads to it.
struct Away {
    network: Network,
    _ways: [Forwarding; 2],
    _home: Site,
}

#[test]
fn a_partition_between_sites_loses_and_doubles_nothing() {
    let network = match Network::new() {
        Ok(network) => network,
        Err(cause) => return not_run(&format!("a partition between sites ({cause})")),
    };
    let territory = Territory::build();
    prepare(&territory, &network);
    let _directory = territory.start_site("dac");
    let mut hospital = Some(territory.start_site("hospital"));
    let away = begin(&territory, network);
    let mut reader = territory.imap(EHPAD);
    let mut sent = BTreeSet::new();
    let mut send = || {
        let subject = format!("Lettre {}", sent.len() + 1);
        let text = letter(WARD, EHPAD, &subject, "Bonjour.");
        let reply = territory.smtp(WARD).submit(WARD, &[EHPAD], &text);
        assert!(reply.starts_with("250"), "{reply}");
        sent.insert(subject);
        sent.len()
    };
    reader.wait_for(send());

    // The answer is on its way, and never comes: the home has the letter, the hospital does not know.
    for restart in [false, true] {
        reader.wait_for(send());
        away.network.cut(Way::Out);
        reader.wait_for(send());
        assert_ne!(waiting(&territory, "hospital"), 0, "the answer has come");
        if restart {
            // It forgets the connection on which the answer would still come.
            away.network.cut(Way::Both);
            hospital.take().unwrap().kill();
            hospital = Some(territory.start_site("hospital"));
        }
        away.network.heal();
        until("the hospital hears of it", || {
            waiting(&territory, "hospital") == 0
        });
    }

    // Nothing comes through when the letter is written.
    for way in [Way::In, Way::Both] {
        hospital.take().unwrap().stop();
        hospital = Some(territory.start_site("hospital"));
        away.network.cut(way);
        let before = reader.messages().len();
        let unreached_before = unreached(&territory);
        let now = send();
        until("the hospital finds nobody", || {
            unreached(&territory) > unreached_before
        });
        assert_eq!(reader.messages().len(), before);
        away.network.heal();
        reader.wait_for(now);
        until("the hospital hears of it", || {
            waiting(&territory, "hospital") == 0
        });
    }

    until("the home owes nothing", || {
        waiting(&territory, "ehpad") == 0
    });
    let arrived = reader.subjects();
    assert_eq!(arrived.len(), sent.len(), "one is there twice: {arrived:?}");
    assert_eq!(arrived.into_iter().collect::<BTreeSet<_>>(), sent);
    until("the ledger says of each that it has arrived", || {
        let track = territory.track("hospital");
        let there = track.iter().filter(|message| {
            let state = &message["recipients"][0]["state"];
            ["delivered", "opened"].iter().any(|good| state == good)
        });
        there.count() == sent.len()
    });
}

/// The relays listen on the wire, and the directory says so.
fn prepare(territory: &Territory, network: &Network) {
    let path = territory.site_folder("dac").join("entries.json");
    let mut entries = fs::read_to_string(&path).unwrap();
    for (member, address) in [("hospital", network.here()), ("ehpad", network.there())] {
        let port = territory.member(member).relay.unwrap();
        let lines: Vec<String> = entries.lines().map(str::to_owned).collect();
        let at = lines
            .iter()
            .position(|line| line.contains("\"port\"") && line.contains(&port.to_string()))
            .expect("the directory lists the relay's port");
        // The host stands in the same entry.
        let host = (0..lines.len())
            .filter(|line| line.abs_diff(at) < 5 && lines[*line].contains("\"host\""))
            .min_by_key(|line| line.abs_diff(at))
            .expect("and its host");
        let mut lines = lines;
        lines[host] = lines[host].replace("127.0.0.1", &address);
        entries = lines.join("\n");
        let path = territory.config(member);
        let mut settings: Table = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let relay = settings["relay"].as_table_mut().unwrap();
        relay.insert(
            "listen".to_owned(),
            Value::String(format!("{address}:{port}")),
        );
        let schedule = relay["schedule"].as_table_mut().unwrap();
        schedule.insert("first_retry".to_owned(), "100ms".into());
        schedule.insert("longest_retry".to_owned(), "500ms".into());
        let limits = relay["limits"].as_table_mut().unwrap();
        limits.insert("connect".to_owned(), "1s".into());
        limits.insert("reply".to_owned(), "3s".into());
        fs::write(path, toml::to_string(&settings).unwrap()).unwrap();
    }
    fs::write(path, entries).unwrap();
}

/// Starts the home in its network, with a way to the directory over the wire, and one for the test
/// beside it.
fn begin(territory: &Territory, network: Network) -> Away {
    let directory = territory.member("dac").https.unwrap();
    let home = territory.member("ehpad");
    let beside = |port: u16| territory.folder().join(format!("{port}.socket"));
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for port in [home.imaps.unwrap(), home.admin.unwrap()] {
        let socket = beside(port).display().to_string();
        inside.push((socket.clone(), format!("127.0.0.1:{port}")));
        outside.push((format!("127.0.0.1:{port}"), socket));
    }
    let at_the_wire = format!("{}:{directory}", network.here());
    inside.push((format!("127.0.0.1:{directory}"), at_the_wire.clone()));
    outside.push((at_the_wire, format!("127.0.0.1:{directory}")));
    let ways = [
        Forwarding::start(None, &outside),
        Forwarding::start(Some(&network), &inside),
    ];
    let started = |command: &Command| network.command(command);
    let home = territory.start_process_by(&territory.config("ehpad"), started);
    Away {
        network,
        _ways: ways,
        _home: home,
    }
}

/// For how many destinations a relay still answers.
fn waiting(territory: &Territory, member: &str) -> usize {
    let depths = steer(territory, member, "GET /v1/queue/depths", "").json();
    depths["depths"].as_array().unwrap().len()
}

/// How often the hospital's relay could not reach the home's.
fn unreached(territory: &Territory) -> usize {
    territory
        .log("hospital")
        .matches("no session with the peer")
        .count()
}
