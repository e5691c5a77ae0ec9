//! What the directory keeps.

use liaison_directory_client::{
    Entry, EntryKind, Finess, Mailbox, PublishedCertificate, RelayEndpoint, Rpps,
};
use time::OffsetDateTime;

/// Everything of one territory's directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogue {
    /// What is said of the whole.
    pub facts: Facts,
    /// People, organisations and services.
    pub listings: Vec<Listing>,
    /// The members' relays.
    pub relays: Vec<RelayEndpoint>,
}

/// What is said of all entries together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The directory's name, for people.
    pub title: String,
    /// Who asserts the entries.
    pub source: String,
    /// When they were last asserted, to the millisecond.
    pub as_of: OffsetDateTime,
    /// Whether everything in it is fictitious; the page says so.
    pub demonstration: bool,
}

/// A person, an organisation or a service, with all its mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Its identifier in the file of entries: stable from one import to the next.
    pub id: String,
    /// Person, organisation or service.
    pub kind: EntryKind,
    /// The name to show.
    pub name: String,
    /// A person's profession, or what kind of organisation it is.
    pub activity: Option<String>,
    /// A person's RPPS number.
    pub rpps: Option<Rpps>,
    /// An organisation's own FINESS number.
    pub finess: Option<Finess>,
    /// The identifier of the organisation that a person works in or a service belongs to.
    pub organisation: Option<String>,
    /// The town, for people to tell namesakes apart.
    pub town: Option<String>,
    /// Its mailboxes, in the order of the file.
    pub mailboxes: Vec<ListedMailbox>,
}

/// A mailbox with the certificates published for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedMailbox {
    /// The mailbox.
    pub mailbox: Mailbox,
    /// Its certificates, usable or not.
    pub certificates: Vec<PublishedCertificate>,
}

impl Listing {
    /// The entry to publish for the mailbox at `index` of this listing; `employer` is the listing
    /// of its organisation. `None` when there is no such mailbox.
    pub(crate) fn entry(&self, index: usize, employer: Option<&Self>) -> Option<Entry> {
        let chosen = self.mailboxes.get(index)?;
        let alternates = self
            .mailboxes
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .map(|(_, other)| other.mailbox.clone())
            .collect();
        Some(Entry {
            kind: self.kind,
            name: self.name.clone(),
            profession: (self.kind == EntryKind::Person)
                .then(|| self.activity.clone())
                .flatten(),
            rpps: self.rpps.clone(),
            finess: self
                .finess
                .clone()
                .or_else(|| employer.and_then(|employer| employer.finess.clone())),
            organisation: employer.map(|employer| employer.name.clone()),
            mailbox: chosen.mailbox.clone(),
            certificates: chosen.certificates.clone(),
            alternates,
        })
    }
}
