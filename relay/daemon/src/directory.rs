//! `liaison directory`: filling the shared directory, and asking it.
//!
//! All commands open the database and the folder of sets of the settings; a directory that runs
//! takes over what was imported within seconds.

mod log;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Subcommand;
use liaison_base::clock::SystemClock;
use liaison_directory::Directory;
use liaison_directory::import::{FileKind, Options, Progress, TEMPLATE};
use liaison_directory_client::{Entry, Finding, Purpose, Query, Resolution};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

use crate::config::Config;
use crate::error::CommandError;

/// What to do with the directory.
#[derive(Subcommand)]
pub(crate) enum DirectoryCommand {
    /// Import files, plain or zipped; the last good list keeps serving when one is refused.
    Import {
        /// entries, rpps, skills, mss, finess, finess-plus, community, ldif, vcard or communes, and
        /// the file; further kinds and files serve together with it.
        #[arg(num_args = 2.., required = true, value_names = ["KIND", "FILE"])]
        files: Vec<String>,
        /// The settings file of the directory.
        #[arg(long)]
        config: PathBuf,
        /// The name of the list, where several of one kind stand side by side.
        #[arg(long)]
        list: Option<String>,
        /// Who answers for the list, in the words to show.
        #[arg(long)]
        signer: Option<String>,
        /// The date of the list, 2026-11-22; what the file or its name says when absent.
        #[arg(long)]
        date: Option<String>,
        /// Take it although it differs from the last one beyond the limits.
        #[arg(long)]
        accept_changes: bool,
    },
    /// Find somebody by what is typed: names, what they do, a town, a number, an address.
    Find {
        /// The words.
        text: Vec<String>,
        /// The settings file of the directory.
        #[arg(long)]
        config: PathBuf,
        /// What a message is for, for example discharge.
        #[arg(long)]
        purpose: Option<String>,
        /// Print the answer of `POST /v1/resolve`.
        #[arg(long)]
        json: bool,
    },
    /// Show the lists, how fresh they are, and what was refused.
    Lists {
        /// The settings file of the directory.
        #[arg(long)]
        config: PathBuf,
    },
    /// The signed log that this directory publishes, and those of others that it follows.
    #[command(subcommand)]
    Log(log::LogCommand),
    /// Print an empty list for people and structures whom no register knows.
    Template,
}

/// Runs a command.
pub(crate) async fn run(command: DirectoryCommand) -> Result<(), CommandError> {
    match command {
        DirectoryCommand::Import {
            files,
            config,
            list,
            signer,
            date,
            accept_changes,
        } => {
            let observed_at = date.as_deref().map(day).transpose()?;
            let files = files.chunks(2).map(|pair| {
                let [kind, file] = pair else {
                    return Err(CommandError::Settings("a kind stands before each file"));
                };
                let kind = FileKind::of(kind).ok_or(CommandError::Settings(
                    "the kind of file is one of entries, rpps, skills, mss, finess, finess-plus, \
                     community, ldif, vcard, communes",
                ))?;
                let options = Options {
                    list: list.clone(),
                    signer: signer.clone(),
                    observed_at,
                    accept_changes,
                    progress: progress(),
                    ..Options::default()
                };
                Ok((kind, PathBuf::from(file), options))
            });
            import(&config, files.collect::<Result<_, _>>()?).await
        }
        DirectoryCommand::Find {
            text,
            config,
            purpose,
            json,
        } => find(&config, &text.join(" "), purpose.as_deref(), json).await,
        DirectoryCommand::Lists { config } => lists(&config).await,
        DirectoryCommand::Log(command) => log::run(command).await,
        DirectoryCommand::Template => {
            template();
            Ok(())
        }
    }
}

async fn open(config: &Path) -> Result<Directory, CommandError> {
    let settings = Config::load(config)?
        .directory
        .ok_or(CommandError::Settings(
            "the settings have no [directory] to work on",
        ))?;
    let clock = Arc::new(SystemClock);
    Ok(Directory::open(settings.database, &settings.sets, clock).await?)
}

