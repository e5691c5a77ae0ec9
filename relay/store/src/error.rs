use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// What a store can answer besides success. For the operator: it is never shown to a peer.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database refused a statement, or cannot be reached.
    #[error("database: {0}")]
    Database(#[source] sqlx::Error),
    /// The disk of the database or of the bodies is full. What was acknowledged is safe; nothing
    /// more can be taken until there is room.
    #[error("the disk is full: {0}; make room, nothing else need be done")]
    Full(String),
    /// The group's commit failed. On SQLite nothing of it was kept; on PostgreSQL it may have been
    /// when the connection was lost in between.
    #[error("the commit failed: {0}")]
    Commit(String),
    /// The writer has stopped: the process is shutting down or the database is lost.
    #[error("the store is closed")]
    Closed,
    /// The settings name no database that this program knows.
    #[error("not a database: {0}")]
    Location(&'static str),
    /// Another process works on the same SQLite file: two would do everything twice.
    #[error("{0} is in use by another process; stop it first")]
    Busy(PathBuf),
    /// The lock beside the database cannot be made.
    #[error("cannot lock {path}: {cause}; check the folder and the rights of this user")]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The database would acknowledge what a power cut could take back.
    #[error("PostgreSQL runs with {0}: turn it on, or acknowledged messages may be lost")]
    NotDurable(&'static str),
    /// Every host that answers is a standby.
    #[error("no host of the database takes writes: promote a standby or start the primary")]
    NoPrimary,
    /// The tables were changed by a later release.
    #[error(
        "the tables of {component} are at version {found}, this program knows {known}: \
         run the newer release, or restore a backup"
    )]
    Newer {
        /// Whose tables.
        component: String,
        /// The version found.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The settings name no place for bodies that this program knows.
    #[error("not a place for message bodies: {0}")]
    Place(&'static str),
    /// A body's file could not be written or read.
    #[error("message body: {0}")]
    Body(#[source] io::Error),
    /// A body is not what was written: the disk or somebody changed it. It is kept for whoever
    /// looks into it.
    #[error("message body {0} is damaged: its length or digest differs from its row")]
    Damaged(String),
    /// Rows were not moved from one database to another.
    #[error("nothing was moved: {0}")]
    Transfer(String),
    /// A row holds a value that this program never writes.
    #[error("unreadable row: {0}")]
    Row(&'static str),
}

impl StoreError {
    /// Whether there is no room left on a disk.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(cause: sqlx::Error) -> Self {
        if is_full(&cause) {
            Self::Full(cause.to_string())
        } else {
            Self::Database(cause)
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full(cause.to_string())
            }
            _ => Self::Body(cause),
        }
    }
}

/// SQLITE_FULL (13), or PostgreSQL's `disk_full` (53100).
fn is_full(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(cause)
        if cause.code().is_some_and(|code| code == "13" || code == "53100"))
}
