//! Structured logs on standard error.
//!
//! A log line names messages, envelopes, peers and states. It never holds content, a subject or
//! a person's name: types that carry them print `[private]` ([`crate::private::Private`]), and
//! the tests search every log for a canary patient.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

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

/// Starts logging for this process; a second call changes nothing.
///
/// # Errors
/// [`BaseError::LogFilter`] when the filter cannot be read.
pub fn start(settings: &Settings) -> Result<(), BaseError> {
    let mut filter = EnvFilter::try_new(&settings.filter)
        .map_err(|cause| BaseError::LogFilter(cause.to_string()))?;
    for silent in SILENT {
        filter = filter.add_directive(silent.parse().map_err(
            |cause: tracing_subscriber::filter::ParseError| BaseError::LogFilter(cause.to_string()),
        )?);
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // An error here means that a subscriber is already set: the first one stays.
    let _ = match settings.format {
        Format::Json => builder.json().flatten_event(true).try_init(),
        Format::Text => builder.try_init(),
    };
    Ok(())
}
