//! An external merge sort of claims by subject, in a bounded memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::claim;

/// Sorts claims by the key of their subject. Those of one subject are joined.
pub(crate) struct Sorter {
    folder: PathBuf,
    budget: usize,
    arena: Vec<u8>,
    /// Where each record starts in the arena.
    starts: Vec<u32>,
    runs: Vec<File>,
}

impl Sorter {
    /// Keeps at most about `budget` octets in memory and the rest in unnamed files of `folder`.
    pub(crate) fn new(folder: &Path, budget: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            budget: budget.min(u32::MAX as usize / 2),
            arena: Vec::new(),
            starts: Vec::new(),
            runs: Vec::new(),
        }
    }

    /// Adds a claim.
    pub(crate) fn push(&mut self, key: &str, claim: &[u8]) -> io::Result<()> {
        let size = key.len() + claim.len() + 10;
        if !self.starts.is_empty() && self.arena.len() + size > self.budget {
            self.spill()?;
        }
        // The budget keeps the arena below 4 GiB.
        self.starts
            .push(u32::try_from(self.arena.len()).map_err(io::Error::other)?);
        write_record(key.as_bytes(), claim, &mut self.arena);
        Ok(())
    }

    /// The sorted claims.
    pub(crate) fn finish(mut self) -> io::Result<Sorted> {
        self.sort();
        let mut sources = Vec::with_capacity(self.runs.len() + 1);
        for mut run in self.runs {
            run.rewind()?;
            sources.push(Run::File(BufReader::with_capacity(256 * 1024, run)));
        }
        sources.push(Run::Memory {
            arena: self.arena,
            starts: self.starts.into_iter(),
        });
        let mut sorted = Sorted {
            sources,
            heap: BinaryHeap::new(),
        };
        for index in 0..sorted.sources.len() {
            sorted.refill(index)?;
        }
        Ok(sorted)
    }

    fn sort(&mut self) {
        let arena = &self.arena;
        let record = |start: u32| read_record(arena.get(start as usize..).unwrap_or_default());
        self.starts
            .sort_unstable_by(|a, b| record(*a).cmp(&record(*b)));
    }

    fn spill(&mut self) -> io::Result<()> {
        self.sort();
        let mut run = BufWriter::with_capacity(256 * 1024, tempfile::tempfile_in(&self.folder)?);
        let mut record = Vec::new();
        for start in &self.starts {
            let octets = self.arena.get(*start as usize..).unwrap_or_default();
            if let Some((key, claim)) = read_record(octets) {
                record.clear();
                write_record(key, claim, &mut record);
                run.write_all(&record)?;
            }
        }
        self.runs
            .push(run.into_inner().map_err(io::IntoInnerError::into_error)?);
        self.arena.clear();
        self.starts.clear();
        Ok(())
    }
}

/// `key length (LEB128), claim length (LEB128), key, claim`.
fn write_record(key: &[u8], claim: &[u8], into: &mut Vec<u8>) {
    claim::push_number(key.len(), into);
    claim::push_number(claim.len(), into);
    into.extend_from_slice(key);
    into.extend_from_slice(claim);
}

fn read_record(mut octets: &[u8]) -> Option<(&[u8], &[u8])> {
    let key = claim::take_number(&mut octets)?;
    let value = claim::take_number(&mut octets)?;
    Some((
        claim::take(&mut octets, key)?,
        claim::take(&mut octets, value)?,
    ))
}

enum Run {
    File(BufReader<File>),
    Memory {
        arena: Vec<u8>,
        starts: std::vec::IntoIter<u32>,
    },
}

type Pair = (Vec<u8>, Vec<u8>);
/// The next pair of a run, with the run's number.
type Head = (Vec<u8>, Vec<u8>, usize);

impl Run {
    fn next(&mut self) -> io::Result<Option<Pair>> {
        match self {
            Self::Memory { arena, starts } => Ok(starts
                .next()
                .and_then(|start| read_record(arena.get(start as usize..)?))
                .map(|(key, claim)| (key.to_vec(), claim.to_vec()))),
            Self::File(run) => {
                let Some(key) = read_number(run)? else {
                    return Ok(None);
                };
                let claim = read_number(run)?.ok_or(io::ErrorKind::UnexpectedEof)?;
                let mut pair = (vec![0; key], vec![0; claim]);
                run.read_exact(&mut pair.0)?;
                run.read_exact(&mut pair.1)?;
                Ok(Some(pair))
            }
        }
    }
}

/// A length; `None` at the end of the file.
pub(super) fn read_number(from: &mut impl io::Read) -> io::Result<Option<usize>> {
    let mut number = 0_usize;
    for (index, shift) in [0, 7, 14, 21].into_iter().enumerate() {
        let mut octet = [0];
        if from.read(&mut octet)? == 0 {
            return match index {
                0 => Ok(None),
                _ => Err(io::ErrorKind::UnexpectedEof.into()),
            };
        }
        let [octet] = octet;
        number |= usize::from(octet & 0x7f) << shift;
        if octet & 0x80 == 0 {
            return Ok(Some(number));
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// The claims in the order of their subjects, one a subject.
pub(crate) struct Sorted {
    sources: Vec<Run>,
    heap: BinaryHeap<Reverse<Head>>,
}

impl Sorted {
    fn refill(&mut self, index: usize) -> io::Result<()> {
        if let Some(run) = self.sources.get_mut(index)
            && let Some((key, claim)) = run.next()?
        {
            self.heap.push(Reverse((key, claim, index)));
        }
        Ok(())
    }

    fn pop(&mut self) -> io::Result<Option<Pair>> {
        let Some(Reverse((key, claim, index))) = self.heap.pop() else {
            return Ok(None);
        };
        self.refill(index)?;
        Ok(Some((key, claim)))
    }

    /// The next subject's key and claim.
    pub(crate) fn next(&mut self) -> io::Result<Option<(String, Vec<u8>)>> {
        let Some((key, first)) = self.pop()? else {
            return Ok(None);
        };
        let mut others: Vec<Vec<u8>> = Vec::new();
        while self.heap.peek().is_some_and(|Reverse(next)| next.0 == key) {
            if let Some((_, claim)) = self.pop()?
                && *others.last().unwrap_or(&first) != claim
            {
                others.push(claim);
            }
        }
        let key = String::from_utf8(key).map_err(io::Error::other)?;
        if others.is_empty() {
            return Ok(Some((key, first)));
        }
        others.insert(0, first);
        let mut joined = Vec::new();
        claim::join(&others, &mut joined);
        Ok(Some((key, joined)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Field, Period};

    #[test]
    fn what_does_not_fit_in_memory_is_sorted_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path(), 400);
        for number in (0..100).rev() {
            for value in ["b", "a"] {
                let mut claim = Vec::new();
                let facts = [(Field::Phone, value)];
                claim::encode(Period::ALWAYS, facts.into_iter(), &mut claim);
                sorter.push(&format!("k{number:03}"), &claim).unwrap();
            }
        }
        assert!(sorter.runs.len() > 3);
        let mut sorted = sorter.finish().unwrap();
        for number in 0..100 {
            let (key, claim) = sorted.next().unwrap().unwrap();
            assert_eq!(key, format!("k{number:03}"));
            assert_eq!(claim::Claim::read(&claim).unwrap().count(), 2);
        }
        assert!(sorted.next().unwrap().is_none());
    }
}
