//! Claims, and how they end without an outcome.
//!
//! A claim writes three things into a recipient's row: `lease_until`, the name of the process that
//! holds it ([`liaison_store::Holder`]) and a number of its own, which is its fencing token.
//! Whatever is written about a claimed recipient afterwards asks for `state = 'active' AND token =
//! …` in the same statement. Leases end when their time is up or when their holder is no longer
//! alive; each process on the database ends the leases of all.
//!
//! A living process ends those of its own that nobody in it works on any more ([`InHand`]): the
//! answer to the claim's commit was lost, or what it came to could not be written.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use liaison_base::clock;
use liaison_mail::{Address, Domain, Recipient};
use liaison_store::sql::{locking, one_at_a_time};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::intake::{HistoryLine, add_history};
use super::line::Line;
use super::schedule::later;
use super::{Queue, State, notify, statement};
use crate::RelayError;

/// A recipient leased to a worker.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) id: i64,
    pub(crate) message: i64,
    pub(crate) recipient: Recipient,
    /// This try included.
    pub(crate) attempts: u32,
    pub(crate) delay_told: bool,
    /// The line in which it stands.
    pub(crate) line: Option<Line>,
    /// The lease's token: new with every claim.
    pub(super) token: i64,
    pub(super) claimed_at: i64,
    urgency: i64,
    position: i64,
    /// Says that somebody still works on it; see [`InHand`].
    _hand: Arc<()>,
}

/// The tokens of the claims that this process works on. Copies are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct InHand(Arc<Mutex<HashMap<i64, Weak<()>>>>);

impl InHand {
    /// A claim is made under `token`; it is in hand for as long as what is returned lives.
    fn take(&self, token: i64) -> Arc<()> {
        let hand = Arc::new(());
        self.tokens().insert(token, Arc::downgrade(&hand));
        hand
    }

    fn has(&self, token: i64) -> bool {
        self.tokens().contains_key(&token)
    }

    /// Forgets what is no longer worked on.
    fn prune(&self) {
        self.tokens().retain(|_, hand| hand.strong_count() > 0);
    }

    /// No code runs under the lock that could leave the table between two states.
    fn tokens(&self) -> MutexGuard<'_, HashMap<i64, Weak<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// A number for a worker, under which it claims.
    pub(crate) async fn seat(&self) -> Result<i64, RelayError> {
        Ok(self.numbers.take(1).await?.start)
    }

