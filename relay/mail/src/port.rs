//! The ports through which the roles meet. The roles' crates never depend on each other: the
//! executable joins them through these traits, in one process, or puts a network client behind
//! them when they run apart.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::{Address, Body, Domain, Envelope, EnvelopeId, Refusal, Verdict};

/// The future of a port's method: boxed, so that a role can hold `Arc<dyn Port>`.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Gateway to relay: takes a sealed message for carriage.
pub trait HandOver: Send + Sync {
    /// Takes `message` (S/MIME enveloped, complete with its outer header) for every recipient of
    /// `envelope`. Answers once the message is durable in the relay's queue.
    ///
    /// Handing over the same [`EnvelopeId`] again is answered `Ok` and changes nothing, so that a
    /// gateway that did not hear the answer can ask again.
    ///
    /// Messages handed over one after the other under the same `order` leave this relay for a
    /// recipient in that order: a later one waits while an earlier one does, and lends it its
    /// urgency.
    ///
    /// # Errors
    /// The relay's refusal of the whole message; when transient, hand over again later.
    fn hand_over(
        &self,
        envelope: Envelope,
        order: Option<OrderKey>,
        message: Arc<[u8]>,
    ) -> PortFuture<'_, Result<(), Refusal>>;

    /// What has become of each recipient of an envelope handed over earlier; empty when the relay
    /// does not know the envelope.
    fn carriage(&self, envelope: EnvelopeId) -> PortFuture<'_, Vec<(Address, Carriage)>>;
}

/// Which messages of a gateway must stay in order: those with the same key. It is a digest under a
/// key of the gateway's own, so that it says nothing of a patient or a stay; it stays in the
/// relay's queue and is on no wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OrderKey([u8; 32]);

impl OrderKey {
    /// Takes a keyed digest (HMAC-SHA256 or the like).
    pub fn new(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The digest.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Shows nothing by which messages could be linked.
impl fmt::Debug for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OrderKey")
    }
}

/// Relay to gateway: files a message that has arrived.
pub trait Delivery: Send + Sync {
    /// Whether a mailbox of this gateway answers to `recipient`; asked at `RCPT TO`.
    fn serves<'a>(&'a self, recipient: &'a Address) -> PortFuture<'a, Result<(), Refusal>>;

    /// Files the message for each recipient and answers once every [`Verdict::Accepted`] is
    /// durable; one verdict per recipient, in the envelope's order.
    ///
    /// Delivering the same message to the same recipient again is answered `Accepted` and shows
    /// nothing twice.
    fn deliver(&self, arrival: Arrival) -> PortFuture<'_, Vec<Verdict>>;
}

/// Relay to gateway: news of a message handed over earlier. News may be lost in a crash; the
/// gateway then asks [`HandOver::carriage`].
pub trait News: Send + Sync {
    /// Tells what has just become of one recipient.
    fn carried(
        &self,
        envelope: EnvelopeId,
        recipient: Address,
        carriage: Carriage,
        at: OffsetDateTime,
    ) -> PortFuture<'_, ()>;
}

/// A message at the end of its carriage.
#[derive(Clone)]
pub struct Arrival {
    /// Its envelope, reduced to the recipients that this delivery is for.
    pub envelope: Envelope,
    /// The message as it was received, byte for byte. A large one is not in memory.
    pub message: Body,
    /// Who brought it.
    pub origin: Origin,
    /// When the relay took responsibility for it.
    pub accepted_at: OffsetDateTime,
}

/// Who brought a message to this relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This relay itself or its own gateway.
    Local,
    /// A peer relay that proved this name by its certificate and speaks for these domains.
    Peer {
        /// The name in its certificate.
        name: Domain,
        /// The domains that the directory lets it send for.
        speaks_for: Vec<Domain>,
    },
}

impl Origin {
    /// Whether the origin may say what became of a recipient in `domain`. A local origin speaks
    /// for every domain: our own relay reports what it could not hand on.
    pub fn speaks_for(&self, domain: &Domain) -> bool {
        match self {
            Self::Local => true,
            Self::Peer { speaks_for, .. } => speaks_for.contains(domain),
        }
    }
}

/// How far a recipient's message has come, as far as the sender's relay knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carriage {
    /// Durable in the queue.
    Queued,
    /// The recipient's relay has answered 250.
    Relayed,
    /// Filed in a mailbox of the relay's own gateway.
    Delivered,
    /// Not yet taken; the relay goes on trying.
    Delayed(Refusal),
    /// It will not arrive.
    Failed(Refusal),
}

/// Shows the envelope and the size, never the content.
impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrival")
            .field("envelope", &self.envelope.id)
            .field("octets", &self.message.size())
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}
