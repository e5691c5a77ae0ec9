//! `liaison reports`: the register of medication errors from the command line, and the proof that
//! a receipt carries. Contents are not shown here: they are for the working group.

use std::path::PathBuf;

use clap::Subcommand;
use liaison_base::tlog::note::VerifierKey;
use liaison_gateway::reports::{Register, verify_receipt};

use crate::config::Config;
use crate::error::CommandError;
use crate::track::stamp;

#[derive(Subcommand)]
pub(crate) enum ReportsCommand {
    /// List the newest entries: number, date, whether the author was proved.
    List {
        /// The settings file of the gateway that keeps the register.
        #[arg(long)]
        config: PathBuf,
        /// How many at most.
        #[arg(long, default_value_t = 50)]
        most: u32,
    },
    /// Print the register's public key: what verifies its receipts. Publish it.
    Key {
        /// The settings file of the gateway that keeps the register.
        #[arg(long)]
        config: PathBuf,
    },
    /// Recompute the whole log and print its signed checkpoint.
    Audit {
        /// The settings file of the gateway that keeps the register.
        #[arg(long)]
        config: PathBuf,
    },
    /// Check that a receipt proves its entry in the register.
    Verify {
        /// The receipt as it came, a mail or its text.
        file: PathBuf,
        /// The register's public key.
        #[arg(long)]
        key: String,
    },
}

#[expect(clippy::print_stdout, reason = "the answer is the command's output")]
pub(crate) async fn run(command: ReportsCommand) -> Result<(), CommandError> {
    match command {
        ReportsCommand::List { config, most } => {
            for listed in register(config).await?.entries(most).await? {
                println!(
                    "{:>6}  {}  {}  {}{}",
                    listed.index,
                    listed.entry.number(),
                    stamp(listed.entry.received_at()),
                    if listed.verified {
                        "author proved"
                    } else {
                        "author not proved"
                    },
                    if listed.erased { "  erased" } else { "" },
                );
            }
        }
        ReportsCommand::Key { config } => println!("{}", register(config).await?.verifier()),
        ReportsCommand::Audit { config } => {
            let register = register(config).await?;
            register.audit().await?;
            println!(
                "every entry agrees with the log:\n{}",
                register.checkpoint().await?
            );
        }
        ReportsCommand::Verify { file, key } => {
            let key: VerifierKey = key
                .parse()
                .map_err(|_| CommandError::Settings("not a key: see `liaison reports key`"))?;
            let bytes = tokio::fs::read(&file)
                .await
                .map_err(|cause| CommandError::File { path: file, cause })?;
            let proved = verify_receipt(&text_of(&bytes), &key)
                .map_err(|error| CommandError::Peer(format!("not proved: {error}")))?;
            println!(
                "proved: {} taken in {}, entry {} of {}",
                proved.number,
                stamp(proved.received_at),
                proved.index,
                proved.checkpoint.size
            );
        }
    }
    Ok(())
}

async fn register(config: PathBuf) -> Result<Register, CommandError> {
    let settings = Config::load(&config)?
        .gateway
        .ok_or(CommandError::Settings("the settings have no [gateway]"))?;
    liaison_gateway::register(&settings)
        .await?
        .ok_or(CommandError::Settings(
            "this gateway keeps no register: [gateway.reports]",
        ))
}

/// The text of a mail, or the bytes as they are.
fn text_of(bytes: &[u8]) -> String {
    mail_parser::MessageParser::default()
        .parse(bytes)
        .filter(|message| message.from().is_some())
        .and_then(|message| Some(message.body_text(0)?.into_owned()))
        .unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned())
}
