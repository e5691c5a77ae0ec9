//! Rates, room and drain: each refusal has its own reason, on the wire and in its counter, and mail
//! flows again when the cause is gone.

use crate::territory;

use std::sync::{Arc, Mutex, PoisonError};

use liaison_base::clock::SystemClock;
use liaison_base::machine::{Gauge, Reading};
use liaison_mail::Verdict;
use liaison_relay::Relay;
use liaison_relay::refusals::Reason;
use liaison_smtp::SmtpError;
use territory::{Territory, envelope, refusal, sealed, session};

#[derive(Debug)]
struct MadeUp(Mutex<Reading>);

impl Gauge for MadeUp {
    fn read(&self) -> Reading {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn told(error: SmtpError) -> liaison_mail::Refusal {
    match error {
        SmtpError::Refused(refusal) => refusal,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn messages_beyond_the_rate_are_put_off() {
    let territory = Territory::new();
    let mut ehpad = territory.site("ehpad.test");
    ehpad.settings.rates.messages = 2;
    ehpad.settings.rates.recipients = 100;
    let relay = ehpad.open().await;
    ehpad.serve(&relay).await;
    territory.site("ch.test").list();
    let client = territory.client(Some("ch.test"));
    let mut peer = session(&ehpad, client, "relay.ch.test").await.unwrap();
    let mut verdicts = Vec::new();
    for id in ["n1", "n2", "n3"] {
        let envelope = envelope(id, "avis@ch.test", &["soins@ehpad.test"]);
        let sent = peer.send(&envelope, &sealed(id, 100)).await.unwrap();
        verdicts.push(sent.verdicts[0].clone());
    }
    assert_eq!(verdicts[..2], [Verdict::Accepted, Verdict::Accepted]);
    let refused = refusal(&verdicts[2]);
    assert_eq!(
        (refused.code.get(), refused.status.to_string()),
        (451, "4.7.1".to_owned())
    );
    assert_eq!(relay.refusals()[&Reason::MessageRate], 1);
}

#[tokio::test]
async fn a_full_disk_a_short_memory_and_a_high_load_close_the_door_until_they_pass() {
    let territory = Territory::new();
    let mut ehpad = territory.site("ehpad.test");
    let room = Reading {
        disk_free: Some(1 << 40),
        memory_free: Some(1 << 40),
        load: Some(0.1),
    };
    let gauge = Arc::new(MadeUp(Mutex::new(room)));
    // The gauge is read for every connection: the reading's second is the clock's.
    let clock = liaison_base::clock::ManualClock::at(liaison_base::clock::Clock::now(&SystemClock));
    let relay = Relay::open_with(
        ehpad.settings.clone(),
        Arc::new(clock.clone()),
        territory.directory.clone(),
        gauge.clone(),
    )
    .await
    .unwrap();
    ehpad.serve(&relay).await;
    territory.site("ch.test").list();
    let client = territory.client(Some("ch.test"));
    for (reading, reason, code) in [
        (
            Reading {
                disk_free: Some(1),
                ..room
            },
            Reason::Disk,
            "4.3.1",
        ),
        (
            Reading {
                memory_free: Some(1),
                ..room
            },
            Reason::Memory,
            "4.3.0",
        ),
        (
            Reading {
                load: Some(99.0),
                ..room
            },
            Reason::Load,
            "4.4.5",
        ),
    ] {
        *gauge.0.lock().unwrap() = reading;
        clock.advance(std::time::Duration::from_secs(2));
        let turned_away = session(&ehpad, client.clone(), "relay.ch.test").await;
        let refusal = told(turned_away.err().unwrap());
        assert_eq!(
            (refusal.code.get(), refusal.status.to_string()),
            (421, code.to_owned())
        );
        assert_eq!(relay.refusals()[&reason], 1);
        let failed = relay.checks().await.into_iter().find(|check| !check.ok);
        assert!(failed.is_some(), "a probe sees nothing of {reason:?}");
    }
    *gauge.0.lock().unwrap() = room;
    clock.advance(std::time::Duration::from_secs(2));
    let mut peer = session(&ehpad, client, "relay.ch.test").await.unwrap();
    let envelope = envelope("n1", "avis@ch.test", &["soins@ehpad.test"]);
    let sent = peer.send(&envelope, &sealed("n1", 100)).await.unwrap();
    assert_eq!(sent.verdicts, [Verdict::Accepted]);
}

#[tokio::test]
async fn a_relay_that_leaves_finishes_and_tells_newcomers() {
    let territory = Territory::new();
    let mut ehpad = territory.site("ehpad.test");
    ehpad.gateway.hang(true);
    let relay = ehpad.open().await;
    ehpad.serve(&relay).await;
    territory.site("ch.test").list();
    let client = territory.client(Some("ch.test"));
    let mut peer = session(&ehpad, client.clone(), "relay.ch.test")
        .await
        .unwrap();
    let envelope = envelope("n1", "avis@ch.test", &["soins@ehpad.test"]);
    let sent = peer.send(&envelope, &sealed("n1", 100)).await.unwrap();
    assert_eq!(sent.verdicts, [Verdict::Accepted]);
    // A delivery hangs, so the drain lasts.
    ehpad.gateway.arrival().await;
    ehpad.ask_to_stop();
    let refusal = loop {
        match session(&ehpad, client.clone(), "relay.ch.test").await {
            Err(error) => break told(error),
            Ok(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(
        (refusal.code.get(), refusal.status.to_string()),
        (421, "4.3.2".to_owned())
    );
    assert!(relay.refusals()[&Reason::ShuttingDown] >= 1);
}
