//! Exact questions: what LDAP filters and FHIR searches become.

use roaring::RoaringBitmap;
use uuid::Uuid;

use super::{Listing, Shelf, View};
use crate::error::DirectoryError;
use crate::index::{Card, Index, TermField};
use crate::model::Kind;
use crate::text;

/// The deepest and the largest filter that is answered.
const MAX_NODES: usize = 256;

/// Which listings are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Every person, organisation and service.
    All,
    /// None.
    None,
    /// Those that all of these want.
    And(Vec<Filter>),
    /// Those that one of these wants.
    Or(Vec<Filter>),
    /// Those that this does not want.
    Not(Box<Filter>),
    /// Those of one of these kinds.
    Kinds(Vec<Kind>),
    /// Those that bear a stable identifier: the listing itself, its person, a mailbox of it; the
    /// services of an organisation do not bear hers. A few may be others' whose identifier resembles
    /// it: the record decides.
    Bears(Uuid),
    /// Those that an attribute's test is true of.
    Has(Attribute, Test),
}

/// What can be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// Any word of the label: names, activity, profession, town. LDAP's `cn`.
    Label,
    /// A person's family name.
    Family,
    /// A person's given names.
    Given,
    /// The name of an organisation or a service.
    Organisation,
    /// What somebody does: in words, by the labels of professions and specialities too.
    Activity,
    /// A profession's code.
    Profession,
    /// A speciality, `S/SM54`.
    Speciality,
    /// An organisation's category.
    Category,
    /// A town's name.
    Town,
    /// A town's INSEE code.
    Commune,
    /// A postal code.
    PostalCode,
    /// A secure mail address.
    Address,
    /// A mailbox's type: `PER`.
    MailboxType,
    /// A mailbox's purpose, declared or suggested.
    Purpose,
    /// An identifier, `rpps:00100000017`; equality only.
    Identifier,
}

/// What is asked of an attribute. Texts are compared without capitals and accents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// There is a value.
    Present,
    /// A value has these words.
    Equals(String),
    /// A value has a beginning, middles in order, and an end (RFC 4511 §4.5.1.7.2); each part may
    /// be of several words. Parts of one or two letters are taken as beginnings of words.
    Parts {
        /// How it begins.
        first: Option<String>,
        /// What it contains.
        any: Vec<String>,
        /// How it ends.
        last: Option<String>,
    },
    /// A value sounds so, or is one slip away (LDAP's `~=`).
    Resembles(String),
}

/// Where the next page begins. Valid as long as the index is the same; after an import it may
/// leave out or repeat listings, never fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageStart(u64);

impl PageStart {
    /// A number for tokens of pages.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0
    }

    /// The place of a number.
    #[must_use]
    pub fn of(number: u64) -> Self {
        Self(number)
    }
}

/// A page of listings.
#[derive(Debug, Clone)]
pub struct Page {
    /// The listings, those that can be written to first, then by name.
    pub listings: Vec<Listing>,
    /// How many fit in all; masked and ended ones may still be counted.
    pub total: u64,
    /// Where the next page begins; `None` at the end.
    pub next: Option<PageStart>,
}

impl View {
    /// The listings that a filter wants, at most `limit`, from `start` on.
    ///
    /// # Errors
    /// [`DirectoryError::Index`]; [`DirectoryError::Filter`] when it has more than 256 nodes.
    pub fn matching(
        &self,
        filter: &Filter,
        limit: usize,
        start: Option<PageStart>,
    ) -> Result<Page, DirectoryError> {
        if size(filter) > MAX_NODES {
            return Err(DirectoryError::Filter);
        }
        let start = start.map_or(0, |place| place.0);
        let mut page = Page {
            listings: Vec::new(),
            total: 0,
            next: None,
        };
        for (shelf, index) in self.shelves() {
            let wanted = evaluate(index, filter);
            page.total += wanted.len();
            for card in wanted {
                let place = number_of(shelf, card);
                if place < start || page.next.is_some() {
                    continue;
                }
                if page.listings.len() == limit {
                    page.next = Some(PageStart(place));
                    break;
                }
                page.listings.extend(self.listing(shelf, card)?);
            }
        }
        Ok(page)
    }
}

/// Fresh cards first, then those of the index.
fn number_of(shelf: Shelf, card: Card) -> u64 {
    match shelf {
        Shelf::Fresh => u64::from(card),
        Shelf::Base => u64::from(card) | 1 << 32,
    }
}

