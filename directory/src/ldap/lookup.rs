//! From a search to the entries that it finds.

use ldap3_proto::proto::LdapSearchScope;

use super::answer::{Cut, Found};
use super::dn::{Branch, Node, Suffix};
use super::entry::{self, Entry};
use super::filter::{Filter, Parts, Truth};
use super::schema::{self, Attribute};
use super::session::{Caller, Search};
use crate::error::DirectoryError;
use crate::model::Kind;
use crate::quota::Quotas;
use crate::view::{self, PageStart, Test, View};

/// The most entries of one answer: what a mail client keeps (Thunderbird and Outlook ask for a
/// hundred).
pub(super) const MAX_ENTRIES: usize = 100;
/// The most listings that are looked at for one answer.
const MAX_LOOKED_AT: usize = 2_000;
/// How many are read from the index at a time at least.
const LEAST_BATCH: usize = 20;
/// The most entries that an answer without a narrowing filter may have: a small territory may be
/// read whole, a national register may not.
const MAX_WHOLE: u64 = 100;

/// What answers need besides the search.
pub(super) struct Lookup<'a> {
    pub(super) view: &'a View,
    pub(super) suffix: &'a Suffix,
    pub(super) caller: &'a Caller,
    pub(super) quotas: &'a Quotas,
    /// How many listings there are.
    pub(super) total: u64,
}

impl Lookup<'_> {
    /// What a search finds, the best first.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub(super) fn find(&self, search: &Search) -> Result<Found, DirectoryError> {
        let mut found = Found::default();
        for node in self.nodes_above(search) {
            let entry = self.structural(node);
            if search.filter.judge(&entry) == Truth::True {
                found.entries.push(entry);
            }
        }
        match (search.base, &search.scope) {
            (Node::Root | Node::Subschema, _)
            | (Node::Suffix, LdapSearchScope::Base | LdapSearchScope::OneLevel)
            | (Node::Branch(_), LdapSearchScope::Base) => {}
            (Node::Entry(branch, id), LdapSearchScope::Base | LdapSearchScope::Subtree) => {
                match self.view.get(id)? {
                    Some(listing) if entry::branch(&listing) == branch && listing.id() == id => {
                        let entry = entry::entry(self.view, self.suffix, &listing)?;
                        if search.filter.judge(&entry) == Truth::True && self.admit(&mut found, id)
                        {
                            found.entries.push(entry);
                        }
                    }
                    _ => found.cut = Some(Cut::NoSuchObject),
                }
            }
            (Node::Entry(..), _) => {}
            (Node::Suffix, _) => self.matching(search, None, &mut found)?,
            (Node::Branch(branch), _) => self.matching(search, Some(branch), &mut found)?,
        }
        Ok(found)
    }

    /// The nodes above people, organisations and services that the scope covers.
    fn nodes_above(&self, search: &Search) -> Vec<Node> {
        let branches = Branch::ALL.map(Node::Branch);
        match (search.base, &search.scope) {
            (node @ (Node::Root | Node::Subschema), LdapSearchScope::Base) => vec![node],
            (Node::Suffix, LdapSearchScope::Base) => vec![Node::Suffix],
            (Node::Suffix, LdapSearchScope::OneLevel | LdapSearchScope::Children) => {
                branches.to_vec()
            }
            (Node::Suffix, LdapSearchScope::Subtree) => {
                let mut nodes = vec![Node::Suffix];
                nodes.extend(branches);
                nodes
            }
            (node @ Node::Branch(_), LdapSearchScope::Base | LdapSearchScope::Subtree) => {
                vec![node]
            }
            _ => Vec::new(),
        }
    }

    fn matching(
        &self,
        search: &Search,
        branch: Option<Branch>,
        found: &mut Found,
    ) -> Result<(), DirectoryError> {
        let limit = search.size_limit.unwrap_or(MAX_ENTRIES).min(MAX_ENTRIES);
        let narrowed = superset(&search.filter);
        let kinds = branch.map_or_else(
            || view::Filter::All,
            |branch| view::Filter::Kinds(kinds(branch)),
        );
        let wanted = view::Filter::And(vec![kinds, narrowed.clone().unwrap_or(view::Filter::All)]);
        if narrowed.is_none() && self.view.count(&wanted)? > MAX_WHOLE {
            found.cut = Some(Cut::Broad);
            return Ok(());
        }
        let (mut start, mut looked_at): (Option<PageStart>, usize) = (None, 0);
        loop {
            // One more than is shown tells that there are more.
            let batch = (limit + 1)
                .saturating_sub(found.entries.len())
                .max(LEAST_BATCH);
            let page = self.view.matching(&wanted, batch, start)?;
            for listing in &page.listings {
                looked_at += 1;
                let entry = entry::entry(self.view, self.suffix, listing)?;
                if search.filter.judge(&entry) != Truth::True {
                    continue;
                }
                if found.entries.len() >= limit {
                    found.cut = Some(Cut::Size);
                    return Ok(());
                }
                if !self.admit(found, listing.id()) {
                    return Ok(());
                }
                found.entries.push(entry);
            }
            start = page.next;
            if start.is_none() {
                return Ok(());
            }
            if looked_at >= MAX_LOOKED_AT {
                found.cut = Some(Cut::Broad);
                return Ok(());
            }
        }
    }

    fn admit(&self, found: &mut Found, id: uuid::Uuid) -> bool {
        let account = match self.caller {
            Caller::Anonymous => None,
            Caller::Account(name) => Some(name.as_str()),
        };
        let today = self.view.now().date();
        let admitted = self.quotas.admit(account, id, today, self.total);
        if !admitted {
            found.cut = Some(Cut::Quota);
        }
        admitted
    }

    /// The entry of a node that is of our making.
    fn structural(&self, node: Node) -> Entry {
        let entry = Entry::new(self.suffix.name(node));
        let entry = match node {
            Node::Root => return root(entry, self.suffix),
            Node::Subschema => return subschema(entry),
            Node::Suffix => {
                let (kind, value) = self.suffix.first();
                let entry = entry.with(Attribute::ObjectClass, ["top", "organization"]);
                match Attribute::of(kind) {
                    Some(attribute) => entry.with(attribute, [value]),
                    None => entry.with(Attribute::O, [value]),
                }
            }
            Node::Branch(branch) => entry
                .with(Attribute::ObjectClass, ["top", "organizationalUnit"])
                .with(Attribute::Ou, [branch.name()]),
            Node::Entry(..) => entry,
        };
        entry.with(Attribute::HasSubordinates, ["TRUE"])
    }
}

