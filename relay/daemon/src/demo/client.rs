//! What an ordinary mail client does: IMAP to read, SMTP to submit, both over TLS.
//!
//! Small on purpose and strict: an answer that is not the expected one ends the day.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use liaison_base::tls;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::territory::Account;
use crate::error::CommandError;

/// How long the day waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A line-speaking connection over TLS.
struct Lines {
    stream: BufReader<TlsStream<TcpStream>>,
}

impl Lines {
    async fn connect(ca: &Path, port: u16) -> Result<Self, CommandError> {
        let config = tls::client(tls::anchors(ca)?)?;
        let connect = async {
            let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
            TlsConnector::from(Arc::new(config))
                .connect(name, tcp)
                .await
        };
        let stream = within(connect).await?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), CommandError> {
        within(async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        })
        .await
    }

    async fn line(&mut self) -> Result<String, CommandError> {
        let mut line = Vec::new();
        within(self.stream.read_until(b'\n', &mut line)).await?;
        if line.is_empty() {
            return Err(CommandError::Day(
                "the server closed the connection".to_owned(),
            ));
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    async fn octets(&mut self, count: usize) -> Result<Vec<u8>, CommandError> {
        let mut octets = vec![0; count];
        within(self.stream.read_exact(&mut octets)).await?;
        Ok(octets)
    }
}

/// A mail client reading one mailbox.
pub(super) struct Reader {
    lines: Lines,
    tags: u32,
    /// The server has said since this was cleared that something is new (RFC 3501 §7.3.1).
    has_news: bool,
}

impl Reader {
    /// Logs in and selects INBOX.
    pub(super) async fn open(
        ca: &Path,
        port: u16,
        account: &Account,
    ) -> Result<Self, CommandError> {
        let mut reader = Self {
            lines: Lines::connect(ca, port).await?,
            tags: 0,
            has_news: false,
        };
        reader.lines.line().await?;
        reader
            .command(&format!(
                "LOGIN \"{}\" \"{}\"",
                account.user, account.password
            ))
            .await?;
        reader.command("SELECT INBOX").await?;
        Ok(reader)
    }

    /// The first message whose subject holds `words`: waits for it with IDLE, as clients do.
    /// Answers with its uid.
    pub(super) async fn wait_for(&mut self, words: &str) -> Result<u32, CommandError> {
        let search = async {
            loop {
                self.has_news = false;
                if let Some(uid) = self.find(words).await? {
                    return Ok(uid);
                }
                // What arrived while the server searched is told beside its answer, and only once.
                if !self.has_news {
                    self.idle().await?;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search)
            .await
            .map_err(|_| CommandError::Day(format!("no message « {words} » within {PATIENCE:?}")))?
    }

    /// Fetches a message as a client that shows it: this sets \Seen.
    pub(super) async fn open_message(&mut self, uid: u32) -> Result<Vec<u8>, CommandError> {
        let (_, literal) = self.command(&format!("UID FETCH {uid} (BODY[])")).await?;
        literal.ok_or_else(|| CommandError::Day("a message without a body".to_owned()))
    }

    async fn find(&mut self, words: &str) -> Result<Option<u32>, CommandError> {
        // The words go as a literal, since they may hold letters beyond ASCII (RFC 3501 §6.4.4).
        self.tags += 1;
        let tag = format!("a{}", self.tags);
        let head = format!(
            "{tag} UID SEARCH CHARSET UTF-8 SUBJECT {{{}}}\r\n",
            words.len()
        );
        self.lines.send(head.as_bytes()).await?;
        let go_on = self.lines.line().await?;
        if !go_on.starts_with('+') {
            return Err(CommandError::Day(format!("SEARCH was answered {go_on}")));
        }
        self.lines.send(format!("{words}\r\n").as_bytes()).await?;
        let (lines, _) = self.answer(&tag).await?;
        Ok(lines
            .iter()
            .find_map(|line| line.strip_prefix("* SEARCH"))
            .and_then(|uids| uids.split_ascii_whitespace().next_back()?.parse().ok()))
    }

    /// Waits until the server says that something has arrived.
    async fn idle(&mut self) -> Result<(), CommandError> {
        self.tags += 1;
        let tag = format!("a{}", self.tags);
        self.lines
            .send(format!("{tag} IDLE\r\n").as_bytes())
            .await?;
        loop {
            let line = self.lines.line().await?;
            if is_exists(&line) {
                break;
            }
        }
        self.lines.send(b"DONE\r\n").await?;
        self.answer(&tag).await.map(|_| ())
    }

    async fn command(
        &mut self,
        text: &str,
    ) -> Result<(Vec<String>, Option<Vec<u8>>), CommandError> {
        self.tags += 1;
        let tag = format!("a{}", self.tags);
        self.lines
            .send(format!("{tag} {text}\r\n").as_bytes())
            .await?;
        self.answer(&tag).await
    }

    /// The untagged lines and the last literal up to the tagged OK.
    async fn answer(&mut self, tag: &str) -> Result<(Vec<String>, Option<Vec<u8>>), CommandError> {
        let (mut lines, mut literal) = (Vec::new(), None);
        loop {
            let line = self.lines.line().await?;
            if let Some(verdict) = line.strip_prefix(tag) {
                return match verdict.trim_start().starts_with("OK") {
                    true => Ok((lines, literal)),
                    false => Err(CommandError::Day(format!("the server answered{verdict}"))),
                };
            }
            self.has_news |= is_exists(&line);
            let announced = line
                .strip_suffix('}')
                .and_then(|line| line.rsplit_once('{')?.1.parse().ok());
            if let Some(count) = announced {
                literal = Some(self.lines.octets(count).await?);
            }
            lines.push(line);
        }
    }
}

/// `* n EXISTS`: the folder has grown.
fn is_exists(line: &str) -> bool {
    line.starts_with("* ") && line.ends_with(" EXISTS")
}

/// Submits a message as its author.
pub(super) async fn submit(
    ca: &Path,
    port: u16,
    account: &Account,
    to: &str,
    message: &str,
) -> Result<(), CommandError> {
    use base64::Engine as _;
    let mut lines = Lines::connect(ca, port).await?;
    reply(&mut lines, "220").await?;
    let proof = base64::engine::general_purpose::STANDARD
        .encode(format!("\0{}\0{}", account.user, account.password));
    for (command, expected) in [
        ("EHLO client.test".to_owned(), "250"),
        (format!("AUTH PLAIN {proof}"), "235"),
        (format!("MAIL FROM:<{}>", account.address), "250"),
        (format!("RCPT TO:<{to}>"), "250"),
        ("DATA".to_owned(), "354"),
        (format!("{}\r\n.", message.trim_end()), "250"),
        ("QUIT".to_owned(), "221"),
    ] {
        lines.send(format!("{command}\r\n").as_bytes()).await?;
        reply(&mut lines, expected).await?;
    }
    Ok(())
}

async fn reply(lines: &mut Lines, expected: &str) -> Result<(), CommandError> {
    loop {
        let line = lines.line().await?;
        if !line.starts_with(expected) {
            return Err(CommandError::Day(format!("submission was answered {line}")));
        }
        if line.as_bytes().get(3) != Some(&b'-') {
            return Ok(());
        }
    }
}

async fn within<T>(work: impl Future<Output = std::io::Result<T>>) -> Result<T, CommandError> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(cause)) => Err(CommandError::Day(format!("a connection broke: {cause}"))),
        Err(_) => Err(CommandError::Day(
            "a server did not answer in time".to_owned(),
        )),
    }
}
