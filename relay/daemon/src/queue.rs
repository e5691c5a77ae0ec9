//! `liaison queue` and `liaison trace`: what a relay carries, and what became of one message.
//! Both read the relay's database, which may be in use. Orders go to the process that works on it
//! (`steering`).

use std::path::{Path, PathBuf};

use clap::Args;
use liaison_base::clock::{Clock as _, SystemClock};
use liaison_mail::EnvelopeId;
use liaison_relay::history::{Depth, History, Step, Waiting};
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::config::Config;
use crate::error::CommandError;
use crate::steering::{self, Steering};
use crate::track::stamp;

/// What there is to see in a queue.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct QueueArguments {
    /// What is to be done to what waits; without it, what waits is shown.
    #[command(subcommand)]
    order: Option<Steering>,
    /// The settings file of the relay.
    #[arg(long, default_value = "liaison.toml", global = true)]
    config: PathBuf,
    /// How many recipients at most.
    #[arg(long, default_value_t = 200)]
    most: u32,
    /// Only how many wait, by state and destination, and since when.
    #[arg(long)]
    summary: bool,
    /// Print JSON, one object a line.
    #[arg(long)]
    json: bool,
}

/// Shows what waits, or steers it.
pub(crate) async fn run(arguments: QueueArguments) -> Result<(), CommandError> {
    match &arguments.order {
        Some(order) => steering::run(order, &arguments.config).await,
        None => waiting(arguments).await,
    }
}

/// Prints what waits, the oldest first.
#[expect(clippy::print_stdout, reason = "the list is the command's output")]
async fn waiting(arguments: QueueArguments) -> Result<(), CommandError> {
    let history = history(&arguments.config).await?;
    let now = SystemClock.now();
    if arguments.summary {
        let depths = history.depths().await?;
        for one in &depths {
            match arguments.json {
                true => println!("{}", depth_json(one)),
                false => println!(
                    "{:<9} {:<44} {:>8} waiting  oldest {}",
                    one.state.to_string(),
                    one.destination.to_string(),
                    one.recipients,
                    age(now, one.oldest),
                ),
            }
        }
        let all: u64 = depths.iter().map(|one| one.recipients).sum();
        if !arguments.json {
            println!("{all} waiting");
        }
        return Ok(());
    }
    let waiting = history.waiting(arguments.most).await?;
    for one in &waiting {
        match arguments.json {
            true => println!("{}", waiting_json(one)),
            false => println!(
                "{} {:<9} {:<8?} from <{}> to {}  age {}  attempts {}  next {}  {}",
                one.envelope,
                one.state.to_string(),
                one.urgency,
                one.from,
                one.to,
                age(now, one.accepted_at),
                one.attempts,
                one.next_attempt_at.map_or_else(|| "-".to_owned(), stamp),
                one.reply.as_deref().unwrap_or_default(),
            ),
        }
    }
    if !arguments.json {
        println!("{} shown", waiting.len());
    }
    Ok(())
}

/// A recipient that waits, for programs.
pub(crate) fn waiting_json(one: &Waiting) -> Value {
    json!({
        "id": one.id,
        "envelope": one.envelope.to_string(),
        "state": one.state.as_str(),
        "urgency": format!("{:?}", one.urgency).to_lowercase(),
        "from": one.from.to_string(),
        "to": one.to.to_string(),
        "attempts": one.attempts,
        "accepted_at": stamp(one.accepted_at),
        "next_attempt_at": one.next_attempt_at.map(stamp),
        "reply": one.reply,
    })
}

/// A depth, for programs.
pub(crate) fn depth_json(one: &Depth) -> Value {
    json!({
        "state": one.state.as_str(),
        "destination": one.destination.to_string(),
        "recipients": one.recipients,
        "oldest": stamp(one.oldest),
    })
}

/// A step, for programs.
pub(crate) fn step_json(one: &Step) -> Value {
    json!({
        "at": stamp(one.at),
        "to": one.to.to_string(),
        "state": one.state.as_str(),
        "attempt": one.attempt,
        "reply": one.reply,
    })
}

/// An age in its largest unit: `3d`, `4h`, `12m`, `7s`.
fn age(now: OffsetDateTime, then: OffsetDateTime) -> String {
    let seconds = (now - then).whole_seconds().max(0);
    match seconds {
        86_400.. => format!("{}d", seconds / 86_400),
        3600.. => format!("{}h", seconds / 3600),
        60.. => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// Prints each step of one envelope, oldest first.
#[expect(clippy::print_stdout, reason = "the list is the command's output")]
pub(crate) async fn trace(config: &Path, envelope: &str, json: bool) -> Result<(), CommandError> {
    let envelope = EnvelopeId::parse(envelope)
        .map_err(|_| CommandError::Settings("not an envelope identifier: see `liaison track`"))?;
    let steps = history(config).await?.trace(&envelope).await?;
    if steps.is_empty() {
        return Err(CommandError::Peer(format!(
            "this relay does not know {envelope}"
        )));
    }
    for step in steps {
        if json {
            println!("{}", step_json(&step));
            continue;
        }
        println!(
            "{} {:<44} {:<9} attempt {}  {}",
            stamp(step.at),
            step.to.to_string(),
            step.state.to_string(),
            step.attempt,
            step.reply.unwrap_or_default(),
        );
    }
    Ok(())
}

async fn history(config: &Path) -> Result<History, CommandError> {
    let settings = Config::load(config)?.relay.ok_or(CommandError::Settings(
        "the settings have no [relay] to ask",
    ))?;
    Ok(History::open(&settings.database).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let now = OffsetDateTime::UNIX_EPOCH + Duration::days(100);
        let told = |before: Duration| age(now, now - before);
        assert_eq!(told(Duration::days(3) + Duration::hours(5)), "3d");
        assert_eq!(told(Duration::minutes(90)), "1h");
        assert_eq!(told(Duration::seconds(59)), "59s");
        assert_eq!(told(-Duration::HOUR), "0s", "a clock set back");
    }
}
