//! The object store: `object_store` for a local folder and for a bucket alike. The folder is told
//! to sync each file and the folder itself before it answers (`with_fsync`), which it does not do
//! by default; a bucket answers what is durable.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    Error as ObjectError, GetResultPayload, MultipartUpload, ObjectStore, ObjectStoreExt as _,
};
use time::OffsetDateTime;

use super::place::{Address, Place};
use crate::{StoreError, random_name};

/// The least that a part of an object in a bucket may have, save the last.
const BUCKET_PART: usize = 5 * 1024 * 1024;
/// What is written to a file at a time.
const FOLDER_PART: usize = 128 * 1024;

/// A file from which a body is to be read.
pub(super) struct Spool {
    pub(super) file: File,
    /// Whether it is the body's own.
    is_filled: bool,
}

impl Spool {
    /// Adds a piece of the body, unless it is there.
    pub(super) async fn take(mut self, piece: Bytes) -> Result<Self, StoreError> {
        if self.is_filled {
            return Ok(self);
        }
        let writing = move || self.file.write_all(&piece).map(|()| self);
        let written = tokio::task::spawn_blocking(writing).await;
        Ok(written.unwrap_or_else(|_| Err(io::Error::other("writing was cut off")))?)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    /// The folder, where it is one.
    folder: Option<PathBuf>,
}

impl Objects {
    pub(super) fn open(place: &Place) -> Result<Self, StoreError> {
        match place {
            Place::Folder(path) => {
                fs::create_dir_all(path)?;
                let store = LocalFileSystem::new_with_prefix(path)?.with_fsync(true);
                Ok(Self {
                    store: Arc::new(store),
                    prefix: String::new(),
                    folder: Some(path.clone()),
                })
            }
            Place::Bucket(address) => Ok(Self {
                store: Arc::new(bucket(address)?),
                prefix: address.prefix.clone(),
                folder: None,
            }),
        }
    }

    /// How many octets are written at a time.
    pub(super) fn part(&self) -> usize {
        match self.folder {
            Some(_) => FOLDER_PART,
            None => BUCKET_PART,
        }
    }

    pub(super) async fn begin(&self, key: &str) -> Result<Upload, StoreError> {
        Ok(Upload(self.store.put_multipart(&self.path(key)).await?))
    }

    /// The object's length and content; `None` when there is none.
    pub(super) async fn read(&self, key: &str) -> Result<Option<(u64, Reading)>, StoreError> {
        let found = match self.store.get(&self.path(key)).await {
            Err(ObjectError::NotFound { .. }) => return Ok(None),
            found => found?,
        };
        let length = found.meta.size;
        let reading = match found.payload {
            GetResultPayload::File(file, _) => Reading::File(Some(file)),
            GetResultPayload::Stream(pieces) => Reading::Stream {
                pieces,
                rest: Bytes::new(),
            },
        };
        Ok(Some((length, reading)))
    }

    /// Where a body can be read from anywhere: its own file in a folder, else a file to be filled
    /// that nobody else can open and that goes with its handle.
    pub(super) fn spool(&self, key: &str) -> Result<Spool, StoreError> {
        if let Some(folder) = &self.folder {
            let file = File::open(folder.join(key))?;
            return Ok(Spool {
                file,
                is_filled: true,
            });
        }
        Self::copying()
    }

    /// A file to be filled that nobody else can open, and that goes with its handle. What lies in it
    /// is sealed.
    pub(super) fn copying() -> Result<Spool, StoreError> {
        let path = std::env::temp_dir().join(format!("liaison-{}", random_name()?));
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        fs::remove_file(&path)?;
        Ok(Spool {
            file,
            is_filled: false,
        })
    }

    pub(super) async fn remove(&self, key: &str) -> Result<(), StoreError> {
        match self.store.delete(&self.path(key)).await {
            Err(ObjectError::NotFound { .. }) => Ok(()),
            done => Ok(done?),
        }
    }

    pub(super) async fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        match self.store.rename(&self.path(from), &self.path(to)).await {
            Err(ObjectError::NotFound { .. }) => Ok(()),
            done => Ok(done?),
        }
    }

