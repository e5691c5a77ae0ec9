//! What the scenarios share: a server whose answers are chosen by the recipient's local part, and
//! a raw scripted peer.
#![allow(dead_code, reason = "each scenario uses a part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a failure here fails the scenario"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use liaison_mail::{
    Address, Domain, EnhancedStatus, Envelope, EnvelopeId, Notify, Recipient, Refusal, Return,
    ReversePath, Urgency,
};
use liaison_smtp::io::{Ended, Session, Taken, Timeouts, serve};
use liaison_smtp::server::{Credentials, Role, Settings};
use liaison_smtp::{Content, Mail, SmtpError, Transaction};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;

/// Everything that a server accepted.
pub(crate) type Kept = Arc<Mutex<Vec<(Transaction, Content)>>>;

/// A session that knows one account and answers recipients by their local part: `unknown` is
/// refused for good, `later` for now; a message to `full` is refused after its content.
pub(crate) struct Desk {
    pub(crate) taken: Kept,
    /// How long each message takes to be durable, its answer being put off.
    pub(crate) slow: Option<Duration>,
}

impl Session for Desk {
    async fn authenticate(&mut self, credentials: Credentials) -> Result<(), Refusal> {
        match (credentials.user.as_str(), credentials.password.as_str()) {
            ("claire", "secret") => Ok(()),
            _ => Err(Refusal::permanent(535, EnhancedStatus::REFUSED, "no")),
        }
    }

    async fn mail(&mut self, mail: &Mail) -> Result<(), Refusal> {
        match mail.from.address().map(Address::local) {
            Some("forger") => Err(refused("sender not yours")),
            _ => Ok(()),
        }
    }

    async fn recipient(&mut self, recipient: &Recipient) -> Result<(), Refusal> {
        match recipient.address.local() {
            "unknown" => {
                let status = EnhancedStatus::NO_SUCH_MAILBOX;
                Err(Refusal::permanent(550, status, "no such mailbox"))
            }
            "later" => {
                let status = EnhancedStatus::TRY_LATER;
                Err(Refusal::transient(450, status, "mailbox busy"))
            }
            "leaving" => {
                let status = EnhancedStatus::TRY_LATER;
                Err(Refusal::transient(421, status, "going down"))
            }
            _ => Ok(()),
        }
    }

    async fn message(&mut self, transaction: Transaction, content: Content) -> Taken {
        let full = |recipient: &Recipient| recipient.address.local() == "full";
        if transaction.recipients.iter().any(full) {
            let status = EnhancedStatus::TRY_LATER;
            return Err(Refusal::transient(452, status, "disk full")).into();
        }
        let (taken, slow) = (Arc::clone(&self.taken), self.slow);
        let keep = move || taken.lock().unwrap().push((transaction, content));
        match slow {
            None => {
                keep();
                Ok(()).into()
            }
            Some(wait) => Taken::Later(Box::pin(async move {
                tokio::time::sleep(wait).await;
                keep();
                Ok(())
            })),
        }
    }
}

fn refused(text: &str) -> Refusal {
    Refusal::permanent(550, EnhancedStatus::REFUSED, text)
}

pub(crate) fn domain(name: &str) -> Domain {
    Domain::parse(name).unwrap()
}

pub(crate) fn settings(role: Role) -> Settings {
    Settings::new(role, domain("relay.ehpad.test"))
}

/// Starts a server on one end of a pipe and gives the other end.
pub(crate) fn start(settings: Settings) -> (DuplexStream, Kept, Serving) {
    start_until(settings, Timeouts::default(), std::future::pending())
}

/// As [`start`], with a server that needs `slow` to make each message durable and reads on
/// meanwhile.
pub(crate) fn start_slow(settings: Settings, slow: Duration) -> (DuplexStream, Kept, Serving) {
    let (ours, theirs) = duplex(1024);
    let taken = Kept::default();
    let mut desk = Desk {
        taken: taken.clone(),
        slow: Some(slow),
    };
    let timeouts = Timeouts::default();
    let never = std::future::pending();
    let serving =
        tokio::spawn(async move { serve(theirs, settings, &mut desk, &timeouts, never).await });
    (ours, taken, serving)
}

