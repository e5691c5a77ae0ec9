//! 550 at RCPT for one recipient fails that one alone, and the sender's own relay says so; an
//! address without a relay fails without a connection.

use crate::territory;

use liaison_mail::EnhancedStatus;
use liaison_mail::dsn::Action;
use liaison_mail::port::{Carriage, HandOver as _};
use territory::{Territory, envelope, hand_over, parse, sealed};

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_recipient_is_reported_to_the_sender() {
    let territory = Territory::new();
    let mut hospital = territory.site("ch.test");
    let mut home = territory.site("ehpad.test");
    let sender = hospital.start().await;
    let receiver = home.start().await;
    home.gateway.does_not_know("personne");

    let to = ["personne@ehpad.test", "soins@ehpad.test", "a@nowhere.test"];
    let sent = envelope("n1.v1", "avis@ch.test", &to);
    hand_over(&sender, sent.clone(), sealed("n1", 100)).await;

    let arrival = home.gateway.arrival().await;
    assert_eq!(arrival.envelope.recipients.len(), 1);
    let mut told = Vec::new();
    for _ in 0..3 {
        let report = hospital.gateway.report().await;
        assert_eq!(report.envelope_id, Some(sent.id.clone()));
        for one in report.recipients {
            told.push((one.address, one.action, one.status));
        }
    }
    told.sort_by_key(|(address, ..)| address.clone());
    assert_eq!(
        told,
        [
            (
                parse("a@nowhere.test"),
                Action::Failed,
                EnhancedStatus::NO_ROUTE
            ),
            (
                parse("personne@ehpad.test"),
                Action::Failed,
                EnhancedStatus::NO_SUCH_MAILBOX
            ),
            (
                parse("soins@ehpad.test"),
                Action::Delivered,
                EnhancedStatus::DELIVERED
            ),
        ]
    );
    let failed = sender
        .carriage(sent.id)
        .await
        .into_iter()
        .filter(|(_, carriage)| matches!(carriage, Carriage::Failed(_)))
        .count();
    assert_eq!(failed, 2);
    hospital.stop(sender).await;
    home.stop(receiver).await;
    assert!(hospital.gateway.is_quiet().await, "a fourth report");
}
