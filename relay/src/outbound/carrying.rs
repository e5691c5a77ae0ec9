//! How a worker carries messages: to the gateway behind this relay, or over a connection to a
//! peer on which many are on their way at a time.

use std::collections::{HashMap, VecDeque};
use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use futures::stream::{self, StreamExt as _};
use liaison_directory_client::RelayEndpoint;
use liaison_mail::body::{Body, ReadAt};
use liaison_mail::port::Arrival;
use liaison_mail::{EnhancedStatus, Envelope, Refusal, Verdict};
use liaison_smtp::client::{self, Announced};
use liaison_smtp::io::Source;
use liaison_store::StoreError;
use liaison_store::body::{BodyReader, Spooled};

use super::Outbound;
use super::link;
use super::worker::{Parcel, Stuck, Worker, all, deferred, split};
use crate::RelayError;
use crate::queue::intake::Stowed;
use crate::queue::lease::Claimed;
use crate::queue::line::Line;
use crate::queue::{Outcome, Stored};

/// Lines delivered to the own gateway at a time.
const LINES: usize = 16;

/// What became of the recipients of a message.
type Seen = (Arc<Stored>, Vec<(Claimed, Outcome)>);

impl Worker {
    /// Gives parcels to the own gateway: several at a time, those of one line one after the other.
    pub(super) async fn deliver(&mut self, parcels: Vec<Parcel>) -> Result<(), RelayError> {
        let outbound = Arc::clone(&self.outbound);
        let stuck = self.stuck.clone();
        let mut seen = stream::iter(by_line(parcels))
            .map(|together| give_all(&outbound, together, stuck.clone()))
            .buffer_unordered(LINES);
        let mut failed = None;
        while let Some((given, error)) = seen.next().await {
            for (message, outcomes) in given {
                self.record(message, outcomes);
            }
            failed = failed.or(error);
        }
        failed.map_or(Ok(()), Err)
    }

    /// Sends parcels to a peer, over the open connection or a new one. A connection that has died
    /// since it was last used is no answer of the peer: what was on its way goes again over a new
    /// one at once. If the peer had taken it, it knows it by its envelope's identifier. `Some`
    /// when the peer cannot be reached.
    pub(super) async fn send(
        &mut self,
        endpoint: &RelayEndpoint,
        parcels: Vec<Parcel>,
    ) -> Result<Option<Refusal>, RelayError> {
        let mut waiting = VecDeque::from(parcels);
        let mut on_the_way: VecDeque<Parcel> = VecDeque::new();
        loop {
            self.put_on_the_way(&mut waiting, &mut on_the_way).await;
            if !on_the_way.is_empty() {
                self.hear(&mut waiting, &mut on_the_way).await;
                continue;
            }
            let Some(next) = waiting.pop_front() else {
                return Ok(None);
            };
            let Some(next) = self.movable(next) else {
                continue;
            };
            if !self.is_linked() {
                self.link = None;
                match link::connect(&self.outbound.relay, endpoint).await {
                    Ok(link) => self.link = Some(link),
                    Err(refusal) => {
                        self.refuse(next, &refusal);
                        for parcel in waiting {
                            self.refuse(parcel, &refusal);
                        }
                        return Ok(Some(refusal));
                    }
                }
                waiting.push_front(next);
            } else if let Some(again) = self.send_alone(next).await? {
                waiting.push_front(again);
            }
        }
    }

    fn is_linked(&self) -> bool {
        let usable = |link: &link::Link| link.connection.is_reusable();
        self.link.as_ref().is_some_and(usable)
    }

