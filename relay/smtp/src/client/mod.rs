//! The sending side of SMTP: replies in, [`Step`] out, one verdict for each recipient.
//!
//! ```text
//!   greeting, EHLO ─▶ Ready ─ send ─▶ [RSET] MAIL RCPT… DATA ─▶ SendContent ─▶ Done ─▶ Ready
//!                       └ quit ─▶ QUIT ─▶ Closed
//! ```
//! Commands go out as one group when the peer announces PIPELINING (RFC 2920), one by one
//! otherwise. Recipients that are refused do not keep the others from their message. Parameters
//! are sent only when the peer announces what they belong to.
//!
//! # When the connection is lost
//! Recipients without an answer get a refusal that a retry can mend. After the final dot nobody
//! knows whether the peer has taken the message (RFC 1047): [`Outcome::in_doubt`] says so. The
//! message is then sent again with the same `ENVID`, by which the receiver recognises it.

mod delivery;
mod peer;

use std::collections::VecDeque;

use liaison_mail::{Domain, EnhancedStatus, Envelope, Refusal, Verdict};

use crate::data::Canonical;
use crate::reply::{Reply, ReplyReader};
use crate::{SmtpError, Wait};
use delivery::Delivery;
pub use peer::Peer;

/// What the driver has to do next.
#[derive(Debug)]
pub enum Step {
    /// Write this to the peer.
    Output(Vec<u8>),
    /// Read from the peer within the limit for what is awaited, then call [`Client::input`].
    NeedInput(Wait),
    /// Write the content with [`crate::data::Writer`]; call [`Client::content_ending`] just before
    /// its last piece. What arrives meanwhile goes to [`Client::input`].
    SendContent,
    /// The message given to [`Client::send`] has its verdicts.
    Done(Outcome),
    /// Nothing under way: [`Client::send`] or [`Client::quit`].
    Ready,
    /// The session could not be opened.
    Failed(SmtpError),
    /// Close the connection.
    Close,
}

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// One a recipient, in the envelope's order.
    pub verdicts: Vec<Verdict>,
    /// Whether the peer reports on delivery (RFC 3461). If not, accepted recipients whose sender
    /// wants to hear of success are reported as *relayed* by this side (RFC 3461 §5.2.2).
    pub peer_dsn: bool,
    /// The connection was lost when the final dot may have been on its way: the peer may have
    /// the message. Send it again with the same `ENVID`.
    pub in_doubt: bool,
}

/// One connection to one peer, for any number of messages one after the other.
pub struct Client {
    name: Domain,
    replies: ReplyReader,
    output: Vec<u8>,
    peer: Peer,
    /// Commands sent and not answered, in order.
    awaited: VecDeque<Awaited>,
    /// Commands not sent yet.
    queued: VecDeque<(Awaited, Vec<u8>)>,
    delivery: Option<Delivery>,
    content: ContentState,
    done: Option<Outcome>,
    error: Option<SmtpError>,
    /// A transaction was left open at the peer.
    needs_reset: bool,
    closed: bool,
}

/// Which command a reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Greeting,
    Hello,
    Reset,
    Mail,
    /// By its place in the envelope.
    Recipient(usize),
    Data,
    /// The answer to the content.
    Acceptance,
    /// The answer to a lone dot, sent because the peer said 354 without a recipient.
    Emptiness,
    Quit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentState {
    NotYet,
    Due,
    Sending,
    /// The peer had already spoken when the last piece was about to leave.
    Interrupted,
    Sent,
}

impl Client {
    /// A session at its start. `name` goes into EHLO: the name in this side's certificate.
    pub fn new(name: Domain) -> Self {
        Self {
            name,
            replies: ReplyReader::default(),
            output: Vec::new(),
            peer: Peer::default(),
            awaited: VecDeque::from([Awaited::Greeting]),
            queued: VecDeque::new(),
            delivery: None,
            content: ContentState::NotYet,
            done: None,
            error: None,
            needs_reset: false,
            closed: false,
        }
    }

    /// Adds what was read.
    pub fn input(&mut self, bytes: &[u8]) {
        self.replies.input(bytes);
    }

    /// What to do next.
    pub fn step(&mut self) -> Step {
        loop {
            self.send_queued();
            if !self.output.is_empty() {
                return Step::Output(std::mem::take(&mut self.output));
            }
            if self.content == ContentState::Due {
                self.content = ContentState::Sending;
                return Step::SendContent;
            }
            let Some(awaited) = self.awaited.front().copied() else {
                return self.rest();
            };
            match self.replies.next_reply() {
                Ok(Some(reply)) => {
                    self.awaited.pop_front();
                    self.take_reply(awaited, &reply);
                }
                Ok(None) => return Step::NeedInput(awaited.wait()),
                Err(error) => self.fail(error),
            }
        }
    }

