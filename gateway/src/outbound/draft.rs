//! What is to be sent, durable before its sender is answered.

use std::fmt;
use std::sync::Arc;

use liaison_base::clock::millis;
use liaison_directory_client::Query;
use liaison_mail::port::OrderKey;
use liaison_mail::{Address, EnvelopeId, MessageId, Urgency};
use liaison_store::sql::{locking, one_at_a_time};
use liaison_store::{Holder, Schema, Store, Word};
use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::GatewayError;
use crate::keys::{SealingKey, Vault};
use crate::tracking::{Expected, Ledger, Subject};

/// The tables of outbound in the gateway's database.
pub const SCHEMA: Schema = Schema {
    component: "outbound",
    migrations: &[
        include_str!("0001_outbound.sql"),
        include_str!("0002_submitted.sql"),
        include_str!("0003_lanes.sql"),
        include_str!("0004_claims.sql"),
    ],
};

/// A message on its way out. One draft becomes one envelope.
#[derive(Clone, Serialize, Deserialize)]
pub struct Draft {
    /// Names it from here to the last receipt.
    pub envelope: EnvelopeId,
    /// The identifier that replies cite.
    pub message_id: MessageId,
    /// The author, in `From` and as the reverse path.
    pub from: Address,
    /// Whom it is for; at least one.
    pub wanted: Vec<Wanted>,
    /// How urgent it is.
    pub urgency: Urgency,
    /// Whether its recipients are followed.
    pub closed_loop: Loop,
    /// What it says.
    pub content: Content,
}

/// A recipient as the sender knows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// What to ask the directory.
    pub query: Query,
    /// The recipient in words for tracking: a role or an address, never a patient.
    pub label: String,
}

/// Whether a message is followed to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Loop {
    /// Followed: each recipient's state is kept, and its relay is asked for reports.
    Closed {
        /// `notice` or `mail`.
        kind: String,
        /// A notice's number, or empty.
        number: String,
        /// What kind of notice, without patient data.
        title: String,
    },
    /// Not followed: receipts and other answers by program.
    Open,
}

/// What a draft says.
#[derive(Clone, Serialize, Deserialize)]
pub enum Content {
    /// A complete message as a mail client gave it; its bytes are signed as they are.
    Mime(#[serde(with = "octets")] Vec<u8>),
    /// A complete message that the author's own client has sealed: it passes untouched.
    Sealed(#[serde(with = "octets")] Vec<u8>),
    /// A text composed here; the message is made once the addresses are known.
    Text {
        /// The inner subject, which may name a patient: it is sealed.
        subject: String,
        /// The body, UTF-8, lines ended by LF.
        text: String,
        /// The message that it answers or replaces.
        in_reply_to: Option<MessageId>,
        /// Whether to ask for a receipt when it is opened.
        ask_receipt: bool,
        /// What goes with it.
        #[serde(default)]
        attachments: Vec<Attachment>,
    },
    /// A report made by a program (an MDN), complete.
    Report(#[serde(with = "octets")] Vec<u8>),
}

/// A file that goes with a text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Its name, ASCII, which names nobody.
    pub name: String,
    /// Its media type.
    pub media_type: String,
    /// Its octets.
    #[serde(with = "octets")]
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment({}, {} octets)", self.name, self.bytes.len())
    }
}

/// The drafts of this gateway.
#[derive(Clone)]
pub struct Drafts {
    store: Store,
    key: Arc<SealingKey>,
    waiting: Arc<Notify>,
}

/// A draft claimed by this process.
pub(super) struct Due {
    pub(super) draft: Draft,
    /// The claim's number: what the work comes to is kept only under it.
    pub(super) token: i64,
    pub(super) attempts: i64,
    pub(super) created_at: i64,
    /// What keeps the drafts of its lane in order beyond the hand-over.
    pub(super) order: Option<OrderKey>,
}

impl Drafts {
    /// Uses the gateway's database.
    pub fn new(store: Store, vault: &Vault) -> Self {
        Self {
            store,
            key: vault.purpose("drafts"),
            waiting: Arc::default(),
        }
    }

