//! Four hundred messages wait for a destination when an urgent one comes: it is among the first
//! there, and all arrive once.

use crate::territory;

use std::collections::HashSet;

use liaison_mail::Urgency;
use territory::{Territory, envelope, hand_over, sealed};

const BULK: usize = 400;
/// What one worker claims at a time: the urgent one is in the first claim.
const CLAIM: usize = 128;

#[tokio::test(flavor = "multi_thread")]
async fn an_urgent_notice_passes_a_queue_of_bulk() {
    let territory = Territory::new();
    let mut home = territory.site("ehpad.test");
    let receiver = home.start().await;
    let mut hospital = territory.site("ch.test");
    // It takes messages, and does not carry them yet.
    let sender = hospital.open().await;
    for number in 0..=BULK {
        let id = format!("n{number}");
        let mut sent = envelope(&id, "avis@ch.test", &["soins@ehpad.test"]);
        sent.urgency = match number {
            BULK => Urgency::Urgent,
            _ => [Urgency::Normal, Urgency::Info][number % 2],
        };
        hand_over(&sender, sent, sealed(&id, 100)).await;
    }
    hospital.serve(&sender).await;

    let urgent = format!("n{BULK}");
    let mut arrived = Vec::new();
    for _ in 0..=BULK {
        arrived.push(home.gateway.arrival().await.envelope.id.to_string());
    }
    let place = arrived.iter().position(|id| *id == urgent).unwrap();
    assert!(place < CLAIM, "it came as number {place}");
    assert_eq!(arrived.iter().collect::<HashSet<_>>().len(), BULK + 1);
    hospital.stop(sender).await;
    home.stop(receiver).await;
    assert!(home.gateway.is_quiet().await, "one came twice");
}
