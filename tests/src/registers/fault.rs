//! What goes wrong with published files.

use std::fs;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;

use super::{Draw, mix};

/// A fault of a file of lines whose first names its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The transfer broke off after so many percent of its octets, inside a line.
    Truncated(u32),
    /// The columns stand in the opposite order: a new edition.
    Reordered,
    /// This column is missing.
    Without(&'static str),
    /// So many percent of the lines are gone.
    Deleted(u32),
    /// So many percent of the lines have too few fields.
    Broken(u32),
    /// In so many percent of the lines one text stands in place of another.
    Replaced(u32, &'static str, &'static str),
    /// Latin-1 instead of UTF-8.
    Latin1,
}

/// Writes `from` with a fault to `to`; which lines it meets is decided by `seed`.
///
/// # Panics
/// When a file cannot be read or written.
pub fn corrupt(from: &Path, to: &Path, fault: Fault, seed: u64) {
    if let Fault::Truncated(percent) = fault {
        let octets = fs::read(from).unwrap();
        let end = octets.len() * percent as usize / 100;
        return fs::write(to, &octets[..end]).unwrap();
    }
    let lines = BufReader::new(fs::File::open(from).unwrap()).lines();
    let mut out = BufWriter::new(fs::File::create(to).unwrap());
    let mut draw = Draw(mix(seed));
    let mut missing = None;
    for (number, line) in lines.enumerate() {
        let mut line = line.unwrap();
        let fields: Vec<&str> = line.split('|').collect();
        let is_head = number == 0;
        line = match fault {
            Fault::Reordered => fields.iter().rev().copied().collect::<Vec<_>>().join("|"),
            Fault::Without(name) => {
                let at = *missing
                    .get_or_insert_with(|| fields.iter().position(|field| *field == name).unwrap());
                let others = fields.iter().enumerate().filter(|(place, _)| *place != at);
                others
                    .map(|(_, field)| *field)
                    .collect::<Vec<_>>()
                    .join("|")
            }
            Fault::Deleted(percent) if !is_head && draw.percent(percent) => continue,
            Fault::Broken(percent) if !is_head && draw.percent(percent) => {
                fields.iter().take(3).copied().collect::<Vec<_>>().join("|")
            }
            Fault::Replaced(percent, old, new) if !is_head && draw.percent(percent) => {
                line.replace(old, new)
            }
            _ => line,
        };
        if fault == Fault::Latin1 {
            let octets: Vec<u8> = line
                .chars()
                .map(|letter| u8::try_from(u32::from(letter)).unwrap_or(b'?'))
                .collect();
            out.write_all(&octets).unwrap();
            out.write_all(b"\n").unwrap();
        } else {
            writeln!(out, "{line}").unwrap();
        }
    }
    out.flush().unwrap();
}
