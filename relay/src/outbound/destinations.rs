//! Which destinations have work, who works on them, and when the next of them is due. In memory
//! only: the queue knows all of it, and is asked once at the start.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use liaison_mail::Domain;
use time::OffsetDateTime;
use tokio::sync::Notify;

/// All destinations with work or workers.
pub(crate) struct Destinations {
    table: Mutex<Table>,
    /// Rung when a worker is to be started or an earlier hour is due.
    changed: Notify,
    /// Most workers of one destination.
    most: usize,
}

#[derive(Default)]
struct Table {
    by_domain: HashMap<Domain, Destination>,
    /// Destinations for which a worker is to be started, in the order of their asking.
    start: VecDeque<Domain>,
}

#[derive(Default)]
struct Destination {
    /// Workers, those to be started and those at rest included.
    workers: usize,
    /// Workers that wait for more with an open connection.
    resting: usize,
    /// Whether something has come since a worker last looked.
    fresh: bool,
    /// Whether a worker found nothing while another was at work, who may have had in hand what
    /// others wait for: whoever is at work looks again.
    again: bool,
    /// When to look again.
    due: Option<OffsetDateTime>,
    /// Until when it is left alone: it could not be reached.
    held_until: Option<OffsetDateTime>,
    /// Workers that it may have more than one, so far: each success allows another, a failure
    /// takes all back (slow start).
    allowed: usize,
    wake: Arc<Notify>,
}

/// What a worker that found nothing does next.
pub(super) enum Rest {
    /// Something has come meanwhile: look again.
    Again,
    /// Wait to be woken, for as long as the connection may stay open.
    Wait(Arc<Notify>),
    /// Leave; the worker is already counted out.
    Leave,
}

impl Destinations {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            table: Mutex::default(),
            changed: Notify::new(),
            most: most.max(1),
        }
    }

    /// Something is due for `domain` now: wakes a resting worker, or has one started.
    pub(crate) fn poke(&self, domain: &Domain, now: OffsetDateTime) {
        self.table().poke(domain, now);
        self.changed.notify_one();
    }

    /// As [`Destinations::poke`], even if the destination is being left alone.
    pub(crate) fn forgive(&self, domain: &Domain, now: OffsetDateTime) {
        let mut table = self.table();
        table.entry(domain).held_until = None;
        table.poke(domain, now);
        self.changed.notify_one();
    }

    /// Something will be due for `domain` at that hour.
    pub(crate) fn due(&self, domain: &Domain, at: OffsetDateTime) {
        self.table().entry(domain).earlier(at);
        self.changed.notify_one();
    }

    /// Leaves `domain` alone until then.
    pub(super) fn hold(&self, domain: &Domain, until: OffsetDateTime) {
        let mut table = self.table();
        let destination = table.entry(domain);
        destination.held_until = Some(until);
        destination.allowed = 0;
        destination.earlier(until);
    }

    /// The clock was set back: hours that were noted are no longer those meant.
    pub(super) fn set_back(&self, now: OffsetDateTime) {
        for destination in self.table().by_domain.values_mut() {
            if destination.held_until.take().is_some() || destination.due.is_some() {
                destination.due = Some(now);
            }
        }
        self.changed.notify_one();
    }

    /// A worker has come through a batch: the destination may have one more.
    pub(super) fn succeeded(&self, domain: &Domain) {
        let mut table = self.table();
        let destination = table.entry(domain);
        destination.allowed = (destination.allowed + 1).min(self.most - 1);
    }

    /// A worker has more before it than it can do soon: another is started if the destination may
    /// have one.
    pub(super) fn grow(&self, domain: &Domain) {
        let mut table = self.table();
        let destination = table.entry(domain);
        if destination.resting == 0 && destination.workers < 1 + destination.allowed {
            destination.workers += 1;
            table.start.push_back(domain.clone());
            self.changed.notify_one();
        }
    }

    /// Pokes whatever has become due and says when the next hour comes.
    pub(super) fn ring(&self, now: OffsetDateTime) -> Option<OffsetDateTime> {
        let mut table = self.table();
        let due: Vec<Domain> = table
            .by_domain
            .iter()
            .filter(|(_, destination)| destination.due.is_some_and(|due| due <= now))
            .map(|(domain, _)| domain.clone())
            .collect();
        for domain in due {
            table.entry(&domain).due = None;
            table.poke(&domain, now);
        }
        table.by_domain.values().filter_map(|one| one.due).min()
    }

    /// The next destination for which a worker is to be started; it is counted already.
    pub(super) fn next_start(&self) -> Option<Domain> {
        self.table().start.pop_front()
    }

    /// Resolves when [`Destinations::ring`] or [`Destinations::next_start`] may have news.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// A worker is about to look: what comes from now on is news.
    pub(super) fn look(&self, domain: &Domain) {
        self.table().entry(domain).fresh = false;
    }

    /// A worker found nothing. `due` is when the queue has something next; `connected` says
    /// whether it holds a connection worth keeping for a while.
    pub(super) fn rest(
        &self,
        domain: &Domain,
        due: Option<OffsetDateTime>,
        connected: bool,
    ) -> Rest {
        let mut table = self.table();
        let destination = table.entry(domain);
        if let Some(due) = due {
            destination.earlier(due);
            self.changed.notify_one();
        }
        if destination.fresh || std::mem::take(&mut destination.again) {
            return Rest::Again;
        }
        destination.again = destination.workers > destination.resting + 1;
        if connected {
            destination.resting += 1;
            return Rest::Wait(Arc::clone(&destination.wake));
        }
        table.leave(domain);
        Rest::Leave
    }

    /// A resting worker gives up waiting. True when it may leave and is counted out; false when
    /// it has just been woken after all.
    pub(super) fn give_up(&self, domain: &Domain) -> bool {
        let mut table = self.table();
        let destination = table.entry(domain);
        if destination.resting == 0 {
            return false;
        }
        destination.resting -= 1;
        table.leave(domain);
        true
    }

    /// A working worker leaves.
    pub(super) fn leave(&self, domain: &Domain) {
        self.table().leave(domain);
        self.changed.notify_one();
    }

    /// No code runs under the lock that could leave the table between two states.
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn entry(&mut self, domain: &Domain) -> &mut Destination {
        self.by_domain.entry(domain.clone()).or_default()
    }

    fn poke(&mut self, domain: &Domain, now: OffsetDateTime) {
        let destination = self.entry(domain);
        if let Some(until) = destination.held_until.filter(|until| *until > now) {
            destination.earlier(until);
            return;
        }
        destination.held_until = None;
        destination.fresh = true;
        if destination.resting > 0 {
            destination.resting -= 1;
            destination.wake.notify_one();
        } else if destination.workers == 0 {
            destination.workers += 1;
            self.start.push_back(domain.clone());
        }
    }

    fn leave(&mut self, domain: &Domain) {
        let destination = self.entry(domain);
        destination.workers = destination.workers.saturating_sub(1);
        if destination.workers == 0 && destination.fresh {
            // It came while the last one was leaving.
            destination.earlier(OffsetDateTime::UNIX_EPOCH);
        }
        if destination.workers == 0 && destination.due.is_none() {
            self.by_domain.remove(domain);
        }
    }
}

