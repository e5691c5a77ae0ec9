//! From the queue to the next hop.
//!
//! - [`destinations`]: which destinations have work, and who works on them.
//! - [`worker`]: one destination's work: claim, carry, record, tell.
//! - [`carrying`]: to the own gateway, or to a peer with many messages on their way at a time.
//! - [`bridging`]: over the smart host of the bridge.
//! - [`link`]: the route to a destination and the connection to a peer.
//!
//! New work is taken up at once, without polling. Each destination has a bounded number of
//! workers, and each worker takes its turn among all after every batch, so that a slow
//! destination, or one with a long queue, does not hold up the others.

mod bridging;
mod carrying;
pub(crate) mod destinations;
mod link;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use liaison_base::shutdown::Shutdown;
use liaison_mail::port::{Delivery, News};
use liaison_store::Word;
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use crate::RelayError;
use crate::queue::due_for;
use crate::relay::Inner;

/// The longest sleep before the hours are looked at again: a clock that jumps is noticed.
const NAP: Duration = Duration::from_secs(30);
/// How often leases that ran out and histories past their time are looked for.
const ROUND: Duration = Duration::from_secs(60);

/// What the workers share.
pub(crate) struct Outbound {
    relay: Arc<Inner>,
    delivery: Arc<dyn Delivery>,
    news: Arc<dyn News>,
    shutdown: Shutdown,
    /// One for each delivery to a peer at a time, given out in the order of asking.
    slots: Semaphore,
    /// Messages too large to lie beside their row that the own gateway has in hand.
    large: Semaphore,
}

/// Takes up what waits in the queue and whatever comes.
pub(crate) async fn start(
    relay: Arc<Inner>,
    delivery: Arc<dyn Delivery>,
    news: Arc<dyn News>,
    shutdown: Shutdown,
) -> Result<(), RelayError> {
    for (domain, due) in relay.queue.waiting().await? {
        relay.destinations.due(&domain, due);
    }
    let outbound = Arc::new(Outbound {
        slots: Semaphore::new(
            relay
                .settings
                .limits
                .deliveries
                .clamp(1, Semaphore::MAX_PERMITS),
        ),
        large: Semaphore::new(1),
        relay,
        delivery,
        news,
        shutdown: shutdown.clone(),
    });
    shutdown.spawn(dispatch(Arc::clone(&outbound)));
    shutdown.spawn(listen(Arc::clone(&outbound)));
    shutdown.spawn(keep_house(outbound));
    Ok(())
}

/// Starts workers as they are asked for, and pokes destinations whose hour has come.
async fn dispatch(outbound: Arc<Outbound>) {
    let destinations = &outbound.relay.destinations;
    while !outbound.shutdown.is_asked() {
        let now = outbound.relay.clock.now();
        let next = destinations.ring(now);
        while let Some(domain) = destinations.next_start() {
            let worker = Arc::clone(&outbound);
            outbound.shutdown.spawn(worker::work(worker, domain));
        }
        let nap = next
            .map_or(NAP, |next| {
                Duration::try_from(next - now).unwrap_or_default()
            })
            .min(NAP);
        tokio::select! {
            () = destinations.changed() => {}
            () = tokio::time::sleep(nap) => {}
            () = outbound.shutdown.asked() => {}
        }
    }
}

/// Takes up what other processes on the database have queued.
async fn listen(outbound: Arc<Outbound>) {
    let relay = &outbound.relay;
    let mut news = relay.queue.news();
    loop {
        let word = tokio::select! {
            word = news.next() => word,
            () = outbound.shutdown.asked() => return,
        };
        match word {
            Word::Said(word) => {
                if let Some(domain) = due_for(&word) {
                    relay.destinations.poke(&domain, relay.clock.now());
                }
            }
            Word::Missed => look_around(relay).await,
        }
    }
}

/// Learns from the queue which destinations have work.
async fn look_around(relay: &Inner) {
    match relay.queue.waiting().await {
        Ok(waiting) => waiting
            .iter()
            .for_each(|(domain, due)| relay.destinations.due(domain, *due)),
        Err(error) => tracing::error!(%error, "the queue cannot be read"),
    }
}

/// The clock was set back: what was to be done at an hour that is far away now is done at once.
async fn set_back(relay: &Inner, now: OffsetDateTime) {
    tracing::warn!("the clock was set back; what waits is tried now");
    relay.destinations.set_back(now);
    if let Err(error) = relay.queue.set_back(now).await {
        tracing::error!(%error, "hours in the queue stay those of the clock before");
    }
    look_around(relay).await;
}

/// Ends leases that ran out, and forgets what was finished long ago.
async fn keep_house(outbound: Arc<Outbound>) {
    let relay = &outbound.relay;
    let schedule = &relay.settings.schedule;
    let round = ROUND.min(schedule.lease / 4).min(schedule.takeover / 2);
    loop {
        tokio::select! {
            () = tokio::time::sleep(round.max(Duration::from_millis(50))) => {}
            () = outbound.shutdown.asked() => return,
        }
        let now = relay.clock.now();
        if relay.clock.was_set_back() {
            set_back(relay, now).await;
        }
        match relay.queue.release_expired(now).await {
            Ok(domains) => {
                for domain in domains {
                    tracing::warn!(%domain, "a delivery's lease has ended; queued again");
                    relay.destinations.poke(&domain, now);
                }
            }
            Err(error) => tracing::error!(%error, "leases cannot be swept"),
        }
        if relay.queue.is_shared() {
            // Words may be lost.
            look_around(relay).await;
        }
        relay.peers.forget_idle(&relay.live.get().rates, now);
        let kept = time::Duration::try_from(relay.settings.schedule.keep_history);
        if let Some(limit) = kept.ok().and_then(|kept| now.checked_sub(kept))
            && let Err(error) = relay.queue.forget_before(limit).await
        {
            tracing::error!(%error, "old histories cannot be removed");
        }
    }
}
