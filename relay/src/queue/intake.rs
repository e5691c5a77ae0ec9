//! Admission: a message and all its recipients in one group commit.

use std::collections::HashSet;
use std::sync::Arc;

use liaison_base::clock;
use liaison_mail::port::Origin;
use liaison_mail::{Domain, Envelope, MessageId, Recipient, Return};
use liaison_store::body::{INLINE, Kept};
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::{Queue, State, origin_column};
use crate::RelayError;

/// A message that passed admission.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) origin: Origin,
    pub(crate) envelope: Envelope,
    /// Whether the sender gave the envelope its identifier.
    pub(crate) named: bool,
    pub(crate) message_id: Option<MessageId>,
    /// See [`crate::admission::sameness`].
    pub(crate) sameness: String,
    pub(crate) message: Arc<[u8]>,
    pub(crate) accepted_at: OffsetDateTime,
}

impl Queue {
    /// Makes the message durable and answers with the domains that have something new to
    /// deliver. Recipients for whom the same message was taken before are left as they are: after
    /// a lost reply, the sender's second try changes nothing.
    pub(crate) async fn admit(&self, intake: Intake) -> Result<Vec<Domain>, RelayError> {
        let _present = if intake.message.len() > INLINE {
            Some(self.files.read().await)
        } else {
            None
        };
        let kept = self.bodies.keep(Arc::clone(&intake.message)).await?;
        self.store
            .write(move |tx| Box::pin(async move { insert(tx, intake, kept).await }))
            .await
    }
}

/// Inserts within a transaction; see [`Queue::admit`].
pub(super) async fn insert(
    tx: &mut AnyConnection,
    intake: Intake,
    kept: Kept,
) -> Result<Vec<Domain>, RelayError> {
    let known = known(tx, &intake.sameness).await?;
    let mut seen = HashSet::new();
    let fresh: Vec<&Recipient> = intake
        .envelope
        .recipients
        .iter()
        .filter(|recipient| {
            let key = recipient.address.key();
            !known.contains(&key) && seen.insert(key)
        })
        .collect();
    if fresh.is_empty() {
        return Ok(Vec::new());
    }
    let message = insert_message(tx, &intake).await?;
    sqlx::query("INSERT INTO relay_body (message, file, octets) VALUES ($1, $2, $3)")
        .bind(message)
        .bind(kept.file)
        .bind(kept.inline)
        .execute(&mut *tx)
        .await?;
    let mut domains = Vec::new();
    for recipient in fresh {
        insert_recipient(tx, message, &intake, recipient).await?;
        let domain = recipient.address.domain();
        if !domains.contains(domain) {
            domains.push(domain.clone());
        }
    }
    Ok(domains)
}

/// The recipients of earlier admissions of the same message.
async fn known(tx: &mut AnyConnection, sameness: &str) -> Result<HashSet<String>, RelayError> {
    let rows = sqlx::query("SELECT address_key FROM relay_recipient WHERE sameness = $1")
        .bind(sameness)
        .fetch_all(tx)
        .await?;
    Ok(rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?)
}

async fn insert_message(tx: &mut AnyConnection, intake: &Intake) -> Result<i64, RelayError> {
    let (origin, speaks_for) = origin_column(&intake.origin);
    let ret = match intake.envelope.ret {
        Return::Full => "FULL",
        Return::Headers => "HDRS",
    };
    let row = sqlx::query(
        "INSERT INTO relay_message (origin, speaks_for, envelope_id, named, reverse_path, ret,
                                    urgency, message_id, size, accepted_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
    )
    .bind(origin)
    .bind(speaks_for)
    .bind(intake.envelope.id.as_str().to_owned())
    .bind(i64::from(intake.named))
    .bind(intake.envelope.from.to_string())
    .bind(ret)
    .bind(intake.envelope.urgency.rank())
    .bind(intake.message_id.as_ref().map(|id| id.as_str().to_owned()))
    .bind(i64::try_from(intake.message.len()).unwrap_or(i64::MAX))
    .bind(clock::millis(intake.accepted_at))
    .fetch_one(tx)
    .await?;
    Ok(row.try_get(0)?)
}

async fn insert_recipient(
    tx: &mut AnyConnection,
    message: i64,
    intake: &Intake,
    recipient: &Recipient,
) -> Result<(), RelayError> {
    let at = clock::millis(intake.accepted_at);
    let row = sqlx::query(
        "INSERT INTO relay_recipient (message, sameness, address, address_key, domain, original,
                                      notify, urgency, state, attempts, next_attempt_at,
                                      lease_until, delay_told)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, 0, 0) RETURNING id",
    )
    .bind(message)
    .bind(intake.sameness.clone())
    .bind(recipient.address.to_string())
    .bind(recipient.address.key())
    .bind(recipient.address.domain().as_str().to_owned())
    .bind(recipient.original.as_ref().map(ToString::to_string))
    .bind(recipient.notify.to_string())
    .bind(intake.envelope.urgency.rank())
    .bind(State::Queued.as_str())
    .bind(at)
    .fetch_one(&mut *tx)
    .await?;
    add_history(tx, row.try_get(0)?, at, (State::Queued, 0), None).await
}

/// Adds a line to the history of a recipient; none is ever changed.
pub(super) async fn add_history(
    tx: &mut AnyConnection,
    recipient: i64,
    at: i64,
    (state, attempt): (State, i64),
    reply: Option<String>,
) -> Result<(), RelayError> {
    sqlx::query(
        "INSERT INTO relay_history (recipient, at, state, attempt, reply)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(recipient)
    .bind(at)
    .bind(state.as_str())
    .bind(attempt)
    .bind(reply)
    .execute(tx)
    .await?;
    Ok(())
}
