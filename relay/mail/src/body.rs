//! The octets of a message that has arrived: in memory, or where its relay keeps them, read as they
//! are needed.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

/// A message's octets. Copies share them.
#[derive(Clone)]
pub enum Body {
    /// In memory.
    Held(Arc<[u8]>),
    /// Somewhere else.
    Kept(Arc<dyn ReadAt>),
}

/// Octets that are read piece by piece, by any number of readers.
pub trait ReadAt: Send + Sync {
    /// How many there are.
    fn size(&self) -> u64;

    /// Reads some from `at` on, and says how many; none only at the end. It may block.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;
}

impl Body {
    /// How many octets there are.
    pub fn size(&self) -> u64 {
        match self {
            Self::Held(octets) => octets.len() as u64,
            Self::Kept(octets) => octets.size(),
        }
    }

    /// Reads from the start on. What is not in memory is read with system calls that block.
    pub fn reader(&self) -> BodyCursor {
        BodyCursor {
            body: self.clone(),
            at: 0,
        }
    }

    /// All of it in memory. May block, as [`Body::reader`].
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn whole(&self) -> io::Result<Arc<[u8]>> {
        if let Self::Held(octets) = self {
            return Ok(Arc::clone(octets));
        }
        let mut octets = Vec::with_capacity(usize::try_from(self.size()).unwrap_or(0));
        self.reader().read_to_end(&mut octets)?;
        Ok(octets.into())
    }
}

impl From<Arc<[u8]>> for Body {
    fn from(octets: Arc<[u8]>) -> Self {
        Self::Held(octets)
    }
}

/// Shows the size, never the content.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} octets)", self.size())
    }
}

/// A body as a file that is read.
#[derive(Debug)]
pub struct BodyCursor {
    body: Body,
    at: u64,
}

impl Read for BodyCursor {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = match &self.body {
            Body::Held(octets) => {
                let start = usize::try_from(self.at).unwrap_or(usize::MAX);
                octets.get(start..).unwrap_or_default().read(into)?
            }
            Body::Kept(octets) => octets.read_at(self.at, into)?,
        };
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for BodyCursor {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::End(by) => (self.body.size(), by),
            SeekFrom::Current(by) => (self.at, by),
        };
        let before_the_start = || io::Error::from(io::ErrorKind::InvalidInput);
        self.at = from.checked_add_signed(by).ok_or_else(before_the_start)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Halting(Vec<u8>);

    impl ReadAt for Halting {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
            let most = into.len().min(3);
            let start = usize::try_from(at).unwrap().min(self.0.len());
            (&self.0[start..]).read(&mut into[..most])
        }
    }

    #[test]
    fn a_body_reads_alike_wherever_it_is() {
        let octets: Vec<u8> = (0..100).collect();
        let held = Body::from(Arc::from(octets.as_slice()));
        let kept = Body::Kept(Arc::new(Halting(octets.clone())));
        for body in [held, kept] {
            assert_eq!(body.size(), 100);
            assert_eq!(*body.whole().unwrap(), *octets);
            let mut reader = body.reader();
            assert_eq!(reader.seek(SeekFrom::End(-5)).unwrap(), 95);
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, octets[95..]);
            assert!(reader.seek(SeekFrom::Current(-101)).is_err());
            assert_eq!(format!("{body:?}"), "Body(100 octets)");
        }
    }
}
