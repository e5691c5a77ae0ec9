//! `liaison demo`: a fictional territory on this machine and a day in its life.
//!
//! # Map
//! - `cast`: who there is. [`territory`]: the folder with a site for each member, and how `build`
//!   and `people` fill it.
//! - `site`: a member's process, a real `liaison serve`.
//! - `feed`: what the hospital's system pushes. `client`: what a mail client does.
//! - `day`: the script, played through the real doors; each step is checked as it happens.
//!
//! Nothing in it is real: people, numbers and domains cannot exist, and the certificates say that
//! they are not to be trusted.

mod build;
mod cast;
mod client;
mod day;
mod feed;
mod people;
mod site;
mod territory;

use std::path::PathBuf;

use clap::Args;
use liaison_base::clock::{Clock as _, SystemClock};
use tempfile::TempDir;

use crate::error::CommandError;
use site::Site;
use territory::Territory;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder to build in: kept, and used again when it holds a territory already. Absent: a
    /// temporary one, removed at the end.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Play the day and exit: 0 only if every step held.
    #[arg(long)]
    check: bool,
    /// Build the folder and exit; start each site with `liaison serve --config DIR/MEMBER/liaison.toml`.
    #[arg(long, conflicts_with = "check")]
    prepare: bool,
    /// Start the sites and stay up without playing the day.
    #[arg(long, conflicts_with_all = ["check", "prepare"])]
    no_day: bool,
}

/// Builds, starts, plays and stays up.
#[expect(clippy::print_stdout, reason = "the demo speaks to its user")]
pub(crate) async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let clock = SystemClock;
    // Removed when it is dropped, at the very end.
    let mut temporary: Option<TempDir> = None;
    let dir = match arguments.dir {
        Some(dir) => dir,
        None => {
            let made =
                TempDir::with_prefix("liaison-demo-").map_err(|cause| CommandError::File {
                    path: std::env::temp_dir(),
                    cause,
                })?;
            temporary.insert(made).path().to_owned()
        }
    };
    let territory = Territory::open_or_build(&dir, clock.now())?;
    println!("Liaison demo: a fictional territory in {}", dir.display());
    println!("Its people, numbers and certificates are made up; trust none of them elsewhere.\n");
    if arguments.prepare {
        println!(
            "Built. Start a site with: liaison serve --config {}/MEMBER/liaison.toml",
            dir.display()
        );
        return Ok(());
    }
    let mut sites = Vec::new();
    for member in territory.members() {
        sites.push(Site::start(&territory, member).await?);
    }
    println!(
        "{} sites are up, each with its own relay, gateway and store:",
        sites.len()
    );
    for member in territory.members() {
        println!("  {:<9} {}", member.name, member.organisation);
    }
    println!();
    if !arguments.no_day {
        day::play(&territory).await?;
    }
    if arguments.check {
        return site::stop_all(sites).await;
    }
    println!("{}", guide(&territory));
    // An error means that the signal cannot be received: leave rather than hang.
    let _ = tokio::signal::ctrl_c().await;
    println!("\nStopping.");
    let stopped = site::stop_all(sites).await;
    drop(temporary);
    stopped
}

/// How to try it, in a few lines.
fn guide(territory: &Territory) -> String {
    let mut text = String::from("Everything stays up until Ctrl-C. To try it:\n\n");
    text.push_str(&format!(
        "Mail clients (Thunderbird and others): server 127.0.0.1, TLS from the first byte\n\
         (SSL/TLS), normal password; let the client trust {}.\n",
        territory.ca().display()
    ));
    for account in territory.accounts() {
        let ports = &territory.member(&account.member).ports;
        text.push_str(&format!(
            "  {:<42} password {}  IMAP {}  SMTP {}\n",
            account.address, account.password, ports.imaps, ports.submissions
        ));
    }
    text.push_str(&format!(
        "\nPages: the shared directory at {}\n\
         \nPush your own HL7 v2 file, or one of {}:\n  liaison hl7 send {} --to 127.0.0.1:{}\n\
         \nSee what became of every notice:\n  liaison track --config {}\n\
         \nFor programs: {}\n",
        territory.directory_url(),
        territory.samples().display(),
        territory.samples().join("a01-admission.hl7").display(),
        territory.member("hospital").ports.mllp.unwrap_or_default(),
        territory.config("hospital").display(),
        territory.json().display(),
    ));
    text
}
