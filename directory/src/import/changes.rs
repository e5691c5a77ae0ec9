//! What an import altered.

use std::collections::BTreeMap;
use std::fmt;

use crate::entry::Catalogue;

/// The difference between what was listed and what is listed now, by the identifiers of the file:
/// `dr-essai` for an entry, `relay ch.test` for a relay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Listed now and not before.
    pub added: Vec<String>,
    /// Listed before and now, with a difference.
    pub changed: Vec<String>,
    /// Listed before and not now.
    pub removed: Vec<String>,
    /// How many are listed as before.
    pub unchanged: usize,
}

impl Changes {
    /// From `before`, if anything was listed, to `now`.
    pub(crate) fn between(before: Option<&Catalogue>, now: &Catalogue) -> Self {
        let mut changes = Self::default();
        let empty = (Vec::new(), Vec::new());
        let (listings, relays) = before.map_or((&empty.0, &empty.1), |before| {
            (&before.listings, &before.relays)
        });
        changes.compare(listings, &now.listings, |listing| listing.id.clone());
        changes.compare(relays, &now.relays, |relay| {
            format!("relay {}", relay.domain)
        });
        changes
    }

    fn compare<T: PartialEq>(&mut self, before: &[T], now: &[T], name: impl Fn(&T) -> String) {
        let mut before: BTreeMap<String, &T> =
            before.iter().map(|item| (name(item), item)).collect();
        for item in now {
            let name = name(item);
            match before.remove(&name) {
                None => self.added.push(name),
                Some(earlier) if earlier != item => self.changed.push(name),
                Some(_) => self.unchanged += 1,
            }
        }
        self.removed.extend(before.into_keys());
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} added, {} changed, {} removed, {} unchanged",
            self.added.len(),
            self.changed.len(),
            self.removed.len(),
            self.unchanged
        )
    }
}
