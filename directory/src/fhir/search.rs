//! The search of each kind of resource (ITI-90): parameters into a question to the index, and
//! checks on what it finds.

use std::collections::BTreeSet;

use liaison_mail::Address;
use serde_json::Value;
use uuid::Uuid;

use super::element::{FINESS, IDNPS, IDNST, RPPS, SIRET};
use super::kind::{Kind, endpoints};
use super::organisations::{location, organization};
use super::outcome::Fault;
use super::parameters::{Near, Parameter, When, reference, token};
use super::people::{practitioner, role};
use crate::model::Record;
use crate::text;
use crate::view::{Attribute, Filter, Listing, PageStart, Test, View, distance};

/// Resources on a page unless the caller says otherwise, and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 200;
/// Services of one organisation that are asked for at once.
const MAX_SERVICES: usize = 200;
/// How far a place may lie from the centre of its town, in kilometres.
const TOWN: f64 = 15.0;
/// Listings that are looked at for one page.
const MAX_LOOKED_AT: usize = 2_000;

/// What a found listing is checked for, beyond what the index was asked.
#[derive(Debug, Clone)]
enum Check {
    Active(bool),
    Updated(When),
    /// A place whose position is known lies there; of others the town does.
    Near(Near),
    /// One of these identifiers is the resource's.
    Ids(Vec<Uuid>),
    /// Nothing of this kind is there.
    Nothing,
    /// A text as it is written; FHIR's `:exact`.
    Exact(&'static str, Vec<String>),
}

/// A search that can be made.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) kind: Kind,
    asked: Vec<Filter>,
    /// One of each of these lists must be whose it is.
    owners: Vec<Vec<Uuid>>,
    checks: Vec<Check>,
    pub(super) count: usize,
    start: Option<PageStart>,
    pub(super) includes: BTreeSet<&'static str>,
    /// The parameters again, without the place of the page, for links.
    pub(super) again: Vec<(String, String)>,
}

/// A page of what was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) matches: Vec<(Kind, Uuid, Value)>,
    pub(super) included: Vec<(Kind, Uuid, Value)>,
    pub(super) next: Option<u64>,
}

impl Plan {
    /// Reads the parameters of a search.
    pub(super) fn read(kind: Kind, parameters: &[Parameter]) -> Result<Self, Fault> {
        let mut plan = Self {
            kind,
            asked: vec![kind.subjects()],
            owners: Vec::new(),
            checks: Vec::new(),
            count: PAGE,
            start: None,
            includes: BTreeSet::new(),
            again: Vec::new(),
        };
        for parameter in parameters {
            plan.take(parameter)?;
            if parameter.name != "_cursor" {
                let modifier = parameter.modifier.as_deref();
                let name = match modifier {
                    Some(modifier) => format!("{}:{modifier}", parameter.name),
                    None => parameter.name.clone(),
                };
                let escaped = parameter.values.iter().map(|value| escaped(value));
                plan.again
                    .push((name, escaped.collect::<Vec<_>>().join(",")));
            }
        }
        Ok(plan)
    }

    fn take(&mut self, parameter: &Parameter) -> Result<(), Fault> {
        let name = parameter.name.as_str();
        let number = || {
            let text = parameter.one()?;
            text.parse::<u64>()
                .map_err(|_| Fault::invalid(format!("{name} is a number")))
        };
        match name {
            "_count" => {
                let wanted = usize::try_from(number()?).unwrap_or(MAX_PAGE);
                self.count = wanted.clamp(1, MAX_PAGE);
            }
            "_cursor" => self.start = Some(PageStart::of(number()?)),
            "_format" => {
                if !matches!(
                    parameter.one()?,
                    "json" | "application/json" | "application/fhir json" | "application/fhir+json"
                ) {
                    return Err(Fault::unsupported("only JSON is served"));
                }
            }
            "_total" => {
                if parameter.one()? != "none" {
                    return Err(Fault::unsupported("totals are not counted: _total=none"));
                }
            }
            "_since" => self.checks.push(Check::Updated(When::read(&format!(
                "ge{}",
                parameter.one()?
            ))?)),
            "_lastUpdated" => self
                .checks
                .push(Check::Updated(When::read(parameter.one()?)?)),
            "_id" => self.checks.push(Check::Ids(ids(&parameter.values))),
            "_include" | "_revinclude" => self.include(parameter)?,
            _ => {
                let known = self.kind.parameters().iter().find(|(one, _)| *one == name);
                let Some((name, kind)) = known else {
                    return Err(Fault::unsupported(format!(
                        "{} cannot be searched by {name}",
                        self.kind.name()
                    )));
                };
                self.ask(name, kind, parameter)?;
            }
        }
        Ok(())
    }

