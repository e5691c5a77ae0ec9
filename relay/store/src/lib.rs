//! Durable state: what was committed here survives `kill -9` and a power cut.
//!
//! # Map
//! - [`Store`]: a database whose writes are committed in groups ([`Store::write`]) and whose
//!   reads go past them ([`Store::read`]).
//! - [`Location`]: which database: a SQLite file, or PostgreSQL shared by several processes.
//! - [`schema`]: the tables of each component, brought up to date when a store is opened.
//! - [`holder`]: leases, and who is alive to hold them. [`news`]: wake-ups between processes.
//! - [`sql`]: where the two dialects differ.
//! - [`body`]: message bodies: small ones beside their row, large ones in an object store.
//! - [`transfer`]: from a SQLite file to PostgreSQL, proved.
//! - `writer/`: the tasks that commit. `connect`: what a connection is told when it is opened.
//! - `testing` (feature of that name): databases for tests, on either engine.
//!
//! # Why a group commit
//! One disk sync costs about 4 ms, and a sync a message would make the disk's latency the limit of
//! throughput. Whatever work is waiting when a writing connection is free shares one transaction
//! and one sync; a piece that fails is undone alone. Nobody is answered before the commit.
//!
//! # SQL
//! Texts are written once for SQLite and PostgreSQL, through sqlx's `Any` driver: parameters are
//! `$1`, instants are `BIGINT` milliseconds since 1970 in UTC, truth values are 0 or 1, a sum is
//! `CAST(SUM(x) AS BIGINT)`. The exceptions are in [`sql`], and schema scripts are translated.
//!
//! SQLite has one writer, PostgreSQL any number, in this process and in others: a row that is read
//! in order to be written is read with [`sql::locking`] `FOR UPDATE`, or written first; a row that
//! is looked for in order to be inserted has a `UNIQUE` key, and the work is run again when
//! another process was faster.
//!
//! # Dependencies
//! `sqlx` is the one SQL client; `object_store` (with `bytes` and `futures`) keeps large bodies in
//! a folder or a bucket; `ring` hashes them and names processes; `tokio` runs the writers,
//! `tokio-util` ends them; `serde` reads a [`Location`] from settings.

pub mod body;
pub mod holder;
pub mod news;
pub mod schema;
pub mod sql;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod transfer;

mod connect;
mod error;
mod location;
mod writer;

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use liaison_base::clock::Clock;
use ring::rand::{SecureRandom as _, SystemRandom};
use sqlx::{AnyConnection, AnyPool};

pub use error::StoreError;
pub use holder::Holder;
pub use location::{Hosts, Location};
pub use news::{News, Word};
pub use schema::Schema;
pub use writer::{Work, WorkFuture};

use news::Wire;
use writer::Writer;

/// A database opened by one process. Copies share it.
#[derive(Clone, Debug)]
pub struct Store {
    location: Arc<Location>,
    process: Arc<str>,
    writer: Writer,
    readers: AnyPool,
    wire: Option<Wire>,
}

impl Store {
    /// Opens a database and brings its tables up to date. A SQLite file is made if absent; a
    /// PostgreSQL database must exist, and its user must be allowed to make tables in it.
    ///
    /// A commit is answered only once it would survive a power cut: SQLite's journal is a
    /// write-ahead log, synced at every commit (`synchronous=FULL`), and a PostgreSQL server that
    /// does not sync is refused. Where it has synchronous standbys, the commit is on them too.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when a later release has already changed the tables;
    /// [`StoreError::NotDurable`], [`StoreError::NoPrimary`]; [`StoreError::Database`] when the
    /// file or the server cannot be opened.
    pub async fn open(
        location: impl Into<Location>,
        schemas: &[Schema],
    ) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let location = location.into();
        let (mut writing, place) = connect::writing(&location).await?;
        schema::migrate(&mut writing, schemas).await?;
        let readers = connect::reading(&location).await?;
        if let Location::Postgres(hosts) = &location {
            connect::follow(&readers, hosts, place);
        }
        let process: Arc<str> = random_name()?.into();
        let (writer, wire) = match &location {
            Location::Sqlite(_) => (Writer::sqlite(writing), None),
            Location::Postgres(hosts) => (
                Writer::postgres(writing, hosts, &readers),
                Some(Wire::start(hosts, &process)),
            ),
        };
        Ok(Self {
            location: Arc::new(location),
            process,
            writer,
            readers,
            wire,
        })
    }

    /// Runs `work` in a group commit and answers once it is durable.
    ///
    /// An `Err` of `work` undoes what it wrote, and only that. The work may run in the same
    /// transaction as others', so it must not count on being alone, and must not wait for
    /// anything but its own statements. It may run more than once ([`Work`]); only what the last
    /// run wrote is kept.
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
        E: From<StoreError> + Error + Send + 'static,
        W: for<'c> FnOnce(&'c mut AnyConnection) -> WorkFuture<'c, T, E> + Clone + Send + 'static,
    {
        self.writer.write(work).await
    }

    /// The reading side: every committed write is visible. Writes through it are refused. The
    /// statements of one transaction all see the same state.
    pub fn read(&self) -> &AnyPool {
        &self.readers
    }

    /// Which database it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Begins to work on the database in a role: claims then bear the name of the [`Holder`].
    /// `patience` is how long the others wait for a sign of life before they take over.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another process works on the same SQLite file in this role;
    /// [`StoreError::Lock`]; [`StoreError::Database`].
    pub async fn enter(
        &self,
        role: &'static str,
        clock: Arc<dyn Clock>,
        patience: Duration,
    ) -> Result<Holder, StoreError> {
        Holder::enter(self, role, clock, patience).await
    }

    /// Says a word to the other processes on this database. Call it after the commit.
    pub fn tell(&self, word: &str) {
        if let Some(wire) = &self.wire {
            wire.tell(word);
        }
    }

    /// What other processes say from now on.
    pub fn news(&self) -> News {
        self.wire.as_ref().map_or_else(News::silence, Wire::news)
    }

    /// Waits for the writes under way and closes every connection.
    pub async fn close(self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Names this process among those on the database.
    fn process(&self) -> &str {
        &self.process
    }
}

/// 128 random bits in hexadecimal.
fn random_name() -> Result<String, StoreError> {
    let mut random = [0_u8; 16];
    SystemRandom::new().fill(&mut random).map_err(|_| {
        StoreError::Body(std::io::Error::other("the system gives no random octets"))
    })?;
    Ok(random.iter().fold(String::new(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    }))
}
