//! Probes, and what a reload replaces while sessions stay open: the certificate shown to clients and
//! the accounts.

use std::time::Duration;

use liaison_base::health::Check;
use liaison_base::tls::Identity;
use liaison_store::StoreError;
use tokio::time::timeout;

use crate::accounts::Accounts;
use crate::mailbox::Mailboxes;
use crate::settings::Settings;
use crate::{Gateway, GatewayError};

/// How long a probe waits for the store.
const PROBE: Duration = Duration::from_secs(5);

impl Gateway {
    /// What this gateway needs to do its work, looked at now: its store takes a write, its
    /// certificate has not expired.
    pub async fn checks(&self) -> Vec<Check> {
        let parts = &self.0;
        let write = parts.store.write(|tx| {
            Box::pin(async move {
                sqlx::query("UPDATE schema_version SET version = version")
                    .execute(tx)
                    .await?;
                Ok::<_, StoreError>(())
            })
        });
        let store = match timeout(PROBE, write).await {
            Ok(Ok(())) => Check::passed("gateway.store", "takes a write"),
            Ok(Err(error)) => Check::failed("gateway.store", error.to_string()),
            Err(_) => Check::failed("gateway.store", "no write ended in time"),
        };
        let (not_after, now) = (parts.certificate.not_after(), parts.clock.now());
        vec![
            store,
            Check::certificate("gateway.certificate", not_after, now),
        ]
    }

    /// When the certificate shown to clients expires.
    pub fn certificate_expires_at(&self) -> time::OffsetDateTime {
        self.0.certificate.not_after()
    }

    /// Checks whether the certificate and the accounts of `settings` could be put in force.
    ///
    /// # Errors
    /// As [`Gateway::reload`].
    pub fn check(&self, settings: &Settings) -> Result<(), GatewayError> {
        Identity::load(&settings.certificate, &settings.key)?.not_after()?;
        crate::settings::check_partners(&settings.partners)?;
        Accounts::new(settings.accounts.clone(), self.0.clock.clone())?;
        Ok(())
    }

    /// Puts the certificate and the accounts of `settings` in force for whoever connects from now
    /// on; sessions stay. Answers with the keys that differ and wait for the next start.
    ///
    /// # Errors
    /// [`GatewayError`] naming what cannot be used: everything stays as it was.
    pub async fn reload(&self, settings: &Settings) -> Result<Vec<&'static str>, GatewayError> {
        self.check(settings)?;
        provide(&self.0.mailboxes, settings).await?;
        let identity = Identity::load(&settings.certificate, &settings.key)?;
        self.0.certificate.renew(identity)?;
        self.0.accounts.replace(settings.accounts.clone())?;
        Ok(at_the_next_start(&self.0.settings, settings))
    }
}

/// Makes the mailboxes of the accounts that have none.
pub(crate) async fn provide(
    mailboxes: &Mailboxes,
    settings: &Settings,
) -> Result<(), GatewayError> {
    for account in &settings.accounts {
        mailboxes.provide(&account.address).await?;
        for mailbox in &account.mailboxes {
            mailboxes.provide(mailbox).await?;
        }
    }
    Ok(())
}

/// The keys that differ and that only a new start puts in force.
fn at_the_next_start(old: &Settings, new: &Settings) -> Vec<&'static str> {
    [
        ("gateway.domain", old.domain != new.domain),
        ("gateway.organisation", old.organisation != new.organisation),
        ("gateway.database", old.database != new.database),
        ("gateway.bodies", old.bodies != new.bodies),
        ("gateway.site_key", old.site_key != new.site_key),
        ("gateway.submissions", old.submissions != new.submissions),
        ("gateway.imaps", old.imaps != new.imaps),
        ("gateway.partner", old.partners != new.partners),
    ]
    .into_iter()
    .filter_map(|(key, differs)| differs.then_some(key))
    .collect()
}
