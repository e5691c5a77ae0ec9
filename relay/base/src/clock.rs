//! Time, taken from one place so that tests can make it up.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use time::OffsetDateTime;

/// Tells the time in UTC.
pub trait Clock: Debug + Send + Sync {
    /// The present instant, in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// A clock that a test sets and moves; copies share their time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that stands at `now`, to the millisecond.
    pub fn at(now: OffsetDateTime) -> Self {
        Self(Arc::new(AtomicI64::new(millis(now))))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.0.fetch_add(by, Ordering::SeqCst);
    }

    /// Sets the clock, backwards too.
    pub fn set(&self, now: OffsetDateTime) {
        self.0.store(millis(now), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> OffsetDateTime {
        from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z: the form in which every store keeps an instant.
pub fn millis(instant: OffsetDateTime) -> i64 {
    i64::try_from(instant.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// The instant of a stored number of milliseconds; one out of the calendar's range is read as
/// 1970-01-01.
pub fn from_millis(millis: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_survive_storage_to_the_millisecond() {
        let clock = ManualClock::at(OffsetDateTime::UNIX_EPOCH);
        clock.advance(Duration::from_millis(1_795_000_000_123));
        assert_eq!(millis(clock.now()), 1_795_000_000_123);
        assert_eq!(from_millis(millis(clock.now())), clock.now());
    }
}
