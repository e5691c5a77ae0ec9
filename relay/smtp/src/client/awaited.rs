//! The replies that a client waits for, in the order of its commands.

use crate::Wait;

/// Which command a reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    Greeting,
    Hello,
    Reset,
    Mail,
    /// By its place in the envelope.
    Recipient(usize),
    Data,
    /// `BDAT LAST` and its octets, sent behind their commands.
    Chunk,
    /// The answer to content sent on [`Step::SendContent`](super::Step::SendContent).
    Acceptance,
    /// The answer to a lone dot, sent because the peer said 354 without a recipient.
    Emptiness,
    Quit,
}

impl Awaited {
    /// How long to wait for it.
    pub(super) fn wait(self) -> Wait {
        match self {
            Self::Greeting => Wait::Greeting,
            Self::Data => Wait::GoAhead,
            Self::Acceptance | Self::Emptiness | Self::Chunk => Wait::Acceptance,
            _ => Wait::Reply,
        }
    }
}
