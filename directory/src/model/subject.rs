//! What a fact is said of.

use std::fmt;

use liaison_directory_client::{Finess, Rpps};
use liaison_mail::{Address, Domain};
use uuid::Uuid;

/// Between the components of a key. Lower than every character that a component may hold, so that
/// everything below a subject sorts directly after it.
const SEPARATOR: char = '\u{1f}';
/// The longest component, in octets.
const MAX_COMPONENT: usize = 200;
/// The deepest subject: a certificate of a mailbox of a role of a person.
const MAX_PAIRS: usize = 4;
/// The name space of the identifiers (RFC 9562 §6.5): version 5 of the URL
/// `urn:liaison:directory`.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1d_3c52_8a0e_5b6f_9d27_41c8_e05a_b713);

/// What a fact is said of: a person, a role of a person, a mailbox of a role…
///
/// A subject is a path from a root, such as *person 899900000011, role …, mailbox …*; everything
/// under one root is read and folded together. There is no subject for a patient, for who treats
/// a patient, or for a register of vulnerable people: they cannot be represented.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(Box<str>);

/// The kinds of subjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The directory as a whole: its title. A root.
    About,
    /// A town, with its centre. A root.
    Commune,
    /// A relay. A root.
    Relay,
    /// A CPTS, a DAC, a GHT and its towns. A root.
    Territory,
    /// A pathway, a protocol sheet, a document, a link (volet « Actions »). A root.
    Resource,
    /// The label of a code. A root.
    Label,
    /// An organisation. A root.
    Organisation,
    /// A person. A root.
    Person,
    /// A part of an organisation.
    Service,
    /// What a person does somewhere.
    Role,
    /// A mailbox of a person, a role, an organisation or a service.
    Mailbox,
    /// A certificate of a mailbox.
    Certificate,
    /// An absence, a replacement or a retirement, and who takes over.
    Delegation,
}

impl Kind {
    const fn letter(self) -> char {
        match self {
            Self::About => 'a',
            Self::Commune => 'b',
            Self::Relay => 'c',
            Self::Territory => 'd',
            Self::Resource => 'e',
            Self::Label => 'l',
            Self::Organisation => 'o',
            Self::Person => 'p',
            Self::Service => 's',
            Self::Role => 'r',
            Self::Mailbox => 'm',
            Self::Certificate => 'k',
            Self::Delegation => 'x',
        }
    }

    /// Its name.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::About => "about",
            Self::Commune => "commune",
            Self::Relay => "relay",
            Self::Territory => "territory",
            Self::Resource => "resource",
            Self::Label => "label",
            Self::Organisation => "organisation",
            Self::Person => "person",
            Self::Service => "service",
            Self::Role => "role",
            Self::Mailbox => "mailbox",
            Self::Certificate => "certificate",
            Self::Delegation => "delegation",
        }
    }

    /// The part of a key that names `component` of this kind.
    pub(crate) fn key_part(self, component: &str) -> String {
        format!("{}{SEPARATOR}{component}", self.letter())
    }

    fn of(letter: &str) -> Option<Self> {
        Some(match letter {
            "a" => Self::About,
            "b" => Self::Commune,
            "c" => Self::Relay,
            "d" => Self::Territory,
            "e" => Self::Resource,
            "l" => Self::Label,
            "o" => Self::Organisation,
            "p" => Self::Person,
            "s" => Self::Service,
            "r" => Self::Role,
            "m" => Self::Mailbox,
            "k" => Self::Certificate,
            "x" => Self::Delegation,
            _ => return None,
        })
    }

    /// Whether a subject of this kind may stand directly below `parent`; `None` for a root.
    fn may_follow(self, parent: Option<Self>) -> bool {
        match self {
            Self::About
            | Self::Commune
            | Self::Relay
            | Self::Territory
            | Self::Resource
            | Self::Label
            | Self::Organisation
            | Self::Person => parent.is_none(),
            Self::Service => parent == Some(Self::Organisation),
            Self::Role => parent == Some(Self::Person),
            Self::Mailbox => matches!(
                parent,
                Some(Self::Person | Self::Role | Self::Organisation | Self::Service)
            ),
            Self::Certificate => parent == Some(Self::Mailbox),
            Self::Delegation => matches!(parent, Some(Self::Person | Self::Role)),
        }
    }
}

