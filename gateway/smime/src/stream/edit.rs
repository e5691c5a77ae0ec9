//! Octets left out of another source, or others put in their place.

use std::sync::Arc;

use super::{Fault, Source};

/// A change of some octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Where, counted before any change.
    pub(crate) at: u64,
    /// How many octets are left out.
    pub(crate) remove: u64,
    /// What takes their place.
    pub(crate) insert: Vec<u8>,
}

/// Another source with edits, which are in order and do not overlap.
pub(super) struct Edited<S> {
    inner: S,
    edits: Arc<[Edit]>,
    /// The edit that comes next, and what of it was put in already.
    next: usize,
    inserted: usize,
    /// Octets of the inner source that went by.
    position: u64,
}

impl<S: Source> Edited<S> {
    pub(super) fn new(inner: S, edits: Arc<[Edit]>) -> Self {
        Self {
            inner,
            edits,
            next: 0,
            inserted: 0,
            position: 0,
        }
    }

    /// Whether octets of an edit come next.
    fn is_inserting(&self) -> bool {
        self.edits
            .get(self.next)
            .is_some_and(|edit| self.position == edit.at && self.inserted < edit.insert.len())
    }
}

impl<S: Source> Source for Edited<S> {
    fn chunk(&mut self) -> Result<&[u8], Fault> {
        while let Some(edit) = self.edits.get(self.next)
            && self.position >= edit.at
            && !self.is_inserting()
        {
            let end = edit.at + edit.remove;
            while self.position < end {
                let available = self.inner.chunk()?.len() as u64;
                if available == 0 {
                    break;
                }
                let count = available.min(end - self.position);
                self.inner.consume(usize::try_from(count).unwrap_or(0));
                self.position += count;
            }
            self.next += 1;
            self.inserted = 0;
        }
        if self.is_inserting() {
            return Ok(&self.edits[self.next].insert[self.inserted..]);
        }
        let room = self.edits.get(self.next).map(|e| e.at - self.position);
        let chunk = self.inner.chunk()?;
        let room = room.and_then(|room| usize::try_from(room).ok());
        Ok(&chunk[..room.map_or(chunk.len(), |room| chunk.len().min(room))])
    }

    fn consume(&mut self, count: usize) {
        if self.is_inserting() {
            self.inserted += count;
        } else {
            self.inner.consume(count);
            self.position += count as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::head;

    #[test]
    fn octets_are_left_out_and_put_in() {
        let edit = |at, remove, insert: &[u8]| Edit {
            at,
            remove,
            insert: insert.to_vec(),
        };
        let edited = |edits: Vec<Edit>| {
            let mut source = Edited::new(&b"abcdef"[..], edits.into());
            String::from_utf8(head(&mut source, 100).unwrap()).unwrap()
        };
        assert_eq!(edited(vec![]), "abcdef");
        assert_eq!(edited(vec![edit(0, 2, b"")]), "cdef");
        assert_eq!(edited(vec![edit(0, 1, b"X"), edit(1, 1, b"YZ")]), "XYZcdef");
        assert_eq!(edited(vec![edit(2, 3, b"-"), edit(6, 0, b"!")]), "ab-f!");
        assert_eq!(edited(vec![edit(4, 100, b"")]), "abcd");
    }
}
