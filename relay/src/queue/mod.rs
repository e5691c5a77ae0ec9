//! The queue: every message that this relay answers for, in SQLite or in PostgreSQL, where several
//! processes work on it.
//!
//! The unit is one recipient of one message. A message that is being received is *incoming*: it is
//! nobody's but its sender's until it is admitted. From then on:
//!
//! ```text
//!                     admit (one group commit for many messages, then 250)
//!                                   |
//!                                   v
//!                 release      +---------+  hold    +--------+
//!              +-------------> | queued  | -------> |  held  |  until an operator releases it
//!              |               +---------+ <------- +--------+
//!              |                    | claim: leased to one worker, attempts + 1
//!              |                    v
//!  restart, +--+------+        +---------+   relayed    +-----------+
//!  lease    |         | <----- | active  | -----------> |  relayed  |  250 from the next relay
//!  expired  +---------+        +---------+ -----------> | delivered |  filed by our gateway
//!              |                ^       |  -----------> |  failed   |  5xx, no route, expired
//!              |        claim,  |       |  -----------> |  corrupt  |  not what was stored
//!              |        when due|       | 4xx,          +-----------+  (the last two with a report)
//!              |                |       v no answer        done: kept as history, body removed
//!              |               +----------+   cancel    +-----------+
//!              +-------------> | deferred | ----------> | cancelled |  also from queued and held
//!                              +----------+             +-----------+
//!                      next_attempt_at: backoff, or the hour at which the sender is told of the
//!                      delay, or that of expiry
//! ```
//!
//! Every change is a row of history, written in the same commit (a try is one row, from its
//! beginning to its end), and a report that the change calls for enters the queue in that commit
//! too: none is lost or made twice by a crash.
//!
//! # Leases
//! Every claim has a fencing token of its own: a worker that was taken for dead and comes back
//! finds another in the row, and what it then records is ignored. A lease ends when its time is
//! up, or when the process that holds it has given no sign of life for longer than its patience
//! ([`liaison_store::holder`]). One process works on a SQLite file (a lock beside it sees to
//! that), so there the leases of a process that was killed end as soon as the next one starts.
//!
//! # Order
//! Urgent ones are claimed first, then the oldest. What must arrive in order stands in a [`line`].
//!
//! A process that has queued something for a domain tells the others on its database
//! ([`Queue::tell`]); they look at once ([`crate::outbound`]).
//!
//! # Map
//! - [`schedule`]: when to try again. [`transition`]: from a state and an outcome to the next.
//! - [`tables`]: the SQL of the tables. [`intake`]: admission. [`lease`]: claim, release, sweep.
//! - [`record`]: outcomes, reports and their commit. [`steer`]: what an operator may do.
//! - [`line`]: what is carried in order.
//! - [`gather`]: what arrives together is written together. [`statement`]: SQL about many rows.
//!   [`numbers`]: the numbers of rows.

mod gather;
pub(crate) mod intake;
pub(crate) mod lease;
pub(crate) mod line;
mod numbers;
pub(crate) mod record;
mod schedule;
mod statement;
pub(crate) mod steer;
mod tables;
mod transition;

use std::collections::HashSet;
use std::sync::Arc;

use liaison_base::clock::{self, Clock};
use liaison_mail::port::Origin;
use liaison_mail::{Domain, Envelope, EnvelopeId, MessageId, Notify, Return, ReversePath, Urgency};
use liaison_store::body::{self, Bodies, BodyReader, BodyWriter, Kept, Spooled};
use liaison_store::sql::locking;
use liaison_store::{Holder, News, Store};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use time::OffsetDateTime;

use crate::RelayError;
use crate::settings::{Schedule, Settings};

use gather::Gather;
use intake::{Numbered, Stowed};
use lease::InHand;
use numbers::Numbers;
use record::Ended;

pub(crate) use schedule::later;
pub(crate) use tables::SCHEMA;
pub(crate) use transition::Outcome;
pub use transition::State;

/// The durable queue. Copies share it.
#[derive(Clone)]
pub(crate) struct Queue {
    store: Store,
    bodies: Bodies,
    schedule: Schedule,
    /// Names this process in its claims.
    holder: Holder,
    numbers: Numbers,
    intakes: Gather<Numbered>,
    outcomes: Gather<Ended>,
    /// What this process works on.
    in_hand: InHand,
    /// The domains of the own gateway.
    served: Arc<[Domain]>,
    /// Whether it holds rows that the first release has written.
    upgraded: bool,
}

