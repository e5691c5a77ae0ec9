//! Claims, and how they end without an outcome.

use liaison_base::clock;
use liaison_mail::{Address, Domain, Recipient};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::intake::add_history;
use super::schedule::later;
use super::{Queue, State, notify};
use crate::RelayError;

/// A recipient leased to a worker.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) id: i64,
    pub(crate) message: i64,
    pub(crate) recipient: Recipient,
    /// This try included; also the lease's token.
    pub(crate) attempts: u32,
    pub(crate) delay_told: bool,
    urgency: i64,
}

impl Queue {
    /// Leases what is due for `domain`: at most `limit` recipients never tried, urgent ones first
    /// and then the oldest, and as many of those that wait for another try, so that neither kind
    /// keeps the other out. Recipients of one message stand together.
    pub(crate) async fn claim(
        &self,
        domain: &Domain,
        limit: i64,
        now: OffsetDateTime,
    ) -> Result<Vec<Claimed>, RelayError> {
        let lease_until = clock::millis(later(now, self.schedule.lease));
        let now = clock::millis(now);
        let domain = domain.as_str().to_owned();
        let mut claimed = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "UPDATE relay_recipient
                         SET state = 'active', attempts = attempts + 1, lease_until = $1
                         WHERE id IN (
                             SELECT id FROM (
                                 SELECT id FROM relay_recipient
                                 WHERE domain = $2 AND state = 'queued'
                                 ORDER BY urgency DESC, id LIMIT $3) AS fresh
                             UNION ALL
                             SELECT id FROM (
                                 SELECT id FROM relay_recipient
                                 WHERE domain = $2 AND state = 'deferred' AND next_attempt_at <= $4
                                 ORDER BY next_attempt_at LIMIT $3) AS again)
                         RETURNING id, message, address, original, notify, attempts, delay_told,
                                   urgency",
                    )
                    .bind(lease_until)
                    .bind(domain)
                    .bind(limit)
                    .bind(now)
                    .fetch_all(&mut *tx)
                    .await?;
                    let claimed = rows.iter().map(claimed).collect::<Result<Vec<_>, _>>()?;
                    for one in &claimed {
                        let step = (State::Active, i64::from(one.attempts));
                        add_history(tx, one.id, now, step, None).await?;
                    }
                    Ok::<_, RelayError>(claimed)
                })
            })
            .await?;
        claimed.sort_by_key(|one| (-one.urgency, one.message, one.id));
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
                    for one in claims {
                        let changed = sqlx::query(
                            "UPDATE relay_recipient SET state = 'queued'
                             WHERE id = $1 AND state = 'active' AND attempts = $2",
                        )
                        .bind(one.id)
                        .bind(i64::from(one.attempts))
                        .execute(&mut *tx)
                        .await?;
                        if changed.rows_affected() == 1 {
                            let step = (State::Queued, i64::from(one.attempts));
                            add_history(tx, one.id, now, step, None).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Ends every lease: none can be held when a process starts, for it is alone on its queue.
    pub(super) async fn release_all(&self, now: OffsetDateTime) -> Result<u64, RelayError> {
        self.release_until(i64::MAX, now)
            .await
            .map(|(count, _)| count)
    }

    /// Ends the leases that have run out. Answers with the domains that have something due.
    pub(crate) async fn release_expired(
        &self,
        now: OffsetDateTime,
    ) -> Result<Vec<Domain>, RelayError> {
        let limit = clock::millis(now);
        // Reading first spares a commit: nearly always there is none.
        let none = sqlx::query(
            "SELECT 1 FROM relay_recipient WHERE state = 'active' AND lease_until < $1 LIMIT 1",
        )
        .bind(limit)
        .fetch_optional(self.rows())
        .await?
        .is_none();
        if none {
            return Ok(Vec::new());
        }
        self.release_until(limit, now)
            .await
            .map(|(_, domains)| domains)
    }

    /// When the next deferred recipient of `domain` is due.
    pub(crate) async fn next_due(
        &self,
        domain: &Domain,
    ) -> Result<Option<OffsetDateTime>, RelayError> {
        let row = sqlx::query(
            "SELECT MIN(next_attempt_at) FROM relay_recipient
             WHERE domain = $1 AND state = 'deferred'",
        )
        .bind(domain.as_str().to_owned())
        .fetch_one(self.rows())
        .await?;
        Ok(row.try_get::<Option<i64>, _>(0)?.map(clock::from_millis))
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

    async fn release_until(
        &self,
        limit: i64,
        now: OffsetDateTime,
    ) -> Result<(u64, Vec<Domain>), RelayError> {
        let now = clock::millis(now);
        self.store
            .write(move |tx| Box::pin(async move { end_leases(tx, limit, now).await }))
            .await
    }
}

async fn end_leases(
    tx: &mut AnyConnection,
    limit: i64,
    now: i64,
) -> Result<(u64, Vec<Domain>), RelayError> {
    let rows = sqlx::query(
        "UPDATE relay_recipient SET state = 'queued'
         WHERE state = 'active' AND lease_until < $1
         RETURNING id, attempts, domain",
    )
    .bind(limit)
    .fetch_all(&mut *tx)
    .await?;
    let mut domains = Vec::new();
    for row in &rows {
        let step = (State::Queued, row.try_get(1)?);
        add_history(tx, row.try_get(0)?, now, step, None).await?;
        let domain = Domain::parse(&row.try_get::<String, _>(2)?)?;
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    Ok((rows.len() as u64, domains))
}

fn claimed(row: &AnyRow) -> Result<Claimed, RelayError> {
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
        urgency: row.try_get("urgency")?,
    })
}
