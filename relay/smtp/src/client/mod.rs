//! The sending side of SMTP: replies in, [`Step`] out, one verdict for each recipient.
//!
//! ```text
//!   greeting, EHLO ─▶ Ready ─ send ─▶ [RSET] MAIL RCPT… DATA ─▶ SendContent ─▶ Done ─▶ Ready
//!                       ├ send ─▶ [RSET] MAIL RCPT… ─▶ BDAT LAST ─▶ SendContent ─▶ Done ─▶ Ready
//!                       ├ pipeline ─▶ [RSET] MAIL RCPT… BDAT LAST content ─▶ … ─▶ Done, in order
//!                       └ quit ─▶ QUIT ─▶ Closed
//! ```
//! Commands go out as one group when the peer announces PIPELINING (RFC 2920), one by one
//! otherwise. When it announces CHUNKING too (RFC 3030), content follows its commands without
//! waiting, and the next message follows the content: [`Client::pipeline`]. Large content waits
//! until a recipient is accepted. Recipients that are refused do not keep the others from their
//! message. Parameters are sent only when the peer announces what they belong to.
//!
//! # When the connection is lost
//! Recipients without an answer get a refusal that a retry can mend. After the end of the content
//! nobody knows whether the peer has taken the message (RFC 1047): [`Outcome::in_doubt`] says so.
//! The message is then sent again with the same `ENVID`, by which the receiver recognises it.

mod awaited;
mod delivery;
mod peer;

use std::collections::VecDeque;

use liaison_mail::{Domain, EnhancedStatus, Envelope, Refusal, Verdict};

use crate::data::Canonical;
use crate::reply::{Reply, ReplyReader};
use crate::{SmtpError, Wait};
use awaited::Awaited;
use delivery::Delivery;
pub use peer::Peer;

/// What `MAIL` says of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Octets (`SIZE`, RFC 1870).
    pub size: u64,
    /// Whether an octet is above 127 (`BODY=8BITMIME`, RFC 6152).
    pub eight_bit: bool,
    /// Whether it may travel over verified TLS only (`REQUIRETLS`, RFC 8689).
    pub require_tls: bool,
}

impl From<Canonical<'_>> for Announced {
    fn from(content: Canonical<'_>) -> Self {
        Self {
            size: content.as_bytes().len() as u64,
            eight_bit: content.is_eight_bit(),
            require_tls: false,
        }
    }
}

/// How content is set off from commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// After `DATA`: [`crate::data::Stuffing`] and [`crate::data::FINAL_DOT`].
    Dots,
    /// In one chunk (RFC 3030): as it is.
    Chunk,
}

/// What the driver has to do next.
#[derive(Debug)]
pub enum Step {
    /// Write this to the peer.
    Output(Vec<u8>),
    /// Read from the peer within the limit for what is awaited, then call [`Client::input`].
    NeedInput(Wait),
    /// Write the content, framed so; call [`Client::content_ending`] just before its last piece.
    /// What arrives meanwhile goes to [`Client::input`].
    SendContent(Framing),
    /// The message that was begun first has its verdicts.
    Done(Outcome),
    /// Nothing under way: [`Client::send`], [`Client::pipeline`] or [`Client::quit`].
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
    /// The connection was lost when the end of the content may have been on its way: the peer may
    /// have the message. Send it again with the same `ENVID`.
    pub in_doubt: bool,
    /// The connection was lost before the peer had said anything about the message.
    pub unheard: bool,
}

/// Most messages on their way without an answer.
const WINDOW: usize = 32;
/// Most octets of content on their way without an answer. One message may exceed it.
const WINDOW_OCTETS: u64 = 1024 * 1024;

