//! The queue: every message that this relay answers for, in SQLite or in PostgreSQL, where several
//! processes work on it.
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
//! A claim counts an attempt, and the attempt's number is the lease's fencing token: a worker that
//! was taken for dead and comes back finds another number in the row, and what it then records is
//! ignored. A lease ends when its time is up, or when the process that holds it has given no sign
//! of life for longer than its patience ([`liaison_store::holder`]). One process works on a SQLite
//! file (a lock beside it sees to that), so there the leases of a process that was killed end as
//! soon as the next one starts.
//!
//! A process that has queued something for a domain tells the others on its database
//! ([`Queue::tell`]); they look at once ([`crate::outbound`]).
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

use liaison_base::clock::{self, Clock};
use liaison_mail::port::Origin;
use liaison_mail::{Domain, Envelope, EnvelopeId, MessageId, Notify, Return, ReversePath, Urgency};
use liaison_store::body::{Bodies, Kept};
use liaison_store::sql::locking;
use liaison_store::{Holder, News, Store, StoreError};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use time::OffsetDateTime;
use tokio::sync::RwLock;

use crate::RelayError;
use crate::settings::{Schedule, Settings};

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
    /// Opens the queue, ends the leases of processes that are gone, and removes bodies whose row
    /// was never committed.
    pub(crate) async fn open(
        settings: &Settings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, RelayError> {
        let store = Store::open(&settings.database, &[SCHEMA]).await?;
        let now = clock.now();
        let patience = settings.schedule.takeover;
        let queue = Self {
            holder: store.enter("relay", clock, patience).await?,
            store,
            bodies: Bodies::open(settings.bodies.clone())?,
            schedule: settings.schedule.clone(),
            files: Arc::default(),
        };
        let released = queue.release_expired(now).await?;
        if !released.is_empty() {
            tracing::info!("deliveries cut off by the last stop are queued again");
        }
        if !queue.is_shared() {
            queue.sweep_bodies().await?;
        }
        Ok(queue)
    }

    /// The reading side of the database.
    pub(crate) fn rows(&self) -> &sqlx::AnyPool {
        self.store.read()
    }

    /// Tells the other processes on the database that something is due for a domain. Call it
    /// after the commit.
    pub(crate) fn tell(&self, domain: &Domain) {
        self.store.tell(&format!("{DUE}{domain}"));
    }

    /// Whether other processes may work on it.
    pub(crate) fn is_shared(&self) -> bool {
        self.store.location().is_shared()
    }

    /// What other processes have committed from now on.
    pub(crate) fn news(&self) -> News {
        self.store.news()
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
        accepted_at: clock::from_millis(row.try_get("accepted_at")?),
    })
}

fn notify(text: &str) -> Result<Notify, RelayError> {
    Ok(Notify::parse(text)?)
}

#[cfg(test)]
mod tests {
    use super::intake::Intake;
    use super::*;
    use crate::notices::Reporter;
    use liaison_base::clock::ManualClock;
    use liaison_mail::{Address, EnhancedStatus, Recipient, Refusal};
    use liaison_store::testing::database;
    use std::time::Duration;
    use time::macros::datetime;

    struct Bench {
        queue: Queue,
        clock: ManualClock,
        _folder: tempfile::TempDir,
    }

