//! Who holds leases: processes that work on a database, and whether they are still alive.
//!
//! Work is claimed by writing the holder's name and a token into its row. The token is new with
//! every claim, and whoever commits the outcome of the work asks for its token in the same
//! statement: a process that was frozen, taken for dead and wakes up finds another token, and
//! changes nothing (a *fencing* token). A holder says every so often that it is alive; when it has
//! not said so for longer than its patience, the others may claim what it held.
//!
//! A SQLite file has one working process, by a lock beside the file: whoever holds it knows that
//! all earlier holders are dead.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use liaison_base::clock::{Clock, millis};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Location, Store, StoreError};

/// A process that works on a database in one role. Copies are the same holder; with the last one
/// its leases end when its patience does.
#[derive(Clone, Debug)]
pub struct Holder {
    name: Arc<str>,
    _alive: Arc<Alive>,
}

#[derive(Debug)]
struct Alive {
    _heartbeat: Option<DropGuard>,
    /// Held for as long as the role works on a SQLite file.
    _lock: Option<File>,
}

impl Holder {
    /// The name that leases bear.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) async fn enter(
        store: &Store,
        role: &'static str,
        clock: Arc<dyn Clock>,
        patience: Duration,
    ) -> Result<Self, StoreError> {
        let name: Arc<str> = format!("{role}-{}", store.process()).into();
        let lock = match store.location() {
            Location::Sqlite(path) => Some(lock(path, role)?),
            Location::Postgres(_) => None,
        };
        let beat = Beat {
            store: store.clone(),
            name: Arc::clone(&name),
            role,
            clock,
            patience,
        };
        if lock.is_some() {
            beat.alone().await?;
        }
        beat.once().await?;
        let heartbeat = lock.is_none().then(|| {
            let stop = CancellationToken::new();
            let stopped = stop.clone();
            tokio::spawn(async move { stopped.run_until_cancelled(beat.go_on()).await });
            stop.drop_guard()
        });
        Ok(Self {
            name,
            _alive: Arc::new(Alive {
                _heartbeat: heartbeat,
                _lock: lock,
            }),
        })
    }
}

/// Says that the holder is alive.
struct Beat {
    store: Store,
    name: Arc<str>,
    role: &'static str,
    clock: Arc<dyn Clock>,
    patience: Duration,
}

impl Beat {
    async fn go_on(self) {
        loop {
            tokio::time::sleep(self.patience / 4).await;
            if let Err(error) = self.once().await {
                tracing::warn!(%error, role = self.role, "no sign of life could be written");
            }
        }
    }

    async fn once(&self) -> Result<(), StoreError> {
        // A SQLite file's holder is alive while it has the lock.
        let until = match self.store.location() {
            Location::Sqlite(_) => i64::MAX,
            Location::Postgres(_) => {
                let patience = i64::try_from(self.patience.as_millis()).unwrap_or(i64::MAX);
                millis(self.clock.now()).saturating_add(patience)
            }
        };
        let (name, role) = (Arc::clone(&self.name), self.role);
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO lease_holder (holder, role, alive_until) VALUES ($1, $2, $3)
                         ON CONFLICT (holder) DO UPDATE SET alive_until = excluded.alive_until",
                    )
                    .bind(&*name)
                    .bind(role)
                    .bind(until)
                    .execute(tx)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// The lock says that every earlier holder of the role is dead.
    async fn alone(&self) -> Result<(), StoreError> {
        let role = self.role;
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM lease_holder WHERE role = $1")
                        .bind(role)
                        .execute(tx)
                        .await?;
                    Ok(())
                })
            })
            .await
    }
}

/// Takes the lock beside a SQLite file; the system gives it back when the process ends, however
/// it ends.
pub(crate) fn lock(database: &Path, role: &str) -> Result<File, StoreError> {
    let mut path = database.as_os_str().to_owned();
    path.push(format!(".{role}.lock"));
    let path = PathBuf::from(path);
    let failed = |cause| StoreError::Lock {
        path: path.clone(),
        cause,
    };
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Busy(database.to_owned())),
        Err(TryLockError::Error(cause)) => Err(failed(cause)),
    }
}
