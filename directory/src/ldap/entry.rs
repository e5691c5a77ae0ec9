//! A person in a role, an organisation or a service, as an LDAP entry.

use liaison_directory_client::{EntryKind, MailboxKind};
use time::OffsetDateTime;
use time::macros::format_description;

use super::dn::{Branch, Node, Suffix};
use super::pkcs7::certificates_only;
use super::schema::Attribute;
use crate::error::DirectoryError;
use crate::import::certificate::encrypts;
use crate::model::{SecureMailbox, Subject};
use crate::view::{Listing, View};

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Octets(Vec<u8>),
}

impl Value {
    pub(super) fn octets(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Octets(octets) => octets,
        }
    }
}

/// A name with its attributes, each with at least one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    name: String,
    attributes: Vec<(Attribute, Vec<Value>)>,
}

impl Entry {
    /// An entry with nothing but its name.
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            attributes: Vec::new(),
        }
    }

    /// Adds values, in their order and without empty ones and repetitions.
    pub(super) fn with<T: Into<String>>(
        mut self,
        attribute: Attribute,
        values: impl IntoIterator<Item = T>,
    ) -> Self {
        for value in values {
            let text: String = value.into();
            if !text.trim().is_empty() {
                self.push(attribute, Value::Text(text));
            }
        }
        self
    }

    fn with_octets(mut self, attribute: Attribute, values: impl Iterator<Item = Vec<u8>>) -> Self {
        for value in values {
            self.push(attribute, Value::Octets(value));
        }
        self
    }

    fn push(&mut self, attribute: Attribute, value: Value) {
        match self
            .attributes
            .iter_mut()
            .find(|(one, _)| *one == attribute)
        {
            Some((_, values)) if values.contains(&value) => {}
            Some((_, values)) => values.push(value),
            None => self.attributes.push((attribute, vec![value])),
        }
    }

    /// Its distinguished name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its attributes with their values.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (Attribute, &[Value])> {
        self.attributes
            .iter()
            .map(|(attribute, values)| (*attribute, values.as_slice()))
    }

    /// Whether it bears the attribute.
    pub(super) fn has(&self, attribute: Attribute) -> bool {
        self.attributes.iter().any(|(one, _)| *one == attribute)
    }

    /// The textual values of an attribute.
    pub(super) fn texts(&self, attribute: Attribute) -> impl Iterator<Item = &str> {
        self.attributes
            .iter()
            .filter(move |(one, _)| *one == attribute)
            .flat_map(|(_, values)| values)
            .filter_map(|value| match value {
                Value::Text(text) => Some(text.as_str()),
                Value::Octets(_) => None,
            })
    }
}

/// The branch that a listing stands in.
pub(super) fn branch(listing: &Listing) -> Branch {
    match listing.kind() {
        EntryKind::Person => Branch::People,
        EntryKind::Organisation => Branch::Organisations,
        EntryKind::Service => Branch::Services,
    }
}

/// The entry of a listing.
///
/// # Errors
/// [`DirectoryError::Index`] when the organisation or the substitute cannot be read.
pub(super) fn entry(
    view: &View,
    suffix: &Suffix,
    listing: &Listing,
) -> Result<Entry, DirectoryError> {
    let employer = employer(view, listing)?;
    let node = Node::Entry(branch(listing), listing.id());
    let name = suffix.name(node);
    let mut entry = Entry::new(name.clone());
    entry = match listing.kind() {
        EntryKind::Person => person(entry, listing, employer.as_deref()),
        EntryKind::Organisation => organisation(entry, listing, employer.as_deref()),
        EntryKind::Service => service(entry, listing, employer.as_deref()),
    };
    entry = reachable(entry, view.now(), &listing.mailboxes());
    entry = placed(entry, listing);
    entry = absent(entry, view, suffix, listing)?;
    let meta = listing.record.meta();
    let stamp = meta
        .updated_at
        .format(format_description!(
            "[year][month][day][hour][minute][second]Z"
        ))
        .unwrap_or_default();
    Ok(entry
        .with(Attribute::Custom1, [freshness(listing)])
        .with(Attribute::Uid, [listing.id().to_string()])
        .with(Attribute::EntryUuid, [listing.id().to_string()])
        .with(Attribute::EntryDn, [name])
        .with(Attribute::ModifyTimestamp, [stamp])
        .with(Attribute::SubschemaSubentry, [suffix.name(Node::Subschema)])
        .with(Attribute::HasSubordinates, ["FALSE"]))
}

