//! From a recipient's state and the outcome of a try to its next state. Pure: the clock and the
//! rows are the caller's.

use std::fmt;

use liaison_mail::dsn::Action;
use liaison_mail::{EnhancedStatus, Refusal};
use time::OffsetDateTime;

use super::schedule::later;
use crate::RelayError;
use crate::settings::Schedule;

/// Where a recipient of a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Durable, not tried yet.
    Queued,
    /// A worker has it.
    Active,
    /// Tried without success; it is tried again.
    Deferred,
    /// The next relay answers for it.
    Relayed,
    /// In a mailbox of the gateway behind this relay.
    Delivered,
    /// An operator keeps it back; it is tried when it is released.
    Held,
    /// It will not arrive; the sender is told unless it asked not to be.
    Failed,
    /// Its content is not what was stored. The sender is told; what is left is kept to be looked
    /// into.
    Corrupt,
    /// An operator or its sender has called it back.
    Cancelled,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Active,
        Self::Deferred,
        Self::Relayed,
        Self::Delivered,
        Self::Held,
        Self::Failed,
        Self::Corrupt,
        Self::Cancelled,
    ];

    /// The word in tables and in operators' lists.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Active => "active",
            Self::Deferred => "deferred",
            Self::Relayed => "relayed",
            Self::Delivered => "delivered",
            Self::Held => "held",
            Self::Failed => "failed",
            Self::Corrupt => "corrupt",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen to it.
    pub fn is_done(self) -> bool {
        !matches!(
            self,
            Self::Queued | Self::Active | Self::Deferred | Self::Held
        )
    }

    pub(crate) fn parse(word: &str) -> Result<Self, RelayError> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| liaison_store::StoreError::Row("unknown state of a recipient").into())
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The next relay answered 250.
    Relayed {
        /// Whether it announced DSN (RFC 3461 §5.1): it then reports success itself.
        reports: bool,
    },
    /// Our own gateway filed it.
    Delivered,
    /// Not taken, or never reached.
    Refused(Refusal),
    /// Its content is damaged: it cannot be sent by this relay.
    Damaged(Refusal),
}

/// What the decision is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried {
    pub(super) accepted_at: OffsetDateTime,
    /// This try included.
    pub(super) attempts: u32,
    /// Whether the sender has been told of the delay.
    pub(super) delay_told: bool,
    /// Spreads the waits: the row's number.
    pub(super) seed: u64,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) state: State,
    /// When [`State::Deferred`] ends.
    pub(super) attempt_at: Option<OffsetDateTime>,
    /// What there is to tell the sender, if it wants to hear it.
    pub(super) tell: Option<Action>,
    /// The reply to keep and to tell.
    pub(super) refusal: Option<Refusal>,
}

/// Decides. A deferred recipient is tried again at the latest when its delay is to be told and
/// when it expires, so that neither needs a watch of its own.
pub(super) fn after(
    tried: Tried,
    outcome: &Outcome,
    now: OffsetDateTime,
    schedule: &Schedule,
) -> Next {
    let done = |state, tell, refusal| Next {
        state,
        attempt_at: None,
        tell,
        refusal,
    };
    let refusal = match outcome {
        Outcome::Delivered => return done(State::Delivered, Some(Action::Delivered), None),
        Outcome::Relayed { reports: true } => return done(State::Relayed, None, None),
        Outcome::Relayed { reports: false } => {
            return done(State::Relayed, Some(Action::Relayed), None);
        }
        Outcome::Damaged(refusal) => {
            return done(State::Corrupt, Some(Action::Failed), Some(refusal.clone()));
        }
        Outcome::Refused(refusal) => refusal,
    };
    let expires_at = schedule.expires_at(tried.accepted_at);
    if !refusal.is_transient() {
        return done(State::Failed, Some(Action::Failed), Some(refusal.clone()));
    }
    if now >= expires_at {
        return done(State::Failed, Some(Action::Failed), Some(expired(refusal)));
    }
    let delay_at = schedule.delay_at(tried.accepted_at);
    let tell_delay = !tried.delay_told && now >= delay_at;
    let mut attempt_at = later(now, schedule.backoff(tried.attempts, tried.seed)).min(expires_at);
    if !tried.delay_told && !tell_delay {
        attempt_at = attempt_at.min(delay_at);
    }
    Next {
        state: State::Deferred,
        attempt_at: Some(attempt_at),
        tell: tell_delay.then_some(Action::Delayed),
        refusal: Some(refusal.clone()),
    }
}

