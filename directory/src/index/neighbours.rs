//! Words one slip apart, and words of one sound.
//!
//! Both are found through a table of keys that neighbours share: a word and what it is with one
//! letter less (two words one slip apart have one of these in common), and the key of its sound.
//! 40 bits of hash, 24 bits of term.

use super::exact::hash;
use super::terms::{TermField, Terms};
use crate::text;

/// Shorter words have no neighbours by slips: nearly every word would be one.
const MIN_SLIPPED: usize = 4;
/// The longest word whose slips are kept.
const MAX_SLIPPED: usize = 40;
/// The most neighbours of a word.
const MAX_FOUND: usize = 4096;

pub(super) const TERM_BITS: u32 = 24;

/// The keys of a word, for the table.
pub(super) fn keys(field: TermField, word: &str, term: u32, into: &mut Vec<u64>) {
    let mut push = |hash: u64| into.push(hash >> TERM_BITS << TERM_BITS | u64::from(term));
    if (MIN_SLIPPED..=MAX_SLIPPED).contains(&word.len()) {
        text::deletions(word, |shorter| push(slip_key(field, shorter)));
    }
    let sound = text::sound(word);
    if sound.len() > 1 {
        push(sound_key(field, &sound));
    }
}

fn slip_key(field: TermField, shorter: &str) -> u64 {
    hash([b'-', field as u8].into_iter().chain(shorter.bytes()))
}

fn sound_key(field: TermField, sound: &str) -> u64 {
    hash([b'~', field as u8].into_iter().chain(sound.bytes()))
}

pub(super) struct Neighbours {
    table: Vec<u64>,
}

impl Neighbours {
    pub(super) fn new(table: Vec<u64>) -> Self {
        Self { table }
    }

    pub(super) fn slipped(&self, terms: &Terms, field: TermField, word: &str) -> Vec<u32> {
        let mut found = Vec::new();
        if (MIN_SLIPPED..=MAX_SLIPPED).contains(&word.len()) {
            text::deletions(word, |shorter| {
                found.extend(self.find(slip_key(field, shorter)));
            });
        }
        found.sort_unstable();
        found.dedup();
        // Words that share a shorter one may still be two slips apart.
        found.retain(|term| {
            terms
                .word(*term)
                .is_some_and(|other| text::slips(word, other) <= 1)
        });
        found
    }

    pub(super) fn sounding(&self, terms: &Terms, field: TermField, word: &str) -> Vec<u32> {
        let sound = text::sound(word);
        if sound.len() < 2 {
            return Vec::new();
        }
        let mut found: Vec<u32> = self.find(sound_key(field, &sound)).collect();
        found.retain(|term| {
            terms
                .word(*term)
                .is_some_and(|other| text::sound(other) == sound)
        });
        found
    }

    fn find(&self, hash: u64) -> impl Iterator<Item = u32> {
        let key = hash >> TERM_BITS << TERM_BITS;
        let from = self.table.partition_point(|one| *one < key);
        self.table
            .get(from..)
            .unwrap_or_default()
            .iter()
            .take(MAX_FOUND)
            .take_while(move |one| **one >> TERM_BITS << TERM_BITS == key)
            .map(|one| (one & ((1 << TERM_BITS) - 1)) as u32)
    }
}
