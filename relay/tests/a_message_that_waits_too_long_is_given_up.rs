//! The sender hears of the delay, once, and then of the end, once.

use crate::territory;

use std::time::Duration;

use liaison_mail::EnhancedStatus;
use liaison_mail::dsn::Action;
use territory::{Territory, envelope, hand_over, sealed};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_too_long_is_given_up() {
    let territory = Territory::new();
    let mut hospital = territory.site("ch.test");
    hospital.settings.schedule.delay_notice = Duration::from_millis(150);
    hospital.settings.schedule.expiry = Duration::from_millis(600);
    let sender = hospital.start().await;
    // Listed, but nobody is there: port 9 of the loopback is never served.
    let mut gone = territory.site("ehpad.test");
    gone.settings.listen = "127.0.0.1:9".parse().unwrap();
    gone.list();

    let sent = envelope("n1", "avis@ch.test", &["soins@ehpad.test"]);
    hand_over(&sender, sent, sealed("n1", 100)).await;

    let delay = hospital.gateway.report().await;
    assert_eq!(delay.recipients[0].action, Action::Delayed);
    assert_eq!(delay.recipients[0].status, EnhancedStatus::NO_ANSWER);
    let end = hospital.gateway.report().await;
    assert_eq!(end.recipients[0].action, Action::Failed);
    assert_eq!(end.recipients[0].status, EnhancedStatus::EXPIRED);
    // The report just read may still be on its way to being done; the message is done.
    let waiting = sender.waiting(10).await.unwrap();
    assert!(waiting.iter().all(|one| one.envelope.as_str() != "n1"));
    hospital.stop(sender).await;
    assert!(hospital.gateway.is_quiet().await, "a third report");
}
