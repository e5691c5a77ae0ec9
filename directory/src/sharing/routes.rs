//! What a directory serves of sharing, over HTTPS.
//!
//! - `GET /log/…`: the own log (c2sp.org/tlog-tiles).
//! - `POST /witness/add-checkpoint`: cosignatures for the logs that are followed
//!   (c2sp.org/tlog-witness).
//! - `GET /sharing/seen/ORIGIN`: what was taken of a log: its owner compares.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use super::Sharing;
use super::tile::Part;
use super::witness::Refusal;

/// The routes of sharing; those of what this directory does not do answer 404.
pub(crate) fn routes(sharing: Arc<Sharing>) -> Router {
    Router::new()
        .route("/log/{*path}", get(part))
        .route("/witness/add-checkpoint", post(add_checkpoint))
        .route("/sharing/seen/{*origin}", get(seen))
        .with_state(sharing)
}

async fn part(State(sharing): State<Arc<Sharing>>, Path(path): Path<String>) -> Response {
    let file = sharing
        .own()
        .zip(Part::parse(&path))
        .map(|(log, part)| (log.path(part), part));
    let Some((file, part)) = file else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(octets) = tokio::fs::read(file).await else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let media_type = match part {
        Part::Checkpoint => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    let cache = if part.is_immutable() {
        "public, max-age=31536000, immutable"
    } else {
        "no-store"
    };
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, cache),
    ];
    (headers, octets).into_response()
}

async fn add_checkpoint(State(sharing): State<Arc<Sharing>>, body: Bytes) -> Response {
    let Ok(text) = std::str::from_utf8(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    match sharing.cosign(text).await {
        Ok(Ok(lines)) => lines.into_response(),
        Ok(Err(refusal)) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::BAD_REQUEST);
            match refusal {
                Refusal::Conflict(size) | Refusal::SplitView(size) => {
                    let headers = [(header::CONTENT_TYPE, "text/x.tlog.size")];
                    (status, headers, format!("{size}\n")).into_response()
                }
                _ => status.into_response(),
            }
        }
        Err(error) => {
            tracing::error!(%error, "a checkpoint could not be cosigned");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn seen(State(sharing): State<Arc<Sharing>>, Path(origin): Path<String>) -> Response {
    match sharing.seen(&origin).await {
        Ok(Some(seen)) => axum::Json(seen).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(error) => {
            tracing::error!(%error, "what was taken of a log could not be read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
