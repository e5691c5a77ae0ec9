//! Where a domain's mail is handed over.

use std::fmt;
use std::net::IpAddr;

use liaison_mail::{Domain, MailError};
use serde::{Deserialize, Serialize};

/// A member's relay.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RelayEndpoint {
    /// The member's own domain.
    pub domain: Domain,
    /// The dNSName that the relay's certificate must bear, as server and as client: its identity,
    /// whatever host it runs on.
    pub server_name: Domain,
    /// Where to connect.
    pub host: Host,
    /// The TCP port of SMTP over mutual TLS.
    pub port: u16,
    /// Every domain that the relay takes mail for and may send mail from; holds `domain` too.
    pub serves: Vec<Domain>,
}

impl RelayEndpoint {
    /// Whether the relay takes mail for `domain` and may send from it.
    #[must_use]
    pub fn serves(&self, domain: &Domain) -> bool {
        self.serves.contains(domain)
    }
}

/// Where to connect: a host name or an IP address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Host {
    /// A name, to be looked up in the DNS.
    Name(Domain),
    /// An address, without brackets when it is IPv6.
    Ip(IpAddr),
}

impl Host {
    /// Parses a host name or an IP address.
    ///
    /// # Errors
    /// [`MailError::Domain`] when it is neither.
    pub fn parse(text: &str) -> Result<Self, MailError> {
        text.parse::<IpAddr>()
            .map(Self::Ip)
            .or_else(|_| Domain::parse(text).map(Self::Name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Ip(ip) => ip.fmt(f),
        }
    }
}

impl TryFrom<String> for Host {
    type Error = MailError;
    fn try_from(text: String) -> Result<Self, MailError> {
        Self::parse(&text)
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address() {
        assert!(
            matches!(Host::parse("Relay.CH.test"), Ok(Host::Name(name)) if name.as_str() == "relay.ch.test")
        );
        assert!(matches!(Host::parse("127.0.0.1"), Ok(Host::Ip(ip)) if ip.is_loopback()));
        assert!(matches!(Host::parse("::1"), Ok(Host::Ip(ip)) if ip.is_loopback()));
        for text in ["", "[::1]", "host:25", "a b"] {
            assert!(Host::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
