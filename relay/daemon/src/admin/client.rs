//! The command line as a caller of the operators' port of a running process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use liaison_base::tls;
use reqwest::{Method, Url};
use rustls::RootCertStore;
use serde_json::Value;

use super::{Settings, access};
use crate::config::Config;
use crate::error::CommandError;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Calls `path` of the process that runs by `config` and returns its answer. `body` is sent as JSON.
///
/// # Errors
/// [`CommandError::Peer`] with the detail of the problem that the process told, or why nobody
/// answered.
pub(crate) async fn call(
    config: &Path,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, CommandError> {
    let settings = Config::load(config)?.admin.ok_or(CommandError::Settings(
        "the settings have no [admin] to call the running process through",
    ))?;
    let url = address(&settings, path)?;
    // The port shows the very certificate of its file, or one renewed by its authority; without TLS
    // nobody is trusted, and nobody needs to be.
    let anchors = match (&settings.anchors, &settings.certificate) {
        (Some(file), _) | (None, Some(file)) => tls::anchors(file)?,
        (None, None) => Arc::new(RootCertStore::empty()),
    };
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client(anchors)?)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE);
    let unusable = |error: reqwest::Error| {
        CommandError::Peer(format!(
            "no answer of the process at {}: {error}",
            settings.listen
        ))
    };
    let mut request = client.build().map_err(unusable)?.request(method, url);
    if let Some(token) = &settings.token {
        request = request.bearer_auth(access::token(token)?.as_str());
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await.map_err(unusable)?;
    let good = answer.status().is_success();
    let said: Value = answer.json().await.map_err(unusable)?;
    if good {
        return Ok(said);
    }
    let detail = said["detail"].as_str().unwrap_or("refused").to_owned();
    Err(CommandError::Peer(detail))
}

fn address(settings: &Settings, path: &str) -> Result<Url, CommandError> {
    let scheme = match settings.certificate {
        Some(_) => "https",
        None => "http",
    };
    Url::parse(&format!("{scheme}://{}{path}", settings.listen))
        .map_err(|error| CommandError::Peer(error.to_string()))
}
