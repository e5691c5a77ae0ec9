//! Mail addresses: parsed once, never invalid afterwards.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::MailError;

/// Longest local part, in octets (RFC 5321 §4.5.3.1.1).
pub const MAX_LOCAL_PART: usize = 64;
/// Longest domain, in octets (RFC 5321 §4.5.3.1.2).
pub const MAX_DOMAIN: usize = 255;

/// A mail domain: letters, digits and hyphens in dot-separated labels, kept in lower case.
///
/// Address literals (`[192.0.2.1]`) are refused: members of a territory are named, and the
/// certificates that vouch for them carry names (RFC 5321 §4.1.2, RFC 5280 §4.2.1.6).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(String);

impl Domain {
    /// Parses a domain name and lower-cases it (domains compare without case, RFC 5321 §2.4).
    ///
    /// # Errors
    /// [`MailError::Domain`] when a label is empty, longer than 63 octets, starts or ends with a
    /// hyphen or holds another character, or when the whole is longer than [`MAX_DOMAIN`].
    pub fn parse(text: &str) -> Result<Self, MailError> {
        let valid = !text.is_empty() && text.len() <= MAX_DOMAIN && text.split('.').all(is_label);
        if valid {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(MailError::Domain)
        }
    }

    /// The name in lower case, without a final dot.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A mailbox `local@domain` in ASCII (RFC 5321 §4.1.2, `Mailbox` with a dot-string local part).
///
/// Quoted local parts (`"a b"@x.test`) are refused: no member's mailbox needs one, and they are a
/// favourite place to hide a second address. The local part keeps its letters as written, but two
/// addresses that differ only by case are the same mailbox here: health directories publish them
/// in either case, and no member gives `A@x` and `a@x` to different people.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    local: String,
    domain: Domain,
}

impl Address {
    /// Parses `local@domain`.
    ///
    /// # Errors
    /// [`MailError::Address`] when the local part is not a dot-string of RFC 5321 §4.1.2 or is
    /// longer than [`MAX_LOCAL_PART`]; [`MailError::Domain`] when the domain is not one.
    pub fn parse(text: &str) -> Result<Self, MailError> {
        let (local, domain) = text.rsplit_once('@').ok_or(MailError::Address)?;
        if local.len() > MAX_LOCAL_PART || !local.split('.').all(is_atom) {
            return Err(MailError::Address);
        }
        Ok(Self {
            local: local.to_owned(),
            domain: Domain::parse(domain)?,
        })
    }

    /// The part before the `@`, as it was written.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain, in lower case.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The address in lower case throughout: the form to use as a key.
    pub fn key(&self) -> String {
        format!("{}@{}", self.local.to_ascii_lowercase(), self.domain)
    }
}

/// The envelope's `MAIL FROM` argument (RFC 5321 §4.1.1.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ReversePath {
    /// `<>`: reports about messages, which must never be answered by another report.
    Null,
    /// Where reports about this message go.
    Address(Address),
}

impl ReversePath {
    /// Parses the text between the angle brackets; empty means [`ReversePath::Null`].
    ///
    /// # Errors
    /// As [`Address::parse`].
    pub fn parse(text: &str) -> Result<Self, MailError> {
        match text {
            "" => Ok(Self::Null),
            text => Ok(Self::Address(Address::parse(text)?)),
        }
    }

    /// The address, unless the path is null.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }
}

fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// `atext` of RFC 5322 §3.2.3.
fn is_atom(atom: &str) -> bool {
    !atom.is_empty()
        && atom
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.domain == other.domain && self.local.eq_ignore_ascii_case(&other.local)
    }
}

impl Eq for Address {}

impl std::hash::Hash for Address {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl FromStr for Domain {
    type Err = MailError;
    fn from_str(text: &str) -> Result<Self, MailError> {
        Self::parse(text)
    }
}

impl FromStr for Address {
    type Err = MailError;
    fn from_str(text: &str) -> Result<Self, MailError> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Domain {
    type Error = MailError;
    fn try_from(text: String) -> Result<Self, MailError> {
        Self::parse(&text)
    }
}

impl TryFrom<String> for Address {
    type Error = MailError;
    fn try_from(text: String) -> Result<Self, MailError> {
        Self::parse(&text)
    }
}

impl TryFrom<String> for ReversePath {
    type Error = MailError;
    fn try_from(text: String) -> Result<Self, MailError> {
        Self::parse(&text)
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl From<ReversePath> for String {
    fn from(path: ReversePath) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_differ_by_case_are_one_mailbox() {
        let a = Address::parse("Claire.Garnier@Cabinet.TEST").unwrap();
        let b = Address::parse("claire.garnier@cabinet.test").unwrap();
        assert_eq!(a, b);
        assert_eq!(a.to_string(), "Claire.Garnier@cabinet.test");
    }

    #[test]
    fn hostile_addresses_are_refused() {
        for text in [
            "",
            "@",
            "a@",
            "@b.test",
            "a b@c.test",
            "a\r\nRCPT TO:<x@y>@c.test",
            "\"a b\"@c.test",
            "a..b@c.test",
            ".a@c.test",
            "a@b@c.test",
            "a@-c.test",
            "a@c..test",
            "a@[127.0.0.1]",
            "a@c.test ",
            "é@c.test",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?} was accepted");
        }
        assert!(Address::parse(&format!("{}@c.test", "a".repeat(65))).is_err());
        assert!(Domain::parse(&"a.".repeat(200)).is_err());
    }

    #[test]
    fn the_null_path_is_not_an_address() {
        assert_eq!(ReversePath::parse("").unwrap(), ReversePath::Null);
        assert!(ReversePath::parse(" ").is_err());
        assert_eq!(ReversePath::Null.to_string(), "");
    }
}