#[expect(clippy::print_stdout, reason = "the report is the command's output")]
async fn import(
    config: &Path,
    files: Vec<(FileKind, PathBuf, Options)>,
) -> Result<(), CommandError> {
    let directory = open(config).await?;
    let reports = directory.import_all(files).await?;
    directory.close().await;
    let mut refused = None;
    for report in reports {
        match report {
            Ok(report) => {
                println!("{}: {report}", report.list);
                if report.quarantine.count() > 0 {
                    println!("put aside: {}", report.quarantine);
                }
            }
            Err(error) if refused.is_none() => refused = Some(error),
            Err(error) => println!("refused: {error}"),
        }
    }
    refused.map_or(Ok(()), |error| Err(error.into()))
}

#[expect(clippy::print_stdout, reason = "the answer is the command's output")]
async fn find(
    config: &Path,
    text: &str,
    purpose: Option<&str>,
    json: bool,
) -> Result<(), CommandError> {
    let directory = open(config).await?;
    let mut query = Query::text(text);
    query.purpose = purpose
        .map(Purpose::parse)
        .transpose()
        .map_err(|_| CommandError::Settings("a purpose is a word such as discharge"))?;
    let resolution = directory.view()?.resolve(&query)?;
    if json {
        let text = serde_json::to_string_pretty(&resolution)
            .map_err(|error| CommandError::Peer(error.to_string()))?;
        println!("{text}");
    } else {
        show(&resolution);
    }
    directory.close().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer is the command's output")]
fn show(resolution: &Resolution) {
    match &resolution.finding {
        Finding::Found(entry) => println!("{}", line(entry)),
        Finding::Ambiguous(entries) => {
            for entry in entries {
                println!("? {}", line(entry));
            }
        }
        Finding::NoMailbox { name, .. } => println!("- {name}: no mailbox"),
        Finding::Unknown => println!("- nobody"),
    }
    for reason in &resolution.reasons {
        println!("  {reason}");
    }
    let stamp = resolution.as_of.format(&Rfc3339).unwrap_or_default();
    println!("  {} ({stamp})", resolution.source);
}

fn line(entry: &Entry) -> String {
    let parts = [
        Some(entry.name.as_str()),
        entry.profession.as_deref(),
        entry.organisation.as_deref(),
    ];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    format!("{} <{}>", parts.join(", "), entry.mailbox.address)
}

#[expect(clippy::print_stdout, reason = "the list is the command's output")]
async fn lists(config: &Path) -> Result<(), CommandError> {
    let directory = open(config).await?;
    let view = directory.view()?;
    for list in view.lists() {
        let date = list.observed_at.date();
        let stale = if list.is_stale(view.now()) {
            "  STALE"
        } else {
            ""
        };
        println!(
            "{:<14} of {date}  {} records, {} rows put aside  {}{stale}",
            list.list, list.subjects, list.quarantined, list.signer
        );
        if let Some(reason) = &list.refused {
            println!("               a later one was refused: {reason}");
        }
    }
    directory.close().await;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the template is the command's output")]
fn template() {
    print!("{TEMPLATE}");
}

fn day(text: &str) -> Result<OffsetDateTime, CommandError> {
    time::Date::parse(text, format_description!("[year]-[month]-[day]"))
        .map(|day| day.midnight().assume_utc())
        .map_err(|_| CommandError::Settings("a date is written 2026-11-22"))
}

/// A line that fills up, where somebody watches.
#[expect(clippy::print_stderr, reason = "the bar is for the terminal alone")]
fn progress() -> Option<Progress> {
    const WIDTH: u64 = 40;
    if !std::io::stderr().is_terminal() {
        return None;
    }
    Some(Box::new(|read, total| {
        let done = (read * WIDTH)
            .checked_div(total)
            .unwrap_or(WIDTH)
            .min(WIDTH);
        let bar = "#".repeat(usize::try_from(done).unwrap_or(0));
        let end = if read >= total { "\n" } else { "" };
        eprint!("\r[{bar:<40}] {:>6} MB{end}", read / 1_000_000);
    }))
}
