use liaison_store::StoreError;
use thiserror::Error;

use crate::keys::KeyError;

/// What a mailbox can answer besides success. The public text is [`MailboxError::public`].
#[derive(Debug, Error)]
pub enum MailboxError {
    /// No mailbox of this address is served here.
    #[error("no such mailbox is served here")]
    Unknown,
    /// No folder has this name.
    #[error("no such folder")]
    NoFolder,
    /// A folder has this name already.
    #[error("a folder has this name already")]
    FolderExists,
    /// The name is empty, too long, too deep, or holds a character that clients cannot show.
    #[error(
        "this cannot be a folder name: at most 200 octets and 10 levels, no control characters"
    )]
    FolderName,
    /// The mailbox has as many folders as it may.
    #[error("the mailbox has as many folders as it may")]
    TooManyFolders,
    /// INBOX and the folders of a special use stay.
    #[error("this folder has a special use and stays")]
    Protected,
    /// Keys or sealed content cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The database or a body's file cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row holds a value that this program never writes.
    #[error("unreadable row: {0}")]
    Row(&'static str),
}

impl MailboxError {
    /// Whether the client asked for something impossible, rather than the site failing.
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Key(_) | Self::Store(_) | Self::Row(_))
    }

    /// The text for the peer; the cause of a failure stays in the log.
    pub fn public(&self) -> String {
        if self.is_refusal() {
            self.to_string()
        } else {
            "Internal failure, try again later".to_owned()
        }
    }
}

impl From<sqlx::Error> for MailboxError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}
