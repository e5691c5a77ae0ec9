//! `/v1`: what the relay carries, and the process's reload.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use liaison_mail::EnvelopeId;
use serde::Deserialize;
use serde_json::json;

use super::problem;
use crate::queue::{depth_json, step_json, waiting_json};
use crate::running::Running;

/// Most recipients in one answer.
const MOST: u32 = 10_000;

/// What a caller of `GET /v1/queue` may say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// How many recipients at most; 200 if not said.
    most: Option<u32>,
}

/// `GET /v1/queue?most=N`: the recipients that wait, the oldest first.
pub(super) async fn waiting(
    State(running): State<Running>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let Ok(Query(wanted)) = wanted else {
        return problem::bad_request("The query may hold `most`, a number.");
    };
    let Some(relay) = running.relay() else {
        return problem::no_relay();
    };
    match relay.waiting(wanted.most.unwrap_or(200).min(MOST)).await {
        Ok(waiting) => {
            let waiting: Vec<_> = waiting.iter().map(waiting_json).collect();
            Json(json!({ "recipients": waiting })).into_response()
        }
        Err(error) => problem::of(&error),
    }
}

/// `GET /v1/queue/depths`: how many wait, by state and destination.
pub(super) async fn depths(State(running): State<Running>) -> Response {
    let Some(relay) = running.relay() else {
        return problem::no_relay();
    };
    match relay.depths().await {
        Ok(depths) => {
            let depths: Vec<_> = depths.iter().map(depth_json).collect();
            Json(json!({ "depths": depths })).into_response()
        }
        Err(error) => problem::of(&error),
    }
}

/// `GET /v1/messages/{envelope}`: each step of each recipient.
pub(super) async fn message(
    State(running): State<Running>,
    Path(envelope): Path<String>,
) -> Response {
    let Ok(envelope) = EnvelopeId::parse(&envelope) else {
        return problem::bad_request("The path does not end in an envelope's identifier.");
    };
    let Some(relay) = running.relay() else {
        return problem::no_relay();
    };
    match relay.trace(&envelope).await {
        Ok(steps) if steps.is_empty() => problem::response(
            StatusCode::NOT_FOUND,
            "unknown-message",
            "This relay does not know that envelope.",
        ),
        Ok(steps) => {
            let steps: Vec<_> = steps.iter().map(step_json).collect();
            Json(json!({ "steps": steps })).into_response()
        }
        Err(error) => problem::of(&error),
    }
}

/// `POST /v1/reload`: reads the settings file again. 409 when it cannot be put in force: what was
/// in force stays.
pub(super) async fn reload(State(running): State<Running>) -> Response {
    match running.reload().await {
        Ok(waiting) => Json(json!({ "at_the_next_start": waiting })).into_response(),
        Err(error) => problem::response(
            StatusCode::CONFLICT,
            "settings-refused",
            &format!("{error}; what was in force stays"),
        ),
    }
}
