//! What the queue knows, for the gateway and for operators: what became of an envelope, what
//! waits and why, every step of a message.

use liaison_base::clock;
use liaison_mail::port::Carriage;
use liaison_mail::{
    Address, Domain, EnhancedStatus, EnvelopeId, Refusal, ReplyCode, ReversePath, Urgency,
};
use liaison_store::{Location, Store};
use sqlx::any::AnyRow;
use sqlx::{AnyPool, AssertSqlSafe, Row as _};
use time::OffsetDateTime;

use crate::RelayError;
use crate::queue::record::carriage as in_the_senders_terms;
use crate::queue::{SCHEMA, State};

/// A recipient that the relay still answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The row's number: names the recipient to commands.
    pub id: i64,
    /// The message's envelope.
    pub envelope: EnvelopeId,
    /// Where reports go; its domain is the sender's.
    pub from: ReversePath,
    /// The recipient.
    pub to: Address,
    /// Queued, active, deferred or held.
    pub state: State,
    /// Its place in the queue.
    pub urgency: Urgency,
    /// Tries begun.
    pub attempts: u32,
    /// When the relay took responsibility.
    pub accepted_at: OffsetDateTime,
    /// When it is tried again, if it waits for that.
    pub next_attempt_at: Option<OffsetDateTime>,
    /// The last answer, `451 4.4.1 text`.
    pub reply: Option<String>,
}

/// How many recipients wait in one state for one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depth {
    /// The state.
    pub state: State,
    /// The recipients' domain.
    pub destination: Domain,
    /// How many.
    pub recipients: u64,
    /// When the relay took responsibility for the oldest of their messages.
    pub oldest: OffsetDateTime,
}

/// One step in a recipient's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: OffsetDateTime,
    /// The recipient.
    pub to: Address,
    /// The state that it came to.
    pub state: State,
    /// The try that led there; 0 before the first.
    pub attempt: u32,
    /// The answer that led there, if there was one.
    pub reply: Option<String>,
}

/// The queue as another process reads it while the relay works on it.
#[derive(Clone, Debug)]
pub struct History {
    store: Store,
}

impl History {
    /// Opens the queue in `database`, as the relay's settings name it.
    ///
    /// # Errors
    /// [`RelayError::NoQueue`] when there is none; [`RelayError::Store`] when it cannot be read.
    pub async fn open(database: &Location) -> Result<Self, RelayError> {
        if let Location::Sqlite(path) = database
            && !path.is_file()
        {
            return Err(RelayError::NoQueue(path.clone()));
        }
        let store = Store::open(database, &[SCHEMA]).await?;
        Ok(Self { store })
    }

    /// As [`crate::Relay::waiting`].
    ///
    /// # Errors
    /// As [`crate::Relay::waiting`].
    pub async fn waiting(&self, limit: u32) -> Result<Vec<Waiting>, RelayError> {
        waiting(self.store.read(), limit).await
    }

    /// As [`crate::Relay::depths`].
    ///
    /// # Errors
    /// As [`crate::Relay::depths`].
    pub async fn depths(&self) -> Result<Vec<Depth>, RelayError> {
        depths(self.store.read()).await
    }

    /// As [`crate::Relay::trace`].
    ///
    /// # Errors
    /// As [`crate::Relay::trace`].
    pub async fn trace(&self, envelope: &EnvelopeId) -> Result<Vec<Step>, RelayError> {
        trace(self.store.read(), envelope).await
    }
}

/// What has become of each recipient of an envelope of the own gateway. The same recipient in
/// two hand-overs is one.
pub(crate) async fn carriage(
    rows: &AnyPool,
    envelope: &EnvelopeId,
) -> Result<Vec<(Address, Carriage)>, RelayError> {
    let rows = sqlx::query(
        "SELECT r.address, r.state, r.reply
         FROM relay_recipient r JOIN relay_message m ON m.id = r.message
         WHERE m.origin = '' AND m.envelope_id = $1 ORDER BY r.id",
    )
    .bind(envelope.as_str().to_owned())
    .fetch_all(rows)
    .await?;
    rows.iter()
        .map(|row| {
            let state = State::parse(&row.try_get::<String, _>("state")?)?;
            let reply: Option<String> = row.try_get("reply")?;
            let refusal = reply.as_deref().and_then(read_reply);
            Ok((address(row)?, in_the_senders_terms(state, refusal)))
        })
        .collect()
}

/// See [`crate::Relay::waiting`].
pub(crate) async fn waiting(rows: &AnyPool, limit: u32) -> Result<Vec<Waiting>, RelayError> {
    let rows = sqlx::query(
        "SELECT r.id, m.envelope_id, m.reverse_path, r.address, r.state, r.urgency, r.attempts,
                m.accepted_at, r.next_attempt_at, r.reply
         FROM relay_recipient r JOIN relay_message m ON m.id = r.message
         WHERE m.done_at IS NULL AND r.state IN ('queued', 'active', 'deferred', 'held')
         ORDER BY r.id LIMIT $1",
    )
    .bind(i64::from(limit))
    .fetch_all(rows)
    .await?;
    rows.iter().map(one_waiting).collect()
}

