//! `liaison notice`: what a hospital's messages would give, and what waits for a person.

mod circle;
mod ward;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use liaison_base::civil::legal_time;
use liaison_base::clock::{Clock as _, SystemClock};
use liaison_gateway::desk::{Desk, HeldDraft};
use liaison_gateway::hospital::held::{HeldNotice, Released};
use liaison_gateway::notices::explain::{ExplainedNotice, Explainer, Explanation};
use liaison_gateway::notices::pages::PageError;
use liaison_gateway::notices::{CareCircle, EpisodeKey, Rules};
use liaison_hl7::adt::AdtEvent;
use liaison_hl7::batch;
use liaison_hl7::er7::Message;
use liaison_hl7::fhir::{self, Bundle};
use liaison_mail::Address;
use serde_json::json;

use crate::config::Config;
use crate::error::CommandError;
use crate::track::stamp;

use circle::CircleCommand;
use ward::WriteArguments;

#[derive(Subcommand)]
pub(crate) enum NoticeCommand {
    /// Tell what the messages of files (HL7 v2 in ER7 or FHIR bundles in JSON, in order) would send to whom, how urgently
    /// and why, without sending anything.
    Explain {
        /// The files, each with one message, several, a batch, or one FHIR bundle.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The settings file of the gateway: its rules, texts and care circles are used.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Print JSON, one object a message.
        #[arg(long)]
        json: bool,
    },
    /// The store of who looks after whom.
    #[command(subcommand)]
    Circle(CircleCommand),
    /// Show what was asked of carers, who has answered, and what mail to the ward waits.
    Answers {
        /// The settings file of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// Only of this stay, by the hospital's own number (PV1-19).
        #[arg(long)]
        visit: Option<String>,
        /// Print JSON, one object each.
        #[arg(long)]
        json: bool,
    },
    /// Note that a person has handled a mail to the ward.
    Handled {
        /// Its number, as `answers` shows it.
        number: String,
        /// Who.
        #[arg(long)]
        by: String,
        /// The settings file of the gateway.
        #[arg(long)]
        config: PathBuf,
    },
    /// Recommend that who receives the patient of a stay calls the ward first: its notices say
    /// « contact avant accueil recommandé », and not why.
    Contact {
        /// The facility (MSH-4).
        #[arg(long)]
        facility: String,
        /// The stay, by the hospital's own number (PV1-19).
        #[arg(long)]
        visit: String,
        /// No longer.
        #[arg(long)]
        off: bool,
        /// The settings file of the gateway.
        #[arg(long)]
        config: PathBuf,
    },
    /// Show what the hospital's system has not taken of what became of notices.
    Back {
        /// The settings file of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// Have it told again from now on, also what was refused too often.
        #[arg(long)]
        again: bool,
        /// Print JSON, one object each.
        #[arg(long)]
        json: bool,
    },
    /// Send a message about a stay to those around the patient.
    Write(WriteArguments),
    /// Show the notices and drafts that wait for a person.
    Held {
        /// The settings file of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// Print JSON, one object each.
        #[arg(long)]
        json: bool,
    },
    /// Let one of them leave.
    Release {
        /// As `held` shows it.
        id: String,
        /// The settings file of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// For a draft whose recipient the directory could not tell: the mailbox chosen.
        #[arg(long)]
        to: Option<String>,
    },
    /// Drop one of them: nobody is told.
    Drop {
        /// As `held` shows it.
        id: String,
        /// The settings file of the gateway.
        #[arg(long)]
        config: PathBuf,
    },
}

