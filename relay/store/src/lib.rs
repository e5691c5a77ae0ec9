//! Durable state: what was committed here survives `kill -9` and a power cut.
//!
//! # Map
//! - [`Store`]: a database whose writes are committed in groups ([`Store::write`]) and whose
//!   reads go past them ([`Store::read`]).
//! - [`schema`]: the tables of each component, brought up to date when a store is opened.
//! - [`body`]: message bodies: small ones beside their row, large ones in synced files.
//!
//! # Why a group commit
//! One disk sync costs about 4 ms, and a sync a message would make the disk's latency the limit of
//! throughput. A single task owns the writing connection; whatever work is waiting when it comes
//! round shares one transaction and one sync. Each piece of work runs in a savepoint of its own:
//! one that fails is undone alone. Nobody is answered before the commit.
//!
//! # SQL
//! Texts are written once for SQLite and PostgreSQL, through sqlx's `Any` driver: parameters are
//! `$1`, instants are `BIGINT` milliseconds since 1970 in UTC, truth values are 0 or 1.
//!
//! # Dependencies
//! `sqlx` is the one SQL client; `ring` hashes large bodies; `tokio` runs the writer.

pub mod body;
pub mod schema;

mod error;
mod group_commit;

use std::path::Path;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, ConnectOptions as _, Connection as _};

pub use error::StoreError;
pub use group_commit::{Work, WorkFuture};
pub use schema::Schema;

use group_commit::Writer;

/// Reading connections kept open; SQLite's readers do not wait for its writer (WAL).
const READERS: u32 = 4;

/// A database opened by one process. Copies share it.
#[derive(Clone, Debug)]
pub struct Store {
    writer: Writer,
    readers: AnyPool,
}

impl Store {
    /// Opens the SQLite database at `path`, made if absent, and brings its tables up to date.
    ///
    /// The journal is a write-ahead log and every commit is synced (`synchronous=FULL`): SQLite
    /// answers a commit only once it would survive a power cut.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a later release has already changed the tables;
    /// [`StoreError::Database`] when the file cannot be opened.
    pub async fn open(path: &Path, schemas: &[Schema]) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let url = format!("sqlite://{}?mode=rwc", path.display());
        let options: AnyConnectOptions = url.parse()?;
        let mut writing =
            AnyConnection::connect_with(&options.clone().disable_statement_logging()).await?;
        for pragma in [
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "PRAGMA foreign_keys = ON",
            "PRAGMA busy_timeout = 10000",
        ] {
            sqlx::raw_sql(pragma).execute(&mut writing).await?;
        }
        schema::migrate(&mut writing, schemas).await?;
        let readers = AnyPoolOptions::new()
            .max_connections(READERS)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql("PRAGMA query_only = ON; PRAGMA busy_timeout = 10000")
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .connect_with(options.disable_statement_logging())
            .await?;
        Ok(Self {
            writer: Writer::start(writing),
            readers,
        })
    }

    /// Runs `work` in a group commit and answers once it is durable.
    ///
    /// An `Err` of `work` undoes what it wrote, and only that. The work may run in the same
    /// transaction as others', so it must not count on being alone, and must not wait for
    /// anything but its own statements.
    ///
    /// ```ignore
    /// store.write(move |tx| Box::pin(async move {
    ///     sqlx::query("UPDATE task SET done = 1 WHERE id = $1").bind(id).execute(tx).await?;
    ///     Ok::<_, StoreError>(())
    /// })).await?;
    /// ```
    ///
    /// # Errors
    /// What `work` returned, or a [`StoreError`] when the commit failed.
    pub async fn write<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        W: for<'c> FnOnce(&'c mut AnyConnection) -> WorkFuture<'c, T, E> + Send + 'static,
    {
        self.writer.write(work).await
    }

    /// The reading side: every committed write is visible. Writes through it are refused.
    pub fn read(&self) -> &AnyPool {
        &self.readers
    }

    /// Waits for the writes under way and closes every connection.
    pub async fn close(self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
