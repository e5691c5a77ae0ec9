//! Messages of a folder: flags, changes since a moment, contents, copying and expunging.

use std::collections::BTreeSet;

use liaison_base::clock::{from_millis, millis};
use liaison_store::body::Kept;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::filing::{content_context, next_uid};
use super::{Mailbox, MailboxError, next_modseq, opening};
use crate::keys::SealingKey;

/// Most keywords of a message.
pub const MAX_KEYWORDS: usize = 32;
/// Longest keyword, in octets.
pub const MAX_KEYWORD: usize = 64;
/// Messages changed in one commit: bounds how long others wait for the writer.
const PIECE: usize = 200;

/// The flags of a message (RFC 3501 §2.3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// System flags: [`Flags::SEEN`] and its like.
    pub bits: u8,
    /// Keywords, as first written; compared without case.
    pub keywords: BTreeSet<String>,
}

impl Flags {
    /// \Seen
    pub const SEEN: u8 = 1;
    /// \Answered
    pub const ANSWERED: u8 = 2;
    /// \Flagged
    pub const FLAGGED: u8 = 4;
    /// \Deleted
    pub const DELETED: u8 = 8;
    /// \Draft
    pub const DRAFT: u8 = 16;
    /// The system flags with their names.
    pub const NAMES: [(u8, &'static str); 5] = [
        (Self::ANSWERED, "\\Answered"),
        (Self::FLAGGED, "\\Flagged"),
        (Self::DELETED, "\\Deleted"),
        (Self::SEEN, "\\Seen"),
        (Self::DRAFT, "\\Draft"),
    ];

    /// Whether all flags of `bits` are set.
    pub fn has(&self, bits: u8) -> bool {
        self.bits & bits == bits
    }

    /// Whether a keyword is set.
    pub fn has_keyword(&self, keyword: &str) -> bool {
        self.keywords
            .iter()
            .any(|k| k.eq_ignore_ascii_case(keyword))
    }

    fn changed(&self, change: Change, by: &Self) -> Self {
        let mut flags = self.clone();
        match change {
            Change::Replace => flags = by.clone(),
            Change::Add => {
                flags.bits |= by.bits;
                for keyword in &by.keywords {
                    if !flags.has_keyword(keyword) {
                        flags.keywords.insert(keyword.clone());
                    }
                }
            }
            Change::Remove => {
                flags.bits &= !by.bits;
                flags.keywords.retain(|keyword| !by.has_keyword(keyword));
            }
        }
        while flags.keywords.len() > MAX_KEYWORDS {
            flags.keywords.pop_last();
        }
        flags
    }
}

/// What STORE does with the flags given (RFC 3501 §6.4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// They become the flags.
    Replace,
    /// They are added.
    Add,
    /// They are removed.
    Remove,
}

/// A message as a session sees it, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its uid in its folder.
    pub uid: u32,
    /// Its flags.
    pub flags: Flags,
    /// When it arrived.
    pub internal_date: OffsetDateTime,
    /// Octets of its content.
    pub size: u32,
}

/// What changed in a folder since a moment.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The moment to ask from next time.
    pub modseq: i64,
    /// Messages that are new or whose flags changed, by uid.
    pub changed: Vec<Entry>,
    /// How many messages the folder has now.
    pub count: usize,
    /// False when the folder was deleted.
    pub exists: bool,
}

impl Mailbox {
    /// Every message of a folder, by uid.
    ///
    /// # Errors
    /// [`MailboxError::Key`], [`MailboxError::Store`].
    pub async fn entries(&self, folder: u32) -> Result<Vec<Entry>, MailboxError> {
        Ok(self.changes(folder, 0).await?.changed)
    }

