//! Witnessing (c2sp.org/tlog-witness): what a request asks, and whether it is cosigned. Pure.

use std::fmt::Write as _;

use liaison_base::tlog::merkle::{self, Hash};
use liaison_base::tlog::note::{Checkpoint, VerifierKey, decimal};

/// The longest request, in octets.
pub(super) const MAX_REQUEST: usize = 32 * 1024;
/// The most proof lines (tlog-witness, "add-checkpoint").
const MAX_LINES: usize = 63;

/// A request for a cosignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked<'a> {
    /// The size that the asker believes was cosigned last.
    pub old: u64,
    /// The proof that what was cosigned begins the checkpoint.
    pub proof: Vec<Hash>,
    /// The checkpoint, signed.
    pub note: &'a str,
}

impl<'a> Asked<'a> {
    /// Reads a request; `None` when it is none.
    #[must_use]
    pub fn read(body: &'a str) -> Option<Self> {
        if body.len() > MAX_REQUEST {
            return None;
        }
        let (head, note) = body.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = decimal(lines.next()?.strip_prefix("old ")?)?;
        let proof: Vec<Hash> = lines
            .take(MAX_LINES + 1)
            .map(Hash::from_base64)
            .collect::<Option<_>>()?;
        (proof.len() <= MAX_LINES).then_some(Self { old, proof, note })
    }

    /// Writes a request.
    #[must_use]
    pub fn written(&self) -> String {
        let mut body = format!("old {}\n", self.old);
        for hash in &self.proof {
            // Writing to a string cannot fail.
            let _ = writeln!(body, "{hash}");
        }
        format!("{body}\n{}", self.note)
    }
}

/// Why a checkpoint is not cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 404: a log that the witness does not know.
    UnknownLog,
    /// 403: not signed by a key of the log that is trusted.
    Untrusted,
    /// 400: the old size is beyond the checkpoint's, or this is no checkpoint.
    Bad,
    /// 409: another size was cosigned last: this one.
    Conflict(u64),
    /// 409: this size was cosigned with another root: a split view.
    SplitView(u64),
    /// 422: the proof does not hold.
    Inconsistent,
}

impl Refusal {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::UnknownLog => 404,
            Self::Untrusted => 403,
            Self::Bad => 400,
            Self::Conflict(_) | Self::SplitView(_) => 409,
            Self::Inconsistent => 422,
        }
    }

    /// Whether it is evidence that the log shows two histories.
    #[must_use]
    pub fn is_evidence(self) -> bool {
        matches!(self, Self::SplitView(_) | Self::Inconsistent)
    }
}

/// Whether a checkpoint of a log with these trusted keys is cosigned, when `last` is what was
/// cosigned before: its size and root.
///
/// # Errors
/// [`Refusal`]; never [`Refusal::UnknownLog`], which is the caller's to find.
pub fn judge(
    asked: &Asked<'_>,
    keys: &[VerifierKey],
    last: Option<(u64, Hash)>,
) -> Result<Checkpoint, Refusal> {
    let opened = keys
        .iter()
        .find_map(|key| Checkpoint::open(asked.note, key).ok());
    let checkpoint = opened.ok_or(Refusal::Untrusted)?;
    if asked.old > checkpoint.size {
        return Err(Refusal::Bad);
    }
    let (size, root) = last.unwrap_or((0, Hash::empty_root()));
    if asked.old != size {
        return Err(Refusal::Conflict(size));
    }
    if size == checkpoint.size {
        return if size > 0 && root != checkpoint.root {
            Err(Refusal::SplitView(size))
        } else if asked.proof.is_empty() {
            Ok(checkpoint)
        } else {
            Err(Refusal::Inconsistent)
        };
    }
    let holds = if size == 0 {
        asked.proof.is_empty()
    } else {
        let later = (checkpoint.size, checkpoint.root);
        merkle::verify_consistency((size, root), later, &asked.proof).is_ok()
    };
    if holds {
        Ok(checkpoint)
    } else {
        Err(Refusal::Inconsistent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_base::tlog::merkle::Tree;
    use liaison_base::tlog::note::{Origin, Signer};
    use ring::rand::SystemRandom;
    use ring::signature::Ed25519KeyPair;

    fn signer() -> Signer {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Signer::new(Origin::parse("ch.test/annuaire").unwrap(), key.as_ref()).unwrap()
    }

    fn tree(size: u64) -> Tree {
        Tree::of((0..size).map(|index| Hash::leaf(&index.to_be_bytes())))
    }

    fn note(signer: &Signer, size: u64) -> String {
        signer.sign(size, tree(size).root_at(size).unwrap())
    }

    fn last(size: u64) -> Option<(u64, Hash)> {
        Some((size, tree(size).root_at(size).unwrap()))
    }

    #[test]
    fn what_grows_is_cosigned() {
        let signer = signer();
        let keys = [signer.verifier().clone()];
        let note = note(&signer, 9);
        let ranges = merkle::consistency(4, 9).unwrap();
        let asked = Asked {
            old: 4,
            proof: tree(9).hashes(&ranges).unwrap(),
            note: &note,
        };
        let body = asked.written();
        assert_eq!(Asked::read(&body), Some(asked.clone()));
        assert_eq!(judge(&asked, &keys, last(4)).unwrap().size, 9);
        assert_eq!(
            judge(&asked, &keys, last(5)),
            Err(Refusal::Conflict(5)),
            "the asker is told what was cosigned"
        );
        let first = Asked {
            old: 0,
            proof: Vec::new(),
            note: &note,
        };
        assert_eq!(judge(&first, &keys, None).unwrap().size, 9);
        let again = Asked {
            old: 9,
            ..first.clone()
        };
        assert!(judge(&again, &keys, last(9)).is_ok());
    }

    #[test]
    fn another_history_is_not_cosigned() {
        let (signer, stranger) = (signer(), signer());
        let keys = [signer.verifier().clone()];
        let other = signer.sign(9, Hash::of(b"another history"));
        let asked = |old, proof| Asked {
            old,
            proof,
            note: &other,
        };
        assert_eq!(
            judge(&asked(9, Vec::new()), &keys, last(9)),
            Err(Refusal::SplitView(9))
        );
        let ranges = merkle::consistency(4, 9).unwrap();
        let proof = tree(9).hashes(&ranges).unwrap();
        assert_eq!(
            judge(&asked(4, proof), &keys, last(4)),
            Err(Refusal::Inconsistent)
        );
        assert_eq!(
            judge(&asked(10, Vec::new()), &keys, last(10)),
            Err(Refusal::Bad)
        );
        assert_eq!(
            judge(&asked(0, Vec::new()), &[stranger.verifier().clone()], None),
            Err(Refusal::Untrusted)
        );
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bad in ["", "old 1", "old 01\n\nx", "new 1\n\nx", "old 1\nAA==\n\nx"] {
            assert_eq!(Asked::read(bad), None, "{bad:?}");
        }
        let long = format!("old 1\n{}\nx", format!("{}\n", Hash::of(b"")).repeat(64));
        assert_eq!(Asked::read(&long), None);
    }
}
