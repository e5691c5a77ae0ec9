//! The client's driver.

use std::io::ErrorKind;
use std::time::Duration;

use liaison_mail::{Domain, Envelope};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::timeout;

use super::{READ, Timeouts};
use crate::client::{Client, Outcome, Peer, Step};
use crate::data::{Canonical, Writer};
use crate::{SmtpError, Wait};

/// An open connection to one peer, for any number of messages one after the other.
///
/// Dropping the future of a method in mid-way is safe: the connection then counts as lost.
pub struct Connection<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    client: Client,
    timeouts: Timeouts,
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
        };
        match connection.drive(None).await {
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
        let content = Canonical::new(content)?;
        self.client.send(envelope, content)?;
        match self.drive(Some(content)).await {
            Step::Done(outcome) => Ok(outcome),
            Step::Failed(error) => Err(error),
            _ => Err(SmtpError::Closed),
        }
    }

    /// Whether another message can be sent.
    pub fn is_reusable(&self) -> bool {
        self.client.is_ready()
    }

    /// What the peer announced.
    pub fn peer(&self) -> &Peer {
        self.client.peer()
    }

    /// Says QUIT, hears the answer and closes. Failures no longer matter.
    pub async fn quit(mut self) {
        self.client.quit();
        self.drive(None).await;
        let _ = timeout(self.timeouts.content, self.writer.shutdown()).await;
    }

    /// Runs the machine until it has something to say to the caller.
    async fn drive(&mut self, content: Option<Canonical<'_>>) -> Step {
        loop {
            let result = match self.client.step() {
                Step::Output(bytes) => self.write(&bytes).await,
                Step::NeedInput(wait) => self.read(wait).await,
                Step::SendContent => match content {
                    Some(content) => self.write_content(content).await,
                    None => Err(SmtpError::Closed),
                },
                step => return step,
            };
            if let Err(error) = result {
                self.client.lost(error);
            }
        }
    }

    async fn read(&mut self, wait: Wait) -> Result<(), SmtpError> {
        let mut buffer = vec![0; READ];
        let reading = self.reader.read(&mut buffer);
        let count = match timeout(self.timeouts.limit(wait), reading).await {
            Ok(read) => heard(read)?,
            Err(_) => return Err(SmtpError::Timeout(wait)),
        };
        self.client.input(&buffer[..count]);
        Ok(())
    }

    async fn write_content(&mut self, content: Canonical<'_>) -> Result<(), SmtpError> {
        let mut writer = Writer::new(content);
        while let Some(piece) = writer.next_piece() {
            if writer.is_done() {
                self.client.content_ending();
            }
            self.write(&piece).await?;
        }
        Ok(())
    }

    /// Writes while listening: a peer that answers a long group of commands, or gives up in
    /// mid-content, must not find both sides blocked on writing.
    async fn write(&mut self, mut bytes: &[u8]) -> Result<(), SmtpError> {
        let mut buffer = vec![0; READ];
        while !bytes.is_empty() {
            let turn = async {
                tokio::select! {
                    biased;
                    written = self.writer.write(bytes) => written.map(Turn::Written),
                    read = self.reader.read(&mut buffer) => read.map(Turn::Read),
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
                Ok(Ok(Turn::Read(count))) => self.client.input(&buffer[..count]),
            }
        }
        match timeout(self.timeouts.content, self.writer.flush()).await {
            Ok(flushed) => Ok(flushed?),
            Err(_) => Err(SmtpError::Timeout(Wait::Content)),
        }
    }

    /// A peer that closes in mid-content has often said why: its reply may be waiting.
    async fn hear_last_words(&mut self) {
        let mut buffer = vec![0; READ];
        let listening = async {
            while let Ok(count @ 1..) = self.reader.read(&mut buffer).await {
                self.client.input(&buffer[..count]);
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

fn heard(read: std::io::Result<usize>) -> Result<usize, SmtpError> {
    match read {
        Ok(0) => Err(SmtpError::Closed),
        Ok(count) => Ok(count),
        // TLS without close_notify.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(SmtpError::Closed),
        Err(error) => Err(error.into()),
    }
}