    /// Leases what is due for `domain` to the worker at `seat`: at most `limit` recipients never
    /// tried, urgent ones first and then the oldest, and as many of those that wait for another
    /// try, so that neither kind keeps the other out; none before whom another must be carried
    /// ([`super::line`]). They are to be carried in the order in which they are given; recipients
    /// of one message stand together.
    pub(crate) async fn claim(
        &self,
        domain: &Domain,
        (seat, limit): (i64, i64),
        now: OffsetDateTime,
    ) -> Result<Vec<Claimed>, RelayError> {
        let lease_until = clock::millis(later(now, self.schedule.lease));
        let now = clock::millis(now);
        let token = self.numbers.take(1).await?.start;
        let domain = domain.as_str().to_owned();
        let holder = self.holder.name().to_owned();
        let hand = self.in_hand.take(token);
        let mut claimed = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    // Claims of one destination see one another's.
                    one_at_a_time(tx, domain.as_bytes()).await?;
                    let rows = sqlx::query(CLAIM)
                        .bind(lease_until)
                        .bind(domain)
                        .bind(limit)
                        .bind(now)
                        .bind(token)
                        .bind(holder)
                        .bind(seat)
                        .bind(LOOK_AT)
                        .fetch_all(&mut *tx)
                        .await?;
                    rows.iter()
                        .map(|row| claimed(row, &hand))
                        .collect::<Result<Vec<_>, _>>()
                })
            })
            .await?;
        claimed.sort_by_key(|one| (-one.urgency, one.position, one.id));
        Ok(claimed)
    }

    /// Gives back claims that were not tried: they are due at once.
    pub(crate) async fn release(
        &self,
        claims: Vec<Claimed>,
        now: OffsetDateTime,
    ) -> Result<(), RelayError> {
        let now = clock::millis(now);
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    for (token, claims) in by_token(&claims) {
                        let ids: Vec<i64> = claims.iter().map(|one| one.id).collect();
                        let given = give_back(tx, token, &ids).await?;
                        let lines: Vec<HistoryLine> = claims
                            .iter()
                            .filter(|one| given.contains(&one.id))
                            .map(|one| HistoryLine {
                                recipient: one.id,
                                began_at: Some(one.claimed_at),
                                at: now,
                                state: State::Queued,
                                attempt: i64::from(one.attempts),
                                reply: None,
                            })
                            .collect();
                        add_history(tx, &lines).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Ends the leases that have run out, whose holder is dead, or that are this process's and
    /// nobody's in it. Answers with the domains that have something due.
    pub(crate) async fn release_expired(
        &self,
        now: OffsetDateTime,
    ) -> Result<Vec<Domain>, RelayError> {
        let now = clock::millis(now);
        let dropped = self.dropped().await?;
        // Reading first spares a commit: nearly always there is none.
        let none = sqlx::query(
            "SELECT 1 FROM relay_recipient
             WHERE state = 'active'
               AND (lease_until < $1 OR holder IS NULL OR holder NOT IN (
                        SELECT holder FROM lease_holder WHERE alive_until >= $1)) LIMIT 1",
        )
        .bind(now)
        .fetch_optional(self.rows())
        .await?
        .is_none();
        if none && dropped.is_empty() {
            return Ok(Vec::new());
        }
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let text = locking(tx, END);
                    let mut rows = sqlx::query(text).bind(now).fetch_all(&mut *tx).await?;
                    for token in dropped {
                        let ended = sqlx::query(DROP).bind(token).fetch_all(&mut *tx).await?;
                        rows.extend(ended);
                    }
                    leases_ended(tx, &rows, now).await
                })
            })
            .await
    }

    /// The clock was set back: brings hours that lie further ahead than any could that is noted now
    /// to where it could be. A process of this database whose clock is a little ahead is not
    /// disturbed ([`SKEW`]).
    pub(crate) async fn set_back(&self, now: OffsetDateTime) -> Result<(), RelayError> {
        let ahead = |wait| clock::millis(later(later(now, wait), SKEW));
        let retry = ahead(self.schedule.longest_retry);
        let lease = ahead(self.schedule.lease);
        let alive = ahead(self.schedule.takeover);
        let now = clock::millis(now);
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(DUE_NOW)
                        .bind(now)
                        .bind(retry)
                        .execute(&mut *tx)
                        .await?;
                    sqlx::query(
                        "UPDATE relay_recipient SET lease_until = $1
                         WHERE state = 'active' AND lease_until > $1",
                    )
                    .bind(lease)
                    .execute(&mut *tx)
                    .await?;
                    // Who is alive says so again; who has a SQLite file to itself need not.
                    sqlx::query(
                        "UPDATE lease_holder SET alive_until = $1
                         WHERE alive_until > $1 AND alive_until < $2",
                    )
                    .bind(alive)
                    .bind(i64::MAX)
                    .execute(tx)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// The tokens of this process's claims that nobody works on any more.
    async fn dropped(&self) -> Result<Vec<i64>, RelayError> {
        self.in_hand.prune();
        let text = "SELECT DISTINCT token FROM relay_recipient
                    WHERE state = 'active' AND holder = $1";
        let rows = sqlx::query(text)
            .bind(self.holder.name().to_owned())
            .fetch_all(self.rows())
            .await?;
        let mut dropped = Vec::new();
        for row in rows {
            let token = row.try_get(0)?;
            if !self.in_hand.has(token) {
                dropped.push(token);
            }
        }
        Ok(dropped)
    }

    /// When the next deferred recipient of `domain` is due that has nobody before it in its line.
    pub(crate) async fn next_due(
        &self,
        domain: &Domain,
    ) -> Result<Option<OffsetDateTime>, RelayError> {
        let row = sqlx::query(
            "SELECT next_attempt_at FROM relay_recipient AS r
             WHERE domain = $1 AND state = 'deferred'
               AND NOT EXISTS (
                   SELECT 1 FROM relay_recipient AS a
                   WHERE a.state IN ('queued', 'active', 'deferred') AND a.line = r.line
                     AND a.state IN ('queued', 'active') AND a.position < r.position)
               AND NOT EXISTS (
                   SELECT 1 FROM relay_recipient AS d
                   WHERE d.state IN ('queued', 'active', 'deferred') AND d.line = r.line
                     AND d.state = 'deferred' AND d.seat = 0 AND d.position < r.position
                     AND d.next_attempt_at > r.next_attempt_at)
             ORDER BY next_attempt_at, position LIMIT 1",
        )
        .bind(domain.as_str().to_owned())
        .fetch_optional(self.rows())
        .await?;
        let due = row.map(|row| row.try_get(0)).transpose()?;
        Ok(due.map(clock::from_millis))
    }

    /// Every domain with something waiting, and since when it is due. Read once, at the start.
    pub(crate) async fn waiting(&self) -> Result<Vec<(Domain, OffsetDateTime)>, RelayError> {
        let rows = sqlx::query(
            "SELECT domain, MIN(due) FROM (
                 SELECT domain, 0 AS due FROM relay_recipient
                 WHERE state = 'queued' GROUP BY domain
                 UNION ALL
                 SELECT domain, MIN(next_attempt_at) AS due FROM relay_recipient
                 WHERE state = 'deferred' GROUP BY domain) AS waiting
             GROUP BY domain",
        )
        .fetch_all(self.rows())
        .await?;
        rows.iter()
            .map(|row| {
                let domain = Domain::parse(&row.try_get::<String, _>(0)?)?;
                Ok((domain, clock::from_millis(row.try_get(1)?)))
            })
            .collect()
    }
}

