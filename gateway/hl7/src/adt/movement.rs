//! The stay and its movements: PV1, PV2, ZBE, ZFM.

use std::fmt;

use super::text::clean;
use super::trigger::{Action, Trigger};
use crate::er7::{Element, Message, Segment};
use crate::refusal::{Code, Refusal};
use crate::timestamp::Timestamp;

/// A FINESS number: nine digits, or two letters or digits and seven digits (Corsica).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finess(String);

impl Finess {
    /// Nine characters, the last seven digits; `None` for anything else.
    pub fn parse(text: &str) -> Option<Finess> {
        let bytes = text.as_bytes();
        let formed = bytes.len() == 9
            && bytes[..2]
                .iter()
                .all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
            && bytes[2..].iter().all(u8::is_ascii_digit);
        formed.then(|| Finess(text.to_owned()))
    }

    /// The nine characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// PV1 and PV2.
#[derive(Clone, PartialEq)]
pub struct Stay {
    /// PV1-2: `I` hospitalised, `E` emergency, `O` outpatient, `R` séances, `N`.
    pub class: Option<char>,
    /// PV1-36: circumstance of the discharge. `S` and `R` reveal psychiatry: never to be shown.
    pub circumstance: Option<String>,
    /// PV1-37.1: FINESS of the destination.
    pub destination: Option<Finess>,
    /// PV1-44.
    pub admitted_at: Option<Timestamp>,
    /// PV1-45.
    pub discharged_at: Option<Timestamp>,
    /// PV2-9: expected discharge.
    pub expected_discharge: Option<Timestamp>,
    /// PV2-9 is `""`: no longer expected at any known time.
    pub expected_discharge_removed: bool,
    /// PV2-47: when a leave (A21) is expected to end.
    pub expected_return: Option<Timestamp>,
    /// PV1-3.4: the facility where the person lies, its second subcomponent (FINESS) before its
    /// first.
    pub site: Option<String>,
    /// PV2-22 is Y, or PV1-16 (VIP) has a value other than N.
    pub is_protected: bool,
}

/// ZBE.
#[derive(Clone, PartialEq)]
pub struct Movement {
    /// ZBE-1, at least one.
    pub ids: Vec<MovementId>,
    /// ZBE-2.
    pub effective_at: Timestamp,
    /// ZBE-4.
    pub action: Action,
    /// ZBE-5: a movement of the past, sent late.
    pub is_historic: bool,
    /// ZBE-6: the event that is updated or cancelled.
    pub original: Option<Trigger>,
    /// ZBE-7: unit of medical responsibility.
    pub medical_unit: Option<Unit>,
    /// ZBE-8: unit of nursing responsibility.
    pub nursing_unit: Option<Unit>,
}

/// ZBE-1 (EI): the stable key of a movement; an update or cancel recalls it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MovementId {
    /// EI.1.
    pub id: String,
    /// EI.2, else EI.3: who gave it; empty where the feed does not say.
    pub authority: String,
}

/// XON of ZBE-7 and ZBE-8: a unité fonctionnelle.
#[derive(Clone, PartialEq, Eq)]
pub struct Unit {
    /// XON.10, else XON.3.
    pub code: Option<String>,
    /// XON.1. May name a psychiatric unit: never to be shown unless the site says it may.
    pub name: Option<String>,
}

/// ZFM, each one character of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Modes {
    /// ZFM-1: entry mode.
    pub entry: Option<char>,
    /// ZFM-2: exit mode: 0 for an act, 4 fugue, 6 mutation, 7 transfer, 8 home, 9 death.
    pub exit: Option<char>,
    /// ZFM-3: where from, as ZFM-4.
    pub from: Option<char>,
    /// ZFM-4: where to: 1 MCO, 2 SSR, 3 USLD, 4 psychiatry, 6 HAD, 7 structure médico-sociale.
    pub to: Option<char>,
    /// ZFM-5 is 5: came through emergency.
    pub through_emergency: bool,
}

