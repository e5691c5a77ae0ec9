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

use std::fs;
use std::path::{Path, PathBuf};

use liaison_directory_client::{Finess, Host, MailboxKind, Purpose, Rpps};
use liaison_mail::{Address, Domain};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::catalogue::Catalogue;
use super::check;
use crate::error::{DirectoryError, RowProblem};

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
    /// Who is away, and who takes over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub absences: Vec<AbsenceRow>,
    /// The CPTS, DAC or GHT of the territory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub territories: Vec<TerritoryRow>,
}

/// An absence, a replacement or a retirement.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbsenceRow {
    /// The `id` of the person who is away.
    pub who: String,
    /// `absence`, `replacement` or `retirement`; `absence` when absent.
    #[serde(default = "absence")]
    pub reason: String,
    /// The first day, `2026-08-03`; since ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The last day, included; for ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// The `id` of each who takes over, in order.
    #[serde(default)]
    pub to: Vec<String>,
}

fn absence() -> String {
    "absence".to_owned()
}

/// A CPTS, a DAC or a GHT.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TerritoryRow {
    /// An identifier, the same from one import to the next.
    pub id: String,
    /// The name to show.
    pub name: String,
    /// The INSEE codes of its towns.
    #[serde(default)]
    pub communes: Vec<String>,
    /// The `id` of each to whom a patient without a family doctor is taken, in order.
    #[serde(default)]
    pub fallbacks: Vec<String>,
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

/// The largest file of entries, in octets: some 30,000 entries.
pub const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Reads and checks the file at `path`: JSON when its name ends in `.json`, TOML otherwise. Paths
/// of certificates are relative to the file's folder. `now` is the age of the entries when the
/// file does not tell it.
///
/// # Errors
/// [`DirectoryError::Read`] when the file cannot be read or is longer than [`MAX_FILE`];
/// [`DirectoryError::Entries`] with every problem that was found.
pub fn read(path: &Path, now: OffsetDateTime) -> Result<Catalogue, DirectoryError> {
    let unreadable = |cause| DirectoryError::Read {
        path: path.to_owned(),
        cause,
    };
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > MAX_FILE {
        return Err(unreadable(std::io::ErrorKind::FileTooLarge.into()));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let is_json = path
        .extension()
        .is_some_and(|extension| extension == "json");
    let rows = if is_json {
        parse_json(&text)
    } else {
        parse_toml(&text)
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    rows.and_then(|rows| check::catalogue(rows, folder, now))
        .map_err(|problems| DirectoryError::Entries {
            path: path.to_owned(),
            problems,
        })
}

fn parse_toml(text: &str) -> Result<EntriesFile, Vec<RowProblem>> {
    liaison_base::config::parse(text).map_err(|error| {
        let (place, problem) = error.split_once(": ").unwrap_or(("the file", &error));
        vec![RowProblem {
            place: place.to_owned(),
            problem: problem.to_owned(),
        }]
    })
}

fn parse_json(text: &str) -> Result<EntriesFile, Vec<RowProblem>> {
    serde_json::from_str(text).map_err(|error| {
        let text = error.to_string();
        // serde_json ends its text with the place, which stands first here.
        let problem = text
            .rsplit_once(" at line ")
            .map_or(text.as_str(), |(problem, _)| problem);
        vec![RowProblem {
            place: format!("line {}, column {}", error.line(), error.column()),
            problem: problem.to_owned(),
        }]
    })
}
