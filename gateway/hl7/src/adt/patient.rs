//! The person: PID, PD1-12, NK1.

use std::fmt;

use super::text::clean;
use crate::er7::{Element, Message, Segment};
use crate::refusal::Refusal;
use crate::timestamp::{BirthDate, Timestamp};

/// A patient as the message names him or her.
#[derive(Clone, PartialEq)]
pub struct Patient {
    /// PID-3 of type PI: the facility's own number (IPP).
    pub ipp: String,
    /// PID-3: the national identifier, where given. Use [`Patient::qualified_ins`].
    pub ins: Option<Ins>,
    /// PID-3 has the INS as `""`: it is withdrawn.
    pub ins_removed: bool,
    /// PID-32 contains VALI: the identity was checked and the INS may be used.
    pub is_validated: bool,
    /// PID-5.
    pub name: PersonName,
    /// PID-7.
    pub birth_date: Option<BirthDate>,
    /// PID-8: `M`, `F` or another code of table HL70001.
    pub sex: Option<char>,
    /// PID-11: where the person lives (type H, else the first that is not the birth place).
    pub residence: Option<Address>,
    /// PID-30 is Y, or PID-29 has a time.
    pub is_dead: bool,
    /// PD1-12, or PID-32 ANOM or CACH: no notice without a human's release.
    pub is_protected: bool,
    /// NK1.
    pub relatives: Vec<Relative>,
}

/// A national health identifier and its kind.
#[derive(Clone, PartialEq, Eq)]
pub struct Ins {
    /// The matricule, 13 to 15 letters and digits.
    pub value: String,
    /// Which, from the OID of the authority.
    pub kind: InsKind,
}

/// 1.2.250.1.213.1.4.*n*.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InsKind {
    /// .8: NIR. Preferred where a NIA is given beside it.
    Nir,
    /// .9: NIA, awaiting a NIR.
    Nia,
    /// .10: NIR of test environments.
    TestNir,
    /// .11: NIR of demonstrations.
    DemoNir,
}

/// PID-5: the names that the French repository asks for.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct PersonName {
    /// Type L: family name at birth.
    pub birth_family: Option<String>,
    /// Type D: family name used.
    pub used_family: Option<String>,
    /// First given name.
    pub given: Option<String>,
    /// `M.`, `Mme`.
    pub title: Option<String>,
}

/// PID-11.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Street, then the other designation (often the name of a nursing home).
    pub lines: Vec<String>,
    /// City.
    pub city: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
}

/// NK1.
#[derive(Clone, PartialEq, Eq)]
pub struct Relative {
    /// NK1-2, « prénom nom ».
    pub name: Option<String>,
    /// NK1-7.
    pub role: RelativeRole,
}

/// NK1-7.1 (PAM-FR).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelativeRole {
    /// K: personne de confiance.
    Trusted,
    /// C: to be called in an emergency.
    Emergency,
    /// R: legal representative.
    LegalRepresentative,
    /// P: « personne à ne pas prévenir »; must never be sent anything.
    DoNotNotify,
    /// Any other.
    Other,
}

impl InsKind {
    /// The last arc of the OID, as a whole OID.
    pub fn oid(self) -> &'static str {
        match self {
            InsKind::Nir => "1.2.250.1.213.1.4.8",
            InsKind::Nia => "1.2.250.1.213.1.4.9",
            InsKind::TestNir => "1.2.250.1.213.1.4.10",
            InsKind::DemoNir => "1.2.250.1.213.1.4.11",
        }
    }

    fn from_oid(oid: Element<'_>) -> Option<InsKind> {
        [
            InsKind::Nir,
            InsKind::Nia,
            InsKind::TestNir,
            InsKind::DemoNir,
        ]
        .into_iter()
        .find(|kind| oid.is(kind.oid()))
    }
}