/// The name of the organisation that a listing belongs to.
fn employer(view: &View, listing: &Listing) -> Result<Option<String>, DirectoryError> {
    let Some(subject) = listing.organisation() else {
        return Ok(None);
    };
    if let Some(own) = listing.structure()
        && own.meta.subject == *subject
    {
        return Ok(Some(own.name.clone()));
    }
    view.name_of(subject)
}

/// What a client lists: mail clients show this name alone and sort by it, so that activity and
/// town, which tell namesakes apart, are part of it.
fn label(name: &str, listing: &Listing) -> String {
    let town = listing.place().and_then(|place| place.town.as_deref());
    [Some(name), listing.activity(), town]
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" - ")
}

fn person(entry: Entry, listing: &Listing, employer: Option<&str>) -> Entry {
    let Some(person) = listing.person() else {
        return entry;
    };
    let listed = format!("{} {}", person.family, person.given);
    let spoken = format!("{} {}", person.given, person.family);
    let profession = listing
        .role()
        .and_then(|role| role.profession.as_ref())
        .map(|profession| profession.code.clone());
    entry
        .with(
            Attribute::ObjectClass,
            [
                "top",
                "person",
                "organizationalPerson",
                "inetOrgPerson",
                "mozillaAbPersonAlpha",
                "liaisonActeur",
            ],
        )
        .with(
            Attribute::Cn,
            [label(listed.trim(), listing), listed, spoken],
        )
        // RFC 4519 §2.32: a person has a surname.
        .with(
            Attribute::Sn,
            [if person.family.is_empty() {
                person.name.clone()
            } else {
                person.family.clone()
            }],
        )
        .with(Attribute::GivenName, [person.given.clone()])
        .with(Attribute::DisplayName, [person.name.clone()])
        .with(Attribute::Title, listing.activity())
        .with(Attribute::O, employer)
        .with(
            Attribute::IdentifiantPp,
            person.rpps.as_ref().map(ToString::to_string),
        )
        .with(
            Attribute::TypeIdentifiantPp,
            person.rpps.as_ref().map(|_| "8"),
        )
        .with(Attribute::Profession, profession)
}

fn organisation(entry: Entry, listing: &Listing, parent: Option<&str>) -> Entry {
    let Some(organisation) = listing.structure() else {
        return entry;
    };
    let (kind, number) = match (&organisation.finess, &organisation.siret) {
        (Some(finess), _) => (Some("FINESS"), Some(finess.to_string())),
        (None, Some(siret)) => (Some("SIRET"), Some(siret.clone())),
        (None, None) => (None, None),
    };
    let name = organisation.name.clone();
    entry
        .with(
            Attribute::ObjectClass,
            ["top", "organization", "liaisonActeur"],
        )
        .with(Attribute::Cn, [label(&name, listing), name.clone()])
        .with(Attribute::Cn, organisation.trade_name.clone())
        .with(Attribute::O, [name.clone()])
        .with(Attribute::DisplayName, [name])
        .with(Attribute::Ou, parent)
        .with(Attribute::Title, listing.activity())
        .with(Attribute::Description, organisation.description.clone())
        .with(Attribute::LabeledUri, organisation.url.clone())
        .with(Attribute::Fax, organisation.fax.clone())
        .with(Attribute::IdentifiantPm, number)
        .with(Attribute::TypeIdentifiantPm, kind)
}

fn service(entry: Entry, listing: &Listing, employer: Option<&str>) -> Entry {
    let name = listing.name().to_owned();
    let whole = match employer {
        Some(employer) => format!("{name} - {employer}"),
        None => name.clone(),
    };
    entry
        .with(
            Attribute::ObjectClass,
            ["top", "organizationalUnit", "liaisonActeur"],
        )
        .with(Attribute::Cn, [label(&whole, listing), whole])
        .with(Attribute::Ou, [name.clone()])
        .with(Attribute::DisplayName, [name])
        .with(Attribute::O, employer)
        .with(Attribute::Title, listing.activity())
        .with(
            Attribute::IdentifiantPm,
            listing.finess().map(ToString::to_string),
        )
        .with(
            Attribute::TypeIdentifiantPm,
            listing.finess().map(|_| "FINESS"),
        )
}

