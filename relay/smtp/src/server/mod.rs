//! The receiving side of SMTP: bytes in, [`Step`] out (RFC 5321 §3 and §4.3).
//!
//! ```text
//!   Greeting ─▶ Command ◀──────────────┐
//!                 │ AUTH ─▶ Sasl ──────┤
//!                 │ DATA, BDAT ▶ Content   Content ends ─▶ Event::Message ─▶ answer
//!                 └ QUIT, 421 ─▶ Closing        STARTTLS ─▶ Handshake
//! ```
//! What needs a decision comes out as an [`Event`]; nothing else happens until
//! [`Server::answer`], or [`Server::defer`] for a message whose answer takes its time: the next
//! commands are then read meanwhile, and all replies leave in order. Commands may be pipelined (RFC 2920); replies are gathered and written when
//! the input is used up. What must not be pipelined (content behind `DATA`, anything behind
//! `STARTTLS`) closes the connection: it is either a broken client or an injection.

mod replies;
mod sasl;
mod session;

use std::collections::VecDeque;
use std::fmt;

use liaison_mail::{Domain, Recipient, Refusal, ReversePath};
use zeroize::Zeroizing;

use crate::command::{ClientName, Dialect};
use crate::data::{ChunkReader, Content, Reader};
use crate::line::LineBuffer;
use crate::reply::FixedReply;
use crate::transaction::{Mail, Transaction};

/// How a server presents itself and what it takes. One value serves all connections of a port.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who is served.
    pub role: Role,
    /// The name in the greeting: the one in the TLS certificate.
    pub hostname: Domain,
    /// State of TLS when the session starts.
    pub tls: Tls,
    /// Largest content taken, in octets (`SIZE`, RFC 1870).
    pub max_size: usize,
    /// Most recipients a transaction, at least 1 (`LIMITS RCPTMAX`, RFC 9422).
    pub max_recipients: usize,
    /// Faulty commands after which the connection is closed.
    pub max_errors: u32,
    /// Whether content may come in chunks (`CHUNKING`, RFC 3030). By default between relays.
    pub chunking: bool,
    /// Octets of a content held in memory. What is beyond comes out as [`Event::Content`] while
    /// the rest is still awaited. By default everything is held.
    pub hold: usize,
    /// Most messages read ahead of the answers to earlier ones, at least 1.
    pub max_deferred: usize,
}

impl Settings {
    /// Default of [`Settings::max_size`]: 25 MiB of attachments in base64.
    pub const MAX_SIZE: usize = 35 * 1024 * 1024;

    /// For a port with implicit TLS, with the default limits.
    pub fn new(role: Role, hostname: Domain) -> Self {
        Self {
            role,
            hostname,
            tls: Tls::Implicit,
            max_size: Self::MAX_SIZE,
            max_recipients: liaison_mail::envelope::MAX_RECIPIENTS,
            max_errors: 10,
            chunking: role == Role::Relay,
            hold: usize::MAX,
            max_deferred: 64,
        }
    }
}

/// Who is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Other relays, known by their TLS certificate; no AUTH; the grammar is strict.
    Relay,
    /// Mail clients (RFC 6409): AUTH before anything else, and the concessions of
    /// [`Dialect::submission`].
    Submission,
}

/// State of TLS when a session starts. There is no session without TLS: see [`Tls::Offered`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// The stream is encrypted from its first octet (RFC 8314 §3.3).
    Implicit,
    /// Plain; `STARTTLS` is announced and nothing else is served before it (RFC 3207 §4).
    Offered,
    /// Encrypted after `STARTTLS`: no greeting, the client starts again with EHLO (RFC 3207 §4.2).
    Started,
}

/// What the driver has to do next.
#[derive(Debug)]
pub enum Step {
    /// Read from the peer, then call [`Server::input`].
    NeedInput,
    /// Write this to the peer.
    Output(Vec<u8>),
    /// Decide, then call [`Server::answer`].
    Event(Event),
    /// An event has not been answered yet, or too many deferred ones have not.
    NeedAnswer,
    /// All is written: do the TLS handshake, and start a new server with [`Tls::Started`].
    StartTls,
    /// All is written: close.
    Close,
}

