//! Who takes over from somebody who is away.

use liaison_directory_client::{Finding, Purpose, Reason, ReasonCode};

use super::{Answer, Group, candidates_of, choose};
use crate::error::DirectoryError;
use crate::model::{Absence, Held, codes};
use crate::view::View;

/// The answer with the substitute in the place of a recipient who is away, where `may_replace`;
/// the recipient's own mailbox is then among the alternates. Without a substitute who has one
/// mailbox for the purpose, the answer stays and says that the recipient is away.
pub(super) fn applied(
    view: &View,
    mut answer: Answer,
    purpose: Option<&Purpose>,
    may_replace: bool,
) -> Result<Answer, DirectoryError> {
    let Some(chosen) = &answer.chosen else {
        return Ok(answer);
    };
    let Some(absence) = chosen.absence.clone() else {
        return Ok(answer);
    };
    let away = chosen.entry.clone();
    answer.reasons.push(Reason::new(
        ReasonCode::Absent,
        format!("{} {}.", away.name, in_words(&absence)),
    ));
    for subject in &absence.to {
        let Some(listing) = view.listing_of(subject)? else {
            continue;
        };
        // A substitute who is away too does not take over.
        if listing.absence(view.now().date()).is_some() {
            continue;
        }
        let name = listing.name().to_owned();
        let candidates = candidates_of(view, &listing, true)?;
        let takes_over = Reason::new(
            ReasonCode::Substitute,
            format!("{name} takes over from {}.", away.name),
        );
        let group = Group {
            listing,
            candidates,
        };
        let mut substitute = choose(&[group], purpose, takes_over.clone());
        let Finding::Found(entry) = &mut substitute.finding else {
            continue;
        };
        if !may_replace {
            answer.reasons.push(takes_over);
            return Ok(answer);
        }
        entry.alternates.push(away.mailbox);
        answer.reasons.append(&mut substitute.reasons);
        substitute.reasons = answer.reasons;
        return Ok(substitute);
    }
    Ok(answer)
}

fn in_words(absence: &Absence) -> String {
    let what = match absence.reason {
        Held::Absence => "is away",
        Held::Replacement => "is replaced",
        Held::Retirement => "has retired",
    };
    match absence.until {
        Some(until) => format!("{what} until {}", codes::day(until)),
        None => what.to_owned(),
    }
}
