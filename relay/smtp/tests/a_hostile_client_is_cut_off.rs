//! Input that is not SMTP, or is too much of it, ends the connection and harms nothing.

use crate::support;

use liaison_smtp::server::Role;
use support::{Dialogue, settings, start};

#[tokio::test]
async fn ambiguous_or_foreign_input_closes_at_once() {
    for (input, answer) in [
        ("NOOP\nMAIL FROM:<a@ch.test>\r\n", "500 5.5.2 Lines end"),
        ("NOOP\rMAIL FROM:<a@ch.test>\r\n", "500 5.5.2 Lines end"),
        ("\n", "500 5.5.2 Lines end"),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\nNOOP\r\n", "554 5.7.0"),
        ("BDAT six LAST\r\nNOOP\r\n", "501 5.5.4"),
    ] {
        let (stream, taken, _serving) = start(settings(Role::Relay));
        let mut peer = Dialogue::greeted(stream).await;
        peer.send(input.as_bytes()).await;
        peer.expect(answer).await;
        peer.expect_close().await;
        assert!(taken.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn content_sent_before_the_go_ahead_closes_at_once() {
    let (stream, taken, _serving) = start(settings(Role::Relay));
    let mut peer = Dialogue::greeted(stream).await;
    peer.send(
        b"MAIL FROM:<a@ch.test>\r\nRCPT TO:<unknown@ehpad.test>\r\nDATA\r\n\
          MAIL FROM:<b@ch.test>\r\nRCPT TO:<idel@ehpad.test>\r\nDATA\r\n",
    )
    .await;
    peer.expect("250 ").await;
    peer.expect("550 ").await;
    peer.expect("554 5.5.0").await;
    peer.expect_close().await;
    assert!(taken.lock().unwrap().is_empty());
}

#[tokio::test]
async fn faulty_commands_are_counted() {
    let (stream, _, _serving) = start(settings(Role::Relay));
    let mut peer = Dialogue::greeted(stream).await;
    let long = "a".repeat(3000);
    let faults = [
        ("", "500 "),
        ("NONSENSE", "500 5.5.2"),
        ("NOOP\0", "500 5.5.2"),
        ("RCPT TO:<h\u{e9}l@ehpad.test>", "553 5.6.7"),
        (long.as_str(), "500 5.5.6"),
        ("MAIL FROM:<a@ch.test> SMTPUTF8", "555 5.5.4"),
        ("MAIL FROM:<a@ch.test", "501 5.5.4"),
        ("DATA", "503 "),
        ("STARTTLS", "502 "),
        ("EXPN list", "500 "),
        ("EHLO", "501 "),
    ];
    // DATA without MAIL is also what a pipelining client says after a refusal: not counted.
    for (line, answer) in faults {
        peer.ask(line, answer).await;
    }
    peer.expect("421 4.7.0 Too many errors").await;
    peer.expect_close().await;
}

#[tokio::test]
async fn commands_that_bring_no_mail_are_counted() {
    let (stream, _, _serving) = start(settings(Role::Relay));
    let mut peer = Dialogue::greeted(stream).await;
    for _ in 0..99 {
        peer.ask("NOOP", "250 ").await;
    }
    peer.ask("RSET", "250 ").await;
    peer.expect("421 4.7.0").await;
    peer.expect_close().await;
}
