//! The visible records: what faces and answers are made of.

use liaison_directory_client::{
    Finess, MailboxKind, PublishedCertificate, Purpose, RelayEndpoint, Rpps,
};
use liaison_mail::Address;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::{Conflict, Field, Origin, Subject};

/// Everything that is shown under one root.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are people and organisations, and all are held behind an `Arc`"
)]
pub enum Record {
    /// A person with her roles.
    Person(Person),
    /// An organisation with its services.
    Organisation(Organisation),
    /// A relay.
    Relay(Relay),
    /// A territory.
    Territory(Territory),
    /// A pathway, a protocol sheet, a document or a link.
    Resource(Resource),
    /// A town.
    Commune(Commune),
}

impl Record {
    /// What is known of the record itself.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        match self {
            Self::Person(one) => &one.meta,
            Self::Organisation(one) => &one.meta,
            Self::Relay(one) => &one.meta,
            Self::Territory(one) => &one.meta,
            Self::Resource(one) => &one.meta,
            Self::Commune(one) => &one.meta,
        }
    }
}

/// What is known of a record itself: its identifier, where each field comes from, what is said
/// differently.
#[derive(Debug, Clone, PartialEq)]
pub struct Meta {
    /// The stable identifier, UUIDv5 of the subject.
    pub id: Uuid,
    /// What the record is of.
    pub subject: Subject,
    /// Whose word each field is.
    pub provenance: Vec<(Field, Origin)>,
    /// The latest date of its facts.
    pub updated_at: OffsetDateTime,
    /// What is said differently of this subject.
    pub conflicts: Vec<Conflict>,
}

impl Meta {
    /// Whose word `field` is.
    #[must_use]
    pub fn origin(&self, field: Field) -> Option<&Origin> {
        self.provenance
            .iter()
            .find(|(one, _)| *one == field)
            .map(|(_, origin)| origin)
    }
}

/// A code with its label; the code itself when no label is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Coded {
    /// The code: `10`, `S/SM54`, `500`.
    pub code: String,
    /// In words.
    pub label: String,
}

/// A professional or another actor. Never a patient.
#[derive(Debug, Clone, PartialEq)]
pub struct Person {
    /// Of the record.
    pub meta: Meta,
    /// The name to show: `Dr Hélène LEFEVRE-ESSAI`.
    pub name: String,
    /// The family name in which she practises.
    pub family: String,
    /// Given names; may be empty.
    pub given: String,
    /// `Dr`, `Mme`.
    pub civility: Option<String>,
    /// The RPPS number.
    pub rpps: Option<Rpps>,
    /// Further identifiers, `SYSTEM:VALUE`.
    pub identifiers: Vec<String>,
    /// Skills of the person whatever the role.
    pub specialities: Vec<Coded>,
    /// What she does and where. May be empty.
    pub roles: Vec<Role>,
    /// Mailboxes of no role in particular.
    pub mailboxes: Vec<SecureMailbox>,
    /// Absences that hold for every role: past, present and future ones.
    pub absences: Vec<Absence>,
}

/// What a person does somewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Of the record.
    pub meta: Meta,
    /// The profession (TRE_G15).
    pub profession: Option<Coded>,
    /// In words: the list's own, or the speciality or profession.
    pub activity: Option<String>,
    /// Specialities and skills.
    pub specialities: Vec<Coded>,
    /// The function (TRE_R21, TRE_R85).
    pub function: Option<Coded>,
    /// `L`, `S` or `B` (TRE_R23).
    pub mode: Option<Coded>,
    /// The sector (TRE_R02).
    pub sector: Option<Coded>,
    /// The organisation that it is held in.
    pub organisation: Option<Subject>,
    /// Where; the organisation's place when absent.
    pub place: Place,
    /// Professional telephone numbers.
    pub phones: Vec<String>,
    /// From when.
    pub from: Option<Date>,
    /// Until when, included.
    pub until: Option<Date>,
    /// Whether it is held now.
    pub active: bool,
    /// Mailboxes of this role.
    pub mailboxes: Vec<SecureMailbox>,
    /// Absences in this role.
    pub absences: Vec<Absence>,
}

/// A hospital, an EHPAD, a practice, a pharmacy, a town's CCAS, an association.
#[derive(Debug, Clone, PartialEq)]
pub struct Organisation {
    /// Of the record.
    pub meta: Meta,
    /// The name to show.
    pub name: String,
    /// A trade name.
    pub trade_name: Option<String>,
    /// What it is, in words.
    pub activity: Option<String>,
    /// The category (TRE_R66).
    pub category: Option<Coded>,
    /// The sector (TRE_R02).
    pub sector: Option<Coded>,
    /// The FINESS number of the establishment.
    pub finess: Option<Finess>,
    /// The SIRET number.
    pub siret: Option<String>,
    /// Further identifiers, `SYSTEM:VALUE`.
    pub identifiers: Vec<String>,
    /// The organisation that it belongs to.
    pub parent: Option<Subject>,
    /// A short description.
    pub description: Option<String>,
    /// Where.
    pub place: Place,
    /// Telephone numbers.
    pub phones: Vec<String>,
    /// A fax number.
    pub fax: Option<String>,
    /// An ordinary mail address, not for health data.
    pub email: Option<String>,
    /// A web address.
    pub url: Option<String>,
    /// Whether it is open.
    pub active: bool,
    /// Its own mailboxes.
    pub mailboxes: Vec<SecureMailbox>,
    /// Its services.
    pub services: Vec<Service>,
}

