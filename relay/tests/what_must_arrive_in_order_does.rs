//! Messages handed over under one key reach their reader in that order, though the first of them has
//! to be tried again, at the relay that sends and at the one that delivers. Others overtake them.

use crate::territory;

use liaison_mail::port::{HandOver as _, OrderKey};
use territory::{Territory, envelope, sealed};

/// How often the receiving side says no before it takes one.
const REFUSALS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn what_must_arrive_in_order_does() {
    let territory = Territory::new();
    let mut hospital = territory.site("ch.test");
    let mut home = territory.site("ehpad.test");
    let sender = hospital.start().await;
    let receiver = home.start().await;
    // The stay's reader is refused at RCPT, and again when it is delivered.
    home.gateway.refuses_at_first("medecin", usize::MAX);
    home.gateway.refuses_at_first("=medecin", REFUSALS);
    let stay = |number: u8| Some(OrderKey::new([number; 32]));
    for number in 0..20 {
        let id = format!("stay.{number}");
        let one = envelope(&id, "avis@ch.test", &["medecin@ehpad.test"]);
        let taken = sender.hand_over(one, stay(1), sealed(&id, 100));
        taken.await.unwrap();
    }
    let other = envelope("other", "avis@ch.test", &["soins@ehpad.test"]);
    let taken = sender.hand_over(other, stay(2), sealed("other", 100));
    taken.await.unwrap();

    let first = home.gateway.arrival().await;
    assert_eq!(first.envelope.id.as_str(), "other");
    home.gateway.refuses_at_first("medecin", 0);

    for number in 0..20 {
        let next = home.gateway.arrival().await;
        assert_eq!(next.envelope.id.to_string(), format!("stay.{number}"));
    }
    hospital.stop(sender).await;
    home.stop(receiver).await;
    assert!(home.gateway.is_quiet().await, "a message arrived twice");
}