pub(crate) async fn run(command: NoticeCommand) -> Result<(), CommandError> {
    match command {
        NoticeCommand::Explain {
            files,
            config,
            json,
        } => explain(&files, config.as_deref(), json),
        NoticeCommand::Circle(command) => circle::run(command).await,
        NoticeCommand::Answers {
            config,
            visit,
            json,
        } => ward::answers(&config, visit.as_deref(), json).await,
        NoticeCommand::Handled { number, by, config } => ward::handled(&config, &number, &by).await,
        NoticeCommand::Back {
            config,
            again,
            json,
        } => ward::back(&config, again, json).await,
        NoticeCommand::Contact {
            facility,
            visit,
            off,
            config,
        } => {
            let stay = EpisodeKey { facility, visit };
            ward::contact(&config, stay, !off).await
        }
        NoticeCommand::Write(arguments) => ward::write(arguments).await,
        NoticeCommand::Held { config, json } => held(&config, json).await,
        NoticeCommand::Release { id, config, to } => release(&config, &id, to.as_deref()).await,
        NoticeCommand::Drop { id, config } => {
            let desk = desk(&config).await?;
            if desk.drop(&id).await? {
                say(&format!("{id} dropped: nobody is told"));
                Ok(())
            } else {
                Err(unknown(&id))
            }
        }
    }
}

fn explain(files: &[PathBuf], config: Option<&Path>, json: bool) -> Result<(), CommandError> {
    let (rules, circle) = match config {
        Some(config) => {
            let settings = Config::load(config)?.gateway.ok_or(NO_GATEWAY)?;
            liaison_gateway::notice_rules(&settings)?
        }
        None => (Rules::default(), CareCircle::default()),
    };
    let mut explainer = Explainer::new(&rules, &circle);
    for file in files {
        let bytes = std::fs::read(file).map_err(|cause| CommandError::File {
            path: file.clone(),
            cause,
        })?;
        let unusable = |number: usize, reason: &dyn std::fmt::Display| {
            CommandError::Peer(format!(
                "{}, message {number}: it cannot be used: {reason}",
                file.display()
            ))
        };
        if bytes.trim_ascii_start().starts_with(b"{") {
            let sender = fhir::Sender {
                facility: "FHIR",
                application: "FHIR",
                local: legal_time,
                now: legal_time(SystemClock.now()),
            };
            let event = Bundle::parse(&bytes)
                .and_then(|bundle| fhir::event(&bundle, &sender))
                .map_err(|fault| unusable(1, &fault))?;
            show(&mut explainer, &event, json).map_err(|error| unusable(1, &error))?;
            continue;
        }
        let messages = batch::split(&bytes).map_err(|refusal| unusable(1, &refusal))?;
        for (message, number) in messages.iter().zip(1..) {
            let event = Message::parse(message)
                .and_then(|message| AdtEvent::parse(&message))
                .map_err(|error| unusable(number, &error))?;
            show(&mut explainer, &event, json).map_err(|error| unusable(number, &error))?;
        }
    }
    Ok(())
}

/// Says what one event gives.
fn show(explainer: &mut Explainer<'_>, event: &AdtEvent, json: bool) -> Result<(), PageError> {
    let explanation = explainer.take(event)?;
    if json {
        say(&serde_json::to_string(&explanation).unwrap_or_default());
    } else {
        say(as_text(&explanation).trim_end());
    }
    Ok(())
}

/// What one message gives, for people.
fn as_text(explained: &Explanation) -> String {
    use std::fmt::Write as _;
    let mut text = format!(
        "{} {} ({}), stay {}\n",
        explained.event,
        explained.action,
        explained.control_id,
        explained.visits.join(", ")
    );
    if let Some(silence) = &explained.silence {
        let _ = writeln!(text, "  nobody is told: {silence}");
    }
    for number in &explained.withdrawn {
        let _ = writeln!(text, "  notice {number} has not left and is withdrawn");
    }
    for notice in &explained.notices {
        text.push_str(&notice_text(notice, "leaves"));
    }
    if let Some(reason) = &explained.held {
        let _ = writeln!(text, "  held for a person: {reason}");
    }
    for notice in &explained.held_notices {
        text.push_str(&notice_text(notice, "would leave"));
    }
    text
}