/// The nodes of a filter, counted until there are too many.
fn size(filter: &Filter) -> usize {
    let mut waiting = vec![filter];
    let mut count = 0;
    while let Some(filter) = waiting.pop() {
        count += 1;
        if count > MAX_NODES {
            break;
        }
        match filter {
            Filter::And(list) | Filter::Or(list) => waiting.extend(list),
            Filter::Not(one) => waiting.push(one),
            _ => {}
        }
    }
    count
}

fn evaluate(index: &Index, filter: &Filter) -> RoaringBitmap {
    match filter {
        Filter::All => all(index),
        Filter::None => RoaringBitmap::new(),
        Filter::And(list) => {
            let mut wanted: Option<RoaringBitmap> = None;
            for one in list {
                let next = evaluate(index, one);
                wanted = Some(match wanted {
                    Some(wanted) => wanted & next,
                    None => next,
                });
                if wanted.as_ref().is_some_and(RoaringBitmap::is_empty) {
                    break;
                }
            }
            wanted.unwrap_or_else(|| all(index))
        }
        Filter::Or(list) => list.iter().fold(RoaringBitmap::new(), |wanted, one| {
            wanted | evaluate(index, one)
        }),
        Filter::Not(one) => all(index) - evaluate(index, one),
        Filter::Kinds(kinds) => {
            index.cards_of_all(
                kinds
                    .iter()
                    .filter_map(|kind| index.terms.find(TermField::Kind, kind.word())),
            ) & all(index)
        }
        Filter::Bears(id) => {
            let mut found: Vec<Card> = index.cards_of_id(*id).collect();
            found.retain(|card| index.actors().contains(card));
            found.into_iter().collect()
        }
        Filter::Has(Attribute::Identifier, test) => match test {
            Test::Equals(text) => {
                let mut found: Vec<Card> = index.cards_named(text).collect();
                found.retain(|card| index.actors().contains(card));
                found.into_iter().collect()
            }
            _ => RoaringBitmap::new(),
        },
        Filter::Has(attribute, test) => has(index, *attribute, test),
    }
}

fn all(index: &Index) -> RoaringBitmap {
    let mut all = RoaringBitmap::new();
    all.insert_range(index.actors());
    all
}

fn has(index: &Index, attribute: Attribute, test: &Test) -> RoaringBitmap {
    let fields = fields_of(attribute);
    let is_code = matches!(
        attribute,
        Attribute::Profession
            | Attribute::Speciality
            | Attribute::Category
            | Attribute::Commune
            | Attribute::MailboxType
            | Attribute::Purpose
    );
    let fold = |text: &str| match attribute {
        _ if is_code => text.trim().to_owned(),
        Attribute::Address => text.to_lowercase(),
        Attribute::Town => text::place(text),
        _ => text::fold(text),
    };
    match test {
        Test::Present => index.cards_of_all(
            fields
                .iter()
                .flat_map(|field| index.terms.prefix(*field, "")),
        ),
        Test::Equals(text) => every_word(index, attribute, &fold(text), Whole),
        Test::Resembles(text) => every_word(index, attribute, &fold(text), Resembling),
        Test::Parts { first, any, last } => {
            let clean =
                |part: &Option<String>| part.as_deref().map(&fold).filter(|part| !part.is_empty());
            let (first, last) = (clean(first), clean(last));
            let any: Vec<String> = any
                .iter()
                .map(|part| fold(part))
                .filter(|part| !part.is_empty())
                .collect();
            if first.is_none() && last.is_none() && any.is_empty() {
                return has(index, attribute, &Test::Present);
            }
            if attribute == Attribute::Address || is_code {
                let pattern = crate::index::Pattern { first, any, last };
                return matching(index, fields, &pattern);
            }
            parts(index, attribute, first, &any, last)
        }
    }
}

