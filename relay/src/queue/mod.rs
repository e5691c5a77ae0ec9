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
//! A process that has queued something for a domain tells the others on its database
//! ([`Queue::tell`]); they look at once ([`crate::outbound`]).
//!
//! # Map
//! - [`schedule`]: when to try again. [`transition`]: from a state and an outcome to the next.
//! - [`tables`]: the SQL of the tables. [`intake`]: admission. [`lease`]: claim, release, sweep.
//! - [`record`]: outcomes, reports and their commit. [`steer`]: what an operator may do.
//! - [`gather`]: what arrives together is written together. [`statement`]: SQL about many rows.
//!   [`numbers`]: the numbers of rows.

mod gather;
pub(crate) mod intake;
pub(crate) mod lease;
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
use liaison_store::body::{Bodies, Kept};
use liaison_store::sql::locking;
use liaison_store::{Holder, News, Store, StoreError};
use sqlx::Row as _;
use sqlx::any::AnyRow;
use time::OffsetDateTime;
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::RelayError;
use crate::settings::{Schedule, Settings};

use gather::Gather;
use intake::{Numbered, Stowed};
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
    /// Held for reading from the write of a large body to the commit of its row, and for writing
    /// while a body without a row is removed: equal bodies share one file.
    files: Arc<RwLock<()>>,
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
        let patience = settings.schedule.takeover;
        let queue = Self {
            holder: store.enter("relay", clock, patience).await?,
            bodies: Bodies::open(settings.bodies.clone())?,
            schedule: settings.schedule.clone(),
            numbers: Numbers::new(store.clone()),
            intakes: Gather::start(store.clone()),
            outcomes: Gather::start(store.clone()),
            files: Arc::default(),
            store,
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

    /// Tells the other processes on the database that something is due for a domain. Call it
    /// after the commit.
    pub(crate) fn tell(&self, domain: &Domain) {
        if self.is_shared() {
            self.store.tell(&format!("{DUE}{domain}"));
        }
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

    /// Reads content that has a file of its own.
    pub(crate) async fn file(&self, name: &str) -> Result<Arc<[u8]>, RelayError> {
        let kept = Kept {
            inline: None,
            file: Some(name.to_owned()),
        };
        Ok(self.bodies.read(kept).await?)
    }

    /// Keeps the content of a message that is about to be admitted. The guard is to be held until
    /// it is: the file has no row before.
    pub(crate) async fn stow(
        &self,
        content: Arc<[u8]>,
    ) -> Result<(Stowed, Option<OwnedRwLockReadGuard<()>>), RelayError> {
        if content.len() <= liaison_store::body::INLINE {
            return Ok((Stowed::Inline(content), None));
        }
        let present = Arc::clone(&self.files).read_owned().await;
        let octets = content.len() as u64;
        let kept = self.bodies.keep(content).await?;
        let stowed = match kept.file {
            Some(name) => Stowed::File { name, octets },
            None => return Err(StoreError::Row("a large body without a file").into()),
        };
        Ok((stowed, Some(present)))
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
mod tests {
    use super::intake::Intake;
    use super::steer::{Order, Selection};
    use super::*;
    use crate::admission::Sameness;
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
                sameness: Sameness::new(&Origin::Local, id, None),
                trace: "Received: by relay.ch.test\r\n".to_owned(),
                content: Stowed::Inline(b"sealed".as_slice().into()),
                eight_bit: false,
                require_tls: false,
                accepted_at: self.clock.now(),
            };
            self.queue.admit(intake).await.unwrap()
        }

        async fn claim(&self) -> Vec<lease::Claimed> {
            let claimed = self.queue.claim(&ehpad(), 50, self.clock.now()).await;
            claimed.unwrap()
        }

        async fn record(&self, claimed: lease::Claimed, outcome: Outcome) -> record::Recorded {
            let message = self.message(claimed.message).await.unwrap();
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

        async fn message(&self, id: i64) -> Option<Arc<Stored>> {
            let loaded = self.queue.load(&[id], false).await.unwrap();
            loaded.into_iter().next().map(|one| one.message)
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
            let message = bench.message(one.message).await.unwrap();
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
    async fn what_is_held_waits_for_its_release_and_what_is_cancelled_never_goes() {
        let bench = bench().await;
        bench.admit("n1", Urgency::Normal, &["a@ehpad.test"]).await;
        bench.admit("n2", Urgency::Normal, &["b@ehpad.test"]).await;
        let envelope = |id| Selection::Envelope(EnvelopeId::parse(id).unwrap());
        let steer = |order, selection| bench.queue.steer(order, selection, bench.clock.now());
        let held = steer(Order::Hold, Selection::Domain(ehpad()))
            .await
            .unwrap();
        assert_eq!(held.len(), 2);
        assert!(held.iter().all(|one| one.state == State::Held));
        assert!(bench.claim().await.is_empty());
        assert!(
            steer(Order::Retry, envelope("n1"))
                .await
                .unwrap()
                .is_empty()
        );

        let recalled = steer(Order::Cancel, envelope("n2")).await.unwrap();
        assert_eq!(recalled[0].state, State::Cancelled);
        assert!(
            steer(Order::Release, envelope("n2"))
                .await
                .unwrap()
                .is_empty()
        );
        let one = Selection::Recipient(held[0].id.min(held[1].id));
        assert_eq!(steer(Order::Release, one).await.unwrap().len(), 1);

        let claims = bench.claim().await;
        assert_eq!(claims.len(), 1);
        assert_eq!(claims[0].recipient.address.local(), "a");
        let none = steer(Order::Cancel, envelope("n1")).await.unwrap();
        assert!(none.is_empty(), "a worker has it");
        let later = Refusal::transient(451, EnhancedStatus::TRY_LATER, "later");
        bench
            .record(claims[0].clone(), Outcome::Refused(later))
            .await;
        assert!(bench.claim().await.is_empty());
        assert_eq!(steer(Order::Retry, envelope("n1")).await.unwrap().len(), 1);
        assert_eq!(bench.claim().await.len(), 1, "due at once");
    }

    #[tokio::test]
    async fn what_is_done_is_forgotten_when_its_time_is_over() {
        let bench = bench().await;
        bench.admit("n1", Urgency::Normal, &["a@ehpad.test"]).await;
        bench.admit("n2", Urgency::Normal, &["b@ehpad.test"]).await;
        let mut claims = bench.claim().await;
        let (other, claimed) = (claims.remove(1).message, claims.remove(0));
        let id = claimed.message;
        bench
            .record(claimed, Outcome::Relayed { reports: true })
            .await;
        assert!(
            bench.queue.load(&[id], true).await.unwrap()[0]
                .content
                .is_none(),
            "the body of what is done is kept"
        );
        bench.clock.advance(Duration::from_secs(1));
        assert_eq!(
            bench.queue.forget_before(bench.clock.now()).await.unwrap(),
            1
        );
        assert!(bench.message(id).await.is_none());
        assert!(bench.message(other).await.is_some());
    }
}
