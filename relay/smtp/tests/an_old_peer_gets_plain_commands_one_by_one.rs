//! A peer without extensions: no parameters, no pipelining, and its limits are respected.
#![allow(clippy::unwrap_used, reason = "a failure here fails the scenario")]

use crate::support;

use liaison_mail::Verdict;
use liaison_smtp::SmtpError;
use liaison_smtp::io::{Connection, Timeouts};
use support::{Dialogue, domain, envelope};
use tokio::io::{DuplexStream, duplex};

async fn open(stream: DuplexStream) -> Connection<DuplexStream> {
    Connection::open(stream, domain("relay.ch.test"), Timeouts::default())
        .await
        .unwrap()
}

/// Hears exactly `line`, then answers.
async fn hear(peer: &mut Dialogue, line: &str, answer: &str) {
    assert_eq!(peer.line().await, line);
    peer.say(answer).await;
}

#[tokio::test]
async fn nothing_is_sent_that_was_not_announced() {
    let (ours, theirs) = duplex(64 * 1024);
    let peer = tokio::spawn(async move {
        let mut peer = Dialogue::on(theirs);
        peer.say("220 old.test").await;
        hear(&mut peer, "EHLO relay.ch.test", "250 old.test").await;
        hear(&mut peer, "MAIL FROM:<garde@ch.test>", "250 ok").await;
        hear(&mut peer, "RCPT TO:<idel@ehpad.test>", "550 no").await;
        hear(&mut peer, "RCPT TO:<accueil@ehpad.test>", "250 ok").await;
        hear(&mut peer, "DATA", "354 go").await;
        assert_eq!(peer.content().await, b"..a\r\n");
        peer.say("250 ok").await;
        // The second message: nobody is accepted, so DATA is not said, and RSET comes first.
        hear(&mut peer, "MAIL FROM:<garde@ch.test>", "250 ok").await;
        hear(&mut peer, "RCPT TO:<idel@ehpad.test>", "550 no").await;
        hear(&mut peer, "RSET", "250 ok").await;
        hear(&mut peer, "MAIL FROM:<garde@ch.test>", "451 later").await;
        // A refused MAIL leaves nothing to reset.
        hear(&mut peer, "MAIL FROM:<garde@ch.test>", "451 later").await;
        hear(&mut peer, "QUIT", "221 bye").await;
        peer.expect_close().await;
    });
    let mut connection = open(ours).await;
    let outcome = connection
        .send(&envelope(&["idel", "accueil"]), b".a\r\n")
        .await
        .unwrap();
    assert!(matches!(outcome.verdicts[0], Verdict::Refused(_)));
    assert_eq!(outcome.verdicts[1], Verdict::Accepted);
    assert!(!outcome.peer_dsn);
    for _ in 0..3 {
        let outcome = connection
            .send(&envelope(&["idel"]), b"a\r\n")
            .await
            .unwrap();
        assert!(matches!(outcome.verdicts[0], Verdict::Refused(_)));
        assert!(connection.is_reusable());
    }
    connection.quit().await;
    peer.await.unwrap();
}

#[tokio::test]
async fn what_the_peer_cannot_take_is_not_offered() {
    let (ours, theirs) = duplex(64 * 1024);
    let peer = tokio::spawn(async move {
        let mut peer = Dialogue::on(theirs);
        peer.say("220 old.test").await;
        hear(
            &mut peer,
            "EHLO relay.ch.test",
            "250-old.test\r\n250 SIZE 10",
        )
        .await;
        peer.expect_close().await;
    });
    let mut connection = open(ours).await;
    for content in [&b"0123456789\r\n"[..], "é\r\n".as_bytes()] {
        let outcome = connection
            .send(&envelope(&["idel"]), content)
            .await
            .unwrap();
        let Verdict::Refused(refusal) = &outcome.verdicts[0] else {
            panic!("accepted");
        };
        assert!(!refusal.is_transient());
    }
    assert!(connection.is_reusable());
    drop(connection);
    peer.await.unwrap();
}

/// An answer that was there before its question is not this peer's: somebody has put it on the wire.
#[tokio::test]
async fn an_answer_before_its_command_ends_the_session() {
    let (ours, theirs) = duplex(64 * 1024);
    let mut peer = Dialogue::on(theirs);
    peer.say("220 old.test\r\n250-old.test\r\n250 SIZE 10")
        .await;
    let opened = Connection::open(ours, domain("relay.ch.test"), Timeouts::default()).await;
    assert!(matches!(opened, Err(SmtpError::Protocol(_))));
}

#[tokio::test]
async fn recipients_beyond_the_peers_limit_are_kept_for_later() {
    let (ours, theirs) = duplex(64 * 1024);
    let peer = tokio::spawn(async move {
        let mut peer = Dialogue::on(theirs);
        peer.say("220 new.test").await;
        peer.line().await;
        peer.say("250-new.test\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=1")
            .await;
        for line in ["MAIL FROM:", "RCPT TO:<idel@", "DATA"] {
            peer.expect(line).await;
        }
        peer.say("250 ok\r\n250 ok\r\n354 go").await;
        peer.content().await;
        peer.say("250 ok").await;
    });
    let mut connection = open(ours).await;
    let outcome = connection
        .send(&envelope(&["idel", "accueil"]), b"a\r\n")
        .await
        .unwrap();
    assert_eq!(outcome.verdicts[0], Verdict::Accepted);
    let Verdict::Refused(refusal) = &outcome.verdicts[1] else {
        panic!("accepted");
    };
    assert!(refusal.is_transient());
    peer.await.unwrap();
}

/// RFC 2920 §3.1: a peer may say 354 although it refused every recipient.
#[tokio::test]
async fn a_go_ahead_without_recipients_is_answered_with_a_lone_dot() {
    let (ours, theirs) = duplex(64 * 1024);
    let peer = tokio::spawn(async move {
        let mut peer = Dialogue::on(theirs);
        peer.say("220 odd.test").await;
        peer.line().await;
        peer.say("250-odd.test\r\n250 PIPELINING").await;
        for _ in 0..3 {
            peer.line().await;
        }
        peer.say("250 ok\r\n550 no\r\n354 go").await;
        hear(&mut peer, ".", "554 no valid recipients").await;
        hear(&mut peer, "QUIT", "221 bye").await;
    });
    let mut connection = open(ours).await;
    let outcome = connection
        .send(&envelope(&["idel"]), b"secret\r\n")
        .await
        .unwrap();
    assert!(matches!(&outcome.verdicts[0], Verdict::Refused(r) if r.code.get() == 550));
    connection.quit().await;
    peer.await.unwrap();
}
