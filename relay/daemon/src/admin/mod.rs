//! The operators' port: health, metrics, and the means to steer.
//!
//! - `health.rs`: `GET /health/live`, `GET /health/ready`.
//! - `metrics.rs`: `GET /metrics`, in Prometheus's text format.
//! - `queue.rs`: `/v1/queue`, `/v1/messages/{envelope}`: what the relay carries.
//! - `steer.rs`: `POST /v1/queue/{order}`: what an operator does to what waits.
//! - `client.rs`: the command line as its caller.
//! - `access.rs`: who may call `/v1`. `problem.rs`: errors on the wire (RFC 9457).
//!
//! Health and metrics name no mailbox and no message, and answer whoever reaches the port. `/v1`
//! names both, and steers: it answers only to the token or to a client certificate.

mod access;
pub(crate) mod client;
mod health;
mod metrics;
mod problem;
mod queue;
mod steer;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use liaison_base::listener::Listener;
use liaison_base::shutdown::Shutdown;
use liaison_base::tls;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use crate::error::CommandError;
use crate::running::Running;

use access::Access;
pub(crate) use metrics::Recorder;

/// Where the port is unless the settings say otherwise.
pub(crate) const PORT: u16 = 9780;
/// A scraper, a probe and an operator or two.
const DOOR: Listener = Listener {
    name: "admin",
    connections: 32,
};
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long a request's headers may take.
const HEADERS: Duration = Duration::from_secs(15);
/// How long an answer may take: a probe itself waits five seconds for a store.
const ANSWER: Duration = Duration::from_secs(30);
/// The longest body of a request, in octets.
const MAX_BODY: usize = 16 * 1024;

/// The `[admin]` section: the operators' port. Without the section there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    /// Where it listens. Elsewhere than on loopback it needs TLS and either a token or `anchors`.
    /// Default: 127.0.0.1:9780.
    pub(crate) listen: SocketAddr,
    /// The file of the token that callers of `/v1` show (`Authorization: Bearer`), made if absent,
    /// readable by its owner alone. Without it and without `anchors`, `/v1` answers nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<PathBuf>,
    /// PEM chain of the certificate shown; with it and `key` the port speaks TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificate: Option<PathBuf>,
    /// PEM key of that certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<PathBuf>,
    /// PEM file of the authorities whose certificates callers must show; needs TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) anchors: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT),
            token: None,
            certificate: None,
            key: None,
            anchors: None,
        }
    }
}

/// Opens the port. It answers until the process has nothing more to do, so that a drain can be
/// watched.
pub(crate) async fn open(
    settings: &Settings,
    running: Running,
    shutdown: &Shutdown,
) -> Result<SocketAddr, CommandError> {
    let tls = acceptor(settings)?;
    let access = Access::of(settings)?;
    if !settings.listen.ip().is_loopback() && (tls.is_none() || !access.is_limited()) {
        return Err(CommandError::Settings(
            "[admin] elsewhere than on loopback needs `certificate`, `key`, and `token` or `anchors`",
        ));
    }
    let routes = routes(running, access);
    let address = DOOR
        .open_until_over(settings.listen, shutdown, move |stream, remote| {
            let (routes, tls) = (routes.clone(), tls.clone());
            async move {
                let ended = match tls {
                    None => answer(stream, routes).await,
                    Some(tls) => match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                        Ok(Ok(stream)) => answer(stream, routes).await,
                        Ok(Err(error)) => Err(error.to_string()),
                        Err(_) => Err("the TLS handshake took too long".to_owned()),
                    },
                };
                if let Err(cause) = ended {
                    tracing::info!(%remote, cause, "admin: a connection ended early");
                }
            }
        })
        .await
        .map_err(|cause| {
            CommandError::Peer(format!("cannot listen on {}: {cause}", settings.listen))
        })?;
    tracing::info!(%address, "the operators' port is open");
    Ok(address)
}

fn acceptor(settings: &Settings) -> Result<Option<TlsAcceptor>, CommandError> {
    let (certificate, key) = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) if settings.anchors.is_none() => return Ok(None),
        _ => {
            return Err(CommandError::Settings(
                "[admin] `certificate` and `key` go together, and `anchors` needs them",
            ));
        }
    };
    let identity = tls::Identity::load(certificate, key)?;
    let config = match &settings.anchors {
        Some(anchors) => tls::relay_server(identity, tls::anchors(anchors)?, Vec::new())?,
        None => tls::server(identity)?,
    };
    Ok(Some(TlsAcceptor::from(config)))
}

fn routes(running: Running, access: Access) -> Router {
    let steering = Router::new()
        .route("/queue", get(queue::waiting))
        .route("/queue/depths", get(queue::depths))
        .route("/queue/{order}", post(steer::steer))
        .route("/messages/{envelope}", get(queue::message))
        .route("/reload", post(queue::reload))
        .layer(middleware::from_fn_with_state(access, access::check));
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(metrics::show))
        .nest("/v1", steering)
        .fallback(problem::no_such_page)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(limit_time))
        .with_state(running)
}

async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER, next.run(request)).await {
        Ok(response) => response,
        Err(_) => problem::timeout(),
    }
}

async fn answer<S>(stream: S, routes: Router) -> Result<(), String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
        .await
        .map_err(|error| error.to_string())
}
