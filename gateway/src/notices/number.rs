//! The number of a notice: what people quote on the telephone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::{Date, Month};

/// Day and running number of that day at one site: `2026-11-21-0045`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NoticeNumber {
    date: Date,
    sequence: u32,
}

/// A text that is no notice number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a notice number looks like 2026-11-21-0045: day, then the notice's number of that day")]
pub struct NotANumber;

impl NoticeNumber {
    /// The `sequence`th notice of that local day, from 1.
    pub fn new(date: Date, sequence: u32) -> NoticeNumber {
        NoticeNumber { date, sequence }
    }

    /// The local day.
    pub fn date(&self) -> Date {
        self.date
    }

    /// The running number of that day.
    pub fn sequence(&self) -> u32 {
        self.sequence
    }
}

impl fmt::Display for NoticeNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let month = u8::from(self.date.month());
        write!(
            f,
            "{:04}-{month:02}-{:02}-{:04}",
            self.date.year(),
            self.date.day(),
            self.sequence
        )
    }
}

impl FromStr for NoticeNumber {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<NoticeNumber, NotANumber> {
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day, sequence] = parts[..] else {
            return Err(NotANumber);
        };
        let plain = parts
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        if !plain || year.len() != 4 || month.len() != 2 || day.len() != 2 || sequence.len() < 4 {
            return Err(NotANumber);
        }
        let month: u8 = month.parse().map_err(|_| NotANumber)?;
        let date = Date::from_calendar_date(
            year.parse().map_err(|_| NotANumber)?,
            Month::try_from(month).map_err(|_| NotANumber)?,
            day.parse().map_err(|_| NotANumber)?,
        )
        .map_err(|_| NotANumber)?;
        Ok(NoticeNumber {
            date,
            sequence: sequence.parse().map_err(|_| NotANumber)?,
        })
    }
}

impl TryFrom<String> for NoticeNumber {
    type Error = NotANumber;

    fn try_from(text: String) -> Result<NoticeNumber, NotANumber> {
        text.parse()
    }
}

impl From<NoticeNumber> for String {
    fn from(number: NoticeNumber) -> String {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::date;

    #[test]
    fn a_number_is_read_as_it_is_written() {
        for (sequence, text) in [(45, "2026-11-21-0045"), (12_345, "2026-11-21-12345")] {
            let number = NoticeNumber::new(date!(2026 - 11 - 21), sequence);
            assert_eq!(number.to_string(), text);
            assert_eq!(text.parse(), Ok(number));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "2026-11-21",
            "2026-13-21-0001",
            "2026-11-21-45",
            "2026-11-21-00x1",
            "2026-1-21-0001",
        ] {
            assert_eq!(bad.parse::<NoticeNumber>(), Err(NotANumber), "{bad}");
        }
    }
}
