//! Two relays: what one sends is what the other holds, and each recipient has its own verdict.

use crate::support;

use liaison_mail::{EnvelopeId, Urgency, Verdict};
use liaison_smtp::SmtpError;
use liaison_smtp::io::{Connection, Ended, Timeouts};
use liaison_smtp::server::Role;
use support::{domain, envelope, settings, start};

const MESSAGE: &[u8] = b"Subject: ...\r\n\r\n.\r\n..two dots\r\n  trailing  \r\n\r\n";

fn refusal_code(verdict: &Verdict) -> Option<u16> {
    match verdict {
        Verdict::Accepted => None,
        Verdict::Refused(refusal) => Some(refusal.code.get()),
    }
}

#[tokio::test]
async fn accepted_recipients_get_the_message_although_others_are_refused() {
    let (stream, taken, serving) = start(settings(Role::Relay));
    let mut connection = Connection::open(stream, domain("relay.ch.test"), Timeouts::default())
        .await
        .unwrap();
    let envelope = envelope(&["idel", "unknown", "accueil", "later"]);
    let outcome = connection.send(&envelope, MESSAGE).await.unwrap();
    let codes: Vec<_> = outcome.verdicts.iter().map(refusal_code).collect();
    assert_eq!(codes, [None, Some(550), None, Some(450)]);
    assert!(outcome.peer_dsn && !outcome.in_doubt && connection.is_reusable());
    connection.quit().await;
    assert!(matches!(serving.await.unwrap(), Ok(Ended::Closed)));

    let taken = taken.lock().unwrap();
    let (transaction, content) = &taken[0];
    assert_eq!(content.as_bytes(), MESSAGE);
    let never = || EnvelopeId::parse("never").unwrap();
    let received = transaction.clone().into_envelope(never);
    let mut expected = envelope.clone();
    expected.recipients = vec![
        envelope.recipients[0].clone(),
        envelope.recipients[2].clone(),
    ];
    assert_eq!(received, expected);
    assert_eq!(received.urgency, Urgency::Urgent);
}

#[tokio::test]
async fn one_connection_carries_many_messages_whatever_becomes_of_each() {
    let (stream, taken, _serving) = start(settings(Role::Relay));
    let mut connection = Connection::open(stream, domain("relay.ch.test"), Timeouts::default())
        .await
        .unwrap();
    for (recipients, codes) in [
        (vec!["idel"], vec![None]),
        (vec!["unknown", "later"], vec![Some(550), Some(450)]),
        (vec!["idel", "full"], vec![Some(452), Some(452)]),
        (vec!["accueil"], vec![None]),
    ] {
        let outcome = connection
            .send(&envelope(&recipients), MESSAGE)
            .await
            .unwrap();
        let given: Vec<_> = outcome.verdicts.iter().map(refusal_code).collect();
        assert_eq!(given, codes, "{recipients:?}");
    }
    let mut forged = envelope(&["idel"]);
    forged.from = "forger@ch.test".to_owned().try_into().unwrap();
    let outcome = connection.send(&forged, MESSAGE).await.unwrap();
    assert_eq!(refusal_code(&outcome.verdicts[0]), Some(550));
    let outcome = connection
        .send(&envelope(&["idel"]), MESSAGE)
        .await
        .unwrap();
    assert_eq!(outcome.verdicts, [Verdict::Accepted]);
    assert_eq!(taken.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_hundred_recipients_and_a_large_message_cross_a_narrow_pipe() {
    let (stream, taken, _serving) = start(settings(Role::Relay));
    let mut connection = Connection::open(stream, domain("relay.ch.test"), Timeouts::default())
        .await
        .unwrap();
    let names: Vec<String> = (0..100).map(|n| format!("resident{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let message = b"\r\n.".repeat(100_000);
    let message = [message.as_slice(), b"\r\n"].concat();
    let (envelope, sent) = (envelope(&names), message.clone());
    // On a task of its own, as a relay with many connections does.
    let sending = tokio::spawn(async move { connection.send(&envelope, &sent).await });
    let outcome = sending.await.unwrap().unwrap();
    assert_eq!(outcome.verdicts, vec![Verdict::Accepted; 100]);
    let taken = taken.lock().unwrap();
    assert_eq!(taken[0].0.recipients.len(), 100);
    assert_eq!(taken[0].1.as_bytes(), message);
}

#[tokio::test]
async fn what_cannot_be_sent_unaltered_is_not_sent() {
    let (stream, taken, _serving) = start(settings(Role::Relay));
    let mut connection = Connection::open(stream, domain("relay.ch.test"), Timeouts::default())
        .await
        .unwrap();
    for content in [&b"a\n.\r\nb\r\n"[..], b"a\r\r\n", b"no line end"] {
        let error = connection.send(&envelope(&["idel"]), content).await;
        assert!(matches!(error, Err(SmtpError::Content(_))), "{content:?}");
    }
    assert!(connection.is_reusable());
    assert!(taken.lock().unwrap().is_empty());
}
