//! The roles of this process while they run: looked at, measured, reloaded.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use liaison_base::clock::Clock;
use liaison_base::health::Check;
use liaison_base::log;
use liaison_base::shutdown::Shutdown;
use liaison_base::tls::Identity;
use liaison_directory::Directory;
use liaison_directory::import::{FileKind, Options};
use liaison_directory_client::Client;
use liaison_gateway::Gateway;
use liaison_relay::Relay;
use time::OffsetDateTime;
use tokio::sync::Mutex;

use crate::admin::Recorder;
use crate::config::Config;
use crate::error::CommandError;

/// Days until a certificate of this process expires; the relay measures its own.
const EXPIRY: &str = "liaison_certificate_expiry_days";
/// Reloads by result (`done`, `refused`).
const RELOADS: &str = "liaison_reloads_total";

/// The roles of this process. Copies are the same process.
#[derive(Clone)]
pub(crate) struct Running(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// The settings in force, by the last start or reload. Held during a reload: one at a time.
    config: Mutex<Config>,
    roles: Roles,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
}

/// What runs.
#[derive(Default)]
pub(crate) struct Roles {
    pub(crate) directory: Option<Arc<Directory>>,
    pub(crate) lookup: Option<Arc<Client>>,
    pub(crate) relay: Option<Relay>,
    pub(crate) gateway: Option<Gateway>,
}

impl Running {
    /// Joins what runs with the settings file that it runs by.
    pub(crate) fn new(
        (path, config): (&Path, Config),
        roles: Roles,
        recorder: Recorder,
        clock: Arc<dyn Clock>,
        shutdown: &Shutdown,
    ) -> Self {
        metrics::describe_gauge!(EXPIRY, "Days until the certificate expires");
        metrics::describe_counter!(RELOADS, "Reloads of the settings, by result");
        for result in ["done", "refused"] {
            metrics::counter!(RELOADS, "result" => result).absolute(0);
        }
        Self(Arc::new(Inner {
            path: path.to_owned(),
            config: Mutex::new(config),
            roles,
            recorder,
            clock,
            shutdown: shutdown.clone(),
        }))
    }

    /// The relay, if this process has one.
    pub(crate) fn relay(&self) -> Option<&Relay> {
        self.0.roles.relay.as_ref()
    }

    /// The process's metrics.
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.0.recorder
    }

    /// The present instant.
    pub(crate) fn now(&self) -> OffsetDateTime {
        self.0.clock.now()
    }

    /// Whether the process is leaving.
    pub(crate) fn is_draining(&self) -> bool {
        self.0.shutdown.is_asked()
    }

    /// What every role needs, looked at now.
    pub(crate) async fn checks(&self) -> Vec<Check> {
        let roles = &self.0.roles;
        let mut checks = Vec::new();
        if let Some(relay) = &roles.relay {
            checks.extend(relay.checks().await);
        }
        if let Some(gateway) = &roles.gateway {
            checks.extend(gateway.checks().await);
        }
        if let Some(directory) = &roles.directory {
            checks.push(match directory.view().and_then(|view| view.about()) {
                Ok(facts) => Check::passed("directory.entries", format!("as of {}", facts.as_of)),
                Err(error) => Check::failed("directory.entries", error.to_string()),
            });
        }
        checks
    }

    /// Brings the gauges up to date.
    pub(crate) async fn measure(&self) {
        let roles = &self.0.roles;
        if let Some(relay) = &roles.relay
            && let Err(error) = relay.measure().await
        {
            tracing::error!(%error, "the queue cannot be measured");
        }
        let now = self.now();
        let show = |name: &'static str, not_after: OffsetDateTime| {
            let days = (not_after - now).as_seconds_f64() / 86_400.0;
            metrics::gauge!(EXPIRY, "certificate" => name).set(days);
        };
        if let Some(gateway) = &roles.gateway {
            show("gateway", gateway.certificate_expires_at());
        }
        let config = self.0.config.lock().await;
        // What clinicians sign with: the one that ends first, as it lies on the disk.
        let identities = config.gateway.iter().flat_map(|one| &one.identities);
        let soonest = identities
            .filter_map(|one| Identity::load(&one.certificate, &one.key).ok())
            .filter_map(|one| one.not_after().ok())
            .min();
        if let Some(soonest) = soonest {
            show("smime", soonest);
        }
        if let Some(directory) = &config.directory
            && let Ok(identity) = Identity::load(&directory.tls_certificate, &directory.tls_key)
            && let Ok(not_after) = identity.not_after()
        {
            show("directory", not_after);
        }
    }

    /// Reads the settings file again and puts in force what can be without dropping a connection:
    /// the log filter, the certificates, trust and limits of the relay, the certificate and accounts
    /// of the gateway, the directory's entries; what the directory said is forgotten. All or
    /// nothing: everything is checked first. Answers with the keys that wait for the next start.
    pub(crate) async fn reload(&self) -> Result<Vec<String>, CommandError> {
        let result = self.try_reload().await;
        let name = match &result {
            Ok(waiting) => {
                tracing::info!(at_the_next_start = waiting.join(" "), "settings reloaded");
                "done"
            }
            Err(error) => {
                tracing::error!(%error, "settings refused; what was in force stays");
                "refused"
            }
        };
        metrics::counter!(RELOADS, "result" => name).increment(1);
        result
    }

    async fn try_reload(&self) -> Result<Vec<String>, CommandError> {
        let mut config = self.0.config.lock().await;
        let new = Config::load(&self.0.path)?;
        let roles = &self.0.roles;
        let same_roles = new.relay.is_some() == roles.relay.is_some()
            && new.gateway.is_some() == roles.gateway.is_some()
            && new.directory.is_some() == roles.directory.is_some();
        if !same_roles {
            return Err(CommandError::Settings(
                "a section of a role was added or removed: that takes a restart",
            ));
        }
        log::check(&new.log.filter)?;
        if let Some(settings) = &new.relay {
            Relay::check(settings)?;
        }
        if let (Some(gateway), Some(settings)) = (&roles.gateway, &new.gateway) {
            gateway.check(settings)?;
        }
        let mut waiting: Vec<String> = Vec::new();
        if let (Some(directory), Some(entries)) = (
            &roles.directory,
            new.directory.as_ref().and_then(|one| one.entries.as_ref()),
        ) {
            let options = Options::default();
            directory
                .import(FileKind::Entries, entries, options)
                .await?;
        }
        if let (Some(gateway), Some(settings)) = (&roles.gateway, &new.gateway) {
            let keys = gateway.reload(settings).await?;
            waiting.extend(keys.into_iter().map(str::to_owned));
        }
        if let (Some(relay), Some(settings)) = (&roles.relay, &new.relay) {
            let keys = relay.reload(settings)?;
            waiting.extend(keys.into_iter().map(str::to_owned));
        }
        if let Some(lookup) = &roles.lookup {
            lookup.forget();
        }
        log::change(&new.log.filter)?;
        if new.admin != config.admin {
            waiting.push("admin".to_owned());
        }
        *config = new;
        Ok(waiting)
    }
}
