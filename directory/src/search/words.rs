//! The readings of a typed word.

use std::ops::Range;

use super::{Match, has_word};
use crate::index::{Card, Index, Pattern, Question, TermField, TermSet};
use crate::text;

/// How far a word may be from what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Effort {
    /// The word itself; the last one, which may still be being typed, also as a beginning.
    Exact,
    /// Any word as a beginning, and addresses that contain it.
    Beginnings,
    /// Words one slip away or of one sound too.
    Neighbours,
}

/// How much a reading counts, and what it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    pub(super) weight: f32,
    pub(super) how: Match,
}

/// Every way to read a word, in the terms of one index.
#[derive(Debug, Default)]
pub(super) struct Readings {
    /// By single terms; each once, ascending, with its best reading.
    terms: Vec<(u32, Reading)>,
    /// By ranges of terms: beginnings.
    ranges: Vec<(Range<u32>, Reading)>,
    /// By identifier.
    cards: Vec<(Card, Reading)>,
    /// By what an address contains, with the terms of addresses.
    address: Option<(Range<u32>, Pattern, Reading)>,
}

impl Readings {
    /// The question which cards have one of the readings, or one of the best alone.
    pub(super) fn question(&self, index: &Index, best_alone: bool) -> Question {
        let every = self.every();
        let top = every.map(|one| one.weight).fold(0.0, f32::max);
        let is_asked = |reading: &Reading| !best_alone || reading.weight >= top;
        let single = self.terms.iter().filter(|(_, one)| is_asked(one));
        let ranges = self.ranges.iter().filter(|(_, one)| is_asked(one));
        let terms = single
            .map(|(term, _)| *term..*term + 1)
            .chain(ranges.map(|(range, _)| range.clone()));
        let mut asked = vec![Question::Bears(TermSet::of(terms))];
        let cards = self.cards.iter().filter(|(_, one)| is_asked(one));
        asked.push(Question::Cards(cards.map(|(card, _)| *card).collect()));
        if let Some((_, pattern, reading)) = &self.address
            && is_asked(reading)
        {
            asked.push(index.matches(&[TermField::Address], pattern));
        }
        Question::any(asked)
    }

    fn every(&self) -> impl Iterator<Item = Reading> {
        let single = self.terms.iter().map(|(_, one)| *one);
        let ranges = self.ranges.iter().map(|(_, one)| *one);
        let cards = self.cards.iter().map(|(_, one)| *one);
        let address = self.address.iter().map(|(.., one)| *one);
        single.chain(ranges).chain(cards).chain(address)
    }

    /// The best reading that a card with these terms has.
    pub(super) fn best(&self, index: &Index, card: Card, terms: &[u32]) -> Option<Reading> {
        let mut best: Option<Reading> = None;
        let mut take = |reading: Reading| {
            if best.is_none_or(|best| reading.weight > best.weight) {
                best = Some(reading);
            }
        };
        for (one, reading) in &self.cards {
            if *one == card {
                take(*reading);
            }
        }
        for term in terms {
            if let Ok(at) = self.terms.binary_search_by_key(term, |(one, _)| *one)
                && let Some((_, reading)) = self.terms.get(at)
            {
                take(*reading);
            }
            for (range, reading) in &self.ranges {
                if range.contains(term) {
                    take(*reading);
                }
            }
            if let Some((range, pattern, reading)) = &self.address
                && range.contains(term)
                && index
                    .terms
                    .word(*term)
                    .is_some_and(|word| pattern.matches(word))
            {
                take(*reading);
            }
        }
        best
    }

    fn term(&mut self, how: Match, weight: f32, terms: impl IntoIterator<Item = u32>) {
        let reading = Reading { weight, how };
        self.terms
            .extend(terms.into_iter().map(|term| (term, reading)));
    }

    fn range(&mut self, how: Match, weight: f32, range: Range<u32>) {
        if !range.is_empty() {
            self.ranges.push((range, Reading { weight, how }));
        }
    }

    fn identified(&mut self, cards: impl Iterator<Item = Card>) {
        let reading = Reading {
            weight: 1.0,
            how: Match::Identifier,
        };
        self.cards.extend(cards.map(|card| (card, reading)));
    }

