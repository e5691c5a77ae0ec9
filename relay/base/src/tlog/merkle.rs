//! The Merkle tree of an append-only log (RFC 6962 §2.1; verification as RFC 9162 §2.1.3 and
//! §2.1.4). Pure: a caller keeps the hashes and says which ones it has.
//!
//! Only hashes of *complete* subtrees are kept, for they never change again. Everything else (the
//! root, a proof) is a fold over the few of them that [`nodes_of`] names, at most one a level.

use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Context, SHA256, digest};
use thiserror::Error;

/// Octets of a hash.
pub const HASH_LEN: usize = 32;
/// Most hashes in a proof about a tree of fewer than 2^63 leaves. A consistency proof may have one
/// more than the tree has levels (RFC 9162 §2.1.4.1).
pub const MAX_PROOF: usize = 64;
/// First octet under a leaf's hash (RFC 6962 §2.1).
const LEAF: u8 = 0;
/// First octet under an inner node's hash (RFC 6962 §2.1).
const INNER: u8 = 1;

/// A SHA-256 value. Written in base64 (RFC 4648 §4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, std::hash::Hash)]
pub struct Hash([u8; HASH_LEN]);

/// A complete subtree: the `index`th run of 2^`level` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, std::hash::Hash)]
pub struct Node {
    /// 0 for a leaf.
    pub level: u32,
    /// Counted from 0 within its level.
    pub index: u64,
}

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The index is not below the size, or a size is 0 or beyond the later one.
    #[error("the proof is about a place that the tree does not have")]
    OutOfRange,
    /// Too many or too few hashes for these sizes.
    #[error("the proof has a wrong number of hashes")]
    Length,
    /// The hashes lead to another root.
    #[error("the proof leads to another root: something was changed")]
    Root,
}

impl Hash {
    /// SHA-256 of `octets`.
    pub fn of(octets: &[u8]) -> Self {
        Self::finished(&digest(&SHA256, octets))
    }

    /// The hash of a leaf that holds `octets` (RFC 6962 §2.1).
    pub fn leaf(octets: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&[LEAF]);
        context.update(octets);
        Self::finished(&context.finish())
    }

    /// The hash of a node over two others (RFC 6962 §2.1).
    pub fn inner(left: Self, right: Self) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(&[INNER]);
        context.update(&left.0);
        context.update(&right.0);
        Self::finished(&context.finish())
    }

    /// The root of the tree without leaves (RFC 6962 §2.1).
    pub fn empty_root() -> Self {
        Self::of(&[])
    }

    /// `None` unless there are exactly [`HASH_LEN`] octets.
    pub fn from_slice(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }

    /// Reads canonical base64 of exactly [`HASH_LEN`] octets.
    pub fn from_base64(text: &str) -> Option<Self> {
        Self::from_slice(&STANDARD.decode(text).ok()?)
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8; HASH_LEN] {
        &self.0
    }

    fn finished(value: &ring::digest::Digest) -> Self {
        let mut octets = [0; HASH_LEN];
        octets.copy_from_slice(value.as_ref());
        Self(octets)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A tree in memory, from its leaves.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// The complete subtrees, by level and index.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// A tree of these leaves.
    pub fn of(leaves: impl IntoIterator<Item = Hash>) -> Self {
        let mut tree = Self::default();
        for leaf in leaves {
            tree.append(leaf);
        }
        tree
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.leaves().len() as u64
    }

    /// Its leaves.
    pub fn leaves(&self) -> &[Hash] {
        self.levels.first().map_or(&[], Vec::as_slice)
    }

    /// Adds a leaf, and every subtree that it completes.
    pub fn append(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let Some(row) = self.levels.get_mut(level) else {
                return;
            };
            row.push(hash);
            match row.as_slice() {
                [.., left, right] if row.len().is_multiple_of(2) => {
                    hash = Hash::inner(*left, *right);
                }
                _ => return,
            }
        }
    }

    /// The root over the first `size` leaves; `None` when it has fewer.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        self.hash(0..size)
    }

    /// The hash of a range such as those of [`inclusion`] and [`consistency`]; `None` beyond the
    /// leaves.
    pub fn hash(&self, range: Range<u64>) -> Option<Hash> {
        let hashes: Option<Vec<Hash>> = nodes_of(range)
            .iter()
            .map(|node| self.node(*node))
            .collect();
        hashes.map(|hashes| fold(&hashes))
    }

    /// The hashes of ranges: a proof.
    pub fn hashes(&self, ranges: &[Range<u64>]) -> Option<Vec<Hash>> {
        ranges
            .iter()
            .map(|range| self.hash(range.clone()))
            .collect()
    }

    /// The hash of a complete subtree.
    pub fn node(&self, node: Node) -> Option<Hash> {
        let row = self.levels.get(usize::try_from(node.level).ok()?)?;
        row.get(usize::try_from(node.index).ok()?).copied()
    }
}

