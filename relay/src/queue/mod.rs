//! The queue: every message that this relay answers for, in SQLite.
//!
//! The unit is one recipient of one message. Its states:
//!
//! ```text
//!                     admit (one group commit a message, then 250)
//!                                   |
//!                                   v
//!                 release      +---------+
//!              +-------------> | queued  |
//!              |               +---------+
//!              |                    | claim: leased to one worker, attempts + 1
//!              |                    v
//!  restart, +--+------+        +---------+   relayed    +-----------+
//!  lease    |         | <----- | active  | -----------> |  relayed  |  250 from the next relay
//!  expired  +---------+        +---------+ -----------> | delivered |  filed by our gateway
//!              |                ^       |  -----------> |  failed   |  5xx, no route, expired
//!              |        claim,  |       | 4xx,          +-----------+  (with a report)
//!              |        when due|       v no answer        done: kept as history, body removed
//!              |               +----------+
//!              +-------------> | deferred |  next_attempt_at: backoff, or the hour at which the
//!                              +----------+  sender is told of the delay, or that of expiry
//! ```
//!
//! Every change is a row of history, written in the same commit, and a report that the change
//! calls for enters the queue in that commit too: none is lost or made twice by a crash.
//!
//! # Leases
//! A claim counts an attempt, and the attempt's number is the lease's token: a worker that was
//! taken for dead and comes back finds another number in the row, and what it then records is
//! ignored. One process works on a SQLite file (a lock beside it sees to that), so the leases
//! of a process that was killed end as soon as the next one starts.
//!
//! # Map
//! - [`schedule`]: when to try again. [`transition`]: from a state and an outcome to the next.
//! - [`tables`]: the SQL of the tables. [`intake`]: admission. [`lease`]: claim, release, sweep.
//! - [`record`]: outcomes, reports and their commit.

pub(crate) mod intake;
pub(crate) mod lease;
pub(crate) mod record;
mod schedule;
mod tables;
mod transition;

use std::collections::HashSet;
use std::sync::Arc;

use liaison_base::clock;
use liaison_mail::port::Origin;
use liaison_mail::{Domain, Envelope, EnvelopeId, MessageId, Notify, Return, ReversePath, Urgency};
use liaison_store::body::{Bodies, Kept};
use liaison_store::{Store, StoreError};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use time::OffsetDateTime;
use tokio::sync::RwLock;

use crate::RelayError;
use crate::settings::{Schedule, Settings};

pub(crate) use schedule::later;
pub(crate) use transition::Outcome;
pub use transition::State;

/// The durable queue. Copies share it.
#[derive(Clone)]
pub(crate) struct Queue {
    store: Store,
    bodies: Bodies,
    schedule: Schedule,
    /// Held for reading from the write of a large body to the commit of its row, and for writing
    /// while a body without a row is removed: equal bodies share one file.
    files: Arc<RwLock<()>>,
}

/// A message as the queue keeps it, without recipients and body.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) id: i64,
    pub(crate) origin: Origin,
    /// Recipients left empty: each claim has its own.
    pub(crate) envelope: Envelope,
    /// Whether the sender gave the envelope its identifier, or this relay did.
    pub(crate) named: bool,
    pub(crate) message_id: Option<MessageId>,
    pub(crate) accepted_at: OffsetDateTime,
}

impl Queue {
    /// Opens the queue, ends the leases of the process before, and removes bodies whose row was
    /// never committed.
    pub(crate) async fn open(settings: &Settings, now: OffsetDateTime) -> Result<Self, RelayError> {
        let queue = Self {
            store: Store::open(&settings.database, &[tables::SCHEMA]).await?,
            bodies: Bodies::open(settings.bodies.clone())?,
            schedule: settings.schedule.clone(),
            files: Arc::default(),
        };
        let released = queue.release_all(now).await?;
        if released > 0 {
            tracing::info!(
                released,
                "deliveries cut off by the last stop are queued again"
            );
        }
        queue.sweep_bodies().await?;
        Ok(queue)
    }

    /// The reading side of the database.
    pub(crate) fn rows(&self) -> &sqlx::AnyPool {
        self.store.read()
    }

