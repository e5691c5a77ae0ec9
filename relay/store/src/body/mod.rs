//! Message bodies: small ones beside their row, in the same commit; large ones in an object store,
//! synced before the row.
//!
//! A file a small message costs more than a row and has a long tail; a large body in a row makes
//! every copy of the database slow. Both ways a body crosses in bounded pieces: [`BodyWriter`]
//! takes it as it comes in, [`BodyReader`] gives it as it goes out, and neither ever holds more
//! than [`INLINE`] and a piece.
//!
//! - [`place`]: which object store, as settings name it. `objects`: the store itself.
//!
//! # Names
//! A large body's name is `role-random-length-digest`: its row need keep nothing else to find out
//! whether the body is whole. The object's own key is `role-random`. A reader gives out the last
//! piece only after the digest has proved right, so that a damaged body never becomes a whole
//! message; it is set aside for whoever looks into it ([`Bodies::set_aside`]). A body whose row was
//! never committed is an orphan, removed by [`Bodies::sweep`].

mod objects;
pub mod place;

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ring::digest::{Context, SHA256};
use time::OffsetDateTime;

use crate::{StoreError, random_name};

pub use place::Place;

use objects::{Objects, Reading, Upload};

/// Bodies up to this many octets live in their row.
pub const INLINE: usize = 128 * 1024;
/// Most octets of a piece that a reader gives out.
pub const PIECE: usize = 128 * 1024;
/// How old a body without a row must be to be an orphan where several processes work: no commit
/// follows its body that late.
pub const GRACE: Duration = Duration::from_secs(24 * 3600);
/// How names of bodies that were set aside begin.
const ASIDE: &str = "corrupt-";

/// Where the large bodies of one role are. Copies speak of the same place.
#[derive(Clone, Debug)]
pub struct Bodies {
    role: &'static str,
    objects: Objects,
}

/// A body as its row keeps it: exactly one of the two is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The bytes themselves, up to [`INLINE`].
    pub inline: Option<Vec<u8>>,
    /// The name of the object that holds them.
    pub file: Option<String>,
}

impl Bodies {
    /// Uses a place for the bodies of a role, which begin their names; a folder is made if absent.
    ///
    /// # Errors
    /// [`StoreError::Body`] when the folder cannot be made or the settings of the
    /// bucket cannot be used.
    pub fn open(role: &'static str, place: impl Into<Place>) -> Result<Self, StoreError> {
        Ok(Self {
            role,
            objects: Objects::open(&place.into())?,
        })
    }

    /// Begins to write a body whose length is not known yet.
    pub fn writer(&self) -> BodyWriter {
        BodyWriter {
            bodies: self.clone(),
            digest: Context::new(&SHA256),
            length: 0,
            held: Vec::new(),
            begun: None,
        }
    }

    /// Makes a body durable and says what its row must keep.
    ///
    /// # Errors
    /// As [`BodyWriter::finish`].
    pub async fn keep(&self, body: Arc<[u8]>) -> Result<Kept, StoreError> {
        let mut writer = self.writer();
        for piece in body.chunks(PIECE) {
            writer.write(piece).await?;
        }
        writer.finish().await
    }

    /// Begins to read a body back.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the object is gone or has another length than its name says;
    /// [`StoreError::Body`] when it cannot be read; [`StoreError::Row`] when the row keeps
    /// neither, or a name that none of ours is.
    pub async fn reader(&self, kept: Kept) -> Result<BodyReader, StoreError> {
        let name = match (kept.inline, kept.file) {
            (Some(body), _) => {
                let length = body.len() as u64;
                return Ok(BodyReader {
                    length,
                    left: length,
                    source: Source::Row(Bytes::from(body)),
                    check: None,
                });
            }
            (None, Some(name)) => name,
            (None, None) => return Err(StoreError::Row("a message without a body")),
        };
        let parts = Parts::of(&name).ok_or(StoreError::Row("the name of a body"))?;
        let reading = match self.objects.read(parts.key).await? {
            Some((length, reading)) if length == parts.length => reading,
            _ => return Err(StoreError::Damaged(name)),
        };
        Ok(BodyReader {
            length: parts.length,
            left: parts.length,
            source: Source::Object(reading),
            check: Some(Check {
                digest: Context::new(&SHA256),
                expected: parts.digest.to_owned(),
                name,
            }),
        })
    }

