//! Errors on the wire (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use liaison_directory_client::{LookupError, PROBLEM_MEDIA_TYPE, Problem, ProblemKind};

/// The answer for a kind of problem; `detail` is public and must not repeat what was sent.
pub(super) fn response(kind: ProblemKind, detail: &str) -> Response {
    let (status, title) = match kind {
        ProblemKind::BadRequest | ProblemKind::Other => {
            (StatusCode::BAD_REQUEST, "The request is not understood")
        }
        ProblemKind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The body is too long"),
        ProblemKind::NoSuchRelay => (StatusCode::NOT_FOUND, "No such relay is listed"),
        ProblemKind::NoSuchPage => (StatusCode::NOT_FOUND, "No such page"),
        ProblemKind::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "Not for this method"),
        ProblemKind::Timeout => (StatusCode::REQUEST_TIMEOUT, "The request took too long"),
        ProblemKind::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The directory cannot answer now",
        ),
    };
    let problem = Problem {
        kind,
        title: title.to_owned(),
        status: status.as_u16(),
        detail: detail.to_owned(),
    };
    let mut response = (status, Json(problem)).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(PROBLEM_MEDIA_TYPE),
    );
    response
}

/// The answer when the directory itself fails: the cause is for the log only.
pub(super) fn unavailable(error: &LookupError) -> Response {
    tracing::error!(%error, "a question could not be answered");
    response(
        ProblemKind::Unavailable,
        "The directory cannot read its entries now; ask again later.",
    )
}

pub(super) async fn no_such_page() -> Response {
    response(
        ProblemKind::NoSuchPage,
        "The pages are /, /healthz, /v1/resolve, /v1/relays/by-domain/{domain} and \
         /v1/relays/by-name/{name}.",
    )
}

pub(super) async fn wrong_method() -> Response {
    response(
        ProblemKind::WrongMethod,
        "/v1/resolve takes POST; every other page takes GET.",
    )
}
