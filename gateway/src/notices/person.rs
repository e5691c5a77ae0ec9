//! The person whom a notice names.

use std::fmt;

use liaison_hl7::adt::AdtEvent;
use serde::{Deserialize, Serialize};

use super::french;

/// The person, as far as a notice names him or her.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// PID-3 of type PI.
    pub ipp: String,
    /// The INS, only while the identity is validated.
    pub ins: Option<String>,
    /// The OID of its authority: whether it is a NIR or a NIA.
    #[serde(default)]
    pub ins_oid: Option<String>,
    /// Family name at birth.
    pub birth_family: Option<String>,
    /// Family name used.
    pub used_family: Option<String>,
    /// First given name.
    pub given: Option<String>,
    /// `M.`, `Mme`.
    pub title: Option<String>,
    /// As shown: « 12/05/1938 ».
    pub birth_date: Option<String>,
    /// PID-8.
    pub sex: Option<char>,
}

impl Person {
    /// The person that an event names.
    pub fn of(event: &AdtEvent) -> Person {
        let patient = &event.patient;
        Person {
            ipp: patient.ipp.clone(),
            ins: patient.qualified_ins().map(|ins| ins.value.clone()),
            ins_oid: patient.qualified_ins().map(|ins| ins.kind.oid().to_owned()),
            birth_family: patient.name.birth_family.clone(),
            used_family: patient.name.used_family.clone(),
            given: patient.name.given.clone(),
            title: patient.name.title.clone(),
            birth_date: patient.birth_date.map(french::birth),
            sex: patient.sex,
        }
    }

    /// « Mme OCTAVIE ESSAI (usage FICTIVE) ».
    pub fn words(&self) -> String {
        let family = self.birth_family.as_ref().or(self.used_family.as_ref());
        let parts = [self.title.as_ref(), self.given.as_ref(), family];
        let mut words = parts
            .into_iter()
            .flatten()
            .cloned()
            .collect::<Vec<_>>()
            .join(" ");
        if let (Some(used), Some(_)) = (&self.used_family, &self.birth_family)
            && self.used_family != self.birth_family
        {
            words = format!("{words} (usage {used})");
        }
        if words.is_empty() {
            "Personne sans nom connu".to_owned()
        } else {
            words
        }
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(..)")
    }
}
