//! Which words contain three octets in a row: what a word contains is found through the rarest
//! three of it, and then looked at.

use std::collections::HashMap;

use super::terms::{Pattern, TermField};
use crate::set::claim::{push_number, take_number};

/// How many words are looked at rather than narrowed by a second list.
const FEW: usize = 256;

/// A field's letter and three octets of a word.
fn key(letter: u8, three: &[u8]) -> u32 {
    three
        .iter()
        .fold(u32::from(letter), |key, octet| key << 8 | u32::from(*octet))
}

/// The words that contain each three octets, as they are gathered.
#[derive(Default)]
pub(super) struct Gathering {
    /// The last word, how many octets the postings of all words have, the words as differences.
    lists: HashMap<u32, (u32, u64, Vec<u8>)>,
}

impl Gathering {
    /// Adds a word with the letter of its field before it. Words come in the order of their
    /// numbers; `octets` says how much the cards of this one take.
    pub(super) fn add(&mut self, word: &[u8], term: u32, octets: u32) {
        let Some((letter, word)) = word.split_first() else {
            return;
        };
        for three in word.windows(3) {
            let list = self.lists.entry(key(*letter, three)).or_default();
            if list.1 > 0 && list.0 == term {
                continue;
            }
            push_number((term - list.0) as usize, &mut list.2);
            list.0 = term;
            // Never zero, so that a list that has begun is known.
            list.1 += u64::from(octets.max(1));
        }
    }

    /// The keys, ascending, each with the octets of its words' postings and its words.
    pub(super) fn into_sorted(self) -> Vec<(u32, u32, Vec<u8>)> {
        let mut lists: Vec<_> = self
            .lists
            .into_iter()
            .map(|(key, (_, octets, words))| {
                (key, u32::try_from(octets).unwrap_or(u32::MAX), words)
            })
            .collect();
        lists.sort_unstable_by_key(|(key, ..)| *key);
        lists
    }
}

pub(super) struct Trigrams {
    keys: Vec<u32>,
    /// How many octets the postings of the words of each key have.
    octets: Vec<u32>,
    starts: Vec<u32>,
    blob: Vec<u8>,
}

impl Trigrams {
    pub(super) fn new(keys: Vec<u32>, octets: Vec<u32>, starts: Vec<u32>, blob: Vec<u8>) -> Self {
        Self {
            keys,
            octets,
            starts,
            blob,
        }
    }

    /// The places of the keys of a part, the one with the shortest list first; `None` when the part
    /// is too short, an empty list when no word contains it.
    fn places(&self, field: TermField, part: &str) -> Option<Vec<usize>> {
        if part.len() < 3 {
            return None;
        }
        let mut places = Vec::with_capacity(part.len());
        for three in part.as_bytes().windows(3) {
            match self.keys.binary_search(&key(field as u8, three)) {
                Ok(place) => places.push(place),
                Err(_) => return Some(Vec::new()),
            }
        }
        places.sort_unstable_by_key(|place| self.list(*place).len());
        places.dedup();
        Some(places)
    }

    fn list(&self, place: usize) -> &[u8] {
        match (self.starts.get(place), self.starts.get(place + 1)) {
            (Some(from), Some(to)) => self
                .blob
                .get(*from as usize..*to as usize)
                .unwrap_or_default(),
            _ => &[],
        }
    }

    fn words(&self, place: usize) -> impl Iterator<Item = u32> {
        let mut octets = self.list(place);
        let mut last = 0_u32;
        std::iter::from_fn(move || {
            let difference = take_number(&mut octets)?;
            last = last.saturating_add(u32::try_from(difference).unwrap_or(u32::MAX));
            Some(last)
        })
    }

    /// The words of a field that may contain a part; `None` when it is too short to tell. Whether
    /// they do is still to be looked at.
    pub(super) fn candidates(&self, field: TermField, part: &str) -> Option<Vec<u32>> {
        let places = self.places(field, part)?;
        let mut found: Vec<u32> = match places.first() {
            Some(place) => self.words(*place).collect(),
            None => return Some(Vec::new()),
        };
        if found.len() > FEW
            && let Some(second) = places.get(1)
        {
            let mut others = self.words(*second).peekable();
            found.retain(|word| {
                while others.peek().is_some_and(|other| other < word) {
                    others.next();
                }
                others.peek() == Some(word)
            });
        }
        Some(found)
    }

    /// Whether the list of words to look at for a pattern takes at most so many octets.
    pub(super) fn is_short(&self, field: TermField, pattern: &Pattern, octets: usize) -> bool {
        pattern
            .parts()
            .filter_map(|part| self.places(field, part))
            .map(|places| places.first().map_or(0, |place| self.list(*place).len()))
            .min()
            .is_some_and(|shortest| shortest <= octets)
    }

    /// How many octets the postings of the words that contain a part take at most; `None` when the
    /// part is too short to tell.
    pub(super) fn octets(&self, field: TermField, part: &str) -> Option<u64> {
        let places = self.places(field, part)?;
        let octets = |place: &usize| self.octets.get(*place).copied().unwrap_or(0);
        Some(places.iter().map(octets).min().unwrap_or(0).into())
    }
}
