//! The way to a destination: our own gateway, or a connection to the relay that the directory
//! names, over TLS 1.3 with a certificate on both sides.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use liaison_directory_client::{Host, RelayEndpoint};
use liaison_mail::{Domain, EnhancedStatus, Refusal};
use liaison_smtp::SmtpError;
use liaison_smtp::io::{Connection, Timeouts};
use rustls_pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::bridge::Bridge;
use crate::measures;
use crate::refusals::Reason;
use crate::relay::Inner;

/// Most addresses of one host tried.
const MAX_ADDRESSES: usize = 8;

/// Where a domain's mail goes.
#[derive(Debug)]
pub(super) enum Route {
    /// To the gateway behind this relay.
    Gateway,
    /// To another relay.
    Peer(RelayEndpoint),
    /// To the smart host of the bridge.
    Bridge(Arc<Bridge>),
}

/// An open session with a peer.
pub(super) struct Link {
    pub(super) connection: Connection<TlsStream<TcpStream>>,
    /// Whether the peer has answered a message on it: it may have died since.
    pub(super) worked: bool,
}

impl Link {
    /// Takes leave, briefly: whether the peer hears it changes nothing.
    pub(super) async fn close(self) {
        let _ = timeout(LEAVE, self.connection.quit()).await;
    }
}

/// How long a peer has to answer QUIT.
const LEAVE: Duration = Duration::from_secs(5);

/// Asks the settings, then the directory.
pub(super) async fn route(relay: &Inner, domain: &Domain) -> Result<Route, Refusal> {
    if relay.settings.domains.contains(domain) {
        return Ok(Route::Gateway);
    }
    let live = relay.live.get();
    if let Some(bridge) = live.bridge.as_ref().filter(|one| one.serves(domain)) {
        return Ok(Route::Bridge(Arc::clone(bridge)));
    }
    match relay.directory.relay_of(domain).await {
        Ok(Some(endpoint)) if endpoint.server_name == relay.settings.hostname => {
            tracing::error!(
                %domain,
                "the directory says that this relay serves the domain, its settings do not"
            );
            Err(Refusal::transient(
                451,
                EnhancedStatus::TRY_LATER,
                "this relay is not yet set up for the recipient's domain",
            ))
        }
        Ok(Some(endpoint)) => Ok(Route::Peer(endpoint)),
        Ok(None) => Err(Refusal::permanent(
            550,
            EnhancedStatus::NO_ROUTE,
            "the directory lists no relay for the recipient's domain",
        )),
        Err(error) => {
            tracing::warn!(%domain, %error, "the directory gives no route");
            Err(Reason::Directory.refusal())
        }
    }
}

/// Connects, shakes hands and says EHLO. A refusal is always worth another try: what is wrong
/// with a peer's host or certificate is repaired there, not by losing mail.
pub(super) async fn connect(relay: &Inner, endpoint: &RelayEndpoint) -> Result<Link, Refusal> {
    let limit = relay.settings.limits.connect;
    let Ok(stream) = timeout(limit, reach(endpoint)).await else {
        return Err(unreachable(endpoint, "no connection in time"));
    };
    let stream = stream.map_err(|error| unreachable(endpoint, &error.to_string()))?;
    let name = ServerName::try_from(endpoint.server_name.to_string())
        .map_err(|error| unreachable(endpoint, &error.to_string()))?;
    let connector = TlsConnector::from(Arc::clone(&relay.live.get().client_tls));
    let shaken = timeout(limit, connector.connect(name, stream)).await;
    measures::handshake("out", matches!(shaken, Ok(Ok(_))));
    let Ok(stream) = shaken else {
        return Err(unreachable(endpoint, "no TLS handshake in time"));
    };
    let stream = stream.map_err(|error| unreachable(endpoint, &error.to_string()))?;
    let name = relay.settings.hostname.clone();
    let connection = Connection::open(stream, name, timeouts(relay.settings.limits.reply))
        .await
        .map_err(|error| {
            let unanswered = unreachable(endpoint, &error.to_string());
            match error {
                // 554 today; once its list or ours is mended, it is another answer.
                SmtpError::Refused(refusal) => {
                    let text = format!("the next relay refuses the session: {}", refusal.text);
                    Refusal::transient(451, unanswered.status, text)
                }
                _ => unanswered,
            }
        })?;
    Ok(Link {
        connection,
        worked: false,
    })
}

async fn reach(endpoint: &RelayEndpoint) -> std::io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = match &endpoint.host {
        Host::Ip(ip) => vec![SocketAddr::new(*ip, endpoint.port)],
        Host::Name(name) => lookup_host((name.as_str(), endpoint.port))
            .await?
            .take(MAX_ADDRESSES)
            .collect(),
    };
    let mut last = std::io::Error::other("the host has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Commands are small and each waits for its answer.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The patience of the settings; where content flows, the whole of RFC 5321 §4.5.3.2 at most.
pub(super) fn timeouts(reply: Duration) -> Timeouts {
    let usual = Timeouts::default();
    Timeouts {
        greeting: reply,
        reply,
        go_ahead: reply,
        content: usual.content.min(reply.saturating_mul(2)),
        acceptance: reply.saturating_mul(4),
        ..usual
    }
}

/// The cause is for the log; the sender hears only that nobody answered.
fn unreachable(endpoint: &RelayEndpoint, cause: &str) -> Refusal {
    tracing::warn!(
        peer = %endpoint.server_name,
        host = %endpoint.host,
        port = endpoint.port,
        cause,
        "no session with the peer"
    );
    Refusal::transient(
        451,
        EnhancedStatus::NO_ANSWER,
        "the next relay could not be reached",
    )
}
