//! Two relays over real mutual TLS: the message arrives as it was sent, and its sender hears so.

use crate::territory;

use liaison_mail::dsn::Action;
use liaison_mail::port::{Carriage, HandOver as _, Origin};
use liaison_relay::State;
use territory::{Territory, envelope, hand_over, parse, sealed};

#[tokio::test(flavor = "multi_thread")]
async fn a_message_crosses_and_its_report_comes_home() {
    let territory = Territory::new();
    let mut hospital = territory.site("ch.test");
    let mut home = territory.site("ehpad.test");
    let sender = hospital.start().await;
    let receiver = home.start().await;

    let message = sealed("n1", 1000);
    let sent = envelope(
        "n1.v1",
        "avis@ch.test",
        &["soins@ehpad.test", "ide@ehpad.test"],
    );
    hand_over(&sender, sent.clone(), message.clone()).await;

    let arrival = home.gateway.arrival().await;
    assert_eq!(arrival.envelope, sent);
    let arrived = arrival.message.whole().unwrap();
    assert!(arrived.ends_with(&message));
    assert!(arrived.starts_with(b"Received: from relay.ch.test ([127.0.0.1])"));
    let from = Origin::Peer {
        name: parse("relay.ch.test"),
        speaks_for: vec![parse("ch.test")],
    };
    assert_eq!(arrival.origin, from);

    for _ in 0..2 {
        let (id, _, carriage) = hospital.gateway.news().await;
        assert_eq!((id, carriage), (sent.id.clone(), Carriage::Relayed));
    }
    let report = hospital.gateway.report().await;
    assert_eq!(report.envelope_id, Some(sent.id.clone()));
    assert_eq!(report.reporting_mta, parse("relay.ehpad.test"));
    assert_eq!(report.recipients.len(), 2);
    assert!(
        report
            .recipients
            .iter()
            .all(|one| one.action == Action::Delivered)
    );

    let carried = sender.carriage(sent.id.clone()).await;
    assert_eq!(carried.len(), 2);
    assert!(
        carried
            .iter()
            .all(|(_, carriage)| *carriage == Carriage::Relayed)
    );
    let steps = receiver.trace(&sent.id).await.unwrap();
    let states: Vec<State> = steps
        .iter()
        .filter(|step| step.to == parse("ide@ehpad.test"))
        .map(|step| step.state)
        .collect();
    assert_eq!(states, [State::Queued, State::Active, State::Delivered]);

    hospital.stop(sender).await;
    home.stop(receiver).await;
    assert!(home.gateway.is_quiet().await && hospital.gateway.is_quiet().await);
}
