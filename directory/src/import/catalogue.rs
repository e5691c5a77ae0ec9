//! A checked file of entries, and what it asserts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_directory_client::{
    EntryKind, Finess, Mailbox, PublishedCertificate, RelayEndpoint, Rpps,
};
use time::{Date, OffsetDateTime};

use crate::model::{Field, Held, Subject, codes};
use crate::view::About;

/// Everything of one file of entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogue {
    /// What is said of the whole.
    pub about: About,
    /// People, organisations and services.
    pub rows: Vec<CatalogueRow>,
    /// The members' relays.
    pub relays: Vec<RelayEndpoint>,
    /// Absences, by the identifiers of the rows.
    pub absences: Vec<CatalogueAbsence>,
    /// Territories with their towns and fallbacks.
    pub territories: Vec<CatalogueTerritory>,
}

/// A person, an organisation or a service, with all its mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueRow {
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

/// An absence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueAbsence {
    /// The row that is away.
    pub who: String,
    /// Why.
    pub reason: Held,
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub until: Option<Date>,
    /// The rows that take over, in order.
    pub to: Vec<String>,
}

/// A territory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueTerritory {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The INSEE codes of its towns.
    pub communes: Vec<String>,
    /// The rows to which a patient without a family doctor is taken, in order.
    pub fallbacks: Vec<String>,
}

/// What is asserted of one subject.
pub(crate) type Claimed = (Subject, Vec<(Field, String)>);

impl Catalogue {
    /// What the file asserts, subject by subject.
    pub(crate) fn claims(&self) -> Vec<Claimed> {
        let mut claims = vec![(
            Subject::about(),
            vec![
                (Field::Name, self.about.title.clone()),
                (
                    Field::Demonstration,
                    String::from(if self.about.demonstration { "1" } else { "0" }),
                ),
            ],
        )];
        for (row, position) in self.rows.iter().zip(1_u32..) {
            self.row(row, position, &mut claims);
        }
        for relay in &self.relays {
            let mut facts = vec![
                (Field::ServerName, relay.server_name.to_string()),
                (Field::Host, relay.host.to_string()),
                (Field::Port, relay.port.to_string()),
            ];
            let others = relay
                .serves
                .iter()
                .filter(|domain| **domain != relay.domain);
            facts.extend(others.map(|domain| (Field::Serves, domain.to_string())));
            claims.push((Subject::relay(&relay.domain), facts));
        }
        for (absence, number) in self.absences.iter().zip(1_u32..) {
            if let Some(who) = self.subject_of(&absence.who) {
                let mut facts = vec![(Field::Reason, absence.reason.word().to_owned())];
                facts.extend(absence.from.map(|day| (Field::From, codes::day(day))));
                facts.extend(absence.until.map(|day| (Field::Until, codes::day(day))));
                facts.extend(self.keys(Field::To, &absence.to));
                claims.push((who.delegation(&number.to_string()), facts));
            }
        }
        for territory in &self.territories {
            let mut facts = vec![(Field::Name, territory.name.clone())];
            facts.extend(
                territory
                    .communes
                    .iter()
                    .map(|code| (Field::Member, code.clone())),
            );
            facts.extend(self.keys(Field::Fallback, &territory.fallbacks));
            claims.push((Subject::territory(&territory.id), facts));
        }
        claims
    }

    fn keys(&self, field: Field, ids: &[String]) -> Vec<(Field, String)> {
        ids.iter()
            .filter_map(|id| self.subject_of(id))
            .map(|subject| (field, subject.key().to_owned()))
            .collect()
    }

    fn subject_of(&self, id: &str) -> Option<Subject> {
        let row = self.rows.iter().find(|row| row.id == id)?;
        Some(self.subject(row))
    }

    fn subject(&self, row: &CatalogueRow) -> Subject {
        match row.kind {
            EntryKind::Person => self.person(row).role(&row.id),
            EntryKind::Organisation => match &row.finess {
                Some(finess) => Subject::organisation_of_finess(finess),
                None => Subject::organisation_of("local", &row.id),
            },
            EntryKind::Service => match row
                .organisation
                .as_deref()
                .and_then(|id| self.subject_of(id))
            {
                Some(organisation) => organisation.service(&row.id),
                None => Subject::organisation_of("local", &row.id),
            },
        }
    }

    fn person(&self, row: &CatalogueRow) -> Subject {
        match &row.rpps {
            Some(rpps) => Subject::person_of_rpps(rpps),
            None => Subject::local_person("local", &row.id),
        }
    }

    fn row(&self, row: &CatalogueRow, position: u32, claims: &mut Vec<Claimed>) {
        let subject = self.subject(row);
        let mut facts = vec![(Field::Position, position.to_string())];
        let mut named = vec![(Field::Name, row.name.clone())];
        facts.extend(row.activity.clone().map(|text| (Field::Activity, text)));
        facts.extend(row.town.clone().map(|text| (Field::Town, text)));
        if row.kind == EntryKind::Person {
            let employer = row
                .organisation
                .as_deref()
                .and_then(|id| self.subject_of(id));
            facts.extend(employer.map(|one| (Field::Organisation, one.key().to_owned())));
            facts.push((Field::Identifier, format!("id:{}", row.id)));
            claims.push((self.person(row), named));
        } else {
            facts.push((Field::Identifier, format!("id:{}", row.id)));
            facts.append(&mut named);
        }
        for (listed, position) in row.mailboxes.iter().zip(1_u32..) {
            let mailbox = &listed.mailbox;
            let place = subject.mailbox(&mailbox.address);
            let mut facts = vec![
                (Field::Address, mailbox.address.to_string()),
                (
                    Field::MailboxType,
                    codes::mailbox_word(mailbox.kind).to_owned(),
                ),
                (Field::Position, position.to_string()),
            ];
            facts.extend(
                mailbox
                    .purposes
                    .iter()
                    .map(|word| (Field::Purpose, word.to_string())),
            );
            claims.push((place.clone(), facts));
            for (certificate, position) in listed.certificates.iter().zip(1_u32..) {
                claims.push((
                    place.certificate(&certificate.sha256),
                    certificate_facts(&certificate.der, certificate.revoked_at, position),
                ));
            }
        }
        claims.push((subject, facts));
    }
}

/// What is asserted of a certificate.
fn certificate_facts(
    der: &[u8],
    revoked_at: Option<OffsetDateTime>,
    position: u32,
) -> Vec<(Field, String)> {
    let mut facts = vec![
        (Field::Der, STANDARD.encode(der)),
        (Field::Position, position.to_string()),
    ];
    facts.extend(revoked_at.map(|since| (Field::RevokedAt, codes::instant_text(since))));
    facts
}
