//! Letters and results that come when the person has left: those who care for the person now are
//! told. Before, they go with the discharge.

use super::circle::CareCircle;
use super::decide::hold_if_needed;
use super::decision::{Decision, Silence};
use super::episode::Episode;
use super::french::Moment;
use super::kind::{Kind, Slot, Urgency};
use super::movement::{MovementKey, shares_key};
use super::plan::Planned;
use super::recipients::{Around, audience};
use super::rules::Rules;
use super::statement::{Lateness, Statement};

/// What came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// [`Kind::Letter`] or [`Kind::PendingResult`].
    pub kind: Kind,
    /// The hospital's own identifier of it.
    pub id: String,
    /// When it came.
    pub at: Moment,
    /// Somebody has to look at it now.
    pub urgent: bool,
}

/// Who is told of what came.
pub fn arrived(
    episode: &Episode,
    arrived: &Arrived,
    circle: &CareCircle,
    rules: &Rules,
) -> Decision {
    let left = episode
        .live(Slot::Discharge)
        .filter(|left| left.statement.kind.is_return())
        .or(episode.live(Slot::FollowUp));
    let Some(left) = left else {
        return Decision::NoNotice(Silence::NotDischarged);
    };
    let movement = vec![MovementKey {
        id: arrived.id.clone(),
        authority: arrived.kind.name().to_owned(),
    }];
    let known = |kind: Kind| {
        episode
            .live_notices()
            .any(|told| told.statement.kind == kind && shares_key(&told.movement, &movement))
    };
    if known(arrived.kind) {
        return Decision::NoNotice(Silence::Duplicate);
    }
    let statement = Statement {
        kind: arrived.kind,
        at: arrived.at,
        recorded_at: None,
        lateness: Lateness::InTime,
        expected: None,
        expected_return: None,
        ..left.statement.clone()
    };
    let around = Around::of(circle, episode);
    let mut found = audience(&statement, episode, &around, rules);
    if arrived.urgent {
        for recipient in &mut found.recipients {
            recipient.urgency = Urgency::Urgent;
        }
    }
    if found.recipients.is_empty() && !arrived.kind.is_owed() {
        return Decision::NoNotice(Silence::NobodyConcerned);
    }
    let planned = Planned {
        kind: arrived.kind,
        person: episode.person.clone(),
        statement,
        earlier: None,
        recipients: found.recipients,
        missing: found.missing,
        movement,
        ward_task: None,
        in_place_of: None,
        reminder: None,
        origin: None,
    };
    hold_if_needed(Decision::Notices(vec![planned]), episode)
}
