//! The readings of a typed word.

use liaison_directory_client::EntryKind;
use roaring::RoaringBitmap;

use super::{Match, has_word};
use crate::index::{Index, Pattern, TermField};
use crate::model::Kind;
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

/// One way to read a word.
pub(super) struct Reading {
    pub(super) how: Match,
    pub(super) weight: f32,
    pub(super) cards: RoaringBitmap,
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

/// The cards of some kinds.
pub(super) fn of_kinds(index: &Index, kinds: &[EntryKind]) -> RoaringBitmap {
    let words = kinds.iter().flat_map(|kind| match kind {
        EntryKind::Person => [Some(Kind::Person), Some(Kind::Role)],
        EntryKind::Organisation => [Some(Kind::Organisation), None],
        EntryKind::Service => [Some(Kind::Service), None],
    });
    index.cards_of_all(
        words
            .flatten()
            .filter_map(|kind| index.terms.find(TermField::Kind, kind.word())),
    )
}

/// Every reading of a word.
pub(super) fn readings(index: &Index, word: &str, effort: Effort, is_last: bool) -> Vec<Reading> {
    let mut read = Readings {
        index,
        word,
        found: Vec::new(),
    };
    if word.contains('@') {
        read.address(effort);
        return read.found;
    }
    if word.bytes().all(|b| b.is_ascii_digit()) || is_corsican(word) {
        read.number();
        if word.len() >= 4 && word.len() != 5 {
            return read.found;
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
    read.found
}

fn is_corsican(word: &str) -> bool {
    word.len() == 9 && (word.starts_with("2a") || word.starts_with("2b"))
}

struct Readings<'a> {
    index: &'a Index,
    word: &'a str,
    found: Vec<Reading>,
}

impl Readings<'_> {
    fn push(&mut self, how: Match, weight: f32, cards: RoaringBitmap) {
        if !cards.is_empty() {
            self.found.push(Reading { how, weight, cards });
        }
    }

    fn terms(&mut self, how: Match, weight: f32, terms: impl Iterator<Item = u32>) {
        let cards = self.index.cards_of_all(terms);
        self.push(how, weight, cards);
    }

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
        let cards = systems
            .iter()
            .flat_map(|system| self.index.cards_named(&format!("{system}:{upper}")))
            .collect();
        self.push(Match::Identifier, 1.0, cards);
        if (2..=5).contains(&word.len()) {
            self.terms(
                Match::Place,
                0.8,
                self.index.terms.prefix(TermField::PostalCode, word),
            );
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
            self.terms(how, weight, term.into_iter());
        }
        let town = text::place(self.word);
        let term = self.index.terms.find(TermField::Town, &town);
        self.terms(Match::Place, 0.8, term.into_iter());
        self.activity(0.8, has_word);
    }

    /// By the labels of codes.
    fn activity(&mut self, weight: f32, fits: impl Fn(&str, &str) -> bool) {
        let meant: Vec<&str> = SYNONYMS
            .iter()
            .find(|(word, _)| *word == self.word)
            .map(|(_, meant)| meant.to_vec())
            .unwrap_or_default();
        let word = self.word;
        let terms: Vec<u32> = self
            .index
            .coded(|label| fits(label, word) || meant.iter().any(|phrase| label.contains(*phrase)))
            .collect();
        self.terms(Match::Activity, weight, terms.into_iter());
        let words = meant.into_iter().flat_map(text::words);
        let terms: Vec<u32> = words
            .filter_map(|word| self.index.terms.find(TermField::Activity, word))
            .collect();
        self.terms(Match::Activity, weight, terms.into_iter());
    }

    fn beginnings(&mut self) {
        for (field, weight) in [
            (TermField::Family, 0.7),
            (TermField::Given, 0.6),
            (TermField::Organisation, 0.55),
            (TermField::Activity, 0.5),
        ] {
            let terms = self.index.terms.prefix(field, self.word);
            self.terms(Match::Beginning, weight, terms);
        }
        let terms = self
            .index
            .terms
            .prefix(TermField::Town, &text::place(self.word));
        self.terms(Match::Place, 0.5, terms);
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
            self.terms(Match::Slip, weight, slips.into_iter());
            let sounds = self.index.sounding(field, self.word);
            self.terms(Match::Sound, weight - 0.1, sounds.into_iter());
        }
    }

    fn address(&mut self, effort: Effort) {
        if self.word.contains('@') {
            let cards = self
                .index
                .cards_named(&format!("address:{}", self.word))
                .collect();
            self.push(Match::Identifier, 1.0, cards);
        }
        if effort >= Effort::Beginnings {
            let pattern = Pattern {
                any: vec![self.word.to_owned()],
                ..Pattern::default()
            };
            let terms = self.index.terms.matching(TermField::Address, &pattern);
            self.terms(Match::Address, 0.4, terms.into_iter());
        }
    }
}
