//! A destination that is down delays its mail and nothing else; once it is back, each message
//! arrives, once.

use crate::territory;

use liaison_mail::port::Carriage;
use territory::{Territory, envelope, hand_over, sealed};

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_comes_back_gets_the_message_once() {
    let territory = Territory::new();
    let mut hospital = territory.site("ch.test");
    let mut home = territory.site("ehpad.test");
    let sender = hospital.start().await;
    let receiver = home.start().await;

    // An open connection that dies with the peer must not cost a retry's wait, nor a message.
    let first = envelope("n0", "avis@ch.test", &["soins@ehpad.test"]);
    hand_over(&sender, first, sealed("n0", 100)).await;
    home.gateway.arrival().await;
    home.stop(receiver).await;

    let waiting = envelope("n1", "avis@ch.test", &["soins@ehpad.test"]);
    hand_over(&sender, waiting, sealed("n1", 100)).await;
    loop {
        let (id, _, carriage) = hospital.gateway.news().await;
        if id.as_str() == "n1" {
            assert!(matches!(carriage, Carriage::Delayed(_)), "{carriage:?}");
            break;
        }
    }
    let listed = &sender.waiting(10).await.unwrap()[0];
    assert_eq!(listed.envelope.as_str(), "n1");
    assert!(listed.attempts >= 1 && listed.reply.is_some());

    let receiver = home.start().await;
    assert_eq!(home.gateway.arrival().await.envelope.id.as_str(), "n1");
    loop {
        match hospital.gateway.news().await {
            (_, _, Carriage::Delayed(_)) => {}
            (_, _, carriage) => {
                assert_eq!(carriage, Carriage::Relayed);
                break;
            }
        }
    }
    hospital.stop(sender).await;
    home.stop(receiver).await;
    assert!(home.gateway.is_quiet().await, "a message arrived twice");
}
