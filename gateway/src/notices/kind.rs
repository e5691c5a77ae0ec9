//! Kinds of notice.

use serde::{Deserialize, Serialize};

use super::number::NoticeNumber;

/// What a notice says happened, or will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// « Entrée à l'hôpital ».
    Admission,
    /// « Sortie prévue ».
    PlannedDischarge,
    /// « Sortie à domicile ».
    DischargeHome,
    /// « Retour à l'EHPAD ».
    ReturnToNursingHome,
    /// « Transfert » to another hospital.
    Transfer,
    /// « Sortie sans autorisation » or against advice.
    UnauthorisedExit,
    /// « Décès ».
    Death,
    /// « ANNULE l'avis n° … ».
    Cancellation {
        /// The notice that no longer holds.
        of: NoticeNumber,
    },
}

/// What a stay can state once: a later statement of the same slot replaces the earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// That the person came in.
    Admission,
    /// When the person is expected to leave.
    PlannedDischarge,
    /// That the person left, and how.
    Discharge,
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
    /// The core of the subject, in French.
    pub fn label(&self) -> &'static str {
        match self {
            Kind::Admission => "Entrée à l'hôpital",
            Kind::PlannedDischarge => "Sortie prévue",
            Kind::DischargeHome => "Sortie à domicile",
            Kind::ReturnToNursingHome => "Retour à l'EHPAD",
            Kind::Transfer => "Transfert",
            Kind::UnauthorisedExit => "Sortie sans autorisation ou contre avis",
            Kind::Death => "Décès",
            Kind::Cancellation { .. } => "Annulation",
        }
    }

    /// What it states of the stay; nothing for a cancellation.
    pub fn slot(&self) -> Option<Slot> {
        match self {
            Kind::Admission => Some(Slot::Admission),
            Kind::PlannedDischarge => Some(Slot::PlannedDischarge),
            Kind::DischargeHome
            | Kind::ReturnToNursingHome
            | Kind::Transfer
            | Kind::UnauthorisedExit
            | Kind::Death => Some(Slot::Discharge),
            Kind::Cancellation { .. } => None,
        }
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
