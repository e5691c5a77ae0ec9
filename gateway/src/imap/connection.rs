//! One connection: reads octets, gives them to the session, writes what it answers.

use std::net::IpAddr;
use std::time::Duration;

use liaison_base::shutdown::Shutdown;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use super::frame::{Framed, Frames};
use super::session::{Session, Site};

/// How long a peer may stay without logging in.
const LOGIN: Duration = Duration::from_secs(60);
/// How long a peer may stay silent; at least 30 minutes (RFC 3501 §5.4).
const SILENCE: Duration = Duration::from_secs(31 * 60);
/// How long a peer may take to receive one piece of an answer.
const WRITING: Duration = Duration::from_secs(300);

/// What a session waits for.
enum Event {
    Octets,
    Woken,
    Closed,
    Silent,
    Shutdown,
}

/// Serves one session to its end.
pub(super) async fn run<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    number: u64,
    remote: IpAddr,
    site: Site,
    shutdown: Shutdown,
) {
    tracing::info!(connection = number, %remote, "IMAP connection");
    let mut session = Session::new(number, remote, site);
    let mut frames = Frames::default();
    let begun = Instant::now();
    loop {
        if flush(&mut stream, &mut session).await.is_err() {
            break;
        }
        if session.is_closed() {
            break;
        }
        match frames.next(session.mode(), session.limits()) {
            Framed::Continue => session.give_leave(),
            Framed::Whole(octets) => session.whole(&octets).await,
            Framed::Refused { tag, close } => session.refuse(&tag, close),
            Framed::More => {
                let until = if session.is_logged_in() {
                    Instant::now() + SILENCE
                } else {
                    begun + LOGIN
                };
                match wait(&mut stream, &mut frames, &mut session, (until, &shutdown)).await {
                    Event::Octets => {}
                    Event::Woken => session.woken().await,
                    Event::Closed => break,
                    Event::Silent => session.bye("Silent for too long"),
                    Event::Shutdown => session.bye("The server is shutting down"),
                }
            }
        }
        while session.has_more() {
            if flush(&mut stream, &mut session).await.is_err() {
                return;
            }
            session.more().await;
        }
    }
    // The peer may be gone already: nothing is lost by that.
    let _ = timeout(Duration::from_secs(5), stream.shutdown()).await;
    tracing::info!(connection = number, "IMAP connection closed");
}

async fn wait<S: AsyncRead + Unpin>(
    stream: &mut S,
    frames: &mut Frames,
    session: &mut Session,
    (until, shutdown): (Instant, &Shutdown),
) -> Event {
    tokio::select! {
        () = shutdown.asked() => Event::Shutdown,
        () = session.waking() => Event::Woken,
        read = timeout_at(until, stream.read_buf(frames.room())) => match read {
            Err(_) => Event::Silent,
            Ok(Ok(0) | Err(_)) => Event::Closed,
            Ok(Ok(_)) => Event::Octets,
        },
    }
}

async fn flush<S: AsyncWrite + Unpin>(stream: &mut S, session: &mut Session) -> Result<(), ()> {
    let octets = session.take_output();
    if octets.is_empty() {
        return Ok(());
    }
    let writing = async {
        stream.write_all(&octets).await?;
        stream.flush().await
    };
    match timeout(WRITING, writing).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}
