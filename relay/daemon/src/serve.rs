//! `liaison serve`: opens the roles that the settings ask for and joins them through their ports.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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

use crate::config::Config;
use crate::error::CommandError;

/// How long a shutdown waits for what is under way. What is cut off then was not acknowledged.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs until SIGTERM or SIGINT. Prints `ready` once every door is open.
#[expect(
    clippy::print_stdout,
    reason = "whoever started the process waits for this line"
)]
pub(crate) async fn run(path: &Path) -> Result<(), CommandError> {
    let config = Config::load(path)?;
    log::start(&config.log)?;
    let shutdown = Shutdown::new();
    start(config, &shutdown).await?;
    tracing::info!("ready");
    println!("ready");
    let unusable = |cause| CommandError::Peer(format!("signals cannot be received: {cause}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(unusable)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unusable)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("shutting down");
    if !shutdown.finish(PATIENCE).await {
        tracing::warn!("some work was cut off; none of it had been acknowledged");
    }
    Ok(())
}

async fn start(config: Config, shutdown: &Shutdown) -> Result<(), CommandError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let directory = match config.directory {
        Some(settings) => {
            let running = liaison_directory::serve(&settings, shutdown, Arc::clone(&clock)).await?;
            Some(running.directory)
        }
        None => None,
    };
    let (Some(relay), gateway) = (config.relay, config.gateway) else {
        return match directory {
            Some(_) => Ok(()),
            None => Err(CommandError::Settings(
                "the settings have neither [relay] nor [directory]: nothing to run",
            )),
        };
    };
    let lookup = lookup(config.lookup, directory, &clock)?;
    let relay = Relay::open(relay, Arc::clone(&clock), lookup.clone()).await?;
    let Some(gateway) = gateway else {
        let nobody = Arc::new(NoMailboxes);
        relay
            .serve(nobody.clone(), nobody, shutdown.clone())
            .await?;
        return Ok(());
    };
    let gateway = Gateway::open(gateway, clock, lookup, Arc::new(relay.clone())).await?;
    // The gateway first: what the relay finds in its queue may be for a mailbox here.
    gateway.serve(shutdown).await?;
    relay
        .serve(
            Arc::new(gateway.clone()),
            Arc::new(gateway),
            shutdown.clone(),
        )
        .await?;
    Ok(())
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