impl Patient {
    pub(super) fn read(message: &Message<'_>) -> Result<Patient, Refusal> {
        let pid = message.segment("PID").ok_or(Refusal::no_segment("PID"))?;
        let identifiers = pid.field(3);
        let ipp = read_ipp(identifiers).ok_or(Refusal::missing("PID", 3))?;
        let has_status = |code: &str| {
            pid.field(32)
                .repetitions()
                .any(|status| status.component(1).is(code))
        };
        let protected = message
            .segment("PD1")
            .is_some_and(|pd1| pd1.field(12).is("Y"));
        let death = pid.field(29);
        Ok(Patient {
            ipp,
            ins: read_ins(identifiers),
            ins_removed: identifiers
                .repetitions()
                .any(|id| is_ins(id) && id.component(1).is_delete()),
            is_validated: has_status("VALI"),
            name: PersonName::read(pid.field(5)),
            birth_date: BirthDate::parse(&pid.field(7).component(1).text()),
            sex: pid
                .field(8)
                .component(1)
                .bytes()
                .first()
                .filter(|sex| sex.is_ascii_uppercase())
                .map(|&sex| char::from(sex)),
            residence: read_residence(pid.field(11)),
            is_dead: pid.field(30).is("Y")
                || Timestamp::parse(&death.component(1).text()).is_some(),
            is_protected: protected || has_status("ANOM") || has_status("CACH"),
            relatives: message
                .segments_named("NK1")
                .map(|nk1| Relative::read(&nk1))
                .collect(),
        })
    }

    /// The INS, only where the identity is validated: otherwise it must not be used
    /// (Référentiel INS; PID-32 without VALI).
    pub fn qualified_ins(&self) -> Option<&Ins> {
        self.ins.as_ref().filter(|_| self.is_validated)
    }
}

impl PersonName {
    fn read(field: Element<'_>) -> PersonName {
        let of_type = |kind: &str| field.repetitions().find(|name| name.component(7).is(kind));
        let birth = of_type("L").or_else(|| {
            field
                .repetitions()
                .find(|name| name.component(7).is_empty())
        });
        let used = of_type("D");
        // A name of birth may be unknown: then the used one is all there is.
        let family = |name: Option<Element<'_>>| {
            name.and_then(|name| clean(name.component(1).subcomponent(1)))
        };
        let part = |number: usize| {
            [used, birth]
                .into_iter()
                .flatten()
                .find_map(|name| clean(name.component(number)))
        };
        PersonName {
            birth_family: family(birth),
            used_family: family(used),
            given: part(2),
            title: part(5),
        }
    }
}

impl Relative {
    fn read(nk1: &Segment<'_>) -> Relative {
        let name = nk1.field(2);
        let parts = [
            clean(name.component(2)),
            clean(name.component(1).subcomponent(1)),
        ];
        let words: Vec<String> = parts.into_iter().flatten().collect();
        Relative {
            name: (!words.is_empty()).then(|| words.join(" ")),
            role: match nk1.field(7).component(1).bytes() {
                b"K" => RelativeRole::Trusted,
                b"C" => RelativeRole::Emergency,
                b"R" => RelativeRole::LegalRepresentative,
                b"P" => RelativeRole::DoNotNotify,
                _ => RelativeRole::Other,
            },
        }
    }
}

pub(super) fn is_ins(id: Element<'_>) -> bool {
    id.component(5).is("INS") || InsKind::from_oid(id.component(4).subcomponent(2)).is_some()
}

pub(super) fn read_ipp(identifiers: Element<'_>) -> Option<String> {
    let value = |id: Element<'_>| clean(id.component(1));
    identifiers
        .repetitions()
        .find(|id| id.component(5).is("PI") && id.component(1).has_value())
        .and_then(value)
        // International feeds: the first identifier without a type, or a medical record number.
        .or_else(|| {
            identifiers
                .repetitions()
                .find(|id| matches!(id.component(5).bytes(), b"" | b"MR") && !is_ins(*id))
                .and_then(value)
        })
}

fn read_ins(identifiers: Element<'_>) -> Option<Ins> {
    identifiers
        .repetitions()
        .filter_map(|id| {
            let kind = InsKind::from_oid(id.component(4).subcomponent(2))?;
            let value = clean(id.component(1))?;
            let plausible = (13..=15).contains(&value.len())
                && value
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
            plausible.then_some(Ins { value, kind })
        })
        .min_by_key(|ins| ins.kind)
}

fn read_residence(field: Element<'_>) -> Option<Address> {
    let lived_in = field
        .repetitions()
        .find(|address| address.component(7).is("H"))
        .or_else(|| {
            field
                .repetitions()
                .find(|address| !address.component(7).is("BDL"))
        })?;
    let lines = [lived_in.component(1).subcomponent(1), lived_in.component(2)];
    let address = Address {
        lines: lines.into_iter().filter_map(clean).collect(),
        city: clean(lived_in.component(3)),
        postal_code: clean(lived_in.component(5)),
    };
    (!address.lines.is_empty() || address.city.is_some()).then_some(address)
}

macro_rules! redact {
    ($($name:ident)*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        })*
    };
}

redact! { Patient Ins PersonName Address Relative }
