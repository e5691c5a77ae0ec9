//! The read-optimised index of all accepted sets.
//!
//! One file, written beside the one that serves and then put in its place. It holds the claims of
//! every root, which are read from disk when a record is shown, and, in memory, what finds them:
//! the terms with the cards that bear them, the identifiers, and the neighbours of words.
//!
//! A *card* is what a search finds: a person in one role, an organisation, a service. Cards are
//! numbered in the order in which they are shown when nothing else decides: those that can be
//! written to first, then by name. The first hundred of any set of cards are therefore its best.
//!
//! - `build.rs`: [`Builder`], from groups of claims to the file. `source.rs`: groups out of sets.
//!   `gather.rs`: the elements of a group, with their terms and identifiers. `words.rs`: the words
//!   that become terms.
//! - `terms.rs`: [`Terms`], words by field; exact, by prefix, by what they contain, through
//!   `trigrams.rs`.
//! - `postings.rs`: [`Postings`], the cards of each term. `forward.rs`: the terms of each card.
//! - `question.rs`: [`Question`], what is asked of cards, and the first that it is true of.
//! - `neighbours.rs`: words one slip apart and words of one sound.
//! - `exact.rs`: identifiers. `file.rs`: the sections of the file.

mod build;
mod exact;
mod file;
mod forward;
mod gather;
mod neighbours;
mod postings;
mod question;
mod source;
mod terms;
mod trigrams;
mod words;

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use liaison_base::clock::{from_millis, millis};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::{Assertion, Field, Kind, Labels, Origin, Source, Subject};
use crate::set::claim::{self, Claim};

pub(crate) use build::Builder;
pub(crate) use question::{Question, TermSet};
pub(crate) use source::{Group, GroupClaim, Merge};
pub(crate) use terms::{Pattern, TermField};

use file::Sections;

/// A card's number in one index.
pub(crate) type Card = u32;

/// What the index says of itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Names the sets that it was built from.
    pub(crate) fingerprint: String,
    pub(crate) origins: Vec<OriginRow>,
    pub(crate) labels: Vec<(String, String)>,
    /// Cards below are people, organisations and services.
    pub(crate) actors: u32,
    pub(crate) groups: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OriginRow {
    source: String,
    signer: String,
    observed_at: i64,
    sequence: u64,
}

impl OriginRow {
    pub(crate) fn of(origin: &Origin) -> Self {
        Self {
            source: origin.source.word().to_owned(),
            signer: origin.signer.clone(),
            observed_at: millis(origin.observed_at),
            sequence: origin.sequence,
        }
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin {
            source: Source::of(&self.source)?,
            signer: self.signer.clone(),
            observed_at: from_millis(self.observed_at),
            sequence: self.sequence,
        })
    }
}

/// The index in use.
pub(crate) struct Index {
    head: Head,
    origins: Vec<Origin>,
    labels: Labels,
    sections: Sections,
    pub(crate) terms: terms::Terms,
    postings: postings::Postings,
    forward: forward::Forward,
    trigrams: trigrams::Trigrams,
    exact: exact::Exact,
    neighbours: neighbours::Neighbours,
    /// Where each group begins in the file, and the end of the last.
    groups: Vec<u64>,
    /// The group of each card.
    card_group: Vec<u32>,
    /// Which element of its group each card is, and its kind.
    card_element: Vec<u16>,
    /// The terms that are codes, with their folded labels.
    coded: Vec<(u32, String)>,
    /// Where towns are, read when first asked for.
    centres: OnceLock<Vec<Centre>>,
}

/// Where a town is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Centre {
    /// Its INSEE code.
    pub(crate) code: String,
    /// Degrees north and east.
    pub(crate) position: (f64, f64),
}

