//! Message identifiers (RFC 5322 §3.6.4).

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Domain, MailError};

/// Longest identifier accepted, in octets: a header line's limit (RFC 5322 §2.1.1).
pub const MAX_MESSAGE_ID: usize = 996;

/// `left@right` without its angle brackets. One message keeps it through every role, so that its
/// traces can be joined; it says nothing about a patient.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageId(String);

impl MessageId {
    /// A new identifier at `domain`: a version 7 UUID, so that identifiers sort by time.
    pub fn new(domain: &Domain) -> Self {
        Self(format!("{}@{domain}", Uuid::now_v7().simple()))
    }

    /// Parses an identifier with or without its angle brackets.
    ///
    /// # Errors
    /// [`MailError::MessageId`] when it is empty, longer than [`MAX_MESSAGE_ID`], has no `@`, or
    /// holds a space, a bracket, a control or a non-ASCII character.
    pub fn parse(text: &str) -> Result<Self, MailError> {
        let text = text.trim();
        let inner = text
            .strip_prefix('<')
            .and_then(|t| t.strip_suffix('>'))
            .unwrap_or(text);
        let valid = inner.len() <= MAX_MESSAGE_ID
            && inner
                .bytes()
                .all(|b| b.is_ascii_graphic() && b != b'<' && b != b'>')
            && matches!(inner.split_once('@'), Some((l, r)) if !l.is_empty() && !r.is_empty());
        if valid {
            Ok(Self(inner.to_owned()))
        } else {
            Err(MailError::MessageId)
        }
    }

    /// The identifier without angle brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identifiers of a `References` or `In-Reply-To` value, in order; what is not one is
    /// skipped. At most 100 are read.
    pub fn parse_list(value: &str) -> Vec<Self> {
        value
            .split_ascii_whitespace()
            .take(100)
            .filter_map(|word| Self::parse(word).ok())
            .collect()
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.0)
    }
}

impl TryFrom<String> for MessageId {
    type Error = MailError;
    fn try_from(text: String) -> Result<Self, MailError> {
        Self::parse(&text)
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_not_part_of_the_identifier() {
        let id = MessageId::parse("<n45.v1@ch.test>").unwrap();
        assert_eq!(id.as_str(), "n45.v1@ch.test");
        assert_eq!(id.to_string(), "<n45.v1@ch.test>");
        assert_eq!(id, MessageId::parse("n45.v1@ch.test").unwrap());
    }

    #[test]
    fn identifiers_that_could_break_a_header_are_refused() {
        for text in [
            "",
            "<>",
            "a",
            "@b",
            "a@",
            "a b@c",
            "a@b\r\nBcc: x@y",
            "<a@<b>",
        ] {
            assert!(MessageId::parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn a_list_keeps_its_order_and_drops_what_is_not_an_identifier() {
        let ids = MessageId::parse_list("<a@x.test> nonsense <b@x.test>");
        assert_eq!(ids.len(), 2);
        assert_eq!(ids[1].as_str(), "b@x.test");
    }
}
