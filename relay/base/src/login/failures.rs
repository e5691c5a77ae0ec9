//! Failures lately, which slow down whoever guesses, at the address from which the guesses come.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::IpAddr;

use time::OffsetDateTime;

/// Failures that one remote address may collect against one account, and the time after which
/// one of them is forgiven.
pub(super) const PER_ACCOUNT: Rate = Rate {
    burst: 10,
    seconds: 6,
};
/// The same for one remote address over all accounts.
const PER_REMOTE: Rate = Rate {
    burst: 60,
    seconds: 1,
};
/// Most pairs whose failures are counted.
const MAX_COUNTED: usize = 8192;

/// A burst that refills by one after so many seconds.
#[derive(Clone, Copy)]
pub(super) struct Rate {
    pub(super) burst: u32,
    seconds: i64,
}

/// Failures lately: of a name from an address, and of an address altogether (`None`).
#[derive(Default)]
pub(super) struct Failures {
    hasher: RandomState,
    counted: HashMap<(Option<u64>, IpAddr), Count>,
}

struct Count {
    failures: u32,
    since: OffsetDateTime,
}

impl Failures {
    /// Counts a failure; false when there were too many already.
    pub(super) fn count(&mut self, name: &str, remote: IpAddr, now: OffsetDateTime) -> bool {
        if self.counted.len() >= MAX_COUNTED {
            self.counted
                .retain(|(name, _), count| count.left(rate(name), now) > 0);
        }
        if self.counted.len() >= MAX_COUNTED {
            // Whoever fills the table has that many addresses: the account's own owner, whose
            // password is remembered or correct at once, gets in again when it has drained.
            return false;
        }
        let keys = [(Some(self.hasher.hash_one(name)), remote), (None, remote)];
        let allowed = keys.iter().all(|key| {
            let rate = rate(&key.0);
            let left = self.counted.get(key).map_or(0, |c| c.left(rate, now));
            left < rate.burst
        });
        if allowed {
            for key in keys {
                let rate = rate(&key.0);
                let count = self.counted.entry(key).or_insert(Count {
                    failures: 0,
                    since: now,
                });
                let left = count.left(rate, now);
                if left != count.failures {
                    count.since = now;
                }
                count.failures = left + 1;
            }
        }
        allowed
    }

    /// Takes one counted failure back.
    pub(super) fn forgive(&mut self, name: &str, remote: IpAddr) {
        for key in [(Some(self.hasher.hash_one(name)), remote), (None, remote)] {
            if let Some(count) = self.counted.get_mut(&key) {
                count.failures = count.failures.saturating_sub(1);
            }
        }
    }
}

impl Count {
    /// Failures not yet forgiven by the passing of time.
    fn left(&self, rate: Rate, now: OffsetDateTime) -> u32 {
        let forgiven = (now - self.since).whole_seconds().max(0) / rate.seconds;
        self.failures
            .saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }
}

fn rate(name: &Option<u64>) -> Rate {
    if name.is_some() {
        PER_ACCOUNT
    } else {
        PER_REMOTE
    }
}
