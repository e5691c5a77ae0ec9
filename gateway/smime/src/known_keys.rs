//! Which key each partner used, so that another one does not go unnoticed.
//!
//! An authority that is deceived, or forced, issues a certificate to whoever wants to read a
//! partner's mail; its path is as good as the partner's own. What tells is that the key changed:
//! a change at renewal under the same authority is told; any other holds what is to be sent until
//! a person has asked the partner.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::algorithm::Digest;
use crate::capabilities::folded;
use crate::certificate::Certificate;

/// How long before its certificate ends a partner may take a new key without a question.
const RENEWAL: Duration = Duration::days(60);

/// What a certificate means for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyChange {
    /// None was known: this one is now.
    First,
    /// The same key, in the same certificate or in another one for it.
    Same,
    /// Another key, at its renewal, from the same authority: tell, and go on.
    Renewed,
    /// Another key: hold what is to be sent with it, tell, and ask.
    Held(HoldReason),
}

/// Why a key is not used before somebody has confirmed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HoldReason {
    /// Another authority than that of the known key issued it.
    #[error("another authority issued the new key")]
    OtherAuthority,
    /// The known key's certificate was far from its end.
    #[error("the key changed long before its certificate was to end")]
    EarlyChange,
}

/// The keys of one use (signing, or receiving: keep a store for each) by address. Its owner
/// stores it (it serialises); it knows no clock.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownKeys {
    by_address: BTreeMap<String, Known>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    pinned: Pin,
    since: OffsetDateTime,
    /// Keys that were seen and not confirmed.
    held: Vec<Pin>,
}

/// A key, with what is needed to judge the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pin {
    /// SHA-256 of the `SubjectPublicKeyInfo`.
    key: [u8; 32],
    /// SHA-256 of the issuer's name.
    issuer: [u8; 32],
    ends: OffsetDateTime,
}

/// Unconfirmed keys kept for one address; an attacker can have many issued.
const HELD: usize = 8;

impl KnownKeys {
    /// A store of no key.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note, at `now`, of a certificate that was found valid for `address`, and says what
    /// it means. Only what is first, the same or a renewal becomes the known key.
    pub fn observe(
        &mut self,
        address: &str,
        certificate: &Certificate,
        now: OffsetDateTime,
    ) -> KeyChange {
        let seen = Pin::of(certificate);
        let change = self.judge(address, certificate, now);
        let entry = self.by_address.entry(folded(address));
        match change {
            KeyChange::First | KeyChange::Renewed => {
                let known = Known {
                    pinned: seen,
                    since: now,
                    held: Vec::new(),
                };
                entry.insert_entry(known);
            }
            KeyChange::Same => {
                entry.and_modify(|known| {
                    // A later certificate for the same key moves its end; one of another
                    // authority says nothing of when the owner will renew.
                    if seen.ends > known.pinned.ends && seen.issuer == known.pinned.issuer {
                        known.pinned = seen;
                    }
                });
            }
            KeyChange::Held(_) => {
                entry.and_modify(|known| {
                    if known.held.len() < HELD && !known.held.iter().any(|h| h.key == seen.key) {
                        known.held.push(seen);
                    }
                });
            }
        }
        change
    }

    /// What `certificate` would mean for `address` at `now`, without taking note of it: asked
    /// before something is sent.
    #[must_use]
    pub fn judge(
        &self,
        address: &str,
        certificate: &Certificate,
        now: OffsetDateTime,
    ) -> KeyChange {
        let Some(known) = self.by_address.get(&folded(address)) else {
            return KeyChange::First;
        };
        let (pinned, seen) = (&known.pinned, Pin::of(certificate));
        if pinned.key == seen.key {
            KeyChange::Same
        } else if pinned.issuer != seen.issuer {
            KeyChange::Held(HoldReason::OtherAuthority)
        } else if now + RENEWAL < pinned.ends {
            KeyChange::Held(HoldReason::EarlyChange)
        } else {
            KeyChange::Renewed
        }
    }

    /// Makes `certificate`'s key the known one of `address`: a person has confirmed it with the
    /// partner, by another way than mail.
    pub fn confirm(&mut self, address: &str, certificate: &Certificate, now: OffsetDateTime) {
        let known = Known {
            pinned: Pin::of(certificate),
            since: now,
            held: Vec::new(),
        };
        self.by_address.insert(folded(address), known);
    }

