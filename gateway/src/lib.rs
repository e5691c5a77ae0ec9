//! Where clinicians' mail clients and hospital systems plug in, and where the keys live.
//!
//! # Map, in the order of one message's way
//! - [`submission`]: mail clients submit, SMTP over TLS. [`hospital`]: hospital systems push, HL7
//!   v2 over MLLP or in files, FHIR and plain JSON over HTTPS.
//! - [`notices`]: an event becomes a notice, a correction of an earlier one, or nothing.
//! - [`outbound`]: draft → resolve → compose → seal → hand over to the relay.
//! - [`inbound`]: an arrival is opened, verified, judged and filed.
//! - [`mailbox`]: what clinicians read, sealed at rest. [`imap`]: how their clients read it.
//! - [`tracking`]: what became of each recipient, and the receipts that tell senders.
//! - [`reports`]: the register of medication errors.
//! - `partners`: what partners' clients read, which keys they use, how messages to them are made.
//! - [`accounts`]: who may log in. [`keys`]: what seals content at rest.
//! - [`desk`]: what waits for a person's decision, for the command line.
//! - [`settings`]: the `[gateway]` section. [`notifications`]: bad news, told to its author.
//! - `steering`: probes, and what a reload replaces.
//!
//! [`Gateway`] joins them, and is what the relay sees through the ports of `liaison-mail`.
//!
//! # Dependencies
//! `lettre` composes, `mail-parser` reads; `imap-codec` reads and writes IMAP; `ring` seals
//! at rest; `csv` reads tables of care circles; `uuid` names the
//! parts of a FHIR message; `axum` on `hyper` serves events over HTTPS; `askama` holds the French texts in templates; `sqlx`
//! through `liaison-store`; S/MIME and HL7 are crates of their own, without I/O.

pub mod accounts;
pub mod desk;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod hospital;
pub mod imap;
pub mod keys;
pub mod mailbox;
pub mod notices;
pub mod notifications;
pub mod outbound;
pub mod reports;
pub mod settings;
pub mod tracking;

mod error;
mod inbound;
mod partners;
mod steering;
mod submission;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use liaison_base::clock::Clock;
use liaison_base::shutdown::Shutdown;
use liaison_base::tls;
use liaison_directory_client::Client;
use liaison_mail::port::{Arrival, Carriage, Delivery, HandOver, News, PortFuture};
use liaison_mail::{Address, EnvelopeId, Refusal, Verdict};
use liaison_store::body::{self, Bodies};
use liaison_store::{Holder, Store, Word};
use time::OffsetDateTime;
use tokio::net::TcpListener;

pub use error::GatewayError;
pub use partners::PartnerState;
pub use settings::Settings;

use accounts::Accounts;
use hospital::feed::Feed;
use inbound::Inbound;
use keys::{SiteKey, Vault};
use mailbox::Mailboxes;
use notices::{CareCircle, Hospital, Rules, RulesFile};
use notifications::Notifications;
use outbound::identity::Identities;
use outbound::{Drafts, Outbound};
use partners::Partners;
use reports::Register;
use tracking::{Ledger, Receipts, State, TrackedMessage};

/// The gateway of one member. Copies share it.
#[derive(Clone)]
pub struct Gateway(Arc<Parts>);

struct Parts {
    settings: Settings,
    store: Store,
    holder: Holder,
    accounts: Arc<Accounts>,
    certificate: tls::Renewable,
    identities: Arc<Identities>,
    partners: Partners,
    mailboxes: Mailboxes,
    drafts: Drafts,
    notifications: Notifications,
    feed: Option<Feed>,
    inbound: Inbound,
    directory: Arc<Client>,
    relay: Arc<dyn HandOver>,
    clock: Arc<dyn Clock>,
}

/// Every table of the gateway's database.
pub const SCHEMAS: &[liaison_store::Schema] = &[
    keys::SCHEMA,
    mailbox::SCHEMA,
    outbound::draft::SCHEMA,
    tracking::SCHEMA,
    partners::SCHEMA,
    hospital::feed::SCHEMA,
    reports::SCHEMA,
];

