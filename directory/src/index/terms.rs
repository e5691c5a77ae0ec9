//! Words by field.
//!
//! All terms stand in one text, sorted, each after a capital letter for its field and before a
//! line feed. What a word contains is found through [`Trigrams`]; less than three octets by looking
//! through the text of a field.

use std::ops::Range;

use memchr::memmem;

use super::trigrams::Trigrams;

/// What a term is a word of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum TermField {
    /// A word of what somebody does, in words.
    Activity = b'A',
    /// A town's INSEE code.
    Commune = b'C',
    /// A word of a family name.
    Family = b'F',
    /// A word of given names.
    Given = b'G',
    /// An organisation's category.
    Category = b'K',
    /// A mail address.
    Address = b'M',
    /// A word of the name of an organisation, a service or a resource.
    Organisation = b'O',
    /// A profession's code.
    Profession = b'P',
    /// A speciality.
    Speciality = b'S',
    /// A word of a town's name.
    Town = b'T',
    /// A mailbox's purpose.
    Purpose = b'U',
    /// `1` when the card can be written to.
    Writable = b'W',
    /// What the card is.
    Kind = b'X',
    /// A type of mailbox.
    MailboxType = b'Y',
    /// A postal code.
    PostalCode = b'Z',
}

impl TermField {
    /// Whether its words have neighbours.
    pub(super) fn has_neighbours(letter: u8) -> Option<Self> {
        [Self::Family, Self::Given, Self::Organisation, Self::Town]
            .into_iter()
            .find(|field| *field as u8 == letter)
    }
}

pub(crate) struct Terms {
    text: Vec<u8>,
    starts: Vec<u32>,
    /// The terms of each field, by its letter.
    fields: Vec<(u8, Range<u32>)>,
}

impl Terms {
    pub(super) fn new(text: Vec<u8>, starts: Vec<u32>) -> Self {
        let mut terms = Self {
            text,
            starts,
            fields: Vec::new(),
        };
        terms.fields = (b'A'..=b'Z')
            .map(|letter| {
                let range = terms.first_not_below(&[letter])..terms.first_not_below(&[letter + 1]);
                (letter, range)
            })
            .collect();
        terms
    }

    /// How many terms there are.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.starts.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// A term with the letter of its field.
    fn term(&self, term: u32) -> &[u8] {
        let term = term as usize;
        match (self.starts.get(term), self.starts.get(term + 1)) {
            // Without the line feed.
            (Some(from), Some(to)) => self
                .text
                .get(*from as usize..(*to as usize).saturating_sub(1))
                .unwrap_or_default(),
            _ => &[],
        }
    }

    /// The word of a term.
    pub(crate) fn word(&self, term: u32) -> Option<&str> {
        let (_, word) = self.term(term).split_first()?;
        std::str::from_utf8(word).ok()
    }

    /// The octets of a term's word.
    pub(super) fn octets(&self, term: u32) -> &[u8] {
        self.term(term).get(1..).unwrap_or_default()
    }

