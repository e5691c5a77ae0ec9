//! A message about a stay, as a person or a system writes it, to its commit.

use liaison_mail::EnvelopeId;
use sqlx::AnyConnection;

use super::feed::{Effects, Feed, Parts, Taken};
use crate::GatewayError;
use crate::notices::message::{Message, MessageError};
use crate::notices::{EpisodeKey, Origin};

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsent {
    /// Nothing is known of the stay.
    #[error("visit: no stay of that number is known at this facility")]
    NoStay,
    /// The message itself.
    #[error(transparent)]
    Message(#[from] MessageError),
}

impl Feed {
    /// Makes a message durable with the notices that it becomes.
    ///
    /// # Errors
    /// [`GatewayError`]: a fault of ours; nothing was kept.
    pub async fn write(
        &self,
        stay: EpisodeKey,
        message: Message,
    ) -> Result<Result<Taken, Unsent>, GatewayError> {
        let now = self.0.clock.now();
        let origin = Origin {
            control_id: message.id.clone(),
            application: "liaison".to_owned(),
            facility: stay.facility.clone(),
        };
        self.act(now, move |parts, tx, effects| {
            Box::pin(async move {
                parts
                    .write_message(tx, (&stay, &message), &origin, effects)
                    .await
            })
        })
        .await
    }
}

impl Feed {
    /// Notes that a person asks that who receives the patient of a stay calls the ward first, or
    /// no longer does. False when nothing is known of the stay.
    ///
    /// # Errors
    /// [`GatewayError`]: a fault of ours; nothing was kept.
    pub async fn contact_first(
        &self,
        stay: EpisodeKey,
        wanted: bool,
    ) -> Result<bool, GatewayError> {
        let parts = std::sync::Arc::clone(&self.0);
        let now = self.0.clock.now();
        self.0
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let key = parts.episodes.key_of(&stay);
                    let Some(mut episode) = parts.episodes.load(tx, &key).await? else {
                        return Ok::<_, GatewayError>(false);
                    };
                    episode.contact_first = wanted;
                    parts.episodes.save(tx, &episode, now).await?;
                    Ok(true)
                })
            })
            .await
    }
}

impl Message {
    /// A name for a message that has none.
    pub fn fresh_id() -> String {
        EnvelopeId::fresh().to_string()
    }
}

impl Parts {
    pub(super) async fn write_message(
        &self,
        tx: &mut AnyConnection,
        (stay, message): (&EpisodeKey, &Message),
        origin: &Origin,
        effects: &mut Effects,
    ) -> Result<Result<Taken, Unsent>, GatewayError> {
        if let Err(error) = message.check(&self.rules) {
            return Ok(Err(error.into()));
        }
        let key = self.episodes.key_of(stay);
        let Some(mut episode) = self.episodes.load(tx, &key).await? else {
            return Ok(Err(Unsent::NoStay));
        };
        let circle = self.circle_around(tx, &episode, None).await?;
        let decision = match message.decide(&episode, &circle, &self.rules) {
            Ok(decision) => decision,
            Err(error) => return Ok(Err(error.into())),
        };
        let taken = self
            .follow(tx, &mut episode, (decision, origin), effects)
            .await?;
        self.episodes.save(tx, &episode, effects.now).await?;
        Ok(Ok(taken))
    }
}
