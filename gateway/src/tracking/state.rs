use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a recipient's message has come. The order is that of the closed loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Durable here; not yet with the recipient's relay.
    Queued,
    /// The directory's answer was not exactly one recipient with a usable certificate: a person
    /// must decide.
    Held,
    /// The recipient's relay has taken it.
    Relayed,
    /// It is in the recipient's mailbox.
    Delivered,
    /// It will not arrive.
    Failed,
    /// A program has fetched it for somebody.
    Opened,
    /// A named person has taken charge.
    TakenCharge,
    /// The notice was withdrawn before it left.
    Cancelled,
}

impl State {
    const ALL: [(Self, &'static str, i64); 8] = [
        (Self::Queued, "queued", 0),
        (Self::Held, "held", 1),
        (Self::Relayed, "relayed", 2),
        (Self::Failed, "failed", 3),
        (Self::Delivered, "delivered", 4),
        (Self::Opened, "opened", 5),
        (Self::TakenCharge, "taken charge", 6),
        (Self::Cancelled, "cancelled", 7),
    ];

    /// The rank by which news is ordered: a state never goes back to a lower one. *Failed* is
    /// below *delivered*, since a relay that gave up may have been wrong about a lost answer, and
    /// a message that was seen in the mailbox has arrived.
    pub fn rank(self) -> i64 {
        self.entry().2
    }

    /// The state with this rank.
    pub fn from_rank(rank: i64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|(_, _, r)| *r == rank)
            .map(|(state, _, _)| state)
    }

    fn entry(self) -> (Self, &'static str, i64) {
        // Every variant is in the table; the first entry stands in for none.
        Self::ALL
            .into_iter()
            .find(|(state, _, _)| *state == self)
            .unwrap_or(Self::ALL[0])
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entry().1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_rank_of_its_own() {
        for (state, _, rank) in State::ALL {
            assert_eq!(state.rank(), rank);
            assert_eq!(State::from_rank(rank), Some(state));
        }
        assert!(State::Opened.rank() > State::Delivered.rank());
        assert!(State::TakenCharge.rank() > State::Opened.rank());
        assert!(State::Delivered.rank() > State::Failed.rank());
    }
}
