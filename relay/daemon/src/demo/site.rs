//! A member's site: a process of its own, a real `liaison serve`.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::territory::{Member, Territory};
use crate::error::CommandError;

/// How long a site may take to open its doors.
const START: Duration = Duration::from_secs(60);
/// How long a site may take to stop.
const STOP: Duration = Duration::from_secs(15);

/// A running site; it is ended when this is dropped.
pub(super) struct Site {
    name: String,
    process: Child,
}

impl Site {
    /// Starts a site and waits until its doors are open. Its log is `liaison.log` in its folder.
    pub(super) async fn start(
        territory: &Territory,
        member: &Member,
    ) -> Result<Self, CommandError> {
        let log_path = territory.site(&member.name).join("liaison.log");
        let failed = |cause| CommandError::File {
            path: log_path.clone(),
            cause,
        };
        let log = File::options()
            .create(true)
            .append(true)
            .open(&log_path)
            .map_err(failed)?;
        let program = std::env::current_exe().map_err(failed)?;
        let mut process = Command::new(program)
            .arg("serve")
            .arg("--config")
            .arg(territory.config(&member.name))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            // Ctrl-C reaches the demo alone, which then stops its sites in order.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let not_ready = || {
            CommandError::Peer(format!(
                "the site {} did not start: see {}",
                member.name,
                log_path.display()
            ))
        };
        let output = process.stdout.take().ok_or_else(not_ready)?;
        let mut lines = BufReader::new(output).lines();
        match tokio::time::timeout(START, lines.next_line()).await {
            Ok(Ok(Some(line))) if line == "ready" => Ok(Self {
                name: member.name.clone(),
                process,
            }),
            _ => Err(not_ready()),
        }
    }
}

/// Asks every site to stop, and waits for all of them.
pub(super) async fn stop_all(sites: Vec<Site>) -> Result<(), CommandError> {
    for site in &sites {
        if let Some(id) = site.process.id() {
            // The standard tool, so that no unsafe call is needed to send a signal.
            let _ = Command::new("kill")
                .args(["-TERM", &id.to_string()])
                .status()
                .await;
        }
    }
    for mut site in sites {
        let ended = tokio::time::timeout(STOP, site.process.wait()).await;
        match ended {
            Ok(Ok(status)) if status.success() => {}
            _ => {
                return Err(CommandError::Peer(format!(
                    "the site {} did not stop in good order",
                    site.name
                )));
            }
        }
    }
    Ok(())
}