impl Gateway {
    /// Opens the store, the keys and the mailboxes; nothing is served yet.
    ///
    /// # Errors
    /// [`GatewayError`] naming the setting, file or table that cannot be used.
    pub async fn open(
        settings: Settings,
        clock: Arc<dyn Clock>,
        directory: Arc<Client>,
        relay: Arc<dyn HandOver>,
    ) -> Result<Self, GatewayError> {
        let store = Store::open(&settings.database, SCHEMAS).await?;
        let takeover = Duration::from_secs(settings.takeover_seconds.max(1));
        let holder = store.enter("gateway", Arc::clone(&clock), takeover).await?;
        let bodies = Bodies::open("gateway", &settings.bodies)?;
        let vault = Vault::new(SiteKey::load(&settings.site_key)?, store.clone());
        let mailboxes = Mailboxes::open(
            store.clone(),
            bodies.clone(),
            vault.clone(),
            Arc::clone(&clock),
        )
        .await?;
        sweep(&bodies, &mailboxes, sweep_before(&store, &*clock)).await?;
        steering::provide(&mailboxes, &settings).await?;
        if let Some(hospital) = &settings.hospital {
            mailboxes.provide(&hospital.sender).await?;
        }
        let accounts = Arc::new(Accounts::new(
            settings.accounts.clone(),
            Arc::clone(&clock),
        )?);
        let identity = tls::Identity::load(&settings.certificate, &settings.key)?;
        let certificate = tls::Renewable::new(identity)?;
        let identities = Arc::new(Identities::load(&settings)?);
        settings::check_partners(&settings.partners)?;
        let partners = Partners::new(store.clone(), &settings.partners);
        let drafts = Drafts::new(store.clone(), &vault);
        let postmaster = Address::parse(&format!("postmaster@{}", settings.domain))?;
        let notifications = Notifications::new(mailboxes.clone(), postmaster);
        let reports = match &settings.reports {
            Some(reports) => {
                Some(Register::open(reports, store.clone(), &vault, drafts.clone()).await?)
            }
            None => None,
        };
        let feed = match &settings.hospital {
            None => None,
            Some(hospital) => {
                let (rules, circle) = notice_rules(&settings)?;
                let feed = Feed::new(
                    store.clone(),
                    &vault,
                    (drafts.clone(), notifications.clone()),
                    (rules, circle, hospital.sender.clone()),
                    Arc::clone(&clock),
                );
                Some(match hospital.back {
                    Some(_) => feed.telling_back(),
                    None => feed,
                })
            }
        };
        let inbound = Inbound::new(inbound::Parts {
            store: store.clone(),
            identities: Arc::clone(&identities),
            partners: partners.clone(),
            mailboxes: mailboxes.clone(),
            notifications: notifications.clone(),
            reports,
            hospital: feed.clone(),
            clock: Arc::clone(&clock),
        });
        Ok(Self(Arc::new(Parts {
            settings,
            store,
            holder,
            accounts,
            certificate,
            identities,
            partners,
            mailboxes,
            drafts,
            notifications,
            feed,
            inbound,
            directory,
            relay,
            clock,
        })))
    }