/// A part of an organisation: a ward, the admissions office.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Of the record.
    pub meta: Meta,
    /// The name to show.
    pub name: String,
    /// What it does, if its name does not say.
    pub activity: Option<String>,
    /// Where; the organisation's place when absent.
    pub place: Place,
    /// Telephone numbers.
    pub phones: Vec<String>,
    /// Its mailboxes.
    pub mailboxes: Vec<SecureMailbox>,
}

/// A postal place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Place {
    /// A further line of the address.
    pub line: Option<String>,
    /// Number and street.
    pub street: Option<String>,
    /// The postal code.
    pub postal_code: Option<String>,
    /// The town's INSEE code.
    pub commune: Option<String>,
    /// The town's name.
    pub town: Option<String>,
    /// The country, when it is not France.
    pub country: Option<String>,
    /// Degrees north and east.
    pub position: Option<(f64, f64)>,
}

/// A secure mailbox with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SecureMailbox {
    /// Of the record.
    pub meta: Meta,
    /// Its address.
    pub address: Address,
    /// Its type.
    pub kind: MailboxKind,
    /// What it is for, by its owner's word; empty when it takes everything.
    pub purposes: Vec<Purpose>,
    /// What it seems to be for, by its name. Never chooses by itself.
    pub suggested: Vec<Purpose>,
    /// The order among the owner's mailboxes, 1 first.
    pub rank: Option<u32>,
    /// The largest message, in octets.
    pub max_size: Option<u64>,
    /// What it reads: `smime`, `xdm`, `text`.
    pub formats: Vec<String>,
    /// When a message last arrived.
    pub last_delivered: Option<Date>,
    /// When a message last came back.
    pub last_bounce: Option<Date>,
    /// Since when the national extract no longer lists it: perhaps closed.
    pub missing_since: Option<Date>,
    /// Whether its owner asks for no more paper.
    pub paperless: bool,
    /// Its certificates, usable or not.
    pub certificates: Vec<PublishedCertificate>,
}

/// An absence, a replacement or a retirement.
#[derive(Debug, Clone, PartialEq)]
pub struct Absence {
    /// Of the record.
    pub meta: Meta,
    /// Why.
    pub reason: Held,
    /// The first day; since ever when absent.
    pub from: Option<Date>,
    /// The last day, included; for ever when absent.
    pub until: Option<Date>,
    /// Who takes over, in order: people, roles, services or organisations. May be empty.
    pub to: Vec<Subject>,
}

impl Absence {
    /// Whether it holds on that day.
    #[must_use]
    pub fn holds(&self, today: Date) -> bool {
        self.from.is_none_or(|from| from <= today) && self.until.is_none_or(|until| today <= until)
    }
}

/// Why somebody is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Leave, illness.
    Absence,
    /// Somebody else holds the practice.
    Replacement,
    /// For good.
    Retirement,
}

impl Held {
    /// The word that stands for it in assertions.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Absence => "absence",
            Self::Replacement => "replacement",
            Self::Retirement => "retirement",
        }
    }

    /// The reason that a word stands for.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Absence, Self::Replacement, Self::Retirement]
            .into_iter()
            .find(|one| one.word() == word)
    }
}

/// A relay of the territory.
#[derive(Debug, Clone, PartialEq)]
pub struct Relay {
    /// Of the record.
    pub meta: Meta,
    /// Where mail is handed over.
    pub endpoint: RelayEndpoint,
}

/// A CPTS, a DAC, a GHT.
#[derive(Debug, Clone, PartialEq)]
pub struct Territory {
    /// Of the record.
    pub meta: Meta,
    /// Its name.
    pub name: String,
    /// The INSEE codes of its towns.
    pub communes: Vec<String>,
    /// Whom it names when a patient has no family doctor, in order.
    pub fallbacks: Vec<Subject>,
}

/// A sheet of the volet « Actions », with the fields of the HAS.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Of the record.
    pub meta: Meta,
    /// `pathway`, `protocol`, `document` or `link`.
    pub kind: String,
    /// Its title.
    pub title: String,
    /// In a few words.
    pub description: Option<String>,
    /// Where it is.
    pub url: Option<String>,
    /// The remaining sheet, by field: holder, referent, professions, objectives, population,
    /// criteria, references, working group, validation and its dates.
    pub sheet: Vec<(Field, String)>,
}

impl Resource {
    /// The value of a field of the sheet.
    #[must_use]
    pub fn get(&self, field: Field) -> Option<&str> {
        self.sheet
            .iter()
            .find(|(one, _)| *one == field)
            .map(|(_, value)| value.as_str())
    }
}

/// A town.
#[derive(Debug, Clone, PartialEq)]
pub struct Commune {
    /// Of the record.
    pub meta: Meta,
    /// Its INSEE code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// A postal code.
    pub postal_code: Option<String>,
    /// Degrees north and east of its centre.
    pub centre: Option<(f64, f64)>,
}