    /// A large body as a file to read from anywhere, once it has proved to be whole. It stays readable
    /// when the body is removed meanwhile.
    ///
    /// # Errors
    /// As [`Bodies::reader`] and [`BodyReader::next`].
    pub async fn spool(&self, name: &str) -> Result<Spooled, StoreError> {
        let kept = Kept {
            inline: None,
            file: Some(name.to_owned()),
        };
        let mut reader = self.reader(kept).await?;
        // A folder has the file already; a bucket's object is copied to one.
        let mut spool = self.objects.spool(key_of(name))?;
        while let Some(piece) = reader.next().await? {
            spool = spool.take(piece).await?;
        }
        Ok(Spooled {
            file: Arc::new(spool.file),
            length: reader.length,
        })
    }

    /// Reads a body whole.
    ///
    /// # Errors
    /// As [`Bodies::reader`] and [`BodyReader::next`].
    pub async fn read(&self, kept: Kept) -> Result<Arc<[u8]>, StoreError> {
        let mut reader = self.reader(kept).await?;
        // The length is that of the name; a reader never gives out more.
        let mut body = Vec::with_capacity(usize::try_from(reader.length).unwrap_or(0));
        while let Some(piece) = reader.next().await? {
            body.extend_from_slice(&piece);
        }
        Ok(body.into())
    }

    /// Removes a body whose last row is gone. One already absent is no error.
    ///
    /// # Errors
    /// [`StoreError::Body`] when it stays.
    pub async fn remove(&self, name: &str) -> Result<(), StoreError> {
        self.objects.remove(key_of(name)).await
    }

    /// Gives a damaged body another name under which nothing looks for it or removes it, for
    /// whoever looks into the damage. One that is gone is no error.
    ///
    /// # Errors
    /// [`StoreError::Body`] when it cannot be renamed.
    pub async fn set_aside(&self, name: &str) -> Result<(), StoreError> {
        self.objects
            .rename(key_of(name), &format!("{ASIDE}{name}"))
            .await
    }

    /// Removes the bodies of this role that no row keeps and that were last written before
    /// `limit`: now, where this process is alone and nothing is being written; [`GRACE`] ago where
    /// it is not. `rows` gives the names that rows keep; it is asked after the bodies were listed,
    /// and only if there are any. Returns how many were removed.
    ///
    /// # Errors
    /// [`StoreError::Body`] when the place cannot be listed or a body stays; what `rows` answers.
    pub async fn sweep<E: From<StoreError>>(
        &self,
        limit: OffsetDateTime,
        rows: impl Future<Output = Result<HashSet<String>, E>>,
    ) -> Result<usize, E> {
        let prefix = format!("{}-", self.role);
        let mut removed = self.objects.remove_unfinished(&prefix, limit).await?;
        let found = self.objects.written_before(&prefix, limit).await?;
        if found.is_empty() {
            return Ok(removed);
        }
        let names = rows.await?;
        let kept: HashSet<&str> = names.iter().map(|name| key_of(name)).collect();
        for key in found.iter().filter(|key| !kept.contains(key.as_str())) {
            self.objects.remove(key).await?;
            removed += 1;
        }
        Ok(removed)
    }
}

/// A body on its way in. Dropped before it is finished, it leaves nothing, or an orphan when the
/// process is killed.
pub struct BodyWriter {
    bodies: Bodies,
    digest: Context,
    length: u64,
    /// What is not written yet: at most [`INLINE`] octets before the object is begun, at most one
    /// part of it afterwards.
    held: Vec<u8>,
    begun: Option<(String, Upload)>,
}

impl BodyWriter {
    /// Adds octets.
    ///
    /// # Errors
    /// [`StoreError::Full`] when there is no room; [`StoreError::Body`] when they cannot be
    /// written. The body is then lost.
    pub async fn write(&mut self, mut octets: &[u8]) -> Result<(), StoreError> {
        self.length += octets.len() as u64;
        self.digest.update(octets);
        loop {
            let most = self
                .begun
                .as_ref()
                .map_or(INLINE, |_| self.bodies.objects.part());
            if self.held.len() + octets.len() <= most {
                break;
            }
            let (now, later) = octets.split_at(most.saturating_sub(self.held.len()));
            self.held.extend_from_slice(now);
            octets = later;
            self.flush().await?;
        }
        self.held.extend_from_slice(octets);
        Ok(())
    }

    /// How many octets were written so far.
    pub fn written(&self) -> u64 {
        self.length
    }

