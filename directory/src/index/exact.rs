//! Identifiers: a sorted table of 40 bits of a hash and 24 bits of a card.

use uuid::Uuid;

use super::Card;

/// The most cards: 24 bits.
pub(super) const MAX_CARDS: u32 = 1 << 24;

/// FNV-1a, 64 bits: the same on every machine, which the file needs.
pub(super) fn hash(octets: impl Iterator<Item = u8>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for octet in octets {
        hash = (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    }
    // The upper bits of FNV mix little for short texts.
    hash ^= hash >> 32;
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The key of an identifier such as `rpps:…`: 40 bits, ready for a card.
pub(super) fn key_of_text(text: &str) -> u64 {
    hash(text.bytes()) >> 24 << 24
}

/// The key of a stable identifier.
pub(super) fn key_of_id(id: Uuid) -> u64 {
    hash(id.as_bytes().iter().copied()) >> 24 << 24
}

pub(super) struct Exact {
    table: Vec<u64>,
}

impl Exact {
    pub(super) fn new(table: Vec<u64>) -> Self {
        Self { table }
    }

    /// The cards of a key, ascending.
    pub(super) fn find(&self, key: u64) -> impl Iterator<Item = Card> {
        let from = self.table.partition_point(|one| *one < key);
        self.table
            .get(from..)
            .unwrap_or_default()
            .iter()
            .take_while(move |one| **one >> 24 << 24 == key)
            .map(|one| (one & u64::from(MAX_CARDS - 1)) as Card)
    }
}