/// What needs a decision.
#[derive(Debug)]
pub enum Event {
    /// The client named itself; also ends a transaction under way.
    Hello(ClientName),
    /// The client gave a user and a password (submission only, under TLS).
    Authenticate(Credentials),
    /// A transaction starts; it replaces any earlier one.
    Mail(Mail),
    /// A recipient of the transaction. The same address again is not asked about again.
    Recipient(Recipient),
    /// A piece of the content of the transaction under way, in order: [`Settings::hold`] is
    /// exceeded. No means that the content is read to its end and refused in these words.
    Content(Vec<u8>),
    /// A complete message, without the pieces taken before. Yes means: durable, and ours to carry from now on (§4.2.5).
    Message(Transaction, Content),
}

/// The decision on an [`Event`].
///
/// A refusal with code 421 also closes the connection (§3.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Accept,
    /// No, in these words.
    Refuse(Refusal),
}

impl From<Result<(), Refusal>> for Answer {
    fn from(result: Result<(), Refusal>) -> Self {
        match result {
            Ok(()) => Self::Accept,
            Err(refusal) => Self::Refuse(refusal),
        }
    }
}

/// A user and a password, wiped when dropped and never shown.
pub struct Credentials {
    /// The user, as given: UTF-8, 1 to 255 octets, no NUL.
    pub user: String,
    /// The password, as given: UTF-8, at least 1 octet, no NUL.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(redacted)")
    }
}

/// One session. See the module's drawing.
pub struct Server {
    settings: Settings,
    dialect: Dialect,
    input: LineBuffer,
    output: Vec<u8>,
    /// What stands behind the reply to each deferred message.
    behind: VecDeque<Vec<u8>>,
    phase: Phase,
    awaiting: Option<Awaiting>,
    said_hello: bool,
    authenticated: bool,
    transaction: Option<Transaction>,
    /// The content of the transaction, between two chunks of it.
    chunks: Option<ChunkReader>,
    /// Whether the transaction had a refused recipient, which explains an empty one.
    refused_recipient: bool,
    errors: u32,
    idle_commands: u32,
    failed_logins: u32,
    /// What was refused since [`Server::take_faults`], and the last of all.
    faults: Vec<FixedReply>,
    last_fault: Option<FixedReply>,
}

enum Phase {
    Command,
    Sasl(sasl::Exchange),
    Content(Reader),
    Chunk(ChunkReader),
    Handshake,
    Closing,
}

/// The event that waits for its answer.
enum Awaiting {
    Hello { extended: bool },
    Authenticate,
    Mail(Mail),
    Recipient(Recipient),
    Content,
    Message,
}

/// Replies are written once this much has gathered, in octets, even while input is left: a client
/// that pipelines without reading must not make them grow.
const FLUSH: usize = 4096;

impl Server {
    /// A session at its start; the first step is the greeting, unless TLS has just been started.
    pub fn new(settings: Settings) -> Self {
        let host = settings.hostname.clone();
        let mut server = Self {
            dialect: Dialect {
                chunking: settings.chunking,
                ..match settings.role {
                    Role::Relay => Dialect::strict(host),
                    Role::Submission => Dialect::submission(host),
                }
            },
            settings,
            input: LineBuffer::default(),
            output: Vec::new(),
            behind: VecDeque::new(),
            phase: Phase::Command,
            awaiting: None,
            said_hello: false,
            authenticated: false,
            transaction: None,
            chunks: None,
            refused_recipient: false,
            errors: 0,
            idle_commands: 0,
            failed_logins: 0,
            faults: Vec::new(),
            last_fault: None,
        };
        if server.settings.tls != Tls::Started {
            let greeting = format!("{} ESMTP Liaison", server.settings.hostname);
            crate::reply::write_lines(&mut server.output, 220, &[greeting]);
        }
        server
    }

