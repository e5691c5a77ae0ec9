//! Drives the state machines on tokio streams, within the time limits of RFC 5321 §4.5.3.2.
//!
//! Streams come in after their TLS handshake; nothing here knows of certificates.

mod connection;
mod serve;

use std::time::Duration;

pub use connection::{Connection, Source};
pub use serve::{Ended, Session, Taken, serve};

use crate::Wait;

/// How long a side waits. The defaults are the RFC's; tests and impatient peers may shorten them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Client, for the greeting: 5 minutes (§4.5.3.2.1).
    pub greeting: Duration,
    /// Client, for the answer to EHLO, MAIL, RCPT, RSET and QUIT: 5 minutes (§4.5.3.2.2, .3).
    pub reply: Duration,
    /// Client, for 354: 2 minutes (§4.5.3.2.4).
    pub go_ahead: Duration,
    /// Both, for one read or write while octets flow: 3 minutes (§4.5.3.2.5).
    pub content: Duration,
    /// Client, for the answer to the final dot: 10 minutes (§4.5.3.2.6).
    pub acceptance: Duration,
    /// Server, for the next command: 5 minutes (§4.5.3.2.7).
    pub command: Duration,
    /// Server, for a whole content: 30 minutes. Not the RFC's: without it, a client could hold a
    /// message's memory for ever by sending an octet every other minute.
    pub message: Duration,
}

impl Timeouts {
    /// The limit for what is awaited.
    pub fn limit(&self, wait: Wait) -> Duration {
        match wait {
            Wait::Greeting => self.greeting,
            Wait::Reply => self.reply,
            Wait::GoAhead => self.go_ahead,
            Wait::Content => self.content,
            Wait::Acceptance => self.acceptance,
            Wait::Command => self.command,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        Self {
            greeting: minutes(5),
            reply: minutes(5),
            go_ahead: minutes(2),
            content: minutes(3),
            acceptance: minutes(10),
            command: minutes(5),
            message: minutes(30),
        }
    }
}

/// Size of one read, in octets: a TLS record.
const READ: usize = 16 * 1024;
