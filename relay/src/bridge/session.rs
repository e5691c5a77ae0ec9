//! One connection to the smart host, by `lettre`'s client.
//!
//! Its `send` would give up at the first recipient refused, forget SIZE and DSN, and put an empty line
//! behind content that ends with one (signed octets would differ): the lines of the transaction are
//! written here, and the content goes without its last line end, which the client's own puts back.

use std::error::Error as _;
use std::fmt;
use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, response::Response};
use liaison_mail::{
    Domain, EnhancedStatus, Envelope, Recipient, Refusal, ReplyCode, Return, Verdict,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

/// Longest text kept of a refusal, in octets.
const MAX_TEXT: usize = 400;

/// An open session.
pub(crate) struct Session {
    connection: AsyncSmtpConnection,
    /// How long an answer may take; that to a message four times as long.
    patience: Duration,
    size: bool,
    max_size: Option<u64>,
    eight_bit: bool,
    dsn: bool,
    /// Whether a transaction may be open.
    begun: bool,
}

/// What became of a message.
pub(crate) struct Sent {
    /// One a recipient, in order.
    pub(crate) verdicts: Vec<Verdict>,
    /// Whether the smart host reports on delivery (RFC 3461).
    pub(crate) reports: bool,
}

/// Why there is no answer: the session is over.
enum Silence {
    Refused(Refusal),
    Over,
}

impl Session {
    pub(super) async fn open(
        stream: TlsStream<TcpStream>,
        name: &Domain,
        login: Option<&Credentials>,
        patience: Duration,
    ) -> Result<Self, String> {
        let hello = ClientId::Domain(name.to_string());
        let opening = AsyncSmtpConnection::connect_with_transport(Box::new(Wire(stream)), &hello);
        let mut connection = within(patience, opening).await?;
        if let Some(login) = login {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            within(patience, connection.auth(&mechanisms, login)).await?;
        }
        // Said again: the client keeps none of the extensions that are needed here.
        let hello = Line(format!("EHLO {name}"));
        let answer = within(patience, connection.command(hello)).await?;
        let mut session = Self {
            connection,
            patience,
            size: false,
            max_size: None,
            eight_bit: false,
            dsn: false,
            begun: false,
        };
        session.read_extensions(&answer);
        Ok(session)
    }

    fn read_extensions(&mut self, answer: &Response) {
        for line in answer.message().skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words.next().unwrap_or("").to_ascii_uppercase().as_str() {
                "8BITMIME" => self.eight_bit = true,
                "DSN" => self.dsn = true,
                "SIZE" => {
                    self.size = true;
                    // RFC 1870 §4: 0 means no fixed limit.
                    let size = words.next().and_then(|number| number.parse().ok());
                    self.max_size = size.filter(|size| *size > 0);
                }
                _ => {}
            }
        }
    }

    /// Sends one message. `None` beside the verdicts says that the session is over.
    pub(crate) async fn send(
        mut self,
        envelope: &Envelope,
        content: &[u8],
    ) -> (Sent, Option<Self>) {
        let mut verdicts = vec![None; envelope.recipients.len()];
        let ended = match self.objection(content) {
            Some(refusal) => Err(Silence::Refused(refusal)),
            None => self.transact(envelope, content, &mut verdicts).await,
        };
        let (rest, goes_on) = match ended {
            Ok(()) => (Some(unanswered()), true),
            Err(Silence::Refused(refusal)) => {
                let leaves = refusal.code.get() == 421;
                (Some(refusal), !leaves)
            }
            Err(Silence::Over) => (Some(unanswered()), false),
        };
        let rest = rest.unwrap_or_else(unanswered);
        let verdicts = verdicts
            .into_iter()
            .map(|verdict| verdict.unwrap_or_else(|| Verdict::Refused(rest.clone())))
            .collect();
        let sent = Sent {
            verdicts,
            reports: self.dsn,
        };
        (sent, goes_on.then_some(self))
    }

    /// Takes leave, briefly: whether it is heard changes nothing.
    pub(crate) async fn close(mut self) {
        let _ = timeout(Duration::from_secs(5), self.connection.quit()).await;
    }

    fn objection(&self, content: &[u8]) -> Option<Refusal> {
        let status = |detail| EnhancedStatus::new(5, detail, 4);
        if self
            .max_size
            .is_some_and(|most| content.len() as u64 > most)
        {
            let status = status(3).unwrap_or(EnhancedStatus::CONTENT);
            let text = "message larger than the smart host takes";
            return Some(Refusal::permanent(552, status, text));
        }
        if !content.is_ascii() && !self.eight_bit {
            // RFC 6152 §3: convert or return. Signed content is never converted.
            let status = EnhancedStatus::new(5, 6, 3).unwrap_or(EnhancedStatus::CONTENT);
            let text = "message has 8-bit content, which the smart host does not take";
            return Some(Refusal::permanent(554, status, text));
        }
        None
    }

    async fn transact(
        &mut self,
        envelope: &Envelope,
        content: &[u8],
        verdicts: &mut [Option<Verdict>],
    ) -> Result<(), Silence> {
        if std::mem::replace(&mut self.begun, true) {
            // A session whose state is not known is of no use.
            self.say("RSET".to_owned())
                .await
                .map_err(|_| Silence::Over)?;
        }
        self.say(self.mail_line(envelope, content)).await?;
        for (recipient, verdict) in envelope.recipients.iter().zip(verdicts.iter_mut()) {
            match self.say(self.recipient_line(recipient)).await {
                Ok(()) => {}
                Err(Silence::Refused(refusal)) if refusal.code.get() != 421 => {
                    *verdict = Some(Verdict::Refused(refusal));
                }
                Err(over) => return Err(over),
            }
        }
        if verdicts.iter().all(Option::is_some) {
            return Ok(());
        }
        self.say("DATA".to_owned()).await?;
        let content = content.strip_suffix(b"\r\n").unwrap_or(content);
        let sending = self.connection.message(content);
        let patience = self.patience.saturating_mul(4);
        // Nothing heard: nobody knows whether it was taken. It goes again, as after any lost reply.
        let answer = timeout(patience, sending)
            .await
            .map_err(|_| Silence::Over)?;
        let verdict = match answer.map_err(silence) {
            Ok(_) => Verdict::Accepted,
            Err(Silence::Refused(refusal)) => Verdict::Refused(refusal),
            Err(Silence::Over) => return Err(Silence::Over),
        };
        for open in verdicts.iter_mut().filter(|one| one.is_none()) {
            *open = Some(verdict.clone());
        }
        self.begun = false;
        Ok(())
    }

    async fn say(&mut self, line: String) -> Result<(), Silence> {
        match timeout(self.patience, self.connection.command(Line(line))).await {
            Ok(answer) => answer.map(drop).map_err(silence),
            Err(_) => Err(Silence::Over),
        }
    }

    fn mail_line(&self, envelope: &Envelope, content: &[u8]) -> String {
        let mut line = format!("MAIL FROM:<{}>", envelope.from);
        if self.size {
            let _ = write!(line, " SIZE={}", content.len());
        }
        if !content.is_ascii() {
            line.push_str(" BODY=8BITMIME");
        }
        if self.dsn {
            let ret = match envelope.ret {
                Return::Full => "FULL",
                Return::Headers => "HDRS",
            };
            let id = xtext(envelope.id.as_str());
            let _ = write!(line, " RET={ret} ENVID={id}");
        }
        line
    }

    fn recipient_line(&self, recipient: &Recipient) -> String {
        let mut line = format!("RCPT TO:<{}>", recipient.address);
        if self.dsn {
            let original = recipient.original.as_ref().unwrap_or(&recipient.address);
            let original = xtext(&original.to_string());
            let _ = write!(line, " NOTIFY={} ORCPT=rfc822;{original}", recipient.notify);
        }
        line
    }
}

