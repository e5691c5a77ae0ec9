//! What each peer is doing here: its open connections, and how much it has sent in the last minute.
//!
//! - [`bucket`]: one allowance that flows back with time.
//!
//! In memory only: after a restart every peer begins anew. A peer is in the table only if the
//! directory lists it, so the table is as long as the list at most.

mod bucket;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use liaison_mail::Domain;
use time::OffsetDateTime;

use crate::refusals::Reason;
use crate::settings::Rates;
use bucket::Bucket;

/// The peers that are here or were lately.
#[derive(Debug, Default)]
pub(crate) struct Peers(Mutex<HashMap<Domain, Peer>>);

#[derive(Debug, Default)]
struct Peer {
    connections: usize,
    arrivals: Bucket,
    messages: Bucket,
    recipients: Bucket,
    octets: Bucket,
}

/// What a peer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// A message is announced.
    Message,
    /// A recipient is named.
    Recipient,
}

impl Peers {
    /// Counts a connection in; it is counted out when the seat is dropped. `most` is the number of
    /// connections that one peer may have at once.
    pub(crate) fn enter(
        &self,
        name: &Domain,
        most: usize,
        rates: &Rates,
        now: OffsetDateTime,
    ) -> Result<Seat<'_>, Reason> {
        let mut table = self.table();
        let peer = table.entry(name.clone()).or_default();
        if peer.connections >= most {
            return Err(Reason::TooManyConnections);
        }
        if !peer.arrivals.take(1, rates.connections.into(), now) {
            return Err(Reason::ConnectionRate);
        }
        peer.connections += 1;
        Ok(Seat {
            peers: self,
            name: name.clone(),
        })
    }

    /// Takes one message or recipient out of the peer's allowance. Content is charged when it has
    /// come ([`Peers::charge`]); a peer in debt announces no further message until it is paid.
    pub(crate) fn admit(
        &self,
        name: &Domain,
        wanted: Use,
        rates: &Rates,
        now: OffsetDateTime,
    ) -> Result<(), Reason> {
        let mut table = self.table();
        let peer = table.entry(name.clone()).or_default();
        match wanted {
            Use::Recipient if peer.recipients.take(1, rates.recipients.into(), now) => Ok(()),
            Use::Recipient => Err(Reason::RecipientRate),
            Use::Message if !peer.octets.is_in_credit(rates.octets, now) => Err(Reason::OctetRate),
            Use::Message if peer.messages.take(1, rates.messages.into(), now) => Ok(()),
            Use::Message => Err(Reason::MessageRate),
        }
    }

    /// Charges content that has come.
    pub(crate) fn charge(&self, name: &Domain, octets: usize, rates: &Rates, now: OffsetDateTime) {
        let octets = u64::try_from(octets).unwrap_or(u64::MAX);
        let mut table = self.table();
        let peer = table.entry(name.clone()).or_default();
        peer.octets.charge(octets, rates.octets, now);
    }

    /// Forgets peers that are not connected and whose allowances have flowed back.
    pub(crate) fn forget_idle(&self, rates: &Rates, now: OffsetDateTime) {
        self.table().retain(|_, peer| {
            peer.connections > 0
                || !(peer.arrivals.is_full(rates.connections.into(), now)
                    && peer.messages.is_full(rates.messages.into(), now)
                    && peer.recipients.is_full(rates.recipients.into(), now)
                    && peer.octets.is_full(rates.octets, now))
        });
    }

    /// How many connections are open.
    pub(crate) fn connections(&self) -> usize {
        self.table().values().map(|peer| peer.connections).sum()
    }

    /// No code runs under the lock that could leave the table between two states.
    fn table(&self) -> MutexGuard<'_, HashMap<Domain, Peer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A peer's connection in the count of its connections.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    peers: &'a Peers,
    name: Domain,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if let Some(peer) = self.peers.table().get_mut(&self.name) {
            peer.connections = peer.connections.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Duration;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn name() -> Domain {
        Domain::parse("relay.ch.test").unwrap()
    }

    fn rates() -> Rates {
        Rates {
            connections: 3,
            messages: 2,
            recipients: 60,
            octets: 1000,
        }
    }

    #[test]
    fn a_peer_has_so_many_connections_at_once_and_so_many_a_minute() {
        let peers = Peers::default();
        let first = peers.enter(&name(), 2, &rates(), NOW).unwrap();
        let _second = peers.enter(&name(), 2, &rates(), NOW).unwrap();
        let third = peers.enter(&name(), 2, &rates(), NOW);
        assert_eq!(third.unwrap_err(), Reason::TooManyConnections);
        drop(first);
        assert_eq!(peers.connections(), 1);
        drop(peers.enter(&name(), 2, &rates(), NOW).unwrap());
        let often = peers.enter(&name(), 2, &rates(), NOW);
        assert_eq!(often.unwrap_err(), Reason::ConnectionRate);
        let later = NOW + Duration::seconds(20);
        assert!(peers.enter(&name(), 2, &rates(), later).is_ok());
    }

    #[test]
    fn messages_recipients_and_octets_each_have_their_own_limit() {
        let peers = Peers::default();
        let admit = |wanted, at| peers.admit(&name(), wanted, &rates(), at);
        assert_eq!(admit(Use::Message, NOW), Ok(()));
        assert_eq!(admit(Use::Message, NOW), Ok(()));
        assert_eq!(admit(Use::Message, NOW), Err(Reason::MessageRate));
        for _ in 0..60 {
            assert_eq!(admit(Use::Recipient, NOW), Ok(()));
        }
        assert_eq!(admit(Use::Recipient, NOW), Err(Reason::RecipientRate));
        let second = NOW + Duration::SECOND;
        assert_eq!(admit(Use::Recipient, second), Ok(()));
        assert_eq!(admit(Use::Recipient, second), Err(Reason::RecipientRate));

        let hour = NOW + Duration::HOUR;
        peers.charge(&name(), 1500, &rates(), hour);
        assert_eq!(admit(Use::Message, hour), Err(Reason::OctetRate));
        let paid = hour + Duration::seconds(31);
        assert_eq!(admit(Use::Message, paid), Ok(()));
    }

    #[test]
    fn one_peer_does_not_spend_anothers_allowance() {
        let peers = Peers::default();
        let other = Domain::parse("relay.ehpad.test").unwrap();
        for _ in 0..2 {
            assert!(peers.admit(&name(), Use::Message, &rates(), NOW).is_ok());
        }
        assert!(peers.admit(&name(), Use::Message, &rates(), NOW).is_err());
        assert!(peers.admit(&other, Use::Message, &rates(), NOW).is_ok());
    }

    #[test]
    fn who_has_been_quiet_is_forgotten_and_who_is_connected_is_not() {
        let peers = Peers::default();
        let seat = peers.enter(&name(), 9, &rates(), NOW).unwrap();
        let later = NOW + Duration::MINUTE;
        peers.forget_idle(&rates(), later);
        assert_eq!(peers.table().len(), 1);
        drop(seat);
        peers.forget_idle(&rates(), later);
        assert_eq!(peers.table().len(), 0);
    }
}
