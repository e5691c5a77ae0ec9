//! Answers. They say what to do and repeat nothing that was sent.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use liaison_hl7::fhir::Fault;
use serde_json::{Value, json};

use crate::hospital::feed::Taken;
use crate::hospital::messages::Unsent;

/// The description of the port (OpenAPI 3.1).
const OPENAPI: &str = include_str!("openapi.json");

/// How a client is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// With an OperationOutcome.
    Fhir,
    /// With JSON, or a problem (RFC 9457).
    Plain,
}

impl Dialect {
    pub(super) fn of(path: &str) -> Dialect {
        match path == "/fhir" || path.starts_with("/fhir/") {
            true => Dialect::Fhir,
            false => Dialect::Plain,
        }
    }
}

pub(super) fn taken(dialect: Dialect, taken: &Taken) -> Response {
    match dialect {
        Dialect::Plain => {
            let body = json!({"outcome": taken.outcome, "notices": taken.notices});
            (StatusCode::CREATED, Json(body)).into_response()
        }
        Dialect::Fhir => {
            let outcome = outcome("information", "informational", &taken.outcome, None);
            fhir(StatusCode::CREATED, &outcome)
        }
    }
}

pub(super) fn fault(fault: Fault) -> Response {
    let detail = fault.to_string();
    let outcome = outcome("error", fault.code(), &detail, Some(fault.expression()));
    fhir(StatusCode::UNPROCESSABLE_ENTITY, &outcome)
}

/// `at` names the part of the request that is at fault.
pub(super) fn bad_request(dialect: Dialect, at: &str, detail: &str) -> Response {
    let detail = format!("{at}: {detail}");
    wrong(
        dialect,
        (StatusCode::BAD_REQUEST, "bad-request", "invalid"),
        &detail,
    )
}

/// A message that cannot be sent: no such stay, or not what its kind needs.
pub(super) fn unsent(unsent: &Unsent) -> Response {
    let (status, kind) = match unsent {
        Unsent::NoStay => (StatusCode::NOT_FOUND, "no-such-stay"),
        Unsent::Message(_) => (StatusCode::BAD_REQUEST, "bad-request"),
    };
    wrong(
        Dialect::Plain,
        (status, kind, "invalid"),
        &unsent.to_string(),
    )
}

pub(super) fn reused(dialect: Dialect) -> Response {
    let detail = "This Idempotency-Key was used for another request; give a new one.";
    wrong(
        dialect,
        (StatusCode::UNPROCESSABLE_ENTITY, "key-reused", "duplicate"),
        detail,
    )
}

pub(super) fn unauthorized(dialect: Dialect) -> Response {
    let detail = "Show the token of your client, Authorization: Bearer TOKEN, or its certificate.";
    let kind = (StatusCode::UNAUTHORIZED, "unauthorized", "login");
    let mut response = wrong(dialect, kind, detail);
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

pub(super) fn forbidden(dialect: Dialect) -> Response {
    let detail = "Your client may not use this page: see `may` in its settings.";
    wrong(
        dialect,
        (StatusCode::FORBIDDEN, "forbidden", "forbidden"),
        detail,
    )
}

pub(super) fn unavailable(dialect: Dialect) -> Response {
    let detail = "Nothing was kept; send it again.";
    let kind = (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "transient");
    let mut response = wrong(dialect, kind, detail);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    response
}

pub(super) async fn no_such_page() -> Response {
    let detail = "See /v1/openapi.json for the pages.";
    wrong(
        Dialect::Plain,
        (StatusCode::NOT_FOUND, "no-such-page", "not-found"),
        detail,
    )
}

pub(super) async fn wrong_method() -> Response {
    let detail = "This page is not for that method.";
    let kind = (
        StatusCode::METHOD_NOT_ALLOWED,
        "wrong-method",
        "not-supported",
    );
    wrong(Dialect::Plain, kind, detail)
}

pub(super) async fn openapi() -> Response {
    let mut response = OPENAPI.into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn wrong(
    dialect: Dialect,
    (status, kind, code): (StatusCode, &str, &str),
    detail: &str,
) -> Response {
    match dialect {
        Dialect::Fhir => fhir(status, &outcome("error", code, detail, None)),
        Dialect::Plain => {
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
    }
}

fn outcome(severity: &str, code: &str, detail: &str, at: Option<&str>) -> Value {
    let mut issue = json!({"severity": severity, "code": code, "diagnostics": detail});
    if let (Some(at), Some(issue)) = (at, issue.as_object_mut()) {
        issue.insert("expression".to_owned(), json!([at]));
    }
    json!({"resourceType": "OperationOutcome", "issue": [issue]})
}

fn fhir(status: StatusCode, resource: &Value) -> Response {
    let mut response = (status, Json(resource)).into_response();
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/fhir+json"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_names_every_page() {
        let description: Value = serde_json::from_str(OPENAPI).unwrap();
        let pages: Vec<&String> = description["paths"].as_object().unwrap().keys().collect();
        for page in [
            "/fhir",
            "/fhir/$process-message",
            "/v1/messages",
            "/v1/notices",
            "/v1/openapi.json",
        ] {
            assert!(
                pages.iter().any(|known| *known == page),
                "{page}: {pages:?}"
            );
        }
    }
}
