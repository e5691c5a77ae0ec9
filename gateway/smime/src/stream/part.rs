//! A part of another source, and canonical line endings.

use std::ops;

use memchr::memchr_iter;

use super::{Fault, Source};

/// Some of the octets of another source.
pub(crate) struct Range<S> {
    inner: S,
    skip: u64,
    left: u64,
}

impl<S: Source> Range<S> {
    /// The octets from `start`, `length` of them if it is given.
    pub(crate) fn new(inner: S, start: u64, length: Option<u64>) -> Self {
        Self {
            inner,
            skip: start,
            left: length.unwrap_or(u64::MAX),
        }
    }
}

impl<S: Source> Source for Range<S> {
    fn chunk(&mut self) -> Result<&[u8], Fault> {
        while self.skip > 0 {
            let available = self.inner.chunk()?.len();
            if available == 0 {
                return Ok(&[]);
            }
            let count = (available as u64).min(self.skip);
            self.inner
                .consume(usize::try_from(count).unwrap_or(available));
            self.skip -= count;
        }
        if self.left == 0 {
            return Ok(&[]);
        }
        let chunk = self.inner.chunk()?;
        let end = usize::try_from(self.left).map_or(chunk.len(), |left| chunk.len().min(left));
        Ok(&chunk[..end])
    }

    fn consume(&mut self, count: usize) {
        self.inner.consume(count);
        self.left = self.left.saturating_sub(count as u64);
    }
}

/// Feeds `octets` to `sink` with every bare LF made CRLF, the form that RFC 8551 §3.1.1 signs.
/// `after_cr` says whether the octet before was CR, and is kept up to date; the answer is how
/// many CR were added.
pub(crate) fn canonicalize<E>(
    octets: &[u8],
    after_cr: &mut bool,
    mut sink: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<u64, E> {
    let mut from = 0;
    let mut added = 0;
    for lf in memchr_iter(b'\n', octets) {
        let crlf = match lf.checked_sub(1) {
            Some(before) => octets[before] == b'\r',
            None => *after_cr,
        };
        if !crlf {
            sink(&octets[from..lf])?;
            sink(b"\r")?;
            from = lf;
            added += 1;
        }
    }
    sink(&octets[from..])?;
    if let Some(last) = octets.last() {
        *after_cr = *last == b'\r';
    }
    Ok(added)
}

/// Another source with every bare LF made CRLF.
pub(crate) struct Canonical<S> {
    inner: S,
    after_cr: bool,
    buffer: Vec<u8>,
    state: State,
}

enum State {
    /// Nothing is looked at.
    Idle,
    /// The first so many octets of the inner chunk need no change.
    Through(usize),
    /// These octets of the buffer.
    Rewritten(ops::Range<usize>),
}

impl<S: Source> Canonical<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self {
            inner,
            after_cr: false,
            buffer: Vec::new(),
            state: State::Idle,
        }
    }

    fn look(&mut self) -> Result<(), Fault> {
        let chunk = self.inner.chunk()?;
        let chunk = &chunk[..chunk.len().min(64 * 1024)];
        self.buffer.clear();
        let buffer = &mut self.buffer;
        let mut after_cr = self.after_cr;
        let mut bare = false;
        for lf in memchr_iter(b'\n', chunk) {
            let crlf = match lf.checked_sub(1) {
                Some(before) => chunk[before] == b'\r',
                None => after_cr,
            };
            if !crlf {
                bare = true;
                break;
            }
        }
        if !bare {
            if let Some(last) = chunk.last() {
                self.after_cr = *last == b'\r';
            }
            self.state = State::Through(chunk.len());
            return Ok(());
        }
        let written: Result<u64, Fault> = canonicalize(chunk, &mut after_cr, |octets| {
            buffer.extend_from_slice(octets);
            Ok(())
        });
        written?;
        let count = chunk.len();
        self.inner.consume(count);
        self.after_cr = after_cr;
        self.state = State::Rewritten(0..self.buffer.len());
        Ok(())
    }
}

impl<S: Source> Source for Canonical<S> {
    fn chunk(&mut self) -> Result<&[u8], Fault> {
        let done = match &self.state {
            State::Idle => true,
            State::Through(left) => *left == 0,
            State::Rewritten(range) => range.is_empty(),
        };
        if done {
            self.look()?;
        }
        match &self.state {
            State::Through(left) => Ok(&self.inner.chunk()?[..*left]),
            State::Rewritten(range) => Ok(&self.buffer[range.clone()]),
            State::Idle => Ok(&[]),
        }
    }

    fn consume(&mut self, count: usize) {
        match &mut self.state {
            State::Through(left) => {
                *left = left.saturating_sub(count);
                self.inner.consume(count);
            }
            State::Rewritten(range) => range.start = (range.start + count).min(range.end),
            State::Idle => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Dribble<'a>(&'a [u8], usize);

    impl Source for Dribble<'_> {
        fn chunk(&mut self) -> Result<&[u8], Fault> {
            Ok(&self.0[..self.0.len().min(self.1)])
        }

        fn consume(&mut self, count: usize) {
            self.0 = &self.0[count..];
        }
    }

    fn read(mut source: impl Source, at_once: usize) -> Vec<u8> {
        let mut read = Vec::new();
        loop {
            let chunk = source.chunk().unwrap();
            if chunk.is_empty() {
                return read;
            }
            let count = chunk.len().min(at_once);
            read.extend_from_slice(&chunk[..count]);
            source.consume(count);
        }
    }

    #[test]
    fn only_bare_line_feeds_change() {
        let canonical = |octets: &[u8]| read(Canonical::new(octets), 5);
        assert_eq!(canonical(b"a\nb\r\n\n"), b"a\r\nb\r\n\r\n");
        assert_eq!(canonical(b"a\r\nb"), b"a\r\nb");
        assert_eq!(canonical(b"\n\r\r\n"), b"\r\n\r\r\n");
    }

    proptest! {
        #[test]
        fn the_canonical_form_does_not_depend_on_the_chunks(
            octets in prop::collection::vec(prop::sample::select(&b"\r\nab"[..]), 0..60),
            sizes in (1usize..9, 1usize..9),
        ) {
            let mut expected = Vec::new();
            for (i, octet) in octets.iter().enumerate() {
                if *octet == b'\n' && (i == 0 || octets[i - 1] != b'\r') {
                    expected.push(b'\r');
                }
                expected.push(*octet);
            }
            let source = Canonical::new(Dribble(&octets, sizes.0));
            prop_assert_eq!(read(source, sizes.1), expected);
        }

        #[test]
        fn a_range_is_what_a_slice_is(octets: Vec<u8>, start in 0usize..20, length in 0usize..20, at_once in 1usize..9) {
            let expected: Vec<u8> = octets.iter().copied().skip(start).take(length).collect();
            let range = Range::new(Dribble(&octets, at_once), start as u64, Some(length as u64));
            prop_assert_eq!(read(range, 3), expected);
        }
    }
}
