//! `liaison`: secure messaging for care coordination.
//!
//! # Map
//! - `config`: the settings file; `settings_file`: its example and its check. `serve`: the roles that it asks for, joined through their ports.
//! - `running`: the roles while they run: looked at, measured, reloaded. `admin/`: the operators'
//!   port.
//! - `demo/`: a fictional territory on this machine and a day in its life.
//! - `notice`: what messages would give, what waits for a person. `partner`: what is known of
//!   partners' clients and keys.
//! - `track`: what became of what a gateway sent. `queue`, `steering`: what a relay carries.
//! - `reports`: the register. `directory`: filling the shared directory and asking it. `hl7`: pushing
//!   a file as a hospital would. `smime/`: messages sealed, opened, verified and explained by hand.
//! - `secrets`: site keys, password hashes. `store`: from SQLite to PostgreSQL.
//!
//! The library crates never depend on each other; here, and only here, they are joined.

mod admin;
mod config;
mod demo;
mod directory;
mod error;
mod hl7;
mod notice;
mod partner;
mod queue;
mod reports;
mod running;
mod secrets;
mod serve;
mod settings_file;
mod smime;
mod steering;
mod store;
mod track;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use reqwest::Method;

use crate::error::CommandError;

/// Secure messaging for care coordination: hospitals, nursing homes and clinicians.
#[derive(Parser)]
#[command(name = "liaison", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the roles whose sections the settings file has, until a termination signal.
    Serve {
        /// The settings file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Build a fictional territory on this machine and play a day in it.
    Demo(demo::Arguments),
    /// Show what became of each recipient of what a gateway sent, newest first.
    Track {
        /// The settings file of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// Print JSON, one object a message.
        #[arg(long)]
        json: bool,
        /// How many messages at most.
        #[arg(long, default_value_t = 50)]
        most: u32,
    },
    /// Show what a relay's queue holds; hold, release, retry, cancel and recall it.
    Queue(queue::QueueArguments),
    /// Show each step of one message through a relay.
    Trace {
        /// The envelope's identifier, as `track` and the logs give it.
        envelope: String,
        /// The settings file of the relay.
        #[arg(long)]
        config: PathBuf,
        /// Print JSON, one object a step.
        #[arg(long)]
        json: bool,
    },
    /// Have the running process read its settings again: certificates, trust, accounts, peers,
    /// limits, log filter. Wrong settings are refused and change nothing.
    Reload {
        /// The settings file of the process.
        #[arg(long)]
        config: PathBuf,
    },
    /// The settings file: an example, a check.
    Config {
        #[command(subcommand)]
        command: settings_file::ConfigCommand,
    },
    /// The register of medication errors: entries, key, audit, proof of a receipt.
    Reports {
        #[command(subcommand)]
        command: reports::ReportsCommand,
    },
    /// The shared directory: import lists, find somebody.
    Directory {
        #[command(subcommand)]
        command: directory::DirectoryCommand,
    },
    /// Site keys.
    Key {
        #[command(subcommand)]
        command: secrets::KeyCommand,
    },
    /// Passwords of mail accounts.
    Password {
        #[command(subcommand)]
        command: secrets::PasswordCommand,
    },
    /// What messages would give, and what waits for a person.
    Notice {
        #[command(subcommand)]
        command: notice::NoticeCommand,
    },
    /// What is known of partners' mail clients and keys.
    Partner {
        #[command(subcommand)]
        command: partner::PartnerCommand,
    },
    /// Seal, open, verify and inspect S/MIME messages by hand.
    Smime {
        #[command(subcommand)]
        command: Box<smime::SmimeCommand>,
    },
    /// What keeps the state of the roles.
    Store {
        #[command(subcommand)]
        command: store::StoreCommand,
    },
    /// Push HL7 v2 as a hospital information system would.
    Hl7 {
        #[command(subcommand)]
        command: hl7::Hl7Command,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Err(error) = liaison_base::core_dump::forbid() {
        error::say(&CommandError::CoreDump(error));
        return ExitCode::FAILURE;
    }
    let result = match arguments.command {
        Command::Smime { command } => return smime::run(&command),
        Command::Serve { config } => serve::run(&config).await,
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Track { config, json, most } => track::run(&config, json, most).await,
        Command::Queue(arguments) => queue::run(arguments).await,
        Command::Trace {
            envelope,
            config,
            json,
        } => queue::trace(&config, &envelope, json).await,
        Command::Config { command } => settings_file::run(command),
        Command::Reload { config } => reload(&config).await,
        Command::Reports { command } => reports::run(command).await,
        Command::Directory { command } => directory::run(command).await,
        Command::Key { command } => secrets::key(command),
        Command::Password { command } => secrets::password(command),
        Command::Notice { command } => notice::run(command).await,
        Command::Partner { command } => partner::run(command).await,
        Command::Store { command } => store::run(command).await,
        Command::Hl7 { command } => hl7::run(command).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error::say(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Asks the running process to read its settings again, and says what waits for the next start.
#[expect(clippy::print_stdout, reason = "the answer is the command's output")]
async fn reload(config: &Path) -> Result<(), CommandError> {
    let answer = admin::client::call(config, Method::POST, "/v1/reload", None).await?;
    println!("reloaded");
    for key in answer["at_the_next_start"].as_array().into_iter().flatten() {
        println!("at the next start: {}", key.as_str().unwrap_or_default());
    }
    Ok(())
}
