//! `liaison notice answers`, `handled`, `back`, `write`: what goes both ways between a ward and those
//! around its patients.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use liaison_base::civil::legal_time;
use liaison_base::clock::{Clock as _, SystemClock};
use liaison_gateway::hospital::mail::{Handling, Incoming};
use liaison_gateway::hospital::requests::{Asked, Request};
use liaison_gateway::notices::french::Moment;
use liaison_gateway::notices::message::Message;
use liaison_gateway::notices::{EpisodeKey, Role};
use serde_json::json;

use super::{NO_GATEWAY, desk, say};
use crate::error::CommandError;
use crate::track::stamp;

/// Lines of each sort shown at most.
const MOST: i64 = 10_000;

#[derive(Args)]
pub(crate) struct WriteArguments {
    /// `renewal_request`, `renewal_answer`, `social_note`, or a kind of the site's rules.
    kind: String,
    /// The facility (MSH-4).
    #[arg(long)]
    facility: String,
    /// The stay, by the hospital's own number (PV1-19).
    #[arg(long)]
    visit: String,
    /// A field, `note=…`; or `note=@file` for the text of a file.
    #[arg(long = "field")]
    fields: Vec<String>,
    /// Only this role of those that the kind tells: `family_doctor`, `home_nurse`, …
    #[arg(long)]
    only: Vec<String>,
    /// Now, at any hour.
    #[arg(long)]
    urgent: bool,
    /// The settings file of the gateway.
    #[arg(long)]
    config: PathBuf,
}

pub(super) async fn answers(
    config: &Path,
    visit: Option<&str>,
    json: bool,
) -> Result<(), CommandError> {
    let desk = desk(config).await?;
    let of_stay = |known: Option<&str>| visit.is_none_or(|wanted| known == Some(wanted));
    let mut requests = desk.requests(MOST).await?;
    requests.retain(|request| of_stay(Some(&request.visit)));
    let mut incoming = desk.incoming(MOST).await?;
    incoming.retain(|mail| of_stay(mail.visit.as_deref()));
    for request in &requests {
        say(&match json {
            true => request_json(request),
            false => request_text(request),
        });
    }
    for mail in &incoming {
        say(&match json {
            true => mail_json(mail),
            false => mail_text(mail),
        });
    }
    if !json {
        let count = |state| requests.iter().filter(|one| one.state == state).count();
        let open = incoming.iter().filter(|one| one.state == Handling::Open);
        say(&format!(
            "{} asked: {} answered, {} waiting, {} missing; {} mail to the ward, {} to be handled",
            requests.len() - count(Asked::Closed),
            count(Asked::Answered),
            count(Asked::Waiting),
            count(Asked::Missing),
            incoming.len(),
            open.count()
        ));
    }
    Ok(())
}

fn request_text(request: &Request) -> String {
    let came = match request.answered_at {
        Some(at) => format!(" {} with {} files", stamp(at), request.files),
        None => String::new(),
    };
    format!(
        "{} stay {}: {} asked {} due {}: {}{came}",
        request.number,
        request.visit,
        request.wanted,
        stamp(request.asked_at),
        stamp(request.due_at),
        request.state.name()
    )
}

fn request_json(request: &Request) -> String {
    json!({
        "what": "request", "number": request.number, "stay": request.visit,
        "title": request.title, "recipient": request.wanted,
        "asked_at": stamp(request.asked_at), "due_at": stamp(request.due_at),
        "state": request.state.name(), "answered_at": request.answered_at.map(stamp),
        "files": request.files,
    })
    .to_string()
}

fn mail_text(mail: &Incoming) -> String {
    let stay = mail.visit.as_deref().map_or_else(
        || "of no known stay".to_owned(),
        |visit| format!("stay {visit}"),
    );
    let state = match &mail.state {
        Handling::None => String::new(),
        Handling::Open => ", to be handled".to_owned(),
        Handling::Handled(at, by) => format!(", handled {} by {by}", stamp(*at)),
    };
    format!(
        "{} {stay}: {} from {} {} with {} files{state}",
        if mail.number.is_empty() {
            "-"
        } else {
            &mail.number
        },
        mail.kind,
        mail.author,
        stamp(mail.came_at),
        mail.files
    )
}