/// Addresses and the certificates to encrypt with: valid now, not revoked, and made for it.
fn reachable(entry: Entry, now: OffsetDateTime, mailboxes: &[&SecureMailbox]) -> Entry {
    let addresses: Vec<String> = mailboxes
        .iter()
        .map(|mailbox| mailbox.address.to_string())
        .collect();
    let usable: Vec<&[u8]> = mailboxes
        .iter()
        .flat_map(|mailbox| &mailbox.certificates)
        .filter(|certificate| certificate.is_usable(now) && encrypts(&certificate.der))
        .map(|certificate| certificate.der.as_slice())
        .collect();
    let purposes = mailboxes.iter().flat_map(|mailbox| {
        mailbox
            .purposes
            .iter()
            .map(|purpose| format!("{} : {purpose}", mailbox.address))
    });
    let kind = mailboxes.first().map(|mailbox| match mailbox.kind {
        MailboxKind::Per => "PER",
        MailboxKind::Org => "ORG",
        MailboxKind::App => "APP",
        MailboxKind::Cab => "CAB",
    });
    let second = addresses.get(1).cloned();
    entry
        .with(Attribute::Mail, addresses)
        .with(Attribute::SecondMail, second)
        .with(Attribute::TypeBal, kind)
        .with(Attribute::Custom2, purposes)
        .with_octets(
            Attribute::UserCertificate,
            usable.iter().map(|der| der.to_vec()),
        )
        .with_octets(
            Attribute::UserSmimeCertificate,
            usable.iter().map(|der| certificates_only(der)),
        )
}

fn placed(entry: Entry, listing: &Listing) -> Entry {
    let entry = entry.with(Attribute::TelephoneNumber, listing.phones().iter().cloned());
    let Some(place) = listing.place() else {
        return entry;
    };
    let street: Vec<_> = [&place.line, &place.street].into_iter().flatten().collect();
    entry
        .with(
            Attribute::Street,
            (!street.is_empty())
                .then(|| street.into_iter().cloned().collect::<Vec<_>>().join(", ")),
        )
        .with(Attribute::PostalCode, place.postal_code.clone())
        .with(Attribute::L, place.town.clone())
        .with(
            Attribute::C,
            [place.country.clone().unwrap_or_else(|| "FR".to_owned())],
        )
}

/// Says that somebody is away, until when, and who takes over.
fn absent(
    entry: Entry,
    view: &View,
    suffix: &Suffix,
    listing: &Listing,
) -> Result<Entry, DirectoryError> {
    let Some(absence) = listing.absence(view.now().date()) else {
        return Ok(entry);
    };
    let (mut names, mut places) = (Vec::new(), Vec::new());
    for subject in &absence.to {
        if let Some(substitute) = substitute(view, subject)? {
            names.push(substitute.name().to_owned());
            places.push(suffix.name(Node::Entry(branch(&substitute), substitute.id())));
        }
    }
    let until = absence.until.map_or_else(String::new, |day| {
        format!(
            " jusqu’au {:02}/{:02}/{}",
            day.day(),
            u8::from(day.month()),
            day.year()
        )
    });
    let instead = if names.is_empty() {
        String::new()
    } else {
        format!(", s’adresser à {}", names.join(" ou "))
    };
    Ok(entry
        .with(Attribute::Description, [format!("Absence{until}{instead}")])
        .with(Attribute::SeeAlso, places))
}

fn substitute(view: &View, subject: &Subject) -> Result<Option<Listing>, DirectoryError> {
    view.listing_of(subject)
}

/// Whose word the entry is and of which day, for the card that a mail client shows.
fn freshness(listing: &Listing) -> String {
    let meta = listing.record.meta();
    let day = meta.updated_at.date();
    let mut text = format!(
        "vérifié le {:02}/{:02}/{}",
        day.day(),
        u8::from(day.month()),
        day.year()
    );
    if let Some((_, origin)) = meta
        .provenance
        .iter()
        .max_by_key(|(_, origin)| origin.observed_at)
    {
        text = format!("{text} ({})", origin.signer);
    }
    if let Some(day) = listing
        .mailboxes()
        .iter()
        .filter_map(|mailbox| mailbox.last_delivered)
        .max()
    {
        text = format!(
            "{text} ; dernier envoi réussi le {:02}/{:02}/{}",
            day.day(),
            u8::from(day.month()),
            day.year()
        );
    }
    text
}
