//! The directory as faces read it: one consistent state, at one instant.
//!
//! A [`View`] is made of the index of all accepted sets and, before it, a small one of what was
//! asserted since; a root that has fresh assertions is read from there alone. Reading takes
//! microseconds from the system's page cache and never waits for a writer.
//!
//! - [`View::get`], [`View::named`], [`View::owner_of`]: by stable identifier, by identifier such
//!   as `rpps:00100000017`, by mail address.
//! - [`View::record`]: everything under a subject's root. [`View::members`]: who works somewhere.
//! - `filter.rs`: [`Filter`], exact questions with a stable order and paging: LDAP, FHIR.
//! - `listing.rs`: [`Listing`], what is found. `recent.rs`: those that were last read. `state.rs`:
//!   [`State`], what the directory holds between two changes.

mod filter;
mod listing;
mod recent;
mod state;

use std::sync::Arc;

use liaison_directory_client::{Query, RelayEndpoint, Resolution};
use liaison_mail::{Address, Domain};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::DirectoryError;
use crate::index::{Card, Index};
use crate::model::{
    Assertion, Commune, Field, Labels, Period, Record, Resource, Source, Subject, Territory, fold,
};

pub use filter::{Attribute, Filter, Page, PageStart, Test};
pub use listing::Listing;
pub(crate) use state::State;
use state::groups_of;

/// The most listings that one name may have.
const MAX_NAMED: usize = 200;

/// What is said of the directory as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its name, for people.
    pub title: String,
    /// Who keeps it.
    pub source: String,
    /// When its own list was last asserted, to the millisecond.
    pub as_of: OffsetDateTime,
    /// Whether everything in it is fictitious; the page says so.
    pub demonstration: bool,
}

/// A list that the directory was filled from, and how fresh it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListState {
    /// The list's name: `rpps`, `mss`, `entries`.
    pub list: String,
    /// The kind of source.
    pub source: Source,
    /// Who answers for it.
    pub signer: String,
    /// The date of the set that serves.
    pub observed_at: OffsetDateTime,
    /// When that set was accepted.
    pub accepted_at: OffsetDateTime,
    /// How many subjects it has.
    pub subjects: u64,
    /// How many of its rows could not be used.
    pub quarantined: u64,
    /// Why a later set was refused, if the last one was.
    pub refused: Option<String>,
}

impl ListState {
    /// How old a list may be before answers that rest on it say so: the national ones come daily.
    pub const STALE_AFTER: time::Duration = time::Duration::days(3);

    /// What the names of logs begin with: they are listed when they are stale.
    pub const LOG: &'static str = "log:";

    /// Whether answers that rest on this list must say how old it is.
    #[must_use]
    pub fn is_stale(&self, now: OffsetDateTime) -> bool {
        let is_national = matches!(self.source, Source::Rpps | Source::Finess | Source::Extract);
        self.list.starts_with(Self::LOG)
            || (is_national && now - self.observed_at > Self::STALE_AFTER)
    }
}

/// Kilometres between two points in degrees north and east, on a sphere (haversine).
pub(crate) fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    const EARTH: f64 = 6371.0;
    let (north, east) = ((b.0 - a.0).to_radians(), (b.1 - a.1).to_radians());
    let half = (north / 2.0).sin().powi(2)
        + a.0.to_radians().cos() * b.0.to_radians().cos() * (east / 2.0).sin().powi(2);
    2.0 * EARTH * half.clamp(0.0, 1.0).sqrt().asin()
}

/// Which index a card is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Shelf {
    Fresh,
    Base,
}

/// The directory at one instant. Cheap to make and to copy.
#[derive(Debug, Clone)]
pub struct View {
    state: Arc<State>,
    now: OffsetDateTime,
}

impl View {
    /// # Errors
    /// [`DirectoryError::Empty`] when nothing was ever imported: an empty directory knows nothing,
    /// and that nobody is listed must not be its word.
    pub(crate) fn new(state: Arc<State>, now: OffsetDateTime) -> Result<Self, DirectoryError> {
        if state.is_empty() {
            return Err(DirectoryError::Empty);
        }
        Ok(Self { state, now })
    }

