//! The server's driver.

use std::fmt;
use std::io::ErrorKind;
use std::pin::{Pin, pin};

use futures::future::FutureExt as _;
use futures::stream::{FuturesOrdered, StreamExt as _};
use liaison_mail::{EnhancedStatus, Recipient, Refusal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout, timeout_at};
use zeroize::{Zeroize, Zeroizing};

use super::{READ, Timeouts};
use crate::command::ClientName;
use crate::reply::FixedReply;
use crate::server::{Answer, Credentials, Event, Server, Settings, Step};
use crate::{Content, Mail, SmtpError, Transaction, Wait};

/// The decisions of one session. One value serves one connection, and may remember what it
/// learnt on it: the peer's certificate, the account that logged in.
///
/// A [`Refusal`] with code 421 also closes the connection. The futures are run to their end even
/// when the peer leaves meanwhile: what was committed stays committed.
pub trait Session: Send {
    /// The client named itself. By default: welcome.
    fn hello(&mut self, name: &ClientName) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = name;
        std::future::ready(Ok(()))
    }

    /// The client logs in; asked on submission only. By default: no account fits.
    fn authenticate(
        &mut self,
        credentials: Credentials,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        drop(credentials);
        let status = EnhancedStatus::new(5, 7, 8).unwrap_or(EnhancedStatus::REFUSED);
        let refusal = Refusal::permanent(535, status, "Authentication failed");
        std::future::ready(Err(refusal))
    }

    /// A transaction starts; an earlier one, if any, is over.
    fn mail(&mut self, mail: &Mail) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// A recipient is named. Each address is asked about once in a transaction.
    fn recipient(
        &mut self,
        recipient: &Recipient,
    ) -> impl Future<Output = Result<(), Refusal>> + Send;

    /// A piece of the content of the transaction under way; asked only when
    /// [`Settings::hold`] is exceeded. What was taken is void when another transaction starts
    /// before [`Session::message`]. By default: it is not taken.
    fn content(&mut self, piece: Vec<u8>) -> impl Future<Output = Result<(), Refusal>> + Send {
        drop(piece);
        std::future::ready(Err(undecided()))
    }

    /// A message is complete. `Ok` only once it is durable for every recipient: the client will
    /// forget it (RFC 5321 §4.2.5).
    fn message(
        &mut self,
        transaction: Transaction,
        content: Content,
    ) -> impl Future<Output = Taken> + Send;

    /// The client broke the protocol and is told so; for the log. Holds nothing that it sent.
    /// By default: nothing.
    fn fault(&mut self, reply: &FixedReply) {
        let _ = reply;
    }
}

/// The decision on a message.
pub enum Taken {
    /// Made.
    Decided(Result<(), Refusal>),
    /// To come. The session goes on meanwhile, so that messages which a client sends without
    /// waiting for answers (RFC 2920, RFC 3030 §4.2) are made durable together; answers leave in
    /// the order of their messages.
    Later(Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>),
}

impl From<Result<(), Refusal>> for Taken {
    fn from(decision: Result<(), Refusal>) -> Self {
        Self::Decided(decision)
    }
}

impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decided(decision) => f.debug_tuple("Decided").field(decision).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// How a session ended.
#[derive(Debug)]
pub enum Ended<S> {
    /// By QUIT, by the peer's leaving, or by the server's own 421.
    Closed,
    /// The client asked for TLS ([`crate::server::Tls::Offered`]): do the handshake on this
    /// stream, then serve it with [`crate::server::Tls::Started`].
    StartTls(S),
}

/// Serves one connection until it ends.
///
/// When `stop` completes, a client that has the word keeps it until the final dot and gets its
/// answer; then, and at once if it was idle, it is told 421.
///
/// # Errors
/// [`SmtpError::Timeout`] when the client was silent too long (it was told 421),
/// [`SmtpError::Io`] when the transport failed. Nothing that was answered 250 is affected.
pub async fn serve<S, H>(
    stream: S,
    settings: Settings,
    session: &mut H,
    timeouts: &Timeouts,
    stop: impl Future<Output = ()> + Send,
) -> Result<Ended<S>, SmtpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    H: Session,
{
    let mut serving = Serving {
        stream,
        server: Server::new(settings),
        timeouts,
        buffer: Zeroizing::new(vec![0; READ]),
        deadline: None,
        command_due: None,
        silent: None,
    };
    let mut stop = pin!(stop);
    let mut stopping = false;
    let mut pending = Pending::new();
    loop {
        serving.answer_ready(&mut pending);
        let step = serving.server.step();
        for fault in serving.server.take_faults() {
            session.fault(&fault);
        }
        if !matches!(step, Step::NeedInput) {
            serving.command_due = None;
        }
        match step {
            Step::Output(bytes) => {
                if let Err(error) = serving.write(&bytes).await {
                    see_through(pending).await;
                    return Err(error);
                }
            }
            Step::Event(Event::Message(transaction, content)) => {
                match session.message(transaction, content).await {
                    Taken::Decided(decision) => serving.server.answer(decision.into()),
                    Taken::Later(decision) => {
                        serving.server.defer();
                        pending.push_back(decision);
                    }
                }
            }
            Step::Event(event) => {
                let answer = decide(session, event).await;
                serving.server.answer(answer);
            }
            Step::NeedAnswer => match pending.next().await {
                Some(decision) => serving.server.answer_deferred(decision.into()),
                None => serving.server.answer(Answer::Refuse(undecided())),
            },
            Step::NeedInput if stopping && !serving.server.is_receiving_content() => {
                serving.server.shut_down();
            }
            Step::NeedInput => {
                let heard = tokio::select! {
                    biased;
                    () = &mut stop, if !stopping => {
                        stopping = true;
                        continue;
                    }
                    Some(decision) = pending.next(), if !pending.is_empty() => {
                        serving.server.answer_deferred(decision.into());
                        continue;
                    }
                    heard = serving.listen() => heard,
                };
                match heard {
                    Ok(Heard::Something) => {}
                    Ok(Heard::Leave) => {
                        see_through(pending).await;
                        return Ok(Ended::Closed);
                    }
                    Err(error) => {
                        see_through(pending).await;
                        return Err(error);
                    }
                }
            }
            Step::StartTls => return Ok(Ended::StartTls(serving.stream)),
            Step::Close => return serving.close().await,
        }
    }
}

