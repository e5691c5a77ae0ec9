use std::io;

use thiserror::Error;

/// What a store can answer besides success. For the operator: it is never shown to a peer.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database refused a statement, or cannot be reached.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// The group's commit failed; nothing of it was kept.
    #[error("the commit failed, nothing was kept: {0}")]
    Commit(String),
    /// The writer has stopped: the process is shutting down or the database is lost.
    #[error("the store is closed")]
    Closed,
    /// The tables were changed by a later release.
    #[error(
        "the tables of {component} are at version {found}, this program knows {known}: \
         run the newer release, or restore a backup"
    )]
    Newer {
        /// Whose tables.
        component: &'static str,
        /// The version found.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// A body's file could not be written or read.
    #[error("message body: {0}")]
    Body(#[from] io::Error),
    /// A body's file is not what was written: the disk or somebody changed it.
    #[error("message body {0} is damaged: its length or digest differs from its row")]
    Damaged(String),
    /// A row holds a value that this program never writes.
    #[error("unreadable row: {0}")]
    Row(&'static str),
}
