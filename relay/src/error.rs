use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use liaison_base::BaseError;
use liaison_mail::{MailError, Refusal};
use liaison_store::StoreError;
use thiserror::Error;

use crate::refusals::Reason;

/// What keeps a relay from starting, or from doing what it was asked. For the operator.
#[derive(Debug, Error)]
pub enum RelayError {
    /// The queue's database or a message body.
    #[error("the queue cannot be used: {0}")]
    Store(#[from] StoreError),
    /// A certificate, a key, a trust anchor.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// The password of the bridge's account.
    #[error("the password file {path} of the bridge cannot be read: {cause}")]
    Password {
        /// The file of the settings.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// An account of the bridge without a password, or the other way round.
    #[error("the bridge has a `user` or a `password`: give both, or neither")]
    HalfALogin,
    /// The door cannot be opened.
    #[error("cannot listen on {address}: {cause}; another process may hold the port")]
    Listen {
        /// The address of the settings.
        address: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// There is no queue where one was to be read.
    #[error("no queue at {0}: give the `database` of the `[relay]` section")]
    NoQueue(PathBuf),
    /// A row that no release of this program writes.
    #[error("the queue holds what no relay wrote: {0}")]
    Row(#[from] MailError),
    /// A report about a message could not be written.
    #[error("a report could not be made: {0}")]
    Report(MailError),
}

impl RelayError {
    /// Under which reason a refusal because of this error counts.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Store(error) if error.is_full() => Reason::Full,
            _ => Reason::Storage,
        }
    }

    /// The error as a peer or the gateway may hear it: a retry can help, the cause stays here.
    pub fn refusal(&self) -> Refusal {
        self.reason().refusal()
    }
}

/// So that statements inside a group commit can end with `?`.
impl From<sqlx::Error> for RelayError {
    fn from(cause: sqlx::Error) -> Self {
        Self::Store(cause.into())
    }
}