    /// Makes a draft durable with the caller's transaction. Call [`Drafts::wake`] once that is
    /// committed.
    ///
    /// # Errors
    /// [`GatewayError::Store`]; the caller's transaction must then fail.
    pub async fn insert(
        &self,
        tx: &mut AnyConnection,
        draft: &Draft,
        at: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let plain =
            serde_json::to_vec(draft).map_err(|_| GatewayError::Stored("draft to be written"))?;
        let sealed = self.key.seal(draft.envelope.as_str(), &plain)?;
        sqlx::query(
            "INSERT INTO draft (envelope, urgency, created_at, attempts, next_attempt_at, held, content)
             VALUES ($1, $2, $3, 0, $3, 0, $4)",
        )
        .bind(draft.envelope.as_str())
        .bind(draft.urgency.rank())
        .bind(millis(at))
        .bind(sealed)
        .execute(&mut *tx)
        .await?;
        if let Loop::Closed {
            kind,
            number,
            title,
        } = &draft.closed_loop
        {
            let expected = Expected {
                envelope: draft.envelope.clone(),
                message_id: draft.message_id.clone(),
                from: draft.from.clone(),
                urgency: draft.urgency,
                subject: Subject {
                    kind: kind.clone(),
                    number: number.clone(),
                    title: title.clone(),
                },
                recipients: draft.wanted.iter().map(|w| w.label.clone()).collect(),
            };
            Ledger::expect(tx, &expected, at).await?;
        }
        Ok(())
    }

    /// As [`Drafts::insert`], for one of several drafts that must be handed over in the order of
    /// their insertion: those of one lane. An urgent one lends its urgency to those before it, so
    /// that it overtakes every other lane but never its own.
    ///
    /// # Errors
    /// [`GatewayError::Store`]; the caller's transaction must then fail.
    pub async fn insert_in_lane(
        &self,
        tx: &mut AnyConnection,
        draft: &Draft,
        at: OffsetDateTime,
        lane: &[u8],
    ) -> Result<(), GatewayError> {
        one_at_a_time(tx, lane).await?;
        self.insert(tx, draft, at).await?;
        sqlx::query(
            "UPDATE draft SET lane = $2,
             position = (SELECT COALESCE(MAX(d.position), 0) + 1 FROM draft d WHERE d.lane = $2)
             WHERE envelope = $1",
        )
        .bind(draft.envelope.as_str())
        .bind(lane.to_vec())
        .execute(&mut *tx)
        .await?;
        sqlx::query("UPDATE draft SET urgency = $2 WHERE lane = $1 AND urgency < $2")
            .bind(lane.to_vec())
            .bind(draft.urgency.rank())
            .execute(&mut *tx)
            .await?;
        Ok(())
    }

    /// Changes the text and the attachments of the drafts of a lane that have not been handed over.
    ///
    /// # Errors
    /// [`GatewayError`]; the caller's transaction must then fail.
    pub(crate) async fn amend(
        &self,
        tx: &mut AnyConnection,
        lane: &[u8],
        change: impl Fn(&mut String, &mut Vec<Attachment>) + Sync,
    ) -> Result<(), GatewayError> {
        let text = "SELECT envelope, content FROM draft WHERE lane = $1 FOR UPDATE";
        let rows = sqlx::query(locking(tx, text))
            .bind(lane.to_vec())
            .fetch_all(&mut *tx)
            .await?;
        for row in rows {
            let envelope: String = row.try_get("envelope")?;
            let plain = self
                .key
                .open(&envelope, &row.try_get::<Vec<u8>, _>("content")?)?;
            let mut draft: Draft =
                serde_json::from_slice(&plain).map_err(|_| GatewayError::Stored("draft"))?;
            let Content::Text {
                text, attachments, ..
            } = &mut draft.content
            else {
                continue;
            };
            change(text, attachments);
            let plain = serde_json::to_vec(&draft)
                .map_err(|_| GatewayError::Stored("draft to be written"))?;
            sqlx::query("UPDATE draft SET content = $2 WHERE envelope = $1")
                .bind(&envelope)
                .bind(self.key.seal(&envelope, &plain)?)
                .execute(&mut *tx)
                .await?;
        }
        Ok(())
    }

    /// Tells the workers, this process's and others', that a committed transaction has added
    /// drafts.
    pub fn wake(&self) {
        self.waiting.notify_one();
        self.store.tell(ADDED);
    }

