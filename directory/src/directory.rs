//! The entries of one territory.

use std::path::Path;
use std::sync::Arc;

use liaison_base::clock::Clock;
use liaison_directory_client::{Lookup, LookupError, Query, RelayEndpoint, Resolution};
use liaison_mail::Domain;
use liaison_mail::port::PortFuture;
use liaison_store::{Location, Store};

use crate::entry::{Catalogue, Facts, Listing};
use crate::error::DirectoryError;
use crate::import::{self, Changes};
use crate::{resolve, store};

/// The directory in this process. It answers from what was last imported.
#[derive(Debug)]
pub struct Directory {
    store: Store,
    clock: Arc<dyn Clock>,
}

impl Directory {
    /// Opens the database; a SQLite file is made if absent. It may still be empty.
    ///
    /// # Errors
    /// [`DirectoryError::Store`].
    pub async fn open(
        database: impl Into<Location>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, DirectoryError> {
        let store = Store::open(database, &[store::SCHEMA]).await?;
        Ok(Self { store, clock })
    }

    /// Reads a file of entries, puts it in place of all earlier entries in one commit, and tells
    /// what changed.
    ///
    /// # Errors
    /// As [`import::read`]; [`DirectoryError::Store`]. After an error the earlier entries are all
    /// there.
    pub async fn import(&self, file: &Path) -> Result<Changes, DirectoryError> {
        let now = self.clock.now();
        let path = file.to_owned();
        let catalogue = tokio::task::spawn_blocking(move || import::read(&path, now))
            .await
            .map_err(|_| DirectoryError::Read {
                path: file.to_owned(),
                cause: std::io::Error::other("the reading was cut off"),
            })??;
        let changes = self.replace(catalogue).await?;
        tracing::info!(
            added = changes.added.len(),
            changed = changes.changed.len(),
            removed = changes.removed.len(),
            unchanged = changes.unchanged,
            "entries imported"
        );
        Ok(changes)
    }

    /// Puts `catalogue` in place of all earlier entries in one commit.
    ///
    /// # Errors
    /// [`DirectoryError::Store`].
    pub async fn replace(&self, catalogue: Catalogue) -> Result<Changes, DirectoryError> {
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let before = store::catalogue(tx).await?;
                    store::replace(tx, &catalogue).await?;
                    Ok(Changes::between(before.as_ref(), &catalogue))
                })
            })
            .await
    }

    /// What is said of all entries.
    ///
    /// # Errors
    /// [`DirectoryError::Empty`] when nothing was ever imported; [`DirectoryError::Store`].
    pub async fn facts(&self) -> Result<Facts, DirectoryError> {
        let mut connection = self.store.read().acquire().await?;
        store::facts(&mut connection)
            .await?
            .ok_or(DirectoryError::Empty)
    }

    /// The entries whose name, activity, town, identifiers or addresses hold every word of
    /// `text`, whatever its capitals and accents, by name, at most `limit`. An empty text finds
    /// all. Each comes with its organisation.
    ///
    /// # Errors
    /// [`DirectoryError::Store`].
    pub async fn search(
        &self,
        text: &str,
        limit: u32,
    ) -> Result<Vec<(Listing, Option<Listing>)>, DirectoryError> {
        let mut snapshot = self.store.read().begin().await?;
        let listings = store::search(&mut snapshot, text, i64::from(limit)).await?;
        let mut found = Vec::with_capacity(listings.len());
        for listing in listings {
            let employer = match &listing.organisation {
                Some(id) => store::by_id(&mut snapshot, id).await?,
                None => None,
            };
            found.push((listing, employer));
        }
        Ok(found)
    }

    /// Waits for what is being written and closes the database.
    pub async fn close(self) {
        self.store.close().await;
    }
}

impl Lookup for Directory {
    fn resolve<'a>(&'a self, query: &'a Query) -> PortFuture<'a, Result<Resolution, LookupError>> {
        Box::pin(async move {
            let resolution = async {
                // One snapshot, so that an import between two statements is not half seen.
                let mut snapshot = self.store.read().begin().await?;
                resolve::resolve(&mut snapshot, query, self.clock.now()).await
            };
            Ok(resolution.await?)
        })
    }

    fn relay_of<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> PortFuture<'a, Result<Option<RelayEndpoint>, LookupError>> {
        Box::pin(async move {
            let relay = async {
                let mut snapshot = self.store.read().begin().await?;
                require_entries(store::facts(&mut snapshot).await?)?;
                Ok::<_, DirectoryError>(store::relay_of(&mut snapshot, domain).await?)
            };
            Ok(relay.await?)
        })
    }

    fn peer<'a>(
        &'a self,
        server_name: &'a str,
    ) -> PortFuture<'a, Result<Option<RelayEndpoint>, LookupError>> {
        Box::pin(async move {
            let Ok(name) = Domain::parse(server_name) else {
                return Ok(None);
            };
            let relay = async {
                let mut snapshot = self.store.read().begin().await?;
                require_entries(store::facts(&mut snapshot).await?)?;
                Ok::<_, DirectoryError>(store::relay_named(&mut snapshot, &name).await?)
            };
            Ok(relay.await?)
        })
    }
}

/// An empty directory knows nothing: that a relay is not listed must not be its word.
fn require_entries(facts: Option<Facts>) -> Result<Facts, DirectoryError> {
    facts.ok_or(DirectoryError::Empty)
}
