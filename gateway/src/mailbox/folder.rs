//! Folders: names in UTF-8 with `/` between levels, attributes of special use (RFC 6154).

use liaison_store::StoreError;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use super::{Mailbox, MailboxError, next_modseq};
use crate::keys::SealingKey;

/// What separates levels.
pub const DELIMITER: char = '/';
/// Most folders of a mailbox.
pub const MAX_FOLDERS: usize = 500;
/// Longest name, in octets of UTF-8.
pub const MAX_NAME: usize = 200;
/// Most levels.
pub const MAX_DEPTH: usize = 10;

/// What a folder is for (RFC 6154 §2). Each mailbox has one folder of each use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpecialUse {
    /// Where mail arrives; the folder is always called INBOX.
    Inbox,
    /// Copies of what was sent: « Envoyés ».
    Sent,
    /// Unfinished messages: « Brouillons ».
    Drafts,
    /// Deleted messages: « Corbeille ».
    Trash,
    /// Unwanted messages: « Indésirables ».
    Junk,
}

impl SpecialUse {
    /// Every use, in the order in which clients are shown the folders.
    pub const ALL: [Self; 5] = [
        Self::Inbox,
        Self::Drafts,
        Self::Sent,
        Self::Junk,
        Self::Trash,
    ];

    /// The attribute that clients see; INBOX has none (RFC 6154 §2).
    pub fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Inbox => None,
            Self::Sent => Some("\\Sent"),
            Self::Drafts => Some("\\Drafts"),
            Self::Trash => Some("\\Trash"),
            Self::Junk => Some("\\Junk"),
        }
    }

    /// The name that the folder is made with.
    pub fn first_name(self) -> &'static str {
        match self {
            Self::Inbox => "INBOX",
            Self::Sent => "Envoyés",
            Self::Drafts => "Brouillons",
            Self::Trash => "Corbeille",
            Self::Junk => "Indésirables",
        }
    }

    /// The form in rows.
    pub(super) fn stored(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Sent => "sent",
            Self::Drafts => "drafts",
            Self::Trash => "trash",
            Self::Junk => "junk",
        }
    }

    fn read(stored: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.stored() == stored)
    }
}

/// A folder.
#[derive(Clone, PartialEq, Eq)]
pub struct Folder {
    /// Its UIDVALIDITY, which also names it within its mailbox: it outlives a renaming.
    pub validity: u32,
    /// Its name, levels separated by [`DELIMITER`].
    pub name: String,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
    /// Whether the user subscribed to it.
    pub subscribed: bool,
    /// The uid that the next message gets.
    pub uid_next: u32,
    /// Messages from this uid on have been announced to no session (\Recent).
    pub recent_from: u32,
}

impl std::fmt::Debug for Folder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Folder({})", self.validity)
    }
}

/// How many messages a folder has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub messages: u32,
    /// Those announced to no session yet.
    pub recent: u32,
    /// Those without \Seen.
    pub unseen: u32,
    /// Those with \Deleted.
    pub deleted: u32,
    /// The sum of their sizes, in octets.
    pub size: u64,
}

