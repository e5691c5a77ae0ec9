//! From a fold to records.
//!
//! A value that its field cannot hold is left out: importers refuse it before, so that it can only
//! come from a later version.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_directory_client::{
    Finess, Host, MailboxKind, PublishedCertificate, Purpose, RelayEndpoint, Rpps,
};
use liaison_mail::{Address, Domain};
use time::{Date, OffsetDateTime};

use super::codes;
use super::record::{
    Absence, Coded, Commune, Held, Meta, Organisation, Person, Place, Record, Relay, Resource,
    Role, SecureMailbox, Service, Territory,
};
use super::{Field, Folded, Kind, Subject};
use crate::import::certificate;

/// The labels of codes, by table and code: `speciality:S/SM54`.
#[derive(Debug, Default)]
pub struct Labels(pub(crate) HashMap<String, String>);

impl Labels {
    fn coded(&self, table: &str, code: Option<&str>) -> Option<Coded> {
        let code = code?;
        let label = self
            .0
            .get(&format!("{table}:{code}"))
            .map(String::as_str)
            .or_else(|| codes::label(table, code))
            .unwrap_or(code);
        Some(Coded {
            code: code.to_owned(),
            label: label.to_owned(),
        })
    }

    /// The label of a code in a table, if it is known.
    #[must_use]
    pub fn get(&self, table: &str, code: &str) -> Option<&str> {
        self.0
            .get(&format!("{table}:{code}"))
            .map(String::as_str)
            .or_else(|| codes::label(table, code))
    }
}

/// The record of a root; `None` when nothing that can be shown is said of it.
pub(crate) fn record(
    root: &Subject,
    folded: &Folded,
    labels: &Labels,
    now: OffsetDateTime,
) -> Option<Record> {
    if folded.subjects.is_empty() {
        return None;
    }
    let read = Read {
        folded,
        labels,
        now,
    };
    Some(match root.kind() {
        Kind::Person => Record::Person(read.person(root)),
        Kind::Organisation => Record::Organisation(read.organisation(root)?),
        Kind::Relay => Record::Relay(read.relay(root)?),
        Kind::Territory => Record::Territory(read.territory(root)),
        Kind::Resource => Record::Resource(read.resource(root)?),
        Kind::Commune => Record::Commune(read.commune(root)?),
        _ => return None,
    })
}

struct Read<'a> {
    folded: &'a Folded,
    labels: &'a Labels,
    now: OffsetDateTime,
}

