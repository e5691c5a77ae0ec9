//! What is gathered of each group of claims: its elements, their terms and identifiers.

use uuid::Uuid;

use super::exact;
use super::source::Group;
use super::terms::TermField;
use super::words::Words;
use crate::model::{Field, Kind, Subject, codes};
use crate::set::claim::Claim;
use crate::text;

/// How many bits of a card's element number tell which element of its group it is; the others
/// tell its kind.
pub(super) const ELEMENT_BITS: u16 = 12;
/// The most elements of one group that become cards.
const MAX_ELEMENTS: usize = (1 << ELEMENT_BITS) - 1;

/// What is gathered of one group; kept to spare allocations.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) octets: Vec<u8>,
    pub(super) folded: String,
    pub(super) shared: Gathered,
    pub(super) elements: Vec<Gathered>,
}

/// The terms and identifiers of one element.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) suffix: String,
    pub(super) kind: Option<Kind>,
    pub(super) terms: Vec<u32>,
    /// The terms of its mailboxes.
    pub(super) mail_terms: Vec<u32>,
    pub(super) names: Vec<u64>,
    pub(super) has_mailbox: bool,
    pub(super) has_finess: bool,
    /// The folded name, by which it is sorted.
    pub(super) sort: String,
}

impl Gathered {
    fn reset(&mut self, suffix: &str, kind: Kind) {
        self.suffix.clear();
        self.suffix.push_str(suffix);
        self.kind = Some(kind);
        self.terms.clear();
        self.mail_terms.clear();
        self.names.clear();
        self.has_mailbox = false;
        self.has_finess = false;
        self.sort.clear();
    }
}

/// Gathers the terms of a group; says how many elements it has.
pub(super) fn gather(
    words: &mut Words,
    root: &Subject,
    group: &Group,
    scratch: &mut Scratch,
) -> usize {
    let kind = root.kind();
    scratch.shared.reset("", kind);
    push_id(root, &mut scratch.shared.names);
    push_root_names(root, &mut scratch.shared);
    let mut used = 0;
    // An organisation is a card beside its services; a person is one only without a role.
    let stands_alone = kind != Kind::Person || !group.claims.iter().any(|one| is_role(&one.suffix));
    if stands_alone {
        element(&mut scratch.elements, &mut used, "", kind);
    }
    for one in &group.claims {
        let (head, child) = element_of(&one.suffix);
        let subject = (!one.suffix.is_empty())
            .then(|| Subject::parse(&format!("{}{}", group.root, one.suffix)))
            .flatten();
        let Some(claim) = Claim::read(&one.claim) else {
            continue;
        };
        let gathered = match child {
            Some(kind) => {
                let known = used > 0
                    && scratch
                        .elements
                        .get(used - 1)
                        .is_some_and(|last| last.suffix == head);
                if !known {
                    if used == MAX_ELEMENTS {
                        continue;
                    }
                    element(&mut scratch.elements, &mut used, head, kind);
                }
                match scratch.elements.get_mut(used - 1) {
                    Some(gathered) => gathered,
                    None => continue,
                }
            }
            None => &mut scratch.shared,
        };
        let owner = child.unwrap_or(kind);
        let said_of = subject.as_ref().map_or(kind, Subject::kind);
        if let Some(subject) = &subject
            && said_of != Kind::Certificate
        {
            push_id(subject, &mut gathered.names);
        }
        if said_of == owner {
            facts(words, claim, owner, gathered, &mut scratch.folded);
        } else if said_of == Kind::Mailbox {
            mailbox(words, claim, gathered, &mut scratch.folded);
        }
    }
    used
}

fn facts(
    words: &mut Words,
    claim: Claim<'_>,
    kind: Kind,
    gathered: &mut Gathered,
    folded: &mut String,
) {
    let is_person = matches!(kind, Kind::Person | Kind::Role);
    for (field, value) in claim {
        let mut add = |field: TermField, text: &str| {
            for word in text::words(text) {
                gathered.terms.push(words.intern(field, word));
            }
        };
        match field {
            Field::FamilyName => {
                text::fold_into(value, folded);
                add(TermField::Family, folded);
                gathered.sort.insert_str(0, folded);
            }
            Field::GivenName => {
                text::fold_into(value, folded);
                add(TermField::Given, folded);
                gathered.sort.push(' ');
                gathered.sort.push_str(folded);
            }
            Field::Name if is_person => {
                let (_, given, family) = codes::split_name(value);
                text::fold_into(&family, folded);
                add(TermField::Family, folded);
                if gathered.sort.is_empty() {
                    gathered.sort.push_str(folded);
                }
                add(TermField::Given, &text::fold(&given));
            }
            Field::Name | Field::TradeName => {
                text::fold_into(value, folded);
                add(TermField::Organisation, folded);
                if gathered.sort.is_empty() {
                    gathered.sort.push_str(folded);
                }
            }
            Field::Activity => add(TermField::Activity, &text::fold(value)),
            Field::Town => add(TermField::Town, &text::place(value)),
            Field::PostalCode => add(TermField::PostalCode, value),
            Field::Commune => add(TermField::Commune, value),
            Field::Profession => add(TermField::Profession, value),
            Field::Speciality => add(TermField::Speciality, value),
            Field::Category => add(TermField::Category, value),
            Field::Identifier => {
                gathered.has_finess |= value.starts_with("finess:");
                gathered.names.push(exact::key_of_text(value));
            }
            Field::Organisation => {
                gathered.names.push(exact::key_of_text(&member_key(value)));
            }
            Field::Parent => {
                gathered.names.push(exact::key_of_text(&part_key(value)));
            }
            Field::ServerName => {
                gathered
                    .names
                    .push(exact::key_of_text(&format!("server:{value}")));
            }
            Field::Serves => {
                gathered
                    .names
                    .push(exact::key_of_text(&format!("serves:{value}")));
            }
            Field::Member => {
                gathered
                    .names
                    .push(exact::key_of_text(&format!("territory:{value}")));
            }
            _ => {}
        }
    }
}

