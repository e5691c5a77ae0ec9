//! A peer that misbehaves: it has a relay's certificate and speaks SMTP up to a point.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::io::{AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Up to where it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub enum Stage {
    /// The TCP connection.
    Accept,
    /// The TLS handshake.
    Handshake,
    /// The certificate: it is somebody else's. From there on all is as it should be.
    Identity,
    Greeting,
    Hello,
    Mail,
    Recipient,
    /// The answer to DATA.
    GoAhead,
    /// The content, after its first octets.
    Content,
    /// The answer to the content.
    Acceptance,
}

impl Stage {
    /// Those at which an answer is due.
    pub const ANSWERS: [Self; 6] = [
        Self::Greeting,
        Self::Hello,
        Self::Mail,
        Self::Recipient,
        Self::GoAhead,
        Self::Acceptance,
    ];
}

/// What it does there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Says and does nothing more.
    Hang,
    /// Closes without a word.
    Close,
    /// Says that nothing more will come, and goes on reading.
    HalfClose,
    /// Says this in place of the right answer, and goes on.
    Say(&'static str),
    /// Says this in place of the right answer, and closes.
    Leave(&'static str),
    /// Says this and the right answer twice over, and goes on.
    Repeat,
    /// Says this for ever.
    Flood(&'static str),
    /// Says this octet by octet, and never comes to the end.
    Trickle(&'static str),
}

/// Which extensions it announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Content in dots, one command at a time.
    Old,
    /// Commands in groups, content in chunks.
    Modern,
}

/// One trick.
#[derive(Clone, Copy, Debug)]
pub struct Trick {
    pub manner: Manner,
    pub stage: Stage,
    pub act: Act,
}

/// Listens, plays the trick once, and carries the connections after it to the relay at `real`.
pub async fn play(trick: Trick, tls: Arc<ServerConfig>, real: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let played = Arc::new(AtomicBool::new(false));
        while let Ok((mut stream, _)) = listener.accept().await {
            let (tls, played) = (Arc::clone(&tls), Arc::clone(&played));
            tokio::spawn(async move {
                if played.load(Ordering::SeqCst) {
                    let mut there = TcpStream::connect(real).await.unwrap();
                    let _ = copy_bidirectional(&mut stream, &mut there).await;
                } else {
                    // The caller may be gone at any moment: that is its answer.
                    let _ = deceive(trick, tls, stream, &played).await;
                }
            });
        }
    });
    address
}

async fn deceive(
    trick: Trick,
    tls: Arc<ServerConfig>,
    mut stream: TcpStream,
    played: &AtomicBool,
) -> std::io::Result<()> {
    if trick.stage == Stage::Accept {
        played.store(true, Ordering::SeqCst);
        return act(trick.act, &mut stream, "").await.map(drop);
    }
    if trick.stage == Stage::Handshake {
        // The client's first words come, and something else than TLS is said.
        stream.read_u8().await?;
        played.store(true, Ordering::SeqCst);
        return act(trick.act, &mut stream, "").await.map(drop);
    }
    if trick.stage == Stage::Identity {
        played.store(true, Ordering::SeqCst);
    }
    let stream = TlsAcceptor::from(tls).accept(stream).await?;
    converse(trick, BufReader::new(stream), played).await
}

/// Whether the conversation goes on.
type GoesOn = bool;

async fn act<S: AsyncRead + AsyncWrite + Unpin>(
    act: Act,
    stream: &mut S,
    right: &str,
) -> std::io::Result<GoesOn> {
    match act {
        Act::Hang => to_the_end(stream).await,
        Act::Close => {}
        Act::HalfClose => {
            stream.shutdown().await?;
            to_the_end(stream).await;
        }
        Act::Say(words) => {
            say(stream, words).await?;
            return Ok(true);
        }
        Act::Leave(words) => {
            say(stream, words).await?;
            stream.shutdown().await?;
        }
        Act::Repeat => {
            // In one piece: it is all there when the first is heard.
            say(stream, &right.repeat(2)).await?;
            return Ok(true);
        }
        Act::Flood(words) => loop {
            stream.write_all(words.repeat(64).as_bytes()).await?;
        },
        Act::Trickle(words) => {
            for octet in words.bytes().cycle() {
                stream.write_u8(octet).await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        }
    }
    Ok(false)
}

/// Reads until the other side has had enough.
async fn to_the_end<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut octets = [0; 4096];
    while let Ok(1..) = stream.read(&mut octets).await {}
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, words: &str) -> std::io::Result<()> {
    stream.write_all(words.as_bytes()).await?;
    stream.flush().await
}

