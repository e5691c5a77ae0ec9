//! From rows to a catalogue, with every problem of every row.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use liaison_base::clock::{from_millis, millis};
use liaison_directory_client::{EntryKind, Mailbox, RelayEndpoint};
use time::OffsetDateTime;

use super::catalogue::{
    Catalogue, CatalogueAbsence, CatalogueRow, CatalogueTerritory, ListedMailbox,
};
use super::certificate;
use super::entries::{AbsenceRow, EntriesFile, MailboxRow, RelayRow, TerritoryRow};
use crate::error::RowProblem;
use crate::model::{Held, codes};
use crate::view::About;

/// The longest name, activity or town, in characters.
const MAX_TEXT: usize = 200;
/// The most mailboxes of one entry.
const MAX_MAILBOXES: usize = 16;
/// The most certificates of one mailbox: an old and a new one for a few devices.
const MAX_CERTIFICATES: usize = 8;

/// Checks every row. Certificates' files are relative to `folder`.
///
/// # Errors
/// Every problem found, in the order of the file.
pub(super) fn catalogue(
    file: EntriesFile,
    folder: &Path,
    now: OffsetDateTime,
) -> Result<Catalogue, Vec<RowProblem>> {
    let mut check = Check {
        folder,
        organisations: file
            .organisations
            .iter()
            .map(|row| row.id.clone())
            .collect(),
        ids: HashMap::new(),
        addresses: HashMap::new(),
        problems: Vec::new(),
    };
    check.text("the file", "title", &file.title);
    check.text("the file", "source", &file.source);
    let about = About {
        title: file.title,
        source: file.source,
        as_of: from_millis(millis(file.as_of.unwrap_or(now))),
        demonstration: file.demonstration,
    };
    let listings = check.listings(file.organisations, file.services, file.people);
    let relays = check.relays(&file.relays);
    let absences = check.absences(file.absences);
    let territories = check.territories(file.territories);
    if check.problems.is_empty() {
        Ok(Catalogue {
            about,
            rows: listings,
            relays,
            absences,
            territories,
        })
    } else {
        Err(check.problems)
    }
}

/// What has been seen so far.
struct Check<'a> {
    folder: &'a Path,
    organisations: HashSet<String>,
    /// Where each identifier was first used.
    ids: HashMap<String, String>,
    /// Where each address, by its key, was first used.
    addresses: HashMap<String, String>,
    problems: Vec<RowProblem>,
}

