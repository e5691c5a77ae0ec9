//! The words that become terms, while an index is built: numbered by arrival, sorted at the end.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use super::exact::hash;
use super::terms::TermField;

/// The longest word, in characters.
const MAX_WORD: usize = 120;

/// All words, each with the letter of its field before it, in one text: there are more than a
/// million, too many for a piece of memory each.
pub(super) struct Words {
    text: String,
    /// Where each begins, and the end of the last.
    starts: Vec<u32>,
    /// By hash; a word whose hash is taken by another stands under the next free number.
    places: HashMap<u64, u32, BuildHasherDefault<AsItIs>>,
    key: String,
}

/// The keys are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        self.0 = hash(octets.iter().copied());
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

impl Default for Words {
    fn default() -> Self {
        Self {
            text: String::new(),
            starts: vec![0],
            places: HashMap::default(),
            key: String::new(),
        }
    }
}

impl Words {
    /// The number of a word by arrival.
    pub(super) fn intern(&mut self, field: TermField, word: &str) -> u32 {
        self.key.clear();
        self.key.push(field as u8 as char);
        self.key
            .extend(word.chars().filter(|c| *c != '\n').take(MAX_WORD));
        let mut place = hash(self.key.bytes());
        loop {
            match self.places.entry(place) {
                Entry::Vacant(slot) => {
                    // What does not fit is refused when the words are sorted.
                    let term = (self.starts.len() - 1) as u32;
                    slot.insert(term);
                    self.text.push_str(&self.key);
                    self.starts.push(self.text.len() as u32);
                    return term;
                }
                Entry::Occupied(slot) => {
                    let term = *slot.get();
                    if word_at(&self.text, &self.starts, term) == self.key {
                        return term;
                    }
                }
            }
            place = place.wrapping_add(1);
        }
    }

    /// The words in their order.
    pub(super) fn into_sorted(self) -> SortedWords {
        let Self { text, starts, .. } = self;
        let mut order: Vec<u32> = (0..(starts.len() - 1) as u32).collect();
        order.sort_unstable_by_key(|term| word_at(&text, &starts, *term));
        SortedWords {
            text,
            starts,
            order,
        }
    }
}

fn word_at<'a>(text: &'a str, starts: &[u32], term: u32) -> &'a str {
    let term = term as usize;
    match (starts.get(term), starts.get(term + 1)) {
        (Some(from), Some(to)) => text.get(*from as usize..*to as usize).unwrap_or_default(),
        _ => "",
    }
}

/// The words in their order: the place of a word is its final number.
pub(super) struct SortedWords {
    text: String,
    starts: Vec<u32>,
    order: Vec<u32>,
}

impl SortedWords {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is more text than its places can tell.
    pub(super) fn is_too_long(&self) -> bool {
        u32::try_from(self.text.len()).is_err()
    }

    /// A word with the letter of its field before it.
    pub(super) fn get(&self, place: usize) -> Option<&str> {
        let term = self.order.get(place)?;
        Some(word_at(&self.text, &self.starts, *term))
    }

    /// Each word with its number by arrival.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.order
            .iter()
            .map(|term| (word_at(&self.text, &self.starts, *term), *term))
    }

    /// The final numbers of the words of a field.
    pub(super) fn of(&self, field: TermField) -> Range<u32> {
        let letter = |term: &u32| {
            word_at(&self.text, &self.starts, *term)
                .bytes()
                .next()
                .unwrap_or(0)
        };
        let from = self
            .order
            .partition_point(|term| letter(term) < field as u8);
        let to = self
            .order
            .partition_point(|term| letter(term) <= field as u8);
        from as u32..to as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_kept_once_and_sorted_behind_its_field() {
        let mut words = Words::default();
        let first = words.intern(TermField::Given, "zoe");
        assert_eq!(words.intern(TermField::Family, "zoe"), first + 1);
        assert_eq!(words.intern(TermField::Given, "zoe"), first);
        words.intern(TermField::Given, "lea");
        let sorted = words.into_sorted();
        let kept: Vec<_> = sorted.iter().collect();
        assert_eq!(kept, [("Fzoe", 1), ("Glea", 2), ("Gzoe", 0)]);
        assert_eq!(sorted.of(TermField::Given), 1..3);
        assert_eq!(sorted.of(TermField::Address), 3..3);
    }
}
