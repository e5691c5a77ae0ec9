//! National registers that nobody is in: files of the real shape and size, made from a seed.
//!
//! Everything is a function of the seed and a number: [`Registers::person`] says who is in the
//! file without reading it, so that a test or a benchmark knows the right answer.
//!
//! - `names.rs`: family names, given names, towns and structures that sound French.
//! - `files.rs`: the files as published: columns, delimiters, empty fields.
//! - `fault.rs`: what goes wrong with files: [`Fault`].
//!
//! What is kept of the real files (see the published descriptions): one line a person and
//! structure, 1.17 lines a person; 56 columns and an empty 57th; more than half of the lines with a
//! FINESS number; large hospitals and cabinets of one; Paris as one commune; salaried people
//! without any address; hyphens, particles, accents in given names alone; namesakes; mailboxes of
//! a quarter of the people, in five thousand domains of which most have four; addresses on several
//! lines. RPPS numbers begin with 999 and FINESS numbers with 99: none exists.

mod fault;
mod files;
mod names;

use std::path::{Path, PathBuf};

pub use fault::{Fault, corrupt};

/// How much there is of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// People of the register.
    pub people: u32,
    /// Structures with a FINESS number.
    pub establishments: u32,
    /// Towns.
    pub towns: u32,
    /// Domains of mailboxes.
    pub domains: u32,
}

impl Size {
    /// As France: 2.3 million lines of activity, 0.54 million mailboxes.
    pub const FRANCE: Self = Self {
        people: 1_965_000,
        establishments: 103_000,
        towns: 35_000,
        domains: 5_000,
    };

    /// One part in `parts` of France.
    #[must_use]
    pub fn part(parts: u32) -> Self {
        let whole = Self::FRANCE;
        let part = |number: u32| (number / parts).max(3);
        Self {
            people: part(whole.people),
            establishments: part(whole.establishments),
            towns: part(whole.towns),
            domains: part(whole.domains),
        }
    }
}

/// The registers of one seed.
#[derive(Debug, Clone, Copy)]
pub struct Registers {
    seed: u64,
    size: Size,
}

/// The files of a set of registers.
#[derive(Debug, Clone)]
pub struct Files {
    /// `PS_LibreAcces_Personne_activite`.
    pub activities: PathBuf,
    /// `PS_LibreAcces_SavoirFaire`.
    pub skills: PathBuf,
    /// `Extraction_Correspondance_MSSante`.
    pub mailboxes: PathBuf,
    /// FINESS, the former CSV.
    pub finess: PathBuf,
    /// FINESS+, the JSON of structures.
    pub finess_plus: PathBuf,
    /// Towns with their centres.
    pub communes: PathBuf,
}

/// Somebody in the registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Someone {
    /// Eleven digits.
    pub rpps: String,
    /// As published: capitals, no accents.
    pub family: String,
    /// With accents.
    pub given: String,
    /// TRE_G15.
    pub profession: &'static str,
    /// Its secure address, if it has one.
    pub address: Option<String>,
    /// The name of the town of the first line of activity, if it has an address.
    pub town: Option<String>,
}

impl Registers {
    /// The registers of a seed.
    #[must_use]
    pub fn new(seed: u64, size: Size) -> Self {
        Self { seed, size }
    }

    /// How many people there are: numbers below are somebody's.
    #[must_use]
    pub fn people(&self) -> u32 {
        self.size.people
    }

    /// Who has a number.
    #[must_use]
    pub fn person(&self, number: u32) -> Someone {
        let person = self.identity(number);
        let place = self.place(number, 0);
        Someone {
            address: self.address(number, &person),
            town: place.map(|place| self.town(place.town()).name),
            rpps: person.rpps,
            family: person.family,
            given: person.given,
            profession: person.profession.0,
        }
    }

    /// Writes all files, dated `day` (`20261122`), into `folder`.
    ///
    /// # Panics
    /// When the disk is full.
    #[must_use]
    pub fn write(&self, folder: &Path, day: &str) -> Files {
        files::write(self, folder, day).expect("the registers are written")
    }

    /// A number that nothing but the seed, the purpose and `number` decide.
    fn draw(&self, purpose: &str, number: u64) -> Draw {
        let mut state = self.seed;
        for octet in purpose.bytes() {
            state = mix(state ^ u64::from(octet));
        }
        Draw(mix(state ^ number))
    }
}

/// A stream of numbers (splitmix64).
#[derive(Debug, Clone, Copy)]
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Below `end`, evenly.
    fn below(&mut self, end: u32) -> u32 {
        u32::try_from((u128::from(self.next()) * u128::from(end.max(1))) >> 64).unwrap()
    }

    /// Below `end`, small numbers far more often: the square of an even one.
    fn skewed(&mut self, end: u32) -> u32 {
        let even = u64::from(self.below(1 << 20));
        u32::try_from((even * even * u64::from(end)) >> 40).unwrap()
    }

    fn percent(&mut self, chance: u32) -> bool {
        self.below(100) < chance
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(u32::try_from(list.len()).unwrap()) as usize]
    }
}

fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A number with the check digit of Luhn behind it.
fn luhn(digits: &str) -> String {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(digit - b'0') * if place % 2 == 0 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_is_luhns() {
        assert_eq!(luhn("7992739871"), "79927398713");
    }

    #[test]
    fn a_seed_says_who_is_in_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let registers = Registers::new(7, Size::part(5_000));
        let files = registers.write(folder.path(), "20261122");
        let rows = std::fs::read_to_string(&files.activities).unwrap();
        assert_eq!(rows.lines().next().unwrap().split('|').count(), 57);
        assert!(rows.lines().all(|line| line.split('|').count() == 57));
        let boxes = std::fs::read_to_string(&files.mailboxes).unwrap();
        assert!(boxes.lines().all(|line| line.split('|').count() == 31));
        let finess = std::fs::read_to_string(&files.finess).unwrap();
        assert!(
            finess
                .lines()
                .skip(1)
                .all(|line| line.split(';').count() == 32)
        );
        for number in [0, 1, 100, registers.people() - 1] {
            let person = registers.person(number);
            let expected = format!("|8{}|", person.rpps);
            assert!(rows.contains(&expected), "{person:?}");
            if let Some(address) = person.address {
                assert!(boxes.contains(&address), "{address}");
            }
        }
        let again = Registers::new(7, Size::part(5_000)).person(100);
        assert_eq!(again, registers.person(100));
        assert_ne!(Registers::new(8, Size::part(5_000)).person(100), again);
    }
}
