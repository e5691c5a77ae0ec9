//! Where a message lies while it is worked on: in memory, or in a file that the caller gives.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use crate::stream::{Fault, Source};

/// Octets that are read from their start more than once: sealing takes two passes over a message,
/// opening a few more. Nothing is ever written to it.
///
/// A message in memory is borrowed or shared, never copied. One in a file is read through a
/// buffer of 64 KiB, whatever its size.
///
/// ```
/// use std::io::Cursor;
/// use liaison_smime::Spool;
///
/// let borrowed = Spool::from(b"From: a@b.test\r\n\r\nx");
/// let owned = Spool::from(vec![1, 2, 3]);
/// let file = Spool::file(Cursor::new(vec![1, 2, 3])); // a std::fs::File in earnest
/// # drop((borrowed, owned, file));
/// ```
pub struct Spool<'a>(Place<'a>);

enum Place<'a> {
    Memory(Cow<'a, [u8]>),
    Shared(Arc<[u8]>),
    File(Box<dyn ReadSeek + Send + 'a>),
}

trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// Octets read from a file at once.
const BUFFER: usize = 64 * 1024;

impl<'a> Spool<'a> {
    /// A spool over a file, or anything else that can be read and wound back. It must not change
    /// while it is worked on; if it does, reading fails, and never yields what was not
    /// authenticated.
    pub fn file(file: impl Read + Seek + Send + 'a) -> Self {
        Self(Place::File(Box::new(file)))
    }

    /// How many octets there are.
    pub(crate) fn size(&mut self) -> Result<u64, Fault> {
        match &mut self.0 {
            Place::Memory(octets) => Ok(octets.len() as u64),
            Place::Shared(octets) => Ok(octets.len() as u64),
            Place::File(file) => Ok(file.seek(SeekFrom::End(0))?),
        }
    }

    /// Reads from `start` on.
    pub(crate) fn read_from(&mut self, start: u64) -> Result<Box<dyn Source + '_>, Fault> {
        let octets: &[u8] = match &mut self.0 {
            Place::File(file) => {
                file.seek(SeekFrom::Start(start))?;
                return Ok(Box::new(FileSource {
                    file,
                    buffer: vec![0; BUFFER],
                    filled: 0..0,
                }));
            }
            Place::Memory(octets) => octets,
            Place::Shared(octets) => octets,
        };
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        Ok(Box::new(octets.get(start..).unwrap_or_default()))
    }
}

impl<'a> From<&'a [u8]> for Spool<'a> {
    fn from(octets: &'a [u8]) -> Self {
        Self(Place::Memory(Cow::Borrowed(octets)))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Spool<'a> {
    fn from(octets: &'a [u8; N]) -> Self {
        Self(Place::Memory(Cow::Borrowed(octets)))
    }
}

impl<'a> From<&'a Vec<u8>> for Spool<'a> {
    fn from(octets: &'a Vec<u8>) -> Self {
        Self(Place::Memory(Cow::Borrowed(octets)))
    }
}

impl From<Vec<u8>> for Spool<'_> {
    fn from(octets: Vec<u8>) -> Self {
        Self(Place::Memory(Cow::Owned(octets)))
    }
}

impl From<Arc<[u8]>> for Spool<'_> {
    fn from(octets: Arc<[u8]>) -> Self {
        Self(Place::Shared(octets))
    }
}

impl fmt::Debug for Spool<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Place::Memory(_) | Place::Shared(_) => "Spool(memory)",
            Place::File(_) => "Spool(file)",
        })
    }
}

impl Source for &[u8] {
    fn chunk(&mut self) -> Result<&[u8], Fault> {
        Ok(self)
    }

    fn consume(&mut self, count: usize) {
        *self = self.get(count..).unwrap_or_default();
    }
}

struct FileSource<'s, 'a> {
    file: &'s mut Box<dyn ReadSeek + Send + 'a>,
    buffer: Vec<u8>,
    filled: std::ops::Range<usize>,
}

impl Source for FileSource<'_, '_> {
    fn chunk(&mut self) -> Result<&[u8], Fault> {
        if self.filled.is_empty() {
            let count = loop {
                match self.file.read(&mut self.buffer) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
            self.filled = 0..count;
        }
        Ok(&self.buffer[self.filled.clone()])
    }

    fn consume(&mut self, count: usize) {
        self.filled.start = (self.filled.start + count).min(self.filled.end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(source: &mut dyn Source) -> Vec<u8> {
        let mut read = Vec::new();
        loop {
            let chunk = source.chunk().unwrap();
            if chunk.is_empty() {
                return read;
            }
            // Not more than 1000 at once, to meet the edges of the buffer.
            let count = chunk.len().min(1000);
            read.extend_from_slice(&chunk[..count]);
            source.consume(count);
        }
    }

    #[test]
    fn a_file_and_memory_read_the_same_from_anywhere() {
        let octets: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        let mut memory = Spool::from(&octets);
        let mut file = Spool::file(io::Cursor::new(octets.clone()));
        assert_eq!(file.size().unwrap(), 200_000);
        for start in [0, 1, 65_536, 199_999, 200_000, 200_001] {
            let expected = octets.get(start..).unwrap_or_default();
            assert!(all(&mut *memory.read_from(start as u64).unwrap()) == expected);
            assert!(all(&mut *file.read_from(start as u64).unwrap()) == expected);
        }
    }
}