/// How many that were never tried a claim looks at: where one worker has a long line in hand,
/// another does not look through all of it.
const LOOK_AT: i64 = 512;

/// What is due for a domain and has nobody before it in its line: never tried, and then those that
/// are tried again. The latter come with those before them in their line, which have the same hour.
const CLAIM: &str = "UPDATE relay_recipient
     SET state = 'active', attempts = attempts + 1, lease_until = $1, claimed_at = $4, token = $5,
         holder = $6, seat = $7
     WHERE state IN ('queued', 'deferred') AND id IN (
         SELECT id FROM (
             SELECT id FROM (
                 SELECT id, line, urgency, position FROM relay_recipient
                 WHERE domain = $2 AND state = 'queued'
                 ORDER BY urgency DESC, position LIMIT $8) AS r
             WHERE NOT EXISTS (
                     SELECT 1 FROM relay_recipient AS d
                     WHERE d.state IN ('queued', 'active', 'deferred') AND d.line = r.line
                       AND d.state = 'deferred' AND d.seat = 0 AND d.position < r.position)
               AND NOT EXISTS (
                     SELECT 1 FROM relay_recipient AS a
                     WHERE a.state IN ('queued', 'active', 'deferred') AND a.line = r.line
                       AND a.state = 'active' AND a.seat < $7 AND a.position < r.position)
               AND NOT EXISTS (
                     SELECT 1 FROM relay_recipient AS a
                     WHERE a.state IN ('queued', 'active', 'deferred') AND a.line = r.line
                       AND a.state = 'active' AND a.seat > $7 AND a.position < r.position)
             ORDER BY urgency DESC, position LIMIT $3) AS fresh
         UNION ALL
         SELECT id FROM (
             SELECT id, line, position FROM relay_recipient
             WHERE domain = $2 AND state = 'deferred' AND next_attempt_at <= $4
             ORDER BY next_attempt_at, position LIMIT $3) AS r
         WHERE NOT EXISTS (
                 SELECT 1 FROM relay_recipient AS d
                 WHERE d.state IN ('queued', 'active', 'deferred') AND d.line = r.line
                   AND d.state = 'deferred' AND d.seat = 0 AND d.position < r.position
                   AND d.next_attempt_at > $4)
           AND NOT EXISTS (
                 SELECT 1 FROM relay_recipient AS q
                 WHERE q.state IN ('queued', 'active', 'deferred') AND q.line = r.line
                   AND q.state = 'queued' AND q.position < r.position)
           AND NOT EXISTS (
                 SELECT 1 FROM relay_recipient AS a
                 WHERE a.state IN ('queued', 'active', 'deferred') AND a.line = r.line
                   AND a.state = 'active' AND a.seat < $7 AND a.position < r.position)
           AND NOT EXISTS (
                 SELECT 1 FROM relay_recipient AS a
                 WHERE a.state IN ('queued', 'active', 'deferred') AND a.line = r.line
                   AND a.state = 'active' AND a.seat > $7 AND a.position < r.position))
     RETURNING id, message, address, original, notify, attempts, delay_told, urgency, token,
               claimed_at, line, position";

