//! An allowance that is spent and flows back with time (a token bucket): a minute's worth at most.

use time::OffsetDateTime;

/// Milliseconds in which a whole allowance flows back.
const MINUTE: i128 = 60_000;

/// One allowance. Its limit comes with each question, so that a reload changes it at once. A limit
/// of 0 is none.
///
/// What is spent is kept in parts of which one unit has [`MINUTE`]: `limit` parts flow back in a
/// millisecond, and nothing is lost to rounding.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    spent: i128,
    /// When `spent` was last brought up to date.
    at: Option<OffsetDateTime>,
}

impl Bucket {
    /// Spends `amount` if it is left.
    pub(super) fn take(&mut self, amount: u64, limit: u64, now: OffsetDateTime) -> bool {
        if limit == 0 {
            return true;
        }
        self.flow_back(limit, now);
        let wanted = self.spent + i128::from(amount) * MINUTE;
        if wanted > i128::from(limit) * MINUTE {
            return false;
        }
        self.spent = wanted;
        true
    }

    /// Spends `amount` whether it is left or not: what is missing is a debt.
    pub(super) fn charge(&mut self, amount: u64, limit: u64, now: OffsetDateTime) {
        if limit > 0 {
            self.flow_back(limit, now);
            self.spent += i128::from(amount) * MINUTE;
        }
    }

    /// Whether anything is left.
    pub(super) fn is_in_credit(&mut self, limit: u64, now: OffsetDateTime) -> bool {
        self.flow_back(limit, now);
        limit == 0 || self.spent < i128::from(limit) * MINUTE
    }

    /// Whether nothing is spent.
    pub(super) fn is_full(&mut self, limit: u64, now: OffsetDateTime) -> bool {
        self.flow_back(limit, now);
        limit == 0 || self.spent == 0
    }

    /// A clock that was set back gives nothing and takes nothing: it counts from there.
    fn flow_back(&mut self, limit: u64, now: OffsetDateTime) {
        if let Some(at) = self.at.replace(now) {
            let millis = (now - at).whole_milliseconds().max(0);
            self.spent = (self.spent - millis.saturating_mul(i128::from(limit))).max(0);
            // What is less than a millisecond is not forgotten.
            if millis == 0 && now > at {
                self.at = Some(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::Duration;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    proptest! {
        #[test]
        fn no_pattern_of_asking_gets_more_than_the_rate(
            limit in 1_u64..1000,
            steps in prop::collection::vec((0_i64..5_000_000, 1_u64..5), 1..200),
        ) {
            let mut bucket = Bucket::default();
            let (mut now, mut taken) = (NOW, 0);
            for (micros, amount) in steps {
                now += Duration::microseconds(micros);
                if bucket.take(amount, limit, now) {
                    taken += amount;
                }
            }
            let minutes = (now - NOW).as_seconds_f64() / 60.0;
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let most = limit as f64 * (1.0 + minutes) + 1.0;
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let taken = taken as f64;
            prop_assert!(taken <= most, "{taken} of {most}");
        }
    }

    #[test]
    fn a_clock_set_back_gives_nothing_and_blocks_nobody_for_long() {
        let mut bucket = Bucket::default();
        assert!(bucket.take(1, 1, NOW));
        let earlier = NOW - Duration::DAY;
        assert!(!bucket.take(1, 1, earlier));
        assert!(bucket.take(1, 1, earlier + Duration::MINUTE));
    }

    #[test]
    fn no_limit_is_no_limit() {
        let mut bucket = Bucket::default();
        assert!(bucket.take(u64::MAX, 0, NOW));
        bucket.charge(u64::MAX, 0, NOW);
        assert!(bucket.is_in_credit(0, NOW) && bucket.is_full(0, NOW));
    }
}
