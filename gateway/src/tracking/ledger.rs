//! The tables of tracking: one row a message, one a recipient, one a piece of news.

use liaison_base::clock::{from_millis, millis};
use liaison_mail::{Address, EnvelopeId, MessageId, Urgency};
use liaison_store::{Schema, Store};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AnyPool, Row as _};
use time::OffsetDateTime;

use super::State;
use crate::GatewayError;
use crate::hospital::back;

/// The tables of tracking in the gateway's database.
pub const SCHEMA: Schema = Schema {
    component: "tracking",
    migrations: &[include_str!("0001_tracking.sql")],
};

/// What the sender wants to follow.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    /// The envelope under which the relay carries it.
    pub envelope: EnvelopeId,
    /// The identifier that replies will cite.
    pub message_id: MessageId,
    /// Who sent it.
    pub from: Address,
    /// How urgent it is.
    pub urgency: Urgency,
    /// What it is.
    pub subject: Subject,
    /// For each recipient, in order: its role or address, as the sender knows it before the
    /// directory has been asked. No patient's name.
    pub recipients: Vec<String>,
}

/// What a tracked message is, in words without patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// `notice`, `mail` or `receipt`.
    pub kind: String,
    /// The number of a notice, for example `2026-11-21-0045`; empty for a mail.
    pub number: String,
    /// What kind of notice: `return to nursing home`.
    pub title: String,
}

/// A message with the state of each recipient.
#[derive(Clone, Debug)]
pub struct TrackedMessage {
    /// The envelope under which the relay carries it.
    pub envelope: EnvelopeId,
    /// What it is.
    pub subject: Subject,
    /// When it was taken in.
    pub at: OffsetDateTime,
    /// How urgent it is.
    pub urgency: Urgency,
    /// One entry a recipient, in order.
    pub recipients: Vec<TrackedRecipient>,
}

/// The state of one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedRecipient {
    /// Role or address as the sender knew it.
    pub wanted: String,
    /// The mailbox that the directory gave, once it has been asked.
    pub address: Option<Address>,
    /// How far the message has come.
    pub state: State,
    /// Since when.
    pub since: OffsetDateTime,
    /// What the state rests on: a relay's reply, the name of the person who has taken charge.
    pub detail: String,
}

/// A message of ours, as far as its author must be told about it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) envelope: EnvelopeId,
    pub(crate) message_id: MessageId,
    pub(crate) sender: Address,
    /// A notice's number, or empty.
    pub(crate) number: String,
}

/// News about one recipient.
#[derive(Clone, Debug)]
pub(crate) struct News<'a> {
    pub(crate) envelope: &'a EnvelopeId,
    pub(crate) recipient: &'a Address,
    pub(crate) state: State,
    pub(crate) at: OffsetDateTime,
    pub(crate) detail: &'a str,
}

/// Reads and writes the tables.
#[derive(Clone, Debug)]
pub struct Ledger {
    store: Store,
}

