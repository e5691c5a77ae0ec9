//! Who gets which kind, with which urgency.

use serde::{Deserialize, Serialize};

use super::calendar::Calendar;
use super::circle::{CareMember, Role, Target};
use super::episode::Episode;
use super::kind::{Kind, Urgency};
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

/// Who is told of what. `next` is the episode with the event absorbed.
pub fn audience(
    statement: &Statement,
    next: &Episode,
    members: &[&CareMember],
    calendar: &Calendar,
) -> Audience {
    let mut found = Audience {
        recipients: Vec::new(),
        missing: Vec::new(),
    };
    for &role in roles(&statement.kind) {
        let targets = targets(role, statement, next, members);
        // A person without a nursing home or a nurse is the usual case; one without a family
        // doctor, or who returns to a nursing home not known, is somebody's to sort out.
        let expected = role == Role::FamilyDoctor
            || (role == Role::NursingHome && statement.kind == Kind::ReturnToNursingHome);
        if targets.is_empty() && expected {
            found.missing.push(role);
        }
        for (target, care_prescribed) in targets {
            let urgency = urgency(role, statement, care_prescribed, calendar);
            found.push(Recipient {
                role,
                target,
                urgency,
            });
        }
    }
    if found.missing.contains(&Role::FamilyDoctor) && statement.kind != Kind::Transfer {
        for member in members
            .iter()
            .filter(|member| member.role == Role::Coordination)
        {
            let urgency = urgency(Role::Coordination, statement, false, calendar);
            let target = member.target.clone();
            found.push(Recipient {
                role: Role::Coordination,
                target,
                urgency,
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

fn roles(kind: &Kind) -> &'static [Role] {
    use Role::{Coordination, FamilyDoctor, HomeNurse, NursingHome, Pharmacy};
    match kind {
        Kind::Admission => &[FamilyDoctor, NursingHome, HomeNurse, Coordination],
        Kind::PlannedDischarge | Kind::ReturnToNursingHome => {
            &[NursingHome, HomeNurse, Pharmacy, FamilyDoctor]
        }
        Kind::DischargeHome => &[FamilyDoctor, HomeNurse, Pharmacy, Coordination],
        Kind::Transfer | Kind::UnauthorisedExit => &[FamilyDoctor, NursingHome],
        Kind::Death => &[FamilyDoctor, NursingHome, HomeNurse, Pharmacy],
        Kind::Cancellation { .. } => &[],
    }
}

fn urgency(
    role: Role,
    statement: &Statement,
    care_prescribed: bool,
    calendar: &Calendar,
) -> Urgency {
    if statement.lateness == Lateness::Regularisation {
        return Urgency::Info;
    }
    let after_hours = || {
        // Somebody who left at three in the afternoon and was typed in at nine in the evening
        // arrives unexpected in the evening.
        calendar.is_after_hours(statement.at)
            || (statement.kind.slot() == Some(super::kind::Slot::Discharge)
                && statement
                    .recorded_at
                    .is_some_and(|at| calendar.is_after_hours(at)))
    };
    let urgent = match statement.kind {
        Kind::Admission => matches!(role, Role::NursingHome | Role::HomeNurse),
        Kind::PlannedDischarge => after_hours(),
        Kind::DischargeHome => (role == Role::HomeNurse && care_prescribed) || after_hours(),
        Kind::ReturnToNursingHome | Kind::UnauthorisedExit => true,
        Kind::Transfer | Kind::Death | Kind::Cancellation { .. } => false,
    };
    if urgent {
        Urgency::Urgent
    } else {
        Urgency::Normal
    }
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
        Role::HomeNurse | Role::Pharmacy | Role::Coordination => None,
    };
    if let Some(target) = named {
        return vec![(target, false)];
    }
    let circle = of_circle();
    if circle.is_empty() && role == Role::NursingHome {
        // The one that the hospital named earlier in the stay.
        let earlier = next.nursing_home.clone().map(Target::Finess);
        return earlier.map(|target| (target, false)).into_iter().collect();
    }
    circle
}