/// Decisions on messages that are still to come, in the order of the messages.
type Pending = FuturesOrdered<Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>>;

/// Nobody waits any more for the answers; what they stand for is carried out all the same.
async fn see_through(mut pending: Pending) {
    while pending.next().await.is_some() {}
}

/// One session under way.
struct Serving<'a, S> {
    stream: S,
    server: Server,
    timeouts: &'a Timeouts,
    /// Wiped after each read of commands: one may have been a password.
    buffer: Zeroizing<Vec<u8>>,
    /// When the content under way must be complete.
    deadline: Option<Instant>,
    /// When the next whole command must have come.
    command_due: Option<Instant>,
    /// What the client was silent about.
    silent: Option<Wait>,
}

#[derive(PartialEq, Eq)]
enum Heard {
    /// The state machine has something new to look at.
    Something,
    /// The client has closed the connection.
    Leave,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Serving<'_, S> {
    /// Gives the decisions that are there already, so that their replies leave together.
    fn answer_ready(&mut self, pending: &mut Pending) {
        while !pending.is_empty()
            && let Some(Some(decision)) = pending.next().now_or_never()
        {
            self.server.answer_deferred(decision.into());
        }
    }

    /// Reads once. Safe to drop: nothing is lost that was not read.
    async fn listen(&mut self) -> Result<Heard, SmtpError> {
        let now = Instant::now();
        let receiving = self.server.is_receiving_content();
        let (wait, until) = if receiving {
            let whole = *self.deadline.get_or_insert(now + self.timeouts.message);
            (Wait::Content, whole.min(now + self.timeouts.content))
        } else {
            self.deadline = None;
            // Not for each octet: a client that trickles holds a connection no longer than another.
            let due = *self.command_due.get_or_insert(now + self.timeouts.command);
            (Wait::Command, due)
        };
        match timeout_at(until, self.stream.read(&mut self.buffer)).await {
            Err(_) => {
                self.silent = Some(wait);
                self.server.time_out();
                Ok(Heard::Something)
            }
            Ok(Ok(0)) => Ok(Heard::Leave),
            Ok(Ok(count)) => {
                self.server.input(&self.buffer[..count]);
                if !receiving {
                    self.buffer[..count].zeroize();
                }
                Ok(Heard::Something)
            }
            // TLS without close_notify: the peer is gone all the same.
            Ok(Err(error)) if error.kind() == ErrorKind::UnexpectedEof => Ok(Heard::Leave),
            Ok(Err(error)) => Err(error.into()),
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SmtpError> {
        let writing = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(self.timeouts.content, writing).await {
            Ok(written) => Ok(written?),
            Err(_) => Err(SmtpError::Timeout(Wait::Content)),
        }
    }

    async fn close(mut self) -> Result<Ended<S>, SmtpError> {
        // The last words are written; whether the peer hears the end is its affair.
        let _ = timeout(self.timeouts.content, self.stream.shutdown()).await;
        match self.silent {
            Some(wait) => Err(SmtpError::Timeout(wait)),
            None => Ok(Ended::Closed),
        }
    }
}

async fn decide<H: Session>(session: &mut H, event: Event) -> Answer {
    let result = match event {
        Event::Hello(name) => session.hello(&name).await,
        Event::Authenticate(credentials) => session.authenticate(credentials).await,
        Event::Mail(mail) => session.mail(&mail).await,
        Event::Recipient(recipient) => session.recipient(&recipient).await,
        Event::Content(piece) => session.content(piece).await,
        Event::Message(transaction, content) => match session.message(transaction, content).await {
            Taken::Decided(decision) => decision,
            Taken::Later(decision) => decision.await,
        },
    };
    result.into()
}

/// The state machine asks again only if an answer went missing: better no than silence.
fn undecided() -> Refusal {
    Refusal::transient(
        451,
        EnhancedStatus::TRY_LATER,
        "No decision, try again later",
    )
}
