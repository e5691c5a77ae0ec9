//! HL7 times (TS, DTM): `YYYY[MM[DD[HH[MM[SS[.S…]]]]]][+/-ZZZZ]` (HL7 v2.5 §2.A.22).

use time::{Date, Month, PrimitiveDateTime, Time, UtcOffset};

/// A date and, where it was given, a time, as the sender's wall clock showed them.
///
/// French feeds give no offset: the time is local to the hospital, which is what a reader of a
/// notice wants to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Local date and time; midnight where only a date was given.
    pub local: PrimitiveDateTime,
    /// Whether hours were given.
    pub has_time: bool,
    /// Offset from UTC, where given.
    pub offset: Option<UtcOffset>,
}

impl Timestamp {
    /// Reads a time of at least day precision; `None` for anything else.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let (digits, offset) = match text.find(['+', '-']) {
            Some(at) => (&text[..at], Some(parse_offset(&text[at..])?)),
            None => (text, None),
        };
        let (digits, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (digits, None),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit())
            || !matches!(digits.len(), 8 | 10 | 12 | 14)
        {
            return None;
        }
        let nanosecond = match fraction {
            None => 0,
            Some(fraction) if digits.len() == 14 => parse_fraction(fraction)?,
            Some(_) => return None,
        };
        let date = parse_date(&digits[..8])?;
        let part = |from: usize| -> Option<u8> {
            digits
                .get(from..from + 2)
                .map_or(Some(0), |two| two.parse().ok())
        };
        let time = Time::from_hms_nano(part(8)?, part(10)?, part(12)?, nanosecond).ok()?;
        Some(Timestamp {
            local: PrimitiveDateTime::new(date, time),
            has_time: digits.len() > 8,
            offset,
        })
    }

    /// The same to the second, without offset: `YYYYMMDDHHMMSS`.
    pub fn format(local: PrimitiveDateTime) -> String {
        format!(
            "{:04}{:02}{:02}{:02}{:02}{:02}",
            local.year(),
            u8::from(local.month()),
            local.day(),
            local.hour(),
            local.minute(),
            local.second()
        )
    }
}

/// A birth date, of which the day or the day and month may be unknown (`00`, or left out).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BirthDate {
    /// Year.
    pub year: u16,
    /// Month, 1 to 12.
    pub month: Option<u8>,
    /// Day, 1 to 31.
    pub day: Option<u8>,
}

impl BirthDate {
    /// Reads `YYYY`, `YYYYMM` or `YYYYMMDD…`; `None` for anything else.
    pub fn parse(text: &str) -> Option<BirthDate> {
        if !text.is_ascii() {
            return None;
        }
        let year: u16 = text.get(..4)?.parse().ok().filter(|year| *year > 0)?;
        let part = |from: usize| -> Option<Option<u8>> {
            match text.get(from..from + 2) {
                None | Some("00") => Some(None),
                Some(two) => two.parse().ok().map(Some),
            }
        };
        let month = part(4)?;
        let day = if month.is_some() { part(6)? } else { None };
        let known_month = match month {
            Some(month) => Some(Month::try_from(month).ok()?),
            None => None,
        };
        if let (Some(month), Some(day)) = (known_month, day) {
            Date::from_calendar_date(i32::from(year), month, day).ok()?;
        }
        Some(BirthDate { year, month, day })
    }
}

fn parse_date(eight: &str) -> Option<Date> {
    let month = Month::try_from(eight.get(4..6)?.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(
        eight.get(..4)?.parse().ok()?,
        month,
        eight.get(6..8)?.parse().ok()?,
    )
    .ok()
}

fn parse_offset(text: &str) -> Option<UtcOffset> {
    let (sign, digits) = text.split_at_checked(1)?;
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hours: i8 = digits.get(..2)?.parse().ok()?;
    let minutes: i8 = digits.get(2..)?.parse().ok()?;
    let factor = if sign == "-" { -1 } else { 1 };
    UtcOffset::from_hms(factor * hours, factor * minutes, 0).ok()
}

fn parse_fraction(digits: &str) -> Option<u32> {
    if digits.is_empty() || digits.len() > 9 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{digits:0<9}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::{datetime, offset};

    #[test]
    fn a_time_keeps_the_precision_it_came_with() {
        let stamp = Timestamp::parse("20261121203000").unwrap();
        assert_eq!(stamp.local, datetime!(2026-11-21 20:30:00));
        assert!(stamp.has_time && stamp.offset.is_none());
        let date = Timestamp::parse("20261121").unwrap();
        assert!(!date.has_time);
        assert_eq!(
            Timestamp::parse("202611212030").unwrap().local,
            datetime!(2026-11-21 20:30)
        );
    }

    #[test]
    fn fractions_and_offsets_are_read() {
        let stamp = Timestamp::parse("20261121203000.25+0100").unwrap();
        assert_eq!(stamp.local, datetime!(2026-11-21 20:30:00.25));
        assert_eq!(stamp.offset, Some(offset!(+1)));
        assert_eq!(
            Timestamp::parse("20261121203000-0330").unwrap().offset,
            Some(offset!(-3:30))
        );
    }

    #[test]
    fn what_is_not_a_time_is_none() {
        for bad in [
            "",
            "2026",
            "20261321",
            "20261121250000",
            "2026112120.5",
            "20261121+1",
            "２０２６1121",
            "20261121203000+é0",
        ] {
            assert_eq!(Timestamp::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_birth_date_may_lack_its_day_or_month() {
        assert_eq!(
            BirthDate::parse("19380512"),
            Some(BirthDate {
                year: 1938,
                month: Some(5),
                day: Some(12)
            })
        );
        assert_eq!(BirthDate::parse("19380500").unwrap().day, None);
        assert_eq!(BirthDate::parse("19380000"), BirthDate::parse("1938"));
        assert_eq!(BirthDate::parse("19381399"), None);
        assert_eq!(BirthDate::parse("19380230"), None);
        assert_eq!(BirthDate::parse("né"), None);
    }
}
