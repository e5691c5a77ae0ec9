//! The session's rules: which command may come when, and what it leads to.

use super::sasl::{Exchange, Outcome};
use super::{Answer, Awaiting, Event, Phase, Progress, Role, Server, Tls, replies};
use crate::command::{self, Command};
use crate::data::{ChunkReader, Content, ContentFault, Reader, Unusable};
use crate::line::Line;
use crate::reply::{self, FixedReply};
use crate::transaction::{Mail, Transaction};

/// Commands that bring no mail nearer (NOOP, RSET, VRFY…) taken between two messages.
const MAX_IDLE_COMMANDS: u32 = 100;
/// Failed logins a connection; guessing is slowed further by the account's own rate limit.
const MAX_FAILED_LOGINS: u32 = 3;
/// How many times the limit a client may send before it is cut off instead of being read out.
const PATIENCE: u64 = 4;

impl Server {
    pub(super) fn take_line(&mut self) -> Progress {
        let line = match self.input.next_line() {
            Line::Complete(line) => line,
            Line::Incomplete => return Progress::Stuck,
            Line::TooLong => {
                self.phase = Phase::Command;
                self.error(command::LINE_TOO_LONG);
                return Progress::On;
            }
            Line::BareNewline => {
                self.close_with(command::BARE_NEWLINE);
                return Progress::On;
            }
        };
        let phase = std::mem::replace(&mut self.phase, Phase::Command);
        if let Phase::Sasl(exchange) = phase {
            return self.sasl(exchange.respond(&line));
        }
        match Command::parse(&line, &self.dialect) {
            Ok(command) => self.command(command),
            Err(command::CHUNK) => {
                self.close_with(command::CHUNK);
                Progress::On
            }
            Err(refusal) => {
                self.error(refusal);
                Progress::On
            }
        }
    }

    pub(super) fn take_content(&mut self) -> Progress {
        let rest = self.input.rest();
        let hold = self.settings.hold;
        let (taken, complete, excess, piece) = match &mut self.phase {
            Phase::Content(reader) => {
                let taken = reader.read(rest);
                (
                    taken,
                    reader.is_complete(),
                    reader.excess(),
                    reader.spill(hold),
                )
            }
            Phase::Chunk(reader) => {
                let taken = reader.read(rest);
                (
                    taken,
                    reader.is_complete(),
                    reader.excess(),
                    reader.spill(hold),
                )
            }
            _ => return Progress::On,
        };
        self.input.consume(taken);
        if let Some(piece) = piece {
            return self.ask(Awaiting::Content, Event::Content(piece));
        }
        if complete {
            return self.end_of_content();
        }
        let limit = (self.settings.max_size as u64).saturating_mul(PATIENCE);
        if excess > limit {
            self.close_with(replies::TOO_MUCH);
            return Progress::On;
        }
        Progress::Stuck
    }

    /// Carries out the decision on a deferred message; `behind` was said since.
    pub(super) fn conclude_deferred(&mut self, answer: Answer, behind: &[u8]) {
        let mut reply = Vec::new();
        match answer {
            Answer::Accept => {
                replies::MESSAGE_OK.write(&mut reply);
                self.message_taken();
            }
            Answer::Refuse(refusal) => {
                reply::write_refusal(&mut reply, &refusal);
                if refusal.code.get() == 421 {
                    self.phase = Phase::Closing;
                }
            }
        }
        reply.extend_from_slice(behind);
        self.output.extend_from_slice(&reply);
    }

    fn message_taken(&mut self) {
        self.idle_commands = 0;
        self.errors = 0;
    }

    /// Where replies go: behind those that are still to come.
    pub(super) fn voice(&mut self) -> &mut Vec<u8> {
        self.behind.back_mut().unwrap_or(&mut self.output)
    }