/// The server's side of a session, right but for the trick. After it a second transaction is not
/// taken: the mail must go to the relay whose name the trickster uses.
async fn converse<S>(
    trick: Trick,
    mut stream: BufReader<S>,
    played: &AtomicBool,
) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut line, mut mails, mut refused) = (String::new(), 0, false);
    let mut stage = Stage::Greeting;
    loop {
        let hello = match trick.manner {
            Manner::Old => "250-x\r\n250-8BITMIME\r\n250 DSN\r\n",
            Manner::Modern => {
                "250-x\r\n250-8BITMIME\r\n250-DSN\r\n250-PIPELINING\r\n250 CHUNKING\r\n"
            }
        };
        let right = match (stage, refused) {
            (Stage::Greeting, _) => "220 x ESMTP\r\n",
            (Stage::Hello, _) => hello,
            (Stage::GoAhead | Stage::Acceptance, true) => "554 5.5.1 no valid recipients\r\n",
            (Stage::GoAhead, false) => "354 go on\r\n",
            _ => "250 2.0.0 fine\r\n",
        };
        if stage == trick.stage {
            played.store(true, Ordering::SeqCst);
            if !act(trick.act, &mut stream, right).await? {
                return Ok(());
            }
            refused |= matches!(trick.act, Act::Say(words) if words.starts_with(['4', '5']));
        } else {
            say(&mut stream, right).await?;
        }
        if stage == Stage::GoAhead && !refused {
            content(&mut stream, trick, played).await?;
            stage = Stage::Acceptance;
            continue;
        }
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        stage = match line.get(..4).unwrap_or_default() {
            "EHLO" => Stage::Hello,
            "MAIL" => {
                mails += 1;
                if mails > 1 || trick.stage == Stage::Hello {
                    return say(&mut stream, "421 4.3.2 going away\r\n").await;
                }
                Stage::Mail
            }
            "RCPT" => Stage::Recipient,
            "DATA" => Stage::GoAhead,
            "BDAT" => {
                chunk(&mut stream, &line, (trick, played)).await?;
                Stage::Acceptance
            }
            _ => return say(&mut stream, "421 4.3.2 going away\r\n").await,
        };
    }
}

/// Reads content up to its lone dot.
async fn content<S>(
    stream: &mut BufReader<S>,
    trick: Trick,
    played: &AtomicBool,
) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut line = Vec::new();
    while line != b".\r\n" {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        interrupt(stream, trick, played).await?;
    }
    Ok(())
}

/// Reads a chunk.
async fn chunk<S>(
    stream: &mut BufReader<S>,
    line: &str,
    (trick, played): (Trick, &AtomicBool),
) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let size = line.split_ascii_whitespace().nth(1).unwrap();
    let mut left: usize = size.parse().unwrap();
    let mut octets = [0; 4096];
    while left > 0 {
        let most = left.min(octets.len());
        match stream.read(&mut octets[..most]).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => left -= count,
        }
        interrupt(stream, trick, played).await?;
    }
    Ok(())
}

async fn interrupt<S>(
    stream: &mut BufReader<S>,
    trick: Trick,
    played: &AtomicBool,
) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if trick.stage != Stage::Content {
        return Ok(());
    }
    played.store(true, Ordering::SeqCst);
    if !act(trick.act, stream, "").await? {
        return Err(std::io::ErrorKind::ConnectionAborted.into());
    }
    Ok(())
}