    /// Opens every door that the settings name and starts the workers, until a shutdown is asked
    /// for.
    ///
    /// # Errors
    /// [`GatewayError`] naming the door that cannot be opened.
    pub async fn serve(&self, shutdown: &Shutdown) -> Result<(), GatewayError> {
        self.start_workers(shutdown);
        let settings = &self.0.settings;
        let tls = tls::renewable_server(&self.0.certificate)?;
        if let Some(listen) = settings.submissions {
            let door = submission::Door {
                domain: settings.domain.clone(),
                accounts: Arc::clone(&self.0.accounts),
                identities: Arc::clone(&self.0.identities),
                directory: Arc::clone(&self.0.directory),
                drafts: self.0.drafts.clone(),
                partners: self.0.partners.clone(),
                clock: Arc::clone(&self.0.clock),
            };
            submission::serve(door, listen, Arc::clone(&tls), shutdown).await?;
        }
        if let Some(listen) = settings.imaps {
            let refused = |cause| GatewayError::Listen {
                listen: listen.to_string(),
                cause,
            };
            let listener = TcpListener::bind(listen).await.map_err(refused)?;
            imap::serve(
                listener,
                Arc::clone(&tls),
                self.0.mailboxes.clone(),
                Accounts::clone(&self.0.accounts),
                shutdown,
            )
            .map_err(refused)?;
        }
        if let (Some(hospital), Some(feed)) = (&settings.hospital, self.0.feed.clone()) {
            if let Some(back) = &hospital.back {
                let (store, clock) = (self.0.store.clone(), Arc::clone(&self.0.clock));
                let back = hospital::back::Back::new(back, &hospital.back_pace, store, clock)?;
                shutdown.spawn(back.run(shutdown.clone()));
            }
            shutdown.spawn(feed.clone().run(shutdown.clone()));
            if let Some(folder) = &hospital.drop_folder {
                let folder = hospital::DropFolder::open(feed.clone(), folder)?;
                shutdown.spawn(folder.run(shutdown.clone()));
            }
            let door = hospital::Door {
                feed,
                allow: hospital.allow.clone(),
            };
            if let Some(http) = &hospital.http {
                let http_door = hospital::http::Door {
                    feed: door.feed.clone(),
                    allow: hospital.allow.clone(),
                    settings: http.clone(),
                };
                let identity = tls::Identity::load(&settings.certificate, &settings.key)?;
                hospital::http::serve(http_door, identity, shutdown).await?;
            }
            if let Some(listen) = hospital.mllp {
                hospital::serve_plain(door.clone(), listen, shutdown).await?;
            }
            if let Some(listen) = hospital.mllps {
                hospital::serve_tls(door, listen, tls, shutdown).await?;
            }
        }
        Ok(())
    }

    fn start_workers(&self, shutdown: &Shutdown) {
        let parts = &self.0;
        let outbound = Outbound::new(outbound::Parts {
            store: parts.store.clone(),
            holder: parts.holder.clone(),
            drafts: parts.drafts.clone(),
            identities: Arc::clone(&parts.identities),
            partners: parts.partners.clone(),
            directory: Arc::clone(&parts.directory),
            relay: Arc::clone(&parts.relay),
            mailboxes: parts.mailboxes.clone(),
            notifications: parts.notifications.clone(),
            clock: Arc::clone(&parts.clock),
        });
        shutdown.spawn(outbound.run(shutdown.clone()));
        let receipts = Receipts {
            store: parts.store.clone(),
            mailboxes: parts.mailboxes.clone(),
            identities: Arc::clone(&parts.identities),
            drafts: parts.drafts.clone(),
            clock: Arc::clone(&parts.clock),
        };
        shutdown.spawn(receipts.run(shutdown.clone()));
        shutdown.spawn(self.clone().listen(shutdown.clone()));
    }

    /// Hears what other processes on the database have committed. Words may be lost: every so
    /// often each worker looks by itself.
    async fn listen(self, shutdown: Shutdown) {
        let mut news = self.0.store.news();
        let shared = self.0.store.location().is_shared();
        loop {
            let word = tokio::select! {
                word = news.next() => word,
                () = tokio::time::sleep(ROUND), if shared => Word::Missed,
                () = shutdown.asked() => return,
            };
            self.0.drafts.hear(&word);
            self.0.mailboxes.hear(&word);
        }
    }

    async fn carried(
        &self,
        envelope: &EnvelopeId,
        recipient: &Address,
        carriage: Carriage,
        at: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let (state, detail) = match &carriage {
            // A delay is not an end: the relay goes on, and tells the end.
            Carriage::Queued | Carriage::Delayed(_) => return Ok(()),
            Carriage::Relayed => (State::Relayed, String::new()),
            Carriage::Delivered => (State::Delivered, String::new()),
            Carriage::Failed(refusal) => (State::Failed, refusal.to_string()),
        };
        let (envelope, recipient) = (envelope.clone(), recipient.clone());
        self.0
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let news = tracking::News {
                        envelope: &envelope,
                        recipient: &recipient,
                        state,
                        at,
                        detail: &detail,
                    };
                    Ledger::record(tx, &news).await.map(|_| ())
                })
            })
            .await
    }
}

