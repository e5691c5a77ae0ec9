//! What is asked of cards, and the first cards that it is true of.
//!
//! Three ways lead to them. Where one of several terms is enough, the first cards of each term are
//! *merged*: of a term whose first card comes after those that are wanted nothing else is read.
//! Where several things must hold, the part that the fewest cards bear gives the candidates, which
//! are *gathered*, and the rest is asked of each. Where even that part is borne by many, the cards
//! are first *gone through* in their order until there are enough. How many cards bear a part is
//! known beforehand from the size of the postings.

use std::ops::Range;

use roaring::RoaringBitmap;

use super::terms::{Pattern, TermField};
use super::{Card, Index};
use crate::model::Kind;

/// Cards that are gone through one by one before all that could answer are gathered.
const GONE_THROUGH: u32 = 1 << 14;
/// From which part of all cards on the answers are found by going through them.
const BROAD: u64 = 16;
/// The longest list of words, in octets, that is looked at to know which of them look right.
const LOOKED_AT: usize = 1 << 17;

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
    /// The card bears a word of these fields that looks so; among these terms they stand.
    Matches(Vec<TermField>, TermSet, Pattern),
    /// The card is one of these, ascending.
    Cards(Vec<Card>),
    And(Vec<Question>),
    /// True of nothing when empty.
    Or(Vec<Question>),
    Not(Box<Question>),
}

impl Question {
    /// True of nothing.
    pub(crate) const NOTHING: Self = Self::Or(Vec::new());

