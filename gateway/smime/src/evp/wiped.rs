//! Buffers that are wiped.

use std::ops::{Deref, DerefMut};

use aws_lc_sys as ffi;

/// A buffer for plain content. All that it ever held is wiped: when it grows, and when it is
/// dropped. `zeroize` writes one octet at a time, which takes longer than decrypting them.
#[derive(Default)]
pub(crate) struct Wiped(Vec<u8>);

impl Wiped {
    pub(crate) fn with_capacity(octets: usize) -> Self {
        Self(Vec::with_capacity(octets))
    }

    /// Appends octets.
    pub(crate) fn append(&mut self, octets: &[u8]) {
        self.make_room(self.0.len() + octets.len());
        self.0.extend_from_slice(octets);
    }

    /// Makes it so long; octets that are added are zeroes.
    pub(crate) fn resize(&mut self, length: usize) {
        self.make_room(length);
        self.0.resize(length, 0);
    }

    /// Makes it shorter, if it is longer.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.0.truncate(length);
    }

    /// Empties it; its memory stays, to be used again.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn make_room(&mut self, length: usize) {
        if length > self.0.capacity() {
            let mut larger = Vec::with_capacity(length.max(self.0.capacity() * 2));
            larger.extend_from_slice(&self.0);
            // The smaller one is wiped.
            *self = Self(larger);
        }
    }
}

impl Deref for Wiped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Wiped {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.clear();
        let capacity = self.0.capacity();
        // SAFETY: the vector owns so many octets from this address, initialised or not, and holds
        // no element any more.
        unsafe { ffi::OPENSSL_cleanse(self.0.as_mut_ptr().cast(), capacity) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_a_vector_holds() {
        let mut buffer = Wiped::default();
        let mut expected = Vec::new();
        for length in [0usize, 1, 7, 100, 5000] {
            let octets = vec![length as u8; length];
            buffer.append(&octets);
            expected.extend_from_slice(&octets);
            assert_eq!(*buffer, *expected);
        }
        buffer.truncate(3);
        buffer.resize(9000);
        expected.truncate(3);
        expected.resize(9000, 0);
        assert_eq!(*buffer, *expected);
        buffer.clear();
        assert!(buffer.is_empty());
    }
}