    async fn bench() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let text = format!(
            "hostname = 'relay.ch.test'\nlisten = '127.0.0.1:0'\ncertificate = 'c'\nkey = 'k'\n\
             anchors = 'a'\ndatabase = '{}'\nbodies = '{}'\ndomains = ['ch.test']\n",
            String::from(database(folder.path().join("relay.db"))),
            path("bodies")
        );
        let settings: Settings = liaison_base::config::parse(&text).unwrap();
        let clock = ManualClock::at(datetime!(2026-11-22 12:00 UTC));
        let queue = Queue::open(&settings, Arc::new(clock.clone()))
            .await
            .unwrap();
        Bench {
            queue,
            clock,
            _folder: folder,
        }
    }

    impl Bench {
        async fn admit(&self, id: &str, urgency: Urgency, to: &[&str]) -> Vec<Domain> {
            let recipients = to
                .iter()
                .map(|to| Recipient::closed_loop(Address::parse(to).unwrap()))
                .collect();
            let intake = Intake {
                origin: Origin::Local,
                envelope: Envelope {
                    id: EnvelopeId::parse(id).unwrap(),
                    from: ReversePath::parse("avis@ch.test").unwrap(),
                    recipients,
                    ret: Return::Headers,
                    urgency,
                },
                named: true,
                message_id: None,
                sameness: id.to_owned(),
                message: b"sealed".as_slice().into(),
                accepted_at: self.clock.now(),
            };
            self.queue.admit(intake).await.unwrap()
        }

        async fn claim(&self) -> Vec<lease::Claimed> {
            let claimed = self.queue.claim(&ehpad(), 50, self.clock.now()).await;
            claimed.unwrap()
        }

        async fn record(&self, claimed: lease::Claimed, outcome: Outcome) -> record::Recorded {
            let message = self.queue.message(claimed.message).await.unwrap().unwrap();
            let reporter = Reporter::new(&ehpad(), &[]).unwrap();
            self.queue
                .record(
                    message,
                    vec![(claimed, outcome)],
                    reporter,
                    self.clock.now(),
                )
                .await
                .unwrap()
        }

        async fn reports(&self) -> usize {
            let sender = Domain::parse("ch.test").unwrap();
            self.queue
                .claim(&sender, 50, self.clock.now())
                .await
                .unwrap()
                .len()
        }
    }

    fn ehpad() -> Domain {
        Domain::parse("ehpad.test").unwrap()
    }

    #[tokio::test]
    async fn urgent_messages_overtake_and_the_others_keep_their_order() {
        let bench = bench().await;
        for (id, urgency) in [
            ("info", Urgency::Info),
            ("first", Urgency::Normal),
            ("second", Urgency::Normal),
            ("urgent", Urgency::Urgent),
        ] {
            assert_eq!(bench.admit(id, urgency, &["a@ehpad.test"]).await, [ehpad()]);
        }
        let mut order = Vec::new();
        for one in bench.claim().await {
            let message = bench.queue.message(one.message).await.unwrap().unwrap();
            order.push(message.envelope.id.to_string());
        }
        assert_eq!(order, ["urgent", "first", "second", "info"]);
        assert!(bench.claim().await.is_empty(), "leased twice");
    }

    #[tokio::test]
    async fn what_was_admitted_before_is_not_admitted_again() {
        let bench = bench().await;
        let to = ["a@ehpad.test", "A@ehpad.test"];
        assert_eq!(bench.admit("n1", Urgency::Normal, &to).await, [ehpad()]);
        assert!(bench.admit("n1", Urgency::Normal, &to).await.is_empty());
        let claims = bench.claim().await;
        assert_eq!(claims.len(), 1);
        bench.record(claims[0].clone(), Outcome::Delivered).await;
        assert!(bench.admit("n1", Urgency::Normal, &to).await.is_empty());
    }

    #[tokio::test]
    async fn a_worker_that_wakes_after_its_lease_changes_nothing() {
        let bench = bench().await;
        bench.admit("n1", Urgency::Normal, &["a@ehpad.test"]).await;
        let frozen = bench.claim().await.remove(0);
        bench.clock.advance(Duration::from_secs(16 * 60));
        let released = bench
            .queue
            .release_expired(bench.clock.now())
            .await
            .unwrap();
        assert_eq!(released, [ehpad()]);
        let successor = bench.claim().await.remove(0);

        let gone = Refusal::permanent(550, EnhancedStatus::NO_SUCH_MAILBOX, "gone");
        let late = bench.record(frozen.clone(), Outcome::Refused(gone)).await;
        assert!(late.news.is_empty() && late.reports_to.is_empty());
        bench
            .queue
            .release(vec![frozen], bench.clock.now())
            .await
            .unwrap();
        assert!(
            bench.claim().await.is_empty(),
            "the successor's lease was broken"
        );
        let done = bench.record(successor, Outcome::Delivered).await;
        assert_eq!(done.news.len(), 1);
        assert_eq!(bench.reports().await, 1);
    }

    #[tokio::test]
    async fn a_deferred_recipient_is_due_at_its_hour_and_not_before() {
        let bench = bench().await;
        bench.admit("n1", Urgency::Normal, &["a@ehpad.test"]).await;
        let claimed = bench.claim().await.remove(0);
        let later = Refusal::transient(451, EnhancedStatus::TRY_LATER, "later");
        let recorded = bench.record(claimed, Outcome::Refused(later)).await;
        let due = bench.queue.next_due(&ehpad()).await.unwrap();
        assert_eq!(due.map(clock::millis), recorded.due.map(clock::millis));
        assert!(bench.claim().await.is_empty());
        bench.clock.advance(Duration::from_secs(36));
        assert_eq!(bench.claim().await.len(), 1);
        assert_eq!(bench.reports().await, 0, "nothing is told yet");
    }

    #[tokio::test]
    async fn what_is_done_is_forgotten_when_its_time_is_over() {
        let bench = bench().await;
        bench.admit("n1", Urgency::Normal, &["a@ehpad.test"]).await;
        bench.admit("n2", Urgency::Normal, &["b@ehpad.test"]).await;
        let claimed = bench.claim().await.remove(0);
        let id = claimed.message;
        bench
            .record(claimed, Outcome::Relayed { reports: true })
            .await;
        assert!(
            bench.queue.body(id).await.is_err(),
            "the body of what is done is kept"
        );
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(
            bench.queue.forget_before(bench.clock.now()).await.unwrap(),
            1
        );
        assert!(bench.queue.message(id).await.unwrap().is_none());
        assert!(bench.queue.message(id + 1).await.unwrap().is_some());
    }
}