fn mail_json(mail: &Incoming) -> String {
    let (state, handled_at, by) = match &mail.state {
        Handling::None => ("noted", None, None),
        Handling::Open => ("open", None, None),
        Handling::Handled(at, by) => ("handled", Some(stamp(*at)), Some(by)),
    };
    json!({
        "what": "mail", "number": mail.number, "stay": mail.visit, "kind": mail.kind,
        "title": mail.title, "author": mail.author, "files": mail.files,
        "came_at": stamp(mail.came_at), "state": state, "handled_at": handled_at, "handled_by": by,
    })
    .to_string()
}

pub(super) async fn handled(config: &Path, number: &str, by: &str) -> Result<(), CommandError> {
    if desk(config).await?.handled(number, by).await? {
        say(&format!("{number} handled by {by}"));
        return Ok(());
    }
    Err(CommandError::Peer(format!(
        "no mail of that number waits: {number}; see `liaison notice answers`"
    )))
}

pub(super) async fn back(config: &Path, again: bool, json: bool) -> Result<(), CommandError> {
    let desk = desk(config).await?;
    if again {
        say(&format!("{} told again", desk.tell_again().await?));
        return Ok(());
    }
    let untold = desk.untold(MOST).await?;
    for one in &untold {
        say(&match json {
            true => json!({
                "number": one.number, "recipient": one.wanted, "state": one.state.to_string(),
                "since": stamp(one.since), "attempts": one.attempts, "answer": one.answer,
                "due_again": one.is_due_again,
            })
            .to_string(),
            false => format!(
                "{} {} {} {}: {} attempts, {}{}",
                one.number,
                one.wanted,
                one.state,
                stamp(one.since),
                one.attempts,
                one.answer,
                if one.is_due_again {
                    ""
                } else {
                    "; not told again by itself"
                }
            ),
        });
    }
    if !json {
        say(&format!("{} not told yet", untold.len()));
    }
    Ok(())
}

pub(super) async fn contact(
    config: &Path,
    stay: EpisodeKey,
    wanted: bool,
) -> Result<(), CommandError> {
    let visit = stay.visit.clone();
    if desk(config).await?.contact_first(stay, wanted).await? {
        let what = if wanted {
            "recommended"
        } else {
            "no longer said"
        };
        say(&format!("{visit}: contact before arrival {what}"));
        return Ok(());
    }
    Err(CommandError::Peer(format!(
        "no stay of that number is known at this facility: {visit}"
    )))
}

pub(super) async fn write(arguments: WriteArguments) -> Result<(), CommandError> {
    let name = arguments
        .kind
        .parse()
        .map_err(|error| CommandError::Peer(format!("kind: {error}")))?;
    let mut fields = BTreeMap::new();
    for field in &arguments.fields {
        let Some((name, value)) = field.split_once('=') else {
            return Err(CommandError::Settings("--field: write name=value"));
        };
        let value = match value.strip_prefix('@') {
            Some(path) => std::fs::read_to_string(path).map_err(|cause| CommandError::File {
                path: path.into(),
                cause,
            })?,
            None => value.to_owned(),
        };
        fields.insert(name.to_owned(), value);
    }
    let only = arguments
        .only
        .iter()
        .map(|role| serde_json::from_value::<Role>(json!(role)))
        .collect::<Result<_, _>>()
        .map_err(|_| CommandError::Settings("--only: no role of that name"))?;
    let message = Message {
        name,
        id: Message::fresh_id(),
        fields,
        only,
        urgent: arguments.urgent,
        at: Moment {
            at: legal_time(SystemClock.now()),
            has_time: true,
        },
    };
    let stay = EpisodeKey {
        facility: arguments.facility,
        visit: arguments.visit,
    };
    match desk(&arguments.config).await?.write(stay, message).await? {
        None => Err(NO_GATEWAY),
        Some(Ok(taken)) => {
            say(&format!("{}: {}", taken.outcome, taken.notices));
            Ok(())
        }
        Some(Err(unsent)) => Err(CommandError::Peer(unsent.to_string())),
    }
}
