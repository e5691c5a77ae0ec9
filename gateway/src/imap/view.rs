//! The selected folder as one session sees it: sequence numbers change only when the session has
//! been told (RFC 3501 §7.4.1).

use std::collections::BTreeSet;

use imap_codec::imap_types::sequence::{SeqOrUid, Sequence, SequenceSet};

use super::write;
use crate::mailbox::{Entry, Flags, Folder, Mailbox, MailboxError};

/// A selected folder.
pub(crate) struct View {
    /// The folder, as it was when selected.
    pub(crate) folder: Folder,
    /// Whether EXAMINE selected it.
    pub(crate) read_only: bool,
    /// The messages by sequence number, the first at 0; uids grow.
    pub(crate) entries: Vec<Entry>,
    keywords: BTreeSet<String>,
    modseq: i64,
}

impl View {
    /// Reads a folder and writes the untagged responses of SELECT (RFC 3501 §6.3.1).
    pub(crate) async fn select(
        mailbox: &Mailbox,
        folder: Folder,
        read_only: bool,
        out: &mut Vec<u8>,
    ) -> Result<Self, MailboxError> {
        let changes = mailbox.changes(folder.validity, 0).await?;
        if !changes.exists {
            return Err(MailboxError::NoFolder);
        }
        if !read_only && folder.recent_from < folder.uid_next {
            mailbox.claim_recent(&folder).await?;
        }
        let mut view = Self {
            folder,
            read_only,
            entries: changes.changed,
            keywords: BTreeSet::new(),
            modseq: changes.modseq,
        };
        view.learn_keywords();
        view.write_flags(out);
        let unseen = view
            .entries
            .iter()
            .position(|entry| !entry.flags.has(Flags::SEEN));
        view.write_counts(out);
        if let Some(at) = unseen {
            let number = at + 1;
            write::text(out, &format!("* OK [UNSEEN {number}] First unseen\r\n"));
        }
        let next = view.entries.last().map_or(1, |last| last.uid + 1);
        write::text(
            out,
            &format!(
                "* OK [UIDVALIDITY {}] UIDs valid\r\n* OK [UIDNEXT {}] Next uid\r\n",
                view.folder.validity,
                next.max(view.folder.uid_next),
            ),
        );
        Ok(view)
    }

    /// Whether a message is shown as \Recent.
    pub(crate) fn is_recent(&self, uid: u32) -> bool {
        uid >= self.folder.recent_from
    }

    /// Tells what others changed. Without `numbers_may_change` nothing is expunged from the view:
    /// the client may have commands under way that use sequence numbers. Returns false when the
    /// folder is gone.
    pub(crate) async fn refresh(
        &mut self,
        mailbox: &Mailbox,
        numbers_may_change: bool,
        out: &mut Vec<u8>,
    ) -> Result<bool, MailboxError> {
        let changes = mailbox.changes(self.folder.validity, self.modseq).await?;
        if !changes.exists {
            return Ok(false);
        }
        self.modseq = changes.modseq;
        let before = self.entries.len();
        let mut flagged = Vec::new();
        for entry in changes.changed {
            match self.position(entry.uid) {
                Some(at) if self.entries[at].flags != entry.flags => {
                    self.entries[at] = entry;
                    flagged.push(self.entries[at].uid);
                }
                Some(_) => {}
                // Uids only grow: what is not known and not beyond the last was expunged here.
                None if self.entries.last().is_none_or(|last| last.uid < entry.uid) => {
                    self.entries.push(entry);
                }
                None => {}
            }
        }
        let grown = self.entries.len() > before;
        if self.entries.len() != changes.count && numbers_may_change {
            let there: BTreeSet<u32> = mailbox
                .uids(self.folder.validity)
                .await?
                .into_iter()
                .collect();
            self.expunge(|uid| !there.contains(&uid), before, out);
        }
        if grown {
            self.write_counts(out);
        }
        if self.learn_keywords() {
            self.write_flags(out);
        }
        for uid in flagged {
            self.write_fetch_flags(uid, false, out);
        }
        Ok(true)
    }

    /// Takes messages out of the view and tells so, the last first, so that each number is right
    /// when it is told. Those from `told` on have not been announced and go silently.
    pub(crate) fn expunge(&mut self, gone: impl Fn(u32) -> bool, told: usize, out: &mut Vec<u8>) {
        for at in (0..self.entries.len()).rev() {
            if gone(self.entries[at].uid) {
                self.entries.remove(at);
                if at < told {
                    write::text(out, &format!("* {} EXPUNGE\r\n", at + 1));
                }
            }
        }
    }

