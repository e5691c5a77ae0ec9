//! How many different entries a caller may see in a day: a search costs nothing, a copy of the
//! directory is refused.

use std::collections::{HashMap, HashSet};

use time::Date;
use uuid::Uuid;

use super::session::Caller;

/// The fewest entries that a caller may see in a day, however small the directory.
const LEAST: usize = 500;
/// One entry in so many may be seen in a day.
const SHARE: usize = 50;
/// The most callers that are remembered. Accounts are those of the settings, so that only their
/// number is.
const MAX_CALLERS: usize = 10_000;

/// What each caller has seen today.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    day: Option<Date>,
    seen: HashMap<String, HashSet<Uuid>>,
}

impl Quotas {
    /// Whether `caller` may see the entry today, in a directory of `total` entries; what it has
    /// seen already, it may see again.
    pub(super) fn admit(&mut self, caller: &Caller, id: Uuid, today: Date, total: usize) -> bool {
        if self.day != Some(today) {
            self.day = Some(today);
            self.seen.clear();
        }
        let name = match caller {
            Caller::Anonymous => "",
            Caller::Account(name) => name,
        };
        if !self.seen.contains_key(name) && self.seen.len() >= MAX_CALLERS {
            return false;
        }
        let seen = self.seen.entry(name.to_owned()).or_default();
        if seen.contains(&id) {
            return true;
        }
        if seen.len() >= LEAST.max(total / SHARE) {
            return false;
        }
        seen.insert(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    fn admitted(
        quotas: &mut Quotas,
        caller: &Caller,
        ids: std::ops::Range<u128>,
        day: Date,
    ) -> usize {
        ids.filter(|id| quotas.admit(caller, Uuid::from_u128(*id), day, 100_000))
            .count()
    }

    #[test]
    fn a_fiftieth_of_the_directory_is_shown_in_a_day() {
        let mut quotas = Quotas::default();
        let today = date!(2026 - 11 - 22);
        let lea = Caller::Account("lea".to_owned());
        assert_eq!(admitted(&mut quotas, &lea, 0..5_000, today), 2_000);
        assert_eq!(
            admitted(&mut quotas, &lea, 0..2_000, today),
            2_000,
            "seen already"
        );
        assert_eq!(admitted(&mut quotas, &lea, 9_000..9_001, today), 0);
        let paul = Caller::Account("paul".to_owned());
        assert_eq!(admitted(&mut quotas, &paul, 9_000..9_001, today), 1);
        let tomorrow = date!(2026 - 11 - 23);
        assert_eq!(admitted(&mut quotas, &lea, 9_000..9_001, tomorrow), 1);
    }
}
