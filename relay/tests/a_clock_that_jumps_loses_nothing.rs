//! The machine's clock is set forward and back while mail waits, is on its way and is about to be
//! given up. Nothing waits longer than it would have for it, nothing is lost or told twice.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::territory;

use std::sync::Arc;
use std::time::Duration;

use liaison_base::clock::{Clock as _, ManualClock, SystemClock};
use liaison_mail::dsn::Action;
use liaison_mail::port::Carriage;
use liaison_relay::State;
use territory::{Site, Territory, envelope, hand_over, sealed};

const HOUR: Duration = Duration::from_secs(3600);

/// A hospital whose clock is made up, and a home that is listed and not there yet.
fn sites(territory: &Territory) -> (Site, Site, ManualClock) {
    let clock = ManualClock::at(SystemClock.now());
    let mut hospital = territory.site("ch.test");
    hospital.clock = Arc::new(clock.clone());
    hospital.settings.schedule.first_retry = Duration::from_secs(30);
    hospital.settings.schedule.longest_retry = HOUR;
    let mut home = territory.site("ehpad.test");
    home.settings.listen = "127.0.0.1:9".parse().unwrap();
    home.list();
    home.settings.listen = "127.0.0.1:0".parse().unwrap();
    (hospital, home, clock)
}

async fn delayed(hospital: &Site) {
    let (_, _, carriage) = hospital.gateway.news().await;
    assert!(matches!(carriage, Carriage::Delayed(_)), "{carriage:?}");
}

async fn relayed(hospital: &Site) {
    loop {
        match hospital.gateway.news().await.2 {
            Carriage::Delayed(_) => {}
            carriage => return assert_eq!(carriage, Carriage::Relayed),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_when_the_clock_is_set_forward() {
    let territory = Territory::new();
    let (mut hospital, mut home, clock) = sites(&territory);
    let sender = hospital.start().await;
    let sent = envelope("n1", "avis@ch.test", &["soins@ehpad.test"]);
    hand_over(&sender, sent, sealed("n1", 100)).await;
    delayed(&hospital).await;
    let receiver = home.start().await;
    clock.advance(2 * HOUR);
    // Whatever comes next makes the relay look at its clock; by itself it does so twice a minute.
    let other = envelope("n2", "avis@ch.test", &["soins@ehpad.test"]);
    hand_over(&sender, other, sealed("n2", 100)).await;
    for _ in 0..2 {
        relayed(&hospital).await;
        home.gateway.arrival().await;
    }
    hospital.stop(sender).await;
    home.stop(receiver).await;
    assert!(home.gateway.is_quiet().await);
}

/// A day back: what was due in half a minute is not due in a day and half a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_wait_does_not_last_longer_when_the_clock_is_set_back() {
    let territory = Territory::new();
    let (mut hospital, mut home, clock) = sites(&territory);
    let sender = hospital.start().await;
    let sent = envelope("n1", "avis@ch.test", &["soins@ehpad.test"]);
    hand_over(&sender, sent, sealed("n1", 100)).await;
    delayed(&hospital).await;
    let receiver = home.start().await;
    clock.set(clock.now() - 24 * HOUR);
    // Nothing else happens: the relay notices by itself.
    relayed(&hospital).await;
    home.gateway.arrival().await;
    hospital.stop(sender).await;
    home.stop(receiver).await;
    assert!(home.gateway.is_quiet().await);
}

/// The same while the process is down: the next start finds a queue from the future.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_from_the_future_is_taken_up_at_the_start() {
    let territory = Territory::new();
    let (mut hospital, mut home, clock) = sites(&territory);
    let sender = hospital.start().await;
    let sent = envelope("n1", "avis@ch.test", &["soins@ehpad.test"]);
    hand_over(&sender, sent, sealed("n1", 100)).await;
    delayed(&hospital).await;
    hospital.stop(sender).await;
    let receiver = home.start().await;
    clock.set(clock.now() - 24 * HOUR);
    let sender = hospital.start().await;
    relayed(&hospital).await;
    home.gateway.arrival().await;
    hospital.stop(sender).await;
    home.stop(receiver).await;
    assert!(home.gateway.is_quiet().await);
}

/// The mailbox takes its time, and meanwhile the lease seems to run out, or to last for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_under_way_is_recorded_once_whatever_the_clock_says() {
    for forward in [false, true] {
        let territory = Territory::new();
        let (mut hospital, mut home, _) = sites(&territory);
        let clock = ManualClock::at(SystemClock.now());
        home.clock = Arc::new(clock.clone());
        home.gateway.hang(true);
        let receiver = home.start().await;
        let sender = hospital.start().await;
        let sent = envelope("n1", "avis@ch.test", &["soins@ehpad.test"]);
        hand_over(&sender, sent.clone(), sealed("n1", 100)).await;
        home.gateway.arrival().await;
        let right = clock.now();
        match forward {
            true => {
                clock.set(right + 48 * HOUR);
                while receiver.waiting(1).await.unwrap()[0].state != State::Queued {
                    tokio::task::yield_now().await;
                }
            }
            false => clock.set(right - 48 * HOUR),
        }
        home.gateway.hang(false);
        if forward {
            // Its lease had run out: given again, as after a crash.
            home.gateway.arrival().await;
        }
        let report = hospital.gateway.report().await;
        assert_eq!(report.recipients[0].action, Action::Delivered);
        home.stop(receiver).await;
        let receiver = home.start().await;
        let steps = receiver.trace(&sent.id).await.unwrap();
        let delivered = steps.iter().filter(|one| one.state == State::Delivered);
        assert_eq!(delivered.count(), 1, "forward: {forward}");
        hospital.stop(sender).await;
        home.stop(receiver).await;
        assert!(home.gateway.is_quiet().await && hospital.gateway.is_quiet().await);
    }
}

/// Far forward: what waited is given up, and told once; when the clock is set right, that stays.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_by_a_wrong_clock_is_told_once() {
    let territory = Territory::new();
    let (mut hospital, mut home, clock) = sites(&territory);
    let sender = hospital.start().await;
    let sent = envelope("n1", "avis@ch.test", &["soins@ehpad.test"]);
    hand_over(&sender, sent.clone(), sealed("n1", 100)).await;
    delayed(&hospital).await;
    let right = clock.now();
    clock.set(right + 10 * 24 * HOUR);
    let other = envelope("n2", "avis@ch.test", &["soins@ehpad.test"]);
    hand_over(&sender, other, sealed("n2", 100)).await;
    let report = hospital.gateway.report().await;
    assert_eq!(report.envelope_id, Some(sent.id));
    assert_eq!(report.recipients[0].action, Action::Failed);
    let receiver = home.start().await;
    clock.set(right);
    // The second was accepted in what is the future now; it goes all the same.
    let arrival = home.gateway.arrival().await;
    assert_eq!(arrival.envelope.id.as_str(), "n2");
    let report = hospital.gateway.report().await;
    assert_eq!(report.recipients[0].action, Action::Delivered);
    hospital.stop(sender).await;
    home.stop(receiver).await;
    assert!(home.gateway.is_quiet().await && hospital.gateway.is_quiet().await);
}
