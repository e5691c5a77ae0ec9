//! Hours at which nobody is in the office.

use std::collections::BTreeSet;

use time::{Date, Duration, Month, Weekday};

use super::french::Moment;

/// The working hours of a site, local time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    /// Good Friday and 26 December are holidays too (Alsace, Moselle).
    pub alsace_moselle: bool,
    /// Further days on which the site is closed.
    pub closed: BTreeSet<Date>,
}

/// Last hour of a weekday's office hours.
const EVENING: u8 = 18;
/// Hour at which the weekend begins on Friday.
const FRIDAY: u8 = 17;
/// First hour of office hours.
const MORNING: u8 = 8;

impl Calendar {
    /// Whether a discharge at that moment meets closed offices: Friday 17:00 to Monday 08:00, a
    /// public holiday, from 18:00 or before 08:00. A day without hour counts by its day.
    pub fn is_after_hours(&self, moment: Moment) -> bool {
        let date = moment.at.date();
        let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        if weekend || self.is_holiday(date) {
            return true;
        }
        let evening = if date.weekday() == Weekday::Friday {
            FRIDAY
        } else {
            EVENING
        };
        moment.has_time && !(MORNING..evening).contains(&moment.at.hour())
    }

    /// A French public holiday (code du travail, L. 3133-1), or a day that the site is closed.
    pub fn is_holiday(&self, date: Date) -> bool {
        let fixed = matches!(
            (date.month(), date.day()),
            (Month::January, 1)
                | (Month::May, 1 | 8)
                | (Month::July, 14)
                | (Month::August, 15)
                | (Month::November, 1 | 11)
                | (Month::December, 25)
        );
        // Easter Monday, Ascension, Whit Monday.
        let after_easter = easter(date.year()).map(|easter| (date - easter).whole_days());
        let local = self.alsace_moselle
            && (after_easter == Some(-2) || (date.month(), date.day()) == (Month::December, 26));
        fixed || matches!(after_easter, Some(1 | 39 | 50)) || local || self.closed.contains(&date)
    }
}

/// Easter Sunday of the Gregorian calendar (anonymous algorithm, Nature, 20 April 1876).
fn easter(year: i32) -> Option<Date> {
    let a = year.rem_euclid(19);
    let (b, c) = (year.div_euclid(100), year.rem_euclid(100));
    let (d, e) = (b / 4, b % 4);
    let g = (b - (b + 8) / 25 + 1) / 3;
    let h = (19 * a + b - d - g + 15).rem_euclid(30);
    let (i, k) = (c / 4, c % 4);
    let l = (32 + 2 * e + 2 * i - h - k).rem_euclid(7);
    let m = (a + 11 * h + 22 * l) / 451;
    let march_first = Date::from_calendar_date(year, Month::March, 1).ok()?;
    march_first.checked_add(Duration::days(i64::from(h + l - 7 * m + 21)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::{date, datetime};

    #[test]
    fn easter_moves_as_it_does() {
        for expected in [
            date!(2024 - 03 - 31),
            date!(2025 - 04 - 20),
            date!(2026 - 04 - 05),
            date!(2027 - 03 - 28),
            date!(2038 - 04 - 25),
        ] {
            assert_eq!(easter(expected.year()), Some(expected));
        }
    }

    #[test]
    fn the_eleven_public_holidays_of_2026_are_known() {
        let holidays: Vec<Date> = (1..=365)
            .filter_map(|day| Date::from_ordinal_date(2026, day).ok())
            .filter(|day| Calendar::default().is_holiday(*day))
            .collect();
        assert_eq!(
            holidays,
            [
                date!(2026 - 01 - 01),
                date!(2026 - 04 - 06),
                date!(2026 - 05 - 01),
                date!(2026 - 05 - 08),
                date!(2026 - 05 - 14),
                date!(2026 - 05 - 25),
                date!(2026 - 07 - 14),
                date!(2026 - 08 - 15),
                date!(2026 - 11 - 01),
                date!(2026 - 11 - 11),
                date!(2026 - 12 - 25),
            ]
        );
    }

    #[test]
    fn alsace_and_moselle_have_two_more() {
        let calendar = Calendar {
            alsace_moselle: true,
            ..Calendar::default()
        };
        assert!(
            calendar.is_holiday(date!(2026 - 04 - 03))
                && calendar.is_holiday(date!(2026 - 12 - 26))
        );
        assert!(!Calendar::default().is_holiday(date!(2026 - 04 - 03)));
    }

    #[test]
    fn the_weekend_begins_on_friday_at_17() {
        let calendar = Calendar::default();
        let after = |at| calendar.is_after_hours(Moment { at, has_time: true });
        assert!(!after(datetime!(2026-11-20 16:59)));
        assert!(after(datetime!(2026-11-20 17:00)));
        assert!(after(datetime!(2026-11-22 11:00)));
        assert!(after(datetime!(2026-11-23 07:59)));
        assert!(!after(datetime!(2026-11-23 08:00)));
        assert!(!after(datetime!(2026-11-19 17:30)));
        assert!(after(datetime!(2026-11-19 18:00)));
        assert!(after(datetime!(2026-11-11 10:00)));
    }

    #[test]
    fn a_day_without_hour_counts_by_its_day() {
        let calendar = Calendar::default();
        let day = |at| {
            calendar.is_after_hours(Moment {
                at,
                has_time: false,
            })
        };
        assert!(day(datetime!(2026-11-21 0:00)));
        assert!(!day(datetime!(2026-11-20 0:00)));
    }
}