    /// What changed after `since`; all messages when that is 0. One consistent view.
    ///
    /// # Errors
    /// [`MailboxError::Key`], [`MailboxError::Store`].
    pub async fn changes(&self, folder: u32, since: i64) -> Result<Changes, MailboxError> {
        let mut tx = self.all.store.read().begin().await?;
        let row = sqlx::query(
            "SELECT m.modseq,
                    (SELECT COUNT(*) FROM folder f WHERE f.mailbox = $1 AND f.folder = $2)
             FROM mailbox m WHERE m.address = $1",
        )
        .bind(self.name())
        .bind(i64::from(folder))
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(MailboxError::Unknown)?;
        let modseq: i64 = row.try_get(0)?;
        let exists = row.try_get::<i64, _>(1)? > 0;
        if modseq == since {
            let count = count(&mut tx, &self.name(), folder).await?;
            return Ok(Changes {
                modseq,
                changed: Vec::new(),
                count,
                exists,
            });
        }
        let rows = sqlx::query(
            "SELECT uid, flags, keywords, internal_date, size, content FROM message
             WHERE mailbox = $1 AND folder = $2 AND modseq > $3 ORDER BY uid",
        )
        .bind(self.name())
        .bind(i64::from(folder))
        .bind(since)
        .fetch_all(&mut *tx)
        .await?;
        let changed = rows
            .iter()
            .map(|row| read(row, self.key()))
            .collect::<Result<_, _>>()?;
        Ok(Changes {
            modseq,
            changed,
            count: count(&mut tx, &self.name(), folder).await?,
            exists,
        })
    }

    /// The uids of a folder, in order.
    ///
    /// # Errors
    /// [`MailboxError::Store`].
    pub async fn uids(&self, folder: u32) -> Result<Vec<u32>, MailboxError> {
        sqlx::query("SELECT uid FROM message WHERE mailbox = $1 AND folder = $2 ORDER BY uid")
            .bind(self.name())
            .bind(i64::from(folder))
            .fetch_all(self.all.store.read())
            .await?
            .iter()
            .map(|row| uid(row.try_get(0)?))
            .collect()
    }

    /// The octets of a message; `None` when it was expunged.
    ///
    /// # Errors
    /// [`MailboxError::Key`] when it does not open, [`MailboxError::Store`].
    pub async fn content(&self, folder: u32, uid: u32) -> Result<Option<Vec<u8>>, MailboxError> {
        let row = sqlx::query(
            "SELECT c.content, c.body, c.body_file FROM message m
             JOIN content c ON c.mailbox = m.mailbox AND c.content = m.content
             WHERE m.mailbox = $1 AND m.folder = $2 AND m.uid = $3",
        )
        .bind(self.name())
        .bind(i64::from(folder))
        .bind(i64::from(uid))
        .fetch_optional(self.all.store.read())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let content: String = row.try_get(0)?;
        let kept = Kept {
            inline: row.try_get(1)?,
            file: row.try_get(2)?,
        };
        let sealed = self.all.bodies.read(kept).await?;
        Ok(Some(self.key().open(&content_context(&content), &sealed)?))
    }

    /// Changes flags and wakes the sessions. \Seen set for the first time on a tracked message is
    /// its opening by `account`. Messages that are gone are passed over. Returns the flags of those
    /// that are there, by uid.
    ///
    /// # Errors
    /// [`MailboxError::Key`], [`MailboxError::Store`].
    pub async fn store_flags(
        &self,
        folder: u32,
        uids: &[u32],
        (change, by): (Change, Flags),
        account: &str,
    ) -> Result<Vec<Entry>, MailboxError> {
        let mut after = Vec::with_capacity(uids.len());
        let mut opened = false;
        for piece in uids.chunks(PIECE) {
            let work = Storing {
                mailbox: self.name(),
                key: self.key().clone(),
                folder: folder.into(),
                uids: piece.to_vec(),
                change,
                by: by.clone(),
                account: account.to_owned(),
                now: millis(self.all.clock.now()),
            };
            let (entries, opening) = self
                .all
                .store
                .write(move |tx| Box::pin(work.run(tx)))
                .await?;
            after.extend(entries);
            opened |= opening;
        }
        if opened {
            self.all.openings.notify_one();
            self.all.store.tell(super::OPENED);
        }
        self.wake();
        Ok(after)
    }

    /// Removes messages: of `uids` those with \Deleted, or all when `marked_only` is false.
    /// Returns the uids removed and wakes the sessions.
    ///
    /// # Errors
    /// [`MailboxError::Store`].
    pub async fn expunge(
        &self,
        folder: u32,
        uids: Vec<u32>,
        marked_only: bool,
    ) -> Result<Vec<u32>, MailboxError> {
        let mut removed = Vec::new();
        for piece in uids.chunks(PIECE) {
            let (mailbox, piece) = (self.name(), piece.to_vec());
            let (gone, files) = self
                .all
                .store
                .write(move |tx| {
                    Box::pin(async move {
                        remove(tx, &mailbox, (folder.into(), &piece), marked_only).await
                    })
                })
                .await?;
            removed.extend(gone);
            for file in files {
                self.all.bodies.remove(&file).await?;
            }
        }
        if !removed.is_empty() {
            self.wake();
        }
        Ok(removed)
    }

