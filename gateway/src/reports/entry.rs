//! An entry of the log: what is hashed, and what is never in it.
//!
//! ```text
//!  record (sealed; can be erased)          entry (kept for ever)
//!  ┌────────────────────────────┐   SHA-256  ┌──────────────────────┐   RFC 6962   ┌──────┐
//!  │ salt · author · the mail   │ ─────────▶ │ commitment           │ ───────────▶ │ leaf │
//!  └────────────────────────────┘            │ number, received at  │              └──────┘
//!                                            └──────────────────────┘
//! ```
//!
//! The entry names nobody: neither who reported, nor the patient, nor a professional. The salt is
//! 32 random octets inside the record, so that a commitment says nothing about what it commits
//! to, and says nothing for ever once the record is erased. A leaf hash, which is what the proofs
//! of *others* show, covers the commitment and is as blind.

use std::fmt;
use std::str::FromStr;

use ring::digest::{Context, SHA256};
use thiserror::Error;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use liaison_base::tlog::merkle::Hash;

/// Octets of the salt at the head of a record.
pub const SALT_LEN: usize = 32;
/// First line of the canonical text.
const FORM: &str = "liaison report entry 1";
/// What is hashed before a record, so that a commitment is no other kind of hash.
const COMMITMENT: &[u8] = b"liaison report commitment 1\n";

/// A text is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a well-formed entry of the log")]
pub struct EntryError;

/// Which numbers are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Series {
    /// Reports: `EM-2026-000123` (« événement médicamenteux »).
    Report,
    /// Erasures: `EF-2026-000001` (« effacement »).
    Erasure,
}

impl Series {
    /// The letters before the year.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Report => "EM",
            Self::Erasure => "EF",
        }
    }
}

/// The number that people cite: series, year of receipt (UTC), place in that year from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    /// The series.
    pub series: Series,
    /// 1970 to 9999.
    pub year: u16,
    /// 1 and up, without gaps.
    pub serial: u32,
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}-{:04}-{:06}",
            self.series.prefix(),
            self.year,
            self.serial
        )
    }
}

impl FromStr for Number {
    type Err = EntryError;

    /// Reads exactly what `Display` writes.
    fn from_str(text: &str) -> Result<Self, EntryError> {
        let mut parts = text.splitn(3, '-');
        let (Some(prefix), Some(year), Some(serial)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(EntryError);
        };
        let series = [Series::Report, Series::Erasure]
            .into_iter()
            .find(|series| series.prefix() == prefix)
            .ok_or(EntryError)?;
        let number = Self {
            series,
            year: year.parse().map_err(|_| EntryError)?,
            serial: serial.parse().map_err(|_| EntryError)?,
        };
        let canonical = number.serial > 0 && (1970..=9999).contains(&number.year);
        if canonical && number.to_string() == text {
            Ok(number)
        } else {
            Err(EntryError)
        }
    }
}

/// A line of the log. Holds no personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number; an erasure's is of the series [`Series::Erasure`] and `erases` says of what.
    number: Number,
    erases: Option<Number>,
    received_at: OffsetDateTime,
    commitment: Hash,
}

impl Entry {
    /// A report. The instant is kept to the millisecond.
    pub fn report(
        (year, serial): (u16, u32),
        received_at: OffsetDateTime,
        commitment: Hash,
    ) -> Self {
        let series = Series::Report;
        Self {
            number: Number {
                series,
                year,
                serial,
            },
            erases: None,
            received_at: to_millisecond(received_at),
            commitment,
        }
    }

    /// The erasure of the content of report `erased`.
    pub fn erasure(
        (year, serial): (u16, u32),
        received_at: OffsetDateTime,
        commitment: Hash,
        erased: Number,
    ) -> Self {
        let series = Series::Erasure;
        Self {
            number: Number {
                series,
                year,
                serial,
            },
            erases: Some(erased),
            received_at: to_millisecond(received_at),
            commitment,
        }
    }

    /// Its number.
    pub fn number(&self) -> Number {
        self.number
    }

    /// The report whose content it says was erased.
    pub fn erases(&self) -> Option<Number> {
        self.erases
    }

    /// When it was taken in, UTC, to the millisecond.
    pub fn received_at(&self) -> OffsetDateTime {
        self.received_at
    }

    /// What it commits to; see [`commitment`].
    pub fn commitment(&self) -> Hash {
        self.commitment
    }

    /// The hash of its leaf.
    pub fn leaf(&self) -> Hash {
        Hash::leaf(self.to_string().as_bytes())
    }
}

