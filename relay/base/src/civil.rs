//! The legal time of metropolitan France: what clinicians read on a clock.
//!
//! Central European Time, one hour more from the last Sunday of March to the last Sunday of
//! October, each at 01:00 UTC (directive 2000/84/CE).

use time::{Date, Duration, Month, OffsetDateTime, PrimitiveDateTime, UtcOffset, Weekday};

/// The legal time at an instant, without an offset, as HL7 v2 feeds and notices write it.
pub fn legal_time(instant: OffsetDateTime) -> PrimitiveDateTime {
    let utc = instant.to_offset(UtcOffset::UTC);
    let utc = PrimitiveDateTime::new(utc.date(), utc.time());
    let hours = match (
        change(utc.year(), Month::March),
        change(utc.year(), Month::October),
    ) {
        (Some(start), Some(end)) if utc >= start && utc < end => 2,
        _ => 1,
    };
    utc.saturating_add(Duration::hours(hours))
}

/// 01:00 UTC on the last Sunday of a month of 31 days.
fn change(year: i32, month: Month) -> Option<PrimitiveDateTime> {
    let mut day = Date::from_calendar_date(year, month, 31).ok()?;
    while day.weekday() != Weekday::Sunday {
        day = day.previous_day()?;
    }
    day.with_hms(1, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_hour_changes_on_the_last_sundays_of_march_and_october() {
        for (utc, local) in [
            (
                datetime!(2026-03-29 00:59:59 UTC),
                datetime!(2026-03-29 01:59:59),
            ),
            (
                datetime!(2026-03-29 01:00:00 UTC),
                datetime!(2026-03-29 03:00:00),
            ),
            (
                datetime!(2026-10-25 00:59:59 UTC),
                datetime!(2026-10-25 02:59:59),
            ),
            (
                datetime!(2026-10-25 01:00:00 UTC),
                datetime!(2026-10-25 02:00:00),
            ),
            (
                datetime!(2026-12-31 23:30:00 UTC),
                datetime!(2027-01-01 00:30:00),
            ),
            (
                datetime!(2026-07-01 12:00:00 +5),
                datetime!(2026-07-01 09:00:00),
            ),
        ] {
            assert_eq!(legal_time(utc), local, "{utc}");
        }
    }
}
