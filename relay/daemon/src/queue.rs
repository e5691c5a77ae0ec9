//! `liaison queue` and `liaison trace`: what a relay carries, and what became of one message.
//! Both read the relay's database, which may be in use.

use std::path::Path;

use liaison_mail::EnvelopeId;
use liaison_relay::history::History;

use crate::config::Config;
use crate::error::CommandError;
use crate::track::stamp;

/// Prints what waits, the most urgent first.
#[expect(clippy::print_stdout, reason = "the list is the command's output")]
pub(crate) async fn waiting(config: &Path, most: u32) -> Result<(), CommandError> {
    let waiting = history(config).await?.waiting(most).await?;
    for one in &waiting {
        println!(
            "{} {:<9} {:<8?} from <{}> to {}  attempts {}  next {}  {}",
            one.envelope,
            one.state.to_string(),
            one.urgency,
            one.from,
            one.to,
            one.attempts,
            one.next_attempt_at.map_or_else(|| "-".to_owned(), stamp),
            one.reply.as_deref().unwrap_or_default(),
        );
    }
    println!("{} waiting", waiting.len());
    Ok(())
}

/// Prints each step of one envelope, oldest first.
#[expect(clippy::print_stdout, reason = "the list is the command's output")]
pub(crate) async fn trace(config: &Path, envelope: &str) -> Result<(), CommandError> {
    let envelope = EnvelopeId::parse(envelope)
        .map_err(|_| CommandError::Settings("not an envelope identifier: see `liaison track`"))?;
    let steps = history(config).await?.trace(&envelope).await?;
    if steps.is_empty() {
        return Err(CommandError::Peer(format!(
            "this relay does not know {envelope}"
        )));
    }
    for step in steps {
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
