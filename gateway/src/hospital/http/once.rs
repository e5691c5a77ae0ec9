//! Keys that were used: a request that is repeated with its key is taken once and gets the same
//! answer; another request with that key is refused.

use axum::http::HeaderMap;
use liaison_base::clock::millis;
use liaison_hl7::adt::AdtEvent;
use sqlx::Row as _;

use super::access::Caller;
use crate::GatewayError;
use crate::hospital::feed::{Effects, Feed, Taken};
use crate::hospital::messages::Unsent;
use crate::notices::message::Message;
use crate::notices::{EpisodeKey, Origin};

/// Longest key, in octets.
const LONGEST: usize = 255;

/// A key and the request that it is for.
#[derive(Clone)]
pub(super) struct Key {
    shown: String,
    scoped: String,
    body: Vec<u8>,
}

/// What a request asks for.
#[derive(Clone)]
pub(super) enum Work {
    /// An event of a stay.
    Event(Box<AdtEvent>),
    /// A message about a stay.
    Message(Box<(EpisodeKey, Message, Origin)>),
}

/// What a request with a key came to.
pub(super) enum Once {
    /// Taken, now or when it first came.
    Taken(Taken),
    /// Not taken: the request is at fault. Its key stays free.
    Refused(Unsent),
    /// The key was used for another request.
    Reused,
}

impl Key {
    /// The key that a request must have.
    pub(super) fn required(
        headers: &HeaderMap,
        caller: &Caller,
        body: &[u8],
    ) -> Result<Key, &'static str> {
        Key::optional(headers, caller, body)?
            .ok_or("Give an Idempotency-Key: a value of yours, new for each event.")
    }

    /// The key that a request may have.
    pub(super) fn optional(
        headers: &HeaderMap,
        caller: &Caller,
        body: &[u8],
    ) -> Result<Option<Key>, &'static str> {
        let Some(value) = headers.get("idempotency-key") else {
            return Ok(None);
        };
        let shown = value
            .to_str()
            .ok()
            .map(|value| value.trim().trim_matches('"'))
            .filter(|value| !value.is_empty() && value.len() <= LONGEST)
            .ok_or("An Idempotency-Key has 1 to 255 visible characters.")?;
        Ok(Some(Key {
            shown: shown.to_owned(),
            scoped: format!("{}\n{}\n{shown}", caller.name, caller.facility),
            body: body.to_vec(),
        }))
    }

    /// As the client wrote it.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }
}

impl Feed {
    /// As [`Feed::take`], once for each key; the key is kept with what it led to, in one commit.
    ///
    /// # Errors
    /// [`GatewayError`]: a fault of ours; nothing was kept.
    pub(super) async fn take_once(
        &self,
        work: Work,
        raw: Vec<u8>,
        key: Option<Key>,
    ) -> Result<Once, GatewayError> {
        let (key, work) = match (key, work) {
            (None, Work::Event(event)) => return self.take(*event, raw).await.map(Once::Taken),
            (None, Work::Message(written)) => {
                let (stay, message, _) = *written;
                let taken = self.write(stay, message).await?;
                return Ok(taken.map_or_else(Once::Refused, Once::Taken));
            }
            (Some(key), work) => (key, work),
        };
        let parts = std::sync::Arc::clone(&self.0);
        let now = self.0.clock.now();
        let key_tag = self.0.key.tag("idempotency key", key.scoped.as_bytes());
        let body_tag = self.0.key.tag("idempotent body", &key.body);
        let (once, effects) = self
            .0
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let mut effects = Effects::at(now);
                    let known = sqlx::query(
                        "SELECT body_key, outcome, notices FROM http_request WHERE request_key = $1",
                    )
                    .bind(key_tag.clone())
                    .fetch_optional(&mut *tx)
                    .await?;
                    if let Some(known) = known {
                        let same = known.try_get::<Vec<u8>, _>(0)? == body_tag;
                        let notices: i64 = known.try_get(2)?;
                        let once = match same {
                            true => Once::Taken(Taken {
                                outcome: known.try_get(1)?,
                                notices: usize::try_from(notices).unwrap_or(0),
                            }),
                            false => Once::Reused,
                        };
                        return Ok::<_, GatewayError>((once, effects));
                    }
                    let taken = match &work {
                        Work::Event(event) => {
                            parts.commit(tx, (event, &raw), &mut effects).await?
                        }
                        Work::Message(whole) => {
                            let (stay, message, origin) = &**whole;
                            let written = (stay, message);
                            match parts.write_message(tx, written, origin, &mut effects).await? {
                                Ok(taken) => taken,
                                Err(unsent) => return Ok((Once::Refused(unsent), effects)),
                            }
                        }
                    };
                    sqlx::query(
                        "INSERT INTO http_request (request_key, body_key, answered_at, outcome, notices)
                         VALUES ($1, $2, $3, $4, $5)",
                    )
                    .bind(key_tag)
                    .bind(body_tag)
                    .bind(millis(now))
                    .bind(&taken.outcome)
                    .bind(i64::try_from(taken.notices).unwrap_or(i64::MAX))
                    .execute(&mut *tx)
                    .await?;
                    Ok((Once::Taken(taken), effects))
                })
            })
            .await?;
        self.0.wake(&effects);
        Ok(once)
    }
}
