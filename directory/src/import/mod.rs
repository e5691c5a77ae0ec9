//! A file of entries, checked as a whole.
//!
//! - `file.rs`: [`EntriesFile`], what the file holds, in TOML or JSON.
//! - `check.rs`: from rows to a [`Catalogue`], with every problem of every row.
//! - `certificate.rs`: what is read from a certificate.
//! - `changes.rs`: [`Changes`], what an import altered.
//!
//! One wrong row and nothing is taken: a recipient that silently vanished would be worse than a
//! list of yesterday.

mod certificate;
mod changes;
mod check;
mod file;

use std::fs;
use std::path::Path;

use time::OffsetDateTime;

use crate::entry::Catalogue;
use crate::error::{DirectoryError, RowProblem};

pub use changes::Changes;
pub use file::{
    CertificateRow, EntriesFile, MailboxRow, OrganisationRow, PersonRow, RelayRow, ServiceRow,
};

/// The largest file of entries, in octets: some 30,000 entries.
pub const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Reads and checks the file at `path`: JSON when its name ends in `.json`, TOML otherwise. Paths
/// of certificates are relative to the file's folder. `now` is the age of the entries when the
/// file does not tell it.
///
/// # Errors
/// [`DirectoryError::Read`] when the file cannot be read or is longer than [`MAX_FILE`];
/// [`DirectoryError::Entries`] with every problem that was found.
pub fn read(path: &Path, now: OffsetDateTime) -> Result<Catalogue, DirectoryError> {
    let unreadable = |cause| DirectoryError::Read {
        path: path.to_owned(),
        cause,
    };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_FILE {
        return Err(unreadable(std::io::ErrorKind::FileTooLarge.into()));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let rows = if is_json {
        parse_json(&text)
    } else {
        parse_toml(&text)
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    rows.and_then(|rows| check::catalogue(rows, folder, now))
        .map_err(|problems| DirectoryError::Entries {
            path: path.to_owned(),
            problems,
        })
}

fn parse_toml(text: &str) -> Result<EntriesFile, Vec<RowProblem>> {
    liaison_base::config::parse(text).map_err(|error| {
        let (place, problem) = error.split_once(": ").unwrap_or(("the file", &error));
        vec![RowProblem {
            place: place.to_owned(),
            problem: problem.to_owned(),
        }]
    })
}

fn parse_json(text: &str) -> Result<EntriesFile, Vec<RowProblem>> {
    serde_json::from_str(text).map_err(|error| {
        let text = error.to_string();
        // serde_json ends its text with the place, which stands first here.
        let problem = text
            .rsplit_once(" at line ")
            .map_or(text.as_str(), |(problem, _)| problem);
        vec![RowProblem {
            place: format!("line {}, column {}", error.line(), error.column()),
            problem: problem.to_owned(),
        }]
    })
}
