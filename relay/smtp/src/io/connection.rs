//! The client's driver.

use std::future::{Future, ready};
use std::io::{self, ErrorKind};
use std::time::Duration;

use futures::future::FutureExt as _;
use liaison_mail::{Domain, Envelope};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::{Instant, timeout, timeout_at};

use super::{READ, Timeouts};
use crate::client::{Announced, Client, Framing, Outcome, Peer, Step};
use crate::data::{Canonical, FINAL_DOT, PIECE, Stuffing};
use crate::{SmtpError, Wait};

/// An open connection to one peer, for any number of messages.
///
/// Dropping the future of a method in mid-way is safe, except where it says otherwise: the
/// connection then counts as lost.
pub struct Connection<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    client: Client,
    timeouts: Timeouts,
    buffer: Vec<u8>,
}

/// Where the content of a large message comes from. It is canonical ([`Canonical`]) as a whole.
pub trait Source: Send {
    /// The next piece, or `None` after the last.
    fn next(&mut self) -> impl Future<Output = io::Result<Option<Vec<u8>>>> + Send;
}

/// Content in memory, in pieces.
struct InMemory<'a>(&'a [u8]);

impl Source for InMemory<'_> {
    fn next(&mut self) -> impl Future<Output = io::Result<Option<Vec<u8>>>> + Send {
        let (piece, rest) = self.0.split_at(self.0.len().min(PIECE));
        self.0 = rest;
        ready(Ok((!piece.is_empty()).then(|| piece.to_vec())))
    }
}

