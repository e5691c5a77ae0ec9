//! What is asked of cards, and the first cards that it is true of.
//!
//! Two ways lead to them. What few cards can answer is *gathered*: of all that must hold, the part
//! that the fewest cards bear gives the candidates, and the rest is asked of each. What many answer
//! is found by going through the cards in their order until there are enough. How many can answer
//! is known beforehand from the size of the postings.

use std::ops::Range;

use roaring::RoaringBitmap;

use super::terms::{Pattern, TermField};
use super::{Card, Index};
use crate::model::Kind;

/// Cards that are gone through one by one before all that could answer are gathered.
const GONE_THROUGH: u32 = 1 << 16;
/// From which part of all cards on the answers are found by going through them.
const BROAD: u64 = 64;

/// Terms of an index: ranges, ascending and apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TermSet(Vec<Range<u32>>);

impl TermSet {
    pub(crate) fn of(ranges: impl IntoIterator<Item = Range<u32>>) -> Self {
        let mut ranges: Vec<Range<u32>> = ranges
            .into_iter()
            .filter(|range| !range.is_empty())
            .collect();
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|next, last| {
            let joined = next.start <= last.end;
            if joined {
                last.end = last.end.max(next.end);
            }
            joined
        });
        Self(ranges)
    }

    pub(crate) fn of_each(terms: impl IntoIterator<Item = u32>) -> Self {
        Self::of(terms.into_iter().map(|term| term..term + 1))
    }

    fn holds(&self, term: u32) -> bool {
        let after = self.0.partition_point(|range| range.start <= term);
        after
            .checked_sub(1)
            .and_then(|at| self.0.get(at))
            .is_some_and(|range| term < range.end)
    }

    fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().cloned().flatten()
    }
}

/// What is asked of cards, in the terms of one index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// Every person, organisation and service.
    All,
    /// The card is of one of these kinds.
    Kinds(Vec<Kind>),
    /// The card bears one of these terms.
    Bears(TermSet),
    /// The card bears a word of this field that looks so.
    Matches(TermField, Pattern),
    /// The card is one of these, ascending.
    Cards(Vec<Card>),
    And(Vec<Question>),
    /// True of nothing when empty.
    Or(Vec<Question>),
    Not(Box<Question>),
}

impl Question {
    /// Whether the cards that can answer it are those that do.
    fn is_union(&self) -> bool {
        match self {
            Self::All | Self::Kinds(_) | Self::Bears(_) | Self::Matches(..) | Self::Cards(_) => {
                true
            }
            Self::Or(parts) => parts.iter().all(Self::is_union),
            Self::And(_) | Self::Not(_) => false,
        }
    }
}

impl Index {
    /// The first cards, from `from` on, that the question is true of and that `keep` keeps.
    pub(crate) fn first(
        &self,
        question: &Question,
        from: Card,
        limit: usize,
        mut keep: impl FnMut(Card) -> bool,
    ) -> Vec<Card> {
        let mut found = Vec::new();
        let mut terms = Vec::new();
        let (mut from, end) = (from, self.actors().end);
        if self.octets(question) > u64::from(end) / BROAD {
            let until = end.min(from.saturating_add(GONE_THROUGH));
            while from < until && found.len() < limit {
                self.forward.terms(from, &mut terms);
                if self.holds(question, from, &terms) && keep(from) {
                    found.push(from);
                }
                from += 1;
            }
        }
        if found.len() >= limit || from >= end {
            return found;
        }
        let is_union = question.is_union();
        for card in self.gathered(question).range(from..end) {
            if found.len() >= limit {
                break;
            }
            if !is_union {
                self.forward.terms(card, &mut terms);
                if !self.holds(question, card, &terms) {
                    continue;
                }
            }
            if keep(card) {
                found.push(card);
            }
        }
        found
    }

    /// How many cards the question is true of.
    pub(crate) fn count(&self, question: &Question) -> u64 {
        if matches!(question, Question::All) {
            return self.actors().end.into();
        }
        if question.is_union() {
            return self.gathered(question).range_cardinality(self.actors());
        }
        self.first(question, 0, usize::MAX, |_| true).len() as u64
    }

    /// About how many octets the postings of the cards take that can answer.
    pub(crate) fn octets(&self, question: &Question) -> u64 {
        /// Of one card, or a little more.
        const ONE: u64 = 2;
        let all = u64::from(self.actors().end) * ONE;
        match question {
            Question::All | Question::Kinds(_) | Question::Not(_) => all,
            Question::Bears(terms) => terms
                .0
                .iter()
                .map(|range| self.postings.octets_of(range.clone()))
                .sum(),
            Question::Matches(field, pattern) => {
                let within = self.terms.within(*field, pattern);
                let most = self.postings.octets_of(within);
                pattern
                    .parts()
                    .filter_map(|part| self.trigrams.octets(*field, part))
                    .fold(most, u64::min)
            }
            Question::Cards(cards) => cards.len() as u64 * ONE,
            Question::And(parts) => {
                let parts = parts.iter().map(|part| self.octets(part));
                parts.min().unwrap_or(all)
            }
            Question::Or(parts) => parts.iter().map(|part| self.octets(part)).sum(),
        }
    }

    /// The cards that can answer: all that do, and perhaps others.
    pub(crate) fn gathered(&self, question: &Question) -> RoaringBitmap {
        match question {
            Question::All | Question::Not(_) => {
                let mut all = RoaringBitmap::new();
                all.insert_range(self.actors());
                all
            }
            Question::Kinds(kinds) => {
                let terms = kinds
                    .iter()
                    .filter_map(|kind| self.terms.find(TermField::Kind, kind.word()));
                self.postings.union(terms)
            }
            Question::Bears(terms) => self.postings.union(terms.iter()),
            Question::Matches(field, pattern) => {
                let terms = self.terms.matching(&self.trigrams, *field, pattern);
                self.postings.union(terms.into_iter())
            }
            Question::Cards(cards) => cards.iter().copied().collect(),
            Question::And(parts) => {
                let narrowest = parts.iter().min_by_key(|part| self.octets(part));
                self.gathered(narrowest.unwrap_or(&Question::All))
            }
            Question::Or(parts) => parts.iter().fold(RoaringBitmap::new(), |all, part| {
                if all.is_empty() {
                    self.gathered(part)
                } else {
                    all | self.gathered(part)
                }
            }),
        }
    }

    /// Whether the question is true of a card that bears these terms.
    pub(crate) fn holds(&self, question: &Question, card: Card, terms: &[u32]) -> bool {
        match question {
            Question::All => true,
            Question::Kinds(kinds) => self.kind_of(card).is_some_and(|kind| kinds.contains(&kind)),
            Question::Bears(set) => terms.iter().any(|term| set.holds(*term)),
            Question::Matches(field, pattern) => {
                let within = self.terms.within(*field, pattern);
                let from = terms.partition_point(|term| *term < within.start);
                terms
                    .iter()
                    .skip(from)
                    .take_while(|term| **term < within.end)
                    .any(|term| {
                        self.terms
                            .word(*term)
                            .is_some_and(|word| pattern.matches(word))
                    })
            }
            Question::Cards(cards) => cards.binary_search(&card).is_ok(),
            Question::And(parts) => parts.iter().all(|part| self.holds(part, card, terms)),
            Question::Or(parts) => parts.iter().any(|part| self.holds(part, card, terms)),
            Question::Not(part) => !self.holds(part, card, terms),
        }
    }
}
