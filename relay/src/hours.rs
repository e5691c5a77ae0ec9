//! The relay's clock: the machine's, watched for being set back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use liaison_base::clock::{Clock, millis};
use time::OffsetDateTime;

/// Threads that read the clock at the same time note it in any order.
const TOLERANCE: i64 = 1000;

/// A clock that notices when it was set back.
#[derive(Debug)]
pub(crate) struct Watched {
    clock: Arc<dyn Clock>,
    /// The latest instant read, in milliseconds.
    latest: AtomicI64,
    set_back: AtomicBool,
}

impl Watched {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            latest: AtomicI64::new(millis(clock.now())),
            clock,
            set_back: AtomicBool::new(false),
        }
    }

    /// The present instant, in UTC.
    pub(crate) fn now(&self) -> OffsetDateTime {
        let now = self.clock.now();
        let read = millis(now);
        let latest = self.latest.fetch_max(read, Ordering::SeqCst);
        if read < latest - TOLERANCE {
            self.latest.store(read, Ordering::SeqCst);
            self.set_back.store(true, Ordering::SeqCst);
        }
        now
    }

    /// Whether it was set back since this was last asked.
    pub(crate) fn was_set_back(&self) -> bool {
        self.now();
        self.set_back.swap(false, Ordering::SeqCst)
    }
}

impl Clock for Watched {
    fn now(&self) -> OffsetDateTime {
        Self::now(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_base::clock::ManualClock;
    use std::time::Duration;

    #[test]
    fn a_jump_forward_and_back_between_two_looks_is_noticed() {
        let manual = ManualClock::at(OffsetDateTime::UNIX_EPOCH + Duration::from_secs(86_400));
        let right = manual.now();
        let watched = Watched::new(Arc::new(manual.clone()));
        manual.advance(Duration::from_secs(3600));
        assert!(!watched.was_set_back(), "forward is not back");
        manual.set(right + Duration::from_secs(3600) - Duration::from_millis(500));
        assert!(!watched.was_set_back(), "a breath is not a jump");
        manual.set(right);
        assert!(watched.was_set_back());
        assert!(!watched.was_set_back(), "told once");
    }
}
