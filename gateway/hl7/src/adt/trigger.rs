//! Trigger events and what they do.

use std::fmt;

/// A trigger event of PAM-FR, or another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Trigger([u8; 3]);

macro_rules! triggers {
    ($($(#[$doc:meta])* $name:ident)*) => {
        impl Trigger {
            $($(#[$doc])* pub const $name: Trigger = match stringify!($name).as_bytes() {
                [a, b, c] => Trigger([*a, *b, *c]),
                _ => panic!("a trigger has three characters"),
            };)*
        }
    };
}

triggers! {
    /// Admission.
    A01
    /// Transfer between units.
    A02
    /// Discharge.
    A03
    /// Outpatient or emergency registration.
    A04
    /// Pre-admission.
    A05
    /// Outpatient becomes inpatient.
    A06
    /// Inpatient becomes outpatient.
    A07
    /// Update, in international feeds.
    A08
    /// Admission or registration cancelled.
    A11
    /// Transfer cancelled.
    A12
    /// Discharge cancelled.
    A13
    /// Planned admission.
    A14
    /// Planned transfer.
    A15
    /// Planned discharge.
    A16
    /// Leave begins.
    A21
    /// Leave ends.
    A22
    /// Planned discharge cancelled.
    A25
    /// Planned transfer cancelled.
    A26
    /// Planned admission cancelled.
    A27
    /// Identity updated.
    A31
    /// Pre-admission cancelled.
    A38
    /// Identities merged.
    A40
    /// Dossier moved to another patient.
    A44
    /// INS changed.
    A47
    /// Leave's begin cancelled.
    A52
    /// Leave's end cancelled.
    A53
    /// Responsible doctor changed.
    A54
    /// Change of responsible doctor cancelled.
    A55
    /// Update of a movement (PAM-FR).
    Z99
}

/// ZBE-4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// A new movement.
    Insert,
    /// A correction of a movement sent before.
    Update,
    /// A movement sent before did not take place.
    Cancel,
}

impl Trigger {
    /// Reads a code of three upper-case letters and digits; `None` for anything else.
    pub fn from_code(code: &[u8]) -> Option<Trigger> {
        let three: [u8; 3] = code.try_into().ok()?;
        three
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
            .then_some(Trigger(three))
    }

    /// Whether the message must have PV1 and a visit number: the movements of ITI-31.
    pub fn concerns_visit(self) -> bool {
        matches!(
            &self.0,
            b"A01"
                | b"A02"
                | b"A03"
                | b"A04"
                | b"A05"
                | b"A06"
                | b"A07"
                | b"A11"
                | b"A12"
                | b"A13"
                | b"A14"
                | b"A15"
                | b"A16"
                | b"A21"
                | b"A22"
                | b"A25"
                | b"A26"
                | b"A27"
                | b"A38"
                | b"A52"
                | b"A53"
                | b"A54"
                | b"A55"
                | b"Z99"
        )
    }

    /// What a message without ZBE does. With ZBE only ZBE-4 counts: A06 and A07 cancel each
    /// other, so the code alone does not say (PAM-FR 2.11, ZBE-4).
    pub fn implied_action(self) -> Action {
        match &self.0 {
            b"A11" | b"A12" | b"A13" | b"A25" | b"A26" | b"A27" | b"A38" | b"A52" | b"A53"
            | b"A55" => Action::Cancel,
            b"Z99" | b"A08" | b"A31" => Action::Update,
            _ => Action::Insert,
        }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("???")
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_and_written() {
        assert_eq!(Trigger::from_code(b"A03"), Some(Trigger::A03));
        assert_eq!(Trigger::A03.to_string(), "A03");
        assert_eq!(Trigger::from_code(b"a03"), None);
        assert_eq!(Trigger::from_code(b"A0"), None);
        assert!(Trigger::from_code(b"Q17").is_some());
    }
}
