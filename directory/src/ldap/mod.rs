//! LDAP, read-only, for the address fields of mail clients (RFC 4511).
//!
//! One entry a person in a role, an organisation or a service, below
//! `ou=personnes`, `ou=structures` and `ou=services` of the suffix. A search that matches more
//! than a hundred gets the best hundred and code 4; one that narrows nothing is refused, and so is
//! whoever has seen a fiftieth of the directory in a day.
//!
//! A request's way: `frame.rs` finds where a message ends → `session.rs` says what it asks →
//! `filter.rs` reads the filter → `lookup.rs` asks the [`crate::view::View`] and judges each
//! `entry.rs` → `answer.rs` makes the messages. `connection.rs` drives it over TLS. `schema.rs`
//! names the attributes, `dn.rs` the places, `pkcs7.rs` wraps certificates for Outlook.

mod answer;
mod connection;
mod dn;
mod entry;
mod filter;
mod frame;
mod lookup;
mod pkcs7;
mod schema;
mod session;

use std::net::SocketAddr;
use std::sync::Arc;

use liaison_base::clock::Clock;
use liaison_base::listener::Listener;
use liaison_base::login::Logins;
use liaison_base::shutdown::Shutdown;
use rustls::ServerConfig;
use serde::{Deserialize, Serialize};

use crate::directory::Directory;
use crate::error::DirectoryError;
use crate::quota::Quotas;
use connection::Served;
use dn::Suffix;

/// The most connections at once, of each port: mail clients open one for each search and forget
/// to close it.
const MAX_CONNECTIONS: usize = 1_000;

/// The `[directory.ldap]` section.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LdapSettings {
    /// Address and port of LDAPS, for example `0.0.0.0:636`; port 0 takes a free one. It shows the
    /// certificate of the `[directory]` section.
    pub listen: SocketAddr,
    /// Address and port of LDAP that begins in clear, for clients that ask for StartTLS, for
    /// example `0.0.0.0:389`. Without TLS it takes no password, unless it is a loopback address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen_clear: Option<SocketAddr>,
    /// The distinguished name under which all entries stand, for example
    /// `dc=annuaire,dc=territoire`.
    pub suffix: String,
    /// Whether callers without an account may search. They share one quota.
    #[serde(default)]
    pub anonymous: bool,
}

/// Where LDAP listens, with the ports that were taken.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// LDAPS.
    pub tls: SocketAddr,
    /// LDAP that begins in clear.
    pub clear: Option<SocketAddr>,
}

/// Serves LDAP until `shutdown` is asked. When this returns, connections are taken.
///
/// # Errors
/// [`DirectoryError::Listen`] when an address is taken; [`DirectoryError::Suffix`].
pub(crate) async fn serve(
    settings: &LdapSettings,
    directory: Arc<Directory>,
    (logins, tls, quotas): (Arc<Logins>, Arc<ServerConfig>, Arc<Quotas>),
    (clock, shutdown): (Arc<dyn Clock>, &Shutdown),
) -> Result<Addresses, DirectoryError> {
    let suffix = Suffix::parse(&settings.suffix)
        .ok_or_else(|| DirectoryError::Suffix(settings.suffix.clone()))?;
    let served = Arc::new(Served::new(
        directory,
        (logins, tls, quotas),
        clock,
        suffix,
        settings.anonymous,
        shutdown.clone(),
    ));
    let tls = open(settings.listen, true, &served, shutdown).await?;
    let clear = match settings.listen_clear {
        Some(address) => Some(open(address, false, &served, shutdown).await?),
        None => None,
    };
    tracing::info!(%tls, ?clear, "LDAP listens");
    Ok(Addresses { tls, clear })
}

async fn open(
    address: SocketAddr,
    tls: bool,
    served: &Arc<Served>,
    shutdown: &Shutdown,
) -> Result<SocketAddr, DirectoryError> {
    let listener = Listener {
        name: if tls { "ldaps" } else { "ldap" },
        connections: MAX_CONNECTIONS,
    };
    let served = Arc::clone(served);
    listener
        .open(address, shutdown, move |stream, remote| {
            let served = Arc::clone(&served);
            async move { served.connection(stream, remote, tls).await }
        })
        .await
        .map_err(|cause| DirectoryError::Listen { address, cause })
}

/// Lets a fuzzer at what a client's octets reach without an account.
#[cfg(fuzzing)]
pub mod fuzzing {
    use bytes::BytesMut;
    use ldap3_proto::LdapCodec;
    use tokio_util::codec::Decoder as _;

    use super::Suffix;
    use super::frame::{self, Frame};
    use super::session::{Checked, Session, Step};

    /// Runs a session over the octets of a client.
    pub fn session(octets: &[u8]) {
        let Some(suffix) = Suffix::parse("dc=annuaire,dc=test") else {
            return;
        };
        let mut session = Session::new(suffix, true, true, true);
        let mut rest = octets;
        while let Frame::Whole(length) = frame::look(rest) {
            let (message, after) = rest.split_at(length);
            rest = after;
            let mut buffer = BytesMut::from(message);
            let Ok(Some(message)) = LdapCodec::default().decode(&mut buffer) else {
                return;
            };
            match session.take(message) {
                Step::Bind { id, user, .. } => {
                    let _ = session.bound(id, Checked::Right { user });
                }
                Step::Close => return,
                _ => {}
            }
        }
    }
}
