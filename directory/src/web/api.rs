//! The API for gateways and relays.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use liaison_directory_client::{Lookup as _, LookupError, ProblemKind, Query, RelayEndpoint};
use liaison_mail::Domain;

use super::{Served, problem};

/// `POST /v1/resolve`: a [`Query`] in, a [`liaison_directory_client::Resolution`] out. That nobody
/// was found is answered 200.
pub(super) async fn resolve(
    State(served): State<Served>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return problem::response(ProblemKind::TooLarge, "A question has at most 64 KiB.");
        }
        Err(_) => {
            return problem::response(ProblemKind::BadRequest, "The body could not be read.");
        }
    };
    if !is_json(&headers) {
        return problem::response(
            ProblemKind::BadRequest,
            "The Content-Type must be application/json.",
        );
    }
    let query: Query = match serde_json::from_slice(&body) {
        Ok(query) => query,
        Err(error) => {
            let detail = format!(
                "The body is not a question (line {}, column {}): it must be \
                 {{\"by\": {{\"address\" or \"rpps\" or \"finess\": text}}, \"purpose\": text}}, \
                 the purpose being optional.",
                error.line(),
                error.column()
            );
            return problem::response(ProblemKind::BadRequest, &detail);
        }
    };
    match served.directory.resolve(&query).await {
        Ok(resolution) => Json(resolution).into_response(),
        Err(error) => problem::unavailable(&error),
    }
}

/// `GET /v1/relays/by-domain/{domain}`: the [`RelayEndpoint`] that takes mail for a domain.
pub(super) async fn relay_of(
    State(served): State<Served>,
    domain: Result<Path<Domain>, PathRejection>,
) -> Response {
    match domain {
        Ok(Path(domain)) => relay(served.directory.relay_of(&domain).await),
        Err(_) => not_a_domain(),
    }
}

/// `GET /v1/relays/by-name/{name}`: the [`RelayEndpoint`] whose certificate bears a name.
pub(super) async fn peer(
    State(served): State<Served>,
    name: Result<Path<Domain>, PathRejection>,
) -> Response {
    match name {
        Ok(Path(name)) => relay(served.directory.peer(name.as_str()).await),
        Err(_) => not_a_domain(),
    }
}

/// `GET /healthz`: 200 when the entries can be read, 503 otherwise.
pub(super) async fn health(State(served): State<Served>) -> Response {
    match served.directory.view() {
        Ok(_) => "ok\n".into_response(),
        Err(error) => problem::unavailable(&error.into()),
    }
}

fn relay(found: Result<Option<RelayEndpoint>, LookupError>) -> Response {
    match found {
        Ok(Some(relay)) => Json(relay).into_response(),
        Ok(None) => problem::response(
            ProblemKind::NoSuchRelay,
            "No relay of this territory is listed by that name.",
        ),
        Err(error) => problem::unavailable(&error),
    }
}

fn not_a_domain() -> Response {
    problem::response(
        ProblemKind::BadRequest,
        "The last part of the path must be a domain name.",
    )
}

fn is_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}