impl Check<'_> {
    fn listings(
        &mut self,
        organisations: Vec<super::OrganisationRow>,
        services: Vec<super::ServiceRow>,
        people: Vec<super::PersonRow>,
    ) -> Vec<CatalogueRow> {
        let organisations = organisations.into_iter().map(|row| {
            let listing = CatalogueRow {
                id: row.id,
                kind: EntryKind::Organisation,
                name: row.name,
                activity: row.category,
                rpps: None,
                finess: row.finess,
                organisation: None,
                town: row.town,
                mailboxes: Vec::new(),
            };
            (listing, row.mailboxes)
        });
        let services = services.into_iter().map(|row| {
            let listing = CatalogueRow {
                id: row.id,
                kind: EntryKind::Service,
                name: row.name,
                activity: row.activity,
                rpps: None,
                finess: None,
                organisation: Some(row.organisation),
                town: row.town,
                mailboxes: Vec::new(),
            };
            (listing, row.mailboxes)
        });
        let people = people.into_iter().map(|row| {
            let listing = CatalogueRow {
                id: row.id,
                kind: EntryKind::Person,
                name: row.name,
                activity: row.profession,
                rpps: row.rpps,
                finess: None,
                organisation: row.organisation,
                town: row.town,
                mailboxes: Vec::new(),
            };
            (listing, row.mailboxes)
        });
        let mut listings = Vec::new();
        for (table, rows) in [
            ("organisations", organisations.collect::<Vec<_>>()),
            ("services", services.collect()),
            ("people", people.collect()),
        ] {
            for ((listing, mailboxes), number) in rows.into_iter().zip(1..) {
                let place = format!("{table} {number} (`{}`)", listing.id);
                listings.push(self.listing(listing, &mailboxes, &place));
            }
        }
        listings
    }

    fn listing(
        &mut self,
        mut listing: CatalogueRow,
        mailboxes: &[MailboxRow],
        place: &str,
    ) -> CatalogueRow {
        self.text(place, "id", &listing.id);
        self.text(place, "name", &listing.name);
        for (key, text) in [("activity", &listing.activity), ("town", &listing.town)] {
            if let Some(text) = text {
                self.text(place, key, text);
            }
        }
        if let Some(earlier) = self.ids.insert(listing.id.clone(), place.to_owned()) {
            self.problem(place, format!("the `id` is already used by {earlier}"));
        }
        if let Some(organisation) = &listing.organisation
            && !self.organisations.contains(organisation)
        {
            let problem = format!("there is no organisation whose `id` is `{organisation}`");
            self.problem(place, problem);
        }
        if mailboxes.len() > MAX_MAILBOXES {
            self.problem(place, format!("more than {MAX_MAILBOXES} mailboxes"));
            return listing;
        }
        listing.mailboxes = mailboxes
            .iter()
            .zip(1..)
            .map(|(row, number)| self.mailbox(row, &format!("{place}, mailbox {number}")))
            .collect();
        listing
    }

    fn mailbox(&mut self, row: &MailboxRow, place: &str) -> ListedMailbox {
        let mut listed = ListedMailbox {
            mailbox: Mailbox {
                address: row.address.clone(),
                kind: row.kind,
                purposes: row.purposes.clone(),
            },
            certificates: Vec::new(),
        };
        if let Some(earlier) = self.addresses.insert(row.address.key(), place.to_owned()) {
            let problem = format!("the address {} is already that of {earlier}", row.address);
            self.problem(place, problem);
        }
        if row.certificates.len() > MAX_CERTIFICATES {
            self.problem(place, format!("more than {MAX_CERTIFICATES} certificates"));
            return listed;
        }
        for (certificate, number) in row.certificates.iter().zip(1..) {
            let path = self.folder.join(&certificate.file);
            match certificate::load(&path, &row.address, certificate.revoked_at) {
                Ok(loaded) => {
                    if listed
                        .certificates
                        .iter()
                        .any(|other| other.sha256 == loaded.sha256)
                    {
                        self.problem(place, format!("certificate {number} is there twice"));
                    }
                    listed.certificates.push(loaded);
                }
                Err(problem) => {
                    self.problem(place, format!("certificate {number}: {problem}"));
                }
            }
        }
        listed
    }

    fn relays(&mut self, rows: &[RelayRow]) -> Vec<RelayEndpoint> {
        let mut names = HashMap::new();
        let mut domains = HashMap::new();
        let mut relays = Vec::with_capacity(rows.len());
        for (row, number) in rows.iter().zip(1..) {
            let place = format!("relays {number} (`{}`)", row.domain);
            if row.port == 0 {
                self.problem(&place, "the port must be 1 to 65535".to_owned());
            }
            if let Some(earlier) = names.insert(&row.server_name, place.clone()) {
                self.problem(
                    &place,
                    format!("the `server_name` is already that of {earlier}"),
                );
            }
            let mut serves = vec![row.domain.clone()];
            for domain in &row.serves {
                if !serves.contains(domain) {
                    serves.push(domain.clone());
                }
            }
            for domain in &serves {
                if let Some(earlier) = domains.insert(domain.clone(), place.clone()) {
                    self.problem(
                        &place,
                        format!("the domain {domain} is already that of {earlier}"),
                    );
                }
            }
            relays.push(RelayEndpoint {
                domain: row.domain.clone(),
                server_name: row.server_name.clone(),
                host: row.host.clone(),
                port: row.port,
                serves,
            });
        }
        relays.sort_by(|a, b| a.domain.cmp(&b.domain));
        relays
    }

    fn absences(&mut self, rows: Vec<AbsenceRow>) -> Vec<CatalogueAbsence> {
        let mut absences = Vec::with_capacity(rows.len());
        for (row, number) in rows.into_iter().zip(1..) {
            let place = format!("absences {number} (`{}`)", row.who);
            self.known(&place, &row.who);
            for id in &row.to {
                self.known(&place, id);
            }
            let mut day = |key: &str, text: Option<&String>| {
                let day = text.map(|text| codes::date(text));
                if day == Some(None) {
                    self.problem(&place, format!("`{key}` must be a day such as 2026-08-03"));
                }
                day.flatten()
            };
            let (from, until) = (
                day("from", row.from.as_ref()),
                day("until", row.until.as_ref()),
            );
            let reason = Held::of(&row.reason);
            if reason.is_none() {
                let problem = "`reason` must be absence, replacement or retirement";
                self.problem(&place, problem.to_owned());
            }
            absences.push(CatalogueAbsence {
                who: row.who,
                reason: reason.unwrap_or(Held::Absence),
                from,
                until,
                to: row.to,
            });
        }
        absences
    }

    fn territories(&mut self, rows: Vec<TerritoryRow>) -> Vec<CatalogueTerritory> {
        let mut territories = Vec::with_capacity(rows.len());
        for (row, number) in rows.into_iter().zip(1..) {
            let place = format!("territories {number} (`{}`)", row.id);
            self.text(&place, "id", &row.id);
            self.text(&place, "name", &row.name);
            for code in &row.communes {
                self.text(&place, "communes", code);
            }
            for id in &row.fallbacks {
                self.known(&place, id);
            }
            territories.push(CatalogueTerritory {
                id: row.id,
                name: row.name,
                communes: row.communes,
                fallbacks: row.fallbacks,
            });
        }
        territories
    }

    /// Says when no row has that identifier.
    fn known(&mut self, place: &str, id: &str) {
        if !self.ids.contains_key(id) {
            self.problem(place, format!("there is no entry whose `id` is `{id}`"));
        }
    }

    /// A text that people will see: not empty, not too long, without control characters.
    fn text(&mut self, place: &str, key: &str, text: &str) {
        if text.trim().is_empty() {
            self.problem(place, format!("`{key}` is empty"));
        } else if text.chars().count() > MAX_TEXT {
            self.problem(
                place,
                format!("`{key}` is longer than {MAX_TEXT} characters"),
            );
        } else if text.chars().any(char::is_control) {
            self.problem(place, format!("`{key}` holds a control character"));
        }
    }

    fn problem(&mut self, place: &str, problem: String) {
        self.problems.push(RowProblem {
            place: place.to_owned(),
            problem,
        });
    }
}
