//! Peers that hang, refuse, leave, half close, talk too much, too little or without being asked, at
//! every step of the dialogue and in both manners of it, and peers that are not who they say. Counted
//! from both ends, each recipient is delivered once, or has failed and its sender has one notice.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::territory;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use liaison_directory_client::{Host, RelayEndpoint};
use liaison_mail::ReversePath;
use liaison_mail::dsn::{Action, DeliveryReport};
use liaison_mail::port::Carriage;
use liaison_relay::Relay;
use rustls::ServerConfig;
use territory::trickster::{Act, Manner, Stage, Trick, play};
use territory::{Site, Territory, envelope, hand_over, parse, sealed};

/// One letter beside its row, and one in pieces.
const SMALL: usize = 900;
const LARGE: usize = 200 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Delivered,
    Failed,
}

/// A trick, the certificate that it is played with, and what comes of it.
struct Play {
    trick: Trick,
    tls: Arc<ServerConfig>,
    size: usize,
    end: End,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_misbehaving_peer_loses_and_doubles_nothing() {
    let territory = Territory::new();
    let mut home = territory.site("ehpad.test");
    let plays = plays(&territory);
    home.settings.domains = (0..plays.len())
        .map(|number| parse(&format!("e{number}.test")))
        .collect();
    home.settings.domains.insert(0, parse("ehpad.test"));
    // All of them come again at once.
    home.settings.rates.connections = 0;
    home.settings.limits.connections = 2000;
    home.settings.limits.connections_per_peer = 2000;
    let receiver = home.start().await;
    list(&territory, &home, "ehpad.test", home.settings.listen);
    let mut hospital = impatient(&territory);
    let sender = hospital.start().await;

    for (number, play) in plays.iter().enumerate() {
        let way =
            territory::trickster::play(play.trick, Arc::clone(&play.tls), home.settings.listen)
                .await;
        list(&territory, &home, &format!("e{number}.test"), way);
        let to = format!("soins@e{number}.test");
        let sent = envelope(&format!("n{number}"), "avis@ch.test", &[&to]);
        hand_over(&sender, sent, sealed(&format!("n{number}"), play.size)).await;
    }

    let told = ends(&hospital, &plays).await;
    let reports = reports(&hospital, plays.len()).await;
    let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
    for _ in plays.iter().filter(|play| play.end == End::Delivered) {
        let arrival = home.gateway.arrival().await;
        let id = arrival.envelope.id.to_string();
        *arrived.entry(id).or_default() += 1;
    }
    stop(hospital, sender).await;
    stop(home, receiver).await;
    for (number, play) in plays.iter().enumerate() {
        let id = format!("n{number}");
        let what = format!("{:?}, {} octets", play.trick, play.size);
        let (delivered, action) = match play.end {
            End::Delivered => (1, Action::Delivered),
            End::Failed => (0, Action::Failed),
        };
        assert_eq!(arrived.get(&id).copied().unwrap_or(0), delivered, "{what}");
        assert_eq!(told[&id], [play.end], "{what}");
        assert_eq!(reports[&id], [action], "{what}");
    }
}

/// The peer says twice that it takes the first message: which of its replies would be the answer to
/// what comes next is anybody's guess. The message goes again, to where it is known if it was taken.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_to_no_command_is_taken_for_no_answer() {
    for manner in [Manner::Old, Manner::Modern] {
        let territory = Territory::new();
        let mut home = territory.site("ehpad.test");
        let receiver = home.start().await;
        let mut hospital = impatient(&territory);
        let sender = hospital.start().await;
        let trick = Trick {
            manner,
            stage: Stage::Acceptance,
            act: Act::Repeat,
        };
        let tls = territory.server("ehpad.test");
        home.settings.listen = play(trick, tls, home.settings.listen).await;
        home.list();
        for id in ["n1", "n2", "n3"] {
            let sent = envelope(id, "avis@ch.test", &["soins@ehpad.test"]);
            hand_over(&sender, sent, sealed(id, SMALL)).await;
            let arrival = home.gateway.arrival().await;
            assert_eq!(arrival.envelope.id.as_str(), id, "{manner:?}");
        }
        stop(hospital, sender).await;
        assert!(home.gateway.is_quiet().await, "{manner:?}: twice");
        stop(home, receiver).await;
    }
}

fn plays(territory: &Territory) -> Vec<Play> {
    let own = territory.server("ehpad.test");
    let mut plays = Vec::new();
    for manner in [Manner::Old, Manner::Modern] {
        for size in [SMALL, LARGE] {
            let tricks = tricks(manner).into_iter();
            let worth_it = |stage: Stage| size == SMALL || stage > Stage::Mail;
            plays.extend(
                tricks
                    .filter(|one| worth_it(one.0))
                    .map(|(stage, act, end)| Play {
                        trick: Trick { manner, stage, act },
                        tls: Arc::clone(&own),
                        size,
                        end,
                    }),
            );
        }
    }
    // Somebody else, whom the same anchors vouch for; and somebody whom they do not.
    let stranger = Territory::new();
    let liars = [
        territory.server("ch.test"),
        territory.server("autre.test"),
        stranger.server("ehpad.test"),
    ];
    plays.extend(liars.into_iter().map(|tls| Play {
        trick: Trick {
            manner: Manner::Modern,
            stage: Stage::Identity,
            act: Act::Close,
        },
        tls,
        size: SMALL,
        end: End::Delivered,
    }));
    plays
}

