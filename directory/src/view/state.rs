//! What the directory holds between two changes: the index of all accepted sets and, before it, a
//! small one of what was asserted since.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::ListState;
use super::recent::Recent;
use crate::error::DirectoryError;
use crate::index::{Builder, Group, GroupClaim, Index};
use crate::model::{Assertion, Origin, Source, Subject};
use crate::set::claim;

/// What the directory holds between two changes.
pub(crate) struct State {
    pub(super) base: Option<Arc<Index>>,
    pub(super) fresh: Index,
    /// The groups of the base that the fresh index has a later state of.
    pub(super) masked: RoaringBitmap,
    pub(super) lists: Vec<ListState>,
    /// The listings that were last read.
    pub(super) recent: Recent,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("base", &self.base)
            .field("fresh", &self.fresh)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Puts what was asserted since before the index.
    pub(crate) fn new(
        base: Option<Arc<Index>>,
        assertions: Vec<Assertion>,
        lists: Vec<ListState>,
    ) -> Result<Self, DirectoryError> {
        let mut roots: HashMap<Subject, Vec<Assertion>> = HashMap::new();
        for assertion in assertions {
            roots
                .entry(assertion.subject.root())
                .or_default()
                .push(assertion);
        }
        let mut masked = RoaringBitmap::new();
        let mut groups: Vec<(Subject, Vec<Assertion>)> = Vec::with_capacity(roots.len());
        for (root, mut said) in roots {
            if let Some(base) = &base {
                for group in groups_of(base, &root)? {
                    masked.insert(group);
                    said.extend(base.assertions(group)?);
                }
            }
            groups.push((root, said));
        }
        groups.sort_by(|a, b| a.0.cmp(&b.0));
        let fresh = in_memory(&groups)?;
        Ok(Self {
            base,
            fresh,
            masked,
            lists,
            recent: Recent::default(),
        })
    }

    /// Whether nothing was ever imported or asserted.
    pub(super) fn is_empty(&self) -> bool {
        self.base.is_none() && self.fresh.cards() == 0
    }

    pub(crate) fn base(&self) -> Option<&Arc<Index>> {
        self.base.as_ref()
    }
}

/// An index of a few roots, in memory.
fn in_memory(groups: &[(Subject, Vec<Assertion>)]) -> Result<Index, DirectoryError> {
    let mut origins: Vec<Origin> = Vec::new();
    let mut numbers: HashMap<Origin2, usize> = HashMap::new();
    let mut written = Vec::with_capacity(groups.len());
    for (root, said) in groups {
        let mut group = Group {
            root: root.key().to_owned(),
            claims: Vec::with_capacity(said.len()),
        };
        for one in said {
            let origin = *numbers.entry(Origin2::of(&one.origin)).or_insert_with(|| {
                origins.push(one.origin.clone());
                origins.len() - 1
            });
            let mut octets = Vec::new();
            let facts = one
                .facts
                .iter()
                .map(|(field, value)| (*field, value.as_str()));
            claim::encode(one.period, facts, &mut octets);
            group.claims.push(GroupClaim {
                origin,
                suffix: one
                    .subject
                    .key()
                    .strip_prefix(root.key())
                    .unwrap_or_default()
                    .to_owned(),
                claim: octets,
            });
        }
        group
            .claims
            .sort_by(|a, b| (&a.suffix, a.origin).cmp(&(&b.suffix, b.origin)));
        written.push(group);
    }
    let build = || {
        let mut builder = Builder::new(Vec::new(), &origins, "fresh")?;
        for group in &written {
            builder.add(group)?;
        }
        Index::in_memory(builder.finish()?)
    };
    build().map_err(DirectoryError::Index)
}

/// What tells two origins apart.
#[derive(PartialEq, Eq, Hash)]
struct Origin2(Source, String, i128, u64);

impl Origin2 {
    fn of(origin: &Origin) -> Self {
        Self(
            origin.source,
            origin.signer.clone(),
            origin.observed_at.unix_timestamp_nanos(),
            origin.sequence,
        )
    }
}

/// The groups whose root is `root`: one, or none.
pub(super) fn groups_of(index: &Index, root: &Subject) -> Result<HashSet<u32>, DirectoryError> {
    let mut groups = HashSet::new();
    for card in index.cards_of_id(root.id()) {
        if let Some(group) = index.group_of(card)
            && index
                .subject_of(card)?
                .is_some_and(|subject| subject.root() == *root)
        {
            groups.insert(group);
        }
    }
    Ok(groups)
}
