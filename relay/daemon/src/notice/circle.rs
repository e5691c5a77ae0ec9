//! `liaison notice circle`: the store of who looks after whom.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use liaison_gateway::notices::PatientKey;
use liaison_gateway::notices::explain::named;

use super::{NO_GATEWAY, desk, say};
use crate::error::CommandError;

#[derive(Subcommand)]
pub(crate) enum CircleCommand {
    /// Take a table (CSV) of who looks after whom into the gateway's store; the gateway may be
    /// running. Columns: ins, or facility and ipp; role; rpps, finess or address; name,
    /// care_prescribed, never.
    Import {
        /// The table.
        file: PathBuf,
        /// The settings file of the gateway.
        #[arg(long)]
        config: PathBuf,
        /// The patients whom the table names keep only what it says.
        #[arg(long)]
        replace: bool,
    },
    /// Show who is around a patient.
    Show {
        #[command(flatten)]
        patient: Patient,
        /// The settings file of the gateway.
        #[arg(long)]
        config: PathBuf,
    },
    /// Forget what was imported about a patient.
    Forget {
        #[command(flatten)]
        patient: Patient,
        /// The settings file of the gateway.
        #[arg(long)]
        config: PathBuf,
    },
}

/// Which patient.
#[derive(Args)]
pub(crate) struct Patient {
    /// The qualified national identifier.
    #[arg(long, conflicts_with_all = ["facility", "ipp"])]
    ins: Option<String>,
    /// MSH-4 of the feed.
    #[arg(long, requires = "ipp")]
    facility: Option<String>,
    /// The facility's own number.
    #[arg(long, requires = "facility")]
    ipp: Option<String>,
}

impl Patient {
    fn key(self) -> Result<PatientKey, CommandError> {
        match (self.ins, self.facility, self.ipp) {
            (Some(ins), ..) => Ok(PatientKey::Ins(ins)),
            (None, Some(facility), Some(ipp)) => Ok(PatientKey::Local { facility, ipp }),
            _ => Err(CommandError::Settings(
                "which patient: give --ins, or --facility and --ipp",
            )),
        }
    }
}

pub(super) async fn run(command: CircleCommand) -> Result<(), CommandError> {
    match command {
        CircleCommand::Import {
            file,
            config,
            replace,
        } => import(&file, &config, replace).await,
        CircleCommand::Show { patient, config } => {
            for member in desk(&config).await?.circle_of(&patient.key()?).await? {
                let mut line = format!("{} ({})", member.role.label(), named(&member.target));
                for (holds, words) in [
                    (member.care_prescribed, ", care prescribed"),
                    (member.never, ", never told"),
                ] {
                    line.push_str(if holds { words } else { "" });
                }
                say(&line);
            }
            Ok(())
        }
        CircleCommand::Forget { patient, config } => {
            let gone = desk(&config).await?.forget_circle(&patient.key()?).await?;
            say(&format!("{gone} forgotten"));
            Ok(())
        }
    }
}

async fn import(file: &Path, config: &Path, replace: bool) -> Result<(), CommandError> {
    let table = std::fs::read(file).map_err(|cause| CommandError::File {
        path: file.to_owned(),
        cause,
    })?;
    let imported = desk(config).await?.import_circles(&table, replace).await?;
    let imported = imported.ok_or(NO_GATEWAY)?;
    say(&format!("{} members taken", imported.members));
    Ok(())
}
