//! `liaison store`: what keeps the state of the roles.

use std::io::{IsTerminal as _, Write as _};

use clap::Subcommand;
use liaison_store::transfer::{Moved, Progress, Stage, transfer};
use liaison_store::{Location, Schema};

use crate::error::CommandError;

/// What to do with a store.
#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// Move what a SQLite file keeps into an empty PostgreSQL database: all of it, verified, or
    /// nothing. Stop the role first; afterwards set its `database` to the new place. Message
    /// bodies outside the file stay where they are.
    Migrate {
        /// The SQLite file: a path, or `sqlite:path`.
        #[arg(long)]
        from: Location,
        /// The PostgreSQL database: `postgres://user@host/name`. Keep its password in `~/.pgpass`:
        /// what is typed here, other users of this machine can read.
        #[arg(long)]
        to: Location,
    },
}

/// Does it.
pub(crate) async fn run(command: StoreCommand) -> Result<(), CommandError> {
    let StoreCommand::Migrate { from, to } = command;
    let mut shown = Shown::default();
    let moved = transfer(&from, &to, &schemas(), |progress| shown.show(&progress)).await;
    shown.end();
    report(&moved?, &from, &to);
    Ok(())
}

/// The tables of every role.
fn schemas() -> Vec<Schema> {
    let mut schemas = liaison_relay::SCHEMAS.to_vec();
    schemas.extend(liaison_gateway::SCHEMAS);
    schemas.extend(liaison_directory::SCHEMAS);
    schemas
}

#[expect(clippy::print_stdout, reason = "the report is the command's output")]
fn report(moved: &[Moved], from: &Location, to: &Location) {
    for table in moved {
        println!(
            "{:<28} {:>10} rows  {}",
            table.table, table.rows, table.digest
        );
    }
    let rows: u64 = moved.iter().map(|table| table.rows).sum();
    println!("{rows} rows moved from {from} to {to}, read back and found equal");
}

/// What was shown last: a bar on a terminal, a line for each tenth elsewhere.
#[derive(Default)]
struct Shown {
    percent: Option<(Stage, u64)>,
}

impl Shown {
    fn show(&mut self, progress: &Progress) {
        let percent = progress.done.saturating_mul(100) / progress.all.max(1);
        let terminal = std::io::stderr().is_terminal();
        let step = if terminal { percent } else { percent / 10 * 10 };
        if self.percent == Some((progress.stage, step)) {
            return;
        }
        self.percent = Some((progress.stage, step));
        let line = line(progress, percent, terminal);
        // A bar that cannot be drawn stops nothing.
        let _ = std::io::stderr().write_all(line.as_bytes());
    }

    fn end(&self) {
        if self.percent.is_some() && std::io::stderr().is_terminal() {
            let _ = std::io::stderr().write_all(b"\n");
        }
    }
}

fn line(progress: &Progress, percent: u64, terminal: bool) -> String {
    let stage = match progress.stage {
        Stage::Copied => "copied",
        Stage::Verified => "verified",
    };
    let (done, all, table) = (progress.done, progress.all, &progress.table);
    if !terminal {
        return format!("{stage} {percent:>3} %  {done} of {all} rows\n");
    }
    let full = usize::try_from(percent * 40 / 100).unwrap_or(40).min(40);
    let (bar, rest) = ("#".repeat(full), ".".repeat(40 - full));
    // Clears what a longer line has left.
    format!("\r{stage:<8} [{bar}{rest}] {percent:>3} %  {done} of {all}  {table}\x1b[K")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_bar_on_a_terminal_and_lines_elsewhere() {
        let progress = Progress {
            stage: Stage::Copied,
            table: "relay_message".to_owned(),
            done: 50,
            all: 200,
        };
        assert_eq!(line(&progress, 25, false), "copied  25 %  50 of 200 rows\n");
        let bar = line(&progress, 25, true);
        assert!(bar.starts_with("\rcopied   [##########.....") && bar.contains("relay_message"));
        assert_eq!(bar.matches('#').count(), 10);
    }

    #[test]
    fn no_two_components_share_a_name() {
        let mut names: Vec<_> = schemas().iter().map(|schema| schema.component).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