    /// Makes the body durable and says what its row must keep: once this returns, a large body
    /// and its name survive a power cut.
    ///
    /// # Errors
    /// As [`BodyWriter::write`].
    pub async fn finish(mut self) -> Result<Kept, StoreError> {
        let Some((key, mut upload)) = self.begun.take() else {
            return Ok(Kept {
                inline: Some(self.held),
                file: None,
            });
        };
        upload.write(self.held).await?;
        upload.finish().await?;
        let mut name = format!("{key}-{}-", self.length);
        for octet in self.digest.finish().as_ref() {
            let _ = write!(name, "{octet:02x}");
        }
        Ok(Kept {
            inline: None,
            file: Some(name),
        })
    }

    /// Writes what is held as a part of the object, or begins the object with it.
    async fn flush(&mut self) -> Result<(), StoreError> {
        let objects = &self.bodies.objects;
        let Some((_, upload)) = &mut self.begun else {
            let key = format!("{}-{}", self.bodies.role, random_name()?);
            let upload = objects.begin(&key).await?;
            // Kept until it is as long as a part must be.
            self.held
                .reserve_exact(objects.part().saturating_sub(self.held.len()));
            self.begun = Some((key, upload));
            return Ok(());
        };
        let held = std::mem::replace(&mut self.held, Vec::with_capacity(objects.part()));
        upload.write(held).await
    }
}

/// A body on its way out.
pub struct BodyReader {
    length: u64,
    left: u64,
    source: Source,
    check: Option<Check>,
}

enum Source {
    Row(Bytes),
    Object(Reading),
}

/// What a body must prove to be.
struct Check {
    digest: Context,
    expected: String,
    name: String,
}

impl BodyReader {
    /// The body's length in octets.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The next piece, at most [`PIECE`] octets and never empty; `None` at the end. The last
    /// piece comes only if the whole body is what was written: whoever sends it on must not
    /// finish after an error.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when length or digest differ; [`StoreError::Body`] when it cannot
    /// be read.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.left == 0 {
            return match &self.check {
                // An empty body has no last piece.
                Some(check) if self.length == 0 => check.holds().map(|()| None),
                _ => Ok(None),
            };
        }
        let most = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        let piece = match &mut self.source {
            Source::Row(body) => body.split_to(most),
            Source::Object(reading) => reading.next(most).await?,
        };
        if let Some(check) = &mut self.check {
            check.digest.update(&piece);
        }
        self.left = self.left.saturating_sub(piece.len() as u64);
        if let Some(check) = &self.check {
            if piece.is_empty() {
                return Err(StoreError::Damaged(check.name.clone()));
            }
            if self.left == 0 {
                check.holds()?;
            }
        }
        Ok(Some(piece))
    }
}

impl Check {
    fn holds(&self) -> Result<(), StoreError> {
        let found = self.digest.clone().finish();
        let mut hex = String::with_capacity(64);
        for octet in found.as_ref() {
            let _ = write!(hex, "{octet:02x}");
        }
        if hex == self.expected {
            Ok(())
        } else {
            Err(StoreError::Damaged(self.name.clone()))
        }
    }
}

/// A body in a file.
#[derive(Clone, Debug)]
pub struct Spooled {
    file: Arc<File>,
    length: u64,
}

impl Spooled {
    /// The body's length in octets.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Reads some octets from `at` on, and says how many; none only at the end. It blocks.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(into, at)
    }
}

/// Neither shows content.
impl fmt::Debug for BodyWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyWriter({} octets)", self.length)
    }
}

impl fmt::Debug for BodyReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyReader({} octets)", self.length)
    }
}

/// What a body's name says of it.
struct Parts<'a> {
    key: &'a str,
    length: u64,
    digest: &'a str,
}

impl<'a> Parts<'a> {
    /// The names of the first release were `length-digest`, and whole the object's key.
    fn of(name: &'a str) -> Option<Self> {
        let (rest, digest) = name.rsplit_once('-')?;
        if digest.len() != 64 || !digest.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let (key, length) = rest.rsplit_once('-').unwrap_or((name, rest));
        Some(Self {
            key,
            length: length.parse().ok()?,
            digest,
        })
    }
}

/// The key of the object that a name stands for.
fn key_of(name: &str) -> &str {
    Parts::of(name).map_or(name, |parts| parts.key)
}

#[cfg(test)]
mod tests;
