//! What can go wrong with the directory.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use liaison_base::BaseError;
use liaison_base::login::LoginError;
use liaison_directory_client::LookupError;
use liaison_store::StoreError;

/// How many problems of an entries file its error shows; the rest are counted.
const SHOWN: usize = 20;

/// Why the directory cannot do what was asked. For operators: callers on the network get a
/// [`liaison_directory_client::Problem`] instead.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A certificate or a key of the web face could not be used.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// The file of entries could not be read.
    #[error("cannot read {path}: {cause}; check the path and the rights of this user")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file of entries has wrong rows; nothing of it was taken.
    #[error("{path}: nothing was imported; correct {}", listed(.problems))]
    Entries {
        /// The file.
        path: PathBuf,
        /// Every wrong row. Never empty.
        problems: Vec<RowProblem>,
    },
    /// The file's columns are not those of its kind; nothing of it was taken.
    #[error("{path}: {problem}; nothing was imported")]
    Columns {
        /// The file.
        path: PathBuf,
        /// Which columns are missing, or what else is wrong with the file as a whole.
        problem: String,
    },
    /// The file says something else than the one before, to an extent that must be looked at.
    #[error(
        "{path} was not taken, the last good list keeps serving: {}; if this is right, import it \
         again with --accept-changes",
        reasons.join("; ")
    )]
    Refused {
        /// The file.
        path: PathBuf,
        /// The circuit breakers that tripped.
        reasons: Vec<String>,
    },
    /// A question has too many parts.
    #[error("the question has more than 256 parts: ask for less at once")]
    Filter,
    /// The accepted sets or the index could not be read or written.
    #[error(
        "the directory's sets cannot be used ({0}): check the folder beside its database and the room on its disk"
    )]
    Index(#[from] std::io::Error),
    /// Nothing was ever imported.
    #[error("the directory has no entries yet: give it a file of entries in its settings")]
    Empty,
    /// The accounts of the settings cannot be used.
    #[error(transparent)]
    Accounts(#[from] LoginError),
    /// The suffix of the LDAP face is no name.
    #[error(
        "`suffix = \"{0}\"` is no distinguished name: write one such as dc=annuaire,dc=territoire"
    )]
    Suffix(String),
    /// Something about the logs that are shared cannot be used.
    #[error("{what}: {problem}")]
    Sharing {
        /// A file, a section of the settings or an address.
        what: String,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// A face cannot listen.
    #[error("cannot listen on {address}: {cause}; choose a free port of this machine")]
    Listen {
        /// The address in the settings.
        address: SocketAddr,
        /// What the system said.
        cause: std::io::Error,
    },
}

impl From<sqlx::Error> for DirectoryError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<DirectoryError> for LookupError {
    fn from(error: DirectoryError) -> Self {
        Self::Store(error.to_string())
    }
}

/// A wrong row in a file of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    /// Where: line and column, or the list, the row's number from 1 and its identifier.
    pub place: String,
    /// What is wrong and what is expected.
    pub problem: String,
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

fn listed(problems: &[RowProblem]) -> String {
    let mut text = problems
        .iter()
        .take(SHOWN)
        .map(RowProblem::to_string)
        .collect::<Vec<_>>()
        .join("; ");
    if problems.len() > SHOWN {
        text.push_str(&format!("; and {} more", problems.len() - SHOWN));
    }
    text
}