impl Read<'_> {
    fn text(&self, subject: &Subject, field: Field) -> Option<String> {
        self.folded.value(subject, field).map(str::to_owned)
    }

    fn date(&self, subject: &Subject, field: Field) -> Option<Date> {
        self.folded.value(subject, field).and_then(codes::date)
    }

    fn subjects(&self, subject: &Subject, field: Field) -> Vec<Subject> {
        self.folded
            .values(subject, field)
            .iter()
            .filter_map(|key| Subject::parse(key))
            .collect()
    }

    fn coded(&self, subject: &Subject, field: Field, table: &str) -> Option<Coded> {
        self.labels.coded(table, self.folded.value(subject, field))
    }

    fn specialities(&self, subject: &Subject) -> Vec<Coded> {
        self.folded
            .values(subject, Field::Speciality)
            .iter()
            .filter_map(|code| self.labels.coded("speciality", Some(code)))
            .collect()
    }

    fn phones(&self, subject: &Subject) -> Vec<String> {
        self.folded.values(subject, Field::Phone).to_vec()
    }

    fn meta(&self, subject: &Subject) -> Meta {
        let facts = self.folded.facts(subject);
        Meta {
            id: subject.id(),
            subject: subject.clone(),
            provenance: facts
                .iter()
                .map(|fact| (fact.field, fact.origin.clone()))
                .collect(),
            updated_at: facts
                .iter()
                .map(|fact| fact.origin.observed_at)
                .max()
                .unwrap_or(OffsetDateTime::UNIX_EPOCH),
            conflicts: self
                .folded
                .conflicts
                .iter()
                .filter(|conflict| conflict.subject == *subject)
                .cloned()
                .collect(),
        }
    }

    /// What stands directly below a subject, in the order of its list.
    fn below(&self, parent: &Subject, kind: Kind) -> Vec<Subject> {
        let mut found: Vec<(u32, Subject)> = Vec::new();
        for subject in self.folded.subjects.range(parent.clone()..).map(|(s, _)| s) {
            if !subject.is_within(parent) {
                break;
            }
            // A child of which only its own children are known is still there.
            let Some(child) = child_of(subject, parent) else {
                continue;
            };
            if child.kind() == kind && found.iter().all(|(_, known)| *known != child) {
                let position = self
                    .folded
                    .value(&child, Field::Position)
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(u32::MAX);
                found.push((position, child));
            }
        }
        found.sort();
        found.into_iter().map(|(_, subject)| subject).collect()
    }

    fn person(&self, root: &Subject) -> Person {
        let mut civility = self.text(root, Field::Civility);
        let named = self.text(root, Field::Name);
        let (mut family, mut given) = (
            self.text(root, Field::FamilyName),
            self.text(root, Field::GivenName),
        );
        if let (None, Some(name)) = (&family, &named) {
            let (title, first, last) = codes::split_name(name);
            (family, given) = (Some(last), Some(first));
            civility = civility.or(title);
        }
        let (family, given) = (family.unwrap_or_default(), given.unwrap_or_default());
        let name = named.unwrap_or_else(|| {
            [civility.as_deref().unwrap_or_default(), &given, &family]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        });
        let rpps = match root.component().strip_prefix('8') {
            Some(digits) => Rpps::parse(digits).ok(),
            None => None,
        };
        Person {
            meta: self.meta(root),
            name,
            family,
            given,
            civility,
            rpps,
            identifiers: self.folded.values(root, Field::Identifier).to_vec(),
            specialities: self.specialities(root),
            roles: self
                .below(root, Kind::Role)
                .iter()
                .map(|role| self.role(role))
                .collect(),
            mailboxes: self.mailboxes(root),
            absences: self.absences(root),
        }
    }

    fn role(&self, subject: &Subject) -> Role {
        let profession = self.coded(subject, Field::Profession, "profession");
        let specialities = self.specialities(subject);
        let activity = self.text(subject, Field::Activity).or_else(|| {
            specialities
                .first()
                .or(profession.as_ref())
                .map(|coded| coded.label.clone())
        });
        let (from, until) = (
            self.date(subject, Field::From),
            self.date(subject, Field::Until),
        );
        let today = self.now.date();
        Role {
            meta: self.meta(subject),
            profession,
            activity,
            specialities,
            function: self.coded(subject, Field::Function, "function"),
            mode: self.coded(subject, Field::Mode, "mode"),
            sector: self.coded(subject, Field::Sector, "sector"),
            organisation: self
                .folded
                .value(subject, Field::Organisation)
                .and_then(Subject::parse),
            place: self.place(subject),
            phones: self.phones(subject),
            from,
            until,
            active: from.is_none_or(|from| from <= today)
                && until.is_none_or(|until| today <= until)
                && self.folded.value(subject, Field::Active) != Some("0"),
            mailboxes: self.mailboxes(subject),
            absences: self.absences(subject),
        }
    }

    fn organisation(&self, root: &Subject) -> Option<Organisation> {
        let identifiers = self.folded.values(root, Field::Identifier).to_vec();
        let of = |system: &str| {
            identifiers
                .iter()
                .find_map(|one| one.strip_prefix(system)?.strip_prefix(':'))
        };
        let category = self.coded(root, Field::Category, "category");
        Some(Organisation {
            meta: self.meta(root),
            name: self
                .text(root, Field::Name)
                .or_else(|| self.text(root, Field::TradeName))?,
            trade_name: self.text(root, Field::TradeName),
            activity: self
                .text(root, Field::Activity)
                .or_else(|| category.as_ref().map(|one| one.label.clone())),
            category,
            sector: self.coded(root, Field::Sector, "sector"),
            finess: of("finess")
                .or(Some(root.component()))
                .and_then(|text| Finess::parse(text).ok()),
            siret: of("siret").map(str::to_owned),
            parent: self
                .folded
                .value(root, Field::Parent)
                .and_then(Subject::parse),
            description: self.text(root, Field::Description),
            place: self.place(root),
            phones: self.phones(root),
            fax: self.text(root, Field::Fax),
            email: self.text(root, Field::Email),
            url: self.text(root, Field::Url),
            active: self.folded.value(root, Field::Active) != Some("0"),
            mailboxes: self.mailboxes(root),
            services: self
                .below(root, Kind::Service)
                .iter()
                .map(|service| Service {
                    meta: self.meta(service),
                    name: self
                        .text(service, Field::Name)
                        .unwrap_or_else(|| service.component().to_owned()),
                    activity: self.text(service, Field::Activity),
                    place: self.place(service),
                    phones: self.phones(service),
                    mailboxes: self.mailboxes(service),
                })
                .collect(),
            identifiers,
        })
    }

    fn place(&self, subject: &Subject) -> Place {
        let number = |field| {
            self.folded
                .value(subject, field)
                .and_then(|text| text.parse::<f64>().ok())
        };
        Place {
            line: self.text(subject, Field::AddressLine),
            street: self.text(subject, Field::Street),
            postal_code: self.text(subject, Field::PostalCode),
            commune: self.text(subject, Field::Commune),
            town: self.text(subject, Field::Town),
            country: self.text(subject, Field::Country),
            position: number(Field::Latitude).zip(number(Field::Longitude)),
        }
    }

    fn mailboxes(&self, owner: &Subject) -> Vec<SecureMailbox> {
        let mut found: Vec<_> = self
            .below(owner, Kind::Mailbox)
            .iter()
            .filter_map(|subject| self.mailbox(subject))
            .collect();
        // Stable: those of one rank keep the order of their list.
        found.sort_by_key(|mailbox| mailbox.rank.unwrap_or(u32::MAX));
        found
    }

    fn mailbox(&self, subject: &Subject) -> Option<SecureMailbox> {
        let address = self
            .folded
            .value(subject, Field::Address)
            .and_then(|text| Address::parse(text).ok())?;
        let purposes = |field| -> Vec<Purpose> {
            self.folded
                .values(subject, field)
                .iter()
                .filter_map(|word| Purpose::parse(word).ok())
                .collect()
        };
        let number = |field| self.folded.value(subject, field)?.parse().ok();
        Some(SecureMailbox {
            meta: self.meta(subject),
            kind: self
                .folded
                .value(subject, Field::MailboxType)
                .and_then(codes::mailbox_kind)
                .unwrap_or(MailboxKind::Org),
            purposes: purposes(Field::Purpose),
            suggested: purposes(Field::SuggestedPurpose),
            rank: number(Field::Rank).and_then(|rank: u64| u32::try_from(rank).ok()),
            max_size: number(Field::MaxSize),
            formats: self.folded.values(subject, Field::Format).to_vec(),
            last_delivered: self.date(subject, Field::LastDelivered),
            last_bounce: self.date(subject, Field::LastBounce),
            missing_since: self.date(subject, Field::MissingSince),
            paperless: self.folded.value(subject, Field::Paperless) == Some("1"),
            certificates: self
                .below(subject, Kind::Certificate)
                .iter()
                .filter_map(|one| self.certificate(one, &address))
                .collect(),
            address,
        })
    }

    fn certificate(&self, subject: &Subject, address: &Address) -> Option<PublishedCertificate> {
        let der = STANDARD
            .decode(self.folded.value(subject, Field::Der)?)
            .ok()?;
        let revoked_at = self
            .folded
            .value(subject, Field::RevokedAt)
            .and_then(codes::instant);
        certificate::published(der, address, revoked_at).ok()
    }

    fn absences(&self, subject: &Subject) -> Vec<Absence> {
        self.below(subject, Kind::Delegation)
            .iter()
            .filter_map(|one| {
                Some(Absence {
                    meta: self.meta(one),
                    reason: Held::of(self.folded.value(one, Field::Reason)?)?,
                    from: self.date(one, Field::From),
                    until: self.date(one, Field::Until),
                    to: self.subjects(one, Field::To),
                })
            })
            .collect()
    }

    fn relay(&self, root: &Subject) -> Option<Relay> {
        let domain = |text: &str| Domain::parse(text).ok();
        let own = domain(root.component())?;
        let mut serves = vec![own.clone()];
        for one in self.folded.values(root, Field::Serves) {
            serves.extend(domain(one).filter(|one| *one != own));
        }
        Some(Relay {
            meta: self.meta(root),
            endpoint: RelayEndpoint {
                server_name: domain(self.folded.value(root, Field::ServerName)?)?,
                host: Host::parse(self.folded.value(root, Field::Host)?).ok()?,
                port: self.folded.value(root, Field::Port)?.parse().ok()?,
                domain: own,
                serves,
            },
        })
    }

    fn territory(&self, root: &Subject) -> Territory {
        Territory {
            meta: self.meta(root),
            name: self
                .text(root, Field::Name)
                .unwrap_or_else(|| root.component().to_owned()),
            communes: self.folded.values(root, Field::Member).to_vec(),
            fallbacks: self.subjects(root, Field::Fallback),
        }
    }

    fn resource(&self, root: &Subject) -> Option<Resource> {
        let own = [
            Field::Name,
            Field::ResourceKind,
            Field::Description,
            Field::Url,
        ];
        Some(Resource {
            meta: self.meta(root),
            kind: self
                .text(root, Field::ResourceKind)
                .unwrap_or_else(|| "document".to_owned()),
            title: self.text(root, Field::Name)?,
            description: self.text(root, Field::Description),
            url: self.text(root, Field::Url),
            sheet: self
                .folded
                .facts(root)
                .iter()
                .filter(|fact| !own.contains(&fact.field))
                .map(|fact| (fact.field, fact.values.join("; ")))
                .collect(),
        })
    }

    fn commune(&self, root: &Subject) -> Option<Commune> {
        Some(Commune {
            meta: self.meta(root),
            code: root.component().to_owned(),
            name: self.text(root, Field::Name)?,
            postal_code: self.text(root, Field::PostalCode),
            centre: self.place(root).position,
        })
    }
}

/// The subject directly below `parent` on the way to `subject`.
fn child_of(subject: &Subject, parent: &Subject) -> Option<Subject> {
    let mut here = subject.clone();
    loop {
        let up = here.parent()?;
        if up == *parent {
            return Some(here);
        }
        here = up;
    }
}
