//! What the metrics show of a relay: each is declared here beside the function that records it.
//! Labels are states, reasons and destinations of the directory; never a mailbox or a message.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::history::Depth;
use crate::queue::State;
use crate::relay::Inner;

/// Messages taken and made durable, by who brought them (`peer`, `gateway`).
const TAKEN: &str = "liaison_relay_messages_taken_total";
/// Octets of those messages.
const TAKEN_OCTETS: &str = "liaison_relay_octets_taken_total";
/// Tries to deliver to one recipient, by what they led to (`relayed`, `delivered`, `deferred`,
/// `failed`).
const TRIES: &str = "liaison_relay_tries_total";
/// Tries that were not the first.
const RETRIES: &str = "liaison_relay_retries_total";
/// From the acceptance of a message to the end of one of its recipients.
const IN_QUEUE: &str = "liaison_relay_time_in_queue_seconds";
/// Recipients that wait, by state and destination.
const DEPTH: &str = "liaison_relay_queue_recipients";
/// Age of the oldest message with a recipient in that state.
const OLDEST: &str = "liaison_relay_queue_oldest_seconds";
/// Open connections of peers.
const CONNECTIONS: &str = "liaison_relay_connections";
/// TLS handshakes, by side (`in`, `out`) and result (`ok`, `failed`).
const HANDSHAKES: &str = "liaison_relay_tls_handshakes_total";
/// Days until the relay's certificate expires; negative once it has.
const EXPIRY: &str = "liaison_certificate_expiry_days";
/// Octets free on the disk of the database.
const DISK: &str = "liaison_disk_free_octets";
/// Octets of memory available.
const MEMORY: &str = "liaison_memory_free_octets";
/// Load a processor, averaged over a minute.
const LOAD: &str = "liaison_load_per_processor";

/// Most destinations shown apart; the smaller ones are summed up as `other`.
const DESTINATIONS: usize = 50;

/// Tells the recorder what each metric means.
pub(crate) fn describe() {
    describe_counter!(
        TAKEN,
        "Messages taken and made durable, by who brought them"
    );
    describe_counter!(TAKEN_OCTETS, Unit::Bytes, "Octets of the messages taken");
    describe_counter!(
        TRIES,
        "Tries to deliver to a recipient, by what they led to"
    );
    describe_counter!(RETRIES, "Tries that were not the first");
    describe_histogram!(
        IN_QUEUE,
        Unit::Seconds,
        "From acceptance to a recipient's end"
    );
    describe_gauge!(DEPTH, "Recipients that wait, by state and destination");
    describe_gauge!(
        OLDEST,
        Unit::Seconds,
        "Age of the oldest message in the state"
    );
    describe_gauge!(CONNECTIONS, "Open connections of peers");
    describe_counter!(HANDSHAKES, "TLS handshakes with peers, by side and result");
    describe_gauge!(EXPIRY, "Days until the certificate expires");
    describe_gauge!(DISK, Unit::Bytes, "Octets free on the disk of the database");
    describe_gauge!(MEMORY, Unit::Bytes, "Octets of memory available");
    describe_gauge!(LOAD, "Load a processor, averaged over a minute");
    // Shown from the start, so that an alarm on their growth has something to look at.
    for from in ["peer", "gateway"] {
        counter!(TAKEN, "from" => from).absolute(0);
    }
    for outcome in ["relayed", "delivered", "deferred", "failed"] {
        counter!(TRIES, "outcome" => outcome).absolute(0);
    }
    for (side, result) in [
        ("in", "ok"),
        ("in", "failed"),
        ("out", "ok"),
        ("out", "failed"),
    ] {
        counter!(HANDSHAKES, "side" => side, "result" => result).absolute(0);
    }
    counter!(RETRIES).absolute(0);
}

/// A message was taken.
pub(crate) fn taken(from_peer: bool, octets: usize) {
    let from = if from_peer { "peer" } else { "gateway" };
    counter!(TAKEN, "from" => from).increment(1);
    counter!(TAKEN_OCTETS, "from" => from).increment(u64::try_from(octets).unwrap_or(u64::MAX));
}

/// A try for one recipient led to `state`; `waited` since the message was accepted.
pub(crate) fn tried(state: State, attempts: u32, waited: time::Duration) {
    counter!(TRIES, "outcome" => state.as_str()).increment(1);
    if attempts > 1 {
        counter!(RETRIES).increment(1);
    }
    if matches!(state, State::Relayed | State::Delivered | State::Failed) {
        let waited = Duration::try_from(waited).unwrap_or_default();
        histogram!(IN_QUEUE, "outcome" => state.as_str()).record(waited.as_secs_f64());
    }
}

/// A handshake with a peer ended.
pub(crate) fn handshake(side: &'static str, ok: bool) {
    let result = if ok { "ok" } else { "failed" };
    counter!(HANDSHAKES, "side" => side, "result" => result).increment(1);
}

/// The destinations whose depth is shown, so that one that empties is shown empty.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<BTreeSet<(&'static str, String)>>);

impl Shown {
    /// Keeps the new ones and answers with those that are gone.
    fn replace(&self, new: BTreeSet<(&'static str, String)>) -> Vec<(&'static str, String)> {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = shown.difference(&new).cloned().collect();
        *shown = new;
        gone
    }
}

/// Sets every gauge.
#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; 2^53 octets are enough"
)]
pub(crate) fn show(relay: &Inner, depths: &[Depth]) {
    let now = relay.clock.now();
    let mut shown = BTreeSet::new();
    for state in State::ALL.into_iter().filter(|state| !state.is_done()) {
        let mut here: Vec<&Depth> = depths.iter().filter(|one| one.state == state).collect();
        here.sort_by_key(|one| std::cmp::Reverse(one.recipients));
        let (apart, rest) = here.split_at(here.len().min(DESTINATIONS));
        let name = state.as_str();
        for one in apart {
            let destination = one.destination.to_string();
            gauge!(DEPTH, "state" => name, "destination" => destination.clone())
                .set(one.recipients as f64);
            shown.insert((name, destination));
        }
        let rest: u64 = rest.iter().map(|one| one.recipients).sum();
        gauge!(DEPTH, "state" => name, "destination" => "other").set(rest as f64);
        let oldest = here.iter().map(|one| one.oldest).min();
        let age = oldest.map_or(0.0, |oldest| (now - oldest).as_seconds_f64().max(0.0));
        gauge!(OLDEST, "state" => name).set(age);
    }
    for (name, gone) in relay.shown.replace(shown) {
        gauge!(DEPTH, "state" => name, "destination" => gone).set(0.0);
    }
    gauge!(CONNECTIONS).set(relay.peers.connections() as f64);
    let live = relay.live.get();
    let days = (live.not_after - now).as_seconds_f64() / 86_400.0;
    gauge!(EXPIRY, "certificate" => "relay").set(days);
    let reading = relay.door.reading(now);
    for (name, value) in [(DISK, reading.disk_free), (MEMORY, reading.memory_free)] {
        if let Some(value) = value {
            gauge!(name).set(value as f64);
        }
    }
    if let Some(load) = reading.load {
        gauge!(LOAD).set(load);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_that_empties_is_named_once_more() {
        let shown = Shown::default();
        let here = |name: &str| BTreeSet::from([("queued", name.to_owned())]);
        assert!(shown.replace(here("a.test")).is_empty());
        assert_eq!(
            shown.replace(here("b.test")),
            [("queued", "a.test".to_owned())]
        );
        assert_eq!(
            shown.replace(BTreeSet::new()),
            [("queued", "b.test".to_owned())]
        );
    }
}