    /// That one of the parts holds. What several parts ask of words is asked once: a card is looked
    /// at thousands of times.
    pub(crate) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut waiting: Vec<Self> = parts.into_iter().collect();
        waiting.reverse();
        let (mut ranges, mut cards) = (Vec::new(), Vec::new());
        let mut others: Vec<Self> = Vec::new();
        while let Some(part) = waiting.pop() {
            match part {
                Self::Or(parts) => waiting.extend(parts.into_iter().rev()),
                Self::Bears(terms) => ranges.extend(terms.0),
                Self::Cards(some) => cards.extend(some),
                Self::Matches(fields, terms, pattern) => {
                    let same = others.iter_mut().find_map(|one| match one {
                        Self::Matches(fields, terms, known) if *known == pattern => {
                            Some((fields, terms))
                        }
                        _ => None,
                    });
                    match same {
                        Some((known, within)) => {
                            let new = fields.into_iter().filter(|field| !known.contains(field));
                            let new: Vec<_> = new.collect();
                            known.extend(new);
                            within.0.extend(terms.0);
                            *within = TermSet::of(std::mem::take(&mut within.0));
                        }
                        None => others.push(Self::Matches(fields, terms, pattern)),
                    }
                }
                other => others.push(other),
            }
        }
        let terms = TermSet::of(ranges);
        if !terms.0.is_empty() {
            others.push(Self::Bears(terms));
        }
        if !cards.is_empty() {
            cards.sort_unstable();
            cards.dedup();
            others.push(Self::Cards(cards));
        }
        match others.len() {
            1 => others.pop().unwrap_or(Self::NOTHING),
            _ => Self::Or(others),
        }
    }

    /// What must hold, part by part, and the kinds that a card must be of.
    fn taken_apart<'a>(&'a self, kinds: &mut Vec<&'a Vec<Kind>>, parts: &mut Vec<&'a Self>) {
        match self {
            Self::All => {}
            Self::Kinds(some) => kinds.push(some),
            Self::And(all) => all.iter().for_each(|one| one.taken_apart(kinds, parts)),
            other => parts.push(other),
        }
    }

    /// The terms and the cards of which one is enough, when that is all that is asked.
    fn is_merged(&self) -> Option<(&TermSet, &[Card])> {
        const NONE: &TermSet = &TermSet(Vec::new());
        match self {
            Self::Bears(terms) => Some((terms, &[])),
            Self::Cards(cards) => Some((NONE, cards)),
            Self::Or(parts) => match parts.as_slice() {
                [] => Some((NONE, &[])),
                [Self::Bears(terms), Self::Cards(cards)] => Some((terms, cards)),
                _ => None,
            },
            _ => None,
        }
    }

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
    /// That a card bears a word of these fields that looks so.
    pub(crate) fn matches(&self, fields: &[TermField], pattern: &Pattern) -> Question {
        let within = fields
            .iter()
            .map(|field| self.terms.within(*field, pattern));
        Question::Matches(fields.to_vec(), TermSet::of(within), pattern.clone())
    }

    /// The first cards, from `from` on, that the question is true of and that `keep` keeps.
    pub(crate) fn first(
        &self,
        question: &Question,
        from: Card,
        limit: usize,
        keep: impl Fn(Card) -> bool,
    ) -> Vec<Card> {
        let (mut kinds, mut parts) = (Vec::new(), Vec::new());
        question.taken_apart(&mut kinds, &mut parts);
        let narrowest = parts.iter().copied().min_by_key(|part| self.octets(part));
        let driver = match (narrowest, kinds.first()) {
            (Some(part), _) => self.looked_up(part),
            (None, Some(kinds)) => Question::Kinds((*kinds).clone()),
            (None, None) => Question::All,
        };
        let keep = |card: Card| {
            let of_kind =
                |kinds: &&Vec<Kind>| self.kind_of(card).is_some_and(|kind| kinds.contains(&kind));
            kinds.iter().all(of_kind) && keep(card)
        };
        if parts.len() == 1
            && let Some((terms, cards)) = driver.is_merged()
        {
            return self.merged(terms, cards, (from, limit), keep);
        }
        let asked = Question::And(
            parts
                .iter()
                .filter(|part| narrowest != Some(**part))
                .map(|part| (*part).clone())
                .chain([driver.clone()])
                .collect(),
        );
        self.asked(&asked, &driver, (from, limit), keep)
    }

    /// The first cards that the question is true of, all of which the driver is true of.
    fn asked(
        &self,
        question: &Question,
        driver: &Question,
        (from, limit): (Card, usize),
        keep: impl Fn(Card) -> bool,
    ) -> Vec<Card> {
        let mut found = Vec::new();
        let mut terms = Vec::new();
        let mut is_right = |card: Card| {
            self.forward.terms(card, &mut terms);
            self.holds(question, card, &terms) && keep(card)
        };
        let (mut from, end) = (from, self.actors().end);
        if self.octets(driver) > u64::from(end) / BROAD {
            let until = end.min(from.saturating_add(GONE_THROUGH));
            while from < until && found.len() < limit {
                if is_right(from) {
                    found.push(from);
                }
                from += 1;
            }
        }
        if found.len() >= limit || from >= end {
            return found;
        }
        let candidates = self.gathered(driver);
        let right = candidates.range(from..end).filter(|card| is_right(*card));
        let room = limit - found.len();
        found.extend(right.take(room));
        found
    }

    /// The first cards that bear one of the terms or are one of `others`.
    fn merged(
        &self,
        terms: &TermSet,
        others: &[Card],
        (from, limit): (Card, usize),
        keep: impl Fn(Card) -> bool,
    ) -> Vec<Card> {
        let mut until = self.actors().end;
        let mut found: Vec<Card> = Vec::new();
        let settle = |found: &mut Vec<Card>| {
            found.sort_unstable();
            found.dedup();
            found.truncate(limit);
        };
        let within = |card: &Card| (from..until).contains(card) && keep(*card);
        found.extend(others.iter().copied().filter(within));
        for term in terms.iter() {
            self.postings.first_of(term, from..until, |card| {
                if keep(card) {
                    found.push(card);
                }
            });
            if found.len() / 4 > limit {
                settle(&mut found);
                // Whatever comes after the last of these is not wanted.
                if let Some(last) = found.get(limit.saturating_sub(1)) {
                    until = *last;
                }
            }
        }
        settle(&mut found);
        found
    }

    /// The question with the terms of words that look so, where not too many do.
    fn looked_up(&self, question: &Question) -> Question {
        match question {
            Question::Matches(fields, _, pattern) => {
                let few = fields
                    .iter()
                    .all(|field| self.trigrams.is_short(*field, pattern, LOOKED_AT));
                if !few {
                    return question.clone();
                }
                Question::Bears(TermSet::of_each(
                    fields
                        .iter()
                        .flat_map(|field| self.terms.matching(&self.trigrams, *field, pattern)),
                ))
            }
            Question::Or(parts) => Question::any(parts.iter().map(|part| self.looked_up(part))),
            other => other.clone(),
        }
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
            Question::Matches(fields, _, pattern) => {
                let of_field = |field: &TermField| {
                    let most = self.postings.octets_of(self.terms.within(*field, pattern));
                    pattern
                        .parts()
                        .filter_map(|part| self.trigrams.octets(*field, part))
                        .fold(most, u64::min)
                };
                fields.iter().map(of_field).sum()
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
            Question::Matches(fields, _, pattern) => {
                let terms = fields
                    .iter()
                    .flat_map(|field| self.terms.matching(&self.trigrams, *field, pattern));
                self.postings.union(terms)
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
            Question::Matches(_, within, pattern) => terms
                .iter()
                .any(|term| within.holds(*term) && pattern.fits(self.terms.octets(*term))),
            Question::Cards(cards) => cards.binary_search(&card).is_ok(),
            Question::And(parts) => parts.iter().all(|part| self.holds(part, card, terms)),
            Question::Or(parts) => parts.iter().any(|part| self.holds(part, card, terms)),
            Question::Not(part) => !self.holds(part, card, terms),
        }
    }
}
