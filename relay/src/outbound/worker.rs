//! One destination's work: claim, carry, record, tell.
//!
//! While one batch is carried, the outcomes of the one before are committed, and the next is
//! claimed if there is more. A worker carries what it has claimed in order, and what stands in one
//! line ([`crate::queue::line`]) is never in the hands of two. Once one of a line must be tried
//! again, those behind it that the worker has in hand already are not carried either.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use liaison_mail::port::Origin;
use liaison_mail::{Domain, Refusal};
use tokio::task::JoinSet;

use super::Outbound;
use super::destinations::{Destinations, Rest};
use super::link::{self, Link, Route};
use crate::RelayError;
use crate::notices;
use crate::queue::lease::Claimed;
use crate::queue::line::Line;
use crate::queue::{Loaded, Outcome, Stored, later};
use crate::refusals::Reason;

/// Most recipients of each kind in one claim: what is lost in time when the process is killed,
/// and what other destinations wait for.
const BATCH: usize = 128;
/// Most messages loaded at once, each with up to 128 KiB beside its row.
const LOAD: usize = 32;
/// Most messages whose outcomes are being committed while others are carried.
const UNRECORDED: usize = 2 * BATCH;

/// What a batch came to.
enum Batch {
    /// Something was claimed and seen through.
    Worked,
    /// Nothing is due.
    Empty,
    /// The destination, or the disk, wants to be left alone for a while.
    Stop,
}

/// Works on `domain` until nothing is due, then a little longer if a connection is open.
pub(super) async fn work(outbound: Arc<Outbound>, domain: Domain) {
    let destinations = &outbound.relay.destinations;
    let mut seat = Seat {
        destinations,
        domain: &domain,
        taken: true,
    };
    let mut worker = Worker {
        outbound: Arc::clone(&outbound),
        domain: domain.clone(),
        seat: None,
        link: None,
        ahead: Vec::new(),
        stuck: Stuck::default(),
        recording: JoinSet::new(),
    };
    while !outbound.shutdown.is_asked() {
        let batch = {
            // Our own gateway never waits for peers that are slow to answer.
            let _slot = if outbound.relay.settings.domains.contains(&domain) {
                None
            } else {
                outbound.slots.acquire().await.ok()
            };
            destinations.look(&domain);
            worker.batch().await
        };
        match batch {
            Batch::Worked => {}
            Batch::Stop => break,
            Batch::Empty => match worker.rest().await {
                Resting::Again => {}
                Resting::Leave => break,
                Resting::Left => {
                    seat.taken = false;
                    break;
                }
            },
        }
    }
    worker.end().await;
    drop(seat);
}

/// What a worker without work does.
enum Resting {
    /// Looks again.
    Again,
    /// Leaves.
    Leave,
    /// Leaves, and is counted out already.
    Left,
}

/// A worker's place at its destination, given up however the worker ends.
struct Seat<'a> {
    destinations: &'a Destinations,
    domain: &'a Domain,
    taken: bool,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if self.taken {
            self.destinations.leave(self.domain);
        }
    }
}

/// One worker. How it carries is in [`super::carrying`].
pub(super) struct Worker {
    pub(super) outbound: Arc<Outbound>,
    pub(super) domain: Domain,
    /// Its number in the queue, once it has one.
    seat: Option<i64>,
    pub(super) link: Option<Link>,
    /// Lines that do not move, with the reason.
    pub(super) stuck: Stuck,
    /// Claimed while the batch before was carried.
    ahead: Vec<Claimed>,
    /// Outcomes being committed.
    recording: JoinSet<Result<(), RelayError>>,
}

/// Lines one of which was deferred, with what it was told.
pub(super) type Stuck = HashMap<Line, Refusal>;

/// A message and the recipients to whom it goes now.
pub(super) struct Parcel {
    pub(super) loaded: Loaded,
    pub(super) claims: Vec<Claimed>,
}

