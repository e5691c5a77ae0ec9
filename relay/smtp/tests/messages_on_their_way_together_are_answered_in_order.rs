//! Messages in chunks follow one another without waiting; each gets the answer to it, in order,
//! whatever became of those before.
#![allow(clippy::unwrap_used, reason = "a failure here fails the scenario")]

use crate::support;

use std::time::Duration;

use liaison_mail::{EnvelopeId, Verdict};
use liaison_smtp::client::Announced;
use liaison_smtp::data::Canonical;
use liaison_smtp::io::{Connection, Timeouts};
use liaison_smtp::server::Role;
use support::{Dialogue, domain, envelope, settings, start, start_slow};

#[tokio::test]
async fn a_slow_disk_is_waited_for_once_by_many() {
    let (stream, taken, _serving) = start_slow(settings(Role::Relay), Duration::from_millis(500));
    let name = domain("relay.ch.test");
    let mut connection = Connection::open(stream, name, Timeouts::default())
        .await
        .unwrap();
    let began = tokio::time::Instant::now();
    let recipients = [["a"], ["unknown"], ["b"], ["full"], ["c"]];
    for (number, to) in recipients.iter().enumerate() {
        let mut envelope = envelope(to);
        envelope.id = EnvelopeId::parse(&format!("n{number}")).unwrap();
        let content = format!("Subject: {number}\r\n\r\n.\r\n");
        let announced = Announced::from(Canonical::new(content.as_bytes()).unwrap());
        let (head, tail) = content.as_bytes().split_at(7);
        connection
            .pipeline(&envelope, announced, &[head, tail])
            .unwrap();
    }
    connection.flush().await;
    for to in recipients {
        let outcome = connection.outcome().await.unwrap();
        let refused = matches!(to, ["unknown"] | ["full"]);
        assert_eq!(outcome.verdicts != [Verdict::Accepted], refused, "{to:?}");
    }
    assert!(connection.outcome().await.is_none());
    assert!(connection.is_reusable());
    // One after the other they would have taken three.
    assert!(began.elapsed() < Duration::from_millis(1400));
    let taken = taken.lock().unwrap();
    let ids: Vec<&str> = (taken.iter())
        .map(|(one, _)| one.mail.envelope_id.as_ref().unwrap().as_str())
        .collect();
    assert_eq!(ids, ["n0", "n2", "n4"]);
    assert_eq!(taken[2].1.as_bytes(), b"Subject: 4\r\n\r\n.\r\n");
}

#[tokio::test]
async fn chunks_out_of_place_are_read_and_refused() {
    let (stream, taken, _serving) = start(settings(Role::Relay));
    let mut peer = Dialogue::greeted(stream).await;
    // What is in a chunk is never read as commands.
    peer.send(b"BDAT 6\r\nQUIT\r\n").await;
    peer.expect("503 5.5.1 Say MAIL first").await;
    peer.ask("MAIL FROM:<a@ch.test>", "250").await;
    peer.ask("RCPT TO:<unknown@ehpad.test>", "550").await;
    peer.send(b"BDAT 6 LAST\r\nQUIT\r\n").await;
    peer.expect("554 5.5.1 No valid recipients").await;
    peer.ask("RCPT TO:<b@ehpad.test>", "250").await;
    peer.send(b"BDAT 3\r\na\r\n").await;
    peer.expect("250 2.0.0 Chunk received").await;
    peer.ask("DATA", "503 5.5.1 A message is being sent in chunks")
        .await;
    peer.ask("RCPT TO:<c@ehpad.test>", "503").await;
    peer.ask("NOOP", "250").await;
    peer.send(b"BDAT 0\r\nBDAT 3 LAST\r\nb\r\n").await;
    peer.expect("250 2.0.0 Chunk received").await;
    peer.expect("250 2.0.0 Message accepted").await;
    assert_eq!(taken.lock().unwrap()[0].1.as_bytes(), b"a\r\nb\r\n");
    // RSET forgets the chunks before it.
    peer.ask("MAIL FROM:<a@ch.test>", "250").await;
    peer.ask("RCPT TO:<b@ehpad.test>", "250").await;
    peer.send(b"BDAT 3\r\nx\r\nRSET\r\n").await;
    peer.expect("250").await;
    peer.expect("250").await;
    peer.send(b"BDAT 3 LAST\r\ny\r\n").await;
    peer.expect("503").await;
    assert_eq!(taken.lock().unwrap().len(), 1);
}

/// A message in chunks may have to leave by DATA, so that its lines must end as DATA's.
#[tokio::test]
async fn a_chunk_with_another_line_end_is_refused() {
    let (stream, taken, _serving) = start(settings(Role::Relay));
    let mut peer = Dialogue::greeted(stream).await;
    for chunk in ["a\nb\r\n", "a\r\n.\n", "a\rb\r\n", "a\r\nb"] {
        peer.ask("MAIL FROM:<a@ch.test>", "250").await;
        peer.ask("RCPT TO:<b@ehpad.test>", "250").await;
        peer.send(format!("BDAT {} LAST\r\n{chunk}", chunk.len()).as_bytes())
            .await;
        peer.expect("554 5.6.0").await;
    }
    assert!(taken.lock().unwrap().is_empty());
    // No size, no end: the connection is closed.
    peer.ask("BDAT LAST", "501 5.5.4").await;
    peer.expect_close().await;
}

#[tokio::test]
async fn more_than_the_limit_in_chunks_is_refused_at_their_end() {
    let mut settings = settings(Role::Relay);
    settings.max_size = 10;
    let (stream, taken, _serving) = start(settings);
    let mut peer = Dialogue::greeted(stream).await;
    peer.ask("MAIL FROM:<a@ch.test>", "250").await;
    peer.ask("RCPT TO:<b@ehpad.test>", "250").await;
    peer.send(b"BDAT 12 LAST\r\n0123456789\r\n").await;
    peer.expect("552 5.3.4").await;
    peer.ask("NOOP", "250").await;
    assert!(taken.lock().unwrap().is_empty());
}
