//! Exact questions: what LDAP filters and FHIR searches become.

use uuid::Uuid;

use super::{Listing, Shelf, View};
use crate::error::DirectoryError;
use crate::index::{Card, Index, Pattern, Question, TermField, TermSet};
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
    /// Those in one of these towns, by INSEE code.
    Communes(Vec<String>),
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
            next: None,
        };
        for (shelf, index) in self.shelves() {
            let question = question(index, filter);
            let mut from = first_on(shelf, start);
            loop {
                // One more, which tells whether there is a next page.
                let wanted = limit - page.listings.len() + 1;
                let keep = |card| !self.is_masked(shelf, card);
                let cards = index.first(&question, from, wanted, keep);
                for card in &cards {
                    if page.listings.len() == limit {
                        page.next = Some(PageStart(number_of(shelf, *card)));
                        return Ok(page);
                    }
                    page.listings.extend(self.listing(shelf, *card)?);
                    from = card + 1;
                }
                // What holds no longer was found and is not shown.
                if cards.len() < wanted {
                    break;
                }
            }
        }
        Ok(page)
    }

    /// How many listings a filter wants; masked and ended ones may still be counted.
    ///
    /// # Errors
    /// [`DirectoryError::Filter`] when it has more than 256 nodes.
    pub fn count(&self, filter: &Filter) -> Result<u64, DirectoryError> {
        if size(filter) > MAX_NODES {
            return Err(DirectoryError::Filter);
        }
        let each = self.shelves();
        Ok(each
            .map(|(_, index)| index.count(&question(index, filter)))
            .sum())
    }
}

/// The first card of a shelf that a place leaves.
fn first_on(shelf: Shelf, start: u64) -> Card {
    let base = number_of(Shelf::Base, 0);
    let from = match shelf {
        Shelf::Fresh => start,
        Shelf::Base => start.saturating_sub(base),
    };
    Card::try_from(from).unwrap_or(Card::MAX)
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

/// A filter in the terms of an index.
fn question(index: &Index, filter: &Filter) -> Question {
    let cards = |mut found: Vec<Card>| {
        found.retain(|card| index.actors().contains(card));
        found.sort_unstable();
        found.dedup();
        Question::Cards(found)
    };
    match filter {
        Filter::All => Question::All,
        Filter::None => Question::NOTHING,
        Filter::And(list) => Question::And(list.iter().map(|one| question(index, one)).collect()),
        Filter::Or(list) => Question::any(list.iter().map(|one| question(index, one))),
        Filter::Not(one) => Question::Not(Box::new(question(index, one))),
        Filter::Kinds(kinds) => Question::Kinds(kinds.clone()),
        Filter::Communes(codes) => bears(
            codes
                .iter()
                .filter_map(|code| index.terms.find(TermField::Commune, code)),
        ),
        Filter::Bears(id) => cards(index.cards_of_id(*id).collect()),
        Filter::Has(Attribute::Identifier, Test::Equals(text)) => {
            cards(index.cards_named(text).collect())
        }
        Filter::Has(Attribute::Identifier, _) => Question::NOTHING,
        Filter::Has(attribute, test) => has(index, *attribute, test),
    }
}

fn bears(terms: impl IntoIterator<Item = u32>) -> Question {
    Question::Bears(TermSet::of_each(terms))
}

/// Whether values are compared as they are, without regard to words.
fn is_whole(attribute: Attribute) -> bool {
    matches!(
        attribute,
        Attribute::Address
            | Attribute::Profession
            | Attribute::Speciality
            | Attribute::Category
            | Attribute::Commune
            | Attribute::MailboxType
            | Attribute::Purpose
    )
}

fn has(index: &Index, attribute: Attribute, test: &Test) -> Question {
    let fields = fields_of(attribute);
    let fold = |text: &str| match attribute {
        Attribute::Address => text.to_lowercase(),
        Attribute::Town => text::place(text),
        _ if is_whole(attribute) => text.trim().to_owned(),
        _ => text::fold(text),
    };
    match test {
        Test::Present => Question::Bears(TermSet::of(
            fields.iter().map(|field| index.terms.prefix(*field, "")),
        )),
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
            if is_whole(attribute) {
                return index.matches(fields, &Pattern { first, any, last });
            }
            parts(index, attribute, first.as_deref(), &any, last.as_deref())
        }
    }
}

/// Each part of several words is taken word by word: a label has its words in both orders, so that
/// only the words decide.
fn parts(
    index: &Index,
    attribute: Attribute,
    first: Option<&str>,
    any: &[String],
    last: Option<&str>,
) -> Question {
    let mut asked = Vec::new();
    let labelled = first
        .into_iter()
        .map(|part| (part, Ends::Starts))
        .chain(any.iter().map(|part| (part.as_str(), Ends::Open)))
        .chain(last.into_iter().map(|part| (part, Ends::Finishes)));
    for (part, ends) in labelled {
        let words: Vec<&str> = text::words(part).collect();
        let count = words.len();
        for (at, word) in words.into_iter().enumerate() {
            let (starts, finishes) = (
                at > 0 || ends == Ends::Starts,
                at + 1 < count || ends == Ends::Finishes,
            );
            let how = match (starts, finishes) {
                (true, true) => Whole,
                (true, false) => Beginning,
                (false, true) => Ending,
                (false, false) if word.chars().count() < 3 => Beginning,
                (false, false) => Containing,
            };
            asked.push(any_field(index, attribute, word, how));
        }
    }
    if asked.is_empty() {
        return Question::NOTHING;
    }
    Question::And(asked)
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

fn every_word(index: &Index, attribute: Attribute, folded: &str, how: How) -> Question {
    if is_whole(attribute) {
        return any_field(index, attribute, folded, Whole);
    }
    let asked: Vec<Question> = text::words(folded)
        .map(|word| any_field(index, attribute, word, how))
        .collect();
    if asked.is_empty() {
        return Question::NOTHING;
    }
    Question::And(asked)
}

fn any_field(index: &Index, attribute: Attribute, word: &str, how: How) -> Question {
    let fields = fields_of(attribute);
    let found = match how {
        Whole => bears(
            fields
                .iter()
                .filter_map(|field| index.terms.find(*field, word)),
        ),
        Beginning => Question::Bears(TermSet::of(
            fields.iter().map(|field| index.terms.prefix(*field, word)),
        )),
        Resembling => bears(fields.iter().flat_map(|field| {
            let mut terms = index.slipped(*field, word);
            terms.extend(index.sounding(*field, word));
            terms.extend(index.terms.find(*field, word));
            terms
        })),
        Ending | Containing => {
            let mut pattern = Pattern::default();
            match how {
                Ending => pattern.last = Some(word.to_owned()),
                _ => pattern.any.push(word.to_owned()),
            }
            index.matches(fields, &pattern)
        }
    };
    if !matches!(attribute, Attribute::Activity | Attribute::Label) || how == Resembling {
        return found;
    }
    let coded = index.coded(|label| {
        text::words(label).any(|one| match how {
            Whole => one == word,
            Beginning => one.starts_with(word),
            Ending => one.ends_with(word),
            _ => one.contains(word),
        })
    });
    Question::any([found, bears(coded)])
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
