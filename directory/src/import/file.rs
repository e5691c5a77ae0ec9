//! What a file of entries holds.
//!
//! ```toml
//! title = "Annuaire du Vallon"
//! source = "CPTS du Vallon"
//!
//! [[organisations]]
//! id = "ehpad-tilleuls"
//! name = "EHPAD Les Tilleuls"
//! finess = "000000018"
//! mailboxes = [{ address = "coordination@ehpad-tilleuls.test", type = "ORG" }]
//!
//! [[people]]
//! id = "dr-essai"
//! name = "Dr Hélène ESSAI"
//! profession = "Médecin généraliste"
//! rpps = "00100000017"
//! [[people.mailboxes]]
//! address = "helene.essai@cabinet.test"
//! type = "PER"
//! certificates = [{ file = "pki/helene.crt" }]
//!
//! [[relays]]
//! domain = "ehpad-tilleuls.test"
//! server_name = "relay.ehpad-tilleuls.test"
//! host = "192.0.2.7"
//! port = 25
//! ```

use std::path::PathBuf;

use liaison_directory_client::{Finess, Host, MailboxKind, Purpose, Rpps};
use liaison_mail::{Address, Domain};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntriesFile {
    /// The directory's name, shown on its page.
    pub title: String,
    /// Who asserts these entries.
    pub source: String,
    /// When they were last asserted (RFC 3339, `2026-11-22T08:00:00Z`); the time of the import
    /// when absent.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub as_of: Option<OffsetDateTime>,
    /// True when everything in the file is fictitious: the page then says « Annuaire de
    /// démonstration ».
    #[serde(default)]
    pub demonstration: bool,
    /// Hospitals, EHPAD, practices, pharmacies, towns' CCAS.
    #[serde(default)]
    pub organisations: Vec<OrganisationRow>,
    /// Parts of organisations that have a mailbox of their own.
    #[serde(default)]
    pub services: Vec<ServiceRow>,
    /// Professionals and other actors. Never patients.
    #[serde(default)]
    pub people: Vec<PersonRow>,
    /// The members' relays.
    #[serde(default)]
    pub relays: Vec<RelayRow>,
}

/// An organisation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganisationRow {
    /// An identifier of the file's own, the same from one import to the next, unique among
    /// organisations, services and people.
    pub id: String,
    /// The name to show.
    pub name: String,
    /// What it is: `EHPAD`, `Centre hospitalier`, `Cabinet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Its FINESS number, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finess: Option<Finess>,
    /// Its town.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub town: Option<String>,
    /// Its mailboxes.
    #[serde(default)]
    pub mailboxes: Vec<MailboxRow>,
}

/// A part of an organisation.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRow {
    /// As an organisation's.
    pub id: String,
    /// The name to show.
    pub name: String,
    /// The `id` of its organisation.
    pub organisation: String,
    /// What it does, if its name does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
    /// Its town.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub town: Option<String>,
    /// Its mailboxes.
    #[serde(default)]
    pub mailboxes: Vec<MailboxRow>,
}

/// A person in one role. A person with two roles has two rows with the same RPPS number.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonRow {
    /// As an organisation's.
    pub id: String,
    /// The name to show.
    pub name: String,
    /// The profession, in the words to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profession: Option<String>,
    /// The RPPS number, if the profession has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpps: Option<Rpps>,
    /// The `id` of the organisation that the person works in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// The town.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub town: Option<String>,
    /// The person's mailboxes in this role.
    #[serde(default)]
    pub mailboxes: Vec<MailboxRow>,
}

/// A mailbox. An address has one owner in the whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxRow {
    /// Its address.
    pub address: Address,
    /// `PER`, `ORG`, `APP` or `CAB`.
    #[serde(rename = "type")]
    pub kind: MailboxKind,
    /// What it is for; everything when absent.
    #[serde(default)]
    pub purposes: Vec<Purpose>,
    /// The certificates to encrypt for it and to know its signatures by; at most 8.
    #[serde(default)]
    pub certificates: Vec<CertificateRow>,
}

/// A certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateRow {
    /// The PEM file, whose first certificate is taken; relative to this file's folder.
    pub file: PathBuf,
    /// Since when it is revoked (RFC 3339), if it is.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub revoked_at: Option<OffsetDateTime>,
}

/// A member's relay.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayRow {
    /// The member's own domain.
    pub domain: Domain,
    /// The name that the relay's certificate must bear.
    pub server_name: Domain,
    /// Where to connect: a host name or an IP address.
    pub host: Host,
    /// The TCP port of SMTP over mutual TLS.
    pub port: u16,
    /// Further domains that it takes mail for and sends from.
    #[serde(default)]
    pub serves: Vec<Domain>,
}
