//! `GET /metrics`, for Prometheus and what reads its format.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use liaison_base::shutdown::Shutdown;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::error::CommandError;
use crate::running::Running;

/// How old the counts of a large queue may be: a scrape does not count it again each time.
const FRESH: time::Duration = time::Duration::seconds(10);
/// How often histograms are brought together.
const UPKEEP: Duration = Duration::from_secs(5);
/// The bounds of every histogram that ends in `_seconds`.
const SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0, 14_400.0, 172_800.0,
];
/// The bounds of histograms of sizes and counts.
const COUNTS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// The process's metrics. Copies share them.
#[derive(Clone)]
pub(crate) struct Recorder {
    handle: PrometheusHandle,
    measured_at: Arc<Mutex<Option<OffsetDateTime>>>,
}

impl Recorder {
    /// Makes this process's metrics count; once a process, before the roles are opened.
    pub(crate) fn install(shutdown: &Shutdown) -> Result<Self, CommandError> {
        let unusable = |error| CommandError::Peer(format!("metrics cannot be kept: {error}"));
        let handle = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Suffix("_pieces".to_owned()), &COUNTS)
            })
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(unusable)?;
        metrics::describe_gauge!("liaison_build_info", "1, with the release as a label");
        metrics::gauge!("liaison_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        let upkeep = handle.clone();
        let stop = shutdown.clone();
        shutdown.spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(UPKEEP) => upkeep.run_upkeep(),
                    () = stop.asked() => return,
                }
            }
        });
        Ok(Self {
            handle,
            measured_at: Arc::default(),
        })
    }

    async fn render(&self, running: &Running) -> String {
        let mut measured_at = self.measured_at.lock().await;
        let now = running.now();
        if measured_at.is_none_or(|at| (now - at).abs() >= FRESH) {
            running.measure().await;
            *measured_at = Some(now);
        }
        drop(measured_at);
        self.handle.render()
    }
}

pub(super) async fn show(State(running): State<Running>) -> Response {
    let text = running.recorder().render(&running).await;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
