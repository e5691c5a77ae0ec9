//! Structured logs on standard error.
//!
//! A log line names messages, envelopes, peers and states. It never holds content, a subject or
//! a person's name: types that carry them print `[private]` ([`crate::private::Private`]), and
//! the tests search every log for a canary patient.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, reload};

use crate::BaseError;

/// Libraries that log the octets of requests they cannot read, a bind's password among them.
const SILENT: [&str; 2] = ["ldap3_proto=off", "ldap3_lber=off"];

/// The `[log]` section.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// What is logged: a level (`error`, `warn`, `info`, `debug`), or levels by module as in
    /// `info,liaison_relay=debug`.
    pub filter: String,
    /// `json` (one object a line, for collectors) or `text` (for a terminal).
    pub format: Format,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a line.
    #[default]
    Json,
    /// Text for a terminal.
    Text,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: Format::default(),
        }
    }
}

type Change = dyn Fn(EnvFilter) -> Result<(), BaseError> + Send + Sync;

/// Changes the filter of the subscriber that this process set; empty before.
static CHANGE: Mutex<Option<Arc<Change>>> = Mutex::new(None);

/// Starts logging for this process; a second call changes nothing.
///
/// # Errors
/// [`BaseError::LogFilter`] when the filter cannot be read.
pub fn start(settings: &Settings) -> Result<(), BaseError> {
    let (layer, handle) = reload::Layer::new(filter(&settings.filter)?);
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match settings.format {
        Format::Json => lines.json().flatten_event(true).boxed(),
        Format::Text => lines.boxed(),
    };
    let set = tracing_subscriber::registry()
        .with(layer)
        .with(lines)
        .try_init();
    // An error here means that a subscriber is already set: the first one stays.
    if set.is_ok() {
        let change = move |filter: EnvFilter| handle.reload(filter).map_err(unusable);
        *CHANGE.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(change));
    }
    Ok(())
}

/// Puts another filter in force; the format stays as it was at the start.
///
/// # Errors
/// [`BaseError::LogFilter`] when it cannot be read, or no logging was started.
pub fn change(wanted: &str) -> Result<(), BaseError> {
    let filter = filter(wanted)?;
    let change = CHANGE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    match change {
        Some(change) => change(filter),
        None => Err(BaseError::LogFilter("nothing is logged yet".to_owned())),
    }
}

/// Checks a filter without putting it in force.
///
/// # Errors
/// [`BaseError::LogFilter`] when it cannot be read.
pub fn check(wanted: &str) -> Result<(), BaseError> {
    filter(wanted).map(drop)
}

fn filter(text: &str) -> Result<EnvFilter, BaseError> {
    let mut filter = EnvFilter::try_new(text).map_err(unusable)?;
    for silent in SILENT {
        filter = filter.add_directive(
            silent
                .parse()
                .map_err(|cause: ParseError| unusable(cause))?,
        );
    }
    Ok(filter)
}

fn unusable(cause: impl std::fmt::Display) -> BaseError {
    BaseError::LogFilter(cause.to_string())
}
