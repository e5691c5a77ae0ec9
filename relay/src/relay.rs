//! The relay as its process sees it: opened, served, handed messages, asked what became of them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use liaison_base::clock::Clock;
use liaison_base::current::Current;
use liaison_base::health::Check;
use liaison_base::machine::{Gauge, Machine};
use liaison_base::shutdown::Shutdown;
use liaison_directory_client::Lookup;
use liaison_mail::port::{Carriage, Delivery, HandOver, News, OrderKey, Origin, PortFuture};
use liaison_mail::{
    Address, EnhancedStatus, Envelope, EnvelopeId, MessageId, Refusal, envelope, header,
};
use liaison_smtp::data::Canonical;
use ring::digest::Digest;
use tokio::time::timeout;

use crate::admission::{self, Denial, Sameness, trace};
use crate::door::{self, Door};
use crate::history::{self, Depth, Step, Waiting};
use crate::hours::Watched;
use crate::live::{self, Live};
use crate::measures::{self, Shown};
use crate::notices::Reporter;
use crate::outbound::destinations::Destinations;
use crate::peer::Peers;
use crate::queue::Queue;
use crate::queue::intake::{Intake, Stowed};
use crate::queue::steer::{Order, Selection, Steered, Warrant};
use crate::refusals::{Reason, Tally};
use crate::settings::Settings;
use crate::{RelayError, inbound, outbound};

/// A relay. Copies are the same relay.
#[derive(Clone)]
pub struct Relay {
    inner: Arc<Inner>,
}

/// What the relay's tasks share.
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<Watched>,
    pub(crate) directory: Arc<dyn Lookup>,
    pub(crate) queue: Queue,
    pub(crate) reporter: Reporter,
    pub(crate) destinations: Destinations,
    pub(crate) tally: Tally,
    /// What a reload replaces.
    pub(crate) live: Current<Live>,
    pub(crate) door: Door,
    pub(crate) peers: Peers,
    pub(crate) shown: Shown,
}

impl Relay {
    /// Opens the queue and reads the TLS material. From here on messages can be handed over; they
    /// are carried once [`Relay::serve`] has been called.
    ///
    /// # Errors
    /// [`RelayError::Base`] when a certificate, key or anchor cannot be used;
    /// [`RelayError::Store`] when the database or the folder of bodies cannot, or another process
    /// works on the same SQLite file.
    pub async fn open(
        settings: Settings,
        clock: Arc<dyn Clock>,
        directory: Arc<dyn Lookup>,
    ) -> Result<Self, RelayError> {
        let gauge = Arc::new(Machine::new(door::folder(&settings)));
        Self::open_with(settings, clock, directory, gauge).await
    }

    /// As [`Relay::open`], with another gauge of what is left of the machine.
    ///
    /// # Errors
    /// As [`Relay::open`].
    pub async fn open_with(
        settings: Settings,
        clock: Arc<dyn Clock>,
        directory: Arc<dyn Lookup>,
        gauge: Arc<dyn Gauge>,
    ) -> Result<Self, RelayError> {
        let live = Live::load(&settings)?;
        let clock = Arc::new(Watched::new(clock));
        measures::describe();
        let queue = Queue::open(&settings, Arc::clone(&clock) as Arc<dyn Clock>).await?;
        Ok(Self {
            inner: Arc::new(Inner {
                reporter: Reporter::new(&settings.hostname, &settings.domains)?,
                destinations: Destinations::new(settings.limits.deliveries_per_destination),
                tally: Tally::new(),
                live: Current::new(Arc::new(live)),
                door: Door::new(gauge),
                peers: Peers::default(),
                shown: Shown::default(),
                settings,
                clock,
                directory,
                queue,
            }),
        })
    }

