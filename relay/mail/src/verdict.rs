//! One verdict per recipient: the answer that a hop gave, fit for the wire.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::MailError;

/// A three-digit SMTP reply code, 200 to 599 (RFC 5321 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// Checks that the code is one of RFC 5321 §4.2.1.
    ///
    /// # Errors
    /// [`MailError::Status`] outside 200 to 599.
    pub fn new(code: u16) -> Result<Self, MailError> {
        if (200..600).contains(&code) {
            Ok(Self(code))
        } else {
            Err(MailError::Status)
        }
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// An enhanced status code `class.subject.detail` (RFC 3463, registry of RFC 5248).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnhancedStatus {
    class: u8,
    subject: u16,
    detail: u16,
}

impl EnhancedStatus {
    /// 2.1.5: destination address valid.
    pub const DELIVERED: Self = Self::known(2, 1, 5);
    /// 5.1.1: bad destination mailbox address.
    pub const NO_SUCH_MAILBOX: Self = Self::known(5, 1, 1);
    /// 4.4.1: no answer from host.
    pub const NO_ANSWER: Self = Self::known(4, 4, 1);
    /// 4.4.7: delivery time expired.
    pub const EXPIRED: Self = Self::known(5, 4, 7);
    /// 5.4.4: unable to route.
    pub const NO_ROUTE: Self = Self::known(5, 4, 4);
    /// 4.3.0: other mail system trouble, worth a retry.
    pub const TRY_LATER: Self = Self::known(4, 3, 0);
    /// 5.6.0: media error: the content cannot be taken.
    pub const CONTENT: Self = Self::known(5, 6, 0);
    /// 5.7.8: authentication credentials invalid (RFC 4954 §6).
    pub const CREDENTIALS: Self = Self::known(5, 7, 8);
    /// 5.7.1: delivery not authorised.
    pub const REFUSED: Self = Self::known(5, 7, 1);

    const fn known(class: u8, subject: u16, detail: u16) -> Self {
        Self {
            class,
            subject,
            detail,
        }
    }

    /// Checks class (2, 4 or 5), subject and detail (0 to 999), RFC 3463 §2.
    ///
    /// # Errors
    /// [`MailError::Status`] when one is out of range.
    pub fn new(class: u8, subject: u16, detail: u16) -> Result<Self, MailError> {
        if matches!(class, 2 | 4 | 5) && subject < 1000 && detail < 1000 {
            Ok(Self::known(class, subject, detail))
        } else {
            Err(MailError::Status)
        }
    }

    /// Parses `5.1.1`.
    ///
    /// # Errors
    /// [`MailError::Status`] when it is not three numbers in range.
    pub fn parse(text: &str) -> Result<Self, MailError> {
        let mut parts = text.split('.');
        let mut next = || -> Option<u16> {
            let part = parts.next()?;
            (part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse().ok())
                .flatten()
        };
        let (Some(class), Some(subject), Some(detail)) = (next(), next(), next()) else {
            return Err(MailError::Status);
        };
        if parts.next().is_some() {
            return Err(MailError::Status);
        }
        Self::new(u8::try_from(class).unwrap_or(0), subject, detail)
    }

    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub fn class(self) -> u8 {
        self.class
    }
}

/// Why a recipient or a message was not taken, in words that may be shown to anyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// 4xx: a retry can help; 5xx: it cannot.
    pub code: ReplyCode,
    /// The same in the terms of RFC 3463.
    pub status: EnhancedStatus,
    /// One line of printable ASCII for the wire and the report; never content, never a cause that
    /// only the operator may know.
    pub text: String,
}

impl Refusal {
    /// A refusal that a retry cannot mend.
    pub fn permanent(code: u16, status: EnhancedStatus, text: impl Into<String>) -> Self {
        Self {
            code: ReplyCode(code.clamp(500, 599)),
            status,
            text: text.into(),
        }
    }

    /// A refusal that may be gone at the next try.
    pub fn transient(code: u16, status: EnhancedStatus, text: impl Into<String>) -> Self {
        Self {
            code: ReplyCode(code.clamp(400, 499)),
            status,
            text: text.into(),
        }
    }

    /// Whether a later try can succeed (RFC 5321 §4.2.1, first digit 4).
    pub fn is_transient(&self) -> bool {
        self.code.get() < 500
    }
}

/// The answer for one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Taken and durable: the next hop answers for it from now on.
    Accepted,
    /// Not taken.
    Refused(Refusal),
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.code, self.status, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_codes_read_back_as_written() {
        let status = EnhancedStatus::parse("5.1.1").unwrap();
        assert_eq!(status, EnhancedStatus::NO_SUCH_MAILBOX);
        assert_eq!(status.to_string(), "5.1.1");
        for text in [
            "", "5", "5.1", "5.1.1.1", "3.1.1", "5.1000.1", "5.a.1", "5.+1.1",
        ] {
            assert!(
                EnhancedStatus::parse(text).is_err(),
                "{text:?} was accepted"
            );
        }
    }
}
