//! One destination's work.

use std::collections::VecDeque;
use std::sync::Arc;

use liaison_directory_client::RelayEndpoint;
use liaison_mail::port::{Arrival, Origin};
use liaison_mail::{Domain, EnhancedStatus, Envelope, Refusal, Verdict};
use liaison_smtp::SmtpError;
use liaison_store::StoreError;

use super::Outbound;
use super::destinations::{Destinations, Rest};
use super::link::{self, Link, Route};
use crate::RelayError;
use crate::notices;
use crate::queue::lease::Claimed;
use crate::queue::{Outcome, Stored, later};
use crate::refusals::Reason;

/// Most recipients of each kind in one claim: what is lost in time when the process is killed,
/// and what other destinations wait for.
const BATCH: i64 = 50;

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
    let mut link = None;
    while !outbound.shutdown.is_asked() {
        let batch = {
            // Our own gateway never waits for peers that are slow to answer.
            let _slot = if outbound.relay.settings.domains.contains(&domain) {
                None
            } else {
                outbound.slots.acquire().await.ok()
            };
            destinations.look(&domain);
            outbound.batch(&domain, &mut link).await
        };
        match batch {
            Batch::Worked => {}
            Batch::Stop => break,
            Batch::Empty => {
                let due = outbound.next_due(&domain).await;
                match destinations.rest(&domain, due, link.is_some()) {
                    Rest::Again => {}
                    Rest::Leave => {
                        seat.taken = false;
                        break;
                    }
                    Rest::Wait(wake) => {
                        let woken = tokio::select! {
                            () = wake.notified() => true,
                            () = tokio::time::sleep(outbound.relay.settings.limits.linger) => false,
                            () = outbound.shutdown.asked() => false,
                        };
                        if !woken && destinations.give_up(&domain) {
                            seat.taken = false;
                            break;
                        }
                    }
                }
            }
        }
    }
    drop(seat);
    if let Some(link) = link {
        link.close().await;
    }
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

impl Outbound {
    async fn batch(&self, domain: &Domain, link: &mut Option<Link>) -> Batch {
        let now = self.relay.clock.now();
        let claims = match self.relay.queue.claim(domain, BATCH, now).await {
            Ok(claims) if claims.is_empty() => return Batch::Empty,
            Ok(claims) => claims,
            Err(error) => return self.stop(domain, &error),
        };
        if claims.len() >= usize::try_from(BATCH).unwrap_or(usize::MAX) {
            // There may be more than one worker can do.
            self.relay.destinations.poke(domain, now);
        }
        let mut route = link::route(&self.relay, domain).await;
        let mut groups = by_message(claims);
        while let Some(group) = groups.pop_front() {
            if self.shutdown.is_asked() {
                groups.push_front(group);
                self.give_back(groups.into_iter().flatten().collect()).await;
                return Batch::Stop;
            }
            let seen = match &route {
                Ok(route) => self.see_through(route, link, group).await,
                Err(refusal) => self.refuse(group, refusal).await,
            };
            match seen {
                Ok(None) => {}
                // No session: the rest of the batch need not try each in turn.
                Ok(Some(refusal)) => route = Err(refusal),
                Err(error) => {
                    self.give_back(groups.into_iter().flatten().collect()).await;
                    return self.stop(domain, &error);
                }
            }
        }
        match route {
            Err(refusal) if refusal.is_transient() => {
                let wait = self.relay.settings.schedule.first_retry;
                let until = later(self.relay.clock.now(), wait);
                self.relay.destinations.hold(domain, until);
                Batch::Stop
            }
            _ => Batch::Worked,
        }
    }

    /// Delivers one message to its recipients in the claim. `Some` when the destination cannot be
    /// reached at all.
    async fn see_through(
        &self,
        route: &Route,
        link: &mut Option<Link>,
        group: Vec<Claimed>,
    ) -> Result<Option<Refusal>, RelayError> {
        let Some(message) = self.message_of(&group).await? else {
            return Ok(None);
        };
        let body = match self.relay.queue.body(message.id).await {
            Ok(body) => body,
            Err(RelayError::Store(StoreError::Damaged(file))) => {
                tracing::error!(envelope = %message.envelope.id, file, "a body is damaged");
                let lost = Outcome::Refused(Refusal::permanent(
                    554,
                    EnhancedStatus::CONTENT,
                    "the message was damaged in this relay's storage; send it again",
                ));
                self.record(message, all(group, &lost)).await?;
                return Ok(None);
            }
            Err(error) => {
                self.give_back(group).await;
                return Err(error);
            }
        };
        let envelope = Envelope {
            recipients: group.iter().map(|one| one.recipient.clone()).collect(),
            ..message.envelope.clone()
        };
        let (outcomes, unreachable) = match route {
            Route::Gateway => {
                let arrival = Arrival {
                    envelope,
                    message: body,
                    origin: message.origin.clone(),
                    accepted_at: message.accepted_at,
                };
                let verdicts = self.delivery.deliver(arrival).await;
                (outcomes(group, verdicts, &Outcome::Delivered), None)
            }
            Route::Peer(endpoint) => match self.send(endpoint, link, &envelope, &body).await {
                Ok((verdicts, reports)) => (
                    outcomes(group, verdicts, &Outcome::Relayed { reports }),
                    None,
                ),
                Err(NoSession::Unreachable(refusal)) => {
                    let outcome = Outcome::Refused(refusal.clone());
                    (all(group, &outcome), Some(refusal))
                }
                Err(NoSession::Unsendable(refusal)) => {
                    (all(group, &Outcome::Refused(refusal)), None)
                }
            },
        };
        self.record(message, outcomes).await?;
        Ok(unreachable)
    }

