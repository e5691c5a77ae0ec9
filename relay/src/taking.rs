//! A large message on its way in: looked at, hashed and written away piece by piece, so that it takes
//! no more memory than a piece.

use liaison_mail::{MessageId, header};
use liaison_smtp::server;
use liaison_store::body::BodyWriter;
use ring::digest::{Context, Digest, SHA256};

use crate::admission::{self, Denial, Shape};
use crate::queue::intake::Stowed;
use crate::relay::{Inner, Offer, message_id, unstored};

/// Octets of a message that are held before it is written away: enough for any header.
pub(crate) const HOLD: usize = header::MAX_HEADER;

/// The settings of a session that takes large messages so.
pub(crate) fn held(mut settings: server::Settings) -> server::Settings {
    settings.hold = HOLD;
    settings
}

/// A message of which a part was taken. Dropped before its end, it leaves nothing.
pub(crate) struct Taking {
    shape: Shape,
    message_id: Option<MessageId>,
    digest: Context,
    writer: BodyWriter,
}

impl Taking {
    /// Takes the first piece, longer than [`HOLD`].
    pub(crate) async fn begin(relay: &Inner, first: &[u8]) -> Result<Self, Denial> {
        let (shape, body) = admission::begun(&relay.settings, first)?;
        let mut taking = Self {
            shape,
            message_id: message_id(first),
            digest: Context::new(&SHA256),
            writer: relay.queue.writer(),
        };
        taking.shape.take(&first[body..])?;
        taking.keep(first).await?;
        Ok(taking)
    }

    /// Takes the next piece.
    pub(crate) async fn take(&mut self, piece: &[u8]) -> Result<(), Denial> {
        self.shape.take(piece)?;
        self.keep(piece).await
    }

    /// Takes the last piece: the message is durable, but for its row.
    pub(crate) async fn end(mut self, last: &[u8]) -> Result<(Offer, Digest), Denial> {
        self.take(last).await?;
        self.shape.end()?;
        let octets = self.writer.written();
        let kept = self
            .writer
            .finish()
            .await
            .map_err(|error| failed(error.into()))?;
        let content = Stowed::of(kept, octets).map_err(failed)?;
        let offer = Offer::Stowed {
            content,
            message_id: self.message_id,
        };
        Ok((offer, self.digest.finish()))
    }

    async fn keep(&mut self, piece: &[u8]) -> Result<(), Denial> {
        self.digest.update(piece);
        let written = self.writer.write(piece).await;
        written.map_err(|error| failed(error.into()))
    }
}

fn failed(error: crate::RelayError) -> Denial {
    tracing::error!(%error, "a large message could not be written");
    unstored(&error)
}
