//! A query string into parameters (FHIR R4, search.html), with limits on their number and size.

use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::outcome::Fault;
use crate::model::codes;

/// The longest query string, in octets.
const MAX_QUERY: usize = 8 * 1024;
/// The most parameters, and the most values of one.
const MAX_PARAMETERS: usize = 32;
const MAX_VALUES: usize = 32;

/// A parameter: any of its values is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    /// With the names of a chain: `practitioner.identifier`.
    pub(super) name: String,
    pub(super) modifier: Option<String>,
    pub(super) values: Vec<String>,
}

impl Parameter {
    /// The only value.
    pub(super) fn one(&self) -> Result<&str, Fault> {
        match self.values.as_slice() {
            [one] => Ok(one),
            _ => Err(Fault::invalid(format!("{} takes one value", self.name))),
        }
    }
}

/// Reads a query string.
pub(super) fn read(query: &str) -> Result<Vec<Parameter>, Fault> {
    if query.len() > MAX_QUERY {
        return Err(Fault::invalid("the query is longer than 8 KiB"));
    }
    let mut parameters = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if parameters.len() == MAX_PARAMETERS {
            return Err(Fault::invalid("the query has more than 32 parameters"));
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name)?, decoded(value)?);
        let (name, modifier) = match name.split_once(':') {
            Some((name, modifier)) => (name.to_owned(), Some(modifier.to_owned())),
            None => (name, None),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            return Err(Fault::invalid("a parameter has no name"));
        }
        let values = values(&value)?;
        if values.is_empty() {
            return Err(Fault::invalid(format!("{name} has no value")));
        }
        parameters.push(Parameter {
            name,
            modifier,
            values,
        });
    }
    Ok(parameters)
}

/// Percent-decoded, with `+` for a space (RFC 3986 §2.1, WHATWG URL).
fn decoded(text: &str) -> Result<String, Fault> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        match octet {
            b'+' => octets.push(b' '),
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (Some(high), Some(low)) = (digit(), digit()) else {
                    return Err(Fault::invalid(
                        "a percent sign is not followed by two digits",
                    ));
                };
                octets.extend(u8::try_from(high * 16 + low));
            }
            other => octets.push(other),
        }
    }
    String::from_utf8(octets).map_err(|_| Fault::invalid("the query is not UTF-8"))
}

/// The values parted by commas; `\,` is a comma (search.html#escaping).
fn values(text: &str) -> Result<Vec<String>, Fault> {
    let mut values = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let is_full = values.len() == MAX_VALUES;
        let Some(last) = values.last_mut() else {
            break;
        };
        match letter {
            '\\' => match letters.next() {
                Some(escaped @ (',' | '$' | '|' | '\\')) => last.push(escaped),
                _ => return Err(Fault::invalid("a backslash escapes nothing")),
            },
            ',' if is_full => {
                return Err(Fault::invalid("a parameter has more than 32 values"));
            }
            ',' => values.push(String::new()),
            other => last.push(other),
        }
    }
    values.retain(|value| !value.trim().is_empty());
    Ok(values)
}

/// A token `system|code`; without a bar any system is meant.
pub(super) fn token(value: &str) -> (Option<&str>, &str) {
    match value.split_once('|') {
        Some((system, code)) => (Some(system), code),
        None => (None, value),
    }
}

/// The identifier in a reference: `Practitioner/…`, an address that ends so, or alone.
pub(super) fn reference(value: &str, kind: &str) -> Result<Uuid, Fault> {
    let mut parts = value.rsplit('/');
    let id = parts.next().unwrap_or_default();
    if parts.next().is_some_and(|named| named != kind) {
        return Err(Fault::invalid(format!(
            "a reference to a {kind} is expected"
        )));
    }
    Uuid::try_parse(id)
        .map_err(|_| Fault::invalid(format!("a reference to a {kind} ends in its identifier")))
}

/// A point and how far from it (location.html#positional).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Near {
    /// Degrees north and east.
    pub(super) point: (f64, f64),
    pub(super) kilometres: f64,
}

impl Near {
    /// The distance when none is asked, and the greatest.
    const USUAL: f64 = 10.0;
    const MOST: f64 = 200.0;

    /// Reads `48.63|4.95|20|km`; the distance and its unit may be left out.
    pub(super) fn read(value: &str) -> Result<Self, Fault> {
        let wrong = || Fault::invalid("near is written 48.63|4.95|20|km");
        let number = |text: &str| {
            let number: Option<f64> = text.trim().parse().ok();
            number.filter(|number| number.is_finite()).ok_or_else(wrong)
        };
        let mut parts = value.split('|');
        let mut next = || parts.next().filter(|part| !part.trim().is_empty());
        let (north, east) = (
            number(next().ok_or_else(wrong)?)?,
            number(next().ok_or_else(wrong)?)?,
        );
        let distance = next().map_or(Ok(Self::USUAL), number)?;
        let scale = match next().map(str::trim) {
            None | Some("km") => 1.0,
            Some("m") => 0.001,
            Some("[mi_us]" | "[mi_i]" | "mi") => 1.609_344,
            Some(_) => return Err(wrong()),
        };
        let kilometres = distance * scale;
        let is_there = north.abs() <= 90.0 && east.abs() <= 180.0;
        if !is_there || !(0.0..=Self::MOST).contains(&kilometres) {
            return Err(Fault::invalid("near is a point and at most 200 km"));
        }
        Ok(Self {
            point: (north, east),
            kilometres,
        })
    }
}

