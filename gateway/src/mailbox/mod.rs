//! Mailboxes: what the gateway files for clinicians and their mail clients read.
//!
//! # Map
//! - [`Mailboxes`]: all mailboxes of a site: which addresses are served, filing, waking.
//! - [`Mailbox`]: one of them, as a session of a mail client uses it.
//! - [`filing`]: putting a message in: sealed beforehand, then filed within the caller's
//!   transaction, at most once for each dedupe key.
//! - [`folder`]: folders and their attributes; [`message`]: flags, changes, contents, expunging.
//! - [`opening`]: when a tracked message was first read, for the closed loop.
//!
//! # What is kept, and how
//! A message is one row of `content` (sealed under the mailbox's key; large ones in a file) and a
//! row of `message` for each folder that shows it. Folder names, keywords and contents are sealed;
//! dedupe keys are keyed digests; uids, sizes, dates and system flags are in clear. Every change
//! takes the next number of its mailbox (`modseq`), so a session asks only for what changed.

pub mod filing;
pub mod folder;
pub mod message;
pub mod opening;

mod error;
mod schema;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use liaison_base::clock::{Clock, millis};
use liaison_mail::Address;
use liaison_store::body::Bodies;
use liaison_store::{Store, Word};
use sqlx::{AnyConnection, Row as _};
use tokio::sync::{Notify, watch};

pub use error::MailboxError;
pub use filing::{Filed, Filing, Prepared};
pub use folder::{Folder, SpecialUse};
pub use message::{Change, Changes, Entry, Flags};
pub use opening::Opening;
pub use schema::SCHEMA;

use crate::keys::{SealingKey, Vault};

/// All mailboxes of a site. Copies share it.
#[derive(Clone)]
pub struct Mailboxes(Arc<Inner>);

struct Inner {
    store: Store,
    bodies: Bodies,
    vault: Vault,
    clock: Arc<dyn Clock>,
    served: RwLock<HashMap<String, Arc<Served>>>,
    openings: Notify,
}

struct Served {
    address: Address,
    key: Arc<SealingKey>,
    /// Counts the wake-ups; sessions wait for it to change.
    woken: watch::Sender<u64>,
}

/// One mailbox. Copies share it.
#[derive(Clone)]
pub struct Mailbox {
    all: Arc<Inner>,
    served: Arc<Served>,
}

impl Mailboxes {
    /// The mailboxes that `store` (opened with [`SCHEMA`] and [`crate::keys::SCHEMA`]) holds.
    ///
    /// # Errors
    /// [`MailboxError::Key`] when a mailbox's key does not open, so that a wrong site key is
    /// found at the start and not at the first mail; [`MailboxError::Store`].
    pub async fn open(
        store: Store,
        bodies: Bodies,
        vault: Vault,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, MailboxError> {
        let rows = sqlx::query("SELECT address FROM mailbox")
            .fetch_all(store.read())
            .await?;
        let all = Self(Arc::new(Inner {
            store,
            bodies,
            vault,
            clock,
            served: RwLock::default(),
            openings: Notify::new(),
        }));
        for row in rows {
            let address: String = row.try_get(0)?;
            let address = Address::parse(&address)
                .map_err(|_| MailboxError::Row("the address of a mailbox"))?;
            let key = all.0.vault.mailbox(&address).await?;
            all.serve(address, key);
        }
        Ok(all)
    }

    /// Makes a mailbox with its key and its first folders, unless it is there already.
    ///
    /// # Errors
    /// [`MailboxError::Key`], [`MailboxError::Store`].
    pub async fn provide(&self, address: &Address) -> Result<Mailbox, MailboxError> {
        if let Some(mailbox) = self.mailbox(address) {
            return Ok(mailbox);
        }
        let key = self.0.vault.provide(address).await?;
        let (name, made) = (address.key(), Arc::clone(&key));
        let now = millis(self.0.clock.now());
        self.0
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let new = sqlx::query(
                        "INSERT INTO mailbox (address, modseq, validity) VALUES ($1, 1, $2)
                         ON CONFLICT (address) DO NOTHING",
                    )
                    .bind(&name)
                    .bind(now / 1000)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected();
                    if new > 0 {
                        folder::create_first(tx, &made, &name).await?;
                    }
                    Ok::<_, MailboxError>(())
                })
            })
            .await?;
        self.serve(address.clone(), key);
        self.mailbox(address).ok_or(MailboxError::Unknown)
    }

    /// Whether mail for this address is filed here.
    pub fn serves(&self, address: &Address) -> bool {
        self.served(address).is_some()
    }

    /// The mailbox of this address, if it is served here.
    pub fn mailbox(&self, address: &Address) -> Option<Mailbox> {
        Some(Mailbox {
            served: self.served(address)?,
            all: Arc::clone(&self.0),
        })
    }

    /// Tells the sessions of a mailbox, this process's and others', that something was committed.
    /// Call it after the commit.
    pub fn wake(&self, address: &Address) {
        if let Some(served) = self.served(address) {
            self.0.wake(&served);
        }
    }

    /// Hears a word of another process ([`liaison_store::news`]).
    pub(crate) fn hear(&self, word: &Word) {
        let changed = match word {
            Word::Said(word) if &**word == OPENED => return self.0.openings.notify_one(),
            Word::Said(word) => match word.strip_prefix(CHANGED) {
                Some(name) => Some(name),
                None => return,
            },
            Word::Missed => None,
        };
        self.0.openings.notify_one();
        let served = self.0.served.read().unwrap_or_else(PoisonError::into_inner);
        for (name, one) in served.iter() {
            if changed.is_none_or(|changed| changed == name) {
                one.woken.send_modify(|count| *count += 1);
            }
        }
    }

    /// Erases a mailbox: its key first, so that what a failure leaves behind cannot be read.
    ///
    /// # Errors
    /// [`MailboxError::Key`], [`MailboxError::Store`].
    pub async fn erase(&self, address: &Address) -> Result<(), MailboxError> {
        self.0.vault.erase(address).await?;
        self.0
            .served
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&address.key());
        let name = address.key();
        let files = self
            .0
            .store
            .write(move |tx| Box::pin(erase_rows(tx, name)))
            .await?;
        for file in files {
            self.0.bodies.remove(&file).await?;
        }
        Ok(())
    }

    /// The files of the bodies that rows refer to: what [`Bodies::sweep`] must keep.
    ///
    /// # Errors
    /// [`MailboxError::Store`].
    pub async fn body_files(&self) -> Result<HashSet<String>, MailboxError> {
        sqlx::query("SELECT body_file FROM content WHERE body_file IS NOT NULL")
            .fetch_all(self.0.store.read())
            .await?
            .into_iter()
            .map(|row| Ok(row.try_get(0)?))
            .collect()
    }

    /// Resolves when an opening was recorded since the last call ([`opening`]).
    pub async fn openings_waiting(&self) {
        self.0.openings.notified().await;
    }

    fn served(&self, address: &Address) -> Option<Arc<Served>> {
        self.0
            .served
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&address.key())
            .cloned()
    }

    fn serve(&self, address: Address, key: Arc<SealingKey>) {
        self.0
            .served
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(address.key())
            .or_insert_with(|| {
                Arc::new(Served {
                    address,
                    key,
                    woken: watch::Sender::new(0),
                })
            });
    }
}

