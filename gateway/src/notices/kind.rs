//! Kinds of notice.

use serde::{Deserialize, Serialize};

use super::message::MessageName;
use super::number::NoticeNumber;

/// What a notice says happened, or will. In a rules file a kind is named in lower case with
/// underscores: `return_to_nursing_home`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// « Entrée à l'hôpital ».
    Admission,
    /// « Passage aux urgences ».
    EmergencyVisit,
    /// « Fin de passage aux urgences ».
    EmergencyEnd,
    /// « Fin d'hospitalisation complète, suite en externe ».
    OutpatientFollowUp,
    /// « Entrée prévue »; told to nobody unless the rules say so.
    PlannedAdmission,
    /// « Sortie prévue ».
    PlannedDischarge,
    /// « Sortie à domicile ».
    DischargeHome,
    /// « Sortie avec HAD », « Sortie avec SSIAD ».
    DischargeWithCare,
    /// « Retour à l'EHPAD ».
    ReturnToNursingHome,
    /// « Transfert » to another hospital.
    Transfer,
    /// « Sortie sans autorisation » or against advice.
    UnauthorisedExit,
    /// « Décès ».
    Death,
    /// « Permission ».
    LeaveStart,
    /// « Retour de permission ».
    LeaveEnd,
    /// « Lettre de liaison », which came after the person had left.
    Letter,
    /// « Résultat attendu disponible », after the person had left.
    PendingResult,
    /// What a person or a system wrote about the stay: a prescription to renew, a social note, or
    /// a kind of the site's own.
    Message(MessageName),
    /// « ANNULE l'avis n° … ».
    Cancellation {
        /// The notice that no longer holds.
        of: NoticeNumber,
    },
}

/// What a stay states: a later statement of the same slot replaces the earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// That the person came in.
    Admission,
    /// That the person is in the emergency ward.
    Emergency,
    /// That the stay goes on without a bed.
    FollowUp,
    /// When the person is expected to come.
    PlannedAdmission,
    /// When the person is expected to leave.
    PlannedDischarge,
    /// That the person left, and how.
    Discharge,
    /// That a leave began.
    LeaveStart,
    /// That a leave ended.
    LeaveEnd,
    /// That a document is there.
    Letter,
    /// That a result is there.
    Result,
    /// What somebody wrote.
    Message,
}

impl Slot {
    /// Whether a stay can state it several times, each by a movement of its own.
    pub fn repeats(self) -> bool {
        matches!(
            self,
            Slot::FollowUp
                | Slot::LeaveStart
                | Slot::LeaveEnd
                | Slot::Letter
                | Slot::Result
                | Slot::Message
        )
    }
}

/// How fast somebody has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// To know; nothing escalates.
    Info,
    /// Within the working day.
    Normal,
    /// Now, at any hour.
    Urgent,
}

/// The word that the recipient is asked to answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedReply {
    /// « PRIS EN CHARGE ».
    TakenCharge,
    /// « ARRIVÉE ».
    Arrival,
    /// None.
    Nothing,
}

impl Kind {
    /// Every kind that events give, but the cancellation.
    pub const STATED: [Kind; 16] = [
        Kind::Admission,
        Kind::EmergencyVisit,
        Kind::EmergencyEnd,
        Kind::OutpatientFollowUp,
        Kind::PlannedAdmission,
        Kind::PlannedDischarge,
        Kind::DischargeHome,
        Kind::DischargeWithCare,
        Kind::ReturnToNursingHome,
        Kind::Transfer,
        Kind::UnauthorisedExit,
        Kind::Death,
        Kind::LeaveStart,
        Kind::LeaveEnd,
        Kind::Letter,
        Kind::PendingResult,
    ];

    /// Its name in rules and in the file name of its template.
    pub fn name(&self) -> &str {
        match self {
            Kind::Admission => "admission",
            Kind::EmergencyVisit => "emergency_visit",
            Kind::EmergencyEnd => "emergency_end",
            Kind::OutpatientFollowUp => "outpatient_follow_up",
            Kind::PlannedAdmission => "planned_admission",
            Kind::PlannedDischarge => "planned_discharge",
            Kind::DischargeHome => "discharge_home",
            Kind::DischargeWithCare => "discharge_with_care",
            Kind::ReturnToNursingHome => "return_to_nursing_home",
            Kind::Transfer => "transfer",
            Kind::UnauthorisedExit => "unauthorised_exit",
            Kind::Death => "death",
            Kind::LeaveStart => "leave_start",
            Kind::LeaveEnd => "leave_end",
            Kind::Letter => "letter",
            Kind::PendingResult => "pending_result",
            Kind::Message(name) => name.as_str(),
            Kind::Cancellation { .. } => "cancellation",
        }
    }