    /// Opens the door to peers and starts carrying: `delivery` files what arrives for the domains
    /// served here, `news` hears what becomes of messages handed over. Answers with the bound
    /// address. The tasks end with `shutdown`: a message being received is finished, one being
    /// sent too, the rest waits in the queue.
    ///
    /// # Errors
    /// [`RelayError::Listen`] when the address is taken; [`RelayError::Store`] when the queue
    /// cannot be read.
    pub async fn serve(
        &self,
        delivery: Arc<dyn Delivery>,
        news: Arc<dyn News>,
        shutdown: Shutdown,
    ) -> Result<SocketAddr, RelayError> {
        let address = inbound::open(
            Arc::clone(&self.inner),
            Arc::clone(&delivery),
            shutdown.clone(),
        )
        .await?;
        outbound::start(Arc::clone(&self.inner), delivery, news, shutdown).await?;
        tracing::info!(%address, hostname = %self.inner.settings.hostname, "relay serves");
        Ok(address)
    }

    /// How often each reason for a refusal was given since the start.
    pub fn refusals(&self) -> BTreeMap<Reason, u64> {
        self.inner.tally.read()
    }

    /// What waits in the queue, the oldest first, at most `limit` recipients.
    ///
    /// # Errors
    /// [`RelayError::Store`] when the queue cannot be read.
    pub async fn waiting(&self, limit: u32) -> Result<Vec<Waiting>, RelayError> {
        history::waiting(self.inner.queue.rows(), limit).await
    }

    /// Holds back, releases, tries now or cancels what waits; what a worker has in hand is left
    /// alone. `warrant` is kept in the history. Answers with the recipients to whom the order was
    /// applied.
    ///
    /// # Errors
    /// [`RelayError::Store`] when the queue cannot be written.
    pub async fn steer(
        &self,
        order: Order,
        selection: Selection,
        warrant: &Warrant,
    ) -> Result<Vec<Steered>, RelayError> {
        let inner = &self.inner;
        let now = inner.clock.now();
        let steered = inner.queue.steer(order, selection, warrant, now).await?;
        for one in &steered {
            match order {
                Order::Release | Order::Retry => inner.destinations.forgive(one.to.domain(), now),
                // Whoever stood behind it in its line need not wait for it.
                Order::Hold | Order::Cancel => inner.destinations.poke(one.to.domain(), now),
            }
            inner.queue.tell(one.to.domain());
        }
        Ok(steered)
    }

    /// Calls an envelope of the own gateway back, and says what has become of each recipient: the
    /// message of those that fail now was never given to the next hop. What a worker has in hand
    /// is told as queued; ask again.
    ///
    /// # Errors
    /// [`RelayError::Store`] when the queue cannot be written.
    pub async fn recall(
        &self,
        envelope: &EnvelopeId,
        warrant: &Warrant,
    ) -> Result<Vec<(Address, Carriage)>, RelayError> {
        let own = Selection::Own(envelope.clone());
        self.steer(Order::Cancel, own, warrant).await?;
        history::carriage(self.inner.queue.rows(), envelope).await
    }

    /// How many recipients wait, by state and destination, and since when.
    ///
    /// # Errors
    /// [`RelayError::Store`] when the queue cannot be read.
    pub async fn depths(&self) -> Result<Vec<Depth>, RelayError> {
        history::depths(self.inner.queue.rows()).await
    }

    /// What this relay needs to do its work, looked at now: the store takes a write, disk, memory
    /// and load leave room, the directory answers, the certificate has not expired.
    pub async fn checks(&self) -> Vec<Check> {
        self.inner.checks().await
    }

    /// Brings the gauges of the metrics up to date.
    ///
    /// # Errors
    /// [`RelayError::Store`] when the queue cannot be read.
    pub async fn measure(&self) -> Result<(), RelayError> {
        let depths = self.depths().await?;
        measures::show(&self.inner, &depths);
        Ok(())
    }

    /// Checks whether `settings` could be put in force, without doing so.
    ///
    /// # Errors
    /// As [`Relay::reload`].
    pub fn check(settings: &Settings) -> Result<(), RelayError> {
        Live::load(settings).map(drop)
    }

