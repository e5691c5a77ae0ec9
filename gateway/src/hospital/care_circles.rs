//! The file of care circles: who looks after whom besides the family doctor whom the feed names.
//!
//! It stays at the hospital: who cares for a patient is patient data, and never enters the shared
//! directory.
//!
//! ```toml
//! [[patient]]
//! facility = "CH-TEST"        # MSH-4 of the feed
//! ipp = "900123"              # or: ins = "…", the qualified national identifier
//!
//! [[patient.member]]
//! role = "home_nurse"         # nursing_home, home_nurse, pharmacy, coordination
//! target = { rpps = "00000000022" }
//! name = "Cabinet infirmier"  # optional, as shown
//! care_prescribed = true      # optional: a discharge concerns them at once
//! ```

use std::path::Path;

use liaison_base::config;
use serde::Deserialize;

use crate::GatewayError;
use crate::notices::{CareCircle, CareMember, PatientKey};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default, rename = "patient")]
    patients: Vec<Patient>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patient {
    ins: Option<String>,
    facility: Option<String>,
    ipp: Option<String>,
    #[serde(default, rename = "member")]
    members: Vec<CareMember>,
}

/// Reads the file.
///
/// # Errors
/// [`GatewayError::Base`] when it is unreadable; [`GatewayError::Setting`] when a patient has
/// neither an INS nor a facility with its number.
pub fn load(path: &Path) -> Result<CareCircle, GatewayError> {
    circle(config::load(path)?)
}

/// Reads the text of a file; as [`load`] otherwise.
#[cfg(fuzzing)]
pub(crate) fn read(text: &str) -> Result<CareCircle, GatewayError> {
    let key = "care_circles";
    circle(config::parse(text).map_err(|cause| GatewayError::Setting { key, cause })?)
}

fn circle(file: File) -> Result<CareCircle, GatewayError> {
    let mut circle = CareCircle::default();
    for (patient, position) in file.patients.into_iter().zip(1..) {
        let key = match (patient.ins, patient.facility, patient.ipp) {
            (Some(ins), None, None) => PatientKey::Ins(ins),
            (None, Some(facility), Some(ipp)) => PatientKey::Local { facility, ipp },
            _ => {
                return Err(GatewayError::Setting {
                    key: "care_circles",
                    cause: format!("patient {position}: give either ins, or facility and ipp"),
                });
            }
        };
        for member in patient.members {
            circle.insert(key.clone(), member);
        }
    }
    Ok(circle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patient_without_a_key_is_named_by_its_place_and_not_by_its_data() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("circles.toml");
        std::fs::write(
            &path,
            "[[patient]]\nins = \"1\"\n[[patient.member]]\nrole = \"home_nurse\"\ntarget = { rpps = \"00000000022\" }\n[[patient]]\nipp = \"900123\"\n",
        )
        .unwrap();
        let error = load(&path).unwrap_err().to_string();
        assert!(error.contains("patient 2"), "{error}");
        assert!(!error.contains("900123"), "{error}");
    }
}