impl Ledger {
    /// Uses the gateway's database.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Begins to follow a message, in the transaction that makes it durable.
    pub(crate) async fn expect(
        tx: &mut AnyConnection,
        expected: &Expected,
        at: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        sqlx::query(
            "INSERT INTO tracked (envelope, message_id, sender, urgency, kind, number, title, at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(expected.envelope.as_str())
        .bind(expected.message_id.as_str())
        .bind(expected.from.key())
        .bind(expected.urgency.rank())
        .bind(&expected.subject.kind)
        .bind(&expected.subject.number)
        .bind(&expected.subject.title)
        .bind(millis(at))
        .execute(&mut *tx)
        .await?;
        for (wanted, position) in expected.recipients.iter().zip(0_i64..) {
            sqlx::query(
                "INSERT INTO tracked_recipient (envelope, position, wanted, state, since, detail)
                 VALUES ($1, $2, $3, $4, $5, '')",
            )
            .bind(expected.envelope.as_str())
            .bind(position)
            .bind(wanted)
            .bind(State::Queued.rank())
            .bind(millis(at))
            .execute(&mut *tx)
            .await?;
        }
        Ok(())
    }

    /// Records the mailbox that the directory gave for the recipient at `position`.
    pub(crate) async fn resolved(
        tx: &mut AnyConnection,
        envelope: &EnvelopeId,
        position: i64,
        address: &Address,
    ) -> Result<(), GatewayError> {
        sqlx::query(
            "UPDATE tracked_recipient SET address = $3 WHERE envelope = $1 AND position = $2",
        )
        .bind(envelope.as_str())
        .bind(position)
        .bind(address.key())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Records that the recipient at `position` did not leave (held, failed, cancelled). One that
    /// the relay has taken already, before a crash, stays as far as it has come.
    pub(crate) async fn stopped(
        tx: &mut AnyConnection,
        envelope: &EnvelopeId,
        (position, state, detail): (i64, State, &str),
        at: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        sqlx::query(
            "UPDATE tracked_recipient SET state = $3, since = $4, detail = $5
             WHERE envelope = $1 AND position = $2 AND state <= $6",
        )
        .bind(envelope.as_str())
        .bind(position)
        .bind(state.rank())
        .bind(millis(at))
        .bind(detail)
        .bind(State::Held.rank())
        .execute(&mut *tx)
        .await?;
        insert_news(tx, envelope, &position.to_string(), (state, detail), at).await
    }

    /// The mailboxes that the directory gave earlier for the recipients of a message.
    pub(crate) async fn addresses(
        pool: &AnyPool,
        envelope: &EnvelopeId,
    ) -> Result<Vec<(i64, Address)>, GatewayError> {
        sqlx::query(
            "SELECT position, address FROM tracked_recipient
             WHERE envelope = $1 AND address IS NOT NULL",
        )
        .bind(envelope.as_str())
        .fetch_all(pool)
        .await?
        .iter()
        .map(|row| {
            let address: String = row.try_get("address")?;
            Ok((row.try_get("position")?, Address::parse(&address)?))
        })
        .collect()
    }

    /// Records news. Returns false when no recipient of a message of ours is meant: nothing is
    /// recorded then. A state that the recipient has passed already is kept in the history only.
    pub(crate) async fn record(
        tx: &mut AnyConnection,
        news: &News<'_>,
    ) -> Result<bool, GatewayError> {
        let known =
            sqlx::query("SELECT 1 FROM tracked_recipient WHERE envelope = $1 AND address = $2")
                .bind(news.envelope.as_str())
                .bind(news.recipient.key())
                .fetch_optional(&mut *tx)
                .await?;
        if known.is_none() {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE tracked_recipient SET state = $3, since = $4, detail = $5
             WHERE envelope = $1 AND address = $2 AND state < $3",
        )
        .bind(news.envelope.as_str())
        .bind(news.recipient.key())
        .bind(news.state.rank())
        .bind(millis(news.at))
        .bind(news.detail)
        .execute(&mut *tx)
        .await?;
        let recipient = news.recipient.key();
        insert_news(
            tx,
            news.envelope,
            &recipient,
            (news.state, news.detail),
            news.at,
        )
        .await?;
        let about = (news.envelope, recipient.as_str());
        back::note(tx, about, (news.state, news.detail), millis(news.at)).await?;
        Ok(true)
    }

    /// The envelopes of a message of ours, by the identifier that a reply cites: one, and one
    /// more for each blind recipient.
    pub(crate) async fn envelopes(
        tx: &mut AnyConnection,
        message_id: &MessageId,
    ) -> Result<Vec<EnvelopeId>, GatewayError> {
        sqlx::query("SELECT envelope FROM tracked WHERE message_id = $1 ORDER BY envelope")
            .bind(message_id.as_str())
            .fetch_all(tx)
            .await?
            .iter()
            .map(|row| Ok(EnvelopeId::parse(&row.try_get::<String, _>(0)?)?))
            .collect()
    }

    /// A message of ours, by its envelope.
    pub(crate) async fn sent(
        pool: &AnyPool,
        envelope: &EnvelopeId,
    ) -> Result<Option<Sent>, GatewayError> {
        let row = sqlx::query("SELECT message_id, sender, number FROM tracked WHERE envelope = $1")
            .bind(envelope.as_str())
            .fetch_optional(pool)
            .await?;
        row.map(|row| {
            Ok(Sent {
                envelope: envelope.clone(),
                message_id: MessageId::parse(&row.try_get::<String, _>("message_id")?)?,
                sender: Address::parse(&row.try_get::<String, _>("sender")?)?,
                number: row.try_get("number")?,
            })
        })
        .transpose()
    }

    /// The newest messages first, at most `limit`, with the state of each recipient.
    ///
    /// # Errors
    /// [`GatewayError::Store`] when the database cannot be read.
    pub async fn newest(&self, limit: i64) -> Result<Vec<TrackedMessage>, GatewayError> {
        let rows = sqlx::query(
            "SELECT envelope, urgency, kind, number, title, at FROM tracked
             ORDER BY at DESC, envelope DESC LIMIT $1",
        )
        .bind(limit)
        .fetch_all(self.store.read())
        .await?;
        let mut messages = Vec::with_capacity(rows.len());
        for row in rows {
            let envelope = EnvelopeId::parse(&row.try_get::<String, _>("envelope")?)?;
            messages.push(TrackedMessage {
                recipients: self.recipients(&envelope).await?,
                envelope,
                subject: subject(&row)?,
                at: from_millis(row.try_get("at")?),
                urgency: Urgency::from_rank(row.try_get("urgency")?),
            });
        }
        Ok(messages)
    }

    async fn recipients(
        &self,
        envelope: &EnvelopeId,
    ) -> Result<Vec<TrackedRecipient>, GatewayError> {
        sqlx::query(
            "SELECT wanted, address, state, since, detail FROM tracked_recipient
             WHERE envelope = $1 ORDER BY position",
        )
        .bind(envelope.as_str())
        .fetch_all(self.store.read())
        .await?
        .iter()
        .map(|row| {
            let address: Option<String> = row.try_get("address")?;
            Ok(TrackedRecipient {
                wanted: row.try_get("wanted")?,
                address: address.map(|text| Address::parse(&text)).transpose()?,
                state: State::from_rank(row.try_get("state")?)
                    .ok_or(GatewayError::Stored("state of a recipient"))?,
                since: from_millis(row.try_get("since")?),
                detail: row.try_get("detail")?,
            })
        })
        .collect()
    }
}

fn subject(row: &AnyRow) -> Result<Subject, GatewayError> {
    Ok(Subject {
        kind: row.try_get("kind")?,
        number: row.try_get("number")?,
        title: row.try_get("title")?,
    })
}

async fn insert_news(
    tx: &mut AnyConnection,
    envelope: &EnvelopeId,
    recipient: &str,
    (state, detail): (State, &str),
    at: OffsetDateTime,
) -> Result<(), GatewayError> {
    sqlx::query(
        "INSERT INTO tracked_news (envelope, recipient, state, at, detail)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(envelope.as_str())
    .bind(recipient)
    .bind(state.rank())
    .bind(millis(at))
    .bind(detail)
    .execute(tx)
    .await?;
    Ok(())
}
