use std::fmt;

use liaison_mail::{EnhancedStatus, Refusal};
use thiserror::Error;

use crate::ContentFault;

/// Why a connection could not be opened, used or served. Carries no content.
#[derive(Debug, Error)]
pub enum SmtpError {
    /// The content is not fit for SMTP as it stands. Sending it again cannot help.
    #[error("the message cannot be sent as it is: {0}")]
    Content(#[from] ContentFault),
    /// The peer answered, and its answer was no.
    #[error("the peer refused the session: {0}")]
    Refused(Refusal),
    /// The peer said something that is not SMTP. Look at the peer's software.
    #[error("the peer broke the protocol: {0}")]
    Protocol(&'static str),
    /// The connection ended, or had ended before it was used. Open another.
    #[error("the connection is closed; open another")]
    Closed,
    /// The peer was silent for longer than the limit of RFC 5321 §4.5.3.2.
    #[error("the peer was silent too long while {0} was awaited")]
    Timeout(Wait),
    /// The transport failed.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
}

impl SmtpError {
    /// The error as the verdict to record for each recipient: fit for a report, without the
    /// transport's own words.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Content(fault) => {
                Refusal::permanent(554, EnhancedStatus::CONTENT, fault.to_string())
            }
            Self::Refused(refusal) => refusal.clone(),
            Self::Protocol(_) => transient("the next relay broke the protocol"),
            Self::Closed | Self::Io(_) => transient("the connection to the next relay was lost"),
            Self::Timeout(_) => transient("the next relay did not answer in time"),
        }
    }

    /// Whether trying again later can help.
    pub fn is_transient(&self) -> bool {
        self.refusal().is_transient()
    }
}

/// What a side is waiting for; each has its own limit in [`crate::io::Timeouts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The client waits for the greeting (RFC 5321 §4.5.3.2.1).
    Greeting,
    /// The client waits for the answer to EHLO, MAIL, RCPT, RSET or QUIT (§4.5.3.2.2, .3).
    Reply,
    /// The client waits for 354 (§4.5.3.2.4).
    GoAhead,
    /// Either side waits for the transport to take or bring a piece of content (§4.5.3.2.5).
    Content,
    /// The client waits for the answer to the final dot (§4.5.3.2.6).
    Acceptance,
    /// The server waits for the next command (§4.5.3.2.7).
    Command,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "the greeting",
            Self::Reply => "a reply",
            Self::GoAhead => "the go-ahead for the content",
            Self::Content => "the content",
            Self::Acceptance => "the answer to the message",
            Self::Command => "a command",
        })
    }
}

fn transient(text: &str) -> Refusal {
    Refusal::transient(451, EnhancedStatus::NO_ANSWER, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_fault_of_the_content_is_final() {
        assert!(!SmtpError::Content(ContentFault::BareLf).is_transient());
        for error in [
            SmtpError::Protocol("x"),
            SmtpError::Closed,
            SmtpError::Timeout(Wait::Reply),
            SmtpError::Io(std::io::Error::other("private cause")),
        ] {
            assert!(error.is_transient(), "{error}");
            assert!(!error.refusal().text.contains("private"));
        }
    }
}