    /// Copies messages to another folder, all or none (RFC 3501 §6.4.7); with `remove` they leave
    /// their own in the same commit (RFC 6851 §3.3). Returns pairs of the old and the new uid.
    ///
    /// # Errors
    /// [`MailboxError::NoFolder`] when the destination is gone; [`MailboxError::Key`],
    /// [`MailboxError::Store`].
    pub async fn copy(
        &self,
        from: u32,
        uids: Vec<u32>,
        to: u32,
        remove_after: bool,
    ) -> Result<Vec<(u32, u32)>, MailboxError> {
        let mailbox = self.name();
        let (pairs, files) = self
            .all
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let mut pairs = Vec::with_capacity(uids.len());
                    for old in &uids {
                        if let Some(new) = copy_one(tx, &mailbox, (from, *old), to).await? {
                            pairs.push((*old, new));
                        }
                    }
                    let files = if remove_after {
                        let copied: Vec<u32> = pairs.iter().map(|(old, _)| *old).collect();
                        remove(tx, &mailbox, (from.into(), &copied), false).await?.1
                    } else {
                        Vec::new()
                    };
                    Ok::<_, MailboxError>((pairs, files))
                })
            })
            .await?;
        for file in files {
            self.all.bodies.remove(&file).await?;
        }
        self.wake();
        Ok(pairs)
    }
}

/// Seals keywords: users name them after what they care about, patients included.
pub(super) fn seal_keywords(
    key: &SealingKey,
    content: &str,
    flags: &Flags,
) -> Result<Option<Vec<u8>>, MailboxError> {
    if flags.keywords.is_empty() {
        return Ok(None);
    }
    let text = flags
        .keywords
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ");
    Ok(Some(key.seal(&keyword_context(content), text.as_bytes())?))
}

fn open_keywords(
    key: &SealingKey,
    content: &str,
    sealed: Option<Vec<u8>>,
) -> Result<BTreeSet<String>, MailboxError> {
    let Some(sealed) = sealed else {
        return Ok(BTreeSet::new());
    };
    let text = String::from_utf8(key.open(&keyword_context(content), &sealed)?)
        .map_err(|_| MailboxError::Row("keywords"))?;
    Ok(text.split(' ').map(str::to_owned).collect())
}

fn keyword_context(content: &str) -> String {
    format!("keywords/{content}")
}

/// Reads uid, flags, keywords, internal_date, size, content.
fn read(row: &AnyRow, key: &SealingKey) -> Result<Entry, MailboxError> {
    let content: String = row.try_get(5)?;
    Ok(Entry {
        uid: uid(row.try_get(0)?)?,
        flags: Flags {
            bits: u8::try_from(row.try_get::<i64, _>(1)?)
                .map_err(|_| MailboxError::Row("flags"))?,
            keywords: open_keywords(key, &content, row.try_get(2)?)?,
        },
        internal_date: from_millis(row.try_get(3)?),
        size: u32::try_from(row.try_get::<i64, _>(4)?).map_err(|_| MailboxError::Row("a size"))?,
    })
}

fn uid(stored: i64) -> Result<u32, MailboxError> {
    u32::try_from(stored).map_err(|_| MailboxError::Row("a uid"))
}

async fn count(tx: &mut AnyConnection, mailbox: &str, folder: u32) -> Result<usize, MailboxError> {
    let row = sqlx::query("SELECT COUNT(*) FROM message WHERE mailbox = $1 AND folder = $2")
        .bind(mailbox)
        .bind(i64::from(folder))
        .fetch_one(tx)
        .await?;
    usize::try_from(row.try_get::<i64, _>(0)?).map_err(|_| MailboxError::Row("a count"))
}

/// One commit's share of a STORE.
#[derive(Clone)]
struct Storing {
    mailbox: String,
    key: std::sync::Arc<SealingKey>,
    folder: i64,
    uids: Vec<u32>,
    change: Change,
    by: Flags,
    account: String,
    now: i64,
}

