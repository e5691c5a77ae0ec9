//! Message bodies: small ones beside their row, in the same commit; large ones in files, synced
//! before the row.
//!
//! A file a small message costs more than a row and has a long tail; a large body in a row makes
//! every copy of the database slow. The row of a large body keeps its length and digest, checked
//! whenever the body is read.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest::{SHA256, digest};

use crate::StoreError;

/// Bodies up to this many octets live in their row.
pub const INLINE: usize = 128 * 1024;

/// A folder of large bodies. Copies speak of the same folder.
#[derive(Clone, Debug)]
pub struct Bodies {
    folder: Arc<Path>,
}

/// A body as its row keeps it: exactly one of the two is present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The bytes themselves, up to [`INLINE`].
    pub inline: Option<Vec<u8>>,
    /// The name of the file that holds them.
    pub file: Option<String>,
}

impl Bodies {
    /// Uses `folder`, made if absent.
    ///
    /// # Errors
    /// [`StoreError::Body`] when it cannot be made.
    pub fn open(folder: PathBuf) -> Result<Self, StoreError> {
        fs::create_dir_all(&folder)?;
        Ok(Self {
            folder: folder.into(),
        })
    }

    /// Makes a body durable and says what its row must keep. A file whose row is never committed
    /// is an orphan that [`Bodies::sweep`] removes.
    ///
    /// # Errors
    /// [`StoreError::Body`] when the file cannot be written and synced.
    pub async fn keep(&self, body: Arc<[u8]>) -> Result<Kept, StoreError> {
        if body.len() <= INLINE {
            return Ok(Kept {
                inline: Some(body.to_vec()),
                file: None,
            });
        }
        let folder = Arc::clone(&self.folder);
        let file = blocking(move || write_synced(&folder, &body)).await?;
        Ok(Kept {
            inline: None,
            file: Some(file),
        })
    }

    /// Reads a body back.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the file is not what was written; [`StoreError::Body`] when it
    /// cannot be read; [`StoreError::Row`] when the row keeps neither.
    pub async fn read(&self, kept: Kept) -> Result<Arc<[u8]>, StoreError> {
        match (kept.inline, kept.file) {
            (Some(body), _) => Ok(body.into()),
            (None, Some(name)) => {
                let path = self.folder.join(&name);
                let body = blocking(move || fs::read(path)).await?;
                if name_of(&body) == name {
                    Ok(body.into())
                } else {
                    Err(StoreError::Damaged(name))
                }
            }
            (None, None) => Err(StoreError::Row("a message without a body")),
        }
    }

    /// Removes a body whose last row is gone. A file already absent is no error.
    ///
    /// # Errors
    /// [`StoreError::Body`] when the file stays.
    pub async fn remove(&self, name: &str) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        match blocking(move || fs::remove_file(path)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes every file that `is_kept` does not know: bodies whose row was never committed.
    /// Call it before any work begins. Returns how many were removed.
    ///
    /// # Errors
    /// [`StoreError::Body`] when the folder cannot be read or a file stays.
    pub fn sweep(&self, is_kept: impl Fn(&str) -> bool) -> Result<usize, StoreError> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if !entry.file_name().to_str().is_some_and(&is_kept) {
                fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// Writes, syncs, renames into place and syncs the folder, so that neither the bytes nor the name
/// can be lost once this returns. Equal bodies share one file.
fn write_synced(folder: &Path, body: &[u8]) -> io::Result<String> {
    let name = name_of(body);
    let path = folder.join(&name);
    let partial = folder.join(format!("{name}.{:?}.part", std::thread::current().id()));
    let mut file = File::create(&partial)?;
    file.write_all(body)?;
    file.sync_all()?;
    fs::rename(&partial, &path)?;
    File::open(folder)?.sync_all()?;
    Ok(name)
}

/// Length and SHA-256 in hexadecimal: the name proves the content.
fn name_of(body: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut name = format!("{}-", body.len());
    for byte in digest(&SHA256, body).as_ref() {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the file task was cut off")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_and_large_bodies_read_back_as_kept() {
        let folder = tempfile::tempdir().unwrap();
        let bodies = Bodies::open(folder.path().join("bodies")).unwrap();
        for size in [0, 1, INLINE, INLINE + 1, 3 * INLINE] {
            let body: Arc<[u8]> = vec![7; size].into();
            let kept = bodies.keep(Arc::clone(&body)).await.unwrap();
            assert_eq!(kept.inline.is_some(), size <= INLINE);
            assert_eq!(bodies.read(kept).await.unwrap(), body);
        }
    }

    #[tokio::test]
    async fn a_changed_file_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let bodies = Bodies::open(folder.path().to_owned()).unwrap();
        let kept = bodies.keep(vec![7; INLINE + 1].into()).await.unwrap();
        let path = folder.path().join(kept.file.clone().unwrap());
        let mut changed = fs::read(&path).unwrap();
        changed[9] = 8;
        fs::write(&path, changed).unwrap();
        assert!(matches!(
            bodies.read(kept).await,
            Err(StoreError::Damaged(_))
        ));
    }

    #[tokio::test]
    async fn orphans_are_swept_and_kept_bodies_stay() {
        let folder = tempfile::tempdir().unwrap();
        let bodies = Bodies::open(folder.path().to_owned()).unwrap();
        let kept = bodies.keep(vec![1; INLINE + 1].into()).await.unwrap();
        bodies.keep(vec![2; INLINE + 1].into()).await.unwrap();
        let name = kept.file.clone().unwrap();
        assert_eq!(bodies.sweep(|file| file == name).unwrap(), 1);
        assert!(bodies.read(kept).await.is_ok());
    }
}