impl Worker {
    async fn batch(&mut self) -> Batch {
        let seat = match self.seat().await {
            Ok(seat) => seat,
            Err(error) => return self.stop(&error),
        };
        let claims = match std::mem::take(&mut self.ahead) {
            ahead if ahead.is_empty() => match claim(&self.outbound, &self.domain, seat).await {
                Ok(claims) if claims.is_empty() => return self.nothing_due().await,
                Ok(claims) => claims,
                Err(error) => return self.stop(&error),
            },
            ahead => ahead,
        };
        let full = claims.len() >= BATCH;
        let (outbound, domain) = (Arc::clone(&self.outbound), self.domain.clone());
        let next = async {
            match full {
                // There may be more than one worker can do soon.
                true => {
                    outbound.relay.destinations.grow(&domain);
                    claim(&outbound, &domain, seat).await
                }
                false => Ok(Vec::new()),
            }
        };
        let (carried, next) = tokio::join!(self.carry(claims), next);
        let next = next.and_then(|ahead| {
            self.ahead = ahead;
            carried
        });
        match next {
            Err(error) => self.stop(&error),
            Ok(Some(_)) => {
                let relay = &self.outbound.relay;
                let until = later(relay.clock.now(), relay.settings.schedule.first_retry);
                relay.destinations.hold(&self.domain, until);
                Batch::Stop
            }
            Ok(None) if self.outbound.shutdown.is_asked() => Batch::Stop,
            Ok(None) => {
                self.outbound.relay.destinations.succeeded(&self.domain);
                Batch::Worked
            }
        }
    }

    /// Its number, before a claim. Lines that did not move are forgotten once the queue itself knows
    /// that they do not.
    async fn seat(&mut self) -> Result<i64, RelayError> {
        if !self.stuck.is_empty() && self.ahead.is_empty() {
            self.recorded(0).await?;
            self.stuck.clear();
        }
        if let Some(seat) = self.seat {
            return Ok(seat);
        }
        let seat = self.outbound.relay.queue.seat().await?;
        self.seat = Some(seat);
        Ok(seat)
    }

    /// What is still being committed may have to be tried again: its hour is known after it.
    async fn nothing_due(&mut self) -> Batch {
        match self.recorded(0).await {
            Ok(()) => Batch::Empty,
            Err(error) => self.stop(&error),
        }
    }

    /// Sees a claim through. `Some` when the destination cannot be reached at all, for now.
    async fn carry(&mut self, claims: Vec<Claimed>) -> Result<Option<Refusal>, RelayError> {
        let mut groups = by_message(claims);
        let mut unreachable = None;
        let mut route = link::route(&self.outbound.relay, &self.domain).await;
        while !groups.is_empty() {
            if self.outbound.shutdown.is_asked() {
                self.give_back(groups.into_iter().flatten().collect()).await;
                return Ok(None);
            }
            let most = groups.len().min(LOAD);
            let now: Vec<Vec<Claimed>> = groups.drain(..most).collect();
            let seen = async {
                self.recorded(UNRECORDED).await?;
                let parcels = self.load(now.clone(), route.is_ok()).await?;
                match &route {
                    Ok(Route::Gateway) => self.deliver(parcels).await.map(|()| None),
                    Ok(Route::Peer(endpoint)) => self.send(endpoint, parcels).await,
                    Ok(Route::Bridge(bridge)) => self.bridge(bridge, parcels).await,
                    Err(refusal) => {
                        for parcel in parcels {
                            self.refuse(parcel, refusal);
                        }
                        Ok(refusal.is_transient().then(|| refusal.clone()))
                    }
                }
            };
            match seen.await {
                Ok(None) => {}
                // No session: the rest of the batch need not try each in turn.
                Ok(Some(refusal)) => {
                    unreachable = Some(refusal.clone());
                    route = Err(refusal);
                }
                Err(error) => {
                    groups.extend(now);
                    self.give_back(groups.into_iter().flatten().collect()).await;
                    return Err(error);
                }
            }
        }
        Ok(unreachable)
    }

    /// Joins claims with their messages, in the order of the claims.
    async fn load(
        &self,
        groups: Vec<Vec<Claimed>>,
        with_content: bool,
    ) -> Result<Vec<Parcel>, RelayError> {
        let ids: Vec<i64> = groups
            .iter()
            .filter_map(|group| group.first())
            .map(|first| first.message)
            .collect();
        let loaded = self.outbound.relay.queue.load(&ids, with_content).await?;
        let mut by_id: HashMap<i64, Loaded> = loaded
            .into_iter()
            .map(|loaded| (loaded.message.id, loaded))
            .collect();
        Ok(groups
            .into_iter()
            .filter_map(|claims| {
                let loaded = by_id.remove(&claims.first()?.message)?;
                Some(Parcel { loaded, claims })
            })
            .collect())
    }

