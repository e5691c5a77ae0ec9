//! Dates, ordinals and names as French clinicians write them.

use liaison_hl7::timestamp::{BirthDate, Timestamp};
use serde::{Deserialize, Serialize};
use time::{Date, PrimitiveDateTime, Weekday};

/// A local date with or without an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Local; midnight without an hour.
    pub at: PrimitiveDateTime,
    /// Whether the hour is known.
    pub has_time: bool,
}

impl Moment {
    /// « samedi 21/11/2026 à 20 h 30 ».
    pub fn words(&self) -> String {
        let date = self.at.date();
        let day = format!("{} {}", weekday(date), numeric(date));
        if self.has_time {
            format!("{day} à {}", self.hour())
        } else {
            day
        }
    }

    /// « 20 h 30 », « 11 h ».
    pub fn hour(&self) -> String {
        match self.at.minute() {
            0 => format!("{} h", self.at.hour()),
            minute => format!("{} h {minute:02}", self.at.hour()),
        }
    }

    /// Whether it reads the same: notices state minutes.
    pub fn reads_as(&self, other: &Moment) -> bool {
        self.words() == other.words()
    }
}

impl From<Timestamp> for Moment {
    fn from(stamp: Timestamp) -> Moment {
        Moment {
            at: stamp.local,
            has_time: stamp.has_time,
        }
    }
}

/// « 21/11/2026 ».
pub fn numeric(date: Date) -> String {
    format!(
        "{:02}/{:02}/{:04}",
        date.day(),
        u8::from(date.month()),
        date.year()
    )
}

/// « 12/05/1938 », « 05/1938 » or « 1938 ».
pub fn birth(date: BirthDate) -> String {
    match (date.month, date.day) {
        (Some(month), Some(day)) => format!("{day:02}/{month:02}/{:04}", date.year),
        (Some(month), None) => format!("{month:02}/{:04}", date.year),
        _ => format!("{:04}", date.year),
    }
}

/// « 1re », « 2e ».
pub fn ordinal(number: u32) -> String {
    if number == 1 {
        "1re".to_owned()
    } else {
        format!("{number}e")
    }
}

fn weekday(date: Date) -> &'static str {
    match date.weekday() {
        Weekday::Monday => "lundi",
        Weekday::Tuesday => "mardi",
        Weekday::Wednesday => "mercredi",
        Weekday::Thursday => "jeudi",
        Weekday::Friday => "vendredi",
        Weekday::Saturday => "samedi",
        Weekday::Sunday => "dimanche",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_moment_reads_as_french() {
        let moment = Moment {
            at: datetime!(2026-11-21 20:30:59),
            has_time: true,
        };
        assert_eq!(moment.words(), "samedi 21/11/2026 à 20 h 30");
        let day = Moment {
            at: datetime!(2026-11-20 11:00),
            has_time: true,
        };
        assert_eq!(day.words(), "vendredi 20/11/2026 à 11 h");
        assert_eq!(
            Moment {
                has_time: false,
                ..day
            }
            .words(),
            "vendredi 20/11/2026"
        );
    }

    #[test]
    fn a_birth_date_shows_what_is_known() {
        let date = |month, day| {
            birth(BirthDate {
                year: 1938,
                month,
                day,
            })
        };
        assert_eq!(date(Some(5), Some(2)), "02/05/1938");
        assert_eq!(date(Some(5), None), "05/1938");
        assert_eq!(date(None, None), "1938");
    }
}