fn notice_text(notice: &ExplainedNotice, leaves: &str) -> String {
    use std::fmt::Write as _;
    let mut text = format!("  « {} »", notice.label);
    if notice.version > 0 {
        let _ = write!(text, " {} version {}", notice.number, notice.version);
    }
    let when = match notice.wait_seconds {
        0 => "at once".to_owned(),
        seconds => format!("after {seconds} s, if nothing changes"),
    };
    let _ = writeln!(text, " {leaves} {when}");
    if let Some(corrects) = &notice.corrects {
        let _ = writeln!(
            text,
            "    notice {} version {} is {} because of {}",
            corrects.number, corrects.version, corrects.how, corrects.because
        );
    }
    for recipient in &notice.recipients {
        let urgency = serde_json::to_value(recipient.urgency).unwrap_or_default();
        let _ = writeln!(
            text,
            "    {:<7} {} ({})",
            urgency.as_str().unwrap_or_default(),
            recipient.role.label(),
            recipient.to
        );
    }
    for role in &notice.missing {
        let _ = writeln!(text, "    not known: {}", role.label());
    }
    if let Some(task) = notice.ward_task {
        let _ = writeln!(text, "    task for the ward: {task}");
    }
    text
}

async fn held(config: &Path, json: bool) -> Result<(), CommandError> {
    let desk = desk(config).await?;
    let notices = desk.held_notices().await?;
    let drafts = desk.held_drafts().await?;
    for one in &notices {
        say(&match json {
            true => notice_json(one),
            false => format!(
                "{} {} stay {}: {} to {}\n  {}",
                one.id,
                stamp(one.since),
                one.visit,
                one.kinds.join(", "),
                one.recipients.join(", "),
                one.reason
            ),
        });
    }
    for one in &drafts {
        say(&match json {
            true => draft_json(one),
            false => format!(
                "{} {} draft {} {} to {}\n  {}",
                one.envelope,
                stamp(one.since),
                one.title,
                one.number,
                one.recipients.join(", "),
                one.reasons.join("; ")
            ),
        });
    }
    if !json {
        say(&format!("{} held", notices.len() + drafts.len()));
    }
    Ok(())
}

fn notice_json(one: &HeldNotice) -> String {
    json!({
        "id": one.id, "since": stamp(one.since), "what": "notice", "stay": one.visit,
        "kinds": one.kinds, "recipients": one.recipients, "reason": one.reason,
    })
    .to_string()
}

fn draft_json(one: &HeldDraft) -> String {
    json!({
        "id": one.envelope.to_string(), "since": stamp(one.since), "what": "draft",
        "number": one.number, "kinds": [one.title], "recipients": one.recipients,
        "reason": one.reasons.join("; "),
    })
    .to_string()
}

async fn release(config: &Path, id: &str, to: Option<&str>) -> Result<(), CommandError> {
    let to = to
        .map(Address::parse)
        .transpose()
        .map_err(|_| CommandError::Settings("--to: not a mail address"))?;
    let refused = |reason: &str| Err(CommandError::Peer(format!("{id}: {reason}")));
    match desk(config).await?.release(id, to).await? {
        Released::Leaving(count) => {
            say(&format!("{id} released: {count} leaving"));
            Ok(())
        }
        Released::NoLongerHolds => {
            say(&format!(
                "{id}: cancelled or changed meanwhile, nothing leaves"
            ));
            Ok(())
        }
        Released::StillNobody => {
            refused("nobody to tell is known yet: complete the care circle, then release it again")
        }
        Released::Unknown => Err(unknown(id)),
    }
}

const NO_GATEWAY: CommandError = CommandError::Settings("the settings have no [gateway] to ask");

async fn desk(config: &Path) -> Result<Desk, CommandError> {
    let settings = Config::load(config)?.gateway.ok_or(NO_GATEWAY)?;
    Ok(Desk::open(&settings).await?)
}

fn unknown(id: &str) -> CommandError {
    CommandError::Peer(format!(
        "nothing of that name waits: {id}; see `liaison notice held`"
    ))
}

#[expect(clippy::print_stdout, reason = "the command's output")]
fn say(line: &str) {
    println!("{line}");
}
