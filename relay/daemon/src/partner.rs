//! `liaison partner`: what a gateway knows of partners' clients and keys.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use liaison_gateway::PartnerState;
use liaison_gateway::desk::Desk;
use liaison_mail::Address;
use serde_json::json;

use crate::config::Config;
use crate::error::CommandError;
use crate::track::stamp;

const NO_GATEWAY: CommandError = CommandError::Settings("the settings file has no [gateway]");

#[derive(Subcommand)]
pub(crate) enum PartnerCommand {
    /// Show every partner: what its client reads, since when its keys are known, how many other
    /// keys wait for a person.
    List {
        /// The settings file of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// Print JSON, one object each.
        #[arg(long)]
        json: bool,
    },
    /// Take a partner's new key for the true one, after asking it by another way than mail.
    Confirm {
        /// The partner's address.
        address: String,
        /// Its certificate, a PEM file.
        certificate: PathBuf,
        /// The settings file of the gateway.
        #[arg(long)]
        config: PathBuf,
    },
    /// Forget a partner: the next key seen of it is taken for its own.
    Forget {
        /// The partner's address.
        address: String,
        /// The settings file of the gateway.
        #[arg(long)]
        config: PathBuf,
    },
}

pub(crate) async fn run(command: PartnerCommand) -> Result<(), CommandError> {
    match command {
        PartnerCommand::List { config, json } => {
            for partner in desk(&config).await?.partners().await? {
                say(&described(&partner, json));
            }
        }
        PartnerCommand::Confirm {
            address,
            certificate,
            config,
        } => {
            let pem = std::fs::read_to_string(&certificate).map_err(|cause| {
                let path = certificate.clone();
                CommandError::File { path, cause }
            })?;
            let address = parsed(&address)?;
            desk(&config).await?.confirm_partner(&address, &pem).await?;
            say(&format!("{address}: its key is known now"));
        }
        PartnerCommand::Forget { address, config } => {
            let address = parsed(&address)?;
            let known = desk(&config).await?.forget_partner(&address).await?;
            let done = if known {
                "forgotten"
            } else {
                "nothing was known"
            };
            say(&format!("{address}: {done}"));
        }
    }
    Ok(())
}

fn described(partner: &PartnerState, json: bool) -> String {
    let signing = partner.signing_since.map(stamp);
    let receiving = partner.receiving_since.map(stamp);
    if json {
        return json!({
            "address": partner.address, "reads": partner.reads, "signing_since": signing,
            "receiving_since": receiving, "held": partner.held,
        })
        .to_string();
    }
    let reads = match partner.reads.is_empty() {
        true => "unknown".to_owned(),
        false => partner.reads.join(", "),
    };
    let since = |moment: Option<String>| moment.unwrap_or_else(|| "-".to_owned());
    format!(
        "{} reads {reads}; signing key since {}; receiving key since {}; {} other keys wait",
        partner.address,
        since(signing),
        since(receiving),
        partner.held
    )
}

fn parsed(address: &str) -> Result<Address, CommandError> {
    Address::parse(address).map_err(|error| CommandError::Peer(format!("{address}: {error}")))
}

async fn desk(config: &Path) -> Result<Desk, CommandError> {
    let settings = Config::load(config)?.gateway.ok_or(NO_GATEWAY)?;
    Ok(Desk::open(&settings).await?)
}

#[expect(clippy::print_stdout, reason = "the command's output")]
fn say(line: &str) {
    println!("{line}");
}
