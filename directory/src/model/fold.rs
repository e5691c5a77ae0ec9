//! From what everybody says to what is shown.
//!
//! For every field the table of [`authority`] says whose word counts first. The fold does not
//! depend on the order in which assertions arrive, on clocks, or on anything but the assertions.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::{Assertion, Field, Origin, Source, Subject, authority};

/// A field as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Which field.
    pub field: Field,
    /// Its values: one, or several where [`Field::is_set`]. Never empty.
    pub values: Vec<String>,
    /// Whose word it is.
    pub origin: Origin,
}

/// Something that two sources say differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Of what.
    pub subject: Subject,
    /// Which field.
    pub field: Field,
    /// What is shown; empty when nobody who said something is believed.
    pub shown: Vec<String>,
    /// What another says.
    pub other: Vec<String>,
    /// Who says it.
    pub origin: Origin,
}

/// Everything that is shown under one root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folded {
    /// The subjects with their facts, sorted.
    pub subjects: BTreeMap<Subject, Vec<Fact>>,
    /// What is said differently.
    pub conflicts: Vec<Conflict>,
}

impl Folded {
    /// The facts of a subject.
    #[must_use]
    pub fn facts(&self, subject: &Subject) -> &[Fact] {
        self.subjects.get(subject).map_or(&[], Vec::as_slice)
    }

    /// The one value of a field.
    #[must_use]
    pub fn value(&self, subject: &Subject, field: Field) -> Option<&str> {
        self.values(subject, field).first().map(String::as_str)
    }

    /// The values of a field.
    #[must_use]
    pub fn values(&self, subject: &Subject, field: Field) -> &[String] {
        self.facts(subject)
            .iter()
            .find(|fact| fact.field == field)
            .map_or(&[], |fact| fact.values.as_slice())
    }
}

/// What one signer says of one field.
struct Claim<'a> {
    origin: &'a Origin,
    values: Vec<&'a str>,
}

/// Folds the assertions of one root as they hold at `now`.
#[must_use]
pub fn fold(assertions: &[Assertion], now: OffsetDateTime) -> Folded {
    let mut said: BTreeMap<&Subject, BTreeMap<Field, Vec<Claim<'_>>>> = BTreeMap::new();
    for assertion in assertions.iter().filter(|one| one.period.holds(now)) {
        let fields = said.entry(&assertion.subject).or_default();
        for (field, value) in &assertion.facts {
            let claims = fields.entry(*field).or_default();
            add(claims, &assertion.origin, value, field.is_set());
        }
    }
    let mut folded = Folded::default();
    for (subject, fields) in said {
        let mut facts = Vec::with_capacity(fields.len());
        for (field, claims) in fields {
            if let Some(fact) = settle(subject, field, claims, &mut folded.conflicts) {
                facts.push(fact);
            }
        }
        if !facts.is_empty() {
            folded.subjects.insert(subject.clone(), facts);
        }
    }
    folded
}

/// Adds a value to what its signer says: of two statements of one signer the later one by the
/// signer's own count stands, whole.
fn add<'a>(claims: &mut Vec<Claim<'a>>, origin: &'a Origin, value: &'a str, is_set: bool) {
    let same = claims
        .iter_mut()
        .find(|claim| claim.origin.source == origin.source && claim.origin.signer == origin.signer);
    let Some(claim) = same else {
        claims.push(Claim {
            origin,
            values: vec![value],
        });
        return;
    };
    match origin.sequence.cmp(&claim.origin.sequence) {
        std::cmp::Ordering::Greater => {
            claim.origin = origin;
            claim.values = vec![value];
        }
        std::cmp::Ordering::Equal if is_set => {
            if !claim.values.contains(&value) {
                claim.values.push(value);
            }
        }
        // Two rows of one file: the fold must not depend on their order.
        std::cmp::Ordering::Equal => {
            if claim.values.first().is_some_and(|first| value < *first) {
                claim.values = vec![value];
            }
        }
        std::cmp::Ordering::Less => {}
    }
}

fn settle(
    subject: &Subject,
    field: Field,
    mut claims: Vec<Claim<'_>>,
    conflicts: &mut Vec<Conflict>,
) -> Option<Fact> {
    claims.retain_mut(|claim| {
        claim.values.retain(|value| !value.is_empty());
        !claim.values.is_empty()
    });
    let table = authority(subject.kind(), field);
    let rank = |source: Source| table.iter().position(|one| *one == source);
    // The most believed first; between two signers of one rank the texts decide, and the other
    // one is listed.
    claims.sort_by(|a, b| {
        let ranks = (
            rank(a.origin.source).unwrap_or(usize::MAX),
            rank(b.origin.source).unwrap_or(usize::MAX),
        );
        ranks
            .0
            .cmp(&ranks.1)
            .then_with(|| a.values.cmp(&b.values))
            .then_with(|| a.origin.cmp(b.origin))
    });
    let mut shown = None;
    for claim in &claims {
        let believed = rank(claim.origin.source).is_some();
        match &mut shown {
            None if believed => {
                shown = Some(Fact {
                    field,
                    values: owned(&claim.values),
                    origin: claim.origin.clone(),
                });
            }
            Some(fact) if believed && field.adds_up() => {
                for value in &claim.values {
                    if !fact.values.iter().any(|known| known == value) {
                        fact.values.push((*value).to_owned());
                    }
                }
            }
            Some(fact) if same(&fact.values, &claim.values) => {}
            other => conflicts.push(Conflict {
                subject: subject.clone(),
                field,
                shown: other
                    .as_ref()
                    .map(|fact| fact.values.clone())
                    .unwrap_or_default(),
                other: owned(&claim.values),
                origin: claim.origin.clone(),
            }),
        }
    }
    shown
}

fn owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

/// Whether two sources say the same, capitals and accents aside.
fn same(shown: &[String], other: &[&str]) -> bool {
    shown.len() == other.len()
        && shown.iter().all(|a| {
            other
                .iter()
                .any(|b| a == b || crate::text::fold(a) == crate::text::fold(b))
        })
}

#[cfg(test)]
mod tests;