    fn first_not_below(&self, key: &[u8]) -> u32 {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.term(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The term of a word.
    pub(crate) fn find(&self, field: TermField, word: &str) -> Option<u32> {
        let key = key(field, word);
        let term = self.first_not_below(&key);
        (self.term(term) == key).then_some(term)
    }

    /// The terms of the words that begin so.
    pub(crate) fn prefix(&self, field: TermField, prefix: &str) -> Range<u32> {
        if prefix.is_empty() {
            return self.whole(field);
        }
        let mut key = key(field, prefix);
        let from = self.first_not_below(&key);
        // No UTF-8 text holds this octet.
        key.push(0xff);
        from..self.first_not_below(&key)
    }

    /// Among which terms the words stand that can match the pattern.
    pub(super) fn within(&self, field: TermField, pattern: &Pattern) -> Range<u32> {
        match pattern.first.as_deref() {
            Some(first) if !first.is_empty() => self.prefix(field, first),
            _ => self.whole(field),
        }
    }

    /// The terms of a field.
    pub(super) fn whole(&self, field: TermField) -> Range<u32> {
        self.fields
            .iter()
            .find(|(letter, _)| *letter == field as u8)
            .map_or(0..0, |(_, range)| range.clone())
    }

    /// The terms of the words that match the pattern, ascending.
    pub(super) fn matching(
        &self,
        trigrams: &Trigrams,
        field: TermField,
        pattern: &Pattern,
    ) -> Vec<u32> {
        let fits = |term: &u32| pattern.fits(self.octets(*term));
        let within = self.within(field, pattern);
        let Some(needle) = pattern.longest() else {
            return within.filter(fits).collect();
        };
        if let Some(candidates) = trigrams.candidates(field, needle) {
            return candidates
                .into_iter()
                .filter(|term| within.contains(term) && fits(term))
                .collect();
        }
        self.searched(within, needle).filter(fits).collect()
    }

    /// The terms whose words hold a needle that is too short for trigrams, by looking through the
    /// text.
    fn searched(&self, within: Range<u32>, needle: &str) -> impl Iterator<Item = u32> {
        let start = |term: u32| self.starts.get(term as usize).copied().unwrap_or(0) as usize;
        let (from, to) = (start(within.start), start(within.end));
        let text = self.text.get(from..to).unwrap_or_default();
        let mut term = within.start;
        let mut passed = 0;
        memmem::find_iter(text, needle.as_bytes())
            .map(|hit| hit + from)
            .collect::<Vec<_>>()
            .into_iter()
            .filter_map(move |hit| {
                if hit < passed {
                    return None;
                }
                term = self.term_at(hit, term, within.end);
                passed = start(term + 1);
                Some(term)
            })
    }

    /// The term that holds an octet, from `low` on: hits come one after the other, so that the
    /// next one is looked for in steps that grow.
    fn term_at(&self, octet: usize, mut low: u32, end: u32) -> u32 {
        let starts_after = |term: u32| {
            self.starts
                .get(term as usize)
                .is_none_or(|start| *start as usize > octet)
        };
        let mut step = 1;
        while low + step < end && !starts_after(low + step) {
            low += step;
            step *= 2;
        }
        let mut high = (low + step).min(end);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if starts_after(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        low
    }
}

fn key(field: TermField, word: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(word.len() + 2);
    key.push(field as u8);
    key.extend_from_slice(word.as_bytes());
    key
}

/// What a word must look like: its beginning, what it contains in this order, its end (RFC 4511
/// §4.5.1.7.2, substrings). All in folded form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) first: Option<String>,
    pub(crate) any: Vec<String>,
    pub(crate) last: Option<String>,
}

impl Pattern {
    /// Its parts.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        self.first
            .iter()
            .chain(&self.any)
            .chain(&self.last)
            .map(String::as_str)
            .filter(|part| !part.is_empty())
    }

    fn longest(&self) -> Option<&str> {
        self.parts().max_by_key(|part| part.len())
    }

    pub(crate) fn matches(&self, word: &str) -> bool {
        self.fits(word.as_bytes())
    }

    /// Whether the octets of a word look so: UTF-8 texts contain each other where their octets do.
    pub(super) fn fits(&self, word: &[u8]) -> bool {
        let mut rest = word;
        if let Some(first) = &self.first {
            match rest.strip_prefix(first.as_bytes()) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        for part in &self.any {
            match found_in(rest, part.as_bytes()) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        self.last
            .as_ref()
            .is_none_or(|last| rest.ends_with(last.as_bytes()))
    }
}

/// Where a text contains another. Words are short: comparing everywhere is faster than preparing.
fn found_in(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::super::trigrams::Gathering;
    use super::*;
    use proptest::prelude::*;

    fn terms(words: &[&str]) -> (Terms, Trigrams) {
        let mut sorted: Vec<String> = words.iter().map(|word| format!("F{word}")).collect();
        sorted.push("Gx".to_owned());
        sorted.push("Alefevre".to_owned());
        sorted.sort();
        sorted.dedup();
        let (mut text, mut starts) = (Vec::new(), vec![0]);
        let mut gathering = Gathering::default();
        for (word, term) in sorted.iter().zip(0..) {
            text.extend_from_slice(word.as_bytes());
            text.push(b'\n');
            starts.push(text.len() as u32);
            gathering.add(word.as_bytes(), term, 1);
        }
        let (mut keys, mut octets, mut lists, mut blob) = (vec![], vec![], vec![0], vec![]);
        for (key, size, list) in gathering.into_sorted() {
            keys.push(key);
            octets.push(size);
            blob.extend(list);
            lists.push(blob.len() as u32);
        }
        (
            Terms::new(text, starts),
            Trigrams::new(keys, octets, lists, blob),
        )
    }

    fn found((terms, trigrams): &(Terms, Trigrams), pattern: &Pattern) -> Vec<String> {
        terms
            .matching(trigrams, TermField::Family, pattern)
            .into_iter()
            .map(|term| terms.word(term).unwrap().to_owned())
            .collect()
    }

    #[test]
    fn words_are_found_whole_by_prefix_and_by_what_they_contain() {
        let both = terms(&["dupont", "lefebvre", "lefevre", "malefe"]);
        let (terms, _) = &both;
        assert!(terms.find(TermField::Family, "lefevre").is_some());
        assert!(terms.find(TermField::Family, "lef").is_none());
        assert!(terms.find(TermField::Given, "lefevre").is_none());
        assert_eq!(terms.prefix(TermField::Family, "lef").count(), 2);
        let any = |part: &str| Pattern {
            any: vec![part.to_owned()],
            ..Pattern::default()
        };
        assert_eq!(
            found(&both, &any("lefe")),
            ["lefebvre", "lefevre", "malefe"]
        );
        assert!(found(&both, &any("F")).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_matches(
            words in prop::collection::btree_set("[ab]{1,8}", 1..40),
            first in prop::option::of("[ab]{0,4}"),
            any in prop::collection::vec("[ab]{0,4}", 0..3),
            last in prop::option::of("[ab]{0,4}"),
        ) {
            let list: Vec<&str> = words.iter().map(String::as_str).collect();
            let terms = terms(&list);
            let pattern = Pattern { first, any, last };
            let expected: Vec<&str> = list.iter().copied().filter(|word| pattern.matches(word)).collect();
            prop_assert_eq!(found(&terms, &pattern), expected);
        }
    }
}
