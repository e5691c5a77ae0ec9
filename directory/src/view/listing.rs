//! What a search finds.

use std::sync::Arc;

use liaison_directory_client::{EntryKind, Finess, Rpps};
use time::Date;
use uuid::Uuid;

use crate::model::{
    Absence, Kind, Organisation, Person, Place, Record, Role, SecureMailbox, Service, Subject,
};

/// A person in one role, an organisation, or a service: with the record that it is part of.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The whole record.
    pub record: Arc<Record>,
    /// Which part: the role, the service, or the root itself.
    pub subject: Subject,
    /// Which role or service of the record it is.
    part: Option<usize>,
}

impl Listing {
    /// The part of `record` that `subject` is; a person stands for her first role. `None` when
    /// there is no such part.
    pub(crate) fn of(record: Arc<Record>, subject: Subject) -> Option<Self> {
        let mut subject = subject;
        while !matches!(
            subject.kind(),
            Kind::Person | Kind::Role | Kind::Organisation | Kind::Service
        ) {
            subject = subject.parent()?;
        }
        let (subject, part) = match &*record {
            Record::Person(person) => match subject.kind() {
                Kind::Role => {
                    let part = person
                        .roles
                        .iter()
                        .position(|role| role.meta.subject == subject)?;
                    (subject, Some(part))
                }
                _ => match person.roles.first() {
                    Some(first) => (first.meta.subject.clone(), Some(0)),
                    None => (subject, None),
                },
            },
            Record::Organisation(organisation) => match subject.kind() {
                Kind::Service => {
                    let part = organisation
                        .services
                        .iter()
                        .position(|service| service.meta.subject == subject)?;
                    (subject, Some(part))
                }
                _ => (subject, None),
            },
            _ => return None,
        };
        Some(Self {
            record,
            subject,
            part,
        })
    }

    /// Person, organisation or service.
    #[must_use]
    pub fn kind(&self) -> EntryKind {
        match (&*self.record, self.part) {
            (Record::Person(_), _) => EntryKind::Person,
            (_, Some(_)) => EntryKind::Service,
            _ => EntryKind::Organisation,
        }
    }

    /// The stable identifier of the role, the service, the organisation or the person.
    #[must_use]
    pub fn id(&self) -> Uuid {
        self.subject.id()
    }

    /// The person, if it is one.
    #[must_use]
    pub fn person(&self) -> Option<&Person> {
        match &*self.record {
            Record::Person(person) => Some(person),
            _ => None,
        }
    }

    /// The role, if it is one.
    #[must_use]
    pub fn role(&self) -> Option<&Role> {
        self.person()?.roles.get(self.part?)
    }

    /// The record of the organisation, if it is one or a service of one.
    #[must_use]
    pub fn structure(&self) -> Option<&Organisation> {
        match &*self.record {
            Record::Organisation(organisation) => Some(organisation),
            _ => None,
        }
    }

    /// The service, if it is one.
    #[must_use]
    pub fn service(&self) -> Option<&Service> {
        self.structure()?.services.get(self.part?)
    }

    /// The organisation that it works in or belongs to; its parent for an organisation.
    #[must_use]
    pub fn organisation(&self) -> Option<&Subject> {
        match &*self.record {
            Record::Person(_) => self.role()?.organisation.as_ref(),
            Record::Organisation(organisation) => match self.part {
                Some(_) => Some(&organisation.meta.subject),
                None => organisation.parent.as_ref(),
            },
            _ => None,
        }
    }

    /// The name to show.
    #[must_use]
    pub fn name(&self) -> &str {
        match (self.person(), self.service(), self.structure()) {
            (Some(person), ..) => &person.name,
            (_, Some(service), _) => &service.name,
            (.., Some(organisation)) => &organisation.name,
            _ => "",
        }
    }

    /// What it does or is, in words.
    #[must_use]
    pub fn activity(&self) -> Option<&str> {
        match (self.role(), self.service(), self.structure()) {
            (Some(role), ..) => role.activity.as_deref(),
            (_, Some(service), _) => service.activity.as_deref(),
            (.., Some(organisation)) => organisation.activity.as_deref(),
            _ => None,
        }
    }

    /// Where, by its own record; a service without a place is where its organisation is.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        match (self.role(), self.service(), self.structure()) {
            (Some(role), ..) => Some(&role.place),
            (_, Some(service), Some(organisation)) => {
                let own = &service.place;
                Some(if own.town.is_some() || own.postal_code.is_some() {
                    own
                } else {
                    &organisation.place
                })
            }
            (.., Some(organisation)) => Some(&organisation.place),
            _ => None,
        }
    }

    /// Professional telephone numbers.
    #[must_use]
    pub fn phones(&self) -> &[String] {
        match (self.role(), self.service(), self.structure()) {
            (Some(role), ..) => &role.phones,
            (_, Some(service), _) => &service.phones,
            (.., Some(organisation)) => &organisation.phones,
            _ => &[],
        }
    }

    /// The RPPS number of a person.
    #[must_use]
    pub fn rpps(&self) -> Option<&Rpps> {
        self.person()?.rpps.as_ref()
    }

    /// The FINESS number of an organisation, or of the organisation of a service.
    #[must_use]
    pub fn finess(&self) -> Option<&Finess> {
        self.structure()?.finess.as_ref()
    }

    /// Its mailboxes in their order: of the role first, then of the person; of a service only its
    /// own.
    #[must_use]
    pub fn mailboxes(&self) -> Vec<&SecureMailbox> {
        match &*self.record {
            Record::Person(person) => {
                let role = self.role().map_or(&[][..], |role| &role.mailboxes);
                role.iter().chain(&person.mailboxes).collect()
            }
            Record::Organisation(organisation) => match self.service() {
                Some(service) => service.mailboxes.iter().collect(),
                None => organisation.mailboxes.iter().collect(),
            },
            _ => Vec::new(),
        }
    }

    /// The absence that holds on that day, if there is one.
    #[must_use]
    pub fn absence(&self, today: Date) -> Option<&Absence> {
        let person = self.person()?;
        self.role()
            .map_or(&[][..], |role| &role.absences)
            .iter()
            .chain(&person.absences)
            .find(|absence| absence.holds(today))
    }

    /// Whether it practises or is open.
    #[must_use]
    pub fn is_active(&self) -> bool {
        match (self.role(), self.structure()) {
            (Some(role), _) => role.active,
            (_, Some(organisation)) => organisation.active,
            _ => true,
        }
    }

    /// Whether one of the record's identifiers is this one: `rpps:…`, `finess:…`, `id:…`.
    #[must_use]
    pub fn is_named(&self, identifier: &str) -> bool {
        let among = |list: &[String]| list.iter().any(|one| one == identifier);
        let root = self.subject.root();
        let own = match identifier.split_once(':') {
            Some(("rpps", digits)) => root.component().strip_prefix('8') == Some(digits),
            Some(("idnps" | "finess", text)) => root.component() == text,
            _ => root.component() == identifier,
        };
        let of_part = self.subject.kind() != Kind::Service
            && (own
                || match &*self.record {
                    Record::Person(person) => among(&person.identifiers),
                    Record::Organisation(organisation) => among(&organisation.identifiers),
                    _ => false,
                });
        of_part
            || identifier
                .strip_prefix("id:")
                .is_some_and(|id| self.subject.component() == id)
    }

    /// Whether the identifier is of the person, or of a mailbox of this listing.
    pub(crate) fn holds(&self, id: Uuid) -> bool {
        self.record.meta().id == id || self.mailboxes().iter().any(|mailbox| mailbox.meta.id == id)
    }
}