    /// Puts certificates, anchors, revocation lists, transit, bridge, rates and pressure of `settings` in
    /// force for whoever connects from now on; open connections stay. Answers with the keys that
    /// differ and wait for the next start.
    ///
    /// # Errors
    /// [`RelayError::Base`] when a file cannot be used: everything stays as it was.
    pub fn reload(&self, settings: &Settings) -> Result<Vec<&'static str>, RelayError> {
        let live = Live::load(settings)?;
        self.inner.live.set(Arc::new(live));
        Ok(live::at_the_next_start(&self.inner.settings, settings))
    }

    /// Every step of every recipient of an envelope, whoever brought it, in order.
    ///
    /// # Errors
    /// [`RelayError::Store`] when the queue cannot be read.
    pub async fn trace(&self, envelope: &EnvelopeId) -> Result<Vec<Step>, RelayError> {
        history::trace(self.inner.queue.rows(), envelope).await
    }
}

impl HandOver for Relay {
    fn hand_over(
        &self,
        envelope: Envelope,
        order: Option<OrderKey>,
        message: Arc<[u8]>,
    ) -> PortFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            self.inner
                .take((envelope, order), message)
                .await
                .map_err(|denial| denial.refusal)
        })
    }

    fn carriage(&self, envelope: EnvelopeId) -> PortFuture<'_, Vec<(Address, Carriage)>> {
        Box::pin(async move {
            history::carriage(self.inner.queue.rows(), &envelope)
                .await
                .unwrap_or_else(|error| {
                    tracing::error!(%error, %envelope, "the queue cannot be read");
                    Vec::new()
                })
        })
    }
}

impl Inner {
    /// Admits what our own gateway hands over.
    async fn take(
        &self,
        (envelope, order): (Envelope, Option<OrderKey>),
        message: Arc<[u8]>,
    ) -> Result<(), Denial> {
        let result = match fit_for_smtp(&envelope, &message) {
            Ok(()) => {
                let offered = Offered {
                    origin: Origin::Local,
                    envelope,
                    order,
                    arrived: None,
                    eight_bit: !message.is_ascii(),
                    content: Offer::Whole(message),
                };
                self.admit(offered).await
            }
            Err(refusal) => Err(Denial {
                reason: Reason::Malformed,
                refusal,
            }),
        };
        if let Err(denial) = &result {
            self.deny(denial, "the gateway");
        }
        result
    }

    /// Checks the content, stamps the message and makes it durable.
    pub(crate) async fn admit(&self, offered: Offered) -> Result<(), Denial> {
        let Offered {
            origin,
            envelope,
            order,
            arrived,
            eight_bit,
            content,
        } = offered;
        let (octets, message_id) = match &content {
            Offer::Whole(content) => {
                admission::message(&self.settings, &envelope.from, content)?;
                (content.len(), message_id(content))
            }
            Offer::Stowed {
                content,
                message_id,
            } => {
                let octets = usize::try_from(content.octets()).unwrap_or(usize::MAX);
                (octets, message_id.clone())
            }
        };
        let now = self.clock.now();
        let named = arrived.as_ref().is_none_or(|one| one.named);
        let from = arrived.as_ref().map(|one| one.from.ip());
        // Without an identifier of the envelope the message's own stands in.
        let name = match (&message_id, named) {
            (Some(id), false) => id.as_str().to_owned(),
            _ => envelope.id.as_str().to_owned(),
        };
        let digest = arrived.as_ref().map(|one| one.digest.as_ref());
        let content = match content {
            Offer::Stowed { content, .. } => content,
            Offer::Whole(content) => self.queue.stow(content).await.map_err(|error| {
                tracing::error!(%error, envelope = %envelope.id, "a message could not be stored");
                unstored(&error)
            })?,
        };
        let intake = Intake {
            sameness: Sameness::new(&origin, &name, digest),
            before: self
                .queue
                .is_upgraded()
                .then(|| admission::sameness_before(&origin, &name, digest)),
            trace: trace::line(&origin, from, &self.settings.hostname, now),
            content,
            origin,
            envelope,
            order,
            named,
            message_id,
            eight_bit,
            require_tls: arrived.as_ref().is_some_and(|one| one.require_tls),
            accepted_at: now,
        };
        let id = intake.envelope.id.clone();
        let from_peer = matches!(intake.origin, Origin::Peer { .. });
        let recipients = intake.envelope.recipients.len();
        match self.queue.admit(intake).await {
            Ok(domains) if domains.is_empty() => {
                tracing::info!(envelope = %id, "taken before; nothing changes");
                Ok(())
            }
            Ok(domains) => {
                measures::taken(from_peer, octets);
                tracing::info!(envelope = %id, recipients, octets, "queued");
                for domain in domains {
                    self.destinations.poke(&domain, now);
                    self.queue.tell(&domain);
                }
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, envelope = %id, "a message could not be stored");
                Err(unstored(&error))
            }
        }
    }

    async fn checks(&self) -> Vec<Check> {
        let now = self.clock.now();
        let live = self.live.get();
        let mut checks = self.door.checks(&live.pressure, now);
        checks.push(Check::certificate("relay.certificate", live.not_after, now));
        checks.push(match timeout(PROBE, self.queue.probe()).await {
            Ok(Ok(())) => Check::passed("relay.store", "takes a write"),
            Ok(Err(error)) => Check::failed("relay.store", error.to_string()),
            Err(_) => Check::failed("relay.store", "no write ended in time"),
        });
        let asked = self.directory.peer(self.settings.hostname.as_str());
        checks.push(match timeout(PROBE, asked).await {
            Ok(Ok(Some(_))) => Check::passed("relay.directory", "answers, and lists this relay"),
            Ok(Ok(None)) => Check::failed(
                "relay.directory",
                "answers, and lists no relay of this hostname",
            ),
            Ok(Err(error)) => Check::failed("relay.directory", error.to_string()),
            Err(_) => Check::failed("relay.directory", "no answer in time"),
        });
        checks
    }

    /// Counts and logs a refusal. Neither the content nor a mailbox is named.
    pub(crate) fn deny(&self, denial: &Denial, who: &str) {
        self.tally.count(denial.reason, denial.refusal.code);
        tracing::warn!(
            reason = denial.reason.as_str(),
            code = %denial.refusal.code,
            status = %denial.refusal.status,
            from = who,
            "refused"
        );
    }
}

