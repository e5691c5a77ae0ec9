//! From groups of claims to an index.

use std::collections::HashMap;
use std::io::{self, Write};

use uuid::Uuid;

use super::exact::{self, MAX_CARDS};
use super::file::SectionWriter;
use super::neighbours;
use super::source::Group;
use super::terms::TermField;
use super::{Head, OriginRow, postings, write_group};
use crate::model::{Field, Kind, Origin, Subject, codes};
use crate::set::claim::Claim;
use crate::text;

/// How many bits of a card's element number tell which element of its group it is; the others
/// tell its kind.
pub(super) const ELEMENT_BITS: u16 = 12;
/// The most elements of one group that become cards.
const MAX_ELEMENTS: usize = (1 << ELEMENT_BITS) - 1;

/// The kinds of cards, in the order of their numbers in [`ELEMENT_BITS`].
const KINDS: [Kind; 9] = [
    Kind::Person,
    Kind::Role,
    Kind::Organisation,
    Kind::Service,
    Kind::Resource,
    Kind::Territory,
    Kind::Commune,
    Kind::Relay,
    Kind::About,
];

/// Writes an index.
pub(crate) struct Builder<W> {
    out: SectionWriter<W>,
    head: Head,
    groups: Vec<u64>,
    /// Group and element of each card, in the order of arrival.
    cards: Vec<(u32, u16)>,
    /// The order in which cards are shown, with the number by arrival.
    ranks: Vec<(u64, u32)>,
    words: HashMap<Box<str>, u32>,
    /// Term and card.
    bearers: Vec<u64>,
    /// Identifier and card.
    names: Vec<u64>,
    actors: u32,
    scratch: Scratch,
}

/// What is gathered of one group; kept to spare allocations.
#[derive(Default)]
struct Scratch {
    octets: Vec<u8>,
    folded: String,
    shared: Gathered,
    elements: Vec<Gathered>,
}

/// The terms and identifiers of one element.
#[derive(Default)]
struct Gathered {
    suffix: String,
    kind: Option<Kind>,
    terms: Vec<u32>,
    /// The terms of its mailboxes.
    mail_terms: Vec<u32>,
    names: Vec<u64>,
    has_mailbox: bool,
    has_finess: bool,
    /// The folded name, by which it is sorted.
    sort: String,
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

impl<W: Write> Builder<W> {
    /// Begins an index of what `origins` say; `fingerprint` names them.
    pub(crate) fn new(out: W, origins: &[Origin], fingerprint: &str) -> io::Result<Self> {
        Ok(Self {
            out: SectionWriter::new(out)?,
            head: Head {
                fingerprint: fingerprint.to_owned(),
                origins: origins.iter().map(OriginRow::of).collect(),
                ..Head::default()
            },
            groups: Vec::new(),
            cards: Vec::new(),
            ranks: Vec::new(),
            words: HashMap::new(),
            bearers: Vec::new(),
            names: Vec::new(),
            actors: 0,
            scratch: Scratch::default(),
        })
    }

    /// Adds everything that is said under one root.
    pub(crate) fn add(&mut self, group: &Group) -> io::Result<()> {
        let Some(root) = Subject::parse(&group.root) else {
            return Ok(());
        };
        if root.kind() == Kind::Label {
            self.label(&root, group);
            return Ok(());
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let used = self.gather(&root, group, &mut scratch);
        let number = u32::try_from(self.groups.len()).map_err(io::Error::other)?;
        self.groups.push(self.out.at());
        scratch.octets.clear();
        write_group(group, &mut scratch.octets);
        self.out.write(&scratch.octets)?;
        for (element, gathered) in scratch.elements.iter().take(used).enumerate() {
            self.card(number, element, gathered, &scratch.shared)?;
        }
        self.scratch = scratch;
        Ok(())
    }

    fn label(&mut self, root: &Subject, group: &Group) {
        let name = group.claims.iter().find_map(|one| {
            let mut claim = Claim::read(&one.claim)?;
            claim.find(|(field, _)| *field == Field::Name)
        });
        if let Some((_, name)) = name {
            let key = root.component().to_owned();
            self.head.labels.push((key, name.to_owned()));
        }
    }

    /// Gathers the terms of a group; says how many elements it has.
    fn gather(&mut self, root: &Subject, group: &Group, scratch: &mut Scratch) -> usize {
        let kind = root.kind();
        scratch.shared.reset("", kind);
        push_id(root, &mut scratch.shared.names);
        push_root_names(root, &mut scratch.shared);
        let mut used = 0;
        // An organisation is a card beside its services; a person is one only without a role.
        let stands_alone =
            kind != Kind::Person || !group.claims.iter().any(|one| is_role(&one.suffix));
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
                Self::facts(&mut self.words, claim, owner, gathered, &mut scratch.folded);
            } else if said_of == Kind::Mailbox {
                Self::mailbox(&mut self.words, claim, gathered, &mut scratch.folded);
            }
        }
        used
    }

