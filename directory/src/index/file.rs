//! The sections of an index file.
//!
//! `liaison-index 2\n`, the sections one after the other, a JSON table of their places, the length
//! of that table in eight octets.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

pub(super) const MAGIC: &[u8] = b"liaison-index 2\n";

/// Writes sections one after the other.
pub(super) struct SectionWriter<W> {
    out: W,
    at: u64,
    table: BTreeMap<String, (u64, u64)>,
}

impl<W: Write> SectionWriter<W> {
    pub(super) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        Ok(Self {
            out,
            at: MAGIC.len() as u64,
            table: BTreeMap::new(),
        })
    }

    /// Where the next octet is written.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Writes octets that belong to no section.
    pub(super) fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        self.out.write_all(octets)?;
        self.at += octets.len() as u64;
        Ok(())
    }

    /// Writes a section.
    pub(super) fn section(&mut self, name: &str, octets: &[u8]) -> io::Result<()> {
        let from = self.at;
        self.write(octets)?;
        self.table.insert(name.to_owned(), (from, self.at));
        Ok(())
    }

    /// Names what was written from `from` on.
    pub(super) fn name(&mut self, name: &str, from: u64) {
        self.table.insert(name.to_owned(), (from, self.at));
    }

    /// Writes a section of numbers, each as `octets` gives it.
    pub(super) fn numbers<const N: usize>(
        &mut self,
        name: &str,
        numbers: impl Iterator<Item = [u8; N]>,
    ) -> io::Result<()> {
        let from = self.at;
        let mut buffer = Vec::with_capacity(64 * 1024 + N);
        for number in numbers {
            buffer.extend_from_slice(&number);
            if buffer.len() >= 64 * 1024 {
                self.write(&buffer)?;
                buffer.clear();
            }
        }
        self.write(&buffer)?;
        self.table.insert(name.to_owned(), (from, self.at));
        Ok(())
    }

    /// Writes the table and gives the output back.
    pub(super) fn finish(mut self) -> io::Result<W> {
        let table = serde_json::to_vec(&self.table).map_err(io::Error::other)?;
        self.out.write_all(&table)?;
        self.out.write_all(&(table.len() as u64).to_le_bytes())?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// An index file that is read.
pub(super) struct Sections {
    octets: Octets,
    table: BTreeMap<String, (u64, u64)>,
}

enum Octets {
    File(File),
    Memory(Vec<u8>),
}

impl Sections {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Self::of(Octets::File(file), length)
    }

    pub(super) fn in_memory(octets: Vec<u8>) -> io::Result<Self> {
        let length = octets.len() as u64;
        Self::of(Octets::Memory(octets), length)
    }

    fn of(octets: Octets, length: u64) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "not an index of this version");
        let mut sections = Self {
            octets,
            table: BTreeMap::new(),
        };
        let magic = MAGIC.len() as u64;
        let end = length
            .checked_sub(8)
            .filter(|end| *end > magic)
            .ok_or_else(wrong)?;
        if sections.range(0..magic)? != MAGIC {
            return Err(wrong());
        }
        let size = sections.range(end..length)?;
        let size = u64::from_le_bytes(size.try_into().map_err(|_| wrong())?);
        let start = end
            .checked_sub(size)
            .filter(|start| *start >= magic)
            .ok_or_else(wrong)?;
        sections.table =
            serde_json::from_slice(&sections.range(start..end)?).map_err(|_| wrong())?;
        if sections
            .table
            .values()
            .any(|(from, to)| from > to || *to > start)
        {
            return Err(wrong());
        }
        Ok(sections)
    }

    /// The octets of a range of the file.
    pub(super) fn range(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        let length =
            usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        match &self.octets {
            Octets::File(file) => {
                let mut octets = vec![0; length];
                file.read_exact_at(&mut octets, range.start)?;
                Ok(octets)
            }
            Octets::Memory(all) => {
                let from = usize::try_from(range.start).map_err(io::Error::other)?;
                all.get(from..from.saturating_add(length))
                    .map(<[u8]>::to_vec)
                    .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
            }
        }
    }

    /// A whole section.
    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let (from, to) = self
            .table
            .get(name)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a section is missing"))?;
        self.range(*from..*to)
    }

    pub(super) fn numbers(&self, name: &str) -> io::Result<Vec<u32>> {
        self.chunks(name, u32::from_le_bytes)
    }

    pub(super) fn short_numbers(&self, name: &str) -> io::Result<Vec<u16>> {
        self.chunks(name, u16::from_le_bytes)
    }

    pub(super) fn long_numbers(&self, name: &str) -> io::Result<Vec<u64>> {
        self.chunks(name, u64::from_le_bytes)
    }

    /// The numbers of a section, read in pieces so that it is never in memory twice.
    fn chunks<const N: usize, T>(
        &self,
        name: &str,
        number: fn([u8; N]) -> T,
    ) -> io::Result<Vec<T>> {
        const PIECE: u64 = 1024 * 1024;
        let (from, to) = *self
            .table
            .get(name)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a section is missing"))?;
        let mut numbers = Vec::with_capacity(usize::try_from((to - from) / N as u64).unwrap_or(0));
        let mut at = from;
        while at < to {
            let end = to.min(at + PIECE);
            let octets = self.range(at..end)?;
            let (pieces, _) = octets.as_chunks::<N>();
            numbers.extend(pieces.iter().map(|piece| number(*piece)));
            at = end;
        }
        Ok(numbers)
    }
}
