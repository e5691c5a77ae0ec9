//! Who gets which kind, with which urgency.

use serde::{Deserialize, Serialize};
use time::Duration;

use super::circle::{CareCircle, CareMember, Role, Target};
use super::episode::Episode;
use super::kind::{Kind, Slot, Urgency};
use super::rules::{Rules, Weight};
use super::statement::{Destination, Lateness, Statement};
use liaison_directory_client::Finess;

/// Somebody to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// What they are to the patient.
    pub role: Role,
    /// Where they are found.
    pub target: Target,
    /// How fast they have to act.
    pub urgency: Urgency,
}

/// The recipients of a statement, and the roles that should be told and are not known.
pub struct Audience {
    /// Who is told.
    pub recipients: Vec<Recipient>,
    /// Who should be and is not known.
    pub missing: Vec<Role>,
}

/// Who is around a person.
pub struct Around<'a> {
    /// Who may be told.
    pub members: Vec<&'a CareMember>,
    /// Whom the person does not want told, whoever names them.
    pub never: Vec<&'a Target>,
}

impl<'a> Around<'a> {
    /// Who is around the person of a stay.
    pub fn of(circle: &'a CareCircle, stay: &Episode) -> Around<'a> {
        let Episode {
            key,
            person,
            former,
            ..
        } = stay;
        Around {
            members: circle.around(&key.facility, person, former),
            never: circle.never(&key.facility, person, former),
        }
    }
}

/// Who is told of what. `next` is the episode with the event absorbed.
pub fn audience(
    statement: &Statement,
    next: &Episode,
    circle: &Around<'_>,
    rules: &Rules,
) -> Audience {
    let members = circle.members.as_slice();
    let mut found = Audience {
        recipients: Vec::new(),
        missing: Vec::new(),
    };
    let unprepared = statement.through_emergency
        && !next.from_nursing_home
        && targets(Role::NursingHome, statement, next, members).is_empty();
    for (role, weight) in rules.to(&statement.kind) {
        let mut targets = targets(role, statement, next, members);
        targets.retain(|(target, _)| !circle.never.contains(&target));
        // A person without a nursing home or a nurse is the usual case; one without a family
        // doctor, or who returns to a nursing home not known, is somebody's to sort out.
        let expected = role == Role::FamilyDoctor
            || (role == Role::NursingHome && statement.kind == Kind::ReturnToNursingHome);
        if targets.is_empty() && expected {
            found.missing.push(role);
        }
        for (target, care_prescribed) in targets {
            let told_of_entry = || {
                next.live(Slot::Admission)
                    .is_some_and(|entry| entry.went_to(&target))
            };
            let urgency = match weight {
                Weight::InfoIfCare if !care_prescribed => continue,
                Weight::UrgentAfterHoursIfToldOfEntry if !told_of_entry() => continue,
                Weight::NormalIfUnprepared if !unprepared => continue,
                Weight::UrgentIfCare if care_prescribed => urgent(statement),
                weight => urgency(weight, statement, rules),
            };
            found.push(Recipient {
                role,
                target,
                urgency,
            });
        }
    }
    if found.missing.contains(&Role::FamilyDoctor) && has_fallback(&statement.kind) {
        for member in members
            .iter()
            .filter(|member| member.role == Role::Coordination)
        {
            found.push(Recipient {
                role: Role::Coordination,
                target: member.target.clone(),
                urgency: urgency(Weight::UrgentAfterHours, statement, rules),
            });
        }
    }
    found
}

impl Audience {
    fn push(&mut self, recipient: Recipient) {
        if !self
            .recipients
            .iter()
            .any(|known| known.target == recipient.target)
        {
            self.recipients.push(recipient);
        }
    }
}

/// Whether the coordination stands in for a family doctor who is not known.
fn has_fallback(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Admission
            | Kind::PlannedDischarge
            | Kind::DischargeHome
            | Kind::DischargeWithCare
            | Kind::ReturnToNursingHome
            | Kind::UnauthorisedExit
    )
}

fn urgency(weight: Weight, statement: &Statement, rules: &Rules) -> Urgency {
    match weight {
        Weight::Urgent => urgent(statement),
        Weight::Info | Weight::InfoIfCare => Urgency::Info,
        _ if statement.lateness == Lateness::Regularisation => Urgency::Info,
        Weight::Normal | Weight::NormalIfUnprepared => Urgency::Normal,
        Weight::UrgentAfterHours | Weight::UrgentIfCare | Weight::UrgentAfterHoursIfToldOfEntry => {
            if is_after_hours(statement, rules) || is_missed_plan(statement) {
                Urgency::Urgent
            } else {
                Urgency::Normal
            }
        }
    }
}

/// Nobody is hurried by what was typed in days later.
fn urgent(statement: &Statement) -> Urgency {
    match statement.lateness {
        Lateness::Regularisation => Urgency::Info,
        Lateness::InTime | Lateness::Late => Urgency::Urgent,
    }
}

fn is_after_hours(statement: &Statement, rules: &Rules) -> bool {
    // Somebody who left at three in the afternoon and was typed in at nine in the evening arrives
    // unexpected in the evening.
    rules.calendar.is_after_hours(statement.at)
        || (statement.kind.slot() == Some(Slot::Discharge)
            && statement
                .recorded_at
                .is_some_and(|at| rules.calendar.is_after_hours(at)))
}

/// The return had been planned, and happens more than a day off the plan: nobody is ready.
fn is_missed_plan(statement: &Statement) -> bool {
    statement.kind.is_return()
        && statement
            .expected
            .is_some_and(|expected| (expected.at - statement.at.at).abs() > Duration::hours(24))
}

fn targets(
    role: Role,
    statement: &Statement,
    next: &Episode,
    members: &[&CareMember],
) -> Vec<(Target, bool)> {
    let of_circle = || {
        let members = members.iter().filter(|member| member.role == role);
        members
            .map(|member| (member.target.clone(), member.care_prescribed))
            .collect::<Vec<_>>()
    };
    let named = match role {
        Role::FamilyDoctor => next.family_doctor.clone().map(Target::Rpps),
        Role::NursingHome => match &statement.destination {
            Destination::NursingHome {
                finess: Some(finess),
                ..
            } => Finess::parse(finess).ok().map(Target::Finess),
            _ => None,
        },
        _ => None,
    };
    if let Some(target) = named {
        return vec![(target, false)];
    }
    let circle = of_circle();
    if !circle.is_empty() {
        return circle;
    }
    if let (Role::NursingHome, Some(finess)) = (role, &next.nursing_home) {
        // The one that the hospital named earlier in the stay.
        return vec![(Target::Finess(finess.clone()), false)];
    }
    // Those who were told in an earlier stay, where nobody says otherwise.
    let carried = next.carried.iter().filter(|known| known.role == role);
    carried.map(|known| (known.target.clone(), false)).collect()
}