impl Subject {
    /// The directory as a whole.
    #[must_use]
    pub fn about() -> Self {
        Self::root_of(Kind::About, "directory")
    }

    /// A person known by the national identifier, `8` and the RPPS number.
    #[must_use]
    pub fn person_of_rpps(rpps: &Rpps) -> Self {
        Self::root_of(Kind::Person, &format!("8{rpps}"))
    }

    /// A person whom only one list knows, by that list's name and its own identifier.
    #[must_use]
    pub fn local_person(list: &str, id: &str) -> Self {
        Self::root_of(Kind::Person, &format!("{list}:{id}"))
    }

    /// An organisation known by its FINESS number.
    #[must_use]
    pub fn organisation_of_finess(finess: &Finess) -> Self {
        Self::root_of(Kind::Organisation, finess.as_str())
    }

    /// An organisation known by another identifier: `siret:…`, `structure:…` (the national
    /// technical identifier), or a list's name and its own identifier.
    #[must_use]
    pub fn organisation_of(system: &str, id: &str) -> Self {
        Self::root_of(Kind::Organisation, &format!("{system}:{id}"))
    }

    /// The relay of a member's own domain.
    #[must_use]
    pub fn relay(domain: &Domain) -> Self {
        Self::root_of(Kind::Relay, domain.as_str())
    }

    /// A territory.
    #[must_use]
    pub fn territory(id: &str) -> Self {
        Self::root_of(Kind::Territory, id)
    }

    /// A resource.
    #[must_use]
    pub fn resource(id: &str) -> Self {
        Self::root_of(Kind::Resource, id)
    }

    /// A town, by its INSEE code.
    #[must_use]
    pub fn commune(code: &str) -> Self {
        Self::root_of(Kind::Commune, code)
    }

    /// The label of `code` in a table such as `profession`.
    #[must_use]
    pub fn label(table: &str, code: &str) -> Self {
        Self::root_of(Kind::Label, &format!("{table}:{code}"))
    }

    /// A role of this person.
    #[must_use]
    pub fn role(&self, key: &str) -> Self {
        self.below(Kind::Role, key)
    }

    /// A service of this organisation.
    #[must_use]
    pub fn service(&self, key: &str) -> Self {
        self.below(Kind::Service, key)
    }

    /// A mailbox of this person, role, organisation or service.
    #[must_use]
    pub fn mailbox(&self, address: &Address) -> Self {
        self.below(Kind::Mailbox, &address.key())
    }

    /// A certificate of this mailbox, by its SHA-256.
    #[must_use]
    pub fn certificate(&self, sha256: &str) -> Self {
        self.below(Kind::Certificate, sha256)
    }

    /// An absence of this person or in this role, by an identifier of its own.
    #[must_use]
    pub fn delegation(&self, id: &str) -> Self {
        self.below(Kind::Delegation, id)
    }