/// The last answer before time ran out, as the failure that is told.
fn expired(last: &Refusal) -> Refusal {
    Refusal::permanent(
        554,
        EnhancedStatus::EXPIRED,
        format!("given up after too long; the last answer was: {last}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;
    use time::macros::datetime;

    const START: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    fn later_by(hours: u64) -> OffsetDateTime {
        START + Duration::from_secs(hours * 3600)
    }

    fn refused(code: u16) -> Outcome {
        Outcome::Refused(if code < 500 {
            Refusal::transient(code, EnhancedStatus::TRY_LATER, "later")
        } else {
            Refusal::permanent(code, EnhancedStatus::NO_SUCH_MAILBOX, "never")
        })
    }

    fn tried(attempts: u32, delay_told: bool) -> Tried {
        Tried {
            accepted_at: START,
            attempts,
            delay_told,
            seed: 7,
        }
    }

    #[test]
    fn success_is_told_by_whoever_knows_of_it_last() {
        let next = |outcome| after(tried(1, false), &outcome, START, &Schedule::default());
        assert_eq!(next(Outcome::Delivered).tell, Some(Action::Delivered));
        assert_eq!(next(Outcome::Relayed { reports: true }).tell, None);
        assert_eq!(
            next(Outcome::Relayed { reports: false }).tell,
            Some(Action::Relayed)
        );
    }

    #[test]
    fn damaged_content_is_kept_apart_and_its_sender_is_told() {
        let lost = Refusal::permanent(554, EnhancedStatus::CONTENT, "damaged");
        let next = after(
            tried(1, false),
            &Outcome::Damaged(lost),
            START,
            &Schedule::default(),
        );
        assert_eq!(
            (next.state, next.tell),
            (State::Corrupt, Some(Action::Failed))
        );
    }

    #[test]
    fn a_permanent_refusal_fails_at_once() {
        let next = after(tried(1, false), &refused(550), START, &Schedule::default());
        assert_eq!(
            (next.state, next.tell),
            (State::Failed, Some(Action::Failed))
        );
    }

    #[test]
    fn a_delay_is_told_once() {
        let schedule = Schedule::default();
        let early = after(tried(9, false), &refused(451), later_by(3), &schedule);
        assert_eq!(early.tell, None);
        assert!(early.attempt_at.unwrap() <= later_by(4));
        let late = after(tried(10, false), &refused(451), later_by(4), &schedule);
        assert_eq!(
            (late.state, late.tell),
            (State::Deferred, Some(Action::Delayed))
        );
        let told = after(tried(11, true), &refused(451), later_by(5), &schedule);
        assert_eq!(told.tell, None);
    }

    #[test]
    fn what_waits_too_long_is_given_up_with_its_last_answer() {
        let schedule = Schedule::default();
        let last_try = after(tried(60, true), &refused(451), later_by(47), &schedule);
        assert!(last_try.attempt_at.unwrap() <= later_by(48));
        let next = after(tried(61, true), &refused(451), later_by(48), &schedule);
        assert_eq!(
            (next.state, next.tell),
            (State::Failed, Some(Action::Failed))
        );
        let refusal = next.refusal.unwrap();
        assert_eq!(refusal.status, EnhancedStatus::EXPIRED);
        assert!(refusal.text.ends_with("451 4.3.0 later"), "{refusal}");
    }

    proptest! {
        #[test]
        fn a_peer_that_never_answers_ends_in_one_failure_told_once(
            seed in any::<u64>(),
            first in 60_u64..7200,
            longest in 600_u64..100_000,
            notice in 0_u64..300_000,
            expiry in 0_u64..300_000,
        ) {
            let schedule = Schedule {
                first_retry: Duration::from_secs(first),
                longest_retry: Duration::from_secs(longest),
                delay_notice: Duration::from_secs(notice),
                expiry: Duration::from_secs(expiry),
                ..Schedule::default()
            };
            let (mut now, mut delays, mut attempts, mut told) = (START, 0, 0, false);
            loop {
                attempts += 1;
                let state = Tried { accepted_at: START, attempts, delay_told: told, seed };
                let next = after(state, &refused(421), now, &schedule);
                if next.tell == Some(Action::Delayed) {
                    delays += 1;
                    told = true;
                }
                match next.attempt_at {
                    Some(at) => {
                        prop_assert!(at > now, "a wait that does not wait");
                        now = at;
                    }
                    None => {
                        prop_assert_eq!(next.state, State::Failed);
                        break;
                    }
                }
            }
            prop_assert_eq!(now, schedule.expires_at(START));
            prop_assert_eq!(delays, u32::from(notice < expiry));
        }

        #[test]
        fn done_is_done(code in 400_u16..600, hours in 0_u64..100, attempts in 1_u32..50) {
            let next = after(tried(attempts, false), &refused(code), later_by(hours), &Schedule::default());
            prop_assert_eq!(next.state.is_done(), next.attempt_at.is_none());
        }
    }

    #[test]
    fn each_state_reads_back() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()).unwrap(), state);
        }
        assert!(State::parse("lost").is_err());
    }
}
