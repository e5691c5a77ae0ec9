//! As people type: words of names in any order, accents or not, with slips, by sound, with what
//! somebody does and where.
//!
//! Every word must be explained by the listing it finds; how well it is decides the order. Exact
//! readings are looked for first, and only when they find too few are beginnings, then slips and
//! sounds allowed: so that a name that is typed right is never buried under its neighbours.
//!
//! - `words.rs`: the readings of a word: name, town, profession, number, address.

mod words;

use liaison_directory_client::{EntryKind, Purpose};

use crate::error::DirectoryError;
use crate::index::{Card, Index, Question};
use crate::model::Kind;
use crate::text;
use crate::view::{Listing, Shelf, View};

use words::{Effort, Readings};

/// The longest text that is looked at, in characters, and the most words.
const MAX_TEXT: usize = 200;
const MAX_WORDS: usize = 8;
/// How many cards are weighed against each other.
const MAX_WEIGHED: usize = 4096;

/// What somebody types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The words: names, what somebody does, a town, a number, an address. Empty finds everybody.
    pub text: String,
    /// Only these kinds; all when empty.
    pub kinds: Vec<EntryKind>,
    /// What a message is for: mailboxes that declare it come first.
    pub purpose: Option<Purpose>,
    /// How many at most.
    pub limit: usize,
}

impl Search {
    /// A search for words among everybody.
    #[must_use]
    pub fn new(text: &str, limit: usize) -> Self {
        Self {
            text: text.to_owned(),
            kinds: Vec::new(),
            purpose: None,
            limit,
        }
    }
}

/// A listing that was found, and why.
#[derive(Debug, Clone)]
pub struct Hit {
    /// The listing.
    pub listing: Listing,
    /// From 0 to 1; only the order means something.
    pub score: f32,
    /// How each word was read, best first.
    pub matches: Vec<Match>,
}

/// How a word was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Match {
    /// It is an identifier or an address.
    Identifier,
    /// It is a family name.
    Family,
    /// It is a given name.
    Given,
    /// It is in the name of an organisation or a service.
    Organisation,
    /// It is a profession, a speciality or a category.
    Activity,
    /// It is a town, a postal code or a département.
    Place,
    /// A name begins so.
    Beginning,
    /// A name is one slip away.
    Slip,
    /// A name sounds so.
    Sound,
    /// An address contains it.
    Address,
}

impl View {
    /// The listings that the words mean, best first.
    ///
    /// # Errors
    /// [`DirectoryError::Index`].
    pub fn search(&self, search: &Search) -> Result<Vec<Hit>, DirectoryError> {
        let typed: String = search.text.chars().take(MAX_TEXT).collect();
        let mut found: Vec<(f32, Shelf, Card, Vec<Match>)> = Vec::new();
        for (shelf, index) in self.shelves() {
            let is_shown = |card| !self.is_masked(shelf, card);
            for (score, card, matches) in in_index(index, &typed, search, is_shown) {
                found.push((score, shelf, card, matches));
            }
        }
        found.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let mut hits = Vec::new();
        for (score, shelf, card, matches) in found {
            if hits.len() == search.limit {
                break;
            }
            if let Some(listing) = self.listing(shelf, card)? {
                hits.push(Hit {
                    listing,
                    score,
                    matches,
                });
            }
        }
        if let Some(purpose) = &search.purpose {
            let fits = |hit: &Hit| {
                hit.listing
                    .mailboxes()
                    .iter()
                    .any(|mailbox| mailbox.purposes.contains(purpose))
            };
            for hit in &mut hits {
                if fits(hit) {
                    hit.score += 0.05;
                }
            }
            hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        }
        Ok(hits)
    }
}

fn in_index(
    index: &Index,
    typed: &str,
    search: &Search,
    is_shown: impl Fn(Card) -> bool,
) -> Vec<(f32, Card, Vec<Match>)> {
    let allowed = if search.kinds.is_empty() {
        Question::All
    } else {
        Question::Kinds(search.kinds.iter().flat_map(kinds).copied().collect())
    };
    let asks_for_all = typed.trim().is_empty();
    let typed = words::split(typed);
    if typed.is_empty() {
        let limit = if asks_for_all { search.limit } else { 0 };
        let first = index.first(&allowed, 0, limit, is_shown);
        return first
            .into_iter()
            .map(|card| (0.0, card, Vec::new()))
            .collect();
    }
    let typed = typed.get(..MAX_WORDS.min(typed.len())).unwrap_or_default();
    let mut best = Vec::new();
    for effort in [Effort::Exact, Effort::Beginnings, Effort::Neighbours] {
        let readings: Vec<Readings> = typed
            .iter()
            .enumerate()
            .map(|(at, word)| words::readings(index, word, effort, at + 1 == typed.len()))
            .collect();
        let shortlist = shortlist(index, &readings, &allowed, &is_shown);
        best = weigh(index, &readings, shortlist, search.limit);
        if best.len() >= search.limit.min(10) {
            break;
        }
    }
    best
}

fn kinds(kind: &EntryKind) -> &'static [Kind] {
    match kind {
        EntryKind::Person => &[Kind::Person, Kind::Role],
        EntryKind::Organisation => &[Kind::Organisation],
        EntryKind::Service => &[Kind::Service],
    }
}

/// The cards to weigh: all that have a reading for every word, or, when there are too many, the
/// first of them and of those that have the best readings.
fn shortlist(
    index: &Index,
    words: &[Readings],
    allowed: &Question,
    is_shown: impl Fn(Card) -> bool,
) -> Vec<Card> {
    let having = |best_alone: bool, limit: usize| {
        let mut asked: Vec<Question> = words
            .iter()
            .map(|readings| readings.question(index, best_alone))
            .collect();
        asked.push(allowed.clone());
        index.first(&Question::And(asked), 0, limit, &is_shown)
    };
    let mut list = having(false, MAX_WEIGHED);
    if list.len() == MAX_WEIGHED {
        list.extend(having(true, MAX_WEIGHED / 2));
        list.sort_unstable();
        list.dedup();
    }
    list
}

/// The cards with the score of their readings, the best first.
fn weigh(
    index: &Index,
    words: &[Readings],
    cards: Vec<Card>,
    limit: usize,
) -> Vec<(f32, Card, Vec<Match>)> {
    let mut weighed = Vec::with_capacity(cards.len());
    let mut terms = Vec::new();
    for card in cards {
        index.terms_of(card, &mut terms);
        let readings = words
            .iter()
            .filter_map(|readings| readings.best(index, card, &terms));
        let score: f32 = readings.map(|reading| reading.weight).sum();
        weighed.push((score / words.len() as f32, card));
    }
    // Of equal ones the card that comes first can be written to, or comes first by name.
    let best_first = |a: &(f32, Card), b: &(f32, Card)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    let kept = limit.saturating_mul(2).max(20);
    if weighed.len() > kept {
        weighed.select_nth_unstable_by(kept, best_first);
        weighed.truncate(kept);
    }
    weighed.sort_unstable_by(best_first);
    weighed
        .into_iter()
        .map(|(score, card)| {
            index.terms_of(card, &mut terms);
            let matches = words
                .iter()
                .filter_map(|readings| readings.best(index, card, &terms))
                .map(|reading| reading.how);
            (score, card, matches.collect())
        })
        .collect()
}

/// Whether a folded text has a word.
pub(crate) fn has_word(folded: &str, word: &str) -> bool {
    text::words(folded).any(|one| one == word)
}