    fn facts(
        words: &mut HashMap<Box<str>, u32>,
        claim: Claim<'_>,
        kind: Kind,
        gathered: &mut Gathered,
        folded: &mut String,
    ) {
        let is_person = matches!(kind, Kind::Person | Kind::Role);
        for (field, value) in claim {
            let mut add = |field: TermField, text: &str| {
                for word in text::words(text) {
                    gathered.terms.push(intern(words, field, word));
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

    fn mailbox(
        words: &mut HashMap<Box<str>, u32>,
        claim: Claim<'_>,
        gathered: &mut Gathered,
        folded: &mut String,
    ) {
        for (field, value) in claim {
            match field {
                Field::Address => {
                    folded.clear();
                    folded.extend(value.chars().flat_map(char::to_lowercase));
                    gathered.has_mailbox = true;
                    gathered
                        .mail_terms
                        .push(intern(words, TermField::Address, folded));
                    gathered
                        .mail_terms
                        .push(intern(words, TermField::Writable, "1"));
                    folded.insert_str(0, "address:");
                    gathered.names.push(exact::key_of_text(folded));
                }
                Field::MailboxType => {
                    gathered
                        .mail_terms
                        .push(intern(words, TermField::MailboxType, value));
                }
                Field::Purpose | Field::SuggestedPurpose => {
                    gathered
                        .mail_terms
                        .push(intern(words, TermField::Purpose, value));
                }
                _ => {}
            }
        }
    }

    fn card(
        &mut self,
        group: u32,
        element: usize,
        gathered: &Gathered,
        shared: &Gathered,
    ) -> io::Result<()> {
        let card = u32::try_from(self.cards.len()).map_err(io::Error::other)?;
        if card >= MAX_CARDS {
            return Err(io::Error::other("the index holds at most 16 million cards"));
        }
        let kind = gathered.kind.unwrap_or(Kind::About);
        let Some(kind_number) = KINDS.iter().position(|one| *one == kind) else {
            return Ok(());
        };
        // Both fit: fewer than 4096 elements, nine kinds.
        self.cards
            .push((group, (kind_number << ELEMENT_BITS | element) as u16));
        let can_be_written_to = gathered.has_mailbox || shared.has_mailbox;
        let class: u64 = match kind {
            Kind::Person | Kind::Role if can_be_written_to => 0,
            Kind::Organisation if can_be_written_to => 1,
            Kind::Service if gathered.has_mailbox => 2,
            Kind::Role => 3,
            Kind::Person => 4,
            Kind::Organisation if shared.has_finess => 5,
            Kind::Organisation | Kind::Service => 6,
            Kind::Resource => 8,
            _ => 9,
        };
        self.actors += u32::from(class < 8);
        let name = if gathered.sort.is_empty() {
            &shared.sort
        } else {
            &gathered.sort
        };
        self.ranks.push((class << 60 | sort_prefix(name), card));
        // A service is found by the name and the town of its organisation too, but an address
        // leads to its own owner alone.
        let shared_mail: &[u32] = if kind == Kind::Service {
            &[]
        } else {
            &shared.mail_terms
        };
        let own = gathered.terms.iter().chain(&gathered.mail_terms);
        for term in own.chain(&shared.terms).chain(shared_mail) {
            self.bearers.push(u64::from(*term) << 32 | u64::from(card));
        }
        let term = intern(&mut self.words, TermField::Kind, kind.word());
        self.bearers.push(u64::from(term) << 32 | u64::from(card));
        for name in &gathered.names {
            self.names.push(name | u64::from(card));
        }
        // What names the organisation or the person itself leads to every card of a person, but
        // not to every service of an organisation.
        if kind != Kind::Service {
            for name in &shared.names {
                self.names.push(name | u64::from(card));
            }
        }
        Ok(())
    }

    /// Writes the rest and gives the output back.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.groups.push(self.out.at());
        self.head.groups = u32::try_from(self.groups.len() - 1).map_err(io::Error::other)?;
        self.head.actors = self.actors;
        let groups = std::mem::take(&mut self.groups);
        self.out
            .numbers("groups", groups.iter().map(|at| at.to_le_bytes()))?;
        drop(groups);
        let order = self.order()?;
        self.names(&order)?;
        let rank_of_term = self.terms()?;
        self.bearers(&order, &rank_of_term)?;
        let head = serde_json::to_vec(&self.head).map_err(io::Error::other)?;
        self.out.section("head", &head)?;
        self.out.finish()
    }

    /// Numbers the cards as they are shown: the final number of each, by arrival.
    fn order(&mut self) -> io::Result<Vec<u32>> {
        let mut ranks = std::mem::take(&mut self.ranks);
        ranks.sort_unstable();
        let mut order = vec![0_u32; ranks.len()];
        for ((_, arrival), number) in ranks.iter().zip(0_u32..) {
            if let Some(slot) = order.get_mut(*arrival as usize) {
                *slot = number;
            }
        }
        let cards = std::mem::take(&mut self.cards);
        let card = |arrival: u32| cards.get(arrival as usize).copied().unwrap_or_default();
        self.out.numbers(
            "card_groups",
            ranks
                .iter()
                .map(|(_, arrival)| card(*arrival).0.to_le_bytes()),
        )?;
        self.out.numbers(
            "card_elements",
            ranks
                .iter()
                .map(|(_, arrival)| card(*arrival).1.to_le_bytes()),
        )?;
        Ok(order)
    }

    fn names(&mut self, order: &[u32]) -> io::Result<()> {
        let mut names = std::mem::take(&mut self.names);
        let mask = u64::from(MAX_CARDS - 1);
        for name in &mut names {
            let card = order.get((*name & mask) as usize).copied().unwrap_or(0);
            *name = *name & !mask | u64::from(card);
        }
        names.sort_unstable();
        names.dedup();
        self.out
            .numbers("exact", names.iter().map(|name| name.to_le_bytes()))
    }

    /// Writes the terms: the final number of each, by arrival.
    fn terms(&mut self) -> io::Result<Vec<u32>> {
        let mut words: Vec<(Box<str>, u32)> = std::mem::take(&mut self.words).into_iter().collect();
        words.sort_unstable();
        let mut rank = vec![0_u32; words.len()];
        let mut text = Vec::new();
        let mut starts = vec![0_u32];
        let mut neighbour_keys = Vec::new();
        for ((word, arrival), number) in words.iter().zip(0_u32..) {
            if let Some(slot) = rank.get_mut(*arrival as usize) {
                *slot = number;
            }
            text.extend_from_slice(word.as_bytes());
            text.push(b'\n');
            starts.push(u32::try_from(text.len()).map_err(io::Error::other)?);
            if let Some((letter, word)) = word.split_at_checked(1)
                && let Some(field) = letter.bytes().next().and_then(TermField::has_neighbours)
            {
                neighbours::keys(field, word, number, &mut neighbour_keys);
            }
        }
        if words.len() >= 1 << neighbours::TERM_BITS {
            return Err(io::Error::other("the index holds at most 16 million words"));
        }
        drop(words);
        self.out.section("terms", &text)?;
        self.out
            .numbers("term_starts", starts.iter().map(|at| at.to_le_bytes()))?;
        neighbour_keys.sort_unstable();
        neighbour_keys.dedup();
        self.out.numbers(
            "neighbours",
            neighbour_keys.iter().map(|key| key.to_le_bytes()),
        )?;
        Ok(rank)
    }

    fn bearers(&mut self, order: &[u32], rank_of_term: &[u32]) -> io::Result<()> {
        let mut bearers = std::mem::take(&mut self.bearers);
        for bearer in &mut bearers {
            let term = rank_of_term
                .get((*bearer >> 32) as usize)
                .copied()
                .unwrap_or(0);
            let card = order
                .get((*bearer & 0xffff_ffff) as usize)
                .copied()
                .unwrap_or(0);
            *bearer = u64::from(term) << 32 | u64::from(card);
        }
        bearers.sort_unstable();
        let mut blob = Vec::new();
        let mut starts = Vec::with_capacity(rank_of_term.len() + 1);
        starts.push(0_u32);
        let mut cards: Vec<u32> = Vec::new();
        let mut at = 0;
        for term in 0..rank_of_term.len() as u64 {
            cards.clear();
            while let Some(bearer) = bearers.get(at).filter(|one| **one >> 32 == term) {
                cards.push((bearer & 0xffff_ffff) as u32);
                at += 1;
            }
            cards.dedup();
            postings::encode(&cards, &mut blob)?;
            starts.push(u32::try_from(blob.len()).map_err(io::Error::other)?);
        }
        self.out.section("postings", &blob)?;
        self.out
            .numbers("posting_starts", starts.iter().map(|at| at.to_le_bytes()))
    }
}

/// The name under which the members of an organisation are listed.
pub(crate) fn member_key(organisation: &str) -> String {
    format!("member:{organisation}")
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

/// The suffix of the element of that number in a group, as [`Builder::add`] numbers them.
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

/// The term of a word: words are kept with the letter of their field before them.
fn intern(words: &mut HashMap<Box<str>, u32>, field: TermField, word: &str) -> u32 {
    /// The longest word.
    const MAX_WORD: usize = 120;
    let mut key = String::with_capacity(word.len() + 1);
    key.push(field as u8 as char);
    key.extend(word.chars().filter(|c| *c != '\n').take(MAX_WORD));
    if let Some(term) = words.get(key.as_str()) {
        return *term;
    }
    let term = u32::try_from(words.len()).unwrap_or(u32::MAX);
    words.insert(key.into(), term);
    term
}

/// The first ten letters of a folded name, six bits each.
fn sort_prefix(name: &str) -> u64 {
    let mut octets = name.bytes();
    (0..10).fold(0, |key, _| {
        let code = match octets.next() {
            Some(letter @ b'a'..=b'z') => u64::from(letter - b'a') + 12,
            Some(digit @ b'0'..=b'9') => u64::from(digit - b'0') + 2,
            Some(b' ') => 1,
            Some(_) => 63,
            None => 0,
        };
        key << 6 | code
    })
}