/// RFC 4512 §5.1.
fn root(entry: Entry, suffix: &Suffix) -> Entry {
    entry
        .with(Attribute::ObjectClass, ["top"])
        .with(Attribute::NamingContexts, [suffix.written()])
        .with(Attribute::SupportedLdapVersion, ["3"])
        .with(
            Attribute::SupportedControl,
            [
                "1.2.840.113556.1.4.319",
                "1.2.840.113556.1.4.473",
                "2.16.840.1.113730.3.4.2",
            ],
        )
        .with(
            Attribute::SupportedExtension,
            [super::session::START_TLS, ldap3_proto::proto::OID_WHOAMI],
        )
        // RFC 3673: `+` for all operational attributes.
        .with(Attribute::SupportedFeatures, ["1.3.6.1.4.1.4203.1.5.1"])
        .with(Attribute::VendorName, ["Liaison"])
        .with(Attribute::SubschemaSubentry, ["cn=subschema"])
}

/// RFC 4512 §4.2.
fn subschema(entry: Entry) -> Entry {
    entry
        .with(Attribute::ObjectClass, ["top", "subentry", "subschema"])
        .with(Attribute::Cn, ["subschema"])
        .with(Attribute::SchemaAttributes, schema::attribute_types())
        .with(Attribute::ObjectClasses, schema::object_classes())
}

fn kinds(branch: Branch) -> Vec<Kind> {
    match branch {
        Branch::People => vec![Kind::Person, Kind::Role],
        Branch::Organisations => vec![Kind::Organisation],
        Branch::Services => vec![Kind::Service],
    }
}

