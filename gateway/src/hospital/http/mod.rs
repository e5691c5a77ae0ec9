//! Events over HTTPS, for systems that speak FHIR or plain JSON.
//!
//! | | takes | gives |
//! |---|---|---|
//! | `POST /fhir/$process-message` | a FHIR R4 message (Da Vinci Alerts, MedCom) | 201 and an OperationOutcome |
//! | `POST /fhir` | a transaction with an Encounter and its Patient; DocumentReference and a List of MedicationStatement for the letter | the same |
//! | `POST /v1/notices` | the JSON of [`plain`], with an `Idempotency-Key` | 201 and what it came to |
//! | `POST /v1/messages` | a message about a stay, the JSON of `written`, with an `Idempotency-Key` | the same |
//! | `GET /v1/openapi.json` | | what is described here, for programs |
//!
//! 201 leaves after the durable commit. What is wrong with a request is 4xx, with an
//! OperationOutcome or a problem (RFC 9457) that repeats no value of it; a fault of ours is 503,
//! and the client repeats: the same key, or the same message, is taken once.
//!
//! - [`access`]: which client calls, and what it may. `plain`, `written`: the JSON of our own. `reply`:
//!   answers. `once`: keys that were used.

mod access;
mod once;
mod plain;
mod reply;
mod written;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::HeaderMap;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, body::Body};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use liaison_base::civil::legal_time;
use liaison_base::listener::Listener;
use liaison_base::shutdown::Shutdown;
use liaison_base::tls;
use liaison_hl7::fhir::{self, Bundle, Fault, documents};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::feed::{Feed, Taken};
use super::network::Network;
use crate::GatewayError;
use crate::notices::Origin;
use crate::settings::{HttpScope, HttpSettings};
use access::{Access, Caller};
use once::{Key, Once, Work};
use reply::Dialect;

/// A hospital has a handful of systems, each with a few connections.
const PORT: Listener = Listener {
    name: "feed over HTTPS",
    connections: 128,
};
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEADERS: Duration = Duration::from_secs(15);
/// A body on a slow line, and its commit.
const ANSWER: Duration = Duration::from_secs(60);

/// What the port needs.
pub(crate) struct Door {
    pub(crate) feed: Feed,
    pub(crate) allow: Vec<Network>,
    pub(crate) settings: HttpSettings,
}

#[derive(Clone)]
struct Desk {
    feed: Feed,
    access: Arc<Access>,
}

/// Opens the port.
///
/// # Errors
/// [`GatewayError::Setting`] when clients, tokens or certificates cannot be used;
/// [`GatewayError::Listen`].
pub(crate) async fn serve(
    door: Door,
    identity: tls::Identity,
    shutdown: &Shutdown,
) -> Result<SocketAddr, GatewayError> {
    let config = match &door.settings.anchors {
        Some(anchors) => {
            let revoked = tls::revocations(&door.settings.revocations)?;
            tls::relay_server(identity, tls::anchors(anchors)?, revoked)?
        }
        None => tls::server(identity)?,
    };
    let acceptor = TlsAcceptor::from(config);
    let access = Arc::new(Access::of(&door.settings)?);
    let feed = door.feed;
    let allow = Arc::new(door.allow);
    let listen = door.settings.listen;
    PORT.open(listen, shutdown, move |stream, remote| {
        let desk = Desk {
            feed: feed.clone(),
            access: Arc::clone(&access),
        };
        let (acceptor, allow) = (acceptor.clone(), Arc::clone(&allow));
        async move {
            if !allow.is_empty() && !allow.iter().any(|network| network.contains(remote.ip())) {
                tracing::warn!(%remote, "feed over HTTPS: not from an allowed network, sent away");
                return;
            }
            if let Err(cause) = connection(acceptor, stream, desk).await {
                tracing::info!(%remote, cause, "feed over HTTPS: a connection ended early");
            }
        }
    })
    .await
    .map_err(|cause| GatewayError::Listen {
        listen: listen.to_string(),
        cause,
    })
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, desk: Desk) -> Result<(), String> {
    let _ = stream.set_nodelay(true);
    let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream))
        .await
        .map_err(|_| "the TLS handshake took too long".to_owned())?
        .map_err(|error| error.to_string())?;
    let shown = stream.get_ref().1.peer_certificates();
    let certificate = shown
        .and_then(|chain| chain.first())
        .map(|leaf| leaf.to_vec());
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .serve_connection(
            TokioIo::new(stream),
            TowerToHyperService::new(routes(desk, certificate)),
        )
        .await
        .map_err(|error| error.to_string())
}

fn routes(desk: Desk, certificate: Option<Vec<u8>>) -> Router {
    let guarded = Router::new()
        .route("/fhir/$process-message", post(take_bundle))
        .route("/fhir", post(take_bundle))
        .route("/fhir/", post(take_bundle))
        .route("/v1/notices", post(take_notice))
        .route("/v1/messages", post(take_message))
        .layer(middleware::from_fn_with_state(desk.clone(), identify))
        .layer(Extension(access::Shown(certificate)));
    Router::new()
        .route("/v1/openapi.json", get(reply::openapi))
        .merge(guarded)
        .fallback(reply::no_such_page)
        .method_not_allowed_fallback(reply::wrong_method)
        .layer(DefaultBodyLimit::max(fhir::MAX_BUNDLE))
        .layer(middleware::from_fn(limit_time))
        .with_state(desk)
}

async fn limit_time(request: Request, next: Next) -> Response {
    let dialect = Dialect::of(request.uri().path());
    match tokio::time::timeout(ANSWER, next.run(request)).await {
        Ok(response) => response,
        Err(_) => reply::unavailable(dialect),
    }
}

