//! `liaison track`: what became of each recipient of what a gateway sent.

use std::path::Path;

use liaison_gateway::tracking::TrackedMessage;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::config::Config;
use crate::error::CommandError;

/// Reads the gateway's database, which may be in use, and prints the newest messages.
#[expect(clippy::print_stdout, reason = "the list is the command's output")]
pub(crate) async fn run(config: &Path, json: bool, most: u32) -> Result<(), CommandError> {
    let settings = Config::load(config)?.gateway.ok_or(CommandError::Settings(
        "the settings have no [gateway] to ask",
    ))?;
    let messages = liaison_gateway::track(&settings, i64::from(most)).await?;
    match json {
        true => messages
            .iter()
            .for_each(|message| println!("{}", as_json(message))),
        false => println!("{}", as_text(&messages).trim()),
    }
    Ok(())
}

/// The messages for people: a notice once, with everybody whom it was for.
pub(crate) fn as_text(messages: &[TrackedMessage]) -> String {
    let mut text = String::new();
    let mut shown = None;
    for message in messages {
        let heading = match message.subject.number.as_str() {
            "" => (message.envelope.to_string(), String::new()),
            number => (number.to_owned(), message.subject.title.clone()),
        };
        if shown.as_ref() != Some(&heading) {
            let (number, title) = &heading;
            let kind = &message.subject.kind;
            text.push_str(&format!(
                "\n{} {kind} {number} {title}\n",
                stamp(message.at)
            ));
            shown = Some(heading);
        }
        for recipient in &message.recipients {
            let who = recipient
                .address
                .as_ref()
                .map_or_else(|| recipient.wanted.clone(), ToString::to_string);
            text.push_str(&format!(
                "    {who:<44} {:<13} {} {}\n",
                recipient.state.to_string(),
                stamp(recipient.since),
                recipient.detail
            ));
        }
    }
    text
}

fn as_json(message: &TrackedMessage) -> serde_json::Value {
    let recipients: Vec<_> = message
        .recipients
        .iter()
        .map(|recipient| {
            json!({
                "wanted": recipient.wanted,
                "address": recipient.address,
                "state": recipient.state,
                "since": stamp(recipient.since),
                "detail": recipient.detail,
            })
        })
        .collect();
    json!({
        "envelope": message.envelope,
        "kind": message.subject.kind,
        "number": message.subject.number,
        "title": message.subject.title,
        "urgency": message.urgency,
        "at": stamp(message.at),
        "recipients": recipients,
    })
}

/// An instant to the second, RFC 3339.
pub(crate) fn stamp(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0)
        .unwrap_or(at)
        .format(&Rfc3339)
        .unwrap_or_default()
}
