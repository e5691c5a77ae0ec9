//! What somebody says of a subject.

use time::OffsetDateTime;

use super::{Field, Origin, Subject};

/// What one source says of one subject at one time: several fields, one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Of what.
    pub subject: Subject,
    /// Who says it, and when.
    pub origin: Origin,
    /// The period in which it holds.
    pub period: Period,
    /// What is said. A field with an empty value takes back what its signer said of it.
    pub facts: Vec<(Field, String)>,
}

/// A period; open where a bound is absent. Both bounds are included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Period {
    /// From when.
    pub from: Option<OffsetDateTime>,
    /// Until when.
    pub until: Option<OffsetDateTime>,
}

impl Period {
    /// Always.
    pub const ALWAYS: Self = Self {
        from: None,
        until: None,
    };

    /// Whether `now` lies in it.
    #[must_use]
    pub fn holds(&self, now: OffsetDateTime) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now <= until)
    }

    /// Whether it has ended at `now`.
    #[must_use]
    pub fn is_over(&self, now: OffsetDateTime) -> bool {
        self.until.is_some_and(|until| until < now)
    }
}