impl Delivery for Gateway {
    fn serves<'a>(&'a self, recipient: &'a Address) -> PortFuture<'a, Result<(), Refusal>> {
        Box::pin(async move { self.0.inbound.serves(recipient) })
    }

    fn deliver(&self, arrival: Arrival) -> PortFuture<'_, Vec<Verdict>> {
        Box::pin(async move { self.0.inbound.deliver(&arrival).await })
    }
}

impl News for Gateway {
    fn carried(
        &self,
        envelope: EnvelopeId,
        recipient: Address,
        carriage: Carriage,
        at: OffsetDateTime,
    ) -> PortFuture<'_, ()> {
        Box::pin(async move {
            if let Err(error) = Self::carried(self, &envelope, &recipient, carriage, at).await {
                tracing::error!(%envelope, %error, "news from the relay could not be kept");
            }
        })
    }
}

/// The rules and care circles of a gateway's hospital: the project's own where it names none.
///
/// # Errors
/// [`GatewayError`] naming the file or text that cannot be used.
pub fn notice_rules(settings: &Settings) -> Result<(Rules, CareCircle), GatewayError> {
    let Some(hospital) = &settings.hospital else {
        return Ok((Rules::default(), CareCircle::default()));
    };
    let circle = match &hospital.care_circles {
        Some(path) => hospital::care_circles::load(path)?,
        None => CareCircle::default(),
    };
    let shown = Hospital {
        name: settings.organisation.clone(),
        phone: Some(hospital.telephone.clone()),
        units: BTreeMap::new(),
    };
    let file: RulesFile = match &hospital.rules {
        Some(path) => liaison_base::config::load(path)?,
        None => RulesFile::default(),
    };
    let rules = Rules::new(shown, file, hospital.templates.as_deref())?;
    Ok((rules, circle))
}

/// The newest messages of a gateway's ledger, for the command line; the gateway may be running.
///
/// # Errors
/// [`GatewayError::Store`] when its database cannot be read.
pub async fn track(settings: &Settings, most: i64) -> Result<Vec<TrackedMessage>, GatewayError> {
    let store = Store::open(&settings.database, SCHEMAS).await?;
    let messages = Ledger::new(store.clone()).newest(most).await;
    store.close().await;
    messages
}

/// The register of reports of a gateway, for the command line; the gateway may be running. `None`
/// when the settings have none.
///
/// # Errors
/// [`GatewayError`] when the database or the site key cannot be used.
pub async fn register(settings: &Settings) -> Result<Option<Register>, GatewayError> {
    let Some(reports) = &settings.reports else {
        return Ok(None);
    };
    let store = Store::open(&settings.database, SCHEMAS).await?;
    let vault = Vault::new(SiteKey::load(&settings.site_key)?, store.clone());
    let drafts = Drafts::new(store.clone(), &vault);
    Ok(Some(Register::open(reports, store, &vault, drafts).await?))
}

/// How often a gateway that shares its database looks around without having been told.
const ROUND: Duration = Duration::from_secs(20);

/// Until when bodies without a row are orphans.
fn sweep_before(store: &Store, clock: &dyn Clock) -> OffsetDateTime {
    match store.location().is_shared() {
        true => clock.now() - body::GRACE,
        // This process is alone, and nothing is being written yet.
        false => time::PrimitiveDateTime::MAX.assume_utc(),
    }
}

/// Removes the bodies whose rows were never committed.
async fn sweep(
    bodies: &Bodies,
    mailboxes: &Mailboxes,
    before: OffsetDateTime,
) -> Result<(), GatewayError> {
    let rows = async { Ok::<_, GatewayError>(mailboxes.body_files().await?) };
    let removed = bodies.sweep(before, rows).await?;
    if removed > 0 {
        tracing::info!(
            removed,
            "bodies of messages that were never committed removed"
        );
    }
    Ok(())
}