/// Lets a request through as the client that it comes from, or answers 401 or 403.
async fn identify(
    State(desk): State<Desk>,
    Extension(shown): Extension<access::Shown>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let dialect = Dialect::of(request.uri().path());
    let scope = match dialect {
        Dialect::Fhir => HttpScope::Fhir,
        Dialect::Plain => HttpScope::Notices,
    };
    match desk.access.caller(request.headers(), &shown) {
        None => {
            tracing::warn!("feed over HTTPS: a request of nobody known was refused");
            reply::unauthorized(dialect)
        }
        Some(caller) if !caller.may(scope) => {
            tracing::warn!(
                client = caller.name,
                "feed over HTTPS: a client asked for more than it may"
            );
            reply::forbidden(dialect)
        }
        Some(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
    }
}

async fn take_bundle(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let key = match Key::optional(&headers, &caller, &body) {
        Ok(key) => key,
        Err(detail) => return reply::bad_request(Dialect::Fhir, "Idempotency-Key", detail),
    };
    let sender = fhir::Sender {
        facility: &caller.facility,
        application: &caller.name,
        local: legal_time,
        now: legal_time(desk.feed.clock().now()),
    };
    let read = || -> Result<_, Fault> {
        let bundle = Bundle::parse(&body)?;
        let letters = documents::letters(&bundle, &sender)?;
        let event = match bundle.has_event() {
            true => Some(fhir::event(&bundle, &sender)?),
            false => None,
        };
        Ok((letters, documents::changes(&bundle), event))
    };
    let (letters, changes, event) = match read() {
        Ok(read) => read,
        Err(fault) => {
            tracing::warn!(client = caller.name, reason = %fault, "feed over HTTPS: bundle refused");
            return reply::fault(fault);
        }
    };
    let mut outcome = Taken {
        outcome: "no notice: nothing said".to_owned(),
        notices: 0,
    };
    if let Some(letters) = letters {
        // Before the event: the letter goes with the discharge.
        match desk
            .feed
            .take_letters(letters, changes, body.to_vec())
            .await
        {
            Ok(Ok(taken)) => outcome = taken,
            Ok(Err(refusal)) => {
                tracing::warn!(client = caller.name, reason = %refusal, "feed over HTTPS: letter refused");
                return reply::fault(Fault::Value("DocumentReference"));
            }
            Err(error) => return fault_of_ours(&caller, Dialect::Fhir, &error),
        }
    }
    if let Some(event) = event {
        match desk
            .feed
            .take_once(Work::Event(Box::new(event)), body.to_vec(), key)
            .await
        {
            Ok(Once::Taken(taken)) => outcome = taken,
            // An event is refused before it comes here.
            Ok(Once::Refused(_)) => return reply::unavailable(Dialect::Fhir),
            Ok(Once::Reused) => return reply::reused(Dialect::Fhir),
            Err(error) => return fault_of_ours(&caller, Dialect::Fhir, &error),
        }
    }
    said(&caller, &outcome);
    reply::taken(Dialect::Fhir, &outcome)
}

async fn take_notice(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let key = match Key::required(&headers, &caller, &body) {
        Ok(key) => key,
        Err(detail) => return reply::bad_request(Dialect::Plain, "Idempotency-Key", detail),
    };
    let now = legal_time(desk.feed.clock().now());
    let event = match plain::read(&body, &caller, key.shown(), now) {
        Ok(event) => event,
        Err(wrong) => {
            tracing::warn!(client = caller.name, reason = %wrong, "feed over HTTPS: notice refused");
            return reply::bad_request(Dialect::Plain, wrong.at, &wrong.detail);
        }
    };
    take_work(&desk, &caller, (Work::Event(Box::new(event)), body, key)).await
}

async fn take_message(
    State(desk): State<Desk>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let key = match Key::required(&headers, &caller, &body) {
        Ok(key) => key,
        Err(detail) => return reply::bad_request(Dialect::Plain, "Idempotency-Key", detail),
    };
    let now = legal_time(desk.feed.clock().now());
    let (stay, message) = match written::read(&body, &caller, key.shown(), now) {
        Ok(read) => read,
        Err(wrong) => {
            tracing::warn!(client = caller.name, reason = %wrong, "feed over HTTPS: message refused");
            return reply::bad_request(Dialect::Plain, wrong.at, &wrong.detail);
        }
    };
    let origin = Origin {
        control_id: key.shown().to_owned(),
        application: caller.name.clone(),
        facility: caller.facility.clone(),
    };
    let work = Work::Message(Box::new((stay, message, origin)));
    take_work(&desk, &caller, (work, body, key)).await
}

async fn take_work(
    desk: &Desk,
    caller: &Caller,
    (work, body, key): (Work, Bytes, Key),
) -> Response {
    match desk.feed.take_once(work, body.to_vec(), Some(key)).await {
        Ok(Once::Taken(taken)) => {
            said(caller, &taken);
            reply::taken(Dialect::Plain, &taken)
        }
        Ok(Once::Refused(unsent)) => {
            tracing::warn!(client = caller.name, reason = %unsent, "feed over HTTPS: message refused");
            reply::unsent(&unsent)
        }
        Ok(Once::Reused) => reply::reused(Dialect::Plain),
        Err(error) => fault_of_ours(caller, Dialect::Plain, &error),
    }
}

fn said(caller: &Caller, taken: &Taken) {
    tracing::info!(
        client = caller.name,
        outcome = taken.outcome,
        notices = taken.notices,
        "feed over HTTPS: taken"
    );
}

fn fault_of_ours(caller: &Caller, dialect: Dialect, error: &GatewayError) -> Response {
    tracing::error!(client = caller.name, %error, "feed over HTTPS: nothing was kept");
    reply::unavailable(dialect)
}