impl Storing {
    async fn run(self, tx: &mut AnyConnection) -> Result<(Vec<Entry>, bool), MailboxError> {
        let modseq = next_modseq(tx, &self.mailbox).await?;
        let mut after = Vec::with_capacity(self.uids.len());
        let mut opened = false;
        for uid in &self.uids {
            let row = sqlx::query(
                "SELECT uid, flags, keywords, internal_date, size, content FROM message
                 WHERE mailbox = $1 AND folder = $2 AND uid = $3",
            )
            .bind(&self.mailbox)
            .bind(self.folder)
            .bind(i64::from(*uid))
            .fetch_optional(&mut *tx)
            .await?;
            let Some(row) = row else { continue };
            let mut entry = read(&row, &self.key)?;
            let content: String = row.try_get(5)?;
            let flags = entry.flags.changed(self.change, &self.by);
            if flags == entry.flags {
                after.push(entry);
                continue;
            }
            if flags.has(Flags::SEEN) && !entry.flags.has(Flags::SEEN) {
                let (mailbox, account) = (&self.mailbox, &self.account);
                opened |= opening::record(tx, mailbox, &content, account, self.now).await?;
            }
            sqlx::query(
                "UPDATE message SET flags = $1, keywords = $2, modseq = $3
                 WHERE mailbox = $4 AND folder = $5 AND uid = $6",
            )
            .bind(i64::from(flags.bits))
            .bind(seal_keywords(&self.key, &content, &flags)?)
            .bind(modseq)
            .bind(&self.mailbox)
            .bind(self.folder)
            .bind(i64::from(*uid))
            .execute(&mut *tx)
            .await?;
            entry.flags = flags;
            after.push(entry);
        }
        Ok((after, opened))
    }
}

/// Deletes rows and contents that no other row shows. Returns the uids that went, and the files
/// to remove once this is committed.
async fn remove(
    tx: &mut AnyConnection,
    mailbox: &str,
    (folder, uids): (i64, &[u32]),
    marked_only: bool,
) -> Result<(Vec<u32>, Vec<String>), MailboxError> {
    let (mut gone, mut files) = (Vec::new(), Vec::new());
    if uids.is_empty() {
        return Ok((gone, files));
    }
    // First, so that nobody copies what is removed meanwhile.
    next_modseq(tx, mailbox).await?;
    for uid in uids {
        let row = sqlx::query(
            "DELETE FROM message
             WHERE mailbox = $1 AND folder = $2 AND uid = $3 AND (flags & 8 = 8 OR $4 = 0)
             RETURNING content",
        )
        .bind(mailbox)
        .bind(folder)
        .bind(i64::from(*uid))
        .bind(i64::from(marked_only))
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { continue };
        gone.push(*uid);
        let content: String = row.try_get(0)?;
        let orphan = sqlx::query(
            "DELETE FROM content WHERE mailbox = $1 AND content = $2
             AND NOT EXISTS (SELECT 1 FROM message WHERE mailbox = $1 AND content = $2)
             RETURNING body_file",
        )
        .bind(mailbox)
        .bind(content)
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(file) = orphan.map(|row| row.try_get(0)).transpose()?.flatten() {
            files.push(file);
        }
    }
    Ok((gone, files))
}

async fn copy_one(
    tx: &mut AnyConnection,
    mailbox: &str,
    (from, old): (u32, u32),
    to: u32,
) -> Result<Option<u32>, MailboxError> {
    let modseq = next_modseq(tx, mailbox).await?;
    let there =
        sqlx::query("SELECT 1 FROM message WHERE mailbox = $1 AND folder = $2 AND uid = $3")
            .bind(mailbox)
            .bind(i64::from(from))
            .bind(i64::from(old))
            .fetch_optional(&mut *tx)
            .await?;
    if there.is_none() {
        return Ok(None);
    }
    let new = next_uid(tx, mailbox, to.into()).await?;
    sqlx::query(
        "INSERT INTO message (mailbox, folder, uid, content, flags, keywords, internal_date, size,
                              modseq)
         SELECT mailbox, $4, $5, content, flags, keywords, internal_date, size, $6 FROM message
         WHERE mailbox = $1 AND folder = $2 AND uid = $3",
    )
    .bind(mailbox)
    .bind(i64::from(from))
    .bind(i64::from(old))
    .bind(i64::from(to))
    .bind(new)
    .bind(modseq)
    .execute(tx)
    .await?;
    uid(new).map(Some)
}
