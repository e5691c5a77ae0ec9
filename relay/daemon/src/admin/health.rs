//! Whether the process lives, and whether it can do its work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::running::Running;

/// The process answers: nothing more. A supervisor restarts what does not.
pub(super) async fn live() -> Response {
    Json(json!({ "status": "live" })).into_response()
}

/// 200 when every role has what it needs, else 503 and what is lacking; 503 also while draining, so
/// that a load balancer turns away.
pub(super) async fn ready(State(running): State<Running>) -> Response {
    let draining = running.is_draining();
    let checks = running.checks().await;
    let ready = !draining && checks.iter().all(|check| check.ok);
    let status = match (draining, ready) {
        (true, _) => "draining",
        (false, true) => "ready",
        (false, false) => "not ready",
    };
    let checks: Vec<_> = checks
        .iter()
        .map(|check| json!({"name": check.name, "ok": check.ok, "detail": check.detail}))
        .collect();
    let code = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (code, Json(json!({ "status": status, "checks": checks }))).into_response()
}