impl Mailbox {
    /// Whose mailbox it is.
    pub fn address(&self) -> &Address {
        &self.served.address
    }

    /// Changes whenever something was committed in this mailbox, by [`Mailboxes::wake`] or by a
    /// session.
    pub fn wakes(&self) -> watch::Receiver<u64> {
        self.served.woken.subscribe()
    }

    fn wake(&self) {
        self.all.wake(&self.served);
    }

    fn name(&self) -> String {
        self.served.address.key()
    }

    fn key(&self) -> &Arc<SealingKey> {
        &self.served.key
    }
}

impl Inner {
    fn wake(&self, served: &Served) {
        served.woken.send_modify(|count| *count += 1);
        self.store
            .tell(&format!("{CHANGED}{}", served.address.key()));
    }
}

/// How the word begins that tells other processes that a mailbox has changed; its name follows.
const CHANGED: &str = "mailbox ";
/// The word that tells other processes of an opening.
const OPENED: &str = "openings";

impl fmt::Debug for Mailboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailboxes")
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailbox({})", self.served.address)
    }
}

async fn erase_rows(tx: &mut AnyConnection, mailbox: String) -> Result<Vec<String>, MailboxError> {
    let rows =
        sqlx::query("SELECT body_file FROM content WHERE mailbox = $1 AND body_file IS NOT NULL")
            .bind(&mailbox)
            .fetch_all(&mut *tx)
            .await?;
    for statement in [
        "DELETE FROM opening WHERE mailbox = $1",
        "DELETE FROM filed WHERE mailbox = $1",
        "DELETE FROM message WHERE mailbox = $1",
        "DELETE FROM content WHERE mailbox = $1",
        "DELETE FROM folder WHERE mailbox = $1",
        "DELETE FROM mailbox WHERE address = $1",
    ] {
        sqlx::query(statement)
            .bind(&mailbox)
            .execute(&mut *tx)
            .await?;
    }
    rows.into_iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The number of the next change of a mailbox. Whoever changes a mailbox takes it first: on
/// PostgreSQL its row then keeps other processes from the mailbox until the commit, so that
/// numbers are visible in their order.
async fn next_modseq(tx: &mut AnyConnection, mailbox: &str) -> Result<i64, MailboxError> {
    let row =
        sqlx::query("UPDATE mailbox SET modseq = modseq + 1 WHERE address = $1 RETURNING modseq")
            .bind(mailbox)
            .fetch_optional(tx)
            .await?
            .ok_or(MailboxError::Unknown)?;
    Ok(row.try_get(0)?)
}

#[cfg(test)]
mod tests;
