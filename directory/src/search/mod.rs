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
use roaring::RoaringBitmap;

use crate::error::DirectoryError;
use crate::index::{Card, Index};
use crate::text;
use crate::view::{Listing, Shelf, View};

use words::{Effort, Reading};

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
            for (score, card, matches) in in_index(index, &typed, search) {
                if !self.is_masked(shelf, card) {
                    found.push((score, shelf, card, matches));
                }
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

fn in_index(index: &Index, typed: &str, search: &Search) -> Vec<(f32, Card, Vec<Match>)> {
    let mut allowed = RoaringBitmap::new();
    allowed.insert_range(index.actors());
    if !search.kinds.is_empty() {
        allowed &= words::of_kinds(index, &search.kinds);
    }
    let asks_for_all = typed.trim().is_empty();
    let typed = words::split(typed);
    if typed.is_empty() {
        return allowed
            .iter()
            .take(if asks_for_all { search.limit } else { 0 })
            .map(|card| (0.0, card, Vec::new()))
            .collect();
    }
    let typed = typed.get(..MAX_WORDS.min(typed.len())).unwrap_or_default();
    let mut best = Vec::new();
    for effort in [Effort::Exact, Effort::Beginnings, Effort::Neighbours] {
        let readings: Vec<Vec<Reading>> = typed
            .iter()
            .enumerate()
            .map(|(at, word)| words::readings(index, word, effort, at + 1 == typed.len()))
            .collect();
        best = weigh(&readings, &allowed, search.limit);
        if best.len() >= search.limit.min(10) {
            break;
        }
    }
    best
}

/// The cards that have a reading for every word, the best first.
fn weigh(
    words: &[Vec<Reading>],
    allowed: &RoaringBitmap,
    limit: usize,
) -> Vec<(f32, Card, Vec<Match>)> {
    let mut every = allowed.clone();
    for readings in words {
        let mut any = RoaringBitmap::new();
        for reading in readings {
            any |= &reading.cards;
        }
        every &= any;
    }
    if every.is_empty() {
        return Vec::new();
    }
    let mut weighed = Vec::new();
    for card in shortlist(words, &every) {
        let mut score = 0.0;
        let mut matches = Vec::with_capacity(words.len());
        for readings in words {
            let best = readings
                .iter()
                .filter(|reading| reading.cards.contains(card))
                .max_by(|a, b| a.weight.total_cmp(&b.weight));
            if let Some(best) = best {
                score += best.weight;
                matches.push(best.how);
            }
        }
        // Of equal ones the card that comes first can be written to, or comes first by name.
        weighed.push((score / words.len() as f32, card, matches));
    }
    weighed.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    weighed.truncate(limit.saturating_mul(2).max(20));
    weighed
}

/// The cards to weigh: all, or, when there are too many, first those that the best readings find.
fn shortlist(words: &[Vec<Reading>], every: &RoaringBitmap) -> Vec<Card> {
    let mut list: Vec<Card> = Vec::new();
    if every.len() > MAX_WEIGHED as u64 {
        let mut best = every.clone();
        for readings in words {
            let top = readings
                .iter()
                .map(|reading| reading.weight)
                .fold(0.0, f32::max);
            let mut any = RoaringBitmap::new();
            for reading in readings.iter().filter(|reading| reading.weight >= top) {
                any |= &reading.cards;
            }
            let narrowed = &best & &any;
            if !narrowed.is_empty() {
                best = narrowed;
            }
        }
        list.extend(best.iter().take(MAX_WEIGHED / 2));
    }
    let room = MAX_WEIGHED - list.len();
    list.extend(every.iter().take(room));
    list.sort_unstable();
    list.dedup();
    list
}

/// Whether a folded text has a word.
pub(crate) fn has_word(folded: &str, word: &str) -> bool {
    text::words(folded).any(|one| one == word)
}