    pub(super) fn refuse(&mut self, parcel: Parcel, refusal: &Refusal) {
        let outcome = Outcome::Refused(refusal.clone());
        self.record(parcel.loaded.message, all(parcel.claims, &outcome));
    }

    /// What of a parcel may be carried: not those behind one that was deferred.
    pub(super) fn movable(&mut self, parcel: Parcel) -> Option<Parcel> {
        let (parcel, behind) = split(parcel, &self.stuck);
        if !behind.is_empty() {
            self.record(Arc::clone(&parcel.loaded.message), behind);
        }
        (!parcel.claims.is_empty()).then_some(parcel)
    }

    /// Begins to commit what became of recipients of a message.
    pub(super) fn record(&mut self, message: Arc<Stored>, outcomes: Vec<(Claimed, Outcome)>) {
        self.stuck.extend(deferred(&outcomes));
        let outbound = Arc::clone(&self.outbound);
        self.recording
            .spawn(async move { outbound.record(message, outcomes).await });
    }

    /// Waits until at most `left` outcomes are still being committed.
    async fn recorded(&mut self, left: usize) -> Result<(), RelayError> {
        let mut all = Ok(());
        while self.recording.len() > left {
            match self.recording.join_next().await {
                Some(Ok(recorded)) => all = all.and(recorded),
                // Cut off: what was in hand is claimed again.
                Some(Err(error)) => tracing::error!(%error, "an outcome was not recorded"),
                None => break,
            }
        }
        all
    }

    /// Gives back what was claimed and not tried. If that fails too, the lease's end does it.
    pub(super) async fn give_back(&self, claims: Vec<Claimed>) {
        if claims.is_empty() {
            return;
        }
        let now = self.outbound.relay.clock.now();
        if let Err(error) = self.outbound.relay.queue.release(claims, now).await {
            tracing::warn!(%error, "claims stay leased until they are looked through");
        }
    }

    async fn rest(&mut self) -> Resting {
        let (outbound, domain) = (Arc::clone(&self.outbound), &self.domain);
        let destinations = &outbound.relay.destinations;
        let due = self.next_due().await;
        match destinations.rest(domain, due, self.link.is_some()) {
            Rest::Again => Resting::Again,
            Rest::Leave => Resting::Left,
            Rest::Wait(wake) => {
                let woken = tokio::select! {
                    () = wake.notified() => true,
                    () = tokio::time::sleep(outbound.relay.settings.limits.linger) => false,
                    () = outbound.shutdown.asked() => false,
                };
                match woken || !destinations.give_up(domain) {
                    true if outbound.shutdown.is_asked() => Resting::Leave,
                    true => Resting::Again,
                    false => Resting::Left,
                }
            }
        }
    }

    async fn next_due(&self) -> Option<time::OffsetDateTime> {
        let relay = &self.outbound.relay;
        match relay.queue.next_due(&self.domain).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the queue cannot be read");
                Some(later(
                    relay.clock.now(),
                    relay.settings.schedule.first_retry,
                ))
            }
        }
    }

    /// The queue itself is in trouble: nothing was lost, and it is tried again after a while.
    fn stop(&self, error: &RelayError) -> Batch {
        let (relay, domain) = (&self.outbound.relay, &self.domain);
        tracing::error!(%error, %domain, reason = Reason::Storage.as_str(), "deliveries pause");
        let until = later(relay.clock.now(), relay.settings.schedule.first_retry);
        relay.destinations.hold(domain, until);
        Batch::Stop
    }

    async fn end(mut self) {
        let ahead = std::mem::take(&mut self.ahead);
        self.give_back(ahead).await;
        if let Err(error) = self.recorded(0).await {
            tracing::error!(%error, "outcomes could not be recorded; they are tried again");
        }
        if let Some(link) = self.link.take() {
            link.close().await;
        }
    }
}

