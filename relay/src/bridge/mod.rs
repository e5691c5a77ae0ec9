//! The bridge: a plain SMTP smart host, for domains whose mail systems cannot show a certificate.
//!
//! It is the one way out of the territory's closed list of peers, and so a narrow one: only domains
//! that the settings name, only S/MIME enveloped messages ([`crate::admission`] lets nothing else into
//! the queue but delivery reports, and those do not go this way), only over TLS from the first octet
//! with a certificate of the smart host's name. There is no STARTTLS: what stands in the clear before
//! it can be written by whoever is on the wire.
//!
//! - [`session`]: one connection; a verdict for each recipient.

mod session;

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use lettre::transport::smtp::authentication::Credentials;
use liaison_base::tls;
use liaison_mail::{Domain, EnhancedStatus, Envelope, Refusal};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::RelayError;
use crate::measures;
use crate::settings::Limits;
pub(crate) use session::Session;

/// A plain SMTP smart host, for domains whose mail systems cannot show a certificate. Only messages
/// that are S/MIME enveloped go over it, and only to the domains named here; delivery reports do not.
/// The smart host's operator sees who writes to whom and when, and no content. What comes back from
/// there is not taken: it has no certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmartHost {
    /// The domains whose mail goes over the smart host, each by its whole name. The directory is not
    /// asked for their relay.
    pub domains: Vec<Domain>,
    /// The smart host's name; its certificate must bear it.
    pub host: Domain,
    /// Its address, where the name is not to be looked up.
    #[serde(default)]
    pub address: Option<IpAddr>,
    /// Its port for TLS from the first octet (RFC 8314 §3.3). Default: 465.
    #[serde(default = "submissions")]
    pub port: u16,
    /// The authorities that may vouch for the smart host, PEM.
    pub anchors: PathBuf,
    /// The account to log in with, where the smart host wants one.
    #[serde(default)]
    pub user: Option<String>,
    /// A file with the account's password and nothing else.
    #[serde(default)]
    pub password: Option<PathBuf>,
}

fn submissions() -> u16 {
    465
}

/// The bridge as it is in force.
#[derive(Debug)]
pub(crate) struct Bridge {
    settings: SmartHost,
    tls: Arc<ClientConfig>,
    /// Does not show itself.
    login: Option<Credentials>,
}

impl Bridge {
    /// Reads the anchors and the password.
    pub(crate) fn load(settings: &SmartHost) -> Result<Self, RelayError> {
        let login = match (&settings.user, &settings.password) {
            (None, None) => None,
            (Some(user), Some(path)) => {
                let read = fs::read_to_string(path).map(Zeroizing::new);
                let password = read.map_err(|cause| RelayError::Password {
                    path: path.clone(),
                    cause,
                })?;
                let password = password.trim_end_matches(['\r', '\n']).to_owned();
                Some(Credentials::new(user.clone(), password))
            }
            _ => return Err(RelayError::HalfALogin),
        };
        Ok(Self {
            tls: Arc::new(tls::client(tls::anchors(&settings.anchors)?)?),
            settings: settings.clone(),
            login,
        })
    }

    /// Whether mail for `domain` goes this way.
    pub(crate) fn serves(&self, domain: &Domain) -> bool {
        self.settings.domains.contains(domain)
    }

    /// Connects, shakes hands, says EHLO and logs in. A refusal is always worth another try: what is
    /// wrong with the smart host or with the account is repaired there, not by losing mail.
    pub(crate) async fn open(&self, name: &Domain, limits: &Limits) -> Result<Session, Refusal> {
        let Ok(stream) = timeout(limits.connect, self.reach()).await else {
            return Err(self.unreachable("no connection in time"));
        };
        let stream = stream.map_err(|error| self.unreachable(&error.to_string()))?;
        let host = ServerName::try_from(self.settings.host.to_string())
            .map_err(|error| self.unreachable(&error.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let shaken = timeout(limits.connect, connector.connect(host, stream)).await;
        measures::handshake("bridge", matches!(shaken, Ok(Ok(_))));
        let Ok(stream) = shaken else {
            return Err(self.unreachable("no TLS handshake in time"));
        };
        let stream = stream.map_err(|error| self.unreachable(&error.to_string()))?;
        Session::open(stream, name, self.login.as_ref(), limits.reply)
            .await
            .map_err(|cause| self.unreachable(&cause))
    }

    async fn reach(&self) -> std::io::Result<TcpStream> {
        let addresses: Vec<SocketAddr> = match self.settings.address {
            Some(ip) => vec![SocketAddr::new(ip, self.settings.port)],
            None => lookup_host((self.settings.host.as_str(), self.settings.port))
                .await?
                .collect(),
        };
        let mut last = std::io::Error::other("the host has no address");
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The cause is for the log; the sender hears only that nobody answered.
    fn unreachable(&self, cause: &str) -> Refusal {
        tracing::warn!(host = %self.settings.host, port = self.settings.port, cause,
            "no session with the smart host");
        Refusal::transient(
            451,
            EnhancedStatus::NO_ANSWER,
            "the smart host of the bridge could not be reached",
        )
    }
}

/// What may not go this way: a delivery report is no enveloped message.
pub(crate) fn objection(envelope: &Envelope) -> Option<Refusal> {
    envelope.from.address().is_none().then(|| {
        Refusal::permanent(
            550,
            EnhancedStatus::CONTENT,
            "only S/MIME enveloped messages go over the bridge",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_base::config;

    #[test]
    fn the_port_is_that_of_tls_from_the_first_octet() {
        let text =
            "domains = [\"cabinet.test\"]\nhost = \"smtp.example.test\"\nanchors = \"ca.pem\"";
        let settings: SmartHost = config::parse(text).unwrap();
        assert_eq!((settings.port, settings.user), (465, None));
        assert!(config::parse::<SmartHost>(&format!("{text}\nstarttls = true")).is_err());
    }

    #[test]
    fn a_user_without_a_password_is_refused() {
        let text = "domains = []\nhost = \"smtp.example.test\"\nanchors = \"ca.pem\"\nuser = \"a\"";
        let settings: SmartHost = config::parse(text).unwrap();
        assert!(matches!(
            Bridge::load(&settings),
            Err(RelayError::HalfALogin)
        ));
    }
}
