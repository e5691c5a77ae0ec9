//! The kinds of resources: what each is searched by, brings along, and is made of.

use serde_json::Value;
use uuid::Uuid;

use super::element::endpoint;
use super::organisations::{healthcare_service, location, organization};
use super::people::{practitioner, role};
use crate::model::Kind as Subjects;
use crate::view::{Attribute, Filter, Listing, Test, View};

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Practitioner,
    PractitionerRole,
    Organization,
    Location,
    HealthcareService,
    Endpoint,
}

impl Kind {
    pub(super) const ALL: [Self; 6] = [
        Self::Practitioner,
        Self::PractitionerRole,
        Self::Organization,
        Self::Location,
        Self::HealthcareService,
        Self::Endpoint,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Practitioner => "Practitioner",
            Self::PractitionerRole => "PractitionerRole",
            Self::Organization => "Organization",
            Self::Location => "Location",
            Self::HealthcareService => "HealthcareService",
            Self::Endpoint => "Endpoint",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The parameters that it can be searched by, with their types; those of every resource apart.
    pub(super) fn parameters(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Practitioner => &[
                ("active", "token"),
                ("family", "string"),
                ("given", "string"),
                ("identifier", "token"),
                ("mailbox-mss", "string"),
                ("name", "string"),
            ],
            Self::PractitionerRole => &[
                ("active", "token"),
                ("location", "reference"),
                ("location.near", "special"),
                ("mailbox-mss", "string"),
                ("organization", "reference"),
                ("practitioner", "reference"),
                ("practitioner.family", "string"),
                ("practitioner.given", "string"),
                ("practitioner.identifier", "token"),
                ("practitioner.name", "string"),
                ("role", "token"),
                ("specialty", "token"),
            ],
            Self::Organization => &[
                ("active", "token"),
                ("address-city", "string"),
                ("address-postalcode", "string"),
                ("identifier", "token"),
                ("mailbox-mss", "string"),
                ("name", "string"),
                ("partof", "reference"),
                ("type", "token"),
            ],
            Self::Location => &[
                ("address-city", "string"),
                ("address-postalcode", "string"),
                ("identifier", "token"),
                ("name", "string"),
                ("near", "special"),
                ("organization", "reference"),
                ("status", "token"),
                ("type", "token"),
            ],
            Self::HealthcareService => &[
                ("active", "token"),
                ("location", "reference"),
                ("name", "string"),
                ("organization", "reference"),
            ],
            Self::Endpoint => &[
                ("identifier", "token"),
                ("organization", "reference"),
                ("status", "token"),
            ],
        }
    }

    /// What a search may bring along: the value of `_include`, or of `_revinclude` where so said.
    pub(super) fn includes(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::PractitionerRole => &[
                ("_include", "PractitionerRole:practitioner"),
                ("_include", "PractitionerRole:organization"),
                ("_include", "PractitionerRole:location"),
                ("_include", "PractitionerRole:endpoint"),
            ],
            Self::Organization => &[
                ("_include", "Organization:endpoint"),
                ("_revinclude", "Location:organization"),
            ],
            Self::Location => &[("_include", "Location:organization")],
            Self::HealthcareService => &[
                ("_include", "HealthcareService:organization"),
                ("_include", "HealthcareService:location"),
                ("_include", "HealthcareService:endpoint"),
            ],
            Self::Practitioner => &[("_revinclude", "PractitionerRole:practitioner")],
            Self::Endpoint => &[],
        }
    }

    pub(super) fn subjects(self) -> Filter {
        match self {
            Self::Practitioner => Filter::Kinds(vec![Subjects::Person, Subjects::Role]),
            Self::PractitionerRole => Filter::Kinds(vec![Subjects::Role]),
            Self::Organization | Self::Location => Filter::Kinds(vec![Subjects::Organisation]),
            Self::HealthcareService => Filter::Kinds(vec![Subjects::Service]),
            Self::Endpoint => Filter::Has(Attribute::Address, Test::Present),
        }
    }

    /// The resources of this kind that a listing stands for. A person with several roles is several
    /// listings and one Practitioner: the first role stands for her.
    pub(super) fn resources(self, view: &View, listing: &Listing) -> Vec<(Uuid, Value)> {
        let person = listing.person();
        let is_first = || {
            let first = person.and_then(|one| one.roles.first());
            first.is_none_or(|first| first.meta.subject == listing.subject)
        };
        match (self, person, listing.role()) {
            (Self::Practitioner, Some(one), _) if is_first() => {
                vec![(one.meta.id, practitioner(one))]
            }
            (Self::PractitionerRole, Some(one), Some(held)) => {
                vec![(held.meta.id, role(one, held))]
            }
            (Self::Endpoint, ..) => endpoints(view, listing, person.is_none() || is_first()),
            _ => match (self, listing.structure(), listing.service()) {
                (Self::Organization, Some(one), None) => vec![(one.meta.id, organization(one))],
                (Self::Location, Some(one), None) => vec![(one.meta.id, location(one))],
                (Self::HealthcareService, Some(one), Some(part)) => {
                    vec![(part.meta.id, healthcare_service(one, part))]
                }
                _ => Vec::new(),
            },
        }
    }
}

/// The mailboxes of a listing; those of a person with one of her listings alone.
pub(super) fn endpoints(view: &View, listing: &Listing, with_own: bool) -> Vec<(Uuid, Value)> {
    let organisation = listing.structure().map(|one| one.meta.id);
    let mut boxes = listing.mailboxes();
    if !with_own && let (Some(person), Some(_)) = (listing.person(), listing.role()) {
        boxes.retain(|one| {
            person
                .mailboxes
                .iter()
                .all(|own| own.meta.id != one.meta.id)
        });
    }
    boxes
        .into_iter()
        .map(|one| (one.meta.id, endpoint(view, one, organisation)))
        .collect()
}