impl<S> Connection<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Awaits the greeting and says EHLO with `name`, on a stream after its TLS handshake.
    ///
    /// # Errors
    /// [`SmtpError::Refused`] when the peer wants no session; otherwise what went wrong.
    pub async fn open(stream: S, name: Domain, timeouts: Timeouts) -> Result<Self, SmtpError> {
        let (reader, writer) = split(stream);
        let mut connection = Self {
            reader,
            writer,
            client: Client::new(name),
            timeouts,
            buffer: vec![0; READ],
        };
        match connection.drive::<InMemory<'_>>(None).await {
            Step::Ready => Ok(connection),
            Step::Failed(error) => Err(error),
            _ => Err(SmtpError::Closed),
        }
    }

    /// Sends one message and gives a verdict for each recipient of `envelope`, whatever happens
    /// to the connection on the way; see [`Connection::is_reusable`] for whether it survived.
    ///
    /// # Errors
    /// [`SmtpError::Content`] when the content has another line end than CRLF: it can never be
    /// sent. [`SmtpError::Closed`] when the connection was not usable to begin with: nothing was
    /// sent, open another.
    pub async fn send(
        &mut self,
        envelope: &Envelope,
        content: &[u8],
    ) -> Result<Outcome, SmtpError> {
        let announced = Announced::from(Canonical::new(content)?);
        self.send_from(envelope, announced, InMemory(content)).await
    }

    /// As [`Connection::send`], with content that is not held in memory.
    ///
    /// # Errors
    /// [`SmtpError::Closed`] when the connection was not usable to begin with. A source that fails
    /// costs the connection, and leaves a verdict that a retry can mend.
    pub async fn send_from(
        &mut self,
        envelope: &Envelope,
        announced: Announced,
        content: impl Source,
    ) -> Result<Outcome, SmtpError> {
        self.overhear();
        self.client.send(envelope, announced)?;
        match self.drive(Some(content)).await {
            Step::Done(outcome) => Ok(outcome),
            Step::Failed(error) => Err(error),
            _ => Err(SmtpError::Closed),
        }
    }

    /// Begins to send a message without waiting for the answers to those before, when
    /// [`Connection::can_pipeline`]. What is written gathers until [`Connection::flush`] or
    /// [`Connection::outcome`]. `content` is canonical ([`Canonical`]).
    ///
    /// # Errors
    /// [`SmtpError::Closed`] when the connection cannot be used so (any more).
    pub fn pipeline(
        &mut self,
        envelope: &Envelope,
        announced: Announced,
        content: &[&[u8]],
    ) -> Result<(), SmtpError> {
        self.overhear();
        self.client.pipeline(envelope, announced, content)
    }

    /// Whether [`Connection::pipeline`] may be called.
    pub fn can_pipeline(&self) -> bool {
        self.client.can_pipeline()
    }

    /// The outcome of the message that was begun first of those under way; `None` when there is
    /// none under way. Once all is written, dropping this future loses nothing.
    pub async fn outcome(&mut self) -> Option<Outcome> {
        match self.drive::<InMemory<'_>>(None).await {
            Step::Done(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Whether another message can be sent, now or after the outcomes of those under way.
    pub fn is_reusable(&self) -> bool {
        self.client.is_usable()
    }

    /// What the peer announced.
    pub fn peer(&self) -> &Peer {
        self.client.peer()
    }

    /// Says QUIT, hears the answer and closes. Failures no longer matter.
    pub async fn quit(mut self) {
        self.client.quit();
        self.drive::<InMemory<'_>>(None).await;
        let _ = timeout(self.timeouts.content, self.writer.shutdown()).await;
    }

    /// Runs the machine until it has something to say to the caller.
    async fn drive<C: Source>(&mut self, mut content: Option<C>) -> Step {
        // Until when the next whole reply may come, and how many had come before it.
        let mut limit = (u64::MAX, Instant::now());
        loop {
            let result = match self.client.step() {
                Step::Output(bytes) => self.write(&bytes).await,
                Step::NeedInput(wait) => {
                    if limit.0 != self.client.heard() {
                        let until = Instant::now() + self.timeouts.limit(wait);
                        limit = (self.client.heard(), until);
                    }
                    self.read(wait, limit.1).await
                }
                Step::SendContent(framing) => match content.take() {
                    Some(content) => self.write_content(framing, content).await,
                    None => Err(SmtpError::Closed),
                },
                step => return step,
            };
            if let Err(error) = result {
                self.client.lost(error);
            }
        }
    }

    /// Writes what has gathered since [`Connection::pipeline`]. Not to be dropped in mid-way.
    pub async fn flush(&mut self) {
        while let Some(bytes) = self.client.take_output() {
            if let Err(error) = self.write(&bytes).await {
                self.client.lost(error);
            }
        }
    }

    /// Hears what an idle peer has said or done since: it may have taken leave, or said something
    /// that must not pass for the answer to what is sent next.
    fn overhear(&mut self) {
        if !self.client.is_idle() {
            return;
        }
        match self.reader.read(&mut self.buffer).now_or_never() {
            None => {}
            Some(Ok(count @ 1..)) => self.client.input(&self.buffer[..count]),
            Some(_) => self.client.lost(SmtpError::Closed),
        }
    }

    /// Reads once. A peer that says its reply octet by octet has no longer for the whole of it.
    async fn read(&mut self, wait: Wait, until: Instant) -> Result<(), SmtpError> {
        let reading = self.reader.read(&mut self.buffer);
        let count = match timeout_at(until, reading).await {
            Ok(read) => heard(read)?,
            Err(_) => return Err(SmtpError::Timeout(wait)),
        };
        self.client.input(&self.buffer[..count]);
        Ok(())
    }

    async fn write_content(
        &mut self,
        framing: Framing,
        mut content: impl Source,
    ) -> Result<(), SmtpError> {
        let mut stuffing = Stuffing::default();
        // One piece is held back, so that the last is known to be the last.
        let mut held = Vec::new();
        while let Some(piece) = content.next().await? {
            if !held.is_empty() {
                self.write(&held).await?;
                held.clear();
            }
            match framing {
                Framing::Dots => stuffing.write(&piece, &mut held),
                Framing::Chunk => held = piece,
            }
        }
        if framing == Framing::Dots {
            held.extend_from_slice(FINAL_DOT);
        }
        self.client.content_ending();
        self.write(&held).await
    }

    /// Writes while listening: a peer that answers a long group of commands, or gives up in
    /// mid-content, must not find both sides blocked on writing.
    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), SmtpError> {
        while !bytes.is_empty() {
            let turn = async {
                tokio::select! {
                    biased;
                    written = self.writer.write(bytes) => written.map(Turn::Written),
                    read = self.reader.read(&mut self.buffer) => read.map(Turn::Read),
                }
            };
            match timeout(self.timeouts.content, turn).await {
                Err(_) => return Err(SmtpError::Timeout(Wait::Content)),
                Ok(Err(error)) => {
                    self.hear_last_words().await;
                    return Err(error.into());
                }
                Ok(Ok(Turn::Written(0) | Turn::Read(0))) => return Err(SmtpError::Closed),
                Ok(Ok(Turn::Written(count))) => bytes = &bytes[count..],
                Ok(Ok(Turn::Read(count))) => {
                    self.client.input(&self.buffer[..count]);
                    if self.client.is_flooded() {
                        return Err(SmtpError::Protocol("too many replies"));
                    }
                }
            }
        }
        match timeout(self.timeouts.content, self.writer.flush()).await {
            Ok(flushed) => Ok(flushed?),
            Err(_) => Err(SmtpError::Timeout(Wait::Content)),
        }
    }

    /// A peer that closes in mid-content has often said why: its reply may be waiting.
    async fn hear_last_words(&mut self) {
        let listening = async {
            while let Ok(count @ 1..) = self.reader.read(&mut self.buffer).await {
                self.client.input(&self.buffer[..count]);
            }
        };
        // The writing side is broken already: whatever was said has arrived or never will.
        let _ = timeout(LAST_WORDS, listening).await;
    }
}

/// How long a peer that no longer takes octets is listened to.
const LAST_WORDS: Duration = Duration::from_secs(1);

enum Turn {
    Written(usize),
    Read(usize),
}

fn heard(read: io::Result<usize>) -> Result<usize, SmtpError> {
    match read {
        Ok(0) => Err(SmtpError::Closed),
        Ok(count) => Ok(count),
        // TLS without close_notify.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(SmtpError::Closed),
        Err(error) => Err(error.into()),
    }
}
