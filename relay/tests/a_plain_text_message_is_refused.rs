//! What is not sealed goes no further: neither from the own gateway nor from a listed peer.

use crate::territory;

use liaison_mail::EnhancedStatus;
use liaison_mail::port::HandOver as _;
use liaison_relay::refusals::Reason;
use territory::{PLAIN, Territory, envelope, logs, refusal, session};

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_text_message_is_refused() {
    let log = logs();
    let territory = Territory::new();
    let mut home = territory.site("ehpad.test");
    let relay = home.start().await;
    let mut hospital = territory.site("ch.test");
    hospital.start().await;

    let to_hospital = envelope("p1", "soins@ehpad.test", &["avis@ch.test"]);
    let refused = relay
        .hand_over(to_hospital, None, PLAIN.into())
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code.get(), refused.status),
        (550, EnhancedStatus::CONTENT)
    );

    let tls = territory.client(Some("ch.test"));
    let mut peer = session(&home, tls, "relay.ch.test").await.unwrap();
    let to_home = envelope("p2", "avis@ch.test", &["soins@ehpad.test"]);
    let outcome = peer.send(&to_home, PLAIN).await.unwrap();
    let refused = refusal(&outcome.verdicts[0]);
    assert_eq!(
        (refused.code.get(), refused.status),
        (550, EnhancedStatus::CONTENT)
    );
    assert!(refused.text.contains("S/MIME enveloped"), "{refused}");

    assert_eq!(relay.refusals()[&Reason::NotEnveloped], 2);
    assert!(relay.waiting(10).await.unwrap().is_empty());
    assert!(home.gateway.is_quiet().await);

    let log = log.text();
    for who in ["the gateway", "relay.ch.test"] {
        let line = log.lines().find(|line| {
            line.contains("reason=\"not_enveloped\"") && line.contains(&format!("from=\"{who}\""))
        });
        assert!(
            line.is_some_and(|line| line.contains("550")),
            "{who} left no line"
        );
    }
    assert!(!log.contains("Nothing is said of any patient"));
}
