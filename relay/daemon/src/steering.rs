//! `liaison queue hold|release|retry|cancel|recall`: orders to the process that works on a queue.

use std::path::Path;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin::client::call;
use crate::error::CommandError;

/// What to do to what waits. A recipient that is being delivered at this moment is left alone.
#[derive(Subcommand)]
pub(crate) enum Steering {
    /// Do not try it until it is released.
    Hold(Target),
    /// Queue again what is held.
    Release(Target),
    /// Try now what waits for another try.
    Retry(Target),
    /// Do not deliver it any more. Nobody is told but by the history.
    Cancel(Target),
    /// Call an envelope of the own gateway back, and say what has become of each recipient.
    Recall(Target),
}

/// To what, and why.
#[derive(Args)]
pub(crate) struct Target {
    /// The envelope's identifier, as `queue`, `track` and the logs give it; with --domain, a
    /// destination's domain.
    id: String,
    /// Everything that waits for that domain.
    #[arg(long)]
    domain: bool,
    /// Why: kept in the message's history with who asked.
    #[arg(long, default_value = "")]
    why: String,
}

/// Gives the order and prints what it changed.
#[expect(clippy::print_stdout, reason = "the answer is the command's output")]
pub(crate) async fn run(steering: &Steering, config: &Path) -> Result<(), CommandError> {
    let (order, target) = match steering {
        Steering::Hold(target) => ("hold", target),
        Steering::Release(target) => ("release", target),
        Steering::Retry(target) => ("retry", target),
        Steering::Cancel(target) => ("cancel", target),
        Steering::Recall(target) => ("recall", target),
    };
    let what = if target.domain { "domain" } else { "envelope" };
    let body = json!({ what: target.id, "who": user(), "why": target.why });
    let path = format!("/v1/queue/{order}");
    let answer = call(config, Method::POST, &path, Some(&body)).await?;
    let none = Vec::new();
    let recipients = answer["recipients"].as_array().unwrap_or(&none);
    for one in recipients {
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        println!("{:<44} {}", text("to"), text("state"));
    }
    Ok(())
}

/// Whoever runs the command, as the system names them.
fn user() -> Value {
    let name = ["SUDO_USER", "LOGNAME", "USER"]
        .iter()
        .find_map(|variable| std::env::var(variable).ok());
    name.map_or(Value::Null, Value::String)
}