    /// Reads a key as [`Subject::key`] gives it; `None` when it is none.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        let mut parts = key.split(SEPARATOR);
        let mut parent = None;
        for depth in 0.. {
            let Some(letter) = parts.next() else { break };
            let component = parts.next()?;
            let kind = Kind::of(letter)?;
            if depth == MAX_PAIRS
                || component.is_empty()
                || component.len() > MAX_COMPONENT
                || component.chars().any(char::is_control)
                || !kind.may_follow(parent)
            {
                return None;
            }
            parent = Some(kind);
        }
        parent.map(|_| Self(key.into()))
    }

    /// The key: unique, and sorted so that what is below a subject follows it.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.pairs().last().map_or(Kind::About, |(kind, _)| kind)
    }

    /// The last component: `899900000011`, an address, a role's key.
    #[must_use]
    pub fn component(&self) -> &str {
        self.pairs().last().map_or("", |(_, component)| component)
    }

    /// The components with their kinds, from the root.
    pub fn pairs(&self) -> impl Iterator<Item = (Kind, &str)> {
        let mut parts = self.0.split(SEPARATOR);
        std::iter::from_fn(move || Some((Kind::of(parts.next()?)?, parts.next()?)))
    }

    /// The root that it stands under; itself when it is one.
    #[must_use]
    pub fn root(&self) -> Self {
        Self(self.root_key().into())
    }

    /// The key of the root.
    #[must_use]
    pub fn root_key(&self) -> &str {
        match self.0.match_indices(SEPARATOR).nth(1) {
            Some((end, _)) => self.0.get(..end).unwrap_or(&self.0),
            None => &self.0,
        }
    }

    /// What it stands directly below; `None` for a root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let mut ends = self.0.rmatch_indices(SEPARATOR);
        ends.next()?;
        let (end, _) = ends.next()?;
        Some(Self(self.0.get(..end)?.into()))
    }

    /// Whether it is `other` or stands below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0
            .strip_prefix(&*other.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR))
    }

    /// The stable identifier: a UUID of version 5 of the key (RFC 9562 §5.5).
    #[must_use]
    pub fn id(&self) -> Uuid {
        Uuid::new_v5(&NAMESPACE, self.0.as_bytes())
    }

    fn root_of(kind: Kind, component: &str) -> Self {
        Self(format!("{}{SEPARATOR}{}", kind.letter(), clean(component)).into())
    }

    fn below(&self, kind: Kind, component: &str) -> Self {
        debug_assert!(kind.may_follow(Some(self.kind())), "{kind:?} below {self}");
        Self(
            format!(
                "{}{SEPARATOR}{}{SEPARATOR}{}",
                self.0,
                kind.letter(),
                clean(component)
            )
            .into(),
        )
    }
}

/// A component without control characters, not empty and not too long.
fn clean(component: &str) -> String {
    let mut text: String = component.chars().filter(|c| !c.is_control()).collect();
    let mut end = text.len().min(MAX_COMPONENT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    if text.is_empty() {
        text.push('-');
    }
    text
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (kind, component)) in self.pairs().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{} {component}", kind.word())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> Subject {
        let rpps = Rpps::parse("00100000017").unwrap();
        let address = Address::parse("Helene.Essai@ch.test").unwrap();
        Subject::person_of_rpps(&rpps)
            .role("R1|10|L")
            .mailbox(&address)
            .certificate("ab")
    }

    #[test]
    fn a_subject_is_read_back_from_its_key() {
        let subject = certificate();
        assert_eq!(Subject::parse(subject.key()), Some(subject.clone()));
        assert_eq!(subject.kind(), Kind::Certificate);
        assert_eq!(subject.component(), "ab");
        assert_eq!(subject.root().component(), "800100000017");
        assert_eq!(
            subject.to_string(),
            "person 800100000017, role R1|10|L, mailbox helene.essai@ch.test, certificate ab"
        );
        let mut up = Some(subject.clone());
        let mut kinds = Vec::new();
        while let Some(here) = up {
            assert!(subject.is_within(&here));
            kinds.push(here.kind());
            up = here.parent();
        }
        assert_eq!(
            kinds,
            [Kind::Certificate, Kind::Mailbox, Kind::Role, Kind::Person]
        );
    }

    #[test]
    fn what_cannot_stand_there_is_refused() {
        for key in [
            "",
            "p",
            "p\u{1f}",
            "q\u{1f}1",
            "r\u{1f}1",
            "p\u{1f}1\u{1f}s\u{1f}2",
            "p\u{1f}1\u{1f}r\u{1f}2\u{1f}r\u{1f}3",
            "p\u{1f}a\nb",
        ] {
            assert_eq!(Subject::parse(key), None, "{key:?}");
        }
    }

    #[test]
    fn everything_below_a_root_follows_it() {
        let one = Subject::local_person("cpts", "1");
        let ten = Subject::local_person("cpts", "10");
        let dash = Subject::local_person("cpts", "1-a");
        let role = one.role("x");
        let mut sorted = [ten.key(), role.key(), dash.key(), one.key()];
        sorted.sort_unstable();
        assert_eq!(sorted[0], one.key());
        assert_eq!(sorted[1], role.key());
    }
}
