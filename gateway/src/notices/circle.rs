//! The people and services around a patient, as the member's own store knows them.

use std::collections::BTreeMap;
use std::fmt;

/// How the directory is asked for somebody: RPPS of a professional, FINESS of a structure, or an
/// address.
pub use liaison_directory_client::By as Target;
use serde::{Deserialize, Serialize};

use super::person::Person;

/// What somebody is to the patient; decides which notices and which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Médecin traitant.
    FamilyDoctor,
    /// EHPAD where the person lives or goes.
    NursingHome,
    /// IDEL.
    HomeNurse,
    /// SSIAD.
    HomeCareService,
    /// HAD.
    HomeHospitalisation,
    /// Pharmacie d'officine.
    Pharmacy,
    /// DAC.
    Coordination,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 7] = [
        Role::FamilyDoctor,
        Role::NursingHome,
        Role::HomeNurse,
        Role::HomeCareService,
        Role::HomeHospitalisation,
        Role::Pharmacy,
        Role::Coordination,
    ];

    /// Whether it receives the person, or cares for the person at home: those who have to be
    /// ready when somebody leaves.
    pub fn receives(self) -> bool {
        matches!(
            self,
            Role::NursingHome | Role::HomeNurse | Role::HomeCareService | Role::HomeHospitalisation
        )
    }

    /// The role in French: clinicians read it where they are told of a recipient.
    pub fn label(self) -> &'static str {
        match self {
            Role::FamilyDoctor => "médecin traitant",
            Role::NursingHome => "EHPAD",
            Role::HomeNurse => "IDEL",
            Role::HomeCareService => "SSIAD",
            Role::HomeHospitalisation => "HAD",
            Role::Pharmacy => "pharmacie",
            Role::Coordination => "coordination",
        }
    }
}

/// Somebody of the circle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CareMember {
    /// What they are to the patient.
    pub role: Role,
    /// Where they are found.
    pub target: Target,
    /// A name to show, for a structure: « EHPAD LES TILLEULS, Créteil ».
    #[serde(default)]
    pub name: Option<String>,
    /// Care at home is prescribed: a discharge then concerns them at once.
    #[serde(default)]
    pub care_prescribed: bool,
    /// The patient does not want them told of anything.
    #[serde(default)]
    pub never: bool,
}

/// Which patient. Never by name: two people may share one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PatientKey {
    /// Qualified national identifier.
    Ins(String),
    /// A facility (MSH-4) and its own number (IPP).
    Local {
        /// MSH-4.1.
        facility: String,
        /// PID-3 of type PI.
        ipp: String,
    },
}

impl fmt::Debug for PatientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientKey(..)")
    }
}

/// Care circles, by patient.
#[derive(Debug, Clone, Default)]
pub struct CareCircle {
    members: BTreeMap<PatientKey, Vec<CareMember>>,
}

impl CareCircle {
    /// Adds somebody to a patient's circle.
    pub fn insert(&mut self, patient: PatientKey, member: CareMember) {
        let members = self.members.entry(patient).or_default();
        if !members.contains(&member) {
            members.push(member);
        }
    }

    /// The circles of these patients alone.
    pub fn only(&self, patients: &[PatientKey]) -> CareCircle {
        let members = patients
            .iter()
            .filter_map(|patient| Some((patient.clone(), self.members.get(patient)?.clone())));
        CareCircle {
            members: members.collect(),
        }
    }

    /// The circle of a patient named one way.
    pub fn of(&self, patient: &PatientKey) -> &[CareMember] {
        self.members.get(patient).map_or(&[], Vec::as_slice)
    }

    /// Whom that person of that facility does not want told, by every way to name the person.
    pub fn never(&self, facility: &str, person: &Person, former: &[String]) -> Vec<&Target> {
        self.all_around(facility, person, former)
            .into_iter()
            .filter(|member| member.never)
            .map(|member| &member.target)
            .collect()
    }

    /// Who is around that person of that facility: found by the qualified INS, by the facility's
    /// own number and by the `former` numbers that were merged into it, each member once; without
    /// those whom the person does not want told.
    pub fn around(&self, facility: &str, person: &Person, former: &[String]) -> Vec<&CareMember> {
        let all = self.all_around(facility, person, former);
        let never = |target: &Target| all.iter().any(|one| one.never && one.target == *target);
        let mut told = all.clone();
        told.retain(|member| !never(&member.target));
        told
    }

    fn all_around(&self, facility: &str, person: &Person, former: &[String]) -> Vec<&CareMember> {
        let local = [&person.ipp]
            .into_iter()
            .chain(former)
            .map(|ipp| PatientKey::Local {
                facility: facility.to_owned(),
                ipp: ipp.clone(),
            });
        let keys = person
            .ins
            .clone()
            .map(PatientKey::Ins)
            .into_iter()
            .chain(local);
        let mut found: Vec<&CareMember> = Vec::new();
        for member in keys.filter_map(|key| self.members.get(&key)).flatten() {
            let known = |other: &&CareMember| {
                other.role == member.role
                    && other.target == member.target
                    && other.never == member.never
            };
            if !found.iter().any(known) {
                found.push(member);
            }
        }
        found
    }
}
