//! Where mail clients submit: SMTP with AUTH over TLS from the first byte (RFC 6409, RFC 8314).
//!
//! A recipient is looked up while the client waits, so that a wrong address is refused at once in
//! words that the client shows. The message is answered once its drafts are durable; sealing and
//! carriage follow.

mod session;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use liaison_base::clock::Clock;
use liaison_base::listener::Listener;
use liaison_base::shutdown::Shutdown;
use liaison_directory_client::Client;
use liaison_mail::Domain;
use liaison_smtp::io::{self, Timeouts};
use liaison_smtp::server::{Role, Settings};
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::GatewayError;
use crate::accounts::Accounts;
use crate::outbound::Drafts;
use crate::outbound::identity::Identities;
use crate::partners::Partners;

use session::Submission;

/// A client opens one connection for each message.
const PORT: Listener = Listener {
    name: "submission",
    connections: 200,
};
/// Longest TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// What the submission port needs to answer.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) domain: Domain,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) identities: Arc<Identities>,
    pub(crate) directory: Arc<Client>,
    pub(crate) drafts: Drafts,
    pub(crate) partners: Partners,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Opens the port and serves it until a shutdown is asked for. Returns the bound address.
pub(crate) async fn serve(
    door: Door,
    listen: SocketAddr,
    tls: Arc<ServerConfig>,
    shutdown: &Shutdown,
) -> Result<SocketAddr, GatewayError> {
    let stop = shutdown.clone();
    let acceptor = TlsAcceptor::from(tls);
    PORT.open(listen, shutdown, move |stream, remote| {
        let (door, acceptor, stop) = (door.clone(), acceptor.clone(), stop.clone());
        async move { connection(door, &acceptor, (stream, remote), &stop).await }
    })
    .await
    .map_err(|cause| GatewayError::Listen {
        listen: listen.to_string(),
        cause,
    })
}

async fn connection(
    door: Door,
    acceptor: &TlsAcceptor,
    (stream, remote): (TcpStream, SocketAddr),
    shutdown: &Shutdown,
) {
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::info!(%remote, %error, "submission: no TLS session");
            return;
        }
        Err(_) => {
            tracing::info!(%remote, "submission: the TLS handshake took too long");
            return;
        }
    };
    let settings = Settings::new(Role::Submission, door.domain.clone());
    let mut session = Submission::new(door, remote.ip());
    let served = io::serve(
        stream,
        settings,
        &mut session,
        &Timeouts::default(),
        shutdown.asked(),
    )
    .await;
    if let Err(error) = served {
        tracing::info!(%remote, %error, "submission: connection ended");
    }
}
