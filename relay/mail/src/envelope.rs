//! The envelope: who a message is for, and what its sender asked to be told.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Address, MailError, ReversePath};

/// Most recipients in one envelope (RFC 5321 §4.5.3.1.8 asks for at least 100).
pub const MAX_RECIPIENTS: usize = 100;

/// Everything about a message that a relay may know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Names the message in reports back to its sender (RFC 3461 §4.4).
    pub id: EnvelopeId,
    /// Where reports go; null for reports themselves.
    pub from: ReversePath,
    /// One to [`MAX_RECIPIENTS`] recipients.
    pub recipients: Vec<Recipient>,
    /// How much of the message a failure report returns.
    pub ret: Return,
    /// Which messages overtake others in the queue.
    pub urgency: Urgency,
}

/// One recipient and what its sender asked to be told about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Where the message goes.
    pub address: Address,
    /// The address as the sender first wrote it (`ORCPT`, RFC 3461 §4.2), when it differs.
    pub original: Option<Address>,
    /// Which reports the sender wants (`NOTIFY`, RFC 3461 §4.1).
    pub notify: Notify,
}

impl Recipient {
    /// A recipient whose sender wants to hear of success, failure and delay: the closed loop.
    pub fn closed_loop(address: Address) -> Self {
        Self {
            address,
            original: None,
            notify: Notify::ALL,
        }
    }

    /// A recipient about whom nobody is told anything: that of a report.
    pub fn silent(address: Address) -> Self {
        Self {
            address,
            original: None,
            notify: Notify::NEVER,
        }
    }
}

/// An `ENVID`: 1 to 100 printable ASCII characters other than space (RFC 3461 §4.4).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvelopeId(String);

impl EnvelopeId {
    /// A new identifier: a version 7 UUID, so that identifiers sort by time.
    pub fn fresh() -> Self {
        Self(uuid::Uuid::now_v7().simple().to_string())
    }

    /// Takes the identifier as it is once `xtext` is undone.
    ///
    /// # Errors
    /// [`MailError::EnvelopeId`] when it is empty, too long or not printable.
    pub fn parse(text: &str) -> Result<Self, MailError> {
        let printable = text.bytes().all(|b| b.is_ascii_graphic());
        if printable && (1..=100).contains(&text.len()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(MailError::EnvelopeId)
        }
    }

    /// The identifier, not `xtext`-encoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for EnvelopeId {
    type Error = MailError;
    fn try_from(text: String) -> Result<Self, MailError> {
        Self::parse(&text)
    }
}

impl From<EnvelopeId> for String {
    fn from(id: EnvelopeId) -> Self {
        id.0
    }
}

/// Which delivery reports are wanted (`NOTIFY`, RFC 3461 §4.1). All false is `NEVER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Notify {
    /// Tell when the message is in the recipient's mailbox.
    pub success: bool,
    /// Tell when it will not arrive.
    pub failure: bool,
    /// Tell when it is late.
    pub delay: bool,
}

impl Notify {
    /// `SUCCESS,FAILURE,DELAY`.
    pub const ALL: Self = Self {
        success: true,
        failure: true,
        delay: true,
    };
    /// `NEVER`.
    pub const NEVER: Self = Self {
        success: false,
        failure: false,
        delay: false,
    };
    /// What a sender who says nothing means: failures and delays (RFC 3461 §4.1).
    pub const DEFAULT: Self = Self {
        success: false,
        failure: true,
        delay: true,
    };

    /// Parses `NEVER` or a comma-separated list of `SUCCESS`, `FAILURE`, `DELAY`, in any case.
    ///
    /// # Errors
    /// [`MailError::Notify`] on another keyword, an empty list, or `NEVER` beside another.
    pub fn parse(text: &str) -> Result<Self, MailError> {
        if text.eq_ignore_ascii_case("NEVER") {
            return Ok(Self::NEVER);
        }
        let mut notify = Self::NEVER;
        for word in text.split(',') {
            match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => notify.success = true,
                "FAILURE" => notify.failure = true,
                "DELAY" => notify.delay = true,
                _ => return Err(MailError::Notify),
            }
        }
        Ok(notify)
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER {
            return f.write_str("NEVER");
        }
        let words = [
            (self.success, "SUCCESS"),
            (self.failure, "FAILURE"),
            (self.delay, "DELAY"),
        ];
        let mut first = true;
        for (_, word) in words.into_iter().filter(|(wanted, _)| *wanted) {
            if !first {
                f.write_str(",")?;
            }
            f.write_str(word)?;
            first = false;
        }
        Ok(())
    }
}

/// How much of a message its failure report returns (`RET`, RFC 3461 §4.3). Liaison returns
/// headers only whatever is asked: the content is sealed, and a report is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Return {
    /// `FULL`.
    Full,
    /// `HDRS`.
    #[default]
    Headers,
}

impl Return {
    /// Parses `FULL` or `HDRS` in any case.
    ///
    /// # Errors
    /// [`MailError::Notify`] on anything else.
    pub fn parse(text: &str) -> Result<Self, MailError> {
        match text.to_ascii_uppercase().as_str() {
            "FULL" => Ok(Self::Full),
            "HDRS" => Ok(Self::Headers),
            _ => Err(MailError::Notify),
        }
    }
}

/// How soon a message must be with a person. Urgent messages overtake the others in each queue.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    /// Worth knowing, nothing to do.
    Info,
    /// The ordinary case.
    #[default]
    Normal,
    /// Somebody must act within the hour.
    Urgent,
}

impl Urgency {
    /// 0 (info) to 2 (urgent): the form in which a queue stores it.
    pub fn rank(self) -> i64 {
        match self {
            Self::Info => 0,
            Self::Normal => 1,
            Self::Urgent => 2,
        }
    }

    /// The urgency with this rank; a rank out of range is read as [`Urgency::Normal`].
    pub fn from_rank(rank: i64) -> Self {
        match rank {
            0 => Self::Info,
            2 => Self::Urgent,
            _ => Self::Normal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notify_reads_back_as_written() {
        for text in ["NEVER", "SUCCESS", "FAILURE,DELAY", "SUCCESS,FAILURE,DELAY"] {
            assert_eq!(Notify::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "NEVER,SUCCESS", "SUCCESS,", "MAYBE"] {
            assert!(Notify::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn an_urgent_message_sorts_above_the_others() {
        assert!(Urgency::Urgent > Urgency::Normal && Urgency::Normal > Urgency::Info);
        for urgency in [Urgency::Info, Urgency::Normal, Urgency::Urgent] {
            assert_eq!(Urgency::from_rank(urgency.rank()), urgency);
        }
    }
}