impl Index {
    /// Opens the file of an index.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Self::load(Sections::open(path)?)
    }

    /// An index kept in memory, as [`Builder::finish`] wrote it.
    pub(crate) fn in_memory(octets: Vec<u8>) -> io::Result<Self> {
        Self::load(Sections::in_memory(octets)?)
    }

    fn load(sections: Sections) -> io::Result<Self> {
        let head: Head = serde_json::from_slice(&sections.read("head")?)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let origins = head
            .origins
            .iter()
            .map(|row| row.origin().ok_or(io::ErrorKind::InvalidData))
            .collect::<Result<_, _>>()?;
        let mut index = Self {
            origins,
            labels: Labels(head.labels.iter().cloned().collect()),
            terms: terms::Terms::new(sections.read("terms")?, sections.numbers("term_starts")?),
            postings: postings::Postings::new(
                sections.read("postings")?,
                sections.numbers("posting_starts")?,
            ),
            forward: forward::Forward::new(
                sections.read("card_terms")?,
                sections.numbers("card_term_starts")?,
            ),
            trigrams: trigrams::Trigrams::new(
                sections.numbers("trigrams")?,
                sections.numbers("trigram_octets")?,
                sections.numbers("trigram_starts")?,
                sections.read("trigram_terms")?,
            ),
            exact: exact::Exact::new(sections.long_numbers("exact")?),
            neighbours: neighbours::Neighbours::new(sections.long_numbers("neighbours")?),
            groups: sections.long_numbers("groups")?,
            card_group: sections.numbers("card_groups")?,
            card_element: sections.short_numbers("card_elements")?,
            coded: Vec::new(),
            centres: OnceLock::new(),
            head,
            sections,
        };
        index.coded = index.folded_labels();
        Ok(index)
    }

    fn folded_labels(&self) -> Vec<(u32, String)> {
        let tables = [
            (TermField::Profession, "profession"),
            (TermField::Speciality, "speciality"),
            (TermField::Category, "category"),
        ];
        let mut folded = Vec::new();
        for (field, table) in tables {
            for term in self.terms.whole(field) {
                if let Some(label) = self
                    .terms
                    .word(term)
                    .and_then(|code| self.labels.get(table, code))
                {
                    folded.push((term, crate::text::fold(label)));
                }
            }
        }
        folded
    }

    /// The terms of professions, specialities and categories whose folded label fits.
    pub(crate) fn coded(&self, fits: impl Fn(&str) -> bool) -> impl Iterator<Item = u32> {
        self.coded
            .iter()
            .filter(move |(_, label)| fits(label))
            .map(|(term, _)| *term)
    }

    pub(crate) fn fingerprint(&self) -> &str {
        &self.head.fingerprint
    }

    pub(crate) fn labels(&self) -> &Labels {
        &self.labels
    }

    /// How many cards there are.
    pub(crate) fn cards(&self) -> u32 {
        u32::try_from(self.card_group.len()).unwrap_or(u32::MAX)
    }

    /// Every card of a person, an organisation or a service.
    pub(crate) fn actors(&self) -> Range<Card> {
        0..self.head.actors
    }

    /// The group of a card.
    pub(crate) fn group_of(&self, card: Card) -> Option<u32> {
        self.card_group.get(card as usize).copied()
    }

    /// What a card is.
    pub(crate) fn kind_of(&self, card: Card) -> Option<Kind> {
        let element = self.card_element.get(card as usize)?;
        build::KINDS
            .get(usize::from(element >> gather::ELEMENT_BITS))
            .copied()
    }

    /// The terms that a card bears, ascending, but for its kind and that it can be written to.
    pub(crate) fn terms_of(&self, card: Card, into: &mut Vec<u32>) {
        self.forward.terms(card, into);
    }

    /// The cards that bear an identifier such as `rpps:…` or `address:…`. A few may be others'
    /// whose identifiers resemble it: the record decides.
    pub(crate) fn cards_named(&self, identifier: &str) -> impl Iterator<Item = Card> + use<'_> {
        self.exact.find(exact::key_of_text(identifier))
    }

    /// The cards of a stable identifier, as [`Index::cards_named`].
    pub(crate) fn cards_of_id(&self, id: Uuid) -> impl Iterator<Item = Card> {
        self.exact.find(exact::key_of_id(id))
    }

    /// The terms one slip away from `word` or equal to it, in `field`.
    pub(crate) fn slipped(&self, field: TermField, word: &str) -> Vec<u32> {
        self.neighbours.slipped(&self.terms, field, word)
    }

    /// The terms of `field` that sound like `word`.
    pub(crate) fn sounding(&self, field: TermField, word: &str) -> Vec<u32> {
        self.neighbours.sounding(&self.terms, field, word)
    }

    /// The subject that a card stands for.
    pub(crate) fn subject_of(&self, card: Card) -> io::Result<Option<Subject>> {
        let Some(group) = self.group_of(card) else {
            return Ok(None);
        };
        Ok(self.subject_in(card, &self.group_octets(group)?))
    }

    /// The subject that a card stands for, in the written form of its group.
    fn subject_in(&self, card: Card, octets: &[u8]) -> Option<Subject> {
        let element = *self.card_element.get(card as usize)?;
        let (root, claims) = source::read_group(octets)?;
        let mask = (1 << gather::ELEMENT_BITS) - 1;
        let suffix = gather::element_suffix(root, claims, usize::from(element & mask))?;
        Subject::parse(&format!("{root}{suffix}"))
    }

    /// The subject of a card with everything that is said under its root.
    pub(crate) fn said_of(&self, card: Card) -> io::Result<Option<(Subject, Vec<Assertion>)>> {
        let Some(group) = self.group_of(card) else {
            return Ok(None);
        };
        let octets = self.group_octets(group)?;
        let subject = self.subject_in(card, &octets);
        Ok(subject.map(|subject| (subject, self.read(&octets, |_, _| true))))
    }

    /// Everything that is said under the root of a group.
    pub(crate) fn assertions(&self, group: u32) -> io::Result<Vec<Assertion>> {
        Ok(self.read(&self.group_octets(group)?, |_, _| true))
    }

    /// What is said of some fields of a root itself; `None` when the index has no such root.
    pub(crate) fn said_of_root(
        &self,
        root: &Subject,
        fields: &[Field],
    ) -> io::Result<Option<Vec<Assertion>>> {
        for card in self.cards_of_id(root.id()) {
            let Some(group) = self.group_of(card) else {
                continue;
            };
            let octets = self.group_octets(group)?;
            if source::read_group(&octets).is_some_and(|(key, _)| key == root.key()) {
                let is_wanted = |suffix: &str, field| suffix.is_empty() && fields.contains(&field);
                return Ok(Some(self.read(&octets, is_wanted)));
            }
        }
        Ok(None)
    }

    /// The assertions in the written form of a group: the facts that are wanted by the suffix of
    /// their subject and their field.
    fn read(&self, octets: &[u8], is_wanted: impl Fn(&str, Field) -> bool) -> Vec<Assertion> {
        let mut assertions = Vec::new();
        let Some((root, claims)) = source::read_group(octets) else {
            return assertions;
        };
        for (origin, suffix, claim) in claims {
            let (Some(origin), Some(claim)) = (self.origins.get(origin), Claim::read(claim)) else {
                continue;
            };
            let period = claim.period;
            let facts: Vec<(Field, String)> = claim
                .filter(|(field, _)| is_wanted(suffix, *field))
                .map(|(field, value)| (field, value.to_owned()))
                .collect();
            if facts.is_empty() {
                continue;
            }
            if let Some(subject) = Subject::parse(&format!("{root}{suffix}")) {
                assertions.push(Assertion {
                    subject,
                    origin: origin.clone(),
                    period,
                    facts,
                });
            }
        }
        assertions
    }

    /// Where towns are. The first call reads every town, which takes a fraction of a second.
    pub(crate) fn centres(&self) -> io::Result<&[Centre]> {
        if let Some(centres) = self.centres.get() {
            return Ok(centres);
        }
        let mut centres = Vec::new();
        for card in self.cards_named("kind:commune") {
            let Some(group) = self.group_of(card) else {
                continue;
            };
            let octets = self.group_octets(group)?;
            let Some((root, claims)) = source::read_group(&octets) else {
                continue;
            };
            let Some(root) = Subject::parse(root).filter(|root| root.kind() == Kind::Commune)
            else {
                continue;
            };
            let (mut north, mut east) = (None, None);
            for (field, value) in claims
                .filter_map(|(.., claim)| Claim::read(claim))
                .flatten()
            {
                match field {
                    Field::Latitude => north = north.or(value.parse().ok()),
                    Field::Longitude => east = east.or(value.parse().ok()),
                    _ => {}
                }
            }
            centres.extend(north.zip(east).map(|position| Centre {
                code: root.component().to_owned(),
                position,
            }));
        }
        Ok(self.centres.get_or_init(|| centres))
    }

    fn group_octets(&self, group: u32) -> io::Result<Vec<u8>> {
        let group = group as usize;
        let (Some(from), Some(to)) = (self.groups.get(group), self.groups.get(group + 1)) else {
            return Ok(Vec::new());
        };
        self.sections.range(*from..*to)
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index")
            .field("fingerprint", &self.head.fingerprint)
            .field("cards", &self.cards())
            .finish_non_exhaustive()
    }
}

/// The claims of a group in their written form.
pub(crate) fn write_group(group: &Group, into: &mut Vec<u8>) {
    claim::push_number(group.root.len(), into);
    into.extend_from_slice(group.root.as_bytes());
    for one in &group.claims {
        claim::push_number(one.origin, into);
        claim::push_number(one.suffix.len(), into);
        into.extend_from_slice(one.suffix.as_bytes());
        claim::push_number(one.claim.len(), into);
        into.extend_from_slice(&one.claim);
    }
}