/// See [`crate::Relay::depths`]. One question a state: each has an index that holds the waiting
/// ones alone, however long the history is.
pub(crate) async fn depths(rows: &AnyPool) -> Result<Vec<Depth>, RelayError> {
    let mut depths = Vec::new();
    for state in State::ALL.into_iter().filter(|state| !state.is_done()) {
        let sql = format!(
            "SELECT w.domain, w.recipients, m.accepted_at
             FROM (SELECT domain, COUNT(*) AS recipients, MIN(message) AS first
                   FROM relay_recipient WHERE state = '{state}' GROUP BY domain) AS w
             JOIN relay_message m ON m.id = w.first ORDER BY w.domain"
        );
        // Not the peer's words: a state's name.
        for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(rows).await? {
            depths.push(Depth {
                state,
                destination: Domain::parse(&row.try_get::<String, _>(0)?)?,
                recipients: row.try_get::<i64, _>(1)?.unsigned_abs(),
                oldest: clock::from_millis(row.try_get(2)?),
            });
        }
    }
    Ok(depths)
}

/// See [`crate::Relay::trace`].
pub(crate) async fn trace(rows: &AnyPool, envelope: &EnvelopeId) -> Result<Vec<Step>, RelayError> {
    let begun = sqlx::query(
        "SELECT m.accepted_at, r.claimed_at, r.address, r.state, r.attempts
         FROM relay_recipient r JOIN relay_message m ON m.id = r.message
         WHERE m.envelope_id = $1 ORDER BY r.id",
    )
    .bind(envelope.as_str().to_owned())
    .fetch_all(rows)
    .await?;
    let changed = sqlx::query(
        "SELECT h.began_at, h.at, r.address, h.state, h.attempt, h.reply
         FROM relay_history h
         JOIN relay_recipient r ON r.id = h.recipient
         JOIN relay_message m ON m.id = r.message
         WHERE m.envelope_id = $1 ORDER BY h.id",
    )
    .bind(envelope.as_str().to_owned())
    .fetch_all(rows)
    .await?;
    let mut steps = Vec::with_capacity(begun.len() + changed.len() * 2);
    for row in &begun {
        steps.push(step(row, "accepted_at", (State::Queued, 0), None)?);
    }
    // A try is one row: its beginning and its end.
    for row in &changed {
        let attempt = count(row, "attempt")?;
        if row.try_get::<Option<i64>, _>("began_at")?.is_some() {
            steps.push(step(row, "began_at", (State::Active, attempt), None)?);
        }
        let state = State::parse(&row.try_get::<String, _>("state")?)?;
        steps.push(step(row, "at", (state, attempt), row.try_get("reply")?)?);
    }
    for row in &begun {
        if row.try_get::<String, _>("state")? == State::Active.as_str() {
            let attempt = count(row, "attempts")?;
            steps.push(step(row, "claimed_at", (State::Active, attempt), None)?);
        }
    }
    // Steps of one instant stay in the order in which they were written.
    steps.sort_by_key(|step| step.at);
    Ok(steps)
}

fn step(
    row: &AnyRow,
    at: &str,
    (state, attempt): (State, u32),
    reply: Option<String>,
) -> Result<Step, RelayError> {
    Ok(Step {
        at: clock::from_millis(row.try_get(at)?),
        to: address(row)?,
        state,
        attempt,
        reply,
    })
}

fn one_waiting(row: &AnyRow) -> Result<Waiting, RelayError> {
    let state = State::parse(&row.try_get::<String, _>("state")?)?;
    let next: i64 = row.try_get("next_attempt_at")?;
    Ok(Waiting {
        id: row.try_get("id")?,
        envelope: EnvelopeId::parse(&row.try_get::<String, _>("envelope_id")?)?,
        from: ReversePath::parse(&row.try_get::<String, _>("reverse_path")?)?,
        to: address(row)?,
        state,
        urgency: Urgency::from_rank(row.try_get("urgency")?),
        attempts: count(row, "attempts")?,
        accepted_at: clock::from_millis(row.try_get("accepted_at")?),
        next_attempt_at: (state == State::Deferred).then(|| clock::from_millis(next)),
        reply: row.try_get("reply")?,
    })
}

fn address(row: &AnyRow) -> Result<Address, RelayError> {
    Ok(Address::parse(&row.try_get::<String, _>("address")?)?)
}

fn count(row: &AnyRow, column: &str) -> Result<u32, RelayError> {
    Ok(u32::try_from(row.try_get::<i64, _>(column)?).unwrap_or(u32::MAX))
}

/// Reads what `Refusal`'s `Display` wrote.
fn read_reply(text: &str) -> Option<Refusal> {
    let mut words = text.splitn(3, ' ');
    Some(Refusal {
        code: ReplyCode::new(words.next()?.parse().ok()?).ok()?,
        status: EnhancedStatus::parse(words.next()?).ok()?,
        text: words.next().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_reply_reads_back() {
        for refusal in [
            Refusal::permanent(550, EnhancedStatus::NO_SUCH_MAILBOX, "no such mailbox here"),
            Refusal::transient(451, EnhancedStatus::TRY_LATER, ""),
        ] {
            assert_eq!(read_reply(&refusal.to_string()), Some(refusal));
        }
        assert_eq!(read_reply("nonsense"), None);
    }
}