    /// Hears a word of another process ([`liaison_store::news`]).
    pub(crate) fn hear(&self, word: &Word) {
        if *word == Word::Missed || *word == Word::Said(ADDED.into()) {
            self.waiting.notify_one();
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn key(&self) -> &SealingKey {
        &self.key
    }

    /// The texts of the drafts, oldest first.
    #[cfg(test)]
    pub(crate) async fn texts(&self) -> Vec<String> {
        let contents = self.contents().await;
        contents.into_iter().map(|(text, _)| text).collect()
    }

    /// The texts of the drafts with what goes with them, oldest first.
    #[cfg(test)]
    pub(crate) async fn contents(&self) -> Vec<(String, Vec<Attachment>)> {
        let rows = sqlx::query("SELECT envelope, content FROM draft ORDER BY rowid")
            .fetch_all(self.store.read())
            .await
            .unwrap();
        rows.iter()
            .map(|row| {
                let (envelope, sealed): (String, Vec<u8>) = (row.get(0), row.get(1));
                let plain = self.key.open(&envelope, &sealed).unwrap();
                match serde_json::from_slice::<Draft>(&plain).unwrap().content {
                    Content::Text {
                        text, attachments, ..
                    } => (text, attachments),
                    _ => Default::default(),
                }
            })
            .collect()
    }

    /// The titles of what the worker would be given.
    #[cfg(test)]
    pub(crate) async fn due_titles(&self, now: OffsetDateTime) -> Vec<String> {
        use liaison_base::clock::ManualClock;
        // A process that has been dead for long: it holds nothing afterwards.
        let clock = Arc::new(ManualClock::at(now - time::Duration::HOUR));
        let patience = std::time::Duration::from_secs(1);
        let holder = self.store.enter("titles", clock, patience).await.unwrap();
        let due = self.claim(now, 100, &[], &holder).await.unwrap();
        due.into_iter()
            .map(|due| match due.draft.closed_loop {
                Loop::Closed { title, .. } => title,
                Loop::Open => String::new(),
            })
            .collect()
    }

    /// As if the first draft had been handed over.
    #[cfg(test)]
    pub(crate) async fn forget_first(&self) {
        self.store
            .write(|tx| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM draft WHERE rowid = (SELECT MIN(rowid) FROM draft)")
                        .execute(tx)
                        .await?;
                    Ok::<_, GatewayError>(())
                })
            })
            .await
            .unwrap();
    }

    pub(super) async fn woken(&self) {
        self.waiting.notified().await;
    }

    /// Claims the most urgent, then oldest drafts that are due, at most `most`, without those
    /// named in `busy` and those that another living process works on. What bears this process's
    /// name and is not in `busy` was claimed when the answer was lost, or its end could not be
    /// written: it is claimed again.
    pub(super) async fn claim(
        &self,
        now: OffsetDateTime,
        most: usize,
        busy: &[EnvelopeId],
        holder: &Holder,
    ) -> Result<Vec<Due>, GatewayError> {
        let rows = if self.store.location().is_shared() {
            self.claim_among_others(now, most, busy, holder).await?
        } else {
            // Alone on its file, a process knows by itself what it works on.
            let rows = sqlx::query(
                "SELECT envelope, created_at, attempts, content, token, lane FROM draft
                 WHERE held = 0 AND next_attempt_at <= $1
                 AND (lane IS NULL OR NOT EXISTS (
                     SELECT 1 FROM draft earlier WHERE earlier.lane = draft.lane
                     AND earlier.position < draft.position AND earlier.held = 0))
                 ORDER BY urgency DESC, created_at LIMIT $2",
            )
            .bind(millis(now))
            .bind(i64::try_from(most + busy.len()).unwrap_or(i64::MAX))
            .fetch_all(self.store.read())
            .await?;
            rows.iter().map(claimed).collect::<Result<_, _>>()?
        };
        let mut due = Vec::new();
        for row in rows {
            if due.len() == most || busy.iter().any(|id| id.as_str() == row.envelope) {
                continue;
            }
            let plain = self.key.open(&row.envelope, &row.content)?;
            due.push(Due {
                draft: serde_json::from_slice(&plain).map_err(|_| GatewayError::Stored("draft"))?,
                token: row.token,
                attempts: row.attempts,
                created_at: row.created_at,
                order: row.order,
            });
        }
        Ok(due)
    }