    /// Takes over flags that this session changed itself.
    pub(crate) fn update(&mut self, changed: Vec<Entry>) {
        for entry in changed {
            if let Some(at) = self.position(entry.uid) {
                self.entries[at] = entry;
            }
        }
    }

    /// `* n FETCH (FLAGS (…))`.
    pub(crate) fn write_fetch_flags(&self, uid: u32, with_uid: bool, out: &mut Vec<u8>) {
        let Some(at) = self.position(uid) else { return };
        write::text(out, &format!("* {} FETCH (", at + 1));
        if with_uid {
            write::text(out, &format!("UID {uid} "));
        }
        write::text(out, "FLAGS ");
        write::flags(out, &self.entries[at].flags, self.is_recent(uid));
        write::text(out, ")\r\n");
    }

    /// The index of a uid.
    pub(crate) fn position(&self, uid: u32) -> Option<usize> {
        self.entries
            .binary_search_by_key(&uid, |entry| entry.uid)
            .ok()
    }

    /// The uids that a set names; `None` when it names sequence numbers that do not exist. Uids
    /// that do not exist are passed over (RFC 3501 §6.4.8).
    pub(crate) fn resolve(&self, set: &SequenceSet, uid: bool) -> Option<Vec<u32>> {
        let mut chosen = vec![false; self.entries.len()];
        for sequence in set.0.as_ref() {
            let (from, to) = match sequence {
                Sequence::Single(one) => (one, one),
                Sequence::Range(from, to) => (from, to),
            };
            let (from, to) = if uid {
                self.uid_range(from, to)
            } else {
                self.number_range(from, to)?
            };
            for one in chosen.get_mut(from..to).unwrap_or_default() {
                *one = true;
            }
        }
        let chosen = self
            .entries
            .iter()
            .zip(chosen)
            .filter(|(_, chosen)| *chosen);
        Some(chosen.map(|(entry, _)| entry.uid).collect())
    }

    fn uid_range(&self, from: &SeqOrUid, to: &SeqOrUid) -> (usize, usize) {
        let last = self.entries.last().map_or(0, |entry| entry.uid);
        let value = |one: &SeqOrUid| match one {
            SeqOrUid::Value(value) => value.get(),
            SeqOrUid::Asterisk => last,
        };
        let (from, to) = ordered(value(from), value(to));
        (
            self.entries.partition_point(|entry| entry.uid < from),
            self.entries.partition_point(|entry| entry.uid <= to),
        )
    }

    fn number_range(&self, from: &SeqOrUid, to: &SeqOrUid) -> Option<(usize, usize)> {
        let last = self.entries.len();
        let value = |one: &SeqOrUid| match one {
            SeqOrUid::Value(value) => usize::try_from(value.get()).ok(),
            SeqOrUid::Asterisk => Some(last),
        };
        let (from, to) = ordered(value(from)?, value(to)?);
        if last == 0 {
            // `1:*` of an empty folder names nothing, and every client sends it.
            return Some((0, 0));
        }
        (to <= last).then_some((from.saturating_sub(1), to))
    }

    fn write_counts(&self, out: &mut Vec<u8>) {
        let recent = self.entries.iter().filter(|e| self.is_recent(e.uid));
        let (all, recent) = (self.entries.len(), recent.count());
        write::text(out, &format!("* {all} EXISTS\r\n* {recent} RECENT\r\n"));
    }

    fn write_flags(&self, out: &mut Vec<u8>) {
        let names = || {
            let system = Flags::NAMES.iter().map(|(_, name)| *name);
            system.chain(self.keywords.iter().map(String::as_str))
        };
        write::text(out, "* FLAGS ");
        write::list(out, names());
        write::text(out, "\r\n* OK [PERMANENTFLAGS ");
        if self.read_only {
            write::text(out, "()");
        } else {
            write::list(out, names().chain(["\\*"]));
        }
        write::text(out, "] Flags permitted\r\n");
    }

    /// Collects the keywords in use; says whether there are new ones.
    fn learn_keywords(&mut self) -> bool {
        let before = self.keywords.len();
        for entry in &self.entries {
            for keyword in &entry.flags.keywords {
                if !self.keywords.contains(keyword) {
                    self.keywords.insert(keyword.clone());
                }
            }
        }
        self.keywords.len() > before
    }
}

fn ordered<T: Ord>(a: T, b: T) -> (T, T) {
    if a <= b { (a, b) } else { (b, a) }
}
