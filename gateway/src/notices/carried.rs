//! Who was told in earlier stays of a person, and is told again where nobody says otherwise.
//!
//! A feed names the family doctor at the admission only, often not at all, and the nurse never. Who
//! was told in the last stay and was not taken back is the best answer then, for a year.

use std::fmt;

use liaison_hl7::adt::AdtEvent;
use serde::{Deserialize, Serialize};
use time::Duration;

use super::circle::{Role, Target};
use super::episode::{Episode, Standing};
use super::kind::Kind;

/// How long after an earlier stay its recipients are taken over.
const KEPT: Duration = Duration::days(365);

/// Somebody told in an earlier stay.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// What they are to the patient.
    pub role: Role,
    /// Where they are found.
    pub target: Target,
}

impl Episode {
    /// Takes over, into a stay that begins with `event`, who was told in `earlier` stays of the
    /// same patient number, newest first. For each role the newest stay that told somebody
    /// decides. A nursing home is taken over only where the last stay ended with a return to it,
    /// and where the event does not say that the person came from their own home (ZFM-1 is 8, and
    /// ZFM-3 empty).
    pub fn carry_over(&mut self, earlier: &[Episode], event: &AdtEvent) {
        let Some(now) = event.recorded_at.or(event.effective_at()) else {
            return;
        };
        let from_home = event.modes.entry == Some('8') && event.modes.from.is_none();
        for role in Role::ALL {
            if role == Role::NursingHome && from_home {
                continue;
            }
            let told = earlier
                .iter()
                .filter(|stay| stay.key != self.key && stay.person.ipp == self.person.ipp)
                .filter(|stay| !stay.is_protected && !stay.has_identity_conflict)
                .find_map(|stay| {
                    told_in(stay, role)
                        .filter(|told| !told.is_empty() || role == Role::NursingHome)
                        .map(|told| (stay, told))
                });
            let Some((stay, told)) = told else { continue };
            let heard = stay.heard_until.map(|at| at.at);
            if heard.is_some_and(|heard| now.local - heard <= KEPT) {
                self.carried.extend(told);
            }
        }
    }
}

/// Who was told in a stay in that role by notices that hold. `None` where nothing was told at all.
fn told_in(stay: &Episode, role: Role) -> Option<Vec<Carried>> {
    let holds = || {
        stay.issued
            .iter()
            .filter(|issued| issued.standing == Standing::Live && issued.ipp == stay.person.ipp)
    };
    holds().next()?;
    let mut found: Vec<Carried> = Vec::new();
    for issued in holds() {
        if role == Role::NursingHome && issued.statement.kind != Kind::ReturnToNursingHome {
            continue;
        }
        for recipient in issued.recipients.iter().filter(|told| told.role == role) {
            let known = found.iter().any(|known| known.target == recipient.target);
            if !known {
                found.push(Carried {
                    role,
                    target: recipient.target.clone(),
                });
            }
        }
    }
    Some(found)
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Carried({:?})", self.role)
    }
}