pub(crate) type Serving = JoinHandle<Result<Ended<DuplexStream>, SmtpError>>;

pub(crate) fn start_until(
    settings: Settings,
    timeouts: Timeouts,
    stop: impl Future<Output = ()> + Send + 'static,
) -> (DuplexStream, Kept, Serving) {
    // Smaller than a group of a hundred recipients: neither side may rely on the pipe's depth.
    let (ours, theirs) = duplex(1024);
    let taken = Kept::default();
    let mut desk = Desk {
        taken: taken.clone(),
        slow: None,
    };
    let serving =
        tokio::spawn(async move { serve(theirs, settings, &mut desk, &timeouts, stop).await });
    (ours, taken, serving)
}

/// A peer that says exactly what it is told to.
pub(crate) struct Dialogue {
    stream: DuplexStream,
    held: Vec<u8>,
}

/// No scenario takes this long; one that hangs fails instead.
const PATIENCE: Duration = Duration::from_secs(20);

impl Dialogue {
    pub(crate) fn on(stream: DuplexStream) -> Self {
        Self {
            stream,
            held: Vec::new(),
        }
    }

    /// A session with the server's greeting heard and EHLO answered.
    pub(crate) async fn greeted(stream: DuplexStream) -> Self {
        let mut dialogue = Self::on(stream);
        dialogue.expect("220 relay.ehpad.test ESMTP Liaison").await;
        dialogue.say("EHLO relay.ch.test").await;
        dialogue.reply().await;
        dialogue
    }

    pub(crate) async fn say(&mut self, line: &str) {
        self.send(format!("{line}\r\n").as_bytes()).await;
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Says a line and checks how the reply starts.
    pub(crate) async fn ask(&mut self, line: &str, start: &str) {
        self.say(line).await;
        self.expect(start).await;
    }

    pub(crate) async fn expect(&mut self, start: &str) {
        let line = self.line().await;
        assert!(
            line.starts_with(start),
            "expected {start:?}, heard {line:?}"
        );
    }

    /// The next reply, all of its lines.
    pub(crate) async fn reply(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await;
            let last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line);
            if last {
                return lines;
            }
        }
    }

    pub(crate) async fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.held.windows(2).position(|w| w == b"\r\n") {
                let mut line: Vec<u8> = self.held.drain(..end + 2).collect();
                line.truncate(end);
                return String::from_utf8(line).unwrap();
            }
            assert!(self.more().await, "closed while a line was expected");
        }
    }

    /// Everything until the next end of content, without it.
    pub(crate) async fn content(&mut self) -> Vec<u8> {
        loop {
            if let Some(end) = self.held.windows(5).position(|w| w == b"\r\n.\r\n") {
                let mut content: Vec<u8> = self.held.drain(..end + 5).collect();
                content.truncate(end + 2);
                return content;
            }
            assert!(self.more().await, "closed while content was expected");
        }
    }

    pub(crate) async fn expect_close(&mut self) {
        while self.more().await {}
        assert_eq!(
            String::from_utf8_lossy(&self.held),
            "",
            "said before closing"
        );
    }

    async fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let reading = self.stream.read(&mut buffer);
        let count = tokio::time::timeout(PATIENCE, reading)
            .await
            .expect("nothing heard")
            .unwrap_or(0);
        self.held.extend_from_slice(&buffer[..count]);
        count > 0
    }
}

/// An envelope from the hospital, whose sender wants to hear everything.
pub(crate) fn envelope(recipients: &[&str]) -> Envelope {
    let recipient = |local: &&str| Recipient {
        address: Address::parse(&format!("{local}@ehpad.test")).unwrap(),
        original: None,
        notify: Notify::ALL,
    };
    Envelope {
        id: EnvelopeId::parse("n1=v1+a").unwrap(),
        from: ReversePath::parse("garde@ch.test").unwrap(),
        recipients: recipients.iter().map(recipient).collect(),
        ret: Return::Headers,
        urgency: Urgency::Urgent,
    }
}
