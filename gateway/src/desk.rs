//! What waits for a person at a gateway, for the command line; the gateway may be running.

use std::sync::Arc;

use liaison_base::clock::{Clock as _, SystemClock};
use liaison_mail::{Address, EnvelopeId};
use liaison_store::Store;
use liaison_store::body::Bodies;
use time::OffsetDateTime;

use crate::hospital::feed::Feed;
use crate::hospital::held::{HeldNotice, Released};
use crate::keys::{SiteKey, Vault};
use crate::mailbox::Mailboxes;
use crate::notifications::Notifications;
use crate::outbound::Drafts;
use crate::{GatewayError, SCHEMAS, Settings};

/// The desk of who decides about what is held.
pub struct Desk {
    feed: Option<Feed>,
    drafts: Drafts,
}

/// A draft with a recipient whom the directory could not tell from another.
#[derive(Clone, Debug)]
pub struct HeldDraft {
    /// What names it.
    pub envelope: EnvelopeId,
    /// Since when.
    pub since: OffsetDateTime,
    /// `notice` or `mail`, or the kind of notice in French.
    pub title: String,
    /// A notice's number, or empty.
    pub number: String,
    /// Who is held: role and RPPS, FINESS or address.
    pub recipients: Vec<String>,
    /// Why, with the candidates.
    pub reasons: Vec<String>,
}

impl Desk {
    /// Opens the gateway's database.
    ///
    /// # Errors
    /// [`GatewayError`] when the database, the site key, the rules or the care circles cannot be
    /// used.
    pub async fn open(settings: &Settings) -> Result<Desk, GatewayError> {
        let store = Store::open(&settings.database, SCHEMAS).await?;
        let bodies = Bodies::open(settings.bodies.clone())?;
        let vault = Vault::new(SiteKey::load(&settings.site_key)?, store.clone());
        let clock = Arc::new(SystemClock);
        let mailboxes =
            Mailboxes::open(store.clone(), bodies, vault.clone(), clock.clone()).await?;
        let drafts = Drafts::new(store.clone(), &vault);
        let postmaster = Address::parse(&format!("postmaster@{}", settings.domain))?;
        let notifications = Notifications::new(mailboxes, postmaster);
        let feed = match &settings.hospital {
            None => None,
            Some(hospital) => {
                let (rules, circle) = crate::notice_rules(settings)?;
                let feed = Feed::new(
                    store,
                    &vault,
                    (drafts.clone(), notifications),
                    (rules, circle, hospital.sender.clone()),
                    clock,
                );
                Some(match hospital.back {
                    Some(_) => feed.telling_back(),
                    None => feed,
                })
            }
        };
        Ok(Desk { feed, drafts })
    }

    /// Notices that were never drafts, oldest first.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be read.
    pub async fn held_notices(&self) -> Result<Vec<HeldNotice>, GatewayError> {
        match &self.feed {
            Some(feed) => feed.held().await,
            None => Ok(Vec::new()),
        }
    }

    /// Drafts with a held recipient, oldest first.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be read.
    pub async fn held_drafts(&self) -> Result<Vec<HeldDraft>, GatewayError> {
        self.drafts.held().await
    }

    /// Lets what is held leave. For a draft, `to` is the mailbox chosen for its held recipient;
    /// without it the directory is asked again.
    ///
    /// # Errors
    /// [`GatewayError`]; it stays held then.
    pub async fn release(&self, id: &str, to: Option<Address>) -> Result<Released, GatewayError> {
        if let Some(feed) = &self.feed {
            match feed.release_held(id).await? {
                Released::Unknown => {}
                released => return Ok(released),
            }
        }
        let Ok(envelope) = EnvelopeId::parse(id) else {
            return Ok(Released::Unknown);
        };
        let now = SystemClock.now();
        self.drafts.release_held(&envelope, to, now).await
    }

    /// Drops what is held. False when there is nothing of that name.
    ///
    /// # Errors
    /// [`GatewayError`]; it stays held then.
    pub async fn drop(&self, id: &str) -> Result<bool, GatewayError> {
        if let Some(feed) = &self.feed
            && feed.drop_held(id).await?
        {
            return Ok(true);
        }
        match EnvelopeId::parse(id) {
            Ok(envelope) => self.drafts.drop_held(&envelope, SystemClock.now()).await,
            Err(_) => Ok(false),
        }
    }
}