impl Mailbox {
    /// Every folder, INBOX first, then those of special use, then by name.
    ///
    /// # Errors
    /// [`MailboxError::Key`], [`MailboxError::Store`].
    pub async fn folders(&self) -> Result<Vec<Folder>, MailboxError> {
        let rows = sqlx::query(
            "SELECT folder, name, special_use, subscribed, uid_next, recent_from FROM folder
             WHERE mailbox = $1",
        )
        .bind(self.name())
        .fetch_all(self.all.store.read())
        .await?;
        let mut folders = rows
            .iter()
            .map(|row| read(row, self.key()))
            .collect::<Result<Vec<_>, _>>()?;
        let rank = |folder: &Folder| {
            SpecialUse::ALL
                .iter()
                .position(|one| Some(*one) == folder.special_use)
                .unwrap_or(SpecialUse::ALL.len())
        };
        folders.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name)));
        Ok(folders)
    }

    /// The folder of this name; INBOX in any case (RFC 3501 §5.1).
    ///
    /// # Errors
    /// [`MailboxError::NoFolder`], [`MailboxError::Key`], [`MailboxError::Store`].
    pub async fn folder(&self, name: &str) -> Result<Folder, MailboxError> {
        let row = sqlx::query(
            "SELECT folder, name, special_use, subscribed, uid_next, recent_from FROM folder
             WHERE mailbox = $1 AND name_tag = $2",
        )
        .bind(self.name())
        .bind(name_tag(self.key(), canonical(name)))
        .fetch_optional(self.all.store.read())
        .await?
        .ok_or(MailboxError::NoFolder)?;
        read(&row, self.key())
    }

    /// Counts the messages of a folder.
    ///
    /// # Errors
    /// [`MailboxError::Store`].
    pub async fn counts(&self, folder: &Folder) -> Result<Counts, MailboxError> {
        let row = sqlx::query(
            "SELECT COUNT(*),
                    COALESCE(SUM(CASE WHEN uid >= $3 THEN 1 ELSE 0 END), 0),
                    COALESCE(SUM(CASE WHEN flags & 1 = 0 THEN 1 ELSE 0 END), 0),
                    COALESCE(SUM(CASE WHEN flags & 8 = 8 THEN 1 ELSE 0 END), 0),
                    CAST(COALESCE(SUM(size), 0) AS BIGINT)
             FROM message WHERE mailbox = $1 AND folder = $2",
        )
        .bind(self.name())
        .bind(i64::from(folder.validity))
        .bind(i64::from(folder.recent_from))
        .fetch_one(self.all.store.read())
        .await?;
        let count = |at: usize| -> Result<u32, MailboxError> {
            u32::try_from(row.try_get::<i64, _>(at)?).map_err(|_| MailboxError::Row("a count"))
        };
        Ok(Counts {
            messages: count(0)?,
            recent: count(1)?,
            unseen: count(2)?,
            deleted: count(3)?,
            size: u64::try_from(row.try_get::<i64, _>(4)?)
                .map_err(|_| MailboxError::Row("a size"))?,
        })
    }

    /// Makes a folder and the levels above it that are missing (RFC 3501 §6.3.3).
    ///
    /// # Errors
    /// [`MailboxError::FolderExists`], [`MailboxError::FolderName`],
    /// [`MailboxError::TooManyFolders`], [`MailboxError::Store`].
    pub async fn create(&self, name: &str) -> Result<(), MailboxError> {
        // A trailing delimiter only announces that names below will follow.
        let name = checked(name.strip_suffix(DELIMITER).unwrap_or(name))?.to_owned();
        let (mailbox, key) = (self.name(), self.key().clone());
        let now = self.all.clock.now().unix_timestamp();
        self.all
            .store
            .write(move |tx| {
                Box::pin(async move {
                    if find(tx, &key, &mailbox, &name).await?.is_some() {
                        return Err(MailboxError::FolderExists);
                    }
                    for (at, _) in name.match_indices(DELIMITER) {
                        if find(tx, &key, &mailbox, &name[..at]).await?.is_none() {
                            insert(tx, &key, (&mailbox, now), (&name[..at], None)).await?;
                        }
                    }
                    insert(tx, &key, (&mailbox, now), (&name, None)).await
                })
            })
            .await?;
        self.wake();
        Ok(())
    }

    /// Deletes a folder with its messages; folders below it stay (RFC 3501 §6.3.4).
    ///
    /// # Errors
    /// [`MailboxError::NoFolder`], [`MailboxError::Protected`], [`MailboxError::Store`].
    pub async fn delete(&self, name: &str) -> Result<(), MailboxError> {
        let folder = self.folder(name).await?;
        if folder.special_use.is_some() {
            return Err(MailboxError::Protected);
        }
        let all = self.entries(folder.validity).await?;
        let uids: Vec<u32> = all.iter().map(|entry| entry.uid).collect();
        self.expunge(folder.validity, uids, false).await?;
        let mailbox = self.name();
        self.all
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let validity = i64::from(folder.validity);
                    next_modseq(tx, &mailbox).await?;
                    let left = sqlx::query(
                        "SELECT COUNT(*) FROM message WHERE mailbox = $1 AND folder = $2",
                    )
                    .bind(&mailbox)
                    .bind(validity)
                    .fetch_one(&mut *tx)
                    .await?;
                    if left.try_get::<i64, _>(0)? > 0 {
                        // Mail arrived between the two: it is not thrown away unseen.
                        return Err(MailboxError::Store(StoreError::Row(
                            "mail arrived in a folder while it was deleted",
                        )));
                    }
                    sqlx::query("DELETE FROM folder WHERE mailbox = $1 AND folder = $2")
                        .bind(&mailbox)
                        .bind(validity)
                        .execute(&mut *tx)
                        .await?;
                    Ok(())
                })
            })
            .await?;
        self.wake();
        Ok(())
    }

    /// Renames a folder and those below it (RFC 3501 §6.3.5). INBOX stays.
    ///
    /// # Errors
    /// [`MailboxError::NoFolder`], [`MailboxError::FolderExists`], [`MailboxError::FolderName`],
    /// [`MailboxError::Protected`] for INBOX, [`MailboxError::Store`].
    pub async fn rename(&self, from: &str, to: &str) -> Result<(), MailboxError> {
        let moved = self.folder(from).await?;
        if moved.special_use == Some(SpecialUse::Inbox) {
            return Err(MailboxError::Protected);
        }
        let to = checked(to)?;
        let below = format!("{}{DELIMITER}", moved.name);
        if to.starts_with(&below) {
            return Err(MailboxError::FolderName);
        }
        let mut names = Vec::new();
        for folder in self.folders().await? {
            let rest = match folder.name.strip_prefix(&below) {
                Some(rest) => format!("{to}{DELIMITER}{rest}"),
                None if folder.validity == moved.validity => to.to_owned(),
                None => continue,
            };
            names.push((folder.validity, checked(&rest)?.to_owned()));
        }
        let (mailbox, key) = (self.name(), self.key().clone());
        let now = self.all.clock.now().unix_timestamp();
        let to = to.to_owned();
        self.all
            .store
            .write(move |tx| {
                Box::pin(async move {
                    next_modseq(tx, &mailbox).await?;
                    for (at, _) in to.match_indices(DELIMITER) {
                        if find(tx, &key, &mailbox, &to[..at]).await?.is_none() {
                            insert(tx, &key, (&mailbox, now), (&to[..at], None)).await?;
                        }
                    }
                    for (validity, name) in names {
                        if find(tx, &key, &mailbox, &name).await?.is_some() {
                            return Err(MailboxError::FolderExists);
                        }
                        sqlx::query(
                            "UPDATE folder SET name = $1, name_tag = $2
                             WHERE mailbox = $3 AND folder = $4",
                        )
                        .bind(key.seal(&context(i64::from(validity)), name.as_bytes())?)
                        .bind(name_tag(&key, &name))
                        .bind(&mailbox)
                        .bind(i64::from(validity))
                        .execute(&mut *tx)
                        .await?;
                    }
                    Ok(())
                })
            })
            .await?;
        self.wake();
        Ok(())
    }

    /// Subscribes to a folder or ends the subscription.
    ///
    /// # Errors
    /// [`MailboxError::NoFolder`], [`MailboxError::Store`].
    pub async fn subscribe(&self, name: &str, subscribed: bool) -> Result<(), MailboxError> {
        let folder = self.folder(name).await?;
        self.update_folder(folder.validity, "subscribed", i64::from(subscribed))
            .await
    }

    /// Remembers that messages before `uid_next` have been announced to a session.
    ///
    /// # Errors
    /// [`MailboxError::Store`].
    pub async fn claim_recent(&self, folder: &Folder) -> Result<(), MailboxError> {
        self.update_folder(folder.validity, "recent_from", i64::from(folder.uid_next))
            .await
    }

    async fn update_folder(
        &self,
        validity: u32,
        column: &'static str,
        value: i64,
    ) -> Result<(), MailboxError> {
        let mailbox = self.name();
        let sql = match column {
            "subscribed" => "UPDATE folder SET subscribed = $1 WHERE mailbox = $2 AND folder = $3",
            _ => "UPDATE folder SET recent_from = $1 WHERE mailbox = $2 AND folder = $3",
        };
        self.all
            .store
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(sql)
                        .bind(value)
                        .bind(mailbox)
                        .bind(i64::from(validity))
                        .execute(tx)
                        .await?;
                    Ok(())
                })
            })
            .await
    }
}