    /// Starts to send a message. To be called when [`Client::is_ready`]. Only the content's size
    /// and kind are looked at here; the driver writes it on [`Step::SendContent`].
    ///
    /// # Errors
    /// [`SmtpError::Closed`] when the connection cannot be used (any more).
    pub fn send(&mut self, envelope: &Envelope, content: Canonical<'_>) -> Result<(), SmtpError> {
        if !self.is_ready() {
            return Err(SmtpError::Closed);
        }
        let mut delivery = Delivery::new(envelope.recipients.len());
        if let Some(refusal) = self.peer.objection(content) {
            delivery.refuse_rest(&refusal);
            self.done = Some(self.outcome(delivery, false));
            return Ok(());
        }
        let taken = self.peer.max_recipients.unwrap_or(usize::MAX).max(1);
        for index in taken..envelope.recipients.len() {
            delivery.refuse(index, peer::too_many_recipients());
        }
        if self.needs_reset {
            self.queue(Awaited::Reset, "RSET\r\n".to_owned());
        }
        self.queue(Awaited::Mail, self.peer.mail_line(envelope, content));
        for (index, recipient) in envelope.recipients.iter().enumerate().take(taken) {
            let line = self.peer.recipient_line(recipient);
            self.queue(Awaited::Recipient(index), line);
        }
        self.queue(Awaited::Data, "DATA\r\n".to_owned());
        self.content = ContentState::NotYet;
        self.delivery = Some(delivery);
        Ok(())
    }

    /// Says that the next piece written is the content's last.
    pub fn content_ending(&mut self) {
        if self.content == ContentState::Sending {
            self.content = match self.replies.is_empty() {
                true => ContentState::Sent,
                false => ContentState::Interrupted,
            };
        }
    }

    /// Ends the session politely, when nothing is under way.
    pub fn quit(&mut self) {
        if self.is_ready() {
            self.queue(Awaited::Quit, "QUIT\r\n".to_owned());
        }
    }

    /// Says that the connection is gone: `error` is why. Replies read before are still heard.
    pub fn lost(&mut self, error: SmtpError) {
        while let (Some(awaited), Ok(Some(reply))) =
            (self.awaited.front().copied(), self.replies.next_reply())
        {
            self.awaited.pop_front();
            self.take_reply(awaited, &reply);
        }
        self.fail(error);
    }

    /// Whether [`Client::send`] may be called.
    pub fn is_ready(&self) -> bool {
        !self.closed
            && self.awaited.is_empty()
            && self.queued.is_empty()
            && self.delivery.is_none()
            && self.done.is_none()
    }

