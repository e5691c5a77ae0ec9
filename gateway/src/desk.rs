//! What waits for a person at a gateway, for the command line; the gateway may be running.

use std::sync::Arc;

use liaison_base::clock::{Clock as _, SystemClock, millis};
use liaison_mail::{Address, EnvelopeId};
use liaison_smime::Certificate;
use liaison_store::Store;
use liaison_store::body::Bodies;
use time::OffsetDateTime;

use crate::hospital::back::{self, Untold};
use crate::hospital::circle_import;
use crate::hospital::circles::Imported;
use crate::hospital::feed::{Feed, Taken};
use crate::hospital::held::{HeldNotice, Released};
use crate::hospital::mail::Incoming;
use crate::hospital::messages::Unsent;
use crate::hospital::requests::Request;
use crate::keys::{SiteKey, Vault};
use crate::mailbox::Mailboxes;
use crate::notices::message::Message;
use crate::notices::{CareMember, EpisodeKey, PatientKey};
use crate::notifications::Notifications;
use crate::outbound::Drafts;
use crate::partners::{PartnerState, Partners};
use crate::{GatewayError, SCHEMAS, Settings};

/// The desk of who decides about what is held.
pub struct Desk {
    store: Store,
    feed: Option<Feed>,
    drafts: Drafts,
    partners: Partners,
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
        let bodies = Bodies::open("gateway", &settings.bodies)?;
        let vault = Vault::new(SiteKey::load(&settings.site_key)?, store.clone());
        let clock = Arc::new(SystemClock);
        let mailboxes =
            Mailboxes::open(store.clone(), bodies, vault.clone(), clock.clone()).await?;
        let drafts = Drafts::new(store.clone(), &vault);
        let partners = Partners::new(store.clone(), &settings.partners);
        let postmaster = Address::parse(&format!("postmaster@{}", settings.domain))?;
        let notifications = Notifications::new(mailboxes, postmaster);
        let feed = match &settings.hospital {
            None => None,
            Some(hospital) => {
                let (rules, circle) = crate::notice_rules(settings)?;
                let feed = Feed::new(
                    store.clone(),
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
        Ok(Desk {
            store,
            feed,
            drafts,
            partners,
        })
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

    /// What notices asked for, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be read.
    pub async fn requests(&self, limit: i64) -> Result<Vec<Request>, GatewayError> {
        match &self.feed {
            Some(feed) => feed.requests(limit).await,
            None => Ok(Vec::new()),
        }
    }

    /// Mail to the ward that answers notices or asks something, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be read.
    pub async fn incoming(&self, limit: i64) -> Result<Vec<Incoming>, GatewayError> {
        match &self.feed {
            Some(feed) => feed.incoming(limit).await,
            None => Ok(Vec::new()),
        }
    }

    /// Notes who has handled a mail to the ward. False when none of that number waits.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be written.
    pub async fn handled(&self, number: &str, by: &str) -> Result<bool, GatewayError> {
        match &self.feed {
            Some(feed) => feed.handled(number, by).await,
            None => Ok(false),
        }
    }

    /// What the hospital's system has not taken of what became of notices, oldest first, at most
    /// `limit`.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be read.
    pub async fn untold(&self, limit: i64) -> Result<Vec<Untold>, GatewayError> {
        back::untold(&self.store, limit).await
    }

    /// Has that told again from now on, also what had been refused too often. Gives how much.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be written.
    pub async fn tell_again(&self) -> Result<u64, GatewayError> {
        back::tell_again(&self.store, millis(SystemClock.now())).await
    }

    /// Notes that who receives the patient of a stay should call the ward first, or need not.
    /// False when nothing is known of the stay.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be written.
    pub async fn contact_first(
        &self,
        stay: EpisodeKey,
        wanted: bool,
    ) -> Result<bool, GatewayError> {
        match &self.feed {
            Some(feed) => feed.contact_first(stay, wanted).await,
            None => Ok(false),
        }
    }

    /// Sends a message about a stay. `None` when the gateway has no hospital.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be written: nothing was taken.
    pub async fn write(
        &self,
        stay: EpisodeKey,
        message: Message,
    ) -> Result<Option<Result<Taken, Unsent>>, GatewayError> {
        match &self.feed {
            Some(feed) => feed.write(stay, message).await.map(Some),
            None => Ok(None),
        }
    }

    /// Takes a table of care circles ([`circle_import`]) into the store. With `replace`, the
    /// patients whom it names keep only what it says. `None` when the gateway has no hospital.
    ///
    /// # Errors
    /// [`GatewayError::Setting`] naming the line that cannot be used: nothing was taken.
    pub async fn import_circles(
        &self,
        table: &[u8],
        replace: bool,
    ) -> Result<Option<Imported>, GatewayError> {
        let Some(feed) = &self.feed else {
            return Ok(None);
        };
        let lines = circle_import::read(table).map_err(|error| GatewayError::Setting {
            key: "circle import",
            cause: error.to_string(),
        })?;
        feed.import_circles(lines, replace).await.map(Some)
    }

    /// Who is around a patient: of the file and of the store.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be read.
    pub async fn circle_of(&self, patient: &PatientKey) -> Result<Vec<CareMember>, GatewayError> {
        match &self.feed {
            Some(feed) => feed.circle_of(patient).await,
            None => Ok(Vec::new()),
        }
    }

    /// Forgets what was imported about a patient. Gives how many members there were.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be written.
    pub async fn forget_circle(&self, patient: &PatientKey) -> Result<u64, GatewayError> {
        match &self.feed {
            Some(feed) => feed.forget_circle(patient).await,
            None => Ok(0),
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

    /// What is known of partners' clients and keys, by address.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be read.
    pub async fn partners(&self) -> Result<Vec<PartnerState>, GatewayError> {
        self.partners.all().await
    }

    /// Makes a certificate's key the known one of a partner: a person has asked it, by another
    /// way than mail.
    ///
    /// # Errors
    /// [`GatewayError::Setting`] for a certificate that cannot be read or names another address;
    /// [`GatewayError`] when the database refuses.
    pub async fn confirm_partner(
        &self,
        address: &Address,
        certificate_pem: &str,
    ) -> Result<(), GatewayError> {
        let refused = |cause: String| GatewayError::Setting {
            key: "partner confirm",
            cause,
        };
        let certificate =
            Certificate::from_pem(certificate_pem).map_err(|error| refused(error.to_string()))?;
        let named = certificate.addresses();
        if !named
            .iter()
            .any(|n| Address::parse(n).as_ref() == Ok(address))
        {
            return Err(refused(format!("the certificate does not name {address}")));
        }
        let now = SystemClock.now();
        self.partners.confirm(address, certificate, now).await
    }

    /// Forgets what is known of a partner. False when that is nothing.
    ///
    /// # Errors
    /// [`GatewayError`] when the database refuses.
    pub async fn forget_partner(&self, address: &Address) -> Result<bool, GatewayError> {
        self.partners.forget(address).await
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