/// A message as the queue keeps it, without recipients and content.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) id: i64,
    pub(crate) origin: Origin,
    /// Recipients left empty: each claim has its own.
    pub(crate) envelope: Envelope,
    /// Whether the sender gave the envelope its identifier, or this relay did.
    pub(crate) named: bool,
    pub(crate) message_id: Option<MessageId>,
    /// This relay's own header lines, which go before the content.
    pub(crate) trace: String,
    /// Octets in all.
    pub(crate) size: u64,
    pub(crate) eight_bit: bool,
    pub(crate) require_tls: bool,
    pub(crate) accepted_at: OffsetDateTime,
}

/// A message with where its content is.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) message: Arc<Stored>,
    /// `None` when the queue has lost it, or was not asked for it.
    pub(crate) content: Option<Stowed>,
}

impl Queue {
    /// Opens the queue, ends the leases of processes that are gone, and removes bodies whose row
    /// was never committed.
    pub(crate) async fn open(
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RelayError> {
        let store = Store::open(&settings.database, &[SCHEMA]).await?;
        let now = clock.now();
        let upgraded = sqlx::query("SELECT 1 FROM relay_taken_before LIMIT 1")
            .fetch_optional(store.read())
            .await?
            .is_some();
        let patience = settings.schedule.takeover;
        let queue = Self {
            holder: store.enter("relay", clock, patience).await?,
            bodies: Bodies::open("relay", &settings.bodies)?,
            schedule: settings.schedule.clone(),
            numbers: Numbers::new(store.clone()),
            intakes: Gather::start(store.clone()),
            outcomes: Gather::start(store.clone()),
            in_hand: InHand::default(),
            served: settings.domains.as_slice().into(),
            upgraded,
            store,
        };
        // The clock may have been set back since the last stop.
        queue.set_back(now).await?;
        let released = queue.release_expired(now).await?;
        if !released.is_empty() {
            tracing::info!("deliveries cut off by the last stop are queued again");
        }
        queue.sweep_bodies(now).await?;
        Ok(queue)
    }

    /// Tells the other processes on the database that something is due for a domain. Call it
    /// after the commit.
    pub(crate) fn tell(&self, domain: &Domain) {
        if self.is_shared() {
            self.store.tell(&format!("{DUE}{domain}"));
        }
    }

    /// Whether it holds messages that the first release took.
    pub(crate) fn is_upgraded(&self) -> bool {
        self.upgraded
    }

    /// Whether other processes may work on it.
    pub(crate) fn is_shared(&self) -> bool {
        self.store.location().is_shared()
    }

    /// What other processes have committed from now on.
    pub(crate) fn news(&self) -> News {
        self.store.news()
    }

    /// The reading side of the database.
    pub(crate) fn rows(&self) -> &sqlx::AnyPool {
        self.store.read()
    }

    /// The messages of claims, in no order; those whose row is gone are left out. Their content is
    /// loaded too if it lies beside its row.
    pub(crate) async fn load(
        &self,
        messages: &[i64],
        with_content: bool,
    ) -> Result<Vec<Loaded>, RelayError> {
        let mut loaded = Vec::with_capacity(messages.len());
        for list in statement::lists(messages) {
            let head = match with_content {
                true => {
                    "SELECT m.id, origin, speaks_for, envelope_id, named, reverse_path, ret,
                            urgency, message_id, trace, size, eight_bit, require_tls, accepted_at,
                            b.octets, b.file
                     FROM relay_message AS m LEFT JOIN relay_body AS b ON b.message = m.id
                     WHERE m.id IN"
                }
                false => {
                    "SELECT id, origin, speaks_for, envelope_id, named, reverse_path, ret,
                            urgency, message_id, trace, size, eight_bit, require_tls, accepted_at
                     FROM relay_message WHERE id IN"
                }
            };
            let text = statement::among(head, 1, list.len(), "");
            let query = list
                .iter()
                .fold(sqlx::query(text), |query, id| query.bind(*id));
            for row in query.fetch_all(self.rows()).await? {
                let message = stored(&row)?;
                let content = match with_content {
                    true => content(&row, &message)?,
                    false => None,
                };
                loaded.push(Loaded {
                    message: Arc::new(message),
                    content,
                });
            }
        }
        Ok(loaded)
    }

    /// Begins to read content, piece by piece.
    pub(crate) async fn reader(&self, content: &Stowed) -> Result<BodyReader, RelayError> {
        let kept = match content {
            Stowed::Inline(content) => Kept {
                inline: Some(content.to_vec()),
                file: None,
            },
            Stowed::File { name, .. } => Kept {
                inline: None,
                file: Some(name.clone()),
            },
        };
        Ok(self.bodies.reader(kept).await?)
    }

    /// A large content as a file to read from anywhere.
    pub(crate) async fn spool(&self, name: &str) -> Result<Spooled, RelayError> {
        Ok(self.bodies.spool(name).await?)
    }

    /// Begins to keep the content of a message that may be admitted.
    pub(crate) fn writer(&self) -> BodyWriter {
        self.bodies.writer()
    }

    /// Keeps the content of a message that is about to be admitted.
    pub(crate) async fn stow(&self, content: Arc<[u8]>) -> Result<Stowed, RelayError> {
        if content.len() <= body::INLINE {
            return Ok(Stowed::Inline(content));
        }
        let octets = content.len() as u64;
        Stowed::of(self.bodies.keep(content).await?, octets)
    }

    /// Forgets what was finished before `limit`, a bounded number at a time. Returns how many.
    pub(crate) async fn forget_before(&self, limit: OffsetDateTime) -> Result<u64, RelayError> {
        let limit = clock::millis(limit);
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let text = locking(
                        tx,
                        "DELETE FROM relay_message WHERE id IN (
                             SELECT id FROM relay_message
                             WHERE done_at IS NOT NULL AND done_at < $1
                             ORDER BY done_at LIMIT 500 FOR UPDATE SKIP LOCKED)",
                    );
                    let done = sqlx::query(text).bind(limit).execute(tx).await?;
                    Ok(done.rows_affected())
                })
            })
            .await
    }

    /// Writes and commits, changing nothing: whether the database takes mail.
    pub(crate) async fn probe(&self) -> Result<(), RelayError> {
        self.store
            .write(|tx| {
                Box::pin(async move {
                    sqlx::query("UPDATE schema_version SET version = version WHERE component = $1")
                        .bind(SCHEMA.component)
                        .execute(tx)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    async fn sweep_bodies(&self, now: OffsetDateTime) -> Result<(), RelayError> {
        let before = match self.is_shared() {
            true => now - body::GRACE,
            // This process is alone, and nothing is being written yet.
            false => time::PrimitiveDateTime::MAX.assume_utc(),
        };
        let rows = async {
            let rows = sqlx::query("SELECT file FROM relay_body WHERE file IS NOT NULL")
                .fetch_all(self.rows())
                .await?;
            rows.iter()
                .map(|row| Ok::<_, RelayError>(row.try_get::<String, _>(0)?))
                .collect::<Result<HashSet<_>, _>>()
        };
        let swept = self.bodies.sweep(before, rows).await?;
        if swept > 0 {
            tracing::info!(swept, "bodies without a message removed");
        }
        Ok(())
    }

    /// Keeps a damaged body for whoever looks into it.
    pub(crate) async fn set_aside(&self, file: &str) {
        if let Err(error) = self.bodies.set_aside(file).await {
            tracing::error!(%error, file, "a damaged body could not be set aside");
        }
    }

    /// Removes a body's file, unless another message has the same: the first release shared the
    /// files of equal bodies.
    pub(crate) async fn remove_body(&self, file: &str) -> Result<(), RelayError> {
        let shared = sqlx::query("SELECT 1 FROM relay_body WHERE file = $1 LIMIT 1")
            .bind(file.to_owned())
            .fetch_optional(self.rows())
            .await?
            .is_some();
        if !shared {
            self.bodies.remove(file).await?;
        }
        Ok(())
    }
}

fn content(row: &AnyRow, message: &Stored) -> Result<Option<Stowed>, RelayError> {
    let octets: Option<Vec<u8>> = row.try_get("octets")?;
    let file: Option<String> = row.try_get("file")?;
    Ok(match (octets, file) {
        (Some(octets), _) => Some(Stowed::Inline(octets.into())),
        (None, Some(name)) => Some(Stowed::File {
            name,
            octets: message.size.saturating_sub(message.trace.len() as u64),
        }),
        (None, None) => None,
    })
}

/// How a word about a domain begins; see [`Queue::tell`].
const DUE: &str = "relay ";

/// The domain for which another process says that something is due, if the word says that.
pub(crate) fn due_for(word: &str) -> Option<Domain> {
    Domain::parse(word.strip_prefix(DUE)?).ok()
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
        trace: row.try_get("trace")?,
        size: u64::try_from(row.try_get::<i64, _>("size")?).unwrap_or(0),
        eight_bit: row.try_get::<i64, _>("eight_bit")? != 0,
        require_tls: row.try_get::<i64, _>("require_tls")? != 0,
        accepted_at: clock::from_millis(row.try_get("accepted_at")?),
    })
}

fn notify(text: &str) -> Result<Notify, RelayError> {
    Ok(Notify::parse(text)?)
}

#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod tests;
