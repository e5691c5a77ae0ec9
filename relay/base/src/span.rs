//! Lengths of time as people write them: `"200ms"`, `"30s"`, `"15m"`, `"4h"`, `"2d"`, or a number of
//! seconds. For settings: `#[serde(with = "liaison_base::span")]`.

use std::fmt;
use std::time::Duration;

use serde::{Deserializer, Serializer, de};

/// No setting is longer.
const LONGEST: u64 = 10 * 366 * 86_400 * 1000;
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Writes the largest unit that divides it.
///
/// # Errors
/// The serializer's.
pub fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
    let millis = u64::try_from(span.as_millis()).unwrap_or(LONGEST);
    let (unit, factor) = UNITS
        .into_iter()
        .rev()
        .find(|(_, factor)| millis % factor == 0 && millis >= *factor)
        .unwrap_or(UNITS[0]);
    to.serialize_str(&format!("{}{unit}", millis / factor))
}

/// Reads a number with its unit, or a number of seconds.
///
/// # Errors
/// When it is neither, or longer than ten years: beyond lies a mistyped unit.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    from.deserialize_any(Visitor)
}

struct Visitor;

impl de::Visitor<'_> for Visitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as \"200ms\", \"30s\", \"15m\", \"4h\", \"2d\", or seconds")
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Duration, E> {
        let seconds = u64::try_from(seconds)
            .map_err(|_| E::invalid_value(de::Unexpected::Signed(seconds), &self))?;
        self.visit_u64(seconds)
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Duration, E> {
        bounded(seconds.checked_mul(1000))
            .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(seconds), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

fn parse(text: &str) -> Option<Duration> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, factor) = UNITS.into_iter().find(|(name, _)| *name == unit.trim())?;
    bounded(number.parse::<u64>().ok()?.checked_mul(factor))
}

fn bounded(millis: Option<u64>) -> Option<Duration> {
    millis
        .filter(|millis| *millis <= LONGEST)
        .map(Duration::from_millis)
}
