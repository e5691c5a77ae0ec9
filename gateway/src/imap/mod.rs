//! IMAP4rev1 (RFC 3501) over TLS from the first byte (RFC 8314), for ordinary mail clients.
//!
//! # Map
//! - [`serve`]: the door; `connection`: one TLS connection, the only part that knows of sockets.
//! - `frame`: octets into commands, with their limits; imap-codec then parses each command.
//! - `session`: the states of RFC 3501 §3 and what each command does; octets in, octets out.
//! - `view`: the selected folder as one session sees it.
//! - `fetch`, `structure`, `mime`: what FETCH gives out; `search`: SEARCH; `list`: LIST and LSUB.
//! - `write`, `utf7`: pieces of responses; names of folders.
//!
//! # Choices
//! imap-codec parses commands. Responses are written here, because a body must pass unchanged and
//! once through memory, and commands are cut here, because what a peer may send depends on whether
//! it has logged in. LITERAL- is offered rather than LITERAL+: a client asks before it sends a
//! large literal. Only what is implemented is announced.

mod connection;
mod fetch;
pub(crate) mod frame;
pub(crate) mod list;
pub(crate) mod mime;
mod search;
mod session;
pub(crate) mod structure;
pub(crate) mod utf7;
mod view;
mod write;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use liaison_base::shutdown::Shutdown;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use crate::accounts::Accounts;
use crate::mailbox::Mailboxes;
use session::Site;

/// Largest message that APPEND takes, in octets.
pub const MAX_APPEND: usize = 35 * 1024 * 1024;
/// Most connections at once; a client of one user opens up to five.
const CONNECTIONS: usize = 1000;
/// How long a peer may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// The pause after the system refuses a connection, for example for lack of file descriptors.
const BREATH: Duration = Duration::from_millis(200);

/// Serves IMAP on a listener until a shutdown is asked for, and says where it listens.
///
/// # Errors
/// When the system cannot tell the listener's address.
pub fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    mailboxes: Mailboxes,
    accounts: Accounts,
    shutdown: &Shutdown,
) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let site = Site {
        mailboxes,
        accounts,
    };
    let acceptor = TlsAcceptor::from(tls);
    let stop = shutdown.clone();
    shutdown.spawn(async move {
        tokio::select! {
            () = stop.asked() => {}
            () = accept(listener, acceptor, site, &stop) => {}
        }
    });
    Ok(address)
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, site: Site, shutdown: &Shutdown) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let numbers = AtomicU64::new(1);
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "IMAP connection not accepted");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::warn!(%remote, "IMAP connection refused: too many");
            continue;
        };
        let (acceptor, site, stop) = (acceptor.clone(), site.clone(), shutdown.clone());
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        shutdown.spawn(async move {
            connect(stream, remote, (number, acceptor, site), stop).await;
            drop(place);
        });
    }
}

async fn connect(
    stream: TcpStream,
    remote: SocketAddr,
    (number, acceptor, site): (u64, TlsAcceptor, Site),
    shutdown: Shutdown,
) {
    // Answers are small and awaited; an error here only makes them later.
    let _ = stream.set_nodelay(true);
    let shaken = tokio::select! {
        () = shutdown.asked() => return,
        shaken = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)) => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => connection::run(stream, number, remote.ip(), site, shutdown).await,
        Ok(Err(error)) => {
            tracing::info!(connection = number, %remote, %error, "IMAP TLS handshake failed");
        }
        Err(_) => tracing::info!(connection = number, %remote, "IMAP TLS handshake too slow"),
    }
}