    /// Carries out the decision on an event.
    pub(super) fn conclude(&mut self, awaiting: Awaiting, answer: Answer) {
        if let (Awaiting::Content, Answer::Refuse(refusal)) = (&awaiting, &answer) {
            match &mut self.phase {
                Phase::Content(reader) => reader.refuse(refusal.clone()),
                Phase::Chunk(reader) => reader.refuse(refusal.clone()),
                _ => {}
            }
            return;
        }
        if let Answer::Refuse(refusal) = answer {
            reply::write_refusal(self.voice(), &refusal);
            if refusal.code.get() == 421 {
                self.phase = Phase::Closing;
            }
            match awaiting {
                Awaiting::Recipient(_) => self.refused_recipient = true,
                Awaiting::Authenticate => self.failed_login(),
                _ => {}
            }
            return;
        }
        match awaiting {
            Awaiting::Hello { extended } => {
                self.said_hello = true;
                let lines = match extended {
                    true => self.extensions(),
                    false => vec![self.settings.hostname.to_string()],
                };
                reply::write_lines(self.voice(), 250, &lines);
            }
            Awaiting::Authenticate => {
                self.authenticated = true;
                self.say(replies::LOGGED_IN);
            }
            Awaiting::Mail(mail) => {
                self.refused_recipient = false;
                self.transaction = Some(Transaction {
                    mail,
                    recipients: Vec::new(),
                });
                self.say(replies::SENDER_OK);
            }
            Awaiting::Recipient(recipient) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.recipients.push(recipient);
                }
                self.say(replies::RECIPIENT_OK);
            }
            Awaiting::Content => {}
            Awaiting::Message => {
                self.message_taken();
                self.say(replies::MESSAGE_OK);
            }
        }
    }

    pub(super) fn close_with(&mut self, last_words: FixedReply) {
        if !matches!(self.phase, Phase::Closing | Phase::Handshake) {
            self.say(last_words);
        }
        self.awaiting = None;
        self.forget_transaction();
        self.phase = Phase::Closing;
    }

    fn forget_transaction(&mut self) {
        self.transaction = None;
        self.chunks = None;
    }

    fn command(&mut self, command: Command) -> Progress {
        match command {
            // RFC 3030 §2: nothing else may come between two chunks of a message.
            Command::Mail(_) | Command::Rcpt(_) | Command::Data if self.chunks.is_some() => {
                self.fault(replies::CHUNKS_FIRST)
            }
            Command::Bdat { size, last } => self.chunk(size, last),
            Command::Ehlo(name) => self.hello(true, name),
            Command::Helo(name) => self.hello(false, name),
            Command::Auth(mechanism, initial) => match self.auth_objection() {
                Some(objection) => self.fault(objection),
                None => self.sasl(Exchange::start(mechanism, initial.as_ref())),
            },
            Command::StartTls => self.start_tls(),
            Command::Mail(mail) => self.mail(mail),
            Command::Rcpt(recipient) => self.recipient(recipient),
            Command::Data => self.data(),
            // A client that pipelines says it before each message (RFC 3030 §2).
            Command::Rset if self.transaction.is_some() => {
                self.forget_transaction();
                self.say(replies::OK);
                Progress::On
            }
            Command::Rset => self.idle(replies::OK),
            Command::Noop => self.idle(replies::OK),
            Command::Vrfy => self.idle(replies::CANNOT_VERIFY),
            Command::Help => self.idle(replies::HELP),
            Command::Quit => {
                self.close_with(replies::GOODBYE);
                Progress::On
            }
            Command::Foreign => {
                self.close_with(replies::FOREIGN);
                Progress::On
            }
        }
    }

    fn hello(&mut self, extended: bool, name: command::ClientName) -> Progress {
        // RFC 5321 §4.1.4: EHLO clears everything, as RSET does.
        self.forget_transaction();
        self.count_idle();
        if matches!(self.phase, Phase::Closing) {
            return Progress::On;
        }
        self.ask(Awaiting::Hello { extended }, Event::Hello(name))
    }

    fn extensions(&self) -> Vec<String> {
        let mut lines = vec![
            self.settings.hostname.to_string(),
            "PIPELINING".to_owned(),
            "8BITMIME".to_owned(),
            "ENHANCEDSTATUSCODES".to_owned(),
            "DSN".to_owned(),
            "MT-PRIORITY".to_owned(),
            format!("SIZE {}", self.settings.max_size),
            format!("LIMITS RCPTMAX={}", self.settings.max_recipients),
        ];
        if self.dialect.chunking {
            lines.push("CHUNKING".to_owned());
        }
        if self.settings.tls != Tls::Offered {
            lines.push("REQUIRETLS".to_owned());
        }
        match (self.settings.tls, self.settings.role) {
            (Tls::Offered, _) => lines.push("STARTTLS".to_owned()),
            (_, Role::Submission) if !self.authenticated => {
                lines.push("AUTH PLAIN LOGIN".to_owned());
            }
            _ => {}
        }
        lines
    }

    fn auth_objection(&self) -> Option<FixedReply> {
        match (self.settings.role, self.settings.tls) {
            (Role::Relay, _) => Some(replies::NO_AUTH),
            (_, Tls::Offered) => Some(replies::ENCRYPT_TO_LOGIN),
            // RFC 4954 §4: once, and not within a transaction.
            _ if self.authenticated || self.transaction.is_some() => Some(replies::AUTH_NOT_NOW),
            _ if !self.said_hello => Some(replies::HELLO_FIRST),
            _ => None,
        }
    }

    fn sasl(&mut self, outcome: Outcome) -> Progress {
        match outcome {
            Outcome::Challenge(challenge, exchange) => {
                self.say(challenge);
                self.phase = Phase::Sasl(exchange);
                Progress::On
            }
            Outcome::Complete(credentials) => {
                self.ask(Awaiting::Authenticate, Event::Authenticate(credentials))
            }
            Outcome::Failed(refusal) => {
                self.say(refusal);
                self.failed_login();
                Progress::On
            }
        }
    }

    fn failed_login(&mut self) {
        self.failed_logins += 1;
        if self.failed_logins >= MAX_FAILED_LOGINS {
            self.close_with(replies::TOO_MANY_LOGINS);
        }
    }

    fn start_tls(&mut self) -> Progress {
        if self.settings.tls != Tls::Offered {
            return self.fault(replies::NO_STARTTLS);
        }
        // What stands behind STARTTLS was not encrypted and could pass for what is (CVE-2011-0411).
        if !self.input.rest().is_empty() {
            self.close_with(replies::EARLY_HANDSHAKE);
            return Progress::On;
        }
        self.say(replies::START_TLS);
        self.phase = Phase::Handshake;
        Progress::On
    }

    fn mail(&mut self, mail: Mail) -> Progress {
        let objection = if !self.said_hello {
            Some(replies::HELLO_FIRST)
        } else if self.settings.tls == Tls::Offered {
            Some(replies::ENCRYPT_FIRST)
        } else if self.settings.role == Role::Submission && !self.authenticated {
            Some(replies::LOGIN_FIRST)
        } else if self.transaction.is_some() {
            Some(replies::NESTED_MAIL)
        } else {
            None
        };
        if let Some(objection) = objection {
            return self.fault(objection);
        }
        // RFC 1870 §6.1: refused before a single octet of it is sent. Not an error of the client.
        if mail
            .size
            .is_some_and(|size| size > self.settings.max_size as u64)
        {
            self.say(replies::TOO_LARGE);
            return Progress::On;
        }
        self.ask(Awaiting::Mail(mail.clone()), Event::Mail(mail))
    }

    fn recipient(&mut self, recipient: liaison_mail::Recipient) -> Progress {
        let Some(transaction) = &self.transaction else {
            return self.fault(replies::MAIL_FIRST);
        };
        let known = |other: &liaison_mail::Recipient| other.address == recipient.address;
        if transaction.recipients.iter().any(known) {
            self.say(replies::RECIPIENT_OK);
            return Progress::On;
        }
        if transaction.recipients.len() >= self.settings.max_recipients {
            self.say(replies::TOO_MANY_RECIPIENTS);
            return Progress::On;
        }
        self.ask(
            Awaiting::Recipient(recipient.clone()),
            Event::Recipient(recipient),
        )
    }

    fn content_objection(&self) -> Option<FixedReply> {
        match &self.transaction {
            None => Some(replies::MAIL_FIRST),
            Some(transaction) if !transaction.recipients.is_empty() => None,
            Some(_) if self.refused_recipient => Some(replies::NO_VALID_RECIPIENT),
            Some(_) => Some(replies::NO_RECIPIENT),
        }
    }

    /// A chunk is read whatever the answer to it: it is already on its way (RFC 3030 §2).
    fn chunk(&mut self, size: u64, last: bool) -> Progress {
        let mut reader = match (self.chunks.take(), self.content_objection()) {
            (_, Some(_)) => ChunkReader::skipping(),
            (Some(reader), None) => reader,
            (None, None) => ChunkReader::new(self.settings.max_size),
        };
        reader.begin(size, last);
        self.phase = Phase::Chunk(reader);
        Progress::On
    }

    fn data(&mut self) -> Progress {
        let objection = self.content_objection();
        // RFC 2920 §3.1: DATA is the last of a group. Content sent without waiting for 354 would
        // be read as commands whenever the answer is not 354.
        if !self.input.rest().is_empty() {
            self.close_with(replies::EARLY_CONTENT);
            return Progress::On;
        }
        match objection {
            // A pipelining client says DATA before it knows that all recipients were refused.
            Some(objection) => {
                self.say(objection);
                self.count_idle();
            }
            None => {
                self.say(replies::GO_AHEAD);
                self.phase = Phase::Content(Reader::new(self.settings.max_size));
            }
        }
        Progress::On
    }

    fn end_of_content(&mut self) -> Progress {
        let objection = self.content_objection();
        let content = match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Content(reader) => reader.end(),
            Phase::Chunk(reader) => match (objection, reader.is_last()) {
                (Some(objection), _) => {
                    // A pipelining client sends the chunk before it knows that all recipients
                    // were refused.
                    self.say(objection);
                    return Progress::On;
                }
                (None, false) => {
                    self.chunks = Some(reader);
                    self.say(replies::CHUNK_OK);
                    return Progress::On;
                }
                (None, true) => reader.end(),
            },
            _ => return Progress::On,
        };
        self.message(content)
    }

    fn message(&mut self, content: Result<Content, Unusable>) -> Progress {
        let Some(transaction) = self.transaction.take() else {
            return self.fault(replies::MAIL_FIRST);
        };
        self.idle_commands = 0;
        match content {
            Ok(content) => self.ask(Awaiting::Message, Event::Message(transaction, content)),
            Err(Unusable::Refused(refusal)) => {
                reply::write_refusal(self.voice(), &refusal);
                Progress::On
            }
            Err(Unusable::Fault(ContentFault::TooLarge)) => {
                self.say(replies::TOO_LARGE);
                Progress::On
            }
            Err(Unusable::Fault(_)) => {
                self.error(replies::BAD_CONTENT);
                Progress::On
            }
        }
    }

    fn ask(&mut self, awaiting: Awaiting, event: Event) -> Progress {
        self.awaiting = Some(awaiting);
        Progress::Event(event)
    }

    fn say(&mut self, reply: FixedReply) {
        if reply.code >= 400 && self.last_fault != Some(reply) {
            self.faults.push(reply);
            self.last_fault = Some(reply);
        }
        reply.write(self.voice());
    }

    fn fault(&mut self, reply: FixedReply) -> Progress {
        self.error(reply);
        Progress::On
    }

    fn error(&mut self, reply: FixedReply) {
        self.say(reply);
        self.errors += 1;
        if self.errors >= self.settings.max_errors {
            self.close_with(replies::TOO_MANY_ERRORS);
        }
    }

    fn idle(&mut self, reply: FixedReply) -> Progress {
        self.say(reply);
        self.count_idle();
        Progress::On
    }

    fn count_idle(&mut self) {
        self.idle_commands += 1;
        if self.idle_commands > MAX_IDLE_COMMANDS {
            self.close_with(replies::TOO_MANY_IDLE);
        }
    }
}