/// One connection to one peer, for any number of messages.
pub struct Client {
    name: Domain,
    replies: ReplyReader,
    output: Vec<u8>,
    peer: Peer,
    /// Commands sent and not answered, in order.
    awaited: VecDeque<Awaited>,
    /// Commands not sent yet.
    queued: VecDeque<(Awaited, Vec<u8>)>,
    /// The messages that the awaited answers are about, in order.
    deliveries: VecDeque<Delivery>,
    /// Octets of their contents.
    on_the_way: u64,
    /// Messages begun on this connection.
    begun: usize,
    content: ContentState,
    done: VecDeque<Outcome>,
    error: Option<SmtpError>,
    /// A transaction was left open at the peer.
    needs_reset: bool,
    closed: bool,
    /// Replies read so far.
    heard: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ContentState {
    NotYet,
    Due(Framing),
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
            deliveries: VecDeque::new(),
            on_the_way: 0,
            begun: 0,
            content: ContentState::NotYet,
            done: VecDeque::new(),
            error: None,
            needs_reset: false,
            closed: false,
            heard: 0,
        }
    }

    /// Adds what was read.
    pub fn input(&mut self, bytes: &[u8]) {
        self.replies.input(bytes);
    }

    /// What to do next.
    pub fn step(&mut self) -> Step {
        loop {
            if self.is_addressed_unasked() && !self.closed && self.error.is_none() {
                self.fail(SmtpError::Protocol("reply to no command"));
            }
            self.send_queued();
            if !self.output.is_empty() {
                return Step::Output(std::mem::take(&mut self.output));
            }
            if let ContentState::Due(framing) = self.content {
                self.content = ContentState::Sending;
                return Step::SendContent(framing);
            }
            if let Some(outcome) = self.done.pop_front() {
                return Step::Done(outcome);
            }
            let Some(awaited) = self.awaited.front().copied() else {
                return self.rest();
            };
            match self.replies.next_reply() {
                Ok(Some(reply)) => {
                    self.heard += 1;
                    self.awaited.pop_front();
                    self.take_reply(awaited, &reply);
                }
                Ok(None) => return Step::NeedInput(awaited.wait()),
                Err(error) => self.fail(error),
            }
        }
    }

    /// Starts to send a message whose content the driver writes on [`Step::SendContent`]. To be
    /// called when [`Client::is_ready`].
    ///
    /// # Errors
    /// [`SmtpError::Closed`] when the connection cannot be used (any more).
    pub fn send(&mut self, envelope: &Envelope, announced: Announced) -> Result<(), SmtpError> {
        if !self.is_ready() {
            return Err(SmtpError::Closed);
        }
        self.content = ContentState::NotYet;
        if !self.begin(envelope, announced) {
            return Ok(());
        }
        match self.peer.chunking {
            true => self.queue(Awaited::Chunk, chunk_line(announced)),
            false => self.queue(Awaited::Data, "DATA\r\n".to_owned()),
        }
        Ok(())
    }

    /// Sends a message without waiting for the answers to those before. To be called when
    /// [`Client::can_pipeline`]. `content` is all of it, in pieces; it is canonical
    /// ([`Canonical`]).
    ///
    /// # Errors
    /// [`SmtpError::Closed`] when the connection cannot be used so (any more).
    pub fn pipeline(
        &mut self,
        envelope: &Envelope,
        announced: Announced,
        content: &[&[u8]],
    ) -> Result<(), SmtpError> {
        if !self.can_pipeline() {
            return Err(SmtpError::Closed);
        }
        // Whether the messages before are taken is not known yet: each starts afresh (RFC 3030
        // §2 leaves the state open after a refused chunk).
        self.needs_reset |= !self.deliveries.is_empty();
        if !self.begin(envelope, announced) {
            return Ok(());
        }
        self.send_queued();
        self.output
            .extend_from_slice(chunk_line(announced).as_bytes());
        for piece in content {
            self.output.extend_from_slice(piece);
        }
        self.awaited.push_back(Awaited::Chunk);
        if let Some(delivery) = self.deliveries.back_mut() {
            delivery.is_sent = true;
        }
        Ok(())
    }

    /// What has gathered to be written, if anything.
    pub fn take_output(&mut self) -> Option<Vec<u8>> {
        self.send_queued();
        (!self.output.is_empty()).then(|| std::mem::take(&mut self.output))
    }

    /// Says that the next piece written is the content's last.
    pub fn content_ending(&mut self) {
        if self.content == ContentState::Sending {
            self.content = match self.replies.is_empty() {
                true => ContentState::Sent,
                false => ContentState::Interrupted,
            };
        }
        if let (ContentState::Sent, Some(delivery)) = (self.content, self.deliveries.back_mut()) {
            delivery.is_sent = true;
        }
    }

    /// Ends the session politely, when nothing is under way.
    pub fn quit(&mut self) {
        if self.is_idle() {
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

    /// How many replies were read on this connection: whether a peer that says something gets on.
    pub fn heard(&self) -> u64 {
        self.heard
    }

    /// Whether the peer said more than is held: the connection is of no use any more.
    pub fn is_flooded(&self) -> bool {
        self.replies.is_flooded()
    }

    /// Whether [`Client::send`] may be called.
    pub fn is_ready(&self) -> bool {
        self.is_idle() && self.is_usable()
    }

    /// Whether [`Client::pipeline`] may be called: the peer announces PIPELINING and CHUNKING,
    /// and not too much is on its way.
    pub fn can_pipeline(&self) -> bool {
        let open = self.is_usable();
        let waits = [Awaited::Greeting, Awaited::Hello, Awaited::Quit];
        open && self.peer.chunking
            && self.peer.pipelining
            && self.queued.is_empty()
            && !matches!(self.content, ContentState::Due(_) | ContentState::Sending)
            && !self
                .awaited
                .iter()
                .any(|one| waits.contains(one) || *one == Awaited::Acceptance)
            && self.deliveries.len() < WINDOW
            && self.on_the_way < WINDOW_OCTETS
    }

    /// Whether no message is under way and no outcome waits to be heard.
    pub fn is_idle(&self) -> bool {
        !self.closed
            && self.awaited.is_empty()
            && self.queued.is_empty()
            && self.deliveries.is_empty()
            && self.done.is_empty()
    }

    /// Whether the connection can take a message now or once others are answered.
    pub fn is_usable(&self) -> bool {
        !self.closed && self.error.is_none() && !self.is_spent() && !self.is_addressed_unasked()
    }

    /// Whether there is a reply to no command. It would be taken for the answer to the next, and so
    /// would each one after it: what was refused would pass for taken.
    fn is_addressed_unasked(&self) -> bool {
        self.awaited.is_empty() && !self.replies.is_empty()
    }

    /// What the peer announced; nothing before the session is open.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// As many messages were begun as the peer takes on one connection (RFC 9422 §4.1).
    fn is_spent(&self) -> bool {
        self.peer
            .max_mails
            .is_some_and(|most| self.begun >= most.max(1))
    }

    /// Queues the commands before the content. False when there is nothing to send: the message
    /// has its verdicts.
    fn begin(&mut self, envelope: &Envelope, announced: Announced) -> bool {
        let mut delivery = Delivery::new(envelope.recipients.len(), announced.size);
        if let Some(refusal) = self.peer.objection(announced) {
            delivery.refuse_rest(&refusal);
            delivery.is_decided = true;
            self.deliveries.push_back(delivery);
            self.conclude_decided();
            return false;
        }
        self.begun += 1;
        self.on_the_way += announced.size;
        let taken = self.peer.max_recipients.unwrap_or(usize::MAX).max(1);
        for index in taken..envelope.recipients.len() {
            delivery.refuse(index, peer::too_many_recipients());
        }
        if std::mem::take(&mut self.needs_reset) {
            self.queue(Awaited::Reset, "RSET\r\n".to_owned());
        }
        self.queue(Awaited::Mail, self.peer.mail_line(envelope, announced));
        for (index, recipient) in envelope.recipients.iter().enumerate().take(taken) {
            let line = self.peer.recipient_line(recipient);
            self.queue(Awaited::Recipient(index), line);
        }
        self.deliveries.push_back(delivery);
        true
    }

    fn queue(&mut self, awaited: Awaited, line: String) {
        self.queued.push_back((awaited, line.into_bytes()));
    }

    fn send_queued(&mut self) {
        while self.peer.pipelining || self.awaited.is_empty() {
            // Content that waits for its recipients goes when all of them have their answer.
            if matches!(self.queued.front(), Some((Awaited::Chunk, _))) && !self.awaited.is_empty()
            {
                return;
            }
            let Some((awaited, line)) = self.queued.pop_front() else {
                return;
            };
            self.output.extend_from_slice(&line);
            match awaited {
                Awaited::Chunk => {
                    // An empty chunk ends with its line: the answer may come at once.
                    let is_empty = self.deliveries.back().is_some_and(|one| one.octets == 0);
                    self.content = match is_empty {
                        true => ContentState::Sent,
                        false => ContentState::Due(Framing::Chunk),
                    };
                    self.awaited.push_back(Awaited::Acceptance);
                }
                _ => self.awaited.push_back(awaited),
            }
        }
    }

    /// Nothing is awaited.
    fn rest(&mut self) -> Step {
        if let Some(error) = self.error.take() {
            return Step::Failed(error);
        }
        match self.closed {
            true => Step::Close,
            false => Step::Ready,
        }
    }

    fn take_reply(&mut self, awaited: Awaited, reply: &Reply) {
        if self.is_addressed_unasked() && !self.replies.holds_goodbye() {
            // Which of the replies is the answer to which command is anybody's guess.
            return self.fail(SmtpError::Protocol("more replies than commands"));
        }
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
            Awaited::Reset if reply.is_positive() => {}
            Awaited::Hello | Awaited::Reset => self.unexpected(reply),
            Awaited::Quit => self.closed = true,
            _ => self.take_delivery_reply(awaited, reply),
        }
    }

    fn take_delivery_reply(&mut self, awaited: Awaited, reply: &Reply) {
        let go_ahead = awaited == Awaited::Data && reply.code() == 354;
        if !go_ahead && (300..400).contains(&reply.code()) {
            return self.fail(SmtpError::Protocol("3xx reply out of place"));
        }
        let Some(delivery) = self.deliveries.front_mut() else {
            return self.fail(SmtpError::Protocol("reply without a message"));
        };
        delivery.is_heard = true;
        match (awaited, reply.refusal()) {
            (Awaited::Mail, None) => self.needs_reset |= !delivery.is_sent,
            (Awaited::Mail, Some(refusal)) => {
                delivery.refuse_rest(&refusal);
                self.queued.clear();
            }
            (Awaited::Recipient(index), None) => delivery.accept(index),
            (Awaited::Recipient(index), Some(refusal)) => delivery.refuse(index, refusal),
            (Awaited::Data, None) if go_ahead && delivery.has_accepted() => {
                self.content = ContentState::Due(Framing::Dots);
                self.awaited.push_back(Awaited::Acceptance);
            }
            (Awaited::Data, None) if go_ahead => {
                self.output.extend_from_slice(b".\r\n");
                self.awaited.push_back(Awaited::Emptiness);
            }
            (Awaited::Data, None) => {
                return self.fail(SmtpError::Protocol("DATA was answered without 354"));
            }
            (Awaited::Data, Some(refusal)) => delivery.refuse_rest(&refusal),
            (Awaited::Acceptance, None) if self.content != ContentState::Sent => {
                return self.fail(SmtpError::Protocol("message accepted before its end"));
            }
            (Awaited::Acceptance, refusal) => {
                delivery.conclude(refusal.as_ref());
                self.needs_reset = false;
                // A peer that answers before the end may take the rest for commands.
                self.closed |= self.content != ContentState::Sent;
            }
            (Awaited::Chunk, refusal) => {
                delivery.conclude(refusal.as_ref());
                delivery.is_decided = true;
                self.needs_reset |= refusal.is_some();
            }
            _ => self.needs_reset = false,
        }
        self.end_delivery();
    }

    /// Drops what need not be sent, and concludes the message when no answer to it is awaited.
    fn end_delivery(&mut self) {
        let Some(delivery) = self.deliveries.front_mut() else {
            return;
        };
        let content_is_next = match self.queued.front() {
            Some((Awaited::Data, _)) => true,
            Some((Awaited::Chunk, _)) => self.awaited.is_empty(),
            _ => false,
        };
        if content_is_next && !delivery.has_accepted() {
            self.queued.clear();
        }
        let alone = self.awaited.is_empty() && self.queued.is_empty();
        delivery.is_decided |= alone && self.content != ContentState::Due(Framing::Dots);
        self.conclude_decided();
    }

    fn conclude_decided(&mut self) {
        while self.deliveries.front().is_some_and(|one| one.is_decided) {
            if let Some(delivery) = self.deliveries.pop_front() {
                self.on_the_way = self.on_the_way.saturating_sub(delivery.octets);
                let outcome = self.outcome(delivery, false);
                self.done.push_back(outcome);
            }
        }
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
        if self.deliveries.is_empty() && !self.closed && self.done.is_empty() {
            self.error = Some(error);
        } else {
            let refusal = as_transient(error.refusal());
            // An answer, even 421, leaves no doubt about the message that it answers; those
            // behind it were not looked at any more.
            let answered = matches!(error, SmtpError::Refused(_));
            while let Some(mut delivery) = self.deliveries.pop_front() {
                let in_doubt = delivery.is_sent && !delivery.is_refused() && !answered;
                match in_doubt {
                    true => delivery.refuse_rest(&doubt()),
                    false => delivery.refuse_rest(&refusal),
                }
                let outcome = self.outcome(delivery, in_doubt);
                self.done.push_back(outcome);
            }
        }
        self.content = ContentState::NotYet;
        self.closed = true;
    }

    fn outcome(&self, delivery: Delivery, in_doubt: bool) -> Outcome {
        Outcome {
            unheard: !delivery.is_heard && !delivery.is_decided,
            verdicts: delivery.verdicts(),
            peer_dsn: self.peer.dsn,
            in_doubt,
        }
    }
}

fn chunk_line(announced: Announced) -> String {
    format!("BDAT {} LAST\r\n", announced.size)
}

fn doubt() -> Refusal {
    Refusal::transient(
        451,
        EnhancedStatus::NO_ANSWER,
        "connection lost after the message was sent; it will be sent again",
    )
}

/// A session that ends says nothing about a recipient for ever: a refused RSET, for instance.
fn as_transient(refusal: Refusal) -> Refusal {
    match refusal.is_transient() {
        true => refusal,
        false => Refusal::transient(451, EnhancedStatus::NO_ANSWER, refusal.text),
    }
}