    /// Writes as many as may be on their way together.
    async fn put_on_the_way(
        &mut self,
        waiting: &mut VecDeque<Parcel>,
        on_the_way: &mut VecDeque<Parcel>,
    ) {
        let mut written = false;
        while let Some(parcel) = waiting.pop_front() {
            let Some(parcel) = self.movable(parcel) else {
                continue;
            };
            let (Some(link), Some(Stowed::Inline(content))) =
                (&mut self.link, &parcel.loaded.content)
            else {
                waiting.push_front(parcel);
                break;
            };
            if !link.connection.can_pipeline() || must_wait(&parcel, on_the_way) {
                waiting.push_front(parcel);
                break;
            }
            let content = Arc::clone(content);
            let message = &parcel.loaded.message;
            let pieces = [message.trace.as_bytes(), &*content];
            let envelope = envelope(&parcel);
            let sent = link
                .connection
                .pipeline(&envelope, announced(message), &pieces);
            if sent.is_err() {
                waiting.push_front(parcel);
                break;
            }
            on_the_way.push_back(parcel);
            written = true;
        }
        if let (true, Some(link)) = (written, &mut self.link) {
            link.connection.flush().await;
        }
    }

    /// Takes the next outcome of what is on its way.
    async fn hear(&mut self, waiting: &mut VecDeque<Parcel>, on_the_way: &mut VecDeque<Parcel>) {
        let outcome = match &mut self.link {
            Some(link) => link.connection.outcome().await,
            None => None,
        };
        let Some(parcel) = on_the_way.pop_front() else {
            return;
        };
        let again = match outcome {
            Some(outcome) => self.conclude(parcel, outcome),
            None => Some(parcel),
        };
        if let Some(parcel) = again {
            // Those behind it are lost as well, and go again in their order.
            on_the_way.push_front(parcel);
            while let Some(parcel) = on_the_way.pop_back() {
                waiting.push_front(parcel);
            }
            self.link = None;
        }
    }

    /// Sends one message while nothing else is on its way. Gives it back when the connection was
    /// dead before the peer could say anything.
    async fn send_alone(&mut self, parcel: Parcel) -> Result<Option<Parcel>, RelayError> {
        let content = match reader(&self.outbound, &parcel).await {
            Ok(Some(content)) => content,
            Ok(None) => {
                self.lose(parcel);
                return Ok(None);
            }
            Err(error) => {
                self.give_back(parcel.claims).await;
                return Err(error);
            }
        };
        let Some(link) = &mut self.link else {
            return Ok(Some(parcel));
        };
        let message = &parcel.loaded.message;
        if message.size > liaison_store::body::INLINE as u64 {
            // It takes its time: what comes meanwhile need not wait for it.
            self.outbound.relay.destinations.grow(&self.domain);
        }
        let failure = Arc::new(OnceLock::new());
        let source = Pieces {
            trace: Some(message.trace.clone()),
            content,
            failure: Arc::clone(&failure),
        };
        let (envelope, announced) = (envelope(&parcel), announced(message));
        let sent = link
            .connection
            .send_from(&envelope, announced, source)
            .await;
        if let Some(error) = failure.get() {
            // The peer got no end of it, and the connection is lost.
            self.link = None;
            return self.unreadable(parcel, error).await;
        }
        match sent {
            Ok(outcome) => Ok(self.conclude(parcel, outcome)),
            Err(error) => {
                let had_worked = link.worked;
                self.link = None;
                if had_worked {
                    return Ok(Some(parcel));
                }
                self.refuse(parcel, &error.refusal());
                Ok(None)
            }
        }
    }

    /// Records an outcome; or gives the parcel back, to go again over a new connection.
    fn conclude(&mut self, parcel: Parcel, outcome: client::Outcome) -> Option<Parcel> {
        let Some(link) = &mut self.link else {
            return Some(parcel);
        };
        let dead = !link.connection.is_reusable();
        if dead && link.worked && all_lost(&outcome.verdicts) {
            return Some(parcel);
        }
        link.worked |= !dead;
        let accepted = Outcome::Relayed {
            reports: outcome.peer_dsn,
        };
        let outcomes = outcomes(parcel.claims, outcome.verdicts, &accepted);
        self.record(parcel.loaded.message, outcomes);
        None
    }

    /// The content could not be read to its end.
    async fn unreadable(
        &mut self,
        parcel: Parcel,
        error: &StoreError,
    ) -> Result<Option<Parcel>, RelayError> {
        if let StoreError::Damaged(name) = error {
            self.outbound.relay.queue.set_aside(name).await;
            self.lose(parcel);
            return Ok(None);
        }
        self.give_back(parcel.claims).await;
        Err(StoreError::Body(std::io::Error::other(error.to_string())).into())
    }