    /// Sends over the open connection or a new one. A connection that has died since it was last
    /// used is no answer of the peer: the message goes again over a new one at once. If the peer
    /// had taken it, it knows it by its envelope's identifier.
    async fn send(
        &self,
        endpoint: &RelayEndpoint,
        link: &mut Option<Link>,
        envelope: &Envelope,
        body: &[u8],
    ) -> Result<(Vec<Verdict>, bool), NoSession> {
        loop {
            let open = match link {
                Some(open) => open,
                None => link.insert(
                    link::connect(&self.relay, endpoint)
                        .await
                        .map_err(NoSession::Unreachable)?,
                ),
            };
            let had_worked = std::mem::replace(&mut open.used, true);
            let sent = open.connection.send(envelope, body).await;
            if !open.connection.is_reusable() {
                *link = None;
            }
            match sent {
                Ok(outcome) if had_worked && link.is_none() && all_lost(&outcome.verdicts) => {}
                Ok(outcome) => return Ok((outcome.verdicts, outcome.peer_dsn)),
                Err(SmtpError::Content(fault)) => {
                    return Err(NoSession::Unsendable(SmtpError::Content(fault).refusal()));
                }
                Err(error) => {
                    *link = None;
                    if !had_worked {
                        return Err(NoSession::Unreachable(error.refusal()));
                    }
                }
            }
        }
    }

    async fn refuse(
        &self,
        group: Vec<Claimed>,
        refusal: &Refusal,
    ) -> Result<Option<Refusal>, RelayError> {
        if let Some(message) = self.message_of(&group).await? {
            let outcome = Outcome::Refused(refusal.clone());
            self.record(message, all(group, &outcome)).await?;
        }
        Ok(None)
    }

    async fn message_of(&self, group: &[Claimed]) -> Result<Option<Stored>, RelayError> {
        match group.first() {
            Some(first) => self.relay.queue.message(first.message).await,
            None => Ok(None),
        }
    }

    /// Commits, then tells the gateway, and wakes whoever carries the reports.
    async fn record(
        &self,
        message: Stored,
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

    /// Gives back what was claimed and not tried. If that fails too, the lease's end does it.
    async fn give_back(&self, claims: Vec<Claimed>) {
        let now = self.relay.clock.now();
        if let Err(error) = self.relay.queue.release(claims, now).await {
            tracing::warn!(%error, "claims stay leased until their time is up");
        }
    }

    async fn next_due(&self, domain: &Domain) -> Option<time::OffsetDateTime> {
        match self.relay.queue.next_due(domain).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(%error, "the queue cannot be read");
                Some(later(
                    self.relay.clock.now(),
                    self.relay.settings.schedule.first_retry,
                ))
            }
        }
    }

    /// The queue itself is in trouble: nothing was lost, and it is tried again after a while.
    fn stop(&self, domain: &Domain, error: &RelayError) -> Batch {
        tracing::error!(%error, %domain, reason = Reason::Storage.as_str(), "deliveries pause");
        let wait = self.relay.settings.schedule.first_retry;
        let until = later(self.relay.clock.now(), wait);
        self.relay.destinations.hold(domain, until);
        Batch::Stop
    }
}

/// Why a message was not offered to the peer.
enum NoSession {
    Unreachable(Refusal),
    Unsendable(Refusal),
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

fn all(group: Vec<Claimed>, outcome: &Outcome) -> Vec<(Claimed, Outcome)> {
    group
        .into_iter()
        .map(|claimed| (claimed, outcome.clone()))
        .collect()
}

/// Joins claims with verdicts; a recipient without one is tried again.
fn outcomes(
    group: Vec<Claimed>,
    verdicts: Vec<Verdict>,
    accepted: &Outcome,
) -> Vec<(Claimed, Outcome)> {
    let mut verdicts = verdicts.into_iter();
    group
        .into_iter()
        .map(|claimed| {
            let outcome = match verdicts.next() {
                Some(Verdict::Accepted) => accepted.clone(),
                Some(Verdict::Refused(refusal)) => Outcome::Refused(refusal),
                None => Outcome::Refused(Refusal::transient(
                    451,
                    EnhancedStatus::TRY_LATER,
                    "no verdict for this recipient",
                )),
            };
            (claimed, outcome)
        })
        .collect()
}

fn all_lost(verdicts: &[Verdict]) -> bool {
    verdicts
        .iter()
        .all(|verdict| matches!(verdict, Verdict::Refused(refusal) if refusal.is_transient()))
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
            Outcome::Refused(refusal) => {
                tracing::warn!(%envelope, %domain, attempt, code = %refusal.code,
                    status = %refusal.status, "not taken");
            }
        }
    }
}
