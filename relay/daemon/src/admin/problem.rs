//! Errors on the wire (RFC 9457). The detail says what to do and repeats nothing that was sent.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use liaison_relay::RelayError;
use serde_json::json;

/// A problem of this kind (a URN's last part), with its detail.
pub(super) fn response(status: StatusCode, kind: &str, detail: &str) -> Response {
    let problem = json!({
        "type": format!("urn:liaison:problem:{kind}"),
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": detail,
    });
    let mut response = (status, Json(problem)).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    response
}

pub(super) async fn no_such_page() -> Response {
    let detail = "The pages are /health/live, /health/ready, /metrics, and /v1: see the operators' \
                  document.";
    response(StatusCode::NOT_FOUND, "no-such-page", detail)
}

pub(super) async fn wrong_method() -> Response {
    let detail = "This page is not for that method.";
    response(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", detail)
}

pub(super) fn timeout() -> Response {
    let detail = "No answer could be had in time; ask again.";
    response(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail)
}

pub(super) fn off() -> Response {
    let detail = "Give `token` or `anchors` in [admin] to use /v1.";
    response(StatusCode::FORBIDDEN, "off", detail)
}

pub(super) fn unauthorized() -> Response {
    let detail = "Show the token of [admin]: Authorization: Bearer TOKEN.";
    let mut response = response(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

pub(super) fn no_relay() -> Response {
    let detail = "This process has no [relay].";
    response(StatusCode::NOT_FOUND, "no-relay", detail)
}

pub(super) fn bad_request(detail: &str) -> Response {
    response(StatusCode::BAD_REQUEST, "bad-request", detail)
}

/// The queue could not do it: the cause is for the log.
pub(super) fn of(error: &RelayError) -> Response {
    tracing::error!(%error, "admin: a call could not be answered");
    let detail = "The queue cannot be used now; see the log.";
    response(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
}