/// The folders of a new mailbox, all subscribed.
pub(super) async fn create_first(
    tx: &mut AnyConnection,
    key: &SealingKey,
    mailbox: &str,
) -> Result<(), MailboxError> {
    for special in SpecialUse::ALL {
        insert(tx, key, (mailbox, 0), (special.first_name(), Some(special))).await?;
    }
    Ok(())
}

/// Reads folder, name, special_use, subscribed, uid_next, recent_from.
fn read(row: &AnyRow, key: &SealingKey) -> Result<Folder, MailboxError> {
    let validity: i64 = row.try_get(0)?;
    let name: Vec<u8> = row.try_get(1)?;
    let special: Option<String> = row.try_get(2)?;
    let number = |at: usize| -> Result<u32, MailboxError> {
        u32::try_from(row.try_get::<i64, _>(at)?).map_err(|_| MailboxError::Row("a uid"))
    };
    Ok(Folder {
        validity: number(0)?,
        name: String::from_utf8(key.open(&context(validity), &name)?)
            .map_err(|_| MailboxError::Row("a folder's name"))?,
        special_use: special.as_deref().and_then(SpecialUse::read),
        subscribed: row.try_get::<i64, _>(3)? != 0,
        uid_next: number(4)?,
        recent_from: number(5)?,
    })
}