/// A command line.
struct Line(String);

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\r\n", self.0)
    }
}

async fn within<T>(
    patience: Duration,
    asking: impl Future<Output = Result<T, Error>>,
) -> Result<T, String> {
    match timeout(patience, asking).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

/// A negative answer is an answer; everything else ends the session.
fn silence(error: Error) -> Silence {
    let Some(code) = error.status() else {
        return Silence::Over;
    };
    let Ok(code) = ReplyCode::new(u16::from(code)) else {
        return Silence::Over;
    };
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    let mut text: String = said
        .chars()
        .map(|c| {
            if c == ' ' || c.is_ascii_graphic() {
                c
            } else {
                ' '
            }
        })
        .take(MAX_TEXT)
        .collect();
    let class = if code.get() < 500 { 4 } else { 5 };
    let first = text.split(' ').next().unwrap_or_default();
    let status = EnhancedStatus::parse(first).ok();
    if status.is_some() {
        text = text[first.len()..].trim_start().to_owned();
    }
    let status = status
        .filter(|status| status.class() == class)
        .or_else(|| EnhancedStatus::new(class, 0, 0).ok())
        .unwrap_or(EnhancedStatus::TRY_LATER);
    Silence::Refused(Refusal { code, status, text })
}

fn unanswered() -> Refusal {
    Refusal::transient(
        451,
        EnhancedStatus::NO_ANSWER,
        "no answer from the smart host of the bridge",
    )
}

/// RFC 3461 §4: `+` and `=` and what is not printable as `+HH`.
fn xtext(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'+' | b'=' => {
                let _ = write!(written, "+{octet:02X}");
            }
            b'!'..=b'~' => written.push(char::from(octet)),
            _ => {
                let _ = write!(written, "+{octet:02X}");
            }
        }
    }
    written
}

/// The stream as the client wants it.
struct Wire(TlsStream<TcpStream>);

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().0.peer_addr()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