/// What is tried at each step. A 5xx to one's mail is an answer for ever; a 5xx to a session is not.
fn tricks(manner: Manner) -> Vec<(Stage, Act, End)> {
    let mut tricks = vec![
        (Stage::Accept, Act::Hang, End::Delivered),
        (Stage::Accept, Act::Close, End::Delivered),
        (Stage::Accept, Act::Leave("220 x ESMTP\r\n"), End::Delivered),
        (Stage::Handshake, Act::Hang, End::Delivered),
        (Stage::Handshake, Act::Close, End::Delivered),
        (Stage::Handshake, Act::Flood("220 x\r\n"), End::Delivered),
        (Stage::Content, Act::Hang, End::Delivered),
        (Stage::Content, Act::Close, End::Delivered),
        (Stage::Content, Act::HalfClose, End::Delivered),
        (
            Stage::Content,
            Act::Leave("421 4.3.2 later\r\n"),
            End::Delivered,
        ),
        (
            Stage::Content,
            Act::Leave("451 4.3.0 later\r\n"),
            End::Delivered,
        ),
        (Stage::Content, Act::Flood("250 yes\r\n"), End::Delivered),
    ];
    let mail = [
        Stage::Mail,
        Stage::Recipient,
        Stage::GoAhead,
        Stage::Acceptance,
    ];
    for stage in Stage::ANSWERS {
        if (manner, stage) == (Manner::Modern, Stage::GoAhead) {
            continue;
        }
        for act in [
            Act::Hang,
            Act::Close,
            Act::HalfClose,
            Act::Say("421 4.3.2 later\r\n"),
            Act::Leave("421 4.3.2 later\r\n"),
            Act::Say("451 4.3.0 later\r\n"),
            Act::Leave("451 4.3.0 later\r\n"),
            Act::Leave("250"),
            Act::Say("what?\r\n"),
            Act::Say("250 2.0.0 a bare line feed\n"),
            Act::Say("999 1.1.1 not a code\r\n"),
            Act::Say("250-two\r\n451 codes\r\n"),
            Act::Flood("a"),
            Act::Flood("250-more\r\n"),
            Act::Flood("451 4.3.0 and again\r\n"),
            Act::Trickle("250-x\r\n"),
        ] {
            tricks.push((stage, act, End::Delivered));
        }
        let never = match mail.contains(&stage) {
            true => End::Failed,
            false => End::Delivered,
        };
        tricks.push((stage, Act::Say("554 5.7.1 never\r\n"), never));
        // Who says yes to all of it, in whatever order, has said yes to the message.
        if manner == Manner::Old || !mail.contains(&stage) || stage == Stage::Acceptance {
            tricks.push((stage, Act::Repeat, End::Delivered));
        }
    }
    tricks
}

fn impatient(territory: &Territory) -> Site {
    let mut site = territory.site("ch.test");
    site.settings.limits.reply = Duration::from_millis(400);
    site.settings.limits.connect = Duration::from_millis(1500);
    site.settings.limits.deliveries = 1000;
    site
}

fn list(territory: &Territory, home: &Site, domain: &str, way: SocketAddr) {
    territory.directory.list_way(RelayEndpoint {
        domain: parse(domain),
        server_name: home.settings.hostname.clone(),
        host: Host::Ip(way.ip()),
        port: way.port(),
        serves: vec![parse(domain)],
    });
}

/// What the sender's gateway heard in the end of each envelope, once for each time.
async fn ends(hospital: &Site, plays: &[Play]) -> BTreeMap<String, Vec<End>> {
    let mut ends: BTreeMap<String, Vec<End>> = BTreeMap::new();
    while ends.len() < plays.len() {
        let news = tokio::time::timeout(Duration::from_secs(20), hospital.gateway.news());
        let Ok((id, _, carriage)) = news.await else {
            let missing = plays.iter().enumerate();
            let missing = missing.filter(|(number, _)| !ends.contains_key(&format!("n{number}")));
            let missing: Vec<_> = missing.map(|(number, play)| (number, play.trick)).collect();
            panic!("no end: {missing:?}");
        };
        let end = match carriage {
            Carriage::Relayed => End::Delivered,
            Carriage::Failed(_) => End::Failed,
            _ => continue,
        };
        ends.entry(id.to_string()).or_default().push(end);
    }
    ends
}

/// The reports in the sender's mailbox, by envelope.
async fn reports(hospital: &Site, count: usize) -> BTreeMap<String, Vec<Action>> {
    let mut reports: BTreeMap<String, Vec<Action>> = BTreeMap::new();
    while reports.len() < count {
        let arrival = hospital.gateway.arrival().await;
        assert_eq!(arrival.envelope.from, ReversePath::Null);
        let report = DeliveryReport::read(&arrival.message.whole().unwrap()).unwrap();
        let id = report.envelope_id.unwrap().to_string();
        let actions = report.recipients.iter().map(|one| one.action);
        reports.entry(id).or_default().extend(actions);
    }
    reports
}

async fn stop(mut site: Site, relay: Relay) {
    site.stop(relay).await;
}