    fn include(&mut self, parameter: &Parameter) -> Result<(), Fault> {
        for value in &parameter.values {
            let known = self.kind.includes().iter();
            let mut known = known.filter(|(name, _)| *name == parameter.name);
            match known.find(|(_, what)| what == value) {
                Some((_, what)) => self.includes.insert(what),
                None => {
                    let text = format!("{} has no such {}", self.kind.name(), parameter.name);
                    return Err(Fault::unsupported(text));
                }
            };
        }
        Ok(())
    }

    fn ask(&mut self, name: &'static str, kind: &str, parameter: &Parameter) -> Result<(), Fault> {
        let name = name.strip_prefix("practitioner.").unwrap_or(name);
        match (kind, parameter.modifier.as_deref()) {
            ("string", None | Some("exact" | "contains")) | (_, None) => {}
            (_, Some(_)) => {
                return Err(Fault::unsupported(format!(
                    "{name} does not take this modifier"
                )));
            }
        }
        let any = |one: &dyn Fn(&str) -> Result<Filter, Fault>| {
            let each = parameter.values.iter().map(|value| one(value));
            Ok::<_, Fault>(Filter::Or(each.collect::<Result<_, _>>()?))
        };
        let asked = match (kind, name) {
            ("string", "mailbox-mss") => any(&|value| Ok(mailbox(value, parameter)))?,
            ("string", _) => {
                if parameter.modifier.as_deref() == Some("exact") {
                    let values = parameter.values.clone();
                    self.checks.push(Check::Exact(name, values));
                }
                any(&|value| Ok(words(self.kind, name, value, parameter)))?
            }
            (_, "active" | "status") => {
                let active = match parameter.one()? {
                    "true" | "active" => true,
                    "false" | "inactive" | "suspended" => false,
                    _ => {
                        return Err(Fault::invalid(format!(
                            "{name} is true or false, active or inactive"
                        )));
                    }
                };
                self.checks.push(if self.kind == Kind::Endpoint && !active {
                    Check::Nothing
                } else {
                    Check::Active(active)
                });
                return Ok(());
            }
            (_, "identifier") => any(&|value| Ok(identified(self.kind, value)))?,
            ("special", _) => {
                self.checks.push(Check::Near(Near::read(parameter.one()?)?));
                return Ok(());
            }
            (_, "role") => any(&|value| Ok(coded(Attribute::Profession, token(value).1)))?,
            (_, "type") => any(&|value| Ok(coded(Attribute::Category, token(value).1)))?,
            (_, "specialty") => any(&|value| {
                Ok(Filter::Or(
                    ["S", "C", "CEX", "PAC", "DEC", "FQ"]
                        .map(|table| {
                            coded(
                                Attribute::Speciality,
                                &format!("{table}/{}", token(value).1),
                            )
                        })
                        .to_vec(),
                ))
            })?,
            _ => {
                let of = match name {
                    "practitioner" => "Practitioner",
                    "organization" | "partof" => "Organization",
                    _ => "Location",
                };
                let ids = parameter.values.iter().map(|value| reference(value, of));
                self.owners.push(ids.collect::<Result<_, _>>()?);
                return Ok(());
            }
        };
        self.asked.push(asked);
        Ok(())
    }

