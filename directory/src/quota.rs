//! How many different entries an account may see in a day, over LDAP and FHIR together: a search
//! costs nothing, a copy of the directory is refused.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use time::Date;
use uuid::Uuid;

/// The fewest entries that an account may see in a day, however small the directory.
const LEAST: usize = 500;
/// One entry in so many may be seen in a day.
const SHARE: usize = 50;
/// The most callers that are remembered. Accounts are those of the settings, so that only their
/// number is.
const MAX_CALLERS: usize = 10_000;

/// What each caller has seen today.
#[derive(Debug, Default)]
pub(crate) struct Quotas(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    day: Option<Date>,
    by: HashMap<String, HashSet<Uuid>>,
}

impl Quotas {
    /// Whether an account, or whoever has none, may see the entry today, in a directory of `total`
    /// entries; what it has seen already, it may see again.
    pub(crate) fn admit(&self, account: Option<&str>, id: Uuid, today: Date, total: u64) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.day != Some(today) {
            seen.day = Some(today);
            seen.by.clear();
        }
        let name = account.unwrap_or_default();
        if !seen.by.contains_key(name) && seen.by.len() >= MAX_CALLERS {
            return false;
        }
        let seen = seen.by.entry(name.to_owned()).or_default();
        if seen.contains(&id) {
            return true;
        }
        let share = usize::try_from(total).unwrap_or(usize::MAX) / SHARE;
        if seen.len() >= LEAST.max(share) {
            return false;
        }
        seen.insert(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    fn admitted(quotas: &Quotas, account: &str, ids: std::ops::Range<u128>, day: Date) -> usize {
        ids.filter(|id| quotas.admit(Some(account), Uuid::from_u128(*id), day, 100_000))
            .count()
    }

    #[test]
    fn a_fiftieth_of_the_directory_is_shown_in_a_day() {
        let quotas = Quotas::default();
        let today = date!(2026 - 11 - 22);
        assert_eq!(admitted(&quotas, "lea", 0..5_000, today), 2_000);
        assert_eq!(
            admitted(&quotas, "lea", 0..2_000, today),
            2_000,
            "seen already"
        );
        assert_eq!(admitted(&quotas, "lea", 9_000..9_001, today), 0);
        assert_eq!(admitted(&quotas, "paul", 9_000..9_001, today), 1);
        let tomorrow = date!(2026 - 11 - 23);
        assert_eq!(admitted(&quotas, "lea", 9_000..9_001, tomorrow), 1);
    }
}
