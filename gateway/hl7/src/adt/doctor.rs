//! The family doctor: ROL with ROL-3 = ODRP, after PID and PD1 (PAM-FR 2.11). Feeds send it on
//! A01 and A04 only.

use std::fmt;

use super::text::clean;
use crate::er7::Message;

/// An RPPS number: eleven digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Rpps(String);

impl Rpps {
    /// Eleven digits, or `None`.
    pub fn parse(text: &str) -> Option<Rpps> {
        let digits = text.len() == 11 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| Rpps(text.to_owned()))
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Rpps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rpps(..)")
    }
}

/// The family doctor whom the patient named.
#[derive(Clone, PartialEq, Eq)]
pub struct FamilyDoctor {
    /// ROL-4.1 where ROL-4.13 is RPPS (or 4.9 the national authority). `None` when the feed knows
    /// the doctor by another number: the directory then has to find the person.
    pub rpps: Option<Rpps>,
    /// ROL-4.2.
    pub family: Option<String>,
    /// ROL-4.3.
    pub given: Option<String>,
}

impl FamilyDoctor {
    pub(super) fn read(message: &Message<'_>) -> Option<FamilyDoctor> {
        let rol = message.segments_named("ROL").find(|rol| {
            // ROL-2: DE and UN take the role away.
            rol.field(3).component(1).is("ODRP") && !rol.field(2).is("DE") && !rol.field(2).is("UN")
        })?;
        let people = rol.field(4);
        let rpps = people.repetitions().find_map(|person| {
            let national = person.component(9).subcomponent(1).is("ASIP-SANTE-PS");
            let kind = person.component(13);
            if kind.is("RPPS") || (kind.is_empty() && national) {
                Rpps::parse(&person.component(1).text())
            } else {
                None
            }
        });
        let doctor = FamilyDoctor {
            rpps,
            family: clean(people.component(2).subcomponent(1)),
            given: clean(people.component(3)),
        };
        (doctor.rpps.is_some() || doctor.family.is_some()).then_some(doctor)
    }
}

impl fmt::Debug for FamilyDoctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FamilyDoctor(rpps known: {})", self.rpps.is_some())
    }
}