/// Each part of several words is taken word by word: a label has its words in both orders, so that
/// only the words decide.
fn parts(
    index: &Index,
    attribute: Attribute,
    first: Option<String>,
    any: &[String],
    last: Option<String>,
) -> RoaringBitmap {
    let mut wanted: Option<RoaringBitmap> = None;
    let labelled = first
        .iter()
        .map(|part| (part, Ends::Starts))
        .chain(any.iter().map(|part| (part, Ends::Open)))
        .chain(last.iter().map(|part| (part, Ends::Finishes)));
    for (part, ends) in labelled {
        let words: Vec<&str> = text::words(part).collect();
        let count = words.len();
        for (at, word) in words.into_iter().enumerate() {
            let (starts, finishes) = (
                at > 0 || ends == Ends::Starts,
                at + 1 < count || ends == Ends::Finishes,
            );
            let found = match (starts, finishes) {
                (true, true) => any_field(index, attribute, word, Whole),
                (true, false) => any_field(index, attribute, word, Beginning),
                (false, true) => any_field(index, attribute, word, Ending),
                (false, false) if word.chars().count() < 3 => {
                    any_field(index, attribute, word, Beginning)
                }
                (false, false) => any_field(index, attribute, word, Containing),
            };
            wanted = Some(match wanted {
                Some(wanted) => wanted & found,
                None => found,
            });
            if wanted.as_ref().is_some_and(RoaringBitmap::is_empty) {
                return RoaringBitmap::new();
            }
        }
    }
    wanted.unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq)]
enum Ends {
    Starts,
    Open,
    Finishes,
}

/// How a word is compared.
#[derive(Clone, Copy, PartialEq)]
enum How {
    Whole,
    Beginning,
    Ending,
    Containing,
    Resembling,
}
use How::{Beginning, Containing, Ending, Resembling, Whole};

fn every_word(index: &Index, attribute: Attribute, folded: &str, how: How) -> RoaringBitmap {
    if matches!(
        attribute,
        Attribute::Address
            | Attribute::Profession
            | Attribute::Speciality
            | Attribute::Category
            | Attribute::Commune
            | Attribute::MailboxType
            | Attribute::Purpose
    ) {
        return any_field(index, attribute, folded, Whole);
    }
    let mut wanted: Option<RoaringBitmap> = None;
    for word in text::words(folded) {
        let found = any_field(index, attribute, word, how);
        wanted = Some(match wanted {
            Some(wanted) => wanted & found,
            None => found,
        });
    }
    wanted.unwrap_or_default()
}

fn any_field(index: &Index, attribute: Attribute, word: &str, how: How) -> RoaringBitmap {
    let fields = fields_of(attribute);
    let mut found = match how {
        Whole => index.cards_of_all(
            fields
                .iter()
                .filter_map(|field| index.terms.find(*field, word)),
        ),
        Beginning => index.cards_of_all(
            fields
                .iter()
                .flat_map(|field| index.terms.prefix(*field, word)),
        ),
        Resembling => index.cards_of_all(fields.iter().flat_map(|field| {
            let mut terms = index.slipped(*field, word);
            terms.extend(index.sounding(*field, word));
            terms.extend(index.terms.find(*field, word));
            terms
        })),
        Ending | Containing => {
            let mut pattern = crate::index::Pattern::default();
            match how {
                Ending => pattern.last = Some(word.to_owned()),
                _ => pattern.any.push(word.to_owned()),
            }
            matching(index, fields, &pattern)
        }
    };
    if matches!(attribute, Attribute::Activity | Attribute::Label) && how != Resembling {
        found |= index.cards_of_all(index.coded(|label| {
            text::words(label).any(|one| match how {
                Whole => one == word,
                Beginning => one.starts_with(word),
                Ending => one.ends_with(word),
                _ => one.contains(word),
            })
        }));
    }
    found
}

fn matching(index: &Index, fields: &[TermField], pattern: &crate::index::Pattern) -> RoaringBitmap {
    index.cards_of_all(
        fields
            .iter()
            .flat_map(|field| index.terms.matching(*field, pattern)),
    )
}

fn fields_of(attribute: Attribute) -> &'static [TermField] {
    match attribute {
        Attribute::Label => &[
            TermField::Family,
            TermField::Given,
            TermField::Organisation,
            TermField::Activity,
            TermField::Town,
        ],
        Attribute::Family => &[TermField::Family],
        Attribute::Given => &[TermField::Given],
        Attribute::Organisation => &[TermField::Organisation],
        Attribute::Activity => &[TermField::Activity],
        Attribute::Profession => &[TermField::Profession],
        Attribute::Speciality => &[TermField::Speciality],
        Attribute::Category => &[TermField::Category],
        Attribute::Town => &[TermField::Town],
        Attribute::Commune => &[TermField::Commune],
        Attribute::PostalCode => &[TermField::PostalCode],
        Attribute::Address => &[TermField::Address],
        Attribute::MailboxType => &[TermField::MailboxType],
        Attribute::Purpose => &[TermField::Purpose],
        Attribute::Identifier => &[],
    }
}