fn mailbox(words: &mut Words, claim: Claim<'_>, gathered: &mut Gathered, folded: &mut String) {
    for (field, value) in claim {
        match field {
            Field::Address => {
                folded.clear();
                folded.extend(value.chars().flat_map(char::to_lowercase));
                gathered.has_mailbox = true;
                gathered
                    .mail_terms
                    .push(words.intern(TermField::Address, folded));
                gathered
                    .mail_terms
                    .push(words.intern(TermField::Writable, "1"));
                folded.insert_str(0, "address:");
                gathered.names.push(exact::key_of_text(folded));
            }
            Field::MailboxType => {
                gathered
                    .mail_terms
                    .push(words.intern(TermField::MailboxType, value));
            }
            Field::Purpose | Field::SuggestedPurpose => {
                gathered
                    .mail_terms
                    .push(words.intern(TermField::Purpose, value));
            }
            _ => {}
        }
    }
}

/// The name under which the members of an organisation are listed.
pub(crate) fn member_key(organisation: &str) -> String {
    format!("member:{organisation}")
}

/// The name under which the parts of an organisation are listed.
pub(crate) fn part_key(organisation: &str) -> String {
    format!("part:{organisation}")
}

fn is_role(suffix: &str) -> bool {
    suffix.starts_with("\u{1f}r\u{1f}")
}

/// The element that a suffix belongs to, with its kind. Anything but a role or a service belongs to
/// the root.
fn element_of(suffix: &str) -> (&str, Option<Kind>) {
    let kind = match suffix.get(..3) {
        Some("\u{1f}r\u{1f}") => Kind::Role,
        Some("\u{1f}s\u{1f}") => Kind::Service,
        _ => return ("", None),
    };
    let end = suffix.match_indices('\u{1f}').nth(2);
    let end = end.map_or(suffix.len(), |(end, _)| end);
    (suffix.get(..end).unwrap_or(suffix), Some(kind))
}

/// The suffix of the element of that number in a group, as the builder numbers them.
pub(super) fn element_suffix<'a>(
    root: &str,
    claims: impl Iterator<Item = (usize, &'a str, &'a [u8])> + Clone,
    number: usize,
) -> Option<&'a str> {
    let is_person = Subject::parse(root)?.kind() == Kind::Person;
    let stands_alone = !is_person || !claims.clone().any(|(_, suffix, _)| is_role(suffix));
    if stands_alone && number == 0 {
        return Some("");
    }
    let mut next = usize::from(stands_alone);
    let mut last = "";
    for (_, suffix, _) in claims {
        let (head, Some(_)) = element_of(suffix) else {
            continue;
        };
        if head != last {
            if next == number {
                return Some(head);
            }
            next += 1;
            last = head;
        }
    }
    None
}

fn element(elements: &mut Vec<Gathered>, used: &mut usize, suffix: &str, kind: Kind) {
    if elements.len() == *used {
        elements.push(Gathered::default());
    }
    if let Some(gathered) = elements.get_mut(*used) {
        gathered.reset(suffix, kind);
    }
    *used += 1;
}

fn push_id(subject: &Subject, names: &mut Vec<u64>) {
    let id: Uuid = subject.id();
    names.push(exact::key_of_id(id));
}

/// The identifiers that the key of a root holds.
fn push_root_names(root: &Subject, shared: &mut Gathered) {
    let mut push = |text: String| shared.names.push(exact::key_of_text(&text));
    let component = root.component();
    match root.kind() {
        Kind::Person => {
            if let Some(rpps) = component.strip_prefix('8') {
                push(format!("rpps:{rpps}"));
                push(format!("idnps:{component}"));
            }
        }
        Kind::Organisation => {
            if component.contains(':') {
                push(component.to_owned());
            } else {
                push(format!("finess:{component}"));
                shared.has_finess = true;
            }
        }
        Kind::Relay => {
            push(format!("serves:{component}"));
            push("kind:relay".to_owned());
        }
        Kind::Resource => push("kind:resource".to_owned()),
        Kind::Territory => push("kind:territory".to_owned()),
        Kind::Commune => push("kind:commune".to_owned()),
        _ => {}
    }
}
