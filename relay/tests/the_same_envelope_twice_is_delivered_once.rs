//! Whoever did not hear the answer asks again: the own gateway and a peer alike are answered
//! yes, and nothing is delivered twice. A new recipient under the same name is served.

use crate::territory;

use liaison_mail::{EnvelopeId, Verdict};
use liaison_relay::State;
use territory::{Territory, envelope, hand_over, sealed, session};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_envelope_twice_is_delivered_once() {
    let territory = Territory::new();
    let mut home = territory.site("ehpad.test");
    let relay = home.start().await;
    territory.site("ch.test").list();

    let local = envelope("n1", "", &["soins@ehpad.test"]);
    hand_over(&relay, local.clone(), sealed("n1", 100)).await;
    hand_over(&relay, local, sealed("n1", 200)).await;
    assert_eq!(home.gateway.arrival().await.envelope.id.as_str(), "n1");

    let tls = territory.client(Some("ch.test"));
    let mut peer = session(&home, tls.clone(), "relay.ch.test").await.unwrap();
    let message = sealed("n2", 100);
    let sent = envelope("n2", "avis@ch.test", &["soins@ehpad.test"]);
    for _ in 0..2 {
        let outcome = peer.send(&sent, &message).await.unwrap();
        assert_eq!(outcome.verdicts, [Verdict::Accepted]);
    }
    let mut again = session(&home, tls, "relay.ch.test").await.unwrap();
    let more = envelope(
        "n2",
        "avis@ch.test",
        &["SOINS@ehpad.test", "ide@ehpad.test"],
    );
    let outcome = again.send(&more, &message).await.unwrap();
    assert_eq!(outcome.verdicts, [Verdict::Accepted, Verdict::Accepted]);

    let mut filed = Vec::new();
    for _ in 0..2 {
        let arrival = home.gateway.arrival().await;
        assert_eq!(arrival.envelope.id.as_str(), "n2");
        filed.extend(
            arrival
                .envelope
                .recipients
                .into_iter()
                .map(|one| one.address.key()),
        );
    }
    filed.sort();
    assert_eq!(filed, ["ide@ehpad.test", "soins@ehpad.test"]);
    for (id, recipients) in [("n1", 1), ("n2", 2)] {
        let steps = relay.trace(&EnvelopeId::parse(id).unwrap()).await.unwrap();
        let queued = steps.iter().filter(|step| step.state == State::Queued);
        assert_eq!(queued.count(), recipients, "{id}");
    }
    peer.quit().await;
    again.quit().await;
    home.stop(relay).await;
    assert!(
        home.gateway.is_quiet().await,
        "a message was delivered twice"
    );
}