/// A question to the index that wants at least what the filter is true of; `None` when the filter
/// narrows nothing. What it wants is judged again, entry by entry.
fn superset(filter: &Filter) -> Option<view::Filter> {
    match filter {
        // What is true of a negation is not narrowed by what it negates: undefined is neither.
        Filter::Not(_) => None,
        Filter::Undefined => Some(view::Filter::None),
        Filter::And(parts) => {
            let known: Vec<_> = parts.iter().filter_map(superset).collect();
            (!known.is_empty()).then_some(view::Filter::And(known))
        }
        Filter::Or(parts) => parts
            .iter()
            .map(superset)
            .collect::<Option<Vec<_>>>()
            .map(view::Filter::Or),
        Filter::Present(_) => None,
        Filter::Equal(attribute, value) => equal(*attribute, value),
        Filter::Sounds(attribute, value) => asked(*attribute, &Test::Resembles(value.clone())),
        Filter::Contains(attribute, parts) => contains(*attribute, parts),
    }
}

fn equal(attribute: Attribute, value: &str) -> Option<view::Filter> {
    let named = |system: &str| {
        view::Filter::Has(
            view::Attribute::Identifier,
            Test::Equals(format!("{system}:{value}")),
        )
    };
    match attribute {
        Attribute::IdentifiantPp => Some(named("rpps")),
        Attribute::IdentifiantPm => Some(view::Filter::Or(vec![
            named("finess"),
            named("siret"),
            // A service bears the number of its organisation.
            view::Filter::Kinds(vec![Kind::Service]),
        ])),
        Attribute::Mail => Some(view::Filter::Or(vec![
            named("address"),
            view::Filter::Has(view::Attribute::Address, Test::Equals(value.to_owned())),
        ])),
        Attribute::ObjectClass => match value {
            "person" | "organizationalperson" | "inetorgperson" | "mozillaabpersonalpha" => {
                Some(view::Filter::Kinds(kinds(Branch::People)))
            }
            "organization" => Some(view::Filter::Kinds(kinds(Branch::Organisations))),
            "organizationalunit" => Some(view::Filter::Kinds(kinds(Branch::Services))),
            "top" | "liaisonacteur" => None,
            _ => Some(view::Filter::None),
        },
        Attribute::TypeBal => Some(view::Filter::Has(
            view::Attribute::MailboxType,
            Test::Equals(value.to_uppercase()),
        )),
        Attribute::Profession => Some(view::Filter::Has(
            view::Attribute::Profession,
            Test::Equals(value.to_owned()),
        )),
        Attribute::PostalCode => Some(view::Filter::Has(
            view::Attribute::PostalCode,
            Test::Equals(value.to_owned()),
        )),
        _ => asked(attribute, &Test::Equals(value.to_owned())),
    }
}

fn contains(attribute: Attribute, parts: &Parts) -> Option<view::Filter> {
    let test = Test::Parts {
        first: parts.first.clone(),
        any: parts.any.clone(),
        last: parts.last.clone(),
    };
    asked(attribute, &test)
}

/// The same test of what the index knows as this attribute. A name may stand in several places:
/// an organisation's `o` is its name, a service's `ou`. People are not found by the name of where
/// they work: the index does not bear it.
fn asked(attribute: Attribute, test: &Test) -> Option<view::Filter> {
    let has = |attribute| view::Filter::Has(attribute, test.clone());
    match attribute {
        Attribute::Cn => Some(has(view::Attribute::Label)),
        Attribute::DisplayName => Some(has(view::Attribute::Label)),
        Attribute::Sn => Some(has(view::Attribute::Family)),
        Attribute::GivenName => Some(has(view::Attribute::Given)),
        Attribute::Mail | Attribute::SecondMail => Some(has(view::Attribute::Address)),
        Attribute::O | Attribute::Ou => Some(has(view::Attribute::Organisation)),
        Attribute::Title => Some(has(view::Attribute::Activity)),
        Attribute::L => Some(has(view::Attribute::Town)),
        _ => None,
    }
}
