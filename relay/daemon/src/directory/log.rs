//! `liaison directory log`: the log that this directory publishes, and those that it follows.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use liaison_base::clock::{Clock as _, SystemClock};
use liaison_directory::Directory;
use liaison_directory::sharing::{
    Content, OwnLog, Record, RecordVerdict, SharingSettings, cosigner, new_key, verifier,
};
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::config::Config;
use crate::error::CommandError;

/// What to do with logs.
#[derive(Subcommand)]
pub(crate) enum LogCommand {
    /// Make a private key and print its public half.
    Key {
        /// The log's or the witness's name: an address without https://.
        #[arg(long)]
        origin: String,
        /// The new PEM file.
        #[arg(long)]
        out: PathBuf,
        /// For a witness rather than a log.
        #[arg(long)]
        witness: bool,
    },
    /// Append what this directory says on its own word and the log does not yet.
    Append {
        /// The settings file of the directory.
        #[arg(long)]
        config: PathBuf,
    },
    /// Print what the log says, entry by entry, one JSON object a line.
    Show {
        /// The settings file of the directory.
        #[arg(long)]
        config: PathBuf,
    },
    /// Copy the log's files into a folder, for another web server to serve.
    Export {
        /// The settings file of the directory.
        #[arg(long)]
        config: PathBuf,
        /// The folder, which must not exist.
        #[arg(long)]
        out: PathBuf,
    },
    /// Show what became of the logs that are followed, what is held, and every alarm.
    Status {
        /// The settings file of the directory.
        #[arg(long)]
        config: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Use a held certificate or key at once: its owner confirmed it by another way.
    Confirm {
        /// The certificate's SHA-256 in hexadecimal, or the key as its owner's log prints it.
        thing: String,
        /// The settings file of the directory.
        #[arg(long)]
        config: PathBuf,
    },
    /// Publish a mailbox's next certificate with the word of the key before: followers use it at
    /// once.
    Succeed {
        /// The PEM file of the certificate that the log publishes.
        #[arg(long)]
        old: PathBuf,
        /// The PEM file of its private key (PKCS#8).
        #[arg(long)]
        old_key: PathBuf,
        /// The PEM file of the next certificate.
        #[arg(long)]
        next: PathBuf,
        /// The settings file of the directory.
        #[arg(long)]
        config: PathBuf,
    },
    /// Hand the log over to another key: the present one vouches for it.
    Rotate {
        /// The settings file of the directory, which must name the next key from then on.
        #[arg(long)]
        config: PathBuf,
        /// The PEM file of the next private key.
        #[arg(long)]
        next: PathBuf,
    },
    /// Erase the record of an entry; followers take back what it said.
    Erase {
        /// The entry's place, from 0.
        position: u64,
        /// The settings file of the directory.
        #[arg(long)]
        config: PathBuf,
    },
}

/// Runs a command.
pub(crate) async fn run(command: LogCommand) -> Result<(), CommandError> {
    let now = SystemClock.now();
    match command {
        LogCommand::Key {
            origin,
            out,
            witness,
        } => key(&origin, &out, witness),
        LogCommand::Append { config } => append(&config, now).await,
        LogCommand::Show { config } => show(&config),
        LogCommand::Export { config, out } => export(&config, &out),
        LogCommand::Status { config, json } => status(&config, json).await,
        LogCommand::Confirm { thing, config } => {
            let directory = super::open(&config).await?;
            let is_key = thing.contains('+');
            let thing = if is_key { thing } else { thing.to_lowercase() };
            directory.confirm(&thing).await?;
            directory.close().await;
            Ok(())
        }
        LogCommand::Rotate { config, next } => {
            let log = own(&config)?;
            let pkcs8 = liaison_directory::sharing::read_key(&next)?;
            let key = verifier(log.origin(), &pkcs8)?;
            log.hand_over(&key, now)?;
            say(&format!("{key}\nname {} as `key` now", next.display()));
            Ok(())
        }
        LogCommand::Succeed {
            old,
            old_key,
            next,
            config,
        } => {
            let key = liaison_directory::sharing::read_key(&old_key)?;
            let (old, next) = (certificate(&old)?, certificate(&next)?);
            Ok(own(&config)?.succeed((&old, &key), &next, now)?)
        }
        LogCommand::Erase { position, config } => Ok(own(&config)?.erase(position, now)?),
    }
}

#[expect(clippy::print_stdout, reason = "the answer is the command's output")]
fn say(text: &str) {
    println!("{text}");
}

/// The first certificate of a PEM file, DER.
fn certificate(path: &Path) -> Result<Vec<u8>, CommandError> {
    let chain = liaison_base::tls::certificates(path)?;
    Ok(chain
        .first()
        .map(|first| first.to_vec())
        .unwrap_or_default())
}

fn sharing(config: &Path) -> Result<SharingSettings, CommandError> {
    Config::load(config)?
        .directory
        .and_then(|directory| directory.sharing)
        .ok_or(CommandError::Settings(
            "the settings have no [directory.sharing] to work on",
        ))
}

fn own(config: &Path) -> Result<OwnLog, CommandError> {
    let settings = sharing(config)?.log.ok_or(CommandError::Settings(
        "the settings have no [directory.sharing.log]: this directory publishes nothing",
    ))?;
    Ok(OwnLog::open(&settings)?)
}

fn key(origin: &str, out: &Path, witness: bool) -> Result<(), CommandError> {
    // The name is looked at before a file is made.
    liaison_base::tlog::note::Origin::parse(origin)
        .map_err(|_| CommandError::Settings("a name is an address without https:// and spaces"))?;
    let pkcs8 = new_key(out)?;
    if witness {
        say(&cosigner(origin, &pkcs8)?.key().to_string());
    } else {
        say(&verifier(origin, &pkcs8)?.to_string());
    }
    Ok(())
}

async fn append(config: &Path, now: OffsetDateTime) -> Result<(), CommandError> {
    let log = own(config)?;
    let directory = super::open(config).await?;
    let number = directory.publish(&log, now).await?;
    directory.close().await;
    let size = log.entries()?.len();
    say(&format!("{number} new entries, {size} in all"));
    Ok(())
}

fn show(config: &Path) -> Result<(), CommandError> {
    for (position, (entry, sealed)) in own(config)?.entries()?.into_iter().enumerate() {
        let record = sealed.and_then(|sealed| Record::read(&sealed.record));
        let mut line = described(record.as_ref());
        line["position"] = json!(position);
        line["leaf"] = json!(entry.leaf().to_string());
        say(&line.to_string());
    }
    Ok(())
}

/// A record as people read it.
fn described(record: Option<&Record>) -> serde_json::Value {
    let Some(record) = record else {
        return json!({ "erased": true });
    };
    let at = record.at.format(&Rfc3339).unwrap_or_default();
    match &record.content {
        Content::Said(said) => {
            let facts = said
                .facts
                .iter()
                .map(|(field, value)| json!([field.name(), value]));
            let facts: Vec<_> = facts.collect();
            json!({ "at": at, "subject": said.subject.to_string(), "facts": facts })
        }
        Content::Erased(position) => json!({ "at": at, "erases": position }),
        Content::NextKey(key) => json!({ "at": at, "next_key": key.to_string() }),
    }
}

fn export(config: &Path, out: &Path) -> Result<(), CommandError> {
    let settings = sharing(config)?.log.ok_or(CommandError::Settings(
        "the settings have no [directory.sharing.log]: this directory publishes nothing",
    ))?;
    let problem = |error: std::io::Error| {
        CommandError::Peer(format!("{} cannot be written: {error}", out.display()))
    };
    fs::create_dir(out).map_err(problem)?;
    // The checkpoint first: what is appended meanwhile is beyond it.
    for name in ["checkpoint", "successions", "tile", "records"] {
        copy(&settings.folder.join(name), &out.join(name)).map_err(problem)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if from.is_file() {
        fs::copy(from, to)?;
    }
    Ok(())
}

async fn status(config: &Path, json: bool) -> Result<(), CommandError> {
    let directory = super::open(config).await?;
    let report = report(&directory).await?;
    directory.close().await;
    if json {
        say(&report.to_string());
        return Ok(());
    }
    let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let rows = |name: &str| report[name].as_array().cloned().unwrap_or_default();
    for log in rows("logs") {
        say(&format!(
            "{:<40} {:<18} {} entries, vouched for at {}{}{}",
            word(&log["origin"]),
            word(&log["verdict"]),
            log["size"],
            word(&log["vouched_at"]),
            if log["stale"] == true { "  STALE" } else { "" },
            if log["unusable"] == true {
                "  NOT USED"
            } else {
                ""
            },
        ));
    }
    for record in rows("records") {
        say(&format!(
            "  {} entry {}: {} {}",
            word(&record["origin"]),
            record["position"],
            word(&record["verdict"]),
            word(&record["subject"]),
        ));
    }
    for alarm in rows("alarms") {
        say(&format!(
            "ALARM {} {} {}: {}",
            word(&alarm["raised_at"]),
            word(&alarm["origin"]),
            word(&alarm["verdict"]),
            word(&alarm["detail"]),
        ));
    }
    Ok(())
}

async fn report(directory: &Directory) -> Result<serde_json::Value, CommandError> {
    let stamp = |instant: OffsetDateTime| instant.format(&Rfc3339).unwrap_or_default();
    let (mut logs, mut records) = (Vec::new(), Vec::new());
    for state in directory.followed().await? {
        for entry in directory.taken(&state.origin).await? {
            if matches!(
                entry.verdict,
                RecordVerdict::Accepted | RecordVerdict::Duplicate | RecordVerdict::Erased
            ) {
                continue;
            }
            let mut row = described(entry.record.as_ref());
            row["origin"] = json!(state.origin);
            row["position"] = json!(entry.position);
            row["verdict"] = json!(entry.verdict.word());
            row["held_until"] = json!(entry.held_until.map(stamp));
            row["certificate"] = json!(entry.certificate);
            records.push(row);
        }
        let seconds = i64::try_from(state.vouched_at).unwrap_or(0);
        let vouched_at = OffsetDateTime::from_unix_timestamp(seconds).map(stamp);
        logs.push(json!({
            "origin": state.origin,
            "verdict": state.verdict.word(),
            "size": state.size,
            "vouched_at": vouched_at.unwrap_or_default(),
            "polled_at": stamp(state.polled_at),
            "witnessed_by": state.witnessed_by,
            "stale": state.stale,
            "unusable": state.unusable,
            "note": state.note,
        }));
    }
    let alarms: Vec<_> = directory
        .alarms()
        .await?
        .into_iter()
        .map(|alarm| {
            json!({
                "origin": alarm.origin,
                "raised_at": stamp(alarm.raised_at),
                "verdict": alarm.verdict.word(),
                "detail": alarm.detail,
                "known": alarm.known,
                "shown": alarm.shown,
            })
        })
        .collect();
    Ok(json!({ "logs": logs, "records": records, "alarms": alarms }))
}
