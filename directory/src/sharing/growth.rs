//! What a poll reads of a log, and the proof that it grows from what is known.

use std::collections::hash_map::Entry as Place;
use std::collections::{HashMap, HashSet};

use liaison_base::tlog::merkle::{Hash, Tree};
use liaison_base::tlog::note::Checkpoint;
use liaison_mail::port::PortFuture;

use super::checkpoint;
use super::record::{Content, ENTRY, Entry, MAX_RECORD, Record, SALT, Sealed};
use super::tables::TakenEntry;
use super::tile::{BundleError, Part, WIDTH, read_bundle};
use super::verdict::LogVerdict;

/// The largest checkpoint, in octets.
pub(super) const MAX_NOTE: usize = 64 * 1024;
/// The largest list of successions: some hundred.
pub(super) const MAX_SUCCESSIONS: usize = 256 * 1024;
/// The most entries that are taken of one log: an organisation's changes of many years.
const MAX_ENTRIES: u64 = 1_000_000;

/// Where a log, or a copy of it, is read.
pub trait Source: Send + Sync {
    /// The octets of a part, at most `limit`.
    fn part(&self, part: Part, limit: usize) -> PortFuture<'_, Result<Vec<u8>, NotRead>>;
}

/// Why a part was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotRead {
    /// Nobody answered, or there is no such part.
    Absent,
    /// It is larger than it may be.
    Oversized,
}

impl From<NotRead> for LogVerdict {
    fn from(why: NotRead) -> Self {
        match why {
            NotRead::Absent => Self::Unreachable,
            NotRead::Oversized => Self::Oversized,
        }
    }
}

/// A new entry: its leaf, and the record's octets unless it is erased.
pub(super) type Fresh = (Hash, Option<Vec<u8>>);

/// A poll that ends here: the verdict, what is wrong in words, the note that was shown.
pub(super) struct Stop {
    pub(super) verdict: LogVerdict,
    pub(super) detail: String,
    pub(super) shown: String,
}

/// What was read of a growth, not yet judged record by record.
pub(super) struct Growth {
    pub(super) tree: Tree,
    /// From the first new entry on: the leaf, and the record unless it is erased.
    pub(super) fresh: Vec<Fresh>,
}

/// Whether a record is missing that the log has not erased.
pub(super) fn withholds(earlier: &[TakenEntry], fresh: &[Fresh], first: u64) -> bool {
    let mut erased: HashSet<u64> = HashSet::new();
    let old = earlier.iter().filter_map(|entry| entry.record.clone());
    let new = fresh
        .iter()
        .filter_map(|(_, octets)| Record::read(octets.as_deref()?));
    for record in old.chain(new) {
        if let Content::Erased(index) = record.content {
            erased.insert(index);
        }
    }
    fresh
        .iter()
        .zip(first..)
        .any(|((_, octets), position)| octets.is_none() && !erased.contains(&position))
}

/// Reads what a checkpoint adds to a tree, and proves that it does.
pub(super) async fn read_growth(
    source: &dyn Source,
    known: &Tree,
    checkpoint: &Checkpoint,
) -> Result<Growth, LogVerdict> {
    if checkpoint.size > MAX_ENTRIES {
        return Err(LogVerdict::Oversized);
    }
    let entries = read_entries(source, known.size(), checkpoint.size).await?;
    let leaves: Vec<Hash> = entries.iter().map(Entry::leaf).collect();
    let tree = match checkpoint::grown(known, &leaves, checkpoint) {
        Ok(tree) => tree,
        Err(_) if known.size() == 0 => return Err(LogVerdict::ForgedTile),
        Err(_) => {
            let all = read_entries(source, 0, checkpoint.size).await?;
            return Err(checkpoint::begins(all.iter().map(Entry::leaf), checkpoint));
        }
    };
    let mut records: HashMap<u64, Vec<Vec<u8>>> = HashMap::new();
    let mut fresh = Vec::with_capacity(entries.len());
    for (entry, position) in entries.iter().zip(known.size()..) {
        let index = position / WIDTH;
        if let Place::Vacant(place) = records.entry(index) {
            place.insert(read_records(source, index).await?);
        }
        let at = usize::try_from(position % WIDTH).unwrap_or(usize::MAX);
        let octets = records.get(&index).and_then(|bundle| bundle.get(at));
        let octets = octets.ok_or(LogVerdict::Withheld)?;
        if octets.is_empty() {
            fresh.push((entry.leaf(), None));
            continue;
        }
        let sealed = Sealed::read(octets).ok_or(LogVerdict::ForgedRecord)?;
        if sealed.entry() != *entry {
            return Err(LogVerdict::ForgedRecord);
        }
        fresh.push((entry.leaf(), Some(sealed.record)));
    }
    Ok(Growth { tree, fresh })
}

async fn read_entries(source: &dyn Source, from: u64, size: u64) -> Result<Vec<Entry>, LogVerdict> {
    let mut entries = Vec::new();
    for part in Part::bundles(from, size) {
        let Part::Entries { index, width } = part else {
            continue;
        };
        let limit = WIDTH as usize * (2 + ENTRY);
        let octets = match source.part(part, limit).await {
            // A partial bundle may be gone once the full one is there (tlog-tiles, "Partial Tiles").
            Err(NotRead::Absent) if width.is_some() => {
                source
                    .part(Part::Entries { index, width: None }, limit)
                    .await
            }
            other => other,
        }?;
        let items = read_bundle(&octets, ENTRY).map_err(|error| match error {
            BundleError::Malformed => LogVerdict::ForgedTile,
            BundleError::Oversized => LogVerdict::Oversized,
        })?;
        let start = index * WIDTH;
        for (item, position) in items.iter().zip(start..size) {
            if position >= from {
                entries.push(Entry::read(item).ok_or(LogVerdict::ForgedTile)?);
            }
        }
    }
    Ok(entries)
}

async fn read_records(source: &dyn Source, index: u64) -> Result<Vec<Vec<u8>>, LogVerdict> {
    let limit = WIDTH as usize * (2 + SALT + MAX_RECORD);
    let octets = source.part(Part::Records { index }, limit).await?;
    let items = read_bundle(&octets, SALT + MAX_RECORD).map_err(|error| match error {
        BundleError::Malformed => LogVerdict::ForgedRecord,
        BundleError::Oversized => LogVerdict::Oversized,
    })?;
    Ok(items.iter().map(|item| item.to_vec()).collect())
}

pub(super) async fn text(source: &dyn Source, part: Part, limit: usize) -> Result<String, Stop> {
    let octets = source.part(part, limit).await.map_err(|why| Stop {
        verdict: why.into(),
        detail: format!("`{part}` was not read"),
        shown: String::new(),
    })?;
    String::from_utf8(octets).map_err(|_| Stop {
        verdict: LogVerdict::Malformed,
        detail: format!("`{part}` is not text"),
        shown: String::new(),
    })
}

pub(super) fn succession_notes(octets: &[u8]) -> Vec<String> {
    read_bundle(octets, MAX_NOTE)
        .unwrap_or_default()
        .into_iter()
        .filter_map(|note| String::from_utf8(note.to_vec()).ok())
        .collect()
}

pub(super) fn refusal(verdict: LogVerdict, note: &str) -> Stop {
    let detail = match Checkpoint::unverified(note) {
        Ok(shown) => format!("shown: {} entries with the root {}", shown.size, shown.root),
        Err(_) => "shown: no checkpoint".to_owned(),
    };
    Stop {
        verdict,
        detail,
        shown: note.to_owned(),
    }
}