    /// The instant of the view.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        self.now
    }

    /// The lists that it was filled from.
    #[must_use]
    pub fn lists(&self) -> &[ListState] {
        &self.state.lists
    }

    /// The labels of codes.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        match &self.state.base {
            Some(base) => base.labels(),
            None => self.state.fresh.labels(),
        }
    }

    /// How many people in their roles, organisations and services there are; a record that was
    /// asserted since the last import may be counted twice.
    #[must_use]
    pub fn actors(&self) -> u64 {
        self.shelves()
            .map(|(_, index)| u64::from(index.actors().end))
            .sum()
    }

    /// What is said of the directory as a whole.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn about(&self) -> Result<About, DirectoryError> {
        let subject = Subject::about();
        let assertions = self.assertions(&subject)?;
        let folded = fold(&assertions, self.now);
        let origin = folded.facts(&subject).first().map(|fact| &fact.origin);
        let oldest = self.state.lists.iter().map(|list| list.observed_at).max();
        Ok(About {
            title: folded
                .value(&subject, Field::Name)
                .unwrap_or("Annuaire partagé")
                .to_owned(),
            source: origin.map_or_else(
                || {
                    let signers: Vec<&str> = self
                        .state
                        .lists
                        .iter()
                        .map(|list| list.signer.as_str())
                        .collect();
                    signers.join(", ")
                },
                |origin| origin.signer.clone(),
            ),
            as_of: origin
                .map(|origin| origin.observed_at)
                .or(oldest)
                .unwrap_or(self.now),
            demonstration: folded.value(&subject, Field::Demonstration) == Some("1"),
        })
    }

    /// The listing with that stable identifier: of a person (in her first role), a role, an
    /// organisation, a service, or of the owner of a mailbox.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn get(&self, id: Uuid) -> Result<Option<Listing>, DirectoryError> {
        for (shelf, index) in self.shelves() {
            for card in index.cards_of_id(id) {
                let Some(listing) = self.listing(shelf, card)? else {
                    continue;
                };
                if listing.subject.id() == id || listing.holds(id) {
                    return Ok(Some(listing));
                }
            }
        }
        Ok(None)
    }

    /// The listings with an identifier: `rpps:…`, `finess:…`, `siret:…`, `id:…`; a person once for
    /// each role. At most 200.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn named(&self, identifier: &str) -> Result<Vec<Listing>, DirectoryError> {
        self.verified(identifier, |listing| listing.is_named(identifier))
    }

    /// The listings that own a mail address, whatever its capital letters.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn owner_of(&self, address: &Address) -> Result<Vec<Listing>, DirectoryError> {
        let folded = address.to_string().to_lowercase();
        self.verified(&format!("address:{folded}"), |listing| {
            listing
                .mailboxes()
                .iter()
                .any(|mailbox| mailbox.address.key() == address.key())
        })
    }

    /// Who works in an organisation, at most 200.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn members(&self, organisation: &Subject) -> Result<Vec<Listing>, DirectoryError> {
        self.verified(&format!("member:{}", organisation.key()), |listing| {
            listing.organisation() == Some(organisation)
        })
    }

    /// The record of the subject's root: the person of a role, the organisation of a service.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn record(&self, subject: &Subject) -> Result<Option<Arc<Record>>, DirectoryError> {
        let root = subject.root();
        let assertions = self.assertions(&root)?;
        Ok(self.read(&root, &assertions).map(Arc::new))
    }

    /// The listing of a subject: of a person in her first role, a role, an organisation, a
    /// service.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn listing_of(&self, subject: &Subject) -> Result<Option<Listing>, DirectoryError> {
        Ok(self
            .record(subject)?
            .and_then(|record| Listing::of(record, subject.clone())))
    }

    /// Whom a query means: the one answer of the gateway's port, `POST /v1/resolve` and the command
    /// line.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn resolve(&self, query: &Query) -> Result<Resolution, DirectoryError> {
        crate::resolve::resolve(self, query)
    }

    /// Everything that is asserted under a root, for those who must see it all.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn assertions(&self, root: &Subject) -> Result<Vec<Assertion>, DirectoryError> {
        for (_, index) in self.shelves() {
            if let Some(group) = groups_of(index, root)?.into_iter().next() {
                return index.assertions(group).map_err(DirectoryError::Index);
            }
        }
        Ok(Vec::new())
    }

    /// Every resource of the volet « Actions », by title.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn resources(&self) -> Result<Vec<Resource>, DirectoryError> {
        let mut found = self.roots("kind:resource", |record| match record {
            Record::Resource(one) => Some(one),
            _ => None,
        })?;
        found.sort_by(|a, b| a.title.cmp(&b.title));
        Ok(found)
    }

    /// Every territory, by name.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn territories(&self) -> Result<Vec<Territory>, DirectoryError> {
        let mut found = self.roots("kind:territory", |record| match record {
            Record::Territory(one) => Some(one),
            _ => None,
        })?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// A town, by its INSEE code.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn commune(&self, code: &str) -> Result<Option<Commune>, DirectoryError> {
        let record = self.record(&Subject::commune(code))?;
        Ok(record.and_then(|record| match &*record {
            Record::Commune(one) => Some(one.clone()),
            _ => None,
        }))
    }

    /// Every town that has a record.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn communes(&self) -> Result<Vec<Commune>, DirectoryError> {
        self.roots("kind:commune", |record| match record {
            Record::Commune(one) => Some(one),
            _ => None,
        })
    }

    /// The INSEE codes of the towns whose centre lies within so many kilometres of a point, given
    /// in degrees north and east.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn communes_near(
        &self,
        point: (f64, f64),
        kilometres: f64,
    ) -> Result<Vec<String>, DirectoryError> {
        let mut codes = Vec::new();
        for (_, index) in self.shelves() {
            let near = index
                .centres()?
                .iter()
                .filter(|centre| distance(centre.position, point) <= kilometres);
            codes.extend(near.map(|centre| centre.code.clone()));
        }
        Ok(codes)
    }

    /// The relay that takes mail for a domain.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn relay_of(&self, domain: &Domain) -> Result<Option<RelayEndpoint>, DirectoryError> {
        let found = self.relays(&format!("serves:{domain}"))?;
        Ok(found.into_iter().find(|relay| relay.serves(domain)))
    }

    /// The relay whose certificate bears `server_name`.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn relay_named(
        &self,
        server_name: &Domain,
    ) -> Result<Option<RelayEndpoint>, DirectoryError> {
        let found = self.relays(&format!("server:{server_name}"))?;
        Ok(found
            .into_iter()
            .find(|relay| relay.server_name == *server_name))
    }

    fn relays(&self, name: &str) -> Result<Vec<RelayEndpoint>, DirectoryError> {
        self.roots(name, |record| match record {
            Record::Relay(one) => Some(one.endpoint),
            _ => None,
        })
    }

    /// The records of roots with a name.
    fn roots<T>(
        &self,
        name: &str,
        pick: impl Fn(Record) -> Option<T>,
    ) -> Result<Vec<T>, DirectoryError> {
        let mut found = Vec::new();
        for (shelf, index) in self.shelves() {
            for card in index.cards_named(name) {
                if self.is_masked(shelf, card) {
                    continue;
                }
                if let Some(subject) = index.subject_of(card)?
                    && let Some(group) = index.group_of(card)
                {
                    let record = self.read(&subject.root(), &index.assertions(group)?);
                    found.extend(record.and_then(&pick));
                }
            }
        }
        Ok(found)
    }

    fn verified(
        &self,
        name: &str,
        is_right: impl Fn(&Listing) -> bool,
    ) -> Result<Vec<Listing>, DirectoryError> {
        let mut found: Vec<Listing> = Vec::new();
        for (shelf, index) in self.shelves() {
            for card in index.cards_named(name) {
                if let Some(listing) = self.listing(shelf, card)?
                    && is_right(&listing)
                {
                    found.push(listing);
                }
                if found.len() == MAX_NAMED {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    pub(crate) fn shelves(&self) -> impl Iterator<Item = (Shelf, &Index)> {
        let base = self.state.base.as_deref().map(|base| (Shelf::Base, base));
        [(Shelf::Fresh, &self.state.fresh)].into_iter().chain(base)
    }

    /// Whether a card has a later state in the fresh index.
    pub(crate) fn is_masked(&self, shelf: Shelf, card: Card) -> bool {
        shelf == Shelf::Base
            && !self.state.masked.is_empty()
            && self
                .state
                .base
                .as_ref()
                .and_then(|base| base.group_of(card))
                .is_some_and(|group| self.state.masked.contains(group))
    }

    /// The listing of a card; `None` when it is masked, or when nothing of it holds now.
    pub(crate) fn listing(
        &self,
        shelf: Shelf,
        card: Card,
    ) -> Result<Option<Listing>, DirectoryError> {
        if self.is_masked(shelf, card) {
            return Ok(None);
        }
        let today = self.now.date();
        if let Some(known) = self.state.recent.get(today, (shelf, card)) {
            return Ok(Some(known));
        }
        let index = match shelf {
            Shelf::Fresh => &self.state.fresh,
            Shelf::Base => match &self.state.base {
                Some(base) => base,
                None => return Ok(None),
            },
        };
        let Some((subject, assertions)) = index.said_of(card)? else {
            return Ok(None);
        };
        let record = self.read(&subject.root(), &assertions);
        let listing = record.and_then(|record| Listing::of(Arc::new(record), subject));
        // What begins or ends within a day is read anew each time.
        let holds_all_day = assertions.iter().all(|one| one.period == Period::ALWAYS);
        if let (Some(listing), true) = (&listing, holds_all_day) {
            self.state.recent.keep(today, (shelf, card), listing);
        }
        Ok(listing)
    }

    /// The name of an organisation, without the rest of its record.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn name_of(&self, organisation: &Subject) -> Result<Option<String>, DirectoryError> {
        let today = self.now.date();
        if let Some(known) = self.state.recent.name(today, organisation.key()) {
            return Ok(known);
        }
        let names = [Field::Name, Field::TradeName];
        for (_, index) in self.shelves() {
            let Some(said) = index.said_of_root(organisation, &names)? else {
                continue;
            };
            let folded = fold(&said, self.now);
            let name = names
                .iter()
                .find_map(|field| folded.value(organisation, *field))
                .map(str::to_owned);
            if said.iter().all(|one| one.period == Period::ALWAYS) {
                let recent = &self.state.recent;
                recent.keep_name(today, organisation.key(), name.clone());
            }
            return Ok(name);
        }
        Ok(None)
    }

    fn read(&self, root: &Subject, assertions: &[Assertion]) -> Option<Record> {
        let folded = fold(assertions, self.now);
        crate::model::record(root, &folded, self.labels(), self.now)
    }
}
