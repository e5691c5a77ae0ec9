//! The file of an accepted set.
//!
//! `liaison-set 1\n`, then for each subject, sorted by key: the octets of the key shared with the
//! one before, the rest of the key, the claim (lengths in LEB128).

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

use super::claim::push_number;
use super::sort::read_number;

const MAGIC: &[u8] = b"liaison-set 1\n";
/// The longest key or claim taken from a file, in octets.
const MAX_PART: usize = 4 * 1024 * 1024;

/// Writes a set in the order of keys.
pub(crate) struct SetWriter {
    file: BufWriter<File>,
    last: Vec<u8>,
    head: Vec<u8>,
}

impl SetWriter {
    /// A new file; one that is there already is an error.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(256 * 1024, File::create_new(path)?);
        file.write_all(MAGIC)?;
        Ok(Self {
            file,
            last: Vec::new(),
            head: Vec::new(),
        })
    }

    pub(crate) fn push(&mut self, key: &str, claim: &[u8]) -> io::Result<()> {
        let key = key.as_bytes();
        let shared = self
            .last
            .iter()
            .zip(key)
            .take_while(|(a, b)| a == b)
            .count();
        let rest = key.get(shared..).unwrap_or_default();
        self.head.clear();
        push_number(shared, &mut self.head);
        push_number(rest.len(), &mut self.head);
        self.head.extend_from_slice(rest);
        push_number(claim.len(), &mut self.head);
        self.file.write_all(&self.head)?;
        self.file.write_all(claim)?;
        self.last.truncate(shared);
        self.last.extend_from_slice(rest);
        Ok(())
    }

    /// Makes the file durable.
    pub(crate) fn finish(self) -> io::Result<()> {
        let file = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        file.sync_all()
    }
}

/// Reads a set. The first subject is read on opening.
pub(crate) struct SetReader {
    file: BufReader<File>,
    key: Vec<u8>,
    claim: Vec<u8>,
    ended: bool,
}

impl SetReader {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(256 * 1024, File::open(path)?);
        let mut magic = [0; MAGIC.len()];
        file.read_exact(&mut magic)?;
        if magic != MAGIC {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "this is not a set of this version",
            ));
        }
        let mut reader = Self {
            file,
            key: Vec::new(),
            claim: Vec::new(),
            ended: false,
        };
        reader.advance()?;
        Ok(reader)
    }

    /// The subject that it stands at; `None` at the end.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        (!self.ended).then_some(&self.key)
    }

    /// What is said of that subject.
    pub(crate) fn claim(&self) -> &[u8] {
        &self.claim
    }

    /// Goes on to the next subject.
    pub(crate) fn advance(&mut self) -> io::Result<()> {
        let Some(shared) = read_number(&mut self.file)? else {
            self.ended = true;
            return Ok(());
        };
        let rest = self.length()?;
        self.key.truncate(shared);
        let shared = self.key.len();
        self.key.resize(shared + rest, 0);
        self.file
            .read_exact(self.key.get_mut(shared..).unwrap_or_default())?;
        let length = self.length()?;
        self.claim.resize(length, 0);
        self.file.read_exact(&mut self.claim)
    }

    fn length(&mut self) -> io::Result<usize> {
        let length = read_number(&mut self.file)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if length > MAX_PART {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(length)
    }
}
