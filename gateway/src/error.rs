use liaison_base::BaseError;
use liaison_mail::MailError;
use liaison_store::StoreError;
use thiserror::Error;

use crate::keys::KeyError;
use crate::mailbox::MailboxError;
use liaison_base::login::LoginError;

/// What the gateway can answer besides success. For the operator's log: what a client or a peer
/// may read is made from it by the door that speaks to them. Holds no content.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// The database refused, or a commit failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Settings, certificates or keys that cannot be used.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// Accounts in the settings that cannot be used.
    #[error(transparent)]
    Accounts(#[from] LoginError),
    /// A piece of mail that is not what its place demands.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// Keys that are absent, exposed or erased, or sealed content that does not open.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A mailbox that is not served, a folder that is gone, or content that does not open.
    #[error(transparent)]
    Mailbox(#[from] MailboxError),
    /// A certificate or key for S/MIME cannot be used.
    #[error("S/MIME identity of {address}: {cause}")]
    Identity {
        /// Whose.
        address: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A door could not be opened.
    #[error("cannot listen on {listen}: {cause}")]
    Listen {
        /// The address in the settings.
        listen: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A value in the settings that cannot be used.
    #[error("setting {key}: {cause}")]
    Setting {
        /// The key, as in the file.
        key: &'static str,
        /// What to write instead.
        cause: String,
    },
    /// A text could not be made from its template.
    #[error("template: {0}")]
    Template(#[from] askama::Error),
    /// A text of a notice could not be made from its template, or rules cannot be used.
    #[error(transparent)]
    Rules(#[from] crate::notices::rules::RulesError),
    /// Stored data that this program never writes.
    #[error("unreadable stored value: {0}")]
    Stored(&'static str),
}

impl From<sqlx::Error> for GatewayError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(StoreError::Database(error))
    }
}

impl From<crate::notices::pages::PageError> for GatewayError {
    fn from(error: crate::notices::pages::PageError) -> Self {
        Self::Rules(error.into())
    }
}