    /// The keys that begin so, of objects last written before `limit`.
    pub(super) async fn written_before(
        &self,
        prefix: &str,
        limit: OffsetDateTime,
    ) -> Result<Vec<String>, StoreError> {
        let within = (!self.prefix.is_empty()).then(|| Path::from(self.prefix.as_str()));
        let found = self
            .store
            .list(within.as_ref())
            .try_filter_map(|about| async move {
                let key = about.location.filename().unwrap_or_default();
                let old = about.last_modified.timestamp() < limit.unix_timestamp();
                Ok((old && key.starts_with(prefix)).then(|| key.to_owned()))
            })
            .try_collect()
            .await?;
        Ok(found)
    }

    /// Removes what a killed process has left of objects that it was writing into the folder,
    /// where they are files that nothing lists. A bucket's server removes its own, by the rule
    /// for unfinished uploads that its operator sets.
    pub(super) async fn remove_unfinished(
        &self,
        prefix: &str,
        limit: OffsetDateTime,
    ) -> Result<usize, StoreError> {
        let Some(folder) = self.folder.clone() else {
            return Ok(0);
        };
        let prefix = prefix.to_owned();
        blocking(move || unfinished(&folder, &prefix, limit)).await
    }

    fn path(&self, key: &str) -> Path {
        Path::from(format!("{}{key}", self.prefix))
    }
}

fn bucket(address: &Address) -> Result<object_store::aws::AmazonS3, StoreError> {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(&address.bucket);
    if let Some(region) = &address.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &address.endpoint {
        builder = builder
            .with_endpoint(endpoint)
            .with_allow_http(endpoint.starts_with("http://"));
    }
    Ok(builder.build()?)
}

/// `object_store` writes to `key#number` and renames at the end.
fn unfinished(folder: &FilePath, prefix: &str, limit: OffsetDateTime) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let ours = name
            .to_str()
            .is_some_and(|name| name.starts_with(prefix) && name.contains('#'));
        // It may be gone meanwhile.
        let old = entry
            .metadata()
            .and_then(|about| about.modified())
            .is_ok_and(|written| OffsetDateTime::from(written) < limit);
        if ours && old && fs::remove_file(entry.path()).is_ok() {
            removed += 1;
        }
    }
    Ok(removed)
}

/// An object that is being written; dropped before its end, it leaves none.
#[derive(Debug)]
pub(super) struct Upload(Box<dyn MultipartUpload>);

impl Upload {
    pub(super) async fn write(&mut self, octets: Vec<u8>) -> Result<(), StoreError> {
        Ok(self.0.put_part(octets.into()).await?)
    }

    pub(super) async fn finish(mut self) -> Result<(), StoreError> {
        self.0.complete().await?;
        Ok(())
    }
}

/// An object that is being read.
pub(super) enum Reading {
    File(Option<File>),
    Stream {
        pieces: BoxStream<'static, Result<Bytes, ObjectError>>,
        rest: Bytes,
    },
}

impl Reading {
    /// The next octets, at most `most`; none at the end.
    pub(super) async fn next(&mut self, most: usize) -> Result<Bytes, StoreError> {
        match self {
            Self::File(open) => {
                let Some(mut file) = open.take() else {
                    return Ok(Bytes::new());
                };
                let (file, piece) = blocking(move || {
                    let mut piece = Vec::with_capacity(most);
                    (&mut file).take(most as u64).read_to_end(&mut piece)?;
                    Ok((file, piece))
                })
                .await?;
                *open = Some(file);
                Ok(piece.into())
            }
            Self::Stream { pieces, rest } => {
                while rest.is_empty() {
                    match pieces.next().await {
                        Some(piece) => *rest = piece?,
                        None => break,
                    }
                }
                Ok(rest.split_to(most.min(rest.len())))
            }
        }
    }
}

/// A disk without room is told apart, however deep the cause lies.
impl From<ObjectError> for StoreError {
    fn from(error: ObjectError) -> Self {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = next {
            if let Some(cause) = cause.downcast_ref::<io::Error>()
                && matches!(
                    cause.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                )
            {
                return Self::Full(cause.to_string());
            }
            next = cause.source();
        }
        Self::Body(io::Error::other(error))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(io::Error::other("the file task was cut off")))
        .map_err(StoreError::from)
}
