//! No certificate, no session; and a trusted certificate that the directory does not list is
//! turned away in words.

use crate::territory;

use liaison_mail::EnhancedStatus;
use liaison_relay::refusals::Reason;
use liaison_smtp::SmtpError;
use territory::{Territory, logs, session, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_without_a_certificate_gets_no_session() {
    let log = logs();
    let territory = Territory::new();
    let mut home = territory.site("ehpad.test");
    let relay = home.start().await;

    assert!(
        session(&home, territory.client(None), "relay.ch.test")
            .await
            .is_err()
    );
    until(|| relay.refusals()[&Reason::Handshake] == 1).await;

    let stranger = territory.client(Some("stranger.test"));
    match session(&home, stranger, "relay.stranger.test").await {
        Err(SmtpError::Refused(refusal)) => {
            assert_eq!(
                (refusal.code.get(), refusal.status),
                (554, EnhancedStatus::REFUSED)
            );
        }
        Err(error) => panic!("turned away without words: {error}"),
        Ok(_) => panic!("a stranger was let in"),
    }
    assert_eq!(relay.refusals()[&Reason::NotAPeer], 1);

    let log = log.text();
    for reason in ["handshake", "not_a_peer"] {
        let line = log
            .lines()
            .find(|line| line.contains(&format!("reason=\"{reason}\"")));
        assert!(
            line.is_some_and(|line| line.contains("from=")),
            "{reason} left no line"
        );
        assert!(
            line.is_some_and(|line| line.contains("127.0.0.1")),
            "without the address"
        );
    }
}
