//! What the state machine refuses by itself reaches the session for its log, once in a row, and
//! holds nothing that the client sent.

use crate::support;

use liaison_mail::{Recipient, Refusal};
use liaison_smtp::io::{Session, Taken, Timeouts, serve};
use liaison_smtp::reply::FixedReply;
use liaison_smtp::server::Role;
use liaison_smtp::{Content, Mail, Transaction};
use support::{Dialogue, settings};
use tokio::io::duplex;

#[derive(Default)]
struct Log(Vec<FixedReply>);

impl Session for Log {
    async fn mail(&mut self, _: &Mail) -> Result<(), Refusal> {
        Ok(())
    }

    async fn recipient(&mut self, _: &Recipient) -> Result<(), Refusal> {
        Ok(())
    }

    async fn message(&mut self, _: Transaction, _: Content) -> Taken {
        Ok(()).into()
    }

    fn fault(&mut self, reply: &FixedReply) {
        self.0.push(*reply);
    }
}

#[tokio::test]
async fn a_fault_is_told_to_the_session() {
    let (theirs, ours) = duplex(4096);
    let serving = tokio::spawn(async move {
        let mut log = Log::default();
        let stop = std::future::pending();
        let timeouts = Timeouts::default();
        let ended = serve(ours, settings(Role::Relay), &mut log, &timeouts, stop).await;
        assert!(ended.is_ok());
        log.0
    });
    let mut peer = Dialogue::greeted(theirs).await;
    for _ in 0..3 {
        peer.ask("CANARI", "500 5.5.2").await;
    }
    peer.ask("RCPT TO:<canari@ehpad.test>", "503 5.5.1").await;
    peer.ask("MAIL FROM:<canari@ch.test>", "250 ").await;
    peer.ask("RCPT TO:<canari@ehpad.test>", "250 ").await;
    peer.ask("DATA", "354 ").await;
    peer.ask("CANARI\nCANARI\r\n.", "554 5.6.0").await;
    peer.ask("QUIT", "221 ").await;
    peer.expect_close().await;

    let faults = serving.await.unwrap();
    let codes: Vec<_> = faults.iter().map(|fault| fault.code).collect();
    assert_eq!(codes, [500, 503, 554]);
    assert!(!format!("{faults:?}").to_lowercase().contains("canari"));
}
