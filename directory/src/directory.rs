//! The directory in this process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use liaison_base::clock::Clock;
use liaison_directory_client::{Lookup, LookupError, Query, RelayEndpoint, Resolution};
use liaison_mail::Domain;
use liaison_mail::port::PortFuture;
use liaison_store::{Location, Store};
use ring::digest::{SHA256, digest};

use crate::error::DirectoryError;
use crate::import::{self, FileKind, Options, Report};
use crate::index::{Builder, Group, Index, Merge};
use crate::model::{Assertion, Field, Origin, Source};
use crate::set;
use crate::sharing;
use crate::store::{self, ListRow};
use crate::view::{State, View};

/// The directory in this process. It answers from what was last accepted; readers never wait for
/// an import.
#[derive(Debug)]
pub struct Directory {
    store: Store,
    clock: Arc<dyn Clock>,
    /// Where sets and indexes are.
    folder: PathBuf,
    state: RwLock<Arc<State>>,
    /// What the state was made of: the sets and the last assertion.
    made_of: tokio::sync::Mutex<(String, i64)>,
}

impl Directory {
    /// Opens the database; a SQLite file is made if absent. It may still be empty. Accepted sets
    /// and the index are kept in `sets`, a folder that is made if absent; processes that share a
    /// database share it.
    ///
    /// # Errors
    /// [`DirectoryError::Store`]; [`DirectoryError::Index`] when the folder cannot be used.
    pub async fn open(
        database: impl Into<Location>,
        sets: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, DirectoryError> {
        let store = Store::open(database, &[store::SCHEMA]).await?;
        fs::create_dir_all(sets).map_err(DirectoryError::Index)?;
        let folder = sets.to_owned();
        let directory = Self {
            store,
            clock,
            folder,
            state: RwLock::new(Arc::new(State::new(None, Vec::new(), Vec::new())?)),
            made_of: tokio::sync::Mutex::new((String::new(), 0)),
        };
        directory.refresh().await?;
        Ok(directory)
    }

    /// The directory as it is now, for reading.
    ///
    /// # Errors
    /// [`DirectoryError::Empty`] when nothing was ever imported.
    pub fn view(&self) -> Result<View, DirectoryError> {
        let state = Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner));
        View::new(state, self.clock.now())
    }

    /// Takes over what another process has imported or asserted. Costs two small queries when
    /// nothing has changed.
    ///
    /// # Errors
    /// [`DirectoryError::Store`], [`DirectoryError::Index`]; the earlier state keeps serving.
    pub async fn refresh(&self) -> Result<(), DirectoryError> {
        let mut made_of = self.made_of.lock().await;
        let (lists, last, (stale, unusable)) = {
            let mut snapshot = self.store.read().begin().await?;
            let lists = store::lists(&mut snapshot).await?;
            let silent = sharing::silent(&mut snapshot).await?;
            (lists, store::last_assertion(&mut snapshot).await?, silent)
        };
        let fingerprint = fingerprint(&lists);
        let refused: Vec<_> = lists.iter().map(|row| row.state.refused.clone()).collect();
        let now_made_of = (
            format!("{fingerprint}{refused:?}{stale:?}{unusable:?}"),
            last,
        );
        if *made_of == now_made_of {
            return Ok(());
        }
        let mut assertions = {
            let mut connection = self.store.read().acquire().await?;
            store::assertions(&mut connection).await?
        };
        // A log that was silent too long may have revoked them.
        for assertion in &mut assertions {
            if unusable.contains(&assertion.origin.signer) {
                assertion.facts.retain(|(field, _)| *field != Field::Der);
            }
        }
        let known = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            state
                .base()
                .filter(|base| base.fingerprint() == fingerprint)
                .cloned()
        };
        let folder = self.folder.clone();
        let state = tokio::task::spawn_blocking(move || {
            let base = match known {
                Some(base) => Some(base),
                None if lists.is_empty() => None,
                None => Some(Arc::new(index_of(&folder, &lists, &fingerprint)?)),
            };
            let mut lists: Vec<_> = lists.into_iter().map(|row| row.state).collect();
            lists.extend(stale);
            State::new(base, assertions, lists)
        })
        .await
        .map_err(|_| cut_off())??;
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
        *made_of = now_made_of;
        Ok(())
    }

    /// Reads a file, compares it with what its list said before, and serves it from then on.
    ///
    /// # Errors
    /// [`DirectoryError::Read`], [`DirectoryError::Entries`], [`DirectoryError::Columns`] when the
    /// file cannot be used; [`DirectoryError::Refused`] when a circuit breaker trips;
    /// [`DirectoryError::Store`], [`DirectoryError::Index`]. After an error the last good set
    /// keeps serving.
    pub async fn import(
        &self,
        kind: FileKind,
        file: &Path,
        options: Options,
    ) -> Result<Report, DirectoryError> {
        let report = self.accept(kind, file, options).await?;
        self.serve_accepted().await?;
        Ok(report)
    }

    /// [`Directory::import`] of several files, which serve together from then on: the index, which
    /// costs most, is built once. A file that is refused does not keep the others from serving.
    ///
    /// # Errors
    /// [`DirectoryError::Index`], [`DirectoryError::Store`] when what was accepted cannot be
    /// served; each file's own error is in its place of the list.
    pub async fn import_all(
        &self,
        files: Vec<(FileKind, PathBuf, Options)>,
    ) -> Result<Vec<Result<Report, DirectoryError>>, DirectoryError> {
        let mut reports = Vec::with_capacity(files.len());
        for (kind, file, options) in files {
            reports.push(self.accept(kind, &file, options).await);
        }
        self.serve_accepted().await?;
        Ok(reports)
    }

    async fn serve_accepted(&self) -> Result<(), DirectoryError> {
        self.refresh().await?;
        self.tidy().await;
        Ok(())
    }

    /// Reads a file and accepts it or not; nothing serves yet.
    async fn accept(
        &self,
        kind: FileKind,
        file: &Path,
        options: Options,
    ) -> Result<Report, DirectoryError> {
        let now = self.clock.now();
        let accepted_before = {
            let mut connection = self.store.read().acquire().await?;
            store::lists(&mut connection).await?
        };
        let (folder, path) = (self.folder.clone(), file.to_owned());
        let prepared = tokio::task::spawn_blocking(move || {
            import::prepare(
                kind,
                &path,
                options,
                &import::Place {
                    folder,
                    now,
                    accepted_before,
                },
            )
        })
        .await
        .map_err(|_| cut_off())?;
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err((list, error)) => {
                self.record_refusal(&list, &error).await;
                return Err(error);
            }
        };
        let (row, report) = (prepared.row, prepared.report);
        let accepted = row.clone();
        self.store
            .write(move |tx| Box::pin(async move { store::accept(tx, &accepted).await }))
            .await
            .map_err(DirectoryError::Store)?;
        tracing::info!(list = row.state.list, %report, "a list was imported");
        Ok(report)
    }

    /// Adds what somebody says of a subject; the sequence number is given here. It is durable and
    /// visible when this returns. What a later assertion of the same signer says of a field
    /// replaces what an earlier one said; an empty value takes back.
    ///
    /// Whether the signer may speak is the caller's to check.
    ///
    /// # Errors
    /// [`DirectoryError::Store`], [`DirectoryError::Index`].
    pub async fn assert(&self, assertion: Assertion) -> Result<(), DirectoryError> {
        self.store
            .write(move |tx| Box::pin(async move { store::assert(tx, &assertion).await }))
            .await
            .map_err(DirectoryError::Store)?;
        self.refresh().await
    }

    /// What this directory says on its own word: its file of entries and what was asserted here by
    /// owners, without the logs of others.
    pub(crate) async fn said_here(&self) -> Result<Vec<Assertion>, DirectoryError> {
        let mut connection = self.store.read().acquire().await?;
        let lists = store::lists(&mut connection).await?;
        let logs = store::log_origins(&mut connection).await?;
        let mut said = Vec::new();
        for row in lists
            .iter()
            .filter(|row| row.state.source == Source::Entries)
        {
            said.extend(set::assertions(
                &self.folder.join(&row.file),
                &row.origin(),
            )?);
        }
        let asserted = store::assertions(&mut connection).await?;
        said.extend(asserted.into_iter().filter(|one| {
            one.origin.source == Source::Owner && !logs.contains(&one.origin.signer)
        }));
        Ok(said)
    }

    /// The database.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The present instant.
    pub(crate) fn now(&self) -> time::OffsetDateTime {
        self.clock.now()
    }

    /// Waits for what is being written and closes the database.
    pub async fn close(self) {
        self.store.close().await;
    }

    /// A refusal is told where the list's freshness is shown; that it cannot be recorded must not
    /// hide the refusal itself.
    async fn record_refusal(&self, list: &str, error: &DirectoryError) {
        let (list, reason, now) = (list.to_owned(), error.to_string(), self.clock.now());
        tracing::error!(list, %error, "a list was not imported; the last good one keeps serving");
        let recorded: Result<(), DirectoryError> = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    store::refuse(tx, &list, &reason, now).await?;
                    Ok(())
                })
            })
            .await;
        let recorded = match recorded {
            Ok(()) => self.refresh().await,
            Err(error) => Err(error),
        };
        if let Err(error) = recorded {
            tracing::error!(%error, "the refusal was not recorded");
        }
    }

    /// Removes the files of sets and indexes that no accepted list and no state uses.
    async fn tidy(&self) {
        let lists = async {
            let mut connection = self.store.read().acquire().await?;
            store::lists(&mut connection).await
        };
        let Ok(lists) = lists.await else { return };
        let index = index_name(&fingerprint(&lists));
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let is_ours = name.ends_with(".set") || name.ends_with(".index");
            let is_used = name == index || lists.iter().any(|row| row.file == name);
            if is_ours && !is_used {
                // A file that cannot be removed is tried again after the next import.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Names the sets that an index is made of.
fn fingerprint(lists: &[ListRow]) -> String {
    let mut text = String::new();
    for row in lists {
        text.push_str(&format!(
            "{}\n{}\n{}\n{:?}\n",
            row.state.list,
            row.file,
            row.state.signer,
            row.origin().sequence
        ));
    }
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref()
        .iter()
        .take(8)
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

fn index_name(fingerprint: &str) -> String {
    format!("{fingerprint}.index")
}

/// Opens the index of the sets, or builds it when it is absent or not of this version.
fn index_of(folder: &Path, lists: &[ListRow], fingerprint: &str) -> Result<Index, DirectoryError> {
    /// One build at a time: two would hold twice the memory.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = folder.join(index_name(fingerprint));
    if let Ok(index) = Index::open(&path) {
        return Ok(index);
    }
    build_index(folder, lists, fingerprint, &path).map_err(DirectoryError::Index)?;
    Index::open(&path).map_err(DirectoryError::Index)
}

fn build_index(folder: &Path, lists: &[ListRow], fingerprint: &str, path: &Path) -> io::Result<()> {
    let origins: Vec<Origin> = lists.iter().map(ListRow::origin).collect();
    let sets: Vec<PathBuf> = lists.iter().map(|row| folder.join(&row.file)).collect();
    let mut merge = Merge::open(sets.iter().map(PathBuf::as_path))?;
    let out = tempfile::NamedTempFile::new_in(folder)?;
    let writer = io::BufWriter::with_capacity(1024 * 1024, out);
    let mut builder = Builder::new(writer, &origins, fingerprint)?;
    let mut group = Group::default();
    while merge.next(&mut group)? {
        builder.add(&group)?;
    }
    let out = builder
        .finish()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    out.as_file().sync_all()?;
    out.persist(path).map_err(|error| error.error)?;
    set::sync_folder(folder)
}

fn cut_off() -> DirectoryError {
    DirectoryError::Index(io::Error::other("the reading was cut off"))
}

impl Lookup for Directory {
    fn resolve<'a>(&'a self, query: &'a Query) -> PortFuture<'a, Result<Resolution, LookupError>> {
        Box::pin(async move { Ok(self.view().and_then(|view| view.resolve(query))?) })
    }

    fn relay_of<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> PortFuture<'a, Result<Option<RelayEndpoint>, LookupError>> {
        Box::pin(async move { Ok(self.view().and_then(|view| view.relay_of(domain))?) })
    }

    fn peer<'a>(
        &'a self,
        server_name: &'a str,
    ) -> PortFuture<'a, Result<Option<RelayEndpoint>, LookupError>> {
        Box::pin(async move {
            let Ok(name) = Domain::parse(server_name) else {
                return Ok(None);
            };
            Ok(self.view().and_then(|view| view.relay_named(&name))?)
        })
    }
}