/// Writes a folder's row with the next UIDVALIDITY of its mailbox: at least the present second.
async fn insert(
    tx: &mut AnyConnection,
    key: &SealingKey,
    (mailbox, now): (&str, i64),
    (name, special): (&str, Option<SpecialUse>),
) -> Result<(), MailboxError> {
    let row = sqlx::query("SELECT COUNT(*) FROM folder WHERE mailbox = $1")
        .bind(mailbox)
        .fetch_one(&mut *tx)
        .await?;
    if usize::try_from(row.try_get::<i64, _>(0)?).unwrap_or(usize::MAX) >= MAX_FOLDERS {
        return Err(MailboxError::TooManyFolders);
    }
    let row = sqlx::query(
        "UPDATE mailbox
         SET validity = CASE WHEN validity >= $2 THEN validity + 1 ELSE $2 END,
             modseq = modseq + 1
         WHERE address = $1 RETURNING validity",
    )
    .bind(mailbox)
    .bind(now)
    .fetch_optional(&mut *tx)
    .await?
    .ok_or(MailboxError::Unknown)?;
    let validity: i64 = row.try_get(0)?;
    sqlx::query(
        "INSERT INTO folder (mailbox, folder, name, name_tag, special_use, subscribed, uid_next,
                             recent_from)
         VALUES ($1, $2, $3, $4, $5, $6, 1, 1)",
    )
    .bind(mailbox)
    .bind(validity)
    .bind(key.seal(&context(validity), name.as_bytes())?)
    .bind(name_tag(key, name))
    .bind(special.map(SpecialUse::stored))
    .bind(i64::from(special.is_some()))
    .execute(tx)
    .await?;
    Ok(())
}

async fn find(
    tx: &mut AnyConnection,
    key: &SealingKey,
    mailbox: &str,
    name: &str,
) -> Result<Option<i64>, MailboxError> {
    let row = sqlx::query("SELECT folder FROM folder WHERE mailbox = $1 AND name_tag = $2")
        .bind(mailbox)
        .bind(name_tag(key, name))
        .fetch_optional(tx)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Checks a name that a client chose.
fn checked(name: &str) -> Result<&str, MailboxError> {
    let levels = || name.split(DELIMITER);
    let fits = name.len() <= MAX_NAME
        && levels().count() <= MAX_DEPTH
        && levels().all(|level| !level.trim().is_empty())
        && !name.contains(|c: char| c.is_control() || c == '*' || c == '%');
    if !fits {
        return Err(MailboxError::FolderName);
    }
    // « inbox/x » is a folder below INBOX, whatever the case (RFC 3501 §5.1).
    Ok(canonical(name))
}

fn canonical(name: &str) -> &str {
    if name.eq_ignore_ascii_case("INBOX") {
        "INBOX"
    } else {
        name
    }
}

fn name_tag(key: &SealingKey, name: &str) -> Vec<u8> {
    key.tag("folder name", name.as_bytes())
}

fn context(validity: i64) -> String {
    format!("folder/{validity}")
}
