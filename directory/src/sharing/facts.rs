//! What a log says of its subjects now, and the names that these have outside.

use std::collections::BTreeMap;

use crate::model::{Field, Kind, Period, Subject};

/// What is said of a subject: its values by field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// When it holds.
    pub period: Period,
    /// The values, none of them empty.
    pub values: BTreeMap<Field, Vec<String>>,
}

/// The values that are given to each field; none where it is taken back.
pub(super) fn by_field(facts: &[(Field, String)]) -> BTreeMap<Field, Vec<String>> {
    let mut values: BTreeMap<Field, Vec<String>> = BTreeMap::new();
    for (field, value) in facts {
        let values = values.entry(*field).or_default();
        if !value.is_empty() && !values.contains(value) {
            values.push(value.clone());
        }
    }
    values
}

/// A subject under the name that it has outside: what only a list of this directory names gets the
/// organisation's domain for its name. `None` when it has none.
pub(super) fn own_name(subject: &Subject, domain: &str) -> Option<Subject> {
    let parts: Vec<String> = subject
        .pairs()
        .map(|(kind, component)| {
            let renamed = match (kind, component.split_once(':')) {
                (Kind::Organisation | Kind::Person, Some(("local", id))) => {
                    format!("{domain}:{id}")
                }
                (Kind::Role, _) => format!("{domain}:{component}"),
                _ => component.to_owned(),
            };
            kind.key_part(&renamed)
        })
        .collect();
    Subject::parse(&parts.join("\u{1f}"))
}