    /// Keeps the best reading of each term.
    fn settled(mut self) -> Self {
        self.terms
            .sort_by(|a, b| a.0.cmp(&b.0).then(b.1.weight.total_cmp(&a.1.weight)));
        self.terms.dedup_by_key(|(term, _)| *term);
        self
    }
}

/// Words that people use for a profession or a speciality, and words of its label.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("mg", &["medecine generale", "medecin"]),
    ("generaliste", &["medecine generale"]),
    ("generalistes", &["medecine generale"]),
    ("docteur", &["medecin"]),
    ("medecin", &["medecin", "medecine generale"]),
    ("ide", &["infirmier"]),
    ("idel", &["infirmier"]),
    ("infirmiere", &["infirmier"]),
    ("infirmieres", &["infirmier"]),
    ("kine", &["masseur kinesitherapeute"]),
    ("mk", &["masseur kinesitherapeute"]),
    ("mkde", &["masseur kinesitherapeute"]),
    ("kinesitherapeute", &["masseur kinesitherapeute"]),
    ("dentiste", &["chirurgien dentiste"]),
    ("pharmacienne", &["pharmacien"]),
    ("pharmacie", &["pharmacien", "pharmacie"]),
    ("podologue", &["pedicure podologue"]),
    ("pedicure", &["pedicure podologue"]),
    ("sagefemme", &["sage femme"]),
    ("cardiologue", &["cardiologie"]),
    ("geriatre", &["geriatrie"]),
    ("pediatre", &["pediatrie"]),
    ("psychiatre", &["psychiatrie"]),
    ("dermatologue", &["dermatologie"]),
    ("gynecologue", &["gynecologie"]),
    ("ophtalmologue", &["ophtalmologie"]),
    ("ophtalmo", &["ophtalmologie"]),
    ("neurologue", &["neurologie"]),
    ("pneumologue", &["pneumologie"]),
    ("rhumatologue", &["rhumatologie"]),
    ("radiologue", &["radiodiagnostic"]),
    ("oncologue", &["oncologie"]),
    ("urologue", &["urologie"]),
    ("chirurgien", &["chirurgie"]),
    ("anesthesiste", &["anesthesie"]),
    ("maison de retraite", &["ehpad"]),
];

/// Words of addresses and titles that explain nothing.
const PASSED_OVER: &[&str] = &[
    "dr", "pr", "mme", "mr", "m", "mlle", "le", "la", "les", "du", "de", "des", "d", "l", "a",
    "au", "et",
];

/// The words of a typed text, folded; titles and articles are left out when others remain.
pub(super) fn split(typed: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in typed.split_whitespace() {
        if part.contains('@') {
            found.push(part.to_lowercase());
            continue;
        }
        found.extend(text::words(&text::fold(part)).map(str::to_owned));
    }
    // A number typed in groups is one: `00 1000 00 017`.
    if found.len() > 1
        && found
            .iter()
            .all(|word| word.bytes().all(|b| b.is_ascii_digit()))
    {
        let joined = found.concat();
        if matches!(joined.len(), 9 | 11 | 12 | 14) {
            return vec![joined];
        }
    }
    let kept: Vec<String> = found
        .iter()
        .filter(|word| !PASSED_OVER.contains(&word.as_str()))
        .cloned()
        .collect();
    if kept.is_empty() { found } else { kept }
}

/// Every reading of a word.
pub(super) fn readings(index: &Index, word: &str, effort: Effort, is_last: bool) -> Readings {
    let mut read = Reader {
        index,
        word,
        found: Readings::default(),
    };
    if word.contains('@') {
        read.address(effort);
        return read.found.settled();
    }
    if word.bytes().all(|b| b.is_ascii_digit()) || is_corsican(word) {
        read.number();
        if word.len() >= 4 && word.len() != 5 {
            return read.found.settled();
        }
    }
    read.exact();
    if effort >= Effort::Beginnings || (is_last && word.chars().count() >= 2) {
        read.beginnings();
    }
    if effort >= Effort::Beginnings && word.chars().count() >= 4 {
        read.address(effort);
    }
    if effort >= Effort::Neighbours {
        read.neighbours();
    }
    read.found.settled()
}