/// The complete subtrees that make up a range of leaves, from left to right: what [`fold`] needs
/// to know the range's hash. The range must begin where RFC 6962's split puts it, as all ranges
/// given out here do; `0..size` gives the root.
pub fn nodes_of(range: Range<u64>) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let level = (range.end - start).ilog2();
        nodes.push(Node {
            level,
            index: start >> level,
        });
        start += 1 << level;
    }
    nodes
}

/// The hash of a range from those of its [`nodes_of`]; of no node, the root of an empty tree.
pub fn fold(hashes: &[Hash]) -> Hash {
    hashes
        .iter()
        .rev()
        .copied()
        .reduce(|right, left| Hash::inner(left, right))
        .unwrap_or_else(Hash::empty_root)
}

/// The kept subtrees whose hashes are needed to append a leaf to a tree of `size` leaves.
pub fn joined_by_append(size: u64) -> Vec<Node> {
    (0..size.trailing_ones())
        .map(|level| Node {
            level,
            index: (size >> level) - 1,
        })
        .collect()
}

/// What appending `leaf` to a tree of `size` leaves adds to the kept subtrees: the leaf and each
/// subtree that it completes. `joined` are the hashes of [`joined_by_append`].
pub fn append(size: u64, leaf: Hash, joined: &[Hash]) -> Vec<(Node, Hash)> {
    let mut added = vec![(
        Node {
            level: 0,
            index: size,
        },
        leaf,
    )];
    let mut hash = leaf;
    for (left, level) in joined.iter().zip(1..) {
        hash = Hash::inner(*left, hash);
        let index = size >> level;
        added.push((Node { level, index }, hash));
    }
    added
}

/// The ranges whose hashes prove that leaf `index` is in the tree of `size` leaves, from the
/// leaf's neighbour up (RFC 6962 §2.1.1).
///
/// # Errors
/// [`ProofError::OutOfRange`] when the tree has no such leaf.
pub fn inclusion(index: u64, size: u64) -> Result<Vec<Range<u64>>, ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange);
    }
    let mut path = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let split = start + split(end - start);
        if index < split {
            path.push(split..end);
            end = split;
        } else {
            path.push(start..split);
            start = split;
        }
    }
    path.reverse();
    Ok(path)
}

/// The ranges whose hashes prove that the tree of `earlier` leaves begins the tree of `later`
/// leaves (RFC 6962 §2.1.2).
///
/// # Errors
/// [`ProofError::OutOfRange`] when `earlier` is 0 or greater than `later`.
pub fn consistency(earlier: u64, later: u64) -> Result<Vec<Range<u64>>, ProofError> {
    if earlier == 0 || earlier > later {
        return Err(ProofError::OutOfRange);
    }
    let mut path = Vec::new();
    let (mut start, mut end) = (0, later);
    while earlier < end {
        let split = start + split(end - start);
        if earlier <= split {
            path.push(split..end);
            end = split;
        } else {
            path.push(start..split);
            start = split;
        }
    }
    // The reader knows the earlier root: it need not be told when it is itself a subtree.
    if start > 0 {
        path.push(start..end);
    }
    path.reverse();
    Ok(path)
}

/// Checks that `leaf` is the leaf `index` of the tree of `size` leaves with this root (RFC 9162
/// §2.1.3.2).
///
/// # Errors
/// [`ProofError`].
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    path: &[Hash],
    (size, root): (u64, Hash),
) -> Result<(), ProofError> {
    let steps = inclusion(index, size)?;
    if steps.len() != path.len() {
        return Err(ProofError::Length);
    }
    let reached = steps.iter().zip(path).fold(leaf, |hash, (range, sibling)| {
        if range.start > index {
            Hash::inner(hash, *sibling)
        } else {
            Hash::inner(*sibling, hash)
        }
    });
    if reached == root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

/// Checks that the tree `earlier` (size, root) begins the tree `later`: nothing was changed,
/// removed or inserted between the two (RFC 9162 §2.1.4.2).
///
/// # Errors
/// [`ProofError`]; a size of 0 is refused, for every tree begins with it and nothing is proved.
pub fn verify_consistency(
    earlier: (u64, Hash),
    later: (u64, Hash),
    path: &[Hash],
) -> Result<(), ProofError> {
    let steps = consistency(earlier.0, later.0)?;
    if steps.len() != path.len() {
        return Err(ProofError::Length);
    }
    // The walk begins at the last subtree of the earlier tree: named by the proof, unless it is
    // the whole earlier tree.
    let mut pairs = steps.iter().zip(path).peekable();
    let named = pairs.next_if(|(range, _)| range.end == earlier.0);
    let mut seen = named.map_or(earlier.1, |(_, hash)| *hash);
    let mut before = seen;
    for (range, sibling) in pairs {
        if range.start >= earlier.0 {
            seen = Hash::inner(seen, *sibling);
        } else {
            before = Hash::inner(*sibling, before);
            seen = Hash::inner(*sibling, seen);
        }
    }
    if before == earlier.1 && seen == later.1 {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

/// The largest power of two below `size`, which is at least 2 (RFC 6962 §2.1).
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

#[cfg(test)]
mod tests;
