//! What a reload changes while connections stay open: certificates, trust, who may send how much.

use std::sync::Arc;

use liaison_base::tls::{self, Identity};
use liaison_mail::Domain;
use rustls::{ClientConfig, ServerConfig};
use time::OffsetDateTime;

use crate::RelayError;
use crate::bridge::Bridge;
use crate::settings::{Pressure, Rates, Settings};

/// The part of the settings in force that the next reload may replace. What began under it ends
/// under it.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) server_tls: Arc<ServerConfig>,
    pub(crate) client_tls: Arc<ClientConfig>,
    /// When the relay's own certificate expires.
    pub(crate) not_after: OffsetDateTime,
    pub(crate) transit: Vec<Domain>,
    pub(crate) bridge: Option<Arc<Bridge>>,
    pub(crate) rates: Rates,
    pub(crate) pressure: Pressure,
}

impl Live {
    /// Reads certificates, keys, anchors and lists; an error leaves what is in force as it is.
    pub(crate) fn load(settings: &Settings) -> Result<Self, RelayError> {
        let identity = || Identity::load(&settings.certificate, &settings.key);
        let anchors = tls::anchors(&settings.anchors)?;
        let revoked = tls::revocations(&settings.revocations)?;
        let own = identity()?;
        let bridge = settings.bridge.as_ref().map(Bridge::load).transpose()?;
        Ok(Self {
            not_after: own.not_after()?,
            server_tls: tls::relay_server(own, Arc::clone(&anchors), revoked.clone())?,
            client_tls: tls::relay_client(identity()?, anchors, revoked)?,
            transit: settings.transit.clone(),
            bridge: bridge.map(Arc::new),
            rates: settings.rates.clone(),
            pressure: settings.pressure.clone(),
        })
    }
}

/// The keys that differ and that only a new start puts in force.
pub(crate) fn at_the_next_start(old: &Settings, new: &Settings) -> Vec<&'static str> {
    [
        ("relay.hostname", old.hostname != new.hostname),
        ("relay.listen", old.listen != new.listen),
        ("relay.database", old.database != new.database),
        ("relay.bodies", old.bodies != new.bodies),
        ("relay.domains", old.domains != new.domains),
        ("relay.schedule", old.schedule != new.schedule),
        ("relay.limits", old.limits != new.limits),
    ]
    .into_iter()
    .filter_map(|(key, differs)| differs.then_some(key))
    .collect()
}
