//! RFC 2920: groups of commands, and what stands behind a final dot, are answered one by one.

use crate::support;

use liaison_smtp::server::Role;
use support::{Dialogue, settings, start};

#[tokio::test]
async fn a_group_is_answered_in_its_order() {
    let (stream, taken, _serving) = start(settings(Role::Relay));
    let mut peer = Dialogue::greeted(stream).await;
    peer.send(
        b"MAIL FROM:<a@ch.test>\r\nRCPT TO:<unknown@ehpad.test>\r\nRCPT TO:<idel@ehpad.test>\r\n\
          RCPT TO:<IDEL@ehpad.test>\r\nDATA\r\n",
    )
    .await;
    for start in ["250 2.1.0", "550 5.1.1", "250 2.1.5", "250 2.1.5", "354 "] {
        peer.expect(start).await;
    }
    peer.send(b"one\r\n.\r\nNOOP\r\nMAIL FROM:<>\r\nRCPT TO:<accueil@ehpad.test>\r\nDATA\r\n")
        .await;
    for start in [
        "250 2.0.0 Message",
        "250 2.0.0 OK",
        "250 2.1.0",
        "250 2.1.5",
        "354 ",
    ] {
        peer.expect(start).await;
    }
    peer.send(b"two\r\n.\r\nQUIT\r\n").await;
    peer.expect("250 2.0.0 Message").await;
    peer.expect("221 ").await;
    peer.expect_close().await;
    let taken = taken.lock().unwrap();
    let contents: Vec<_> = taken
        .iter()
        .map(|(_, content)| content.as_bytes())
        .collect();
    assert_eq!(contents, [b"one\r\n", b"two\r\n"]);
    // The same mailbox in another case was not added twice.
    assert_eq!(taken[0].0.recipients.len(), 1);
}

#[tokio::test]
async fn data_without_a_valid_recipient_is_refused() {
    let (stream, _, _serving) = start(settings(Role::Relay));
    let mut peer = Dialogue::greeted(stream).await;
    peer.ask("DATA", "503 5.5.1 Say MAIL").await;
    peer.ask("RCPT TO:<idel@ehpad.test>", "503 5.5.1 Say MAIL")
        .await;
    peer.ask("MAIL FROM:<a@ch.test>", "250 ").await;
    peer.ask("MAIL FROM:<a@ch.test>", "503 5.5.1 A transaction")
        .await;
    peer.ask("DATA", "503 5.5.1 Say RCPT").await;
    peer.ask("RCPT TO:<unknown@ehpad.test>", "550 ").await;
    peer.ask("DATA", "554 5.5.1 No valid").await;
    peer.ask("RSET", "250 ").await;
    peer.ask("RCPT TO:<idel@ehpad.test>", "503 ").await;
}

#[tokio::test]
async fn limits_on_size_and_recipients_are_kept() {
    let mut narrow = settings(Role::Relay);
    narrow.max_size = 20;
    narrow.max_recipients = 1;
    let (stream, taken, _serving) = start(narrow);
    let mut peer = Dialogue::greeted(stream).await;
    peer.ask("MAIL FROM:<a@ch.test> SIZE=21", "552 5.3.4").await;
    peer.ask("MAIL FROM:<a@ch.test> SIZE=20", "250 ").await;
    peer.ask("RCPT TO:<idel@ehpad.test>", "250 ").await;
    peer.ask("RCPT TO:<accueil@ehpad.test>", "452 4.5.3").await;
    peer.ask("DATA", "354 ").await;
    // Lied about its size; the server reads on to the end, then goes on.
    peer.ask("0123456789012345678\r\n.", "552 5.3.4").await;
    peer.ask("MAIL FROM:<a@ch.test>", "250 ").await;
    peer.ask("RCPT TO:<idel@ehpad.test>", "250 ").await;
    peer.ask("DATA", "354 ").await;
    peer.ask("012345678901234567\r\n.", "250 ").await;
    assert_eq!(taken.lock().unwrap().len(), 1);
    peer.ask("MAIL FROM:<a@ch.test>", "250 ").await;
    peer.ask("RCPT TO:<idel@ehpad.test>", "250 ").await;
    peer.ask("DATA", "354 ").await;
    peer.say(&"9".repeat(200)).await;
    peer.expect("421 4.3.4").await;
    peer.expect_close().await;
}

#[tokio::test]
async fn a_refusal_with_421_also_closes() {
    let (stream, _, _serving) = start(settings(Role::Relay));
    let mut peer = Dialogue::greeted(stream).await;
    peer.ask("MAIL FROM:<a@ch.test>", "250 ").await;
    peer.ask("RCPT TO:<leaving@ehpad.test>", "421 4.3.0 going down")
        .await;
    peer.expect_close().await;
}
