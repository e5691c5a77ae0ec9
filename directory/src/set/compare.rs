//! What changed from one accepted set to the next, and when that is too much to be true.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::{Kind, Subject};

/// How many examples of each change are kept.
const EXAMPLES: usize = 20;

/// The circuit breakers of an import. A set that trips one is not accepted: the last good one
/// keeps serving.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// By how much the count of a kind may differ, in percent of the count before.
    pub count: u32,
    /// How many may be removed, in percent.
    pub removed: u32,
    /// How many may be changed, in percent.
    pub changed: u32,
    /// How many rows may be unusable, in percent of the rows.
    pub quarantined: u32,
    /// Lists with fewer subjects of a kind than this are not judged by percentages: in a list of
    /// ten one change is ten percent.
    pub from: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            count: 10,
            removed: 5,
            changed: 20,
            quarantined: 5,
            from: 200,
        }
    }
}

/// How many subjects of one kind stayed, came, went and changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// In the new set and not in the one before.
    pub added: u64,
    /// In both, said differently.
    pub changed: u64,
    /// In the one before and not in the new one.
    pub removed: u64,
    /// In both, said equally.
    pub unchanged: u64,
}

impl Counts {
    fn before(&self) -> u64 {
        self.changed + self.removed + self.unchanged
    }

    fn now(&self) -> u64 {
        self.changed + self.added + self.unchanged
    }
}

/// The difference between two sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// By kind of subject.
    pub kinds: BTreeMap<Kind, Counts>,
    /// The first subjects that came.
    pub added: Vec<Subject>,
    /// The first that changed.
    pub changed: Vec<Subject>,
    /// The first that went.
    pub removed: Vec<Subject>,
}

/// What happened to one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Changed,
    Removed,
    Unchanged,
}

impl Comparison {
    pub(crate) fn count(&mut self, key: &str, change: Change) {
        let Some(subject) = Subject::parse(key) else {
            return;
        };
        let counts = self.kinds.entry(subject.kind()).or_default();
        let examples = match change {
            Change::Added => {
                counts.added += 1;
                &mut self.added
            }
            Change::Changed => {
                counts.changed += 1;
                &mut self.changed
            }
            Change::Removed => {
                counts.removed += 1;
                &mut self.removed
            }
            Change::Unchanged => {
                counts.unchanged += 1;
                return;
            }
        };
        if examples.len() < EXAMPLES {
            examples.push(subject);
        }
    }

    /// All kinds together.
    #[must_use]
    pub fn total(&self) -> Counts {
        self.kinds
            .values()
            .fold(Counts::default(), |sum, one| Counts {
                added: sum.added + one.added,
                changed: sum.changed + one.changed,
                removed: sum.removed + one.removed,
                unchanged: sum.unchanged + one.unchanged,
            })
    }

    /// The breakers that the change trips.
    #[must_use]
    pub fn tripped(&self, limits: &Limits) -> Vec<Breaker> {
        let mut tripped = Vec::new();
        for (kind, counts) in &self.kinds {
            let (before, now) = (counts.before(), counts.now());
            if before < limits.from || *kind == Kind::Label {
                continue;
            }
            let mut check = |what, number: u64, limit: u32| {
                if number.saturating_mul(100) > before.saturating_mul(u64::from(limit)) {
                    tripped.push(Breaker {
                        kind: *kind,
                        what,
                        number,
                        before,
                        limit,
                    });
                }
            };
            check("more or fewer", now.abs_diff(before), limits.count);
            check("removed", counts.removed, limits.removed);
            check("changed", counts.changed, limits.changed);
        }
        tripped
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.total();
        write!(
            f,
            "{} added, {} changed, {} removed, {} unchanged",
            total.added, total.changed, total.removed, total.unchanged
        )
    }
}

/// A circuit breaker that tripped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    /// Of which kind of subject.
    pub kind: Kind,
    /// `removed`, `changed`, `more or fewer`.
    pub what: &'static str,
    /// How many.
    pub number: u64,
    /// Of how many.
    pub before: u64,
    /// The limit, in percent.
    pub limit: u32,
}

impl fmt::Display for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.word();
        write!(
            f,
            "{} of {} {kind} records {} (the limit is {} %)",
            self.number, self.before, self.what, self.limit
        )
    }
}