    /// The core of the subject, in French. A message's is in its statement
    /// ([`Statement::label`](super::statement::Statement::label)).
    pub fn label(&self) -> &'static str {
        match self {
            Kind::Admission => "Entrée à l'hôpital",
            Kind::EmergencyVisit => "Passage aux urgences",
            Kind::EmergencyEnd => "Fin de passage aux urgences",
            Kind::OutpatientFollowUp => "Fin d'hospitalisation complète, suite en externe",
            Kind::PlannedAdmission => "Entrée prévue",
            Kind::PlannedDischarge => "Sortie prévue",
            Kind::DischargeHome => "Sortie à domicile",
            Kind::DischargeWithCare => "Sortie à domicile avec soins",
            Kind::ReturnToNursingHome => "Retour à l'EHPAD",
            Kind::Transfer => "Transfert",
            Kind::UnauthorisedExit => "Sortie sans autorisation ou contre avis",
            Kind::Death => "Décès",
            Kind::LeaveStart => "Permission",
            Kind::LeaveEnd => "Retour de permission",
            Kind::Letter => "Lettre de liaison",
            Kind::PendingResult => "Résultat attendu disponible",
            Kind::Message(_) => "Message",
            Kind::Cancellation { .. } => "Annulation",
        }
    }

    /// What it states of the stay; nothing for a cancellation.
    pub fn slot(&self) -> Option<Slot> {
        Some(match self {
            Kind::Admission => Slot::Admission,
            Kind::EmergencyVisit => Slot::Emergency,
            Kind::OutpatientFollowUp => Slot::FollowUp,
            Kind::PlannedAdmission => Slot::PlannedAdmission,
            Kind::PlannedDischarge => Slot::PlannedDischarge,
            Kind::EmergencyEnd
            | Kind::DischargeHome
            | Kind::DischargeWithCare
            | Kind::ReturnToNursingHome
            | Kind::Transfer
            | Kind::UnauthorisedExit
            | Kind::Death => Slot::Discharge,
            Kind::LeaveStart => Slot::LeaveStart,
            Kind::LeaveEnd => Slot::LeaveEnd,
            Kind::Letter => Slot::Letter,
            Kind::PendingResult => Slot::Result,
            Kind::Message(_) => Slot::Message,
            Kind::Cancellation { .. } => return None,
        })
    }

    /// Its template.
    pub fn template(&self) -> String {
        match self {
            Kind::Message(name) => format!("messages/{name}.txt"),
            kind => format!("notices/{}.txt", kind.name()),
        }
    }

    /// Whether somebody has to be found to tell of it: without recipients a human decides.
    pub fn is_owed(&self) -> bool {
        !matches!(
            self,
            Kind::EmergencyVisit
                | Kind::EmergencyEnd
                | Kind::OutpatientFollowUp
                | Kind::PlannedAdmission
                | Kind::LeaveStart
                | Kind::LeaveEnd
                | Kind::Letter
        )
    }

    /// Whether the person is home, or in a structure, once it has happened.
    pub fn is_return(&self) -> bool {
        matches!(
            self,
            Kind::DischargeHome
                | Kind::DischargeWithCare
                | Kind::ReturnToNursingHome
                | Kind::EmergencyEnd
        )
    }

    /// Whether somebody has to be ready to receive the person.
    pub fn is_arrival(&self) -> bool {
        self.is_return() || matches!(self, Kind::PlannedDischarge)
    }

    /// Whether the discharge letter goes with it.
    pub fn encloses(&self) -> bool {
        self.is_return() || matches!(self, Kind::Letter)
    }

    /// Whether it asks for what the hospital needs on an entry.
    pub fn asks(&self) -> bool {
        matches!(self, Kind::Admission | Kind::EmergencyVisit)
    }

    /// Whether the pending tasks and escalations of the stay end with it.
    pub fn closes_pending(&self) -> bool {
        matches!(self, Kind::Death)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgency_is_ordered() {
        assert!(Urgency::Urgent > Urgency::Normal && Urgency::Normal > Urgency::Info);
    }
}
