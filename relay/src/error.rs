use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use liaison_base::BaseError;
use liaison_mail::{EnhancedStatus, MailError, Refusal};
use liaison_store::StoreError;
use thiserror::Error;

/// What keeps a relay from starting, or from doing what it was asked. For the operator.
#[derive(Debug, Error)]
pub enum RelayError {
    /// The queue's database or a message body.
    #[error("the queue cannot be used: {0}")]
    Store(#[from] StoreError),
    /// A certificate, a key, a trust anchor.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// The door cannot be opened.
    #[error("cannot listen on {address}: {cause}; another process may hold the port")]
    Listen {
        /// The address of the settings.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// Another relay works on the same queue: two would send everything twice.
    #[error("{0} is in use by another relay process; stop it first")]
    Busy(PathBuf),
    /// There is no queue where one was to be read.
    #[error("no queue at {0}: give the `database` of the `[relay]` section")]
    NoQueue(PathBuf),
    /// The lock beside the database cannot be made.
    #[error("cannot lock {path}: {cause}; check the folder and the rights of this user")]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A row that no release of this program writes.
    #[error("the queue holds what no relay wrote: {0}")]
    Row(#[from] MailError),
    /// A report about a message could not be written.
    #[error("a report could not be made: {0}")]
    Report(MailError),
}

impl RelayError {
    /// The error as a peer or the gateway may hear it: a retry can help, the cause stays here.
    pub fn refusal(&self) -> Refusal {
        Refusal::transient(
            451,
            EnhancedStatus::TRY_LATER,
            "this relay cannot store mail now; try again later",
        )
    }
}

/// So that statements inside a group commit can end with `?`.
impl From<sqlx::Error> for RelayError {
    fn from(cause: sqlx::Error) -> Self {
        Self::Store(cause.into())
    }
}
