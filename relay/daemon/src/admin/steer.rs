//! `POST /v1/queue/{order}`: hold, release, retry, cancel, recall.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use liaison_mail::port::Carriage;
use liaison_mail::{Domain, EnvelopeId};
use liaison_relay::{Order, Relay, Selection, Warrant};
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem;
use crate::running::Running;

/// What a caller says: one of `envelope`, `domain` and `recipient`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The envelope's identifier.
    envelope: Option<String>,
    /// The destination's domain.
    domain: Option<String>,
    /// The number of one recipient, as `GET /v1/queue` gives it.
    recipient: Option<i64>,
    /// Who asks, as the caller says.
    who: Option<String>,
    /// Why.
    why: Option<String>,
}

/// Applies an order; 404 when nothing of the selection waits in a state that allows it.
pub(super) async fn steer(
    State(running): State<Running>,
    Path(order): Path<String>,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Response {
    let Ok(Json(wanted)) = wanted else {
        return problem::bad_request(
            "The body is JSON with `envelope`, `domain` or `recipient`, and may have `who`, `why`.",
        );
    };
    let Some(relay) = running.relay() else {
        return problem::no_relay();
    };
    let who = wanted.who.as_deref().unwrap_or("an operator");
    let warrant = Warrant::new(who, wanted.why.as_deref().unwrap_or_default());
    let order = match order.as_str() {
        "hold" => Order::Hold,
        "release" => Order::Release,
        "retry" => Order::Retry,
        "cancel" => Order::Cancel,
        "recall" => return recall(relay, &wanted, &warrant).await,
        _ => return problem::bad_request("An order is hold, release, retry, cancel or recall."),
    };
    let Some(selection) = selection(&wanted) else {
        return problem::bad_request(
            "Give exactly one of `envelope`, `domain` and `recipient`, as /v1/queue shows them.",
        );
    };
    match relay.steer(order, selection, &warrant).await {
        Ok(steered) if steered.is_empty() => nothing(),
        Ok(steered) => {
            tracing::info!(
                ?order,
                recipients = steered.len(),
                who = warrant.who(),
                "the queue was steered"
            );
            let recipients: Vec<Value> = steered
                .iter()
                .map(|one| {
                    json!({
                        "id": one.id,
                        "to": one.to.to_string(),
                        "state": one.state.as_str(),
                    })
                })
                .collect();
            Json(json!({ "recipients": recipients })).into_response()
        }
        Err(error) => problem::of(&error),
    }
}

fn selection(wanted: &Wanted) -> Option<Selection> {
    match (&wanted.envelope, &wanted.domain, wanted.recipient) {
        (Some(envelope), None, None) => EnvelopeId::parse(envelope).ok().map(Selection::Envelope),
        (None, Some(domain), None) => Domain::parse(domain).ok().map(Selection::Domain),
        (None, None, Some(id)) => Some(Selection::Recipient(id)),
        _ => None,
    }
}

/// Calls an envelope of the own gateway back, and says what has become of each recipient.
async fn recall(relay: &Relay, wanted: &Wanted, warrant: &Warrant) -> Response {
    let Some(Selection::Envelope(envelope)) = selection(wanted) else {
        return problem::bad_request("What is called back is an `envelope` of the own gateway.");
    };
    match relay.recall(&envelope, warrant).await {
        Ok(became) if became.is_empty() => nothing(),
        Ok(became) => {
            tracing::info!(%envelope, who = warrant.who(), "an envelope was called back");
            let recipients: Vec<Value> = became
                .iter()
                .map(|(to, carriage)| json!({ "to": to.to_string(), "state": word(carriage) }))
                .collect();
            Json(json!({ "recipients": recipients })).into_response()
        }
        Err(error) => problem::of(&error),
    }
}

fn word(carriage: &Carriage) -> &'static str {
    match carriage {
        Carriage::Queued => "queued",
        Carriage::Delayed(_) => "delayed",
        Carriage::Relayed => "relayed",
        Carriage::Delivered => "delivered",
        Carriage::Failed(_) => "stopped",
    }
}

fn nothing() -> Response {
    problem::response(
        StatusCode::NOT_FOUND,
        "nothing-to-steer",
        "Nothing of it waits in a state that allows this order; see `liaison trace`.",
    )
}