    /// Adds what was read. To be called after [`Step::NeedInput`]: input is held until it is used.
    pub fn input(&mut self, bytes: &[u8]) {
        self.input.extend(bytes);
    }

    /// What to do next.
    pub fn step(&mut self) -> Step {
        loop {
            if self.awaiting.is_some() {
                return Step::NeedAnswer;
            }
            if self.output.len() > FLUSH {
                return self.flush();
            }
            let full = self.behind.len() >= self.settings.max_deferred.max(1);
            let progress = match &self.phase {
                Phase::Handshake | Phase::Closing if !self.output.is_empty() => Progress::Stuck,
                Phase::Handshake | Phase::Closing if !self.behind.is_empty() => {
                    return Step::NeedAnswer;
                }
                Phase::Command if full && self.output.is_empty() => {
                    return Step::NeedAnswer;
                }
                Phase::Command if full => Progress::Stuck,
                Phase::Command | Phase::Sasl(_) => self.take_line(),
                Phase::Content(_) | Phase::Chunk(_) => self.take_content(),
                Phase::Handshake => return Step::StartTls,
                Phase::Closing => return Step::Close,
            };
            match progress {
                Progress::On => {}
                Progress::Event(event) => return Step::Event(event),
                Progress::Stuck if !self.output.is_empty() => return self.flush(),
                Progress::Stuck => return Step::NeedInput,
            }
        }
    }

    /// Gives the decision on the last event. Without one under way, nothing happens.
    pub fn answer(&mut self, answer: Answer) {
        if let Some(awaiting) = self.awaiting.take() {
            self.conclude(awaiting, answer);
        }
    }

    /// Puts the decision on a message off: what the client says next is read meanwhile. To be
    /// called instead of [`Server::answer`]; elsewhere nothing happens.
    pub fn defer(&mut self) {
        if matches!(self.awaiting, Some(Awaiting::Message)) {
            self.awaiting = None;
            self.behind.push_back(Vec::new());
        }
    }

    /// Gives the decision on the message that was deferred first.
    pub fn answer_deferred(&mut self, answer: Answer) {
        if let Some(behind) = self.behind.pop_front() {
            self.conclude_deferred(answer, &behind);
        }
    }

    /// How many messages wait for [`Server::answer_deferred`].
    pub fn deferred(&self) -> usize {
        self.behind.len()
    }

    /// What the client was refused for breaking the protocol, since the last call: for the log.
    /// The same fault several times in a row is given once. Holds nothing that the client sent.
    pub fn take_faults(&mut self) -> Vec<FixedReply> {
        std::mem::take(&mut self.faults)
    }

    /// Whether content is being received: the client has the word until the final dot.
    pub fn is_receiving_content(&self) -> bool {
        matches!(self.phase, Phase::Content(_) | Phase::Chunk(_)) || self.chunks.is_some()
    }

    /// Ends the session with 421 (§3.8): the server is being stopped. What is under way is given
    /// up; the client will try again.
    pub fn shut_down(&mut self) {
        self.close_with(replies::SHUTTING_DOWN);
        // It is no fault of the client's.
        self.faults.retain(|fault| *fault != replies::SHUTTING_DOWN);
    }

    /// Ends the session with 421 (§4.5.3.2.7): the client was silent too long.
    pub fn time_out(&mut self) {
        self.close_with(replies::TIMED_OUT);
    }

    fn flush(&mut self) -> Step {
        Step::Output(std::mem::take(&mut self.output))
    }
}

/// What became of the input at hand.
enum Progress {
    /// Something was done; look again.
    On,
    /// The driver must decide.
    Event(Event),
    /// More input is needed.
    Stuck,
}

/// The reverse path's mailbox stays out: `Debug` of a server may be logged.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let null = |t: &Transaction| t.mail.from == ReversePath::Null;
        f.debug_struct("Server")
            .field("role", &self.settings.role)
            .field("authenticated", &self.authenticated)
            .field("reports", &self.transaction.as_ref().map(null))
            .finish_non_exhaustive()
    }
}
