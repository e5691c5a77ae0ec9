//! When to try again.

use std::time::Duration;

use time::OffsetDateTime;

use crate::settings::Schedule;

/// No wait is shorter, whatever the settings say: a try costs a commit and a connection.
const SHORTEST: Duration = Duration::from_millis(10);

impl Schedule {
    /// The wait after the `failures`th failed try: the first wait doubled each time, a fifth more
    /// or less by `seed`, so that what failed together does not come back together; never
    /// more than [`Schedule::longest_retry`].
    pub(super) fn backoff(&self, failures: u32, seed: u64) -> Duration {
        let doubled = self
            .first_retry
            .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
        // 80 to 120 percent.
        let percent = 80 + u32::try_from(mixed(seed ^ u64::from(failures)) % 41).unwrap_or(20);
        let capped = doubled.min(self.longest_retry);
        (capped.saturating_mul(percent) / 100)
            .min(self.longest_retry)
            .max(SHORTEST)
    }

    /// When the sender of a message that still waits is told.
    pub(super) fn delay_at(&self, accepted_at: OffsetDateTime) -> OffsetDateTime {
        later(accepted_at, self.delay_notice)
    }

    /// When a message that still waits is given up.
    pub(super) fn expires_at(&self, accepted_at: OffsetDateTime) -> OffsetDateTime {
        later(accepted_at, self.expiry)
    }
}

/// `at` plus `wait`, at most the calendar's end.
pub(crate) fn later(at: OffsetDateTime, wait: Duration) -> OffsetDateTime {
    time::Duration::try_from(wait)
        .ok()
        .and_then(|wait| at.checked_add(wait))
        .unwrap_or(at)
}

/// SplitMix64's finalizer: neighbouring seeds, such as row numbers, give unlike numbers.
fn mixed(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn waits_grow_within_their_bounds(failures in 1_u32..100, seed in any::<u64>()) {
            let schedule = Schedule::default();
            let wait = schedule.backoff(failures, seed);
            prop_assert!(wait >= schedule.first_retry * 4 / 5);
            prop_assert!(wait <= schedule.longest_retry);
            if failures >= 2 {
                // Even the longest of one round is shorter than the shortest two rounds later.
                let earlier = schedule.backoff(failures.saturating_sub(2).max(1), seed);
                prop_assert!(earlier <= wait || wait >= schedule.longest_retry * 4 / 5);
            }
        }
    }

    #[test]
    fn what_failed_together_comes_back_apart() {
        let schedule = Schedule::default();
        let waits: std::collections::HashSet<_> =
            (0..100).map(|seed| schedule.backoff(3, seed)).collect();
        assert!(waits.len() > 25, "{} different waits", waits.len());
    }
}