    /// What the peer announced; nothing before the session is open.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    fn queue(&mut self, awaited: Awaited, line: String) {
        self.queued.push_back((awaited, line.into_bytes()));
    }

    fn send_queued(&mut self) {
        while self.peer.pipelining || self.awaited.is_empty() {
            let Some((awaited, line)) = self.queued.pop_front() else {
                return;
            };
            self.output.extend_from_slice(&line);
            self.awaited.push_back(awaited);
        }
    }

    /// Nothing is awaited.
    fn rest(&mut self) -> Step {
        if let Some(outcome) = self.done.take() {
            return Step::Done(outcome);
        }
        if let Some(error) = self.error.take() {
            return Step::Failed(error);
        }
        match self.closed {
            true => Step::Close,
            false => Step::Ready,
        }
    }

    fn take_reply(&mut self, awaited: Awaited, reply: &Reply) {
        if reply.code() == 421 && awaited != Awaited::Quit {
            // RFC 5321 §3.8: whatever was asked, the peer is leaving.
            let error = reply
                .refusal()
                .map_or(SmtpError::Closed, SmtpError::Refused);
            return self.fail(error);
        }
        match awaited {
            Awaited::Greeting => match reply.code() {
                220 => self.queue(Awaited::Hello, format!("EHLO {}\r\n", self.name)),
                _ => self.unexpected(reply),
            },
            Awaited::Hello if reply.code() == 250 => self.peer = Peer::read(reply.lines()),
            Awaited::Reset if reply.is_positive() => self.needs_reset = false,
            Awaited::Hello | Awaited::Reset => self.unexpected(reply),
            Awaited::Quit => self.closed = true,
            _ => self.take_delivery_reply(awaited, reply),
        }
    }

    fn take_delivery_reply(&mut self, awaited: Awaited, reply: &Reply) {
        let Some(mut delivery) = self.delivery.take() else {
            return self.fail(SmtpError::Protocol("reply without a message"));
        };
        let go_ahead = awaited == Awaited::Data && reply.code() == 354;
        if !go_ahead && (300..400).contains(&reply.code()) {
            self.delivery = Some(delivery);
            return self.fail(SmtpError::Protocol("3xx reply out of place"));
        }
        match (awaited, reply.refusal()) {
            (Awaited::Mail, None) => self.needs_reset = true,
            (Awaited::Mail, Some(refusal)) => {
                delivery.refuse_rest(&refusal);
                self.drop_queued();
            }
            (Awaited::Recipient(index), None) => delivery.accept(index),
            (Awaited::Recipient(index), Some(refusal)) => delivery.refuse(index, refusal),
            (Awaited::Data, None) if go_ahead && delivery.has_accepted() => {
                self.content = ContentState::Due;
                self.awaited.push_back(Awaited::Acceptance);
            }
            (Awaited::Data, None) if go_ahead => {
                self.output.extend_from_slice(b".\r\n");
                self.awaited.push_back(Awaited::Emptiness);
            }
            (Awaited::Data, None) => {
                self.delivery = Some(delivery);
                return self.fail(SmtpError::Protocol("DATA was answered without 354"));
            }
            (Awaited::Data, Some(refusal)) => delivery.refuse_rest(&refusal),
            (Awaited::Acceptance, None) if self.content != ContentState::Sent => {
                self.delivery = Some(delivery);
                return self.fail(SmtpError::Protocol("message accepted before its end"));
            }
            (Awaited::Acceptance, refusal) => {
                delivery.conclude(refusal.as_ref());
                self.needs_reset = false;
                // A peer that answers before the end may take the rest for commands.
                self.closed |= self.content != ContentState::Sent;
            }
            _ => self.needs_reset = false,
        }
        let next_is_data = matches!(self.queued.front(), Some((Awaited::Data, _)));
        if next_is_data && !delivery.has_accepted() {
            self.drop_queued();
        }
        if self.awaited.is_empty() && self.queued.is_empty() {
            self.done = Some(self.outcome(delivery, false));
        } else {
            self.delivery = Some(delivery);
        }
    }

    fn drop_queued(&mut self) {
        self.queued.clear();
    }

    fn unexpected(&mut self, reply: &Reply) {
        let error = SmtpError::Protocol("unexpected positive reply");
        self.fail(reply.refusal().map_or(error, SmtpError::Refused));
    }

    /// Gives the connection up.
    fn fail(&mut self, error: SmtpError) {
        self.awaited.clear();
        self.queued.clear();
        self.output.clear();
        match self.delivery.take() {
            Some(mut delivery) => {
                // An answer, even 421, leaves no doubt.
                let in_doubt = self.content == ContentState::Sent
                    && delivery.has_accepted()
                    && !matches!(error, SmtpError::Refused(_));
                let refusal = match in_doubt {
                    true => Refusal::transient(
                        451,
                        EnhancedStatus::NO_ANSWER,
                        "connection lost after the message was sent; it will be sent again",
                    ),
                    false => as_transient(error.refusal()),
                };
                delivery.refuse_rest(&refusal);
                self.done = Some(self.outcome(delivery, in_doubt));
            }
            None if !self.closed && self.done.is_none() => self.error = Some(error),
            None => {}
        }
        self.content = ContentState::NotYet;
        self.closed = true;
    }

    fn outcome(&self, delivery: Delivery, in_doubt: bool) -> Outcome {
        Outcome {
            verdicts: delivery.verdicts(),
            peer_dsn: self.peer.dsn,
            in_doubt,
        }
    }
}

impl Awaited {
    fn wait(self) -> Wait {
        match self {
            Self::Greeting => Wait::Greeting,
            Self::Data => Wait::GoAhead,
            Self::Acceptance | Self::Emptiness => Wait::Acceptance,
            _ => Wait::Reply,
        }
    }
}

/// A session that ends says nothing about a recipient for ever: a refused RSET, for instance.
fn as_transient(refusal: Refusal) -> Refusal {
    match refusal.is_transient() {
        true => refusal,
        false => Refusal::transient(451, EnhancedStatus::NO_ANSWER, refusal.text),
    }
}