async fn claim(
    outbound: &Outbound,
    domain: &Domain,
    seat: i64,
) -> Result<Vec<Claimed>, RelayError> {
    let relay = &outbound.relay;
    let most = i64::try_from(BATCH).unwrap_or(1);
    relay
        .queue
        .claim(domain, (seat, most), relay.clock.now())
        .await
}

impl Outbound {
    /// Commits, then tells the gateway, and wakes whoever carries the reports.
    async fn record(
        &self,
        message: Arc<Stored>,
        outcomes: Vec<(Claimed, Outcome)>,
    ) -> Result<(), RelayError> {
        let relay = &self.relay;
        let now = relay.clock.now();
        log(&message, &outcomes);
        let domain = outcomes
            .first()
            .map(|(claimed, _)| claimed.recipient.address.domain().clone());
        let envelope = message.envelope.id.clone();
        let is_the_gateways = message.origin == Origin::Local && !notices::is_report(&message);
        let reporter = relay.reporter.clone();
        let recorded = relay.queue.record(message, outcomes, reporter, now).await?;
        for to in &recorded.reports_to {
            relay.destinations.poke(to, now);
            relay.queue.tell(to);
        }
        if let (Some(domain), Some(due)) = (domain, recorded.due) {
            relay.destinations.due(&domain, due);
        }
        if is_the_gateways {
            for (recipient, carriage) in recorded.news {
                self.news
                    .carried(envelope.clone(), recipient, carriage, now)
                    .await;
            }
        }
        Ok(())
    }
}

/// Parts those of a parcel's recipients that stand behind one that was deferred: they are told the
/// same.
pub(super) fn split(parcel: Parcel, stuck: &Stuck) -> (Parcel, Vec<(Claimed, Outcome)>) {
    let Parcel { loaded, claims } = parcel;
    let (mut free, mut behind) = (Vec::with_capacity(claims.len()), Vec::new());
    for claimed in claims {
        match claimed.line.and_then(|line| stuck.get(&line)) {
            Some(refusal) => behind.push((claimed, Outcome::Refused(refusal.clone()))),
            None => free.push(claimed),
        }
    }
    let claims = free;
    (Parcel { loaded, claims }, behind)
}

/// The lines that do not move after these outcomes.
pub(super) fn deferred(outcomes: &[(Claimed, Outcome)]) -> impl Iterator<Item = (Line, Refusal)> {
    outcomes
        .iter()
        .filter_map(|(claimed, outcome)| match outcome {
            Outcome::Refused(refusal) if refusal.is_transient() => {
                Some((claimed.line?, refusal.clone()))
            }
            _ => None,
        })
}

/// Claims of one message together, in the order of their first.
fn by_message(claims: Vec<Claimed>) -> VecDeque<Vec<Claimed>> {
    let mut groups: VecDeque<Vec<Claimed>> = VecDeque::new();
    for claim in claims {
        match groups.back_mut() {
            Some(group) if group.iter().any(|one| one.message == claim.message) => {
                group.push(claim);
            }
            _ => groups.push_back(vec![claim]),
        }
    }
    groups
}

pub(super) fn all(group: Vec<Claimed>, outcome: &Outcome) -> Vec<(Claimed, Outcome)> {
    group
        .into_iter()
        .map(|claimed| (claimed, outcome.clone()))
        .collect()
}

/// One line a recipient: the envelope's name follows the message through every relay.
fn log(message: &Stored, outcomes: &[(Claimed, Outcome)]) {
    for (claimed, outcome) in outcomes {
        let (envelope, domain) = (&message.envelope.id, claimed.recipient.address.domain());
        let attempt = claimed.attempts;
        match outcome {
            Outcome::Relayed { .. } => {
                tracing::info!(%envelope, %domain, attempt, "relayed");
            }
            Outcome::Delivered => tracing::info!(%envelope, %domain, attempt, "delivered"),
            Outcome::Refused(refusal) | Outcome::Damaged(refusal) => {
                tracing::warn!(%envelope, %domain, attempt, code = %refusal.code,
                    status = %refusal.status, "not taken");
            }
        }
    }
}
