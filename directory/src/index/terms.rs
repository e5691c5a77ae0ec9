//! Words by field.
//!
//! All terms stand in one text, sorted, each after a capital letter for its field and before a
//! line feed. What a word contains is found by looking through the text of a field: that is 20 MB
//! for half a million addresses and a few for all names, which takes a millisecond or two and
//! needs no table of trigrams.

use std::ops::Range;

use memchr::memmem;

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
}

impl Terms {
    pub(super) fn new(text: Vec<u8>, starts: Vec<u32>) -> Self {
        Self { text, starts }
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
        let mut key = key(field, prefix);
        let from = self.first_not_below(&key);
        // No UTF-8 text holds this octet.
        key.push(0xff);
        from..self.first_not_below(&key)
    }

    /// The terms of the words that match the pattern.
    pub(crate) fn matching(&self, field: TermField, pattern: &Pattern) -> Vec<u32> {
        if let Some(first) = pattern.first.as_deref().filter(|first| !first.is_empty()) {
            return self
                .prefix(field, first)
                .filter(|term| self.word(*term).is_some_and(|word| pattern.matches(word)))
                .collect();
        }
        let Some(needle) = pattern.longest() else {
            return self.prefix(field, "").collect();
        };
        let range = self.prefix(field, "");
        let start = |term: u32| self.starts.get(term as usize).copied().unwrap_or(0) as usize;
        let (from, to) = (start(range.start), start(range.end));
        let text = self.text.get(from..to).unwrap_or_default();
        let mut found = Vec::new();
        let mut term = range.start;
        let mut passed = 0;
        for hit in memmem::find_iter(text, needle.as_bytes()) {
            if hit < passed {
                continue;
            }
            term = self.term_at(from + hit, term, range.end);
            passed = start(term + 1) - from;
            if self.word(term).is_some_and(|word| pattern.matches(word)) {
                found.push(term);
            }
        }
        found
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
    fn longest(&self) -> Option<&str> {
        self.any
            .iter()
            .chain(&self.last)
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .max_by_key(|part| part.len())
    }

    pub(crate) fn matches(&self, word: &str) -> bool {
        let mut rest = word;
        if let Some(first) = &self.first {
            match rest.strip_prefix(first.as_str()) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        for part in &self.any {
            match rest.find(part.as_str()) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        self.last
            .as_ref()
            .is_none_or(|last| rest.ends_with(last.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn terms(words: &[&str]) -> Terms {
        let mut sorted: Vec<String> = words.iter().map(|word| format!("F{word}")).collect();
        sorted.push("Gx".to_owned());
        sorted.push("Alefevre".to_owned());
        sorted.sort();
        sorted.dedup();
        let (mut text, mut starts) = (Vec::new(), vec![0]);
        for word in &sorted {
            text.extend_from_slice(word.as_bytes());
            text.push(b'\n');
            starts.push(text.len() as u32);
        }
        Terms::new(text, starts)
    }

    fn found(terms: &Terms, pattern: &Pattern) -> Vec<String> {
        terms
            .matching(TermField::Family, pattern)
            .into_iter()
            .map(|term| terms.word(term).unwrap().to_owned())
            .collect()
    }

    #[test]
    fn words_are_found_whole_by_prefix_and_by_what_they_contain() {
        let terms = terms(&["dupont", "lefebvre", "lefevre", "malefe"]);
        assert!(terms.find(TermField::Family, "lefevre").is_some());
        assert!(terms.find(TermField::Family, "lef").is_none());
        assert!(terms.find(TermField::Given, "lefevre").is_none());
        assert_eq!(terms.prefix(TermField::Family, "lef").count(), 2);
        let any = |part: &str| Pattern {
            any: vec![part.to_owned()],
            ..Pattern::default()
        };
        assert_eq!(
            found(&terms, &any("lefe")),
            ["lefebvre", "lefevre", "malefe"]
        );
        assert!(found(&terms, &any("F")).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_matches(
            words in prop::collection::btree_set("[ab]{1,6}", 1..20),
            first in prop::option::of("[ab]{0,2}"),
            any in prop::collection::vec("[ab]{0,2}", 0..3),
            last in prop::option::of("[ab]{0,2}"),
        ) {
            let list: Vec<&str> = words.iter().map(String::as_str).collect();
            let terms = terms(&list);
            let pattern = Pattern { first, any, last };
            let expected: Vec<&str> = list.iter().copied().filter(|word| pattern.matches(word)).collect();
            prop_assert_eq!(found(&terms, &pattern), expected);
        }
    }
}