fn is_corsican(word: &str) -> bool {
    word.len() == 9 && (word.starts_with("2a") || word.starts_with("2b"))
}

struct Reader<'a> {
    index: &'a Index,
    word: &'a str,
    found: Readings,
}

impl Reader<'_> {
    fn number(&mut self) {
        let word = self.word;
        let systems: &[&str] = match word.len() {
            9 => &["finess", "siren", "id"],
            11 => &["rpps", "id"],
            12 => &["idnps", "id"],
            14 => &["siret", "id"],
            _ => &["id"],
        };
        let upper = word.to_uppercase();
        let index = self.index;
        let cards = systems
            .iter()
            .flat_map(|system| index.cards_named(&format!("{system}:{upper}")));
        self.found.identified(cards);
        if (2..=5).contains(&word.len()) {
            let range = index.terms.prefix(TermField::PostalCode, word);
            self.found.range(Match::Place, 0.8, range);
        }
    }

    fn exact(&mut self) {
        for (field, how, weight) in [
            (TermField::Family, Match::Family, 1.0),
            (TermField::Given, Match::Given, 0.9),
            (TermField::Organisation, Match::Organisation, 0.85),
            (TermField::Activity, Match::Activity, 0.8),
        ] {
            let term = self.index.terms.find(field, self.word);
            self.found.term(how, weight, term);
        }
        let town = text::place(self.word);
        let term = self.index.terms.find(TermField::Town, &town);
        self.found.term(Match::Place, 0.8, term);
        self.activity(0.8, has_word);
    }

    /// By the labels of codes.
    fn activity(&mut self, weight: f32, fits: impl Fn(&str, &str) -> bool) {
        let meant: Vec<&str> = SYNONYMS
            .iter()
            .find(|(word, _)| *word == self.word)
            .map(|(_, meant)| meant.to_vec())
            .unwrap_or_default();
        let (index, word) = (self.index, self.word);
        let coded = index
            .coded(|label| fits(label, word) || meant.iter().any(|phrase| label.contains(*phrase)));
        self.found.term(Match::Activity, weight, coded);
        let words = meant.iter().flat_map(|phrase| text::words(phrase));
        let terms = words.filter_map(|word| index.terms.find(TermField::Activity, word));
        self.found.term(Match::Activity, weight, terms);
    }

    fn beginnings(&mut self) {
        for (field, weight) in [
            (TermField::Family, 0.7),
            (TermField::Given, 0.6),
            (TermField::Organisation, 0.55),
            (TermField::Activity, 0.5),
        ] {
            let terms = self.index.terms.prefix(field, self.word);
            self.found.range(Match::Beginning, weight, terms);
        }
        let terms = self
            .index
            .terms
            .prefix(TermField::Town, &text::place(self.word));
        self.found.range(Match::Place, 0.5, terms);
        if self.word.len() >= 3 {
            self.activity(0.5, |label, word| {
                text::words(label).any(|one| one.starts_with(word))
            });
        }
    }

    fn neighbours(&mut self) {
        for (field, weight) in [
            (TermField::Family, 0.6),
            (TermField::Given, 0.5),
            (TermField::Organisation, 0.45),
            (TermField::Town, 0.45),
        ] {
            let slips = self.index.slipped(field, self.word);
            self.found.term(Match::Slip, weight, slips);
            let sounds = self.index.sounding(field, self.word);
            self.found.term(Match::Sound, weight - 0.1, sounds);
        }
    }

    fn address(&mut self, effort: Effort) {
        let index = self.index;
        if self.word.contains('@') {
            let cards = index.cards_named(&format!("address:{}", self.word));
            self.found.identified(cards);
        }
        if effort >= Effort::Beginnings {
            let pattern = Pattern {
                any: vec![self.word.to_owned()],
                ..Pattern::default()
            };
            let reading = Reading {
                weight: 0.4,
                how: Match::Address,
            };
            let range = index.terms.prefix(TermField::Address, "");
            self.found.address = Some((range, pattern, reading));
        }
    }
}