    /// Makes the search.
    pub(super) fn find(&self, view: &View) -> Result<Found, Fault> {
        let mut found = Found::default();
        if self
            .checks
            .iter()
            .any(|check| matches!(check, Check::Nothing))
        {
            return Ok(found);
        }
        let mut asked = self.asked.clone();
        for owners in &self.owners {
            let each = owners.iter().map(|owner| owned(view, self.kind, *owner));
            asked.push(Filter::Or(each.collect::<Result<_, _>>()?));
        }
        for check in &self.checks {
            match check {
                Check::Ids(ids) => {
                    asked.push(Filter::Or(ids.iter().copied().map(Filter::Bears).collect()));
                }
                Check::Near(near) => {
                    // A place lies at most this far from the centre of its town.
                    let around = near.kilometres + TOWN;
                    asked.push(Filter::Communes(view.communes_near(near.point, around)?));
                }
                _ => {}
            }
        }
        let filter = Filter::And(asked);
        let (mut start, mut looked_at) = (self.start, 0);
        while found.matches.len() < self.count {
            let is_held = |listing: &Listing| -> Result<bool, Fault> {
                for check in &self.checks {
                    if !check.holds(view, listing)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            };
            let page = view.matching(&filter, self.count - found.matches.len(), start)?;
            looked_at += page.listings.len().max(1);
            for listing in &page.listings {
                let is_owned = self.owners.iter().all(|owners| is_of(listing, owners));
                if is_owned && is_held(listing)? {
                    self.add(view, listing, &mut found)?;
                }
            }
            start = page.next;
            found.next = start.map(PageStart::number);
            if start.is_none() || looked_at >= MAX_LOOKED_AT {
                break;
            }
        }
        Ok(found)
    }

    fn add(&self, view: &View, listing: &Listing, found: &mut Found) -> Result<(), Fault> {
        for (id, resource) in self.kind.resources(view, listing) {
            let wanted = self.checks.iter().all(|check| match check {
                Check::Ids(ids) => ids.contains(&id),
                _ => true,
            });
            let is_new = found.matches.iter().all(|(_, one, _)| *one != id);
            if wanted && is_new {
                found.matches.push((self.kind, id, resource));
            }
        }
        for what in &self.includes {
            let others = match *what {
                "PractitionerRole:practitioner" if self.kind == Kind::PractitionerRole => {
                    let person = listing.person().map(|one| (one.meta.id, practitioner(one)));
                    person
                        .map(|(id, one)| (Kind::Practitioner, id, one))
                        .into_iter()
                        .collect()
                }
                "PractitionerRole:practitioner" => roles(listing),
                "PractitionerRole:endpoint"
                | "Organization:endpoint"
                | "HealthcareService:endpoint" => {
                    let boxes = endpoints(view, listing, true).into_iter();
                    boxes.map(|(id, one)| (Kind::Endpoint, id, one)).collect()
                }
                _ => self.place(view, listing, what)?,
            };
            for (kind, id, one) in others {
                let is_new = found
                    .included
                    .iter()
                    .all(|(known, other, _)| (*known, *other) != (kind, id));
                if is_new {
                    found.included.push((kind, id, one));
                }
            }
        }
        Ok(())
    }

    /// The organisation of a listing, or its place.
    fn place(
        &self,
        view: &View,
        listing: &Listing,
        what: &str,
    ) -> Result<Vec<(Kind, Uuid, Value)>, Fault> {
        let record = match listing.structure() {
            Some(_) => Some(listing.record.clone()),
            None => match listing.organisation() {
                Some(subject) => view.record(subject)?,
                None => None,
            },
        };
        let kind = if what.ends_with(":location") || self.kind == Kind::Organization {
            Kind::Location
        } else {
            Kind::Organization
        };
        Ok(match record.as_deref() {
            Some(Record::Organisation(one)) => {
                let resource = if kind == Kind::Location {
                    location(one)
                } else {
                    organization(one)
                };
                vec![(kind, one.meta.id, resource)]
            }
            _ => Vec::new(),
        })
    }
}

/// Whether a listing is of one of the owners: what the index finds by an identifier may be
/// another's that resembles it.
fn is_of(listing: &Listing, owners: &[Uuid]) -> bool {
    let employer = listing.organisation().map(crate::model::Subject::id);
    let own = [listing.id(), listing.record.meta().id];
    own.into_iter()
        .chain(employer)
        .any(|id| owners.contains(&id))
}

fn roles(listing: &Listing) -> Vec<(Kind, Uuid, Value)> {
    let Some(person) = listing.person() else {
        return Vec::new();
    };
    let roles = person.roles.iter();
    roles
        .map(|one| (Kind::PractitionerRole, one.meta.id, role(person, one)))
        .collect()
}

impl Check {
    fn holds(&self, view: &View, listing: &Listing) -> Result<bool, Fault> {
        Ok(match self {
            Self::Near(near) => {
                let place = listing.place();
                let position = match place.and_then(|place| place.position) {
                    Some(position) => Some(position),
                    None => match place.and_then(|place| place.commune.as_deref()) {
                        Some(code) => view.commune(code)?.and_then(|town| town.centre),
                        None => None,
                    },
                };
                position.is_some_and(|position| distance(position, near.point) <= near.kilometres)
            }
            Self::Active(active) => listing.is_active() == *active,
            Self::Updated(when) => when.holds(listing.record.meta().updated_at),
            Self::Ids(_) => true,
            Self::Nothing => false,
            Self::Exact(name, values) => {
                let (person, place) = (listing.person(), listing.place());
                let text = match *name {
                    "family" => person.map(|one| one.family.as_str()),
                    "given" => person.map(|one| one.given.as_str()),
                    "address-city" => place.and_then(|place| place.town.as_deref()),
                    "address-postalcode" => place.and_then(|place| place.postal_code.as_deref()),
                    _ => Some(listing.name()),
                };
                let parts = person
                    .filter(|_| *name == "name")
                    .map(|one| [one.family.as_str(), one.given.as_str()]);
                let parts = parts.into_iter().flatten().chain(text);
                parts
                    .into_iter()
                    .any(|part| values.iter().any(|value| value == part))
            }
        })
    }
}

/// Identifiers that are none of ours find nothing.
fn ids(values: &[String]) -> Vec<Uuid> {
    values
        .iter()
        .filter_map(|value| Uuid::try_parse(value).ok())
        .collect()
}

fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for letter in value.chars() {
        if matches!(letter, ',' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

fn coded(attribute: Attribute, code: &str) -> Filter {
    Filter::Has(attribute, Test::Equals(code.to_owned()))
}

fn named(system: &str, value: &str) -> Filter {
    coded(Attribute::Identifier, &format!("{system}:{value}"))
}

/// A name as people write it: by the beginning of a word, without accents (search.html#string).
fn words(kind: Kind, name: &str, value: &str, parameter: &Parameter) -> Filter {
    let attribute = match name {
        "family" => Attribute::Family,
        "given" => Attribute::Given,
        "address-city" => Attribute::Town,
        "address-postalcode" => Attribute::PostalCode,
        _ => Attribute::Organisation,
    };
    let value = if attribute == Attribute::PostalCode {
        value.to_owned()
    } else {
        text::fold(value)
    };
    let (first, any) = match parameter.modifier.as_deref() {
        Some("contains") => (None, vec![value]),
        Some("exact") => {
            let test = Test::Equals(value);
            return either(kind, name, attribute, test);
        }
        _ => (Some(value), Vec::new()),
    };
    either(
        kind,
        name,
        attribute,
        Test::Parts {
            first,
            any,
            last: None,
        },
    )
}

/// The name of a person is her family name or a given one.
fn either(kind: Kind, name: &str, attribute: Attribute, test: Test) -> Filter {
    if name == "name" && matches!(kind, Kind::Practitioner | Kind::PractitionerRole) {
        let given = Filter::Has(Attribute::Given, test.clone());
        return Filter::Or(vec![Filter::Has(Attribute::Family, test), given]);
    }
    Filter::Has(attribute, test)
}

fn mailbox(value: &str, parameter: &Parameter) -> Filter {
    let value = value.to_lowercase();
    let test = match parameter.modifier.as_deref() {
        Some("contains") => Test::Parts {
            first: None,
            any: vec![value],
            last: None,
        },
        Some("exact") => Test::Equals(value),
        _ => Test::Parts {
            first: Some(value),
            any: Vec::new(),
            last: None,
        },
    };
    Filter::Has(Attribute::Address, test)
}

/// The listings with an identifier.
fn identified(kind: Kind, value: &str) -> Filter {
    let (system, code) = token(value);
    let code = code.trim();
    if kind == Kind::Endpoint {
        let address = code.strip_prefix("mailto:").unwrap_or(code);
        return Address::parse(address).map_or(Filter::None, |address| {
            named("address", &address.to_string().to_lowercase())
        });
    }
    let national = |prefix: char| code.strip_prefix(prefix).unwrap_or_default();
    match system {
        Some(RPPS) => named("rpps", code),
        Some(IDNPS) => named("idnps", code),
        Some(FINESS) => named("finess", code),
        Some(SIRET) => named("siret", code),
        Some(IDNST) => named("finess", national('1')),
        Some(_) => Filter::None,
        None => Filter::Or(vec![
            named("rpps", code),
            named("idnps", code),
            named("finess", code),
            named("siret", code),
            named("finess", national('1')),
        ]),
    }
}

/// The listings that an owner has of a kind: the roles in an organisation or of a person, the
/// services of an organisation, its place, its mailboxes.
fn owned(view: &View, kind: Kind, owner: Uuid) -> Result<Filter, Fault> {
    let Some(listing) = view.get(owner)? else {
        return Ok(Filter::None);
    };
    Ok(match (kind, listing.structure()) {
        (Kind::PractitionerRole, Some(one)) => named("member", one.meta.subject.key()),
        (Kind::Organization, Some(one)) => named("part", one.meta.subject.key()),
        (Kind::HealthcareService, Some(one)) => {
            let services = one.services.iter().take(MAX_SERVICES);
            Filter::Or(
                services
                    .map(|service| Filter::Bears(service.meta.id))
                    .collect(),
            )
        }
        _ => Filter::Bears(owner),
    })
}
