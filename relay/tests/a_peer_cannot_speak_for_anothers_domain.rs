//! The envelope's sender must be of a domain that the directory lets the peer speak for, and its
//! recipients must be served here.

use crate::territory;

use liaison_mail::{EnhancedStatus, Verdict};
use liaison_relay::refusals::Reason;
use territory::{Territory, envelope, refusal, sealed, session};

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_cannot_speak_for_anothers_domain() {
    let territory = Territory::new();
    let mut home = territory.site("ehpad.test");
    let relay = home.start().await;
    territory.site("ch.test").list();

    let tls = territory.client(Some("ch.test"));
    let mut peer = session(&home, tls, "relay.ch.test").await.unwrap();
    let message = sealed("n1", 100);

    let lie = envelope("n1", "dr.essai@cabinet.test", &["soins@ehpad.test"]);
    let outcome = peer.send(&lie, &message).await.unwrap();
    let refused = refusal(&outcome.verdicts[0]);
    assert_eq!(
        (refused.code.get(), refused.status),
        (550, EnhancedStatus::REFUSED)
    );
    assert_eq!(relay.refusals()[&Reason::ForeignSender], 1);

    let mixed = envelope(
        "n2",
        "avis@ch.test",
        &["a@elsewhere.test", "soins@ehpad.test"],
    );
    let outcome = peer.send(&mixed, &message).await.unwrap();
    assert_eq!(
        refusal(&outcome.verdicts[0]).status,
        EnhancedStatus::REFUSED
    );
    assert_eq!(outcome.verdicts[1], Verdict::Accepted);
    assert_eq!(relay.refusals()[&Reason::NotServedHere], 1);
    assert_eq!(home.gateway.arrival().await.envelope.recipients.len(), 1);
}