    /// Since when the known key of `address` is known, and how many others wait.
    #[must_use]
    pub fn state(&self, address: &str) -> Option<(OffsetDateTime, usize)> {
        let known = self.by_address.get(&folded(address))?;
        Some((known.since, known.held.len()))
    }

    /// Forgets `address`.
    pub fn forget(&mut self, address: &str) {
        self.by_address.remove(&folded(address));
    }
}

impl Pin {
    fn of(certificate: &Certificate) -> Self {
        let digest = |octets: &[u8]| {
            let mut digest = [0; 32];
            digest.copy_from_slice(Digest::Sha256.of(octets).as_ref());
            digest
        };
        Self {
            key: digest(certificate.spki()),
            issuer: digest(certificate.issuer_der()),
            ends: certificate.not_after(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, Issuer, KeyPair};

    use super::*;

    const ADDRESS: &str = "dr.untel@hopital.test";

    fn now() -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap()
    }

    fn certificate(authority: &str, key: &KeyPair, days: i64) -> Certificate {
        let mut above = CertificateParams::default();
        above.distinguished_name.push(DnType::CommonName, authority);
        let issuer = Issuer::new(above, KeyPair::generate().unwrap());
        let mut params = CertificateParams::default();
        params.not_after = now() + Duration::days(days);
        let issued = params.signed_by(key, &issuer).unwrap();
        Certificate::from_der(issued.der()).unwrap()
    }

    #[test]
    fn a_renewal_is_told_and_any_other_change_is_held() {
        let (old, new) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut keys = KnownKeys::new();
        let first = certificate("A", &old, 200);
        assert_eq!(keys.observe(ADDRESS, &first, now()), KeyChange::First);
        assert_eq!(
            keys.observe("DR.UNTEL@hopital.test", &first, now()),
            KeyChange::Same
        );
        let foreign = certificate("B", &new, 300);
        let held = KeyChange::Held(HoldReason::OtherAuthority);
        assert_eq!(keys.observe(ADDRESS, &foreign, now()), held);
        assert_eq!(
            keys.observe(ADDRESS, &foreign, now()),
            held,
            "seeing it twice is no proof"
        );
        let early = certificate("A", &new, 300);
        assert_eq!(
            keys.observe(ADDRESS, &early, now()),
            KeyChange::Held(HoldReason::EarlyChange)
        );
        assert_eq!(keys.state(ADDRESS), Some((now(), 1)));
        assert_eq!(keys.observe(ADDRESS, &first, now()), KeyChange::Same);
        // The same key in a certificate of another authority is the same key.
        assert_eq!(
            keys.judge(ADDRESS, &certificate("B", &old, 10), now()),
            KeyChange::Same
        );
        let later = now() + Duration::days(150);
        assert_eq!(keys.observe(ADDRESS, &early, later), KeyChange::Renewed);
        assert_eq!(keys.observe(ADDRESS, &early, later), KeyChange::Same);
        keys.confirm(ADDRESS, &foreign, later);
        let stored = serde_json::to_string(&keys).unwrap();
        let keys: KnownKeys = serde_json::from_str(&stored).unwrap();
        assert_eq!(keys.judge(ADDRESS, &foreign, later), KeyChange::Same);
    }

    proptest! {
        /// However often an attacker's certificates are seen, the known key stays until a person
        /// confirms another one.
        #[test]
        fn no_number_of_foreign_certificates_moves_a_known_key(seen in prop::collection::vec(0usize..3, 0..12)) {
            let own = KeyPair::generate().unwrap();
            let mine = certificate("A", &own, 100);
            let foreign: Vec<_> = (0..3)
                .map(|_| certificate("B", &KeyPair::generate().unwrap(), 400))
                .collect();
            let mut keys = KnownKeys::new();
            keys.observe(ADDRESS, &mine, now());
            for which in seen {
                let change = keys.observe(ADDRESS, &foreign[which], now() + Duration::days(90));
                prop_assert_eq!(change, KeyChange::Held(HoldReason::OtherAuthority));
            }
            prop_assert_eq!(keys.judge(ADDRESS, &mine, now()), KeyChange::Same);
        }
    }
}