/// The canonical text: lines ended by LF, in this order, each once.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.received_at;
        writeln!(f, "{FORM}")?;
        writeln!(f, "number {}", self.number)?;
        if let Some(erased) = self.erases {
            writeln!(f, "erases {erased}")?;
        }
        writeln!(
            f,
            "received {:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.millisecond()
        )?;
        writeln!(f, "commitment {}", self.commitment)
    }
}

impl FromStr for Entry {
    type Err = EntryError;

    /// Reads exactly what `Display` writes, and nothing that differs by an octet.
    fn from_str(text: &str) -> Result<Self, EntryError> {
        let mut lines = text.lines().skip(1).peekable();
        let number: Number = value(lines.next(), "number")?.parse()?;
        let erases = match lines.next_if(|line| line.starts_with("erases ")) {
            None => None,
            line => Some(value(line, "erases")?.parse()?),
        };
        let entry = Self {
            number,
            erases,
            received_at: OffsetDateTime::parse(value(lines.next(), "received")?, &Rfc3339)
                .map_err(|_| EntryError)?,
            commitment: Hash::from_base64(value(lines.next(), "commitment")?).ok_or(EntryError)?,
        };
        let coherent = match entry.erases {
            None => number.series == Series::Report,
            Some(erased) => number.series == Series::Erasure && erased.series == Series::Report,
        };
        if coherent && entry.to_string() == text {
            Ok(entry)
        } else {
            Err(EntryError)
        }
    }
}

/// What an entry says of its record: SHA-256 over a label and the record, whose first
/// [`SALT_LEN`] octets are its random salt. Who is given the record can check it against the log.
pub fn commitment(record: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(COMMITMENT);
    context.update(record);
    #[expect(clippy::expect_used, reason = "SHA-256 gives 32 octets")]
    Hash::from_slice(context.finish().as_ref()).expect("32 octets")
}

fn value<'a>(line: Option<&'a str>, name: &str) -> Result<&'a str, EntryError> {
    line.and_then(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .ok_or(EntryError)
}

fn to_millisecond(at: OffsetDateTime) -> OffsetDateTime {
    let at = at.to_offset(time::UtcOffset::UTC);
    at.replace_millisecond(at.millisecond()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn entry() -> Entry {
        let at = datetime!(2026-11-22 16:24:17.123_456 +1);
        Entry::report((2026, 123), at, commitment(b"record"))
    }

    #[test]
    fn the_canonical_text_is_fixed() {
        assert_eq!(
            entry().to_string(),
            format!(
                "liaison report entry 1\nnumber EM-2026-000123\n\
                 received 2026-11-22T15:24:17.123Z\ncommitment {}\n",
                commitment(b"record")
            )
        );
        let erased = entry().number();
        let erasure = Entry::erasure(
            (2026, 1),
            datetime!(2026-12-01 0:00 UTC),
            commitment(b"x"),
            erased,
        );
        assert!(
            erasure.to_string().starts_with(
                "liaison report entry 1\nnumber EF-2026-000001\nerases EM-2026-000123\n"
            )
        );
    }

    #[test]
    fn an_entry_is_read_back_and_no_other_text_is_one() {
        let entry = entry();
        let text = entry.to_string();
        assert_eq!(text.parse::<Entry>().unwrap(), entry);
        for bad in [
            String::new(),
            text.replace('\n', "\r\n"),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            format!("{text}author x\n"),
            text.replace("entry 1", "entry 2"),
            text.replace("EM-2026-000123", "EM-2026-123"),
            text.replace("EM-2026-000123", "EM-2026-000000"),
            text.replace("EM-2026", "EF-2026"),
            text.replace("17.123Z", "17.1230Z"),
            text.replace("number", "erases EM-2026-000001\nnumber"),
        ] {
            assert_eq!(bad.parse::<Entry>(), Err(EntryError), "{bad}");
        }
    }

    #[test]
    fn every_octet_of_an_entry_counts_in_its_leaf() {
        let one = entry();
        let at = one.received_at() + time::Duration::MILLISECOND;
        let later = Entry::report((2026, 123), at, one.commitment());
        let next = Entry::report((2026, 124), one.received_at(), one.commitment());
        let other = Entry::report((2026, 123), one.received_at(), commitment(b"recorD"));
        for different in [later, next, other] {
            assert_ne!(different.leaf(), one.leaf());
        }
    }

    #[test]
    fn numbers_beyond_six_digits_stay_readable() {
        let number: Number = "EM-2026-1000000".parse().unwrap();
        assert_eq!(number.serial, 1_000_000);
        assert_eq!(number.to_string(), "EM-2026-1000000");
        for bad in [
            "EM-2026-0100000000",
            "XX-2026-000001",
            "EM-26-000001",
            "EM-2026-+00001",
        ] {
            assert!(bad.parse::<Number>().is_err(), "{bad}");
        }
    }
}
