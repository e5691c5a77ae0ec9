//! The register: what is taken in, in one transaction each.

use std::sync::Arc;

use liaison_mail::{Address, EnvelopeId};
use liaison_store::{Schema, Store};
use time::OffsetDateTime;

use crate::GatewayError;
use crate::keys::Vault;
use crate::outbound::Drafts;
use crate::settings::ReportsSettings;

/// The tables of the register in the gateway's database.
pub const SCHEMA: Schema = Schema {
    component: "reports",
    migrations: &[],
};

/// The register of reports. Copies share it.
#[derive(Clone)]
pub struct Register(Arc<Inner>);

struct Inner {
    address: Address,
}

impl Register {
    /// Opens the register; the log and its signing key are made at the first start.
    ///
    /// # Errors
    /// [`GatewayError::Store`], [`GatewayError::Key`].
    pub async fn open(
        settings: &ReportsSettings,
        _store: Store,
        _vault: &Vault,
        _drafts: Drafts,
    ) -> Result<Self, GatewayError> {
        Ok(Self(Arc::new(Inner {
            address: settings.address.clone(),
        })))
    }

    /// The address that takes reports.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// Refuses every report: the log is not joined.
    pub(crate) async fn take_in(
        &self,
        _envelope: &EnvelopeId,
        _author: Option<Address>,
        _message: Vec<u8>,
        _now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        Err(GatewayError::Stored("the register cannot keep reports"))
    }
}
