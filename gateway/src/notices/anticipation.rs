//! Planned discharges said again before their day, to those who have not confirmed.

use time::PrimitiveDateTime;

use super::circle::Target;
use super::episode::{Delivery, Episode};
use super::kind::Slot;
use super::plan::{Earlier, Planned, WardTask};
use super::rules::Rules;

/// When a planned discharge is said again: local times, in order, after `now`.
pub fn reminder_times(
    planned_for: PrimitiveDateTime,
    now: PrimitiveDateTime,
    rules: &Rules,
) -> Vec<PrimitiveDateTime> {
    let at = |days: u8| {
        let day = planned_for
            .date()
            .checked_sub(time::Duration::days(i64::from(days)))?;
        let hour = time::Time::from_hms(rules.reminders.hour, 0, 0).ok()?;
        Some(PrimitiveDateTime::new(day, hour))
    };
    let mut times: Vec<PrimitiveDateTime> = rules
        .reminders
        .days_before
        .iter()
        .filter_map(|&days| at(days))
        .filter(|at| *at > now)
        .collect();
    times.sort_unstable();
    times
}

/// The reminder that is due now, if the plan still stands and somebody has not confirmed.
///
/// `confirmed` are those who have taken charge of the notice. On the last day before the
/// discharge the ward is told who has not.
pub fn remind(
    episode: &Episode,
    confirmed: &[Target],
    now: PrimitiveDateTime,
    rules: &Rules,
) -> Option<Planned> {
    let told = episode.live(Slot::PlannedDischarge)?;
    if told.delivery != Delivery::HandedOver
        || episode.live(Slot::Discharge).is_some()
        || episode.is_protected
        || episode.has_identity_conflict
    {
        return None;
    }
    let days = (told.statement.at.at.date() - now.date()).whole_days();
    let days = u8::try_from(days)
        .ok()
        .filter(|days| rules.reminders.days_before.contains(days))?;
    let waited_for: Vec<_> = told
        .recipients
        .iter()
        .filter(|recipient| !confirmed.contains(&recipient.target))
        .filter(|recipient| recipient.role.receives())
        .cloned()
        .collect();
    if waited_for.is_empty() {
        return None;
    }
    let last = rules.reminders.days_before.first() == Some(&days);
    Some(Planned {
        kind: told.statement.kind,
        person: episode.person.clone(),
        statement: told.statement.clone(),
        earlier: Some(Earlier::of(told)),
        recipients: waited_for,
        missing: Vec::new(),
        movement: told.movement.clone(),
        ward_task: last.then_some(WardTask::UnconfirmedDischarge),
        in_place_of: None,
        reminder: Some(days),
        origin: None,
    })
}
