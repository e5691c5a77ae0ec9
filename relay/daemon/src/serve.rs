//! `liaison serve`: opens the roles that the settings ask for and joins them through their ports.

use std::path::Path;
use std::sync::Arc;

use liaison_base::clock::{Clock, SystemClock};
use liaison_base::shutdown::Shutdown;
use liaison_base::{log, tls};
use liaison_directory::Directory;
use liaison_directory_client::{CacheSettings, Client, HttpLookup, Lookup};
use liaison_gateway::Gateway;
use liaison_mail::port::{Arrival, Carriage, Delivery, News, PortFuture};
use liaison_mail::{Address, EnhancedStatus, EnvelopeId, Refusal, Verdict};
use liaison_relay::Relay;
use time::OffsetDateTime;
use tokio::signal::unix::{SignalKind, signal};

use crate::admin::{self, Recorder};
use crate::config::Config;
use crate::error::CommandError;
use crate::running::{Roles, Running};

/// Runs until SIGTERM or SIGINT; SIGHUP reads the settings again. Prints `ready` once every door is
/// open.
#[expect(
    clippy::print_stdout,
    reason = "whoever started the process waits for this line"
)]
pub(crate) async fn run(path: &Path) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    log::start(&config.log)?;
    let patience = config.shutdown.patience;
    let shutdown = Shutdown::new();
    let unusable = |cause| CommandError::Peer(format!("signals cannot be received: {cause}"));
    // Before the doors open: the default for each of these signals is to end the process.
    let mut terminate = signal(SignalKind::terminate()).map_err(unusable)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unusable)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(unusable)?;
    let running = start(path, config, &shutdown).await?;
    tracing::info!("ready");
    println!("ready");
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => {
                // Its result is logged; there is nobody else to tell.
                let _ = running.reload().await;
            }
        }
    }
    tracing::info!(
        tasks = shutdown.under_way(),
        "shutting down: what is under way is finished"
    );
    if !shutdown.finish(patience).await {
        tracing::warn!("some work was cut off; none of it had been acknowledged");
    }
    tracing::info!("stopped");
    Ok(())
}

/// Opens the roles, then the operators' port.
async fn start(path: &Path, config: Config, shutdown: &Shutdown) -> Result<Running, CommandError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // First: what the roles count while they open is counted.
    let recorder = Recorder::install(shutdown)?;
    let roles = open(config.clone(), &clock, shutdown).await?;
    let admin = config.admin.clone();
    let running = Running::new((path, config), roles, recorder, clock, shutdown);
    if let Some(settings) = &admin {
        admin::open(settings, running.clone(), shutdown).await?;
    }
    Ok(running)
}

async fn open(
    config: Config,
    clock: &Arc<dyn Clock>,
    shutdown: &Shutdown,
) -> Result<Roles, CommandError> {
    let mut roles = Roles::default();
    if let Some(settings) = &config.directory {
        let running = liaison_directory::serve(settings, shutdown, Arc::clone(clock)).await?;
        roles.directory = Some(running.directory);
    }
    let Some(settings) = config.relay else {
        return match roles.directory {
            Some(_) => Ok(roles),
            None => Err(CommandError::Settings(
                "the settings have neither [relay] nor [directory]: nothing to run",
            )),
        };
    };
    let lookup = lookup(config.lookup, roles.directory.clone(), clock)?;
    let relay = Relay::open(settings, Arc::clone(clock), lookup.clone()).await?;
    roles.lookup = Some(Arc::clone(&lookup));
    roles.relay = Some(relay.clone());
    let Some(settings) = config.gateway else {
        let nobody = Arc::new(NoMailboxes);
        relay
            .serve(nobody.clone(), nobody, shutdown.clone())
            .await?;
        return Ok(roles);
    };
    let hand_over = Arc::new(relay.clone());
    let gateway = Gateway::open(settings, Arc::clone(clock), lookup, hand_over).await?;
    // The gateway first: what the relay finds in its queue may be for a mailbox here.
    gateway.serve(shutdown).await?;
    roles.gateway = Some(gateway.clone());
    relay
        .serve(
            Arc::new(gateway.clone()),
            Arc::new(gateway),
            shutdown.clone(),
        )
        .await?;
    Ok(roles)
}

/// What stands behind a relay that carries for others and serves no mailbox itself.
struct NoMailboxes;

impl Delivery for NoMailboxes {
    fn serves<'a>(&'a self, _: &'a Address) -> PortFuture<'a, Result<(), Refusal>> {
        Box::pin(async { Err(no_mailbox()) })
    }

    fn deliver(&self, arrival: Arrival) -> PortFuture<'_, Vec<Verdict>> {
        let refused = |_| Verdict::Refused(no_mailbox());
        let verdicts = arrival.envelope.recipients.iter().map(refused).collect();
        Box::pin(async { verdicts })
    }
}

impl News for NoMailboxes {
    fn carried(
        &self,
        _: EnvelopeId,
        _: Address,
        _: Carriage,
        _: OffsetDateTime,
    ) -> PortFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn no_mailbox() -> Refusal {
    let status = EnhancedStatus::NO_SUCH_MAILBOX;
    Refusal::permanent(550, status, "this relay serves no mailbox")
}

fn lookup(
    elsewhere: Option<crate::config::Lookup>,
    here: Option<Arc<Directory>>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<Client>, CommandError> {
    let (directory, cache): (Arc<dyn Lookup>, CacheSettings) = match (elsewhere, here) {
        (Some(settings), _) => {
            let tls = tls::client(tls::anchors(&settings.anchors)?)?;
            (
                Arc::new(HttpLookup::new(&settings.url, tls)?),
                settings.cache,
            )
        }
        (None, Some(directory)) => (directory, CacheSettings::default()),
        (None, None) => {
            return Err(CommandError::Settings(
                "the relay needs a directory: give [lookup], or [directory] in this process",
            ));
        }
    };
    let clock = Arc::clone(clock);
    let clock: liaison_directory_client::Clock = Arc::new(move || clock.now());
    Ok(Arc::new(Client::new(directory, cache, clock)))
}