/// How far the clocks of processes on one database may differ.
const SKEW: Duration = Duration::from_secs(60);

/// What waits for an hour that no try of now would be put off to.
const DUE_NOW: &str = "UPDATE relay_recipient SET next_attempt_at = $1
     WHERE state = 'deferred' AND next_attempt_at > $2";

/// Leases that ran out, past what their holders are recording at this moment.
const END: &str = "UPDATE relay_recipient SET state = 'queued', holder = NULL, seat = 0
     WHERE id IN (
         SELECT id FROM relay_recipient
         WHERE state = 'active'
           AND (lease_until < $1 OR holder IS NULL OR holder NOT IN (
                    SELECT holder FROM lease_holder WHERE alive_until >= $1))
         FOR UPDATE SKIP LOCKED)
     RETURNING id, attempts, domain, claimed_at";

/// A lease that nobody works on.
const DROP: &str = "UPDATE relay_recipient SET state = 'queued', holder = NULL, seat = 0
     WHERE state = 'active' AND token = $1
     RETURNING id, attempts, domain, claimed_at";

/// Claims by their tokens: those of one claim usually are together.
pub(super) fn by_token(claims: &[Claimed]) -> Vec<(i64, Vec<&Claimed>)> {
    let mut groups: Vec<(i64, Vec<&Claimed>)> = Vec::new();
    for claim in claims {
        match groups.iter_mut().find(|(token, _)| *token == claim.token) {
            Some((_, group)) => group.push(claim),
            None => groups.push((claim.token, vec![claim])),
        }
    }
    groups
}

/// Answers with those whose lease still held.
async fn give_back(
    tx: &mut AnyConnection,
    token: i64,
    ids: &[i64],
) -> Result<Vec<i64>, RelayError> {
    let mut given = Vec::new();
    for list in statement::lists(ids) {
        let text = statement::among(
            "UPDATE relay_recipient SET state = 'queued', seat = 0
             WHERE state = 'active' AND token = $1 AND id IN",
            2,
            list.len(),
            "RETURNING id",
        );
        let query = list
            .iter()
            .fold(sqlx::query(text).bind(token), |query, id| query.bind(*id));
        for row in query.fetch_all(&mut *tx).await? {
            given.push(row.try_get(0)?);
        }
    }
    Ok(given)
}

async fn leases_ended(
    tx: &mut AnyConnection,
    rows: &[AnyRow],
    now: i64,
) -> Result<Vec<Domain>, RelayError> {
    let mut domains = Vec::new();
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        lines.push(HistoryLine {
            recipient: row.try_get(0)?,
            began_at: Some(row.try_get(3)?),
            at: now,
            state: State::Queued,
            attempt: row.try_get(1)?,
            reply: None,
        });
        let domain = Domain::parse(&row.try_get::<String, _>(2)?)?;
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    add_history(tx, &lines).await?;
    Ok(domains)
}

fn claimed(row: &AnyRow, hand: &Arc<()>) -> Result<Claimed, RelayError> {
    let original: Option<String> = row.try_get("original")?;
    Ok(Claimed {
        id: row.try_get("id")?,
        message: row.try_get("message")?,
        recipient: Recipient {
            address: Address::parse(&row.try_get::<String, _>("address")?)?,
            original: original.as_deref().map(Address::parse).transpose()?,
            notify: notify(&row.try_get::<String, _>("notify")?)?,
        },
        attempts: u32::try_from(row.try_get::<i64, _>("attempts")?).unwrap_or(u32::MAX),
        delay_told: row.try_get::<i64, _>("delay_told")? != 0,
        token: row.try_get("token")?,
        claimed_at: row.try_get("claimed_at")?,
        line: Line::from_column(row.try_get("line")?),
        position: row.try_get("position")?,
        urgency: row.try_get("urgency")?,
        _hand: Arc::clone(hand),
    })
}
