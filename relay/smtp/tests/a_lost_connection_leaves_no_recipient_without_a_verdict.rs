//! The peer goes away at each point of the dialogue: every recipient can be tried again, refused
//! ones stay refused, and only after the final dot is there doubt.
#![allow(clippy::unwrap_used, reason = "a failure here fails the scenario")]

use crate::support;

use liaison_mail::Verdict;
use liaison_smtp::SmtpError;
use liaison_smtp::client::Outcome;
use liaison_smtp::io::{Connection, Timeouts};
use support::{Dialogue, domain, envelope};
use tokio::io::duplex;

const EHLO: &str = "250-peer.test\r\n250-PIPELINING\r\n250 DSN";

/// Sends to two recipients; the peer gives `answers` in turn (`None`: reads the content first),
/// then closes.
async fn send_to(answers: &'static [Option<&'static str>]) -> (Outcome, bool) {
    let (ours, theirs) = duplex(64 * 1024);
    let peer = tokio::spawn(async move {
        let mut peer = Dialogue::on(theirs);
        peer.say("220 peer.test").await;
        peer.line().await;
        peer.say(EHLO).await;
        for _ in ["MAIL", "RCPT", "RCPT", "DATA"] {
            peer.line().await;
        }
        for answer in answers {
            match answer {
                Some(answer) => peer.say(answer).await,
                None => drop(peer.content().await),
            }
        }
    });
    let mut connection = Connection::open(ours, domain("relay.ch.test"), Timeouts::default())
        .await
        .unwrap();
    let outcome = connection
        .send(&envelope(&["unknown", "idel"]), b"a\r\n")
        .await
        .unwrap();
    peer.await.unwrap();
    (outcome, connection.is_reusable())
}

fn code(verdict: &Verdict) -> u16 {
    match verdict {
        Verdict::Accepted => 250,
        Verdict::Refused(refusal) => refusal.code.get(),
    }
}

#[tokio::test]
async fn each_recipient_has_a_verdict_wherever_the_peer_leaves() {
    type Case = (&'static [Option<&'static str>], [u16; 2], bool);
    let cases: [Case; 8] = [
        (&[], [451, 451], false),
        (&[Some("250 ok")], [451, 451], false),
        (&[Some("250 ok"), Some("550 5.1.1 no")], [550, 451], false),
        (
            &[Some("250 ok"), Some("550 no"), Some("250 ok")],
            [550, 451],
            false,
        ),
        (
            &[
                Some("250 ok"),
                Some("550 no"),
                Some("250 ok"),
                Some("354 go"),
                None,
            ],
            [550, 451],
            true,
        ),
        // An answer to the content, even while leaving, ends the doubt.
        (
            &[
                Some("250 ok"),
                Some("550 no"),
                Some("250 ok"),
                Some("354 go"),
                None,
                Some("421 bye"),
            ],
            [550, 421],
            false,
        ),
        (
            &[
                Some("250 ok"),
                Some("550 no"),
                Some("250 ok"),
                Some("451 4.3.0 not now"),
            ],
            [550, 451],
            false,
        ),
        (&[Some("421 4.3.2 closing")], [421, 421], false),
    ];
    for (answers, codes, in_doubt) in cases {
        let (outcome, _) = send_to(answers).await;
        let given: Vec<u16> = outcome.verdicts.iter().map(code).collect();
        assert_eq!(
            (given.as_slice(), outcome.in_doubt),
            (&codes[..], in_doubt),
            "{answers:?}"
        );
    }
}

#[tokio::test]
async fn an_acceptance_heard_before_the_close_counts() {
    let (outcome, _) = send_to(&[
        Some("250 ok"),
        Some("550 no"),
        Some("250 ok"),
        Some("354 go"),
        None,
        Some("250 2.0.0 taken"),
    ])
    .await;
    assert_eq!(code(&outcome.verdicts[1]), 250);
}

/// The content is far larger than the pipe: the peer has not read its end when it answers.
#[tokio::test]
async fn an_answer_in_mid_content_is_heard_only_if_it_is_no() {
    for (answer, verdict) in [("552 5.3.4 too much", 552), ("250 2.0.0 thanks", 451)] {
        let (ours, theirs) = duplex(1024);
        let peer = tokio::spawn(async move {
            let mut peer = Dialogue::on(theirs);
            peer.say("220 peer.test").await;
            peer.line().await;
            peer.say(EHLO).await;
            for _ in ["MAIL", "RCPT", "DATA"] {
                peer.line().await;
            }
            peer.say("250 ok\r\n250 ok\r\n354 go").await;
            peer.line().await;
            peer.say(answer).await;
        });
        let mut connection = Connection::open(ours, domain("relay.ch.test"), Timeouts::default())
            .await
            .unwrap();
        let content = b"a line of the message\r\n".repeat(50_000);
        let outcome = connection
            .send(&envelope(&["idel"]), &content)
            .await
            .unwrap();
        assert_eq!(code(&outcome.verdicts[0]), verdict);
        assert!(!outcome.in_doubt && !connection.is_reusable());
        peer.await.unwrap();
    }
}

#[tokio::test]
async fn a_peer_that_breaks_the_protocol_is_left() {
    for answers in [
        &[Some("350 what")][..],
        &[Some("hello")],
        &[
            Some("250 ok"),
            Some("250 ok"),
            Some("250 ok"),
            Some("250 instead of 354"),
        ],
    ] {
        let (outcome, reusable) = send_to(answers).await;
        assert!(!reusable && !outcome.in_doubt, "{answers:?}");
        let given: Vec<u16> = outcome.verdicts.iter().map(code).collect();
        assert_eq!(given, [451, 451], "{answers:?}");
    }
}

#[tokio::test]
async fn a_peer_that_wants_no_session_says_why() {
    for (greeting, transient) in [("554 5.7.1 not you", false), ("421 4.3.2 later", true)] {
        let (ours, theirs) = duplex(1024);
        let mut peer = Dialogue::on(theirs);
        peer.say(greeting).await;
        let opened = Connection::open(ours, domain("relay.ch.test"), Timeouts::default()).await;
        let Err(SmtpError::Refused(refusal)) = opened else {
            panic!("{greeting} opened a session");
        };
        assert_eq!(refusal.is_transient(), transient);
    }
    let (ours, theirs) = duplex(1024);
    drop(theirs);
    let opened = Connection::open(ours, domain("relay.ch.test"), Timeouts::default()).await;
    assert!(matches!(opened, Err(SmtpError::Closed | SmtpError::Io(_))));
}