impl Stay {
    pub(super) fn read(message: &Message<'_>) -> Result<Option<Stay>, Refusal> {
        let Some(pv1) = message.segment("PV1") else {
            return Ok(None);
        };
        let pv2 = message.segment("PV2");
        let expected = pv2.map(|pv2| pv2.field(9));
        let protected = pv2.is_some_and(|pv2| pv2.field(22).is("Y"));
        Ok(Some(Stay {
            class: one_character(pv1.field(2)),
            circumstance: clean(pv1.field(36).component(1)),
            destination: Finess::parse(&pv1.field(37).component(1).subcomponent(1).text()),
            admitted_at: time(&pv1, "PV1", 44)?,
            discharged_at: time(&pv1, "PV1", 45)?,
            expected_discharge: match pv2 {
                Some(pv2) => time(&pv2, "PV2", 9)?,
                None => None,
            },
            expected_discharge_removed: expected.is_some_and(|expected| expected.is_delete()),
            expected_return: pv2
                .and_then(|pv2| Timestamp::parse(&pv2.field(47).component(1).text())),
            site: {
                let facility = pv1.field(3).component(4);
                clean(facility.subcomponent(2)).or_else(|| clean(facility.subcomponent(1)))
            },
            is_protected: protected || is_vip(pv1.field(16).component(1)),
        }))
    }
}

impl Movement {
    pub(super) fn read(message: &Message<'_>) -> Result<Option<Movement>, Refusal> {
        let Some(zbe) = message.segment("ZBE") else {
            return Ok(None);
        };
        let ids: Vec<MovementId> = zbe
            .field(1)
            .repetitions()
            .filter_map(MovementId::read)
            .collect();
        if ids.is_empty() {
            return Err(Refusal::missing("ZBE", 1));
        }
        let action = match zbe.field(4).component(1).bytes() {
            b"INSERT" => Action::Insert,
            b"UPDATE" => Action::Update,
            b"CANCEL" => Action::Cancel,
            b"" | b"\"\"" => return Err(Refusal::missing("ZBE", 4)),
            _ => return Err(Refusal::at_field(Code::TableValue, "ZBE", 4)),
        };
        Ok(Some(Movement {
            ids,
            effective_at: time(&zbe, "ZBE", 2)?.ok_or(Refusal::missing("ZBE", 2))?,
            action,
            is_historic: zbe.field(5).is("Y"),
            original: Trigger::from_code(zbe.field(6).component(1).bytes()),
            medical_unit: Unit::read(zbe.field(7)),
            nursing_unit: Unit::read(zbe.field(8)),
        }))
    }
}

impl MovementId {
    fn read(field: Element<'_>) -> Option<MovementId> {
        Some(MovementId {
            id: clean(field.component(1))?,
            authority: clean(field.component(2))
                .or_else(|| clean(field.component(3)))
                .unwrap_or_default(),
        })
    }
}

impl Unit {
    fn read(field: Element<'_>) -> Option<Unit> {
        let unit = Unit {
            code: clean(field.component(10)).or_else(|| clean(field.component(3))),
            name: clean(field.component(1)),
        };
        (unit.code.is_some() || unit.name.is_some()).then_some(unit)
    }
}

impl Modes {
    pub(super) fn read(message: &Message<'_>) -> Modes {
        let Some(zfm) = message.segment("ZFM") else {
            return Modes::default();
        };
        Modes {
            entry: one_character(zfm.field(1)),
            exit: one_character(zfm.field(2)),
            from: one_character(zfm.field(3)),
            to: one_character(zfm.field(4)),
            through_emergency: zfm.field(5).component(1).is("5"),
        }
    }
}

/// A time that may be absent but not malformed.
fn time(
    segment: &Segment<'_>,
    name: &'static str,
    field: u16,
) -> Result<Option<Timestamp>, Refusal> {
    let value = segment.field(usize::from(field)).component(1);
    if !value.has_value() {
        return Ok(None);
    }
    Timestamp::parse(&value.text())
        .map(Some)
        .ok_or(Refusal::at_field(Code::DataType, name, field))
}

fn is_vip(indicator: Element<'_>) -> bool {
    indicator.has_value() && !indicator.is("N")
}

fn one_character(field: Element<'_>) -> Option<char> {
    match field.component(1).bytes() {
        [one] if one.is_ascii_alphanumeric() => Some(char::from(*one)),
        _ => None,
    }
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

redact! { Stay Movement MovementId Unit }
