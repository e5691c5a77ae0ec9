//! Putting messages into mailboxes.
//!
//! Sealing and the file of a large body come first ([`Mailboxes::prepare`]), outside any
//! transaction; the rows ([`Prepared::file`]) then share the caller's commit. A body whose rows are
//! never committed is an orphan file that the next start sweeps.

use std::sync::Arc;

use liaison_base::clock::millis;
use liaison_mail::Address;
use liaison_store::body::Kept;
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::{Flags, Mailbox, MailboxError, Mailboxes, SpecialUse, message, next_modseq};
use crate::keys::fill_random;

/// A message for a mailbox.
#[derive(Clone)]
pub struct Filing<'a> {
    /// Whose mailbox.
    pub mailbox: Address,
    /// The folder of this use.
    pub folder: SpecialUse,
    /// The message as clients will read it, octet for octet (RFC 5322).
    pub message: &'a [u8],
    /// Names the message for ever within its mailbox: a second filing with the same name is none.
    pub dedupe: String,
    /// An opaque token that comes back in an [`super::Opening`] when the message is first read.
    pub tracked: Option<String>,
    /// Whether it counts as read already, as what the person sent.
    pub seen: bool,
}

/// A message sealed and ready to be filed.
#[derive(Clone)]
pub struct Prepared {
    mailbox: String,
    place: Place,
    content: String,
    kept: Kept,
    size: i64,
    flags: Flags,
    keywords: Option<Vec<u8>>,
    date: i64,
    now: i64,
    dedupe: Option<Vec<u8>>,
    tracked: Option<String>,
}

#[derive(Clone)]
enum Place {
    Use(SpecialUse),
    Folder(i64),
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filed {
    /// The folder's UIDVALIDITY.
    pub folder: u32,
    /// The uid within the folder.
    pub uid: u32,
    /// Whether it was filed now; false when its dedupe key had been filed before, perhaps to be
    /// moved or deleted since.
    pub new: bool,
}

impl Mailboxes {
    /// Seals a message and makes a large body durable.
    ///
    /// # Errors
    /// [`MailboxError::Unknown`] when the mailbox is not served here; [`MailboxError::Key`],
    /// [`MailboxError::Store`].
    pub async fn prepare(&self, filing: Filing<'_>) -> Result<Prepared, MailboxError> {
        let mailbox = self.mailbox(&filing.mailbox).ok_or(MailboxError::Unknown)?;
        let flags = Flags {
            bits: if filing.seen { Flags::SEEN } else { 0 },
            ..Flags::default()
        };
        let mut prepared = mailbox
            .prepared(Place::Use(filing.folder), filing.message, flags, None)
            .await?;
        prepared.dedupe = Some(mailbox.key().tag("dedupe", filing.dedupe.as_bytes()));
        prepared.tracked = filing.tracked;
        Ok(prepared)
    }

    /// Prepares and files one message in a commit of its own, and wakes the sessions.
    ///
    /// # Errors
    /// As [`Mailboxes::prepare`] and [`Prepared::file`].
    pub async fn file(&self, filing: Filing<'_>) -> Result<Filed, MailboxError> {
        let address = filing.mailbox.clone();
        let prepared = self.prepare(filing).await?;
        let filed = self
            .0
            .store
            .write(move |tx| Box::pin(prepared.file(tx)))
            .await?;
        self.wake(&address);
        Ok(filed)
    }
}

impl Mailbox {
    /// Adds a message to a folder, as APPEND does (RFC 3501 §6.3.11), and wakes the sessions.
    /// `date` is the internal date; now if absent.
    ///
    /// # Errors
    /// [`MailboxError::NoFolder`], [`MailboxError::Key`], [`MailboxError::Store`].
    pub async fn append(
        &self,
        folder: u32,
        message: &[u8],
        flags: Flags,
        date: Option<OffsetDateTime>,
    ) -> Result<Filed, MailboxError> {
        let prepared = self
            .prepared(Place::Folder(folder.into()), message, flags, date)
            .await?;
        let filed = self
            .all
            .store
            .write(move |tx| Box::pin(prepared.file(tx)))
            .await?;
        self.wake();
        Ok(filed)
    }

