//! Groups of claims out of sets: everything that all lists say under one root.

use std::io;
use std::path::Path;

use crate::set::SetReader;
use crate::set::claim::{take, take_number};

/// Everything that is said under one root, sorted by subject.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// The key of the root.
    pub(crate) root: String,
    pub(crate) claims: Vec<GroupClaim>,
}

/// What one list says of one subject.
#[derive(Debug, Default)]
pub(crate) struct GroupClaim {
    /// Which list.
    pub(crate) origin: usize,
    /// The key of the subject after that of the root.
    pub(crate) suffix: String,
    /// The claim in its written form.
    pub(crate) claim: Vec<u8>,
}

/// Origin, suffix and claim.
pub(super) type Part<'a> = (usize, &'a str, &'a [u8]);

/// The parts of a group's written form: the root, then origin, suffix and claim of each.
pub(super) fn read_group(
    mut octets: &[u8],
) -> Option<(&str, impl Iterator<Item = Part<'_>> + Clone)> {
    let length = take_number(&mut octets)?;
    let root = std::str::from_utf8(take(&mut octets, length)?).ok()?;
    let claims = std::iter::successors(Some((octets, None)), |(rest, _)| {
        let mut rest = *rest;
        let origin = take_number(&mut rest)?;
        let length = take_number(&mut rest)?;
        let suffix = std::str::from_utf8(take(&mut rest, length)?).ok()?;
        let length = take_number(&mut rest)?;
        let claim = take(&mut rest, length)?;
        Some((rest, Some((origin, suffix, claim))))
    });
    Some((root, claims.filter_map(|(_, part)| part)))
}

/// Merges sets into groups.
pub(crate) struct Merge {
    readers: Vec<SetReader>,
}

impl Merge {
    /// Opens the sets; the number of each is the origin of its claims.
    pub(crate) fn open<'a>(paths: impl Iterator<Item = &'a Path>) -> io::Result<Self> {
        Ok(Self {
            readers: paths.map(SetReader::open).collect::<io::Result<_>>()?,
        })
    }

    /// The next group into `group`; false at the end.
    pub(crate) fn next(&mut self, group: &mut Group) -> io::Result<bool> {
        group.claims.clear();
        group.root.clear();
        let first = self.readers.iter().filter_map(SetReader::key).min();
        let Some(first) = first else {
            return Ok(false);
        };
        let end = first
            .iter()
            .enumerate()
            .filter(|(_, octet)| **octet == 0x1f)
            .nth(1)
            .map_or(first.len(), |(at, _)| at);
        let root =
            std::str::from_utf8(first.get(..end).unwrap_or(first)).map_err(io::Error::other)?;
        group.root.push_str(root);
        for (origin, reader) in self.readers.iter_mut().enumerate() {
            loop {
                let suffix = match reader
                    .key()
                    .and_then(|key| key.strip_prefix(group.root.as_bytes()))
                {
                    Some(suffix) if suffix.is_empty() || suffix.first() == Some(&0x1f) => suffix,
                    _ => break,
                };
                group.claims.push(GroupClaim {
                    origin,
                    suffix: std::str::from_utf8(suffix)
                        .map_err(io::Error::other)?
                        .to_owned(),
                    claim: reader.claim().to_vec(),
                });
                reader.advance()?;
            }
        }
        group
            .claims
            .sort_by(|a, b| (&a.suffix, a.origin).cmp(&(&b.suffix, b.origin)));
        Ok(true)
    }
}