impl Destination {
    fn earlier(&mut self, at: OffsetDateTime) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn domain() -> Domain {
        Domain::parse("ehpad.test").unwrap()
    }

    fn started(destinations: &Destinations) -> usize {
        std::iter::from_fn(|| destinations.next_start()).count()
    }

    #[test]
    fn a_destination_never_has_more_workers_than_allowed() {
        let destinations = Destinations::new(2);
        for _ in 0..5 {
            destinations.poke(&domain(), NOW);
            destinations.grow(&domain());
        }
        assert_eq!(started(&destinations), 1, "nothing has succeeded yet");
        for _ in 0..5 {
            destinations.succeeded(&domain());
            destinations.grow(&domain());
        }
        assert_eq!(started(&destinations), 1);
        destinations.look(&domain());
        assert!(matches!(
            destinations.rest(&domain(), None, false),
            Rest::Leave
        ));
        destinations.grow(&domain());
        assert_eq!(started(&destinations), 1);
        destinations.hold(&domain(), NOW);
        destinations.leave(&domain());
        destinations.grow(&domain());
        assert_eq!(started(&destinations), 0, "a failure starts from one again");
    }

    #[test]
    fn what_comes_while_a_worker_looks_is_not_missed() {
        let destinations = Destinations::new(1);
        destinations.poke(&domain(), NOW);
        assert_eq!(started(&destinations), 1);
        destinations.look(&domain());
        destinations.poke(&domain(), NOW);
        assert!(matches!(
            destinations.rest(&domain(), None, true),
            Rest::Again
        ));
        destinations.look(&domain());
        assert!(matches!(
            destinations.rest(&domain(), None, true),
            Rest::Wait(_)
        ));
    }

    #[test]
    fn a_worker_woken_while_it_gives_up_goes_on() {
        let destinations = Destinations::new(1);
        destinations.poke(&domain(), NOW);
        assert_eq!(started(&destinations), 1);
        destinations.look(&domain());
        assert!(matches!(
            destinations.rest(&domain(), None, true),
            Rest::Wait(_)
        ));
        destinations.poke(&domain(), NOW);
        assert!(!destinations.give_up(&domain()));
        destinations.look(&domain());
        assert!(matches!(
            destinations.rest(&domain(), None, true),
            Rest::Wait(_)
        ));
        assert!(destinations.give_up(&domain()));
        destinations.poke(&domain(), NOW);
        assert_eq!(started(&destinations), 1);
    }

    #[test]
    fn a_held_destination_is_left_alone_until_its_hour() {
        let destinations = Destinations::new(4);
        let until = NOW + Duration::from_secs(30);
        destinations.hold(&domain(), until);
        destinations.poke(&domain(), NOW);
        assert_eq!(started(&destinations), 0);
        assert_eq!(destinations.ring(NOW), Some(until));
        assert_eq!(destinations.ring(until), None);
        assert_eq!(started(&destinations), 1);
    }

    #[test]
    fn a_destination_without_work_is_forgotten() {
        let destinations = Destinations::new(1);
        destinations.poke(&domain(), NOW);
        assert_eq!(started(&destinations), 1);
        destinations.look(&domain());
        destinations.leave(&domain());
        assert!(destinations.table().by_domain.is_empty());
    }

    #[test]
    fn what_comes_while_the_last_worker_leaves_is_not_missed() {
        let destinations = Destinations::new(1);
        destinations.poke(&domain(), NOW);
        assert_eq!(started(&destinations), 1);
        destinations.look(&domain());
        destinations.poke(&domain(), NOW);
        destinations.leave(&domain());
        destinations.ring(NOW);
        assert_eq!(started(&destinations), 1);
    }

    #[test]
    fn a_worker_looks_again_for_what_another_could_not_have() {
        let destinations = Destinations::new(2);
        destinations.poke(&domain(), NOW);
        destinations.succeeded(&domain());
        destinations.grow(&domain());
        assert_eq!(started(&destinations), 2);
        destinations.look(&domain());
        let rest = || destinations.rest(&domain(), None, false);
        assert!(matches!(rest(), Rest::Leave));
        assert!(matches!(rest(), Rest::Again));
        assert!(matches!(rest(), Rest::Leave), "once is enough");
    }
}