    async fn prepared(
        &self,
        place: Place,
        message: &[u8],
        flags: Flags,
        date: Option<OffsetDateTime>,
    ) -> Result<Prepared, MailboxError> {
        let content = new_content()?;
        let sealed: Arc<[u8]> = self.key().seal(&content_context(&content), message)?.into();
        let now = self.all.clock.now();
        Ok(Prepared {
            mailbox: self.name(),
            place,
            kept: self.all.bodies.keep(sealed).await?,
            size: i64::try_from(message.len()).unwrap_or(i64::MAX),
            keywords: message::seal_keywords(self.key(), &content, &flags)?,
            content,
            flags,
            date: millis(date.unwrap_or(now)),
            now: millis(now),
            dedupe: None,
            tracked: None,
        })
    }
}

impl Prepared {
    /// Writes the rows within the caller's transaction. After the commit, wake the sessions with
    /// [`Mailboxes::wake`].
    ///
    /// # Errors
    /// [`MailboxError::NoFolder`] when the folder is gone; [`MailboxError::Store`].
    pub async fn file(self, tx: &mut AnyConnection) -> Result<Filed, MailboxError> {
        let folder = self.folder(tx).await?;
        if let Some(dedupe) = &self.dedupe
            && let Some(earlier) = self.filed_before(tx, dedupe).await?
        {
            return Ok(earlier);
        }
        let modseq = next_modseq(tx, &self.mailbox).await?;
        let uid = next_uid(tx, &self.mailbox, folder).await?;
        if let Some(dedupe) = &self.dedupe {
            sqlx::query(
                "INSERT INTO filed (mailbox, dedupe, folder, uid, at) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(&self.mailbox)
            .bind(dedupe)
            .bind(folder)
            .bind(uid)
            .bind(self.now)
            .execute(&mut *tx)
            .await?;
        }
        sqlx::query(
            "INSERT INTO content (mailbox, content, body, body_file, tracked)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(&self.mailbox)
        .bind(&self.content)
        .bind(self.kept.inline)
        .bind(self.kept.file)
        .bind(self.tracked)
        .execute(&mut *tx)
        .await?;
        sqlx::query(
            "INSERT INTO message (mailbox, folder, uid, content, flags, keywords, internal_date,
                                  size, modseq)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(&self.mailbox)
        .bind(folder)
        .bind(uid)
        .bind(&self.content)
        .bind(i64::from(self.flags.bits))
        .bind(self.keywords)
        .bind(self.date)
        .bind(self.size)
        .bind(modseq)
        .execute(tx)
        .await?;
        filed(folder, uid, true)
    }

    async fn folder(&self, tx: &mut AnyConnection) -> Result<i64, MailboxError> {
        let special = match self.place {
            Place::Folder(folder) => return Ok(folder),
            Place::Use(special) => special,
        };
        let row = sqlx::query("SELECT folder FROM folder WHERE mailbox = $1 AND special_use = $2")
            .bind(&self.mailbox)
            .bind(special.stored())
            .fetch_optional(tx)
            .await?
            .ok_or(MailboxError::NoFolder)?;
        Ok(row.try_get(0)?)
    }

    async fn filed_before(
        &self,
        tx: &mut AnyConnection,
        dedupe: &[u8],
    ) -> Result<Option<Filed>, MailboxError> {
        let row = sqlx::query("SELECT folder, uid FROM filed WHERE mailbox = $1 AND dedupe = $2")
            .bind(&self.mailbox)
            .bind(dedupe)
            .fetch_optional(tx)
            .await?;
        row.map(|row| filed(row.try_get(0)?, row.try_get(1)?, false))
            .transpose()
    }
}

/// What the sealed content of a message is bound to.
pub(super) fn content_context(content: &str) -> String {
    format!("content/{content}")
}

/// Takes the next uid of a folder; uids only grow and never come back (RFC 3501 §2.3.1.1).
pub(super) async fn next_uid(
    tx: &mut AnyConnection,
    mailbox: &str,
    folder: i64,
) -> Result<i64, MailboxError> {
    let row = sqlx::query(
        "UPDATE folder SET uid_next = uid_next + 1 WHERE mailbox = $1 AND folder = $2
         RETURNING uid_next - 1",
    )
    .bind(mailbox)
    .bind(folder)
    .fetch_optional(tx)
    .await?
    .ok_or(MailboxError::NoFolder)?;
    Ok(row.try_get(0)?)
}

fn filed(folder: i64, uid: i64, new: bool) -> Result<Filed, MailboxError> {
    Ok(Filed {
        folder: u32::try_from(folder).map_err(|_| MailboxError::Row("a folder's number"))?,
        uid: u32::try_from(uid).map_err(|_| MailboxError::Row("a uid"))?,
        new,
    })
}

/// A random name of 128 bits, in hexadecimal.
fn new_content() -> Result<String, MailboxError> {
    let mut random = [0; 16];
    fill_random(&mut random)?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}