/// How long a probe waits for the store or the directory.
const PROBE: Duration = Duration::from_secs(5);

/// A message that asks for admission.
pub(crate) struct Offered {
    pub(crate) origin: Origin,
    pub(crate) envelope: Envelope,
    /// Which of the own gateway's it must not overtake.
    pub(crate) order: Option<OrderKey>,
    /// How it came, when a peer brought it.
    pub(crate) arrived: Option<Arrived>,
    /// Whether the content has octets above 127.
    pub(crate) eight_bit: bool,
    pub(crate) content: Offer,
}

/// A message's content.
pub(crate) enum Offer {
    /// In memory, and not looked at yet.
    Whole(Arc<[u8]>),
    /// Written away and looked at while it came in ([`crate::taking`]).
    Stowed {
        content: Stowed,
        message_id: Option<MessageId>,
    },
}

/// How a message came through the door.
pub(crate) struct Arrived {
    pub(crate) from: SocketAddr,
    /// Whether the peer gave an `ENVID`.
    pub(crate) named: bool,
    /// Whether it gave `REQUIRETLS` (RFC 8689).
    pub(crate) require_tls: bool,
    /// SHA-256 of the content.
    pub(crate) digest: Digest,
}

pub(crate) fn unstored(error: &RelayError) -> Denial {
    Denial {
        reason: error.reason(),
        refusal: error.refusal(),
    }
}

/// What SMTP cannot carry as it stands is refused at hand-over, not at each try (RFC 5321 §2.3.8).
fn fit_for_smtp(envelope: &Envelope, message: &[u8]) -> Result<(), Refusal> {
    if !(1..=envelope::MAX_RECIPIENTS).contains(&envelope.recipients.len()) {
        let status = EnhancedStatus::new(5, 5, 3).unwrap_or(EnhancedStatus::REFUSED);
        let text = "an envelope has 1 to 100 recipients";
        return Err(Refusal::permanent(554, status, text));
    }
    Canonical::new(message)
        .map(drop)
        .map_err(|fault| Refusal::permanent(554, EnhancedStatus::CONTENT, fault.to_string()))
}

pub(crate) fn message_id(message: &[u8]) -> Option<MessageId> {
    let (header, _) = header::split(message);
    MessageId::parse(&header.value("Message-ID")?).ok()
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("hostname", &self.inner.settings.hostname)
            .finish_non_exhaustive()
    }
}