    async fn claim_among_others(
        &self,
        now: OffsetDateTime,
        most: usize,
        busy: &[EnvelopeId],
        holder: &Holder,
    ) -> Result<Vec<ClaimedRow>, GatewayError> {
        let (now, holder) = (millis(now), holder.name().to_owned());
        let busy: Vec<String> = busy.iter().map(|id| id.as_str().to_owned()).collect();
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        if most == 0 {
            return Ok(Vec::new());
        }
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    // Identifiers have no comma.
                    let text = locking(tx, CLAIM);
                    let rows = sqlx::query(text)
                        .bind(holder)
                        .bind(now)
                        .bind(most)
                        .bind(busy.join(","))
                        .fetch_all(tx)
                        .await?;
                    rows.iter().map(claimed).collect()
                })
            })
            .await
    }

    /// When the next draft that waits for another try is due, in milliseconds.
    pub(super) async fn next_due(&self) -> Result<Option<i64>, GatewayError> {
        let row = sqlx::query("SELECT MIN(next_attempt_at) FROM draft WHERE held = 0")
            .fetch_one(self.store.read())
            .await?;
        Ok(row.try_get(0)?)
    }

    pub(super) async fn erase(
        tx: &mut AnyConnection,
        envelope: &EnvelopeId,
        token: i64,
    ) -> Result<(), GatewayError> {
        sqlx::query("DELETE FROM draft WHERE envelope = $1 AND token = $2")
            .bind(envelope.as_str())
            .bind(token)
            .execute(tx)
            .await?;
        Ok(())
    }

    /// Erases a draft that waited for a person's decision: nobody has claimed it.
    pub(super) async fn erase_held(
        tx: &mut AnyConnection,
        envelope: &EnvelopeId,
    ) -> Result<(), GatewayError> {
        sqlx::query("DELETE FROM draft WHERE envelope = $1")
            .bind(envelope.as_str())
            .execute(tx)
            .await?;
        Ok(())
    }

    /// Keeps a draft that waits for a person's decision: it is not tried again by itself.
    pub(super) async fn hold(
        tx: &mut AnyConnection,
        envelope: &EnvelopeId,
        token: i64,
    ) -> Result<(), GatewayError> {
        sqlx::query("UPDATE draft SET held = 1, holder = NULL WHERE envelope = $1 AND token = $2")
            .bind(envelope.as_str())
            .bind(token)
            .execute(tx)
            .await?;
        Ok(())
    }

    pub(super) async fn postpone(
        tx: &mut AnyConnection,
        (envelope, token): (&EnvelopeId, i64),
        until: i64,
    ) -> Result<(), GatewayError> {
        sqlx::query(
            "UPDATE draft SET attempts = attempts + 1, next_attempt_at = $2, holder = NULL
             WHERE envelope = $1 AND token = $3",
        )
        .bind(envelope.as_str())
        .bind(until)
        .bind(token)
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// Claims drafts that are due, past those that others are claiming at this moment. Only on
/// PostgreSQL.
const CLAIM: &str = "UPDATE draft SET holder = $1, token = token + 1 WHERE envelope IN (
         SELECT envelope FROM draft
         WHERE held = 0 AND next_attempt_at <= $2
           AND (holder IS NULL
                OR (holder = $1 AND NOT envelope = ANY (string_to_array($4, ',')))
                OR holder NOT IN (SELECT holder FROM lease_holder WHERE alive_until >= $2))
           AND (lane IS NULL OR NOT EXISTS (
               SELECT 1 FROM draft earlier WHERE earlier.lane = draft.lane
               AND earlier.position < draft.position AND earlier.held = 0))
         ORDER BY urgency DESC, created_at LIMIT $3 FOR UPDATE SKIP LOCKED)
     RETURNING envelope, created_at, attempts, content, token, lane";

/// The word that tells other processes of new drafts.
const ADDED: &str = "drafts";

/// A draft's row, still sealed.
struct ClaimedRow {
    envelope: String,
    created_at: i64,
    attempts: i64,
    content: Vec<u8>,
    token: i64,
    order: Option<OrderKey>,
}

fn claimed(row: &AnyRow) -> Result<ClaimedRow, GatewayError> {
    Ok(ClaimedRow {
        envelope: row.try_get("envelope")?,
        created_at: row.try_get("created_at")?,
        attempts: row.try_get("attempts")?,
        content: row.try_get("content")?,
        token: row.try_get("token")?,
        // A lane is a tag of this gateway's: a keyed digest.
        order: row
            .try_get::<Option<Vec<u8>>, _>("lane")?
            .and_then(|lane| <[u8; 32]>::try_from(lane).ok())
            .map(OrderKey::new),
    })
}

/// Octets as base64 in JSON: an array of numbers would take four times the memory.
mod octets {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(octets: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(octets))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD
            .decode(String::deserialize(from)?)
            .map_err(serde::de::Error::custom)
    }
}
