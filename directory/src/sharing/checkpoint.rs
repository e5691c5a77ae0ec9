//! What a shown checkpoint is worth beside what is known of its log. Pure.

use std::time::Duration;

use liaison_base::tlog::cosignature::CosignerKey;
use liaison_base::tlog::merkle::{Hash, Tree};
use liaison_base::tlog::note::{Checkpoint, NoteError, VerifierKey};
use time::OffsetDateTime;

use super::verdict::LogVerdict;

/// How far clocks may differ.
pub(super) const SKEW: Duration = Duration::from_secs(300);

/// How far a key of a log is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It signs.
    Trusted,
    /// It waits for the end of its hold.
    Waiting,
    /// The log has given it up.
    Retired,
}

/// What is known of a log.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// The keys that were named, by the settings or by the log.
    pub(super) keys: Vec<(VerifierKey, Standing)>,
    /// The tree over every entry that was taken.
    pub(super) tree: Tree,
    /// When the log last vouched for what is known, in seconds since 1970; 0 when nothing is known.
    pub(super) vouched_at: u64,
}

/// Whose cosignatures are asked for.
#[derive(Debug, Clone, Default)]
pub struct Witnesses {
    /// The witnesses that count.
    pub keys: Vec<CosignerKey>,
    /// How many of them there must be.
    pub required: usize,
    /// Whether what too few cosigned is taken, and shown to be so.
    pub take_unwitnessed: bool,
}

/// A checkpoint that may be believed, if its entries are right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// What it says.
    pub(super) checkpoint: Checkpoint,
    /// When the log vouched for it, in seconds since 1970.
    pub(super) vouched_at: u64,
    /// The names of the witnesses that cosigned it.
    pub(super) witnessed_by: Vec<String>,
    /// Whether there are as many as asked for.
    pub(super) is_witnessed: bool,
    /// Whether it is larger than what is known.
    pub(super) grows: bool,
}

/// Judges a note that a log, or somebody in between, shows.
///
/// # Errors
/// The verdict by which nothing of it is taken.
pub(super) fn judge(
    note: &str,
    origin: &str,
    (known, witnesses): (&Known, &Witnesses),
    now: OffsetDateTime,
) -> Result<Seen, LogVerdict> {
    let shown = Checkpoint::unverified(note).map_err(|_| LogVerdict::Malformed)?;
    if shown.origin.as_str() != origin {
        return Err(LogVerdict::WrongOrigin);
    }
    let key = signer(note, &known.keys)?;
    let checkpoint = Checkpoint::open(note, key).map_err(|_| LogVerdict::Malformed)?;
    let latest = u64::try_from(now.unix_timestamp()).unwrap_or(0) + SKEW.as_secs();
    let vouched_at = match key.cosigner().cosigned_at(note) {
        Ok(time) if time > latest => return Err(LogVerdict::Postdated),
        Ok(time) => time,
        Err(NoteError::Unsigned) => return Err(LogVerdict::Undated),
        Err(_) => return Err(LogVerdict::BadSignature),
    };
    let size = known.tree.size();
    if checkpoint.size <= size {
        beside_known(&checkpoint, vouched_at, known)?;
    }
    let witnessed_by: Vec<String> = witnesses
        .keys
        .iter()
        .filter(|witness| witness.cosigned_at(note).is_ok_and(|time| time <= latest))
        .map(|witness| witness.name().as_str().to_owned())
        .collect();
    let is_witnessed = witnessed_by.len() >= witnesses.required;
    if !is_witnessed && !witnesses.take_unwitnessed {
        return Err(LogVerdict::Unwitnessed);
    }
    Ok(Seen {
        grows: checkpoint.size > size,
        checkpoint,
        vouched_at,
        witnessed_by,
        is_witnessed,
    })
}

/// The trusted key that signed a note.
fn signer<'k>(
    note: &str,
    keys: &'k [(VerifierKey, Standing)],
) -> Result<&'k VerifierKey, LogVerdict> {
    let mut verdict = LogVerdict::UnknownKey;
    for (key, standing) in keys {
        match (key.open(note), standing) {
            (Ok(_), Standing::Trusted) => return Ok(key),
            (Ok(_), Standing::Waiting) => verdict = LogVerdict::KeyHeld,
            (Ok(_), Standing::Retired) => verdict = LogVerdict::RetiredKey,
            (Err(NoteError::Signature), _) => verdict = LogVerdict::BadSignature,
            (Err(_), _) => {}
        }
    }
    Err(verdict)
}

/// A checkpoint of a size that is known already: the same history, or another one.
fn beside_known(checkpoint: &Checkpoint, vouched_at: u64, known: &Known) -> Result<(), LogVerdict> {
    if known.tree.root_at(checkpoint.size) != Some(checkpoint.root) {
        return Err(LogVerdict::SplitView);
    }
    if vouched_at < known.vouched_at {
        return Err(LogVerdict::Replayed);
    }
    if checkpoint.size < known.tree.size() {
        return if vouched_at == known.vouched_at {
            Err(LogVerdict::Replayed)
        } else {
            Err(LogVerdict::Truncated)
        };
    }
    Ok(())
}

/// The tree that `more` leaves make of what is known, if it is the one of the checkpoint: this
/// proves at once that what is known begins it and that every entry is in it.
///
/// # Errors
/// [`LogVerdict::ForgedTile`]: these leaves after what is known are not under that root. Whether
/// the entries were changed on their way or the log has another history, the whole log tells:
/// [`begins`].
pub(super) fn grown(
    known: &Tree,
    more: &[Hash],
    checkpoint: &Checkpoint,
) -> Result<Tree, LogVerdict> {
    let mut tree = known.clone();
    for leaf in more {
        tree.append(*leaf);
    }
    if tree.size() == checkpoint.size && tree.root_at(tree.size()) == Some(checkpoint.root) {
        Ok(tree)
    } else {
        Err(LogVerdict::ForgedTile)
    }
}

/// What it means that `all` the entries shown, from the first, do not grow from what is known:
/// when they are under the signed root the log has two histories, otherwise they are forged.
#[must_use]
pub(super) fn begins(all: impl IntoIterator<Item = Hash>, checkpoint: &Checkpoint) -> LogVerdict {
    let tree = Tree::of(all);
    if tree.size() == checkpoint.size && tree.root_at(tree.size()) == Some(checkpoint.root) {
        LogVerdict::SplitView
    } else {
        LogVerdict::ForgedTile
    }
}
