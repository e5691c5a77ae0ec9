//! RFC 5321 §4.5.3.2: silence ends a session, between commands and in mid-content.

use crate::support;

use std::time::Duration;

use liaison_smtp::io::Timeouts;
use liaison_smtp::server::Role;
use liaison_smtp::{SmtpError, Wait};
use support::{Dialogue, settings, start_until};

#[tokio::test]
async fn silence_between_commands_ends_the_session() {
    let timeouts = Timeouts {
        command: Duration::from_millis(30),
        ..Timeouts::default()
    };
    let never = std::future::pending();
    let (stream, _, serving) = start_until(settings(Role::Relay), timeouts, never);
    let mut peer = Dialogue::on(stream);
    peer.expect("220 ").await;
    peer.expect("421 4.4.2").await;
    peer.expect_close().await;
    let error = serving.await.unwrap().unwrap_err();
    assert!(matches!(error, SmtpError::Timeout(Wait::Command)));
}

#[tokio::test]
async fn a_message_that_never_ends_is_given_up() {
    let timeouts = Timeouts {
        message: Duration::from_millis(30),
        ..Timeouts::default()
    };
    let never = std::future::pending();
    let (stream, taken, serving) = start_until(settings(Role::Relay), timeouts, never);
    let mut peer = Dialogue::greeted(stream).await;
    peer.ask("MAIL FROM:<a@ch.test>", "250 ").await;
    peer.ask("RCPT TO:<idel@ehpad.test>", "250 ").await;
    peer.ask("DATA", "354 ").await;
    peer.say("half a").await;
    peer.expect("421 4.4.2").await;
    peer.expect_close().await;
    let error = serving.await.unwrap().unwrap_err();
    assert!(matches!(error, SmtpError::Timeout(Wait::Content)));
    assert!(taken.lock().unwrap().is_empty());
}