/// An instant or a day, in UTC, with what is asked of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct When {
    compare: Compare,
    from: OffsetDateTime,
    /// Just behind the instant or the day.
    until: OffsetDateTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Equal,
    After,
    AtLeast,
    Before,
    AtMost,
}

impl When {
    /// Reads `ge2026-11-22` or `gt2026-11-22T10:00:00Z`.
    pub(super) fn read(value: &str) -> Result<Self, Fault> {
        let (prefix, rest) = value.split_at_checked(2).unwrap_or(("", value));
        let (compare, rest) = match prefix {
            "gt" | "sa" => (Compare::After, rest),
            "ge" => (Compare::AtLeast, rest),
            "lt" | "eb" => (Compare::Before, rest),
            "le" => (Compare::AtMost, rest),
            "eq" => (Compare::Equal, rest),
            _ => (Compare::Equal, value),
        };
        let (from, length) = if let Some(day) = codes::date(rest) {
            (Date::midnight(day).assume_utc(), time::Duration::DAY)
        } else {
            let instant = OffsetDateTime::parse(rest, &Rfc3339).map_err(|_| {
                Fault::invalid("a date is written 2026-11-22 or 2026-11-22T10:00:00Z")
            })?;
            (instant, time::Duration::SECOND)
        };
        let until = from.checked_add(length).unwrap_or(from);
        Ok(Self {
            compare,
            from,
            until,
        })
    }

    pub(super) fn holds(&self, instant: OffsetDateTime) -> bool {
        match self.compare {
            Compare::Equal => self.from <= instant && instant < self.until,
            Compare::After => instant >= self.until,
            Compare::AtLeast => instant >= self.from,
            Compare::Before => instant < self.from,
            Compare::AtMost => instant < self.until,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    #[test]
    fn a_query_is_taken_apart() {
        let read =
            read("name:contains=lef%C3%A8vre,d\\,upont&_count=10&practitioner.identifier=a%7Cb")
                .unwrap();
        assert_eq!(read[0].name, "name");
        assert_eq!(read[0].modifier.as_deref(), Some("contains"));
        assert_eq!(read[0].values, ["lefèvre", "d,upont"]);
        assert_eq!(read[1].one(), Ok("10"));
        assert_eq!(token(&read[2].values[0]), (Some("a"), "b"));
    }

    #[test]
    fn what_is_not_a_query_is_refused() {
        let long = format!("name={}", "a".repeat(9_000));
        let many = "name=a&".repeat(33);
        let values = format!("name={}", "a,".repeat(40));
        for text in [
            "=x",
            "name=%4",
            "name=%zz",
            "name=%ff",
            "name",
            "name=",
            "na me=x",
            "name=a\\b",
            &long,
            &many,
            &values,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_point_is_read_with_its_distance() {
        let near = Near::read("48.63|4.95|20|km").unwrap();
        assert_eq!((near.point, near.kilometres), ((48.63, 4.95), 20.0));
        assert_eq!(Near::read("48.63|4.95").unwrap().kilometres, 10.0);
        assert_eq!(Near::read("48.63|-4.95|500|m").unwrap().kilometres, 0.5);
        for text in [
            "",
            "48",
            "48|x",
            "91|0",
            "0|181",
            "48|4|nan|km",
            "48|4|inf",
            "48|4|-1",
            "48|4|201|km",
            "48|4|5|furlong",
        ] {
            assert!(Near::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_instant_is_compared_by_its_prefix() {
        let noon = datetime!(2026-11-22 12:00 UTC);
        for (text, expected) in [
            ("2026-11-22", true),
            ("ge2026-11-22", true),
            ("gt2026-11-22", false),
            ("lt2026-11-22", false),
            ("le2026-11-22", true),
            ("gt2026-11-22T11:59:00Z", true),
            ("2026-11-21", false),
        ] {
            assert_eq!(When::read(text).unwrap().holds(noon), expected, "{text}");
        }
        for text in ["", "ge", "2026", "é2026-11-22", "xx2026-11-22"] {
            assert!(When::read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic(text in "\\PC{0,60}|[a-z=&%,|:0-9\\\\]{0,60}") {
            if let Ok(parameters) = read(&text) {
                for parameter in parameters {
                    for value in &parameter.values {
                        let _ = (token(value), reference(value, "Practitioner"), When::read(value), Near::read(value));
                    }
                }
            }
        }
    }
}