    /// The message of a claim; `None` when its row is gone.
    pub(crate) async fn message(&self, id: i64) -> Result<Option<Stored>, RelayError> {
        sqlx::query(
            "SELECT id, origin, speaks_for, envelope_id, named, reverse_path, ret, urgency,
                    message_id, accepted_at
             FROM relay_message WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(self.rows())
        .await?
        .map(|row| stored(&row))
        .transpose()
    }

    /// The message's octets, `Received` line first.
    pub(crate) async fn body(&self, message: i64) -> Result<Arc<[u8]>, RelayError> {
        let row = sqlx::query("SELECT octets, file FROM relay_body WHERE message = $1")
            .bind(message)
            .fetch_one(self.rows())
            .await?;
        let kept = Kept {
            inline: row.try_get(0)?,
            file: row.try_get(1)?,
        };
        Ok(self.bodies.read(kept).await?)
    }

    /// Forgets what was finished before `limit`, a bounded number at a time. Returns how many.
    pub(crate) async fn forget_before(&self, limit: OffsetDateTime) -> Result<u64, RelayError> {
        let limit = clock::millis(limit);
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let done = sqlx::query(
                        "DELETE FROM relay_message WHERE id IN (
                             SELECT id FROM relay_message
                             WHERE done_at IS NOT NULL AND done_at < $1
                             ORDER BY done_at LIMIT 500)",
                    )
                    .bind(limit)
                    .execute(tx)
                    .await?;
                    Ok(done.rows_affected())
                })
            })
            .await
    }

    async fn sweep_bodies(&self) -> Result<(), RelayError> {
        let rows = sqlx::query("SELECT file FROM relay_body WHERE file IS NOT NULL")
            .fetch_all(self.rows())
            .await?;
        let kept = rows
            .iter()
            .map(|row| row.try_get::<String, _>(0))
            .collect::<Result<HashSet<_>, _>>()?;
        let bodies = self.bodies.clone();
        let swept = tokio::task::spawn_blocking(move || bodies.sweep(|file| kept.contains(file)))
            .await
            .map_err(|_| StoreError::Closed)??;
        if swept > 0 {
            tracing::info!(swept, "bodies without a message removed");
        }
        Ok(())
    }

    /// Removes a body's file unless another message has the same.
    pub(crate) async fn remove_body(&self, file: &str) -> Result<(), RelayError> {
        let _alone = self.files.write().await;
        let shared = sqlx::query("SELECT 1 FROM relay_body WHERE file = $1 LIMIT 1")
            .bind(file)
            .fetch_optional(self.rows())
            .await?
            .is_some();
        if !shared {
            self.bodies.remove(file).await?;
        }
        Ok(())
    }
}

/// The name that a peer's messages are kept under, and the empty text for the own gateway's.
fn origin_column(origin: &Origin) -> (String, String) {
    match origin {
        Origin::Local => (String::new(), String::new()),
        Origin::Peer { name, speaks_for } => {
            let domains: Vec<&str> = speaks_for.iter().map(Domain::as_str).collect();
            (name.to_string(), domains.join(" "))
        }
    }
}

fn stored(row: &AnyRow) -> Result<Stored, RelayError> {
    let name: String = row.try_get("origin")?;
    let speaks_for: String = row.try_get("speaks_for")?;
    let origin = if name.is_empty() {
        Origin::Local
    } else {
        Origin::Peer {
            name: Domain::parse(&name)?,
            speaks_for: speaks_for
                .split_ascii_whitespace()
                .map(Domain::parse)
                .collect::<Result<_, _>>()?,
        }
    };
    Ok(Stored {
        id: row.try_get("id")?,
        origin,
        envelope: Envelope {
            id: EnvelopeId::parse(&row.try_get::<String, _>("envelope_id")?)?,
            from: ReversePath::parse(&row.try_get::<String, _>("reverse_path")?)?,
            recipients: Vec::new(),
            ret: Return::parse(&row.try_get::<String, _>("ret")?)?,
            urgency: Urgency::from_rank(row.try_get("urgency")?),
        },
        named: row.try_get::<i64, _>("named")? != 0,
        message_id: row
            .try_get::<Option<String>, _>("message_id")?
            .and_then(|id| MessageId::parse(&id).ok()),
        accepted_at: clock::from_millis(row.try_get("accepted_at")?),
    })
}

fn notify(text: &str) -> Result<Notify, RelayError> {
    Ok(Notify::parse(text)?)
}
