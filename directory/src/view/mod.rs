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
//! - `listing.rs`: [`Listing`], what is found.

mod filter;
mod listing;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use liaison_directory_client::{Query, RelayEndpoint, Resolution};
use liaison_mail::{Address, Domain};
use roaring::RoaringBitmap;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::DirectoryError;
use crate::index::{Builder, Card, Group, GroupClaim, Index};
use crate::model::{
    Assertion, Commune, Field, Labels, Origin, Record, Resource, Source, Subject, Territory, fold,
};
use crate::set::claim;

pub use filter::{Attribute, Filter, Page, PageStart, Test};
pub use listing::Listing;

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

/// What the directory holds between two changes.
pub(crate) struct State {
    base: Option<Arc<Index>>,
    fresh: Index,
    /// The groups of the base that the fresh index has a later state of.
    masked: RoaringBitmap,
    lists: Vec<ListState>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("base", &self.base)
            .field("fresh", &self.fresh)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Puts what was asserted since before the index.
    pub(crate) fn new(
        base: Option<Arc<Index>>,
        assertions: Vec<Assertion>,
        lists: Vec<ListState>,
    ) -> Result<Self, DirectoryError> {
        let mut roots: HashMap<Subject, Vec<Assertion>> = HashMap::new();
        for assertion in assertions {
            roots
                .entry(assertion.subject.root())
                .or_default()
                .push(assertion);
        }
        let mut masked = RoaringBitmap::new();
        let mut groups: Vec<(Subject, Vec<Assertion>)> = Vec::with_capacity(roots.len());
        for (root, mut said) in roots {
            if let Some(base) = &base {
                for group in groups_of(base, &root)? {
                    masked.insert(group);
                    said.extend(base.assertions(group)?);
                }
            }
            groups.push((root, said));
        }
        groups.sort_by(|a, b| a.0.cmp(&b.0));
        let fresh = in_memory(&groups)?;
        Ok(Self {
            base,
            fresh,
            masked,
            lists,
        })
    }

    /// Whether nothing was ever imported or asserted.
    fn is_empty(&self) -> bool {
        self.base.is_none() && self.fresh.cards() == 0
    }

    pub(crate) fn base(&self) -> Option<&Arc<Index>> {
        self.base.as_ref()
    }
}

/// An index of a few roots, in memory.
fn in_memory(groups: &[(Subject, Vec<Assertion>)]) -> Result<Index, DirectoryError> {
    let mut origins: Vec<Origin> = Vec::new();
    let mut numbers: HashMap<Origin2, usize> = HashMap::new();
    let mut written = Vec::with_capacity(groups.len());
    for (root, said) in groups {
        let mut group = Group {
            root: root.key().to_owned(),
            claims: Vec::with_capacity(said.len()),
        };
        for one in said {
            let origin = *numbers.entry(Origin2::of(&one.origin)).or_insert_with(|| {
                origins.push(one.origin.clone());
                origins.len() - 1
            });
            let mut octets = Vec::new();
            let facts = one
                .facts
                .iter()
                .map(|(field, value)| (*field, value.as_str()));
            claim::encode(one.period, facts, &mut octets);
            group.claims.push(GroupClaim {
                origin,
                suffix: one
                    .subject
                    .key()
                    .strip_prefix(root.key())
                    .unwrap_or_default()
                    .to_owned(),
                claim: octets,
            });
        }
        group
            .claims
            .sort_by(|a, b| (&a.suffix, a.origin).cmp(&(&b.suffix, b.origin)));
        written.push(group);
    }
    let build = || {
        let mut builder = Builder::new(Vec::new(), &origins, "fresh")?;
        for group in &written {
            builder.add(group)?;
        }
        Index::in_memory(builder.finish()?)
    };
    build().map_err(DirectoryError::Index)
}

/// What tells two origins apart.
#[derive(PartialEq, Eq, Hash)]
struct Origin2(Source, String, i128, u64);

impl Origin2 {
    fn of(origin: &Origin) -> Self {
        Self(
            origin.source,
            origin.signer.clone(),
            origin.observed_at.unix_timestamp_nanos(),
            origin.sequence,
        )
    }
}

/// The groups whose root is `root`: one, or none.
fn groups_of(index: &Index, root: &Subject) -> Result<HashSet<u32>, DirectoryError> {
    let mut groups = HashSet::new();
    for card in index.cards_of_id(root.id()) {
        if let Some(group) = index.group_of(card)
            && index
                .subject_of(card)?
                .is_some_and(|subject| subject.root() == *root)
        {
            groups.insert(group);
        }
    }
    Ok(groups)
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
        let index = match shelf {
            Shelf::Fresh => &self.state.fresh,
            Shelf::Base => match &self.state.base {
                Some(base) => base,
                None => return Ok(None),
            },
        };
        let (Some(subject), Some(group)) = (index.subject_of(card)?, index.group_of(card)) else {
            return Ok(None);
        };
        let record = self.read(&subject.root(), &index.assertions(group)?);
        Ok(record.and_then(|record| Listing::of(Arc::new(record), subject)))
    }

    fn read(&self, root: &Subject, assertions: &[Assertion]) -> Option<Record> {
        let folded = fold(assertions, self.now);
        crate::model::record(root, &folded, self.labels(), self.now)
    }
}