    fn lose(&mut self, parcel: Parcel) {
        tracing::error!(envelope = %parcel.loaded.message.envelope.id, "a body is damaged");
        self.record(parcel.loaded.message, all(parcel.claims, &damaged()));
    }
}

/// Whether one before it in a strict line has no answer yet.
fn must_wait(parcel: &Parcel, on_the_way: &VecDeque<Parcel>) -> bool {
    lines(parcel)
        .filter(|line| line.is_strict())
        .any(|line| on_the_way.iter().flat_map(lines).any(|one| one == line))
}

fn lines(parcel: &Parcel) -> impl Iterator<Item = Line> {
    parcel.claims.iter().filter_map(|claimed| claimed.line)
}

/// Parcels that share a line together, each in order.
fn by_line(parcels: Vec<Parcel>) -> Vec<Vec<Parcel>> {
    let mut groups: Vec<Vec<Parcel>> = Vec::new();
    let mut group_of: HashMap<Line, usize> = HashMap::new();
    for parcel in parcels {
        let mut found: Vec<usize> = lines(&parcel)
            .filter_map(|line| group_of.get(&line).copied())
            .collect();
        found.sort_unstable();
        found.dedup();
        let group = match found.first() {
            Some(first) => *first,
            None => {
                groups.push(Vec::new());
                groups.len() - 1
            }
        };
        // One message to several mailboxes joins their lines.
        for other in found.into_iter().skip(1) {
            let joined = std::mem::take(&mut groups[other]);
            groups[group].extend(joined);
            for of in group_of.values_mut().filter(|of| **of == other) {
                *of = group;
            }
        }
        group_of.extend(lines(&parcel).map(|line| (line, group)));
        groups[group].push(parcel);
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// Gives parcels to the own gateway, one after the other. What could not be read is left to the end
/// of its lease.
async fn give_all(
    outbound: &Outbound,
    parcels: Vec<Parcel>,
    mut stuck: Stuck,
) -> (Vec<Seen>, Option<RelayError>) {
    let mut given = Vec::with_capacity(parcels.len());
    for parcel in parcels {
        let (parcel, behind) = split(parcel, &stuck);
        if !behind.is_empty() {
            given.push((Arc::clone(&parcel.loaded.message), behind));
        }
        if parcel.claims.is_empty() {
            continue;
        }
        match give(outbound, parcel).await {
            Ok(seen) => {
                stuck.extend(deferred(&seen.1));
                given.push(seen);
            }
            Err(error) => return (given, Some(error)),
        }
    }
    (given, None)
}

async fn give(outbound: &Outbound, parcel: Parcel) -> Result<Seen, RelayError> {
    // The gateway holds what it opens: one large one at a time, however many connections brought
    // them.
    let _alone = match &parcel.loaded.content {
        Some(Stowed::File { .. }) => outbound.large.acquire().await.ok(),
        _ => None,
    };
    let Some(content) = body(outbound, &parcel).await? else {
        return Ok((parcel.loaded.message, all(parcel.claims, &damaged())));
    };
    let envelope = envelope(&parcel);
    let message = parcel.loaded.message;
    let arrival = Arrival {
        envelope,
        message: content,
        origin: message.origin.clone(),
        accepted_at: message.accepted_at,
    };
    let verdicts = outbound.delivery.deliver(arrival).await;
    let outcomes = outcomes(parcel.claims, verdicts, &Outcome::Delivered);
    Ok((message, outcomes))
}

/// A message with this relay's header lines; `None` when it is damaged.
pub(super) async fn whole(
    outbound: &Outbound,
    parcel: &Parcel,
) -> Result<Option<Arc<[u8]>>, RelayError> {
    let message = &parcel.loaded.message;
    if let (Some(Stowed::Inline(content)), true) =
        (&parcel.loaded.content, message.trace.is_empty())
    {
        return Ok(Some(Arc::clone(content)));
    }
    let Some(mut reader) = reader(outbound, parcel).await? else {
        return Ok(None);
    };
    let mut octets = Vec::with_capacity(usize::try_from(message.size).unwrap_or(0));
    octets.extend_from_slice(message.trace.as_bytes());
    loop {
        match reader.next().await {
            Ok(Some(piece)) => octets.extend_from_slice(&piece),
            Ok(None) => return Ok(Some(octets.into())),
            Err(StoreError::Damaged(name)) => {
                outbound.relay.queue.set_aside(&name).await;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A message with this relay's header lines; `None` when it is damaged. A large one stays where it
/// is.
async fn body(outbound: &Outbound, parcel: &Parcel) -> Result<Option<Body>, RelayError> {
    let trace = parcel.loaded.message.trace.as_bytes();
    match &parcel.loaded.content {
        None => Ok(None),
        Some(Stowed::Inline(content)) if trace.is_empty() => Ok(Some(Arc::clone(content).into())),
        Some(Stowed::Inline(content)) => {
            let whole: Arc<[u8]> = [trace, content].concat().into();
            Ok(Some(whole.into()))
        }
        Some(Stowed::File { name, .. }) => {
            let queue = &outbound.relay.queue;
            match queue.spool(name).await {
                Ok(content) => Ok(Some(Body::Kept(Arc::new(Traced {
                    trace: trace.into(),
                    content,
                })))),
                Err(RelayError::Store(StoreError::Damaged(name))) => {
                    queue.set_aside(&name).await;
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        }
    }
}

/// This relay's header lines, then a large content.
struct Traced {
    trace: Box<[u8]>,
    content: Spooled,
}

impl ReadAt for Traced {
    fn size(&self) -> u64 {
        self.trace.len() as u64 + self.content.length()
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> std::io::Result<usize> {
        let trace = self.trace.len() as u64;
        match at.checked_sub(trace) {
            Some(at) => self.content.read_at(at, into),
            None => {
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                self.trace.get(start..).unwrap_or_default().read(into)
            }
        }
    }
}

pub(super) fn damaged() -> Outcome {
    Outcome::Damaged(Refusal::permanent(
        554,
        EnhancedStatus::CONTENT,
        "the message was damaged in this relay's storage; send it again",
    ))
}

pub(super) fn envelope(parcel: &Parcel) -> Envelope {
    Envelope {
        recipients: parcel
            .claims
            .iter()
            .map(|one| one.recipient.clone())
            .collect(),
        ..parcel.loaded.message.envelope.clone()
    }
}

fn announced(message: &Stored) -> Announced {
    Announced {
        size: message.size,
        eight_bit: message.eight_bit,
        require_tls: message.require_tls,
    }
}

/// A message as a source: this relay's header lines, then the content.
struct Pieces {
    trace: Option<String>,
    content: BodyReader,
    /// Why the content could not be read to its end.
    failure: Arc<OnceLock<StoreError>>,
}

impl Source for Pieces {
    async fn next(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        if let Some(trace) = self.trace.take().filter(|trace| !trace.is_empty()) {
            return Ok(Some(trace.into_bytes()));
        }
        match self.content.next().await {
            Ok(piece) => Ok(piece.map(Vec::from)),
            Err(error) => {
                let told = std::io::Error::other(error.to_string());
                let _ = self.failure.set(error);
                Err(told)
            }
        }
    }
}

/// Begins to read what a parcel holds; `None` when it is damaged.
async fn reader(outbound: &Outbound, parcel: &Parcel) -> Result<Option<BodyReader>, RelayError> {
    let queue = &outbound.relay.queue;
    let Some(content) = &parcel.loaded.content else {
        return Ok(None);
    };
    match queue.reader(content).await {
        Ok(content) => Ok(Some(content)),
        Err(RelayError::Store(StoreError::Damaged(name))) => {
            queue.set_aside(&name).await;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Joins claims with verdicts; a recipient without one is tried again.
pub(super) fn outcomes(
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
