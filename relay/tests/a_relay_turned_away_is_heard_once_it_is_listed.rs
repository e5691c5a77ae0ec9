//! A peer that does not know us refuses the session for good; the mail is kept all the same, for
//! a list is mended sooner than a message is written again.

use crate::territory;

use liaison_mail::port::Carriage;
use territory::{Territory, envelope, hand_over, sealed};

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_turned_away_is_heard_once_it_is_listed() {
    let territory = Territory::new();
    let mut hospital = territory.site("ch.test");
    let mut home = territory.site("ehpad.test");
    let sender = hospital.start().await;
    let receiver = home.start().await;
    territory.directory.strike_off(&hospital.settings.hostname);

    let sent = envelope("n1", "avis@ch.test", &["soins@ehpad.test"]);
    hand_over(&sender, sent.clone(), sealed("n1", 100)).await;
    let (_, _, carriage) = hospital.gateway.news().await;
    let Carriage::Delayed(refusal) = carriage else {
        panic!("{carriage:?}");
    };
    assert!(
        refusal.is_transient() && refusal.status.class() == 4,
        "{refusal}"
    );
    assert!(refusal.text.contains("listed peers only"), "{refusal}");

    hospital.list();
    assert_eq!(home.gateway.arrival().await.envelope, sent);
    hospital.stop(sender).await;
    home.stop(receiver).await;
}
