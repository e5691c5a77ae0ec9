//! A folder that is watched: hospital systems without MLLP write files into it.
//!
//! ```text
//!  folder/NAME ──rename──▶ taken/NAME ──every message committed──▶ erased (or done/NAME)
//!                               │                                   done/NAME.ack
//!                               └──a message, or the file, refused──▶ refused/NAME, NAME.ack
//! ```
//!
//! The rename takes a file over as a whole, also from another process of this gateway. Files are
//! taken in the order of their names. A file that a crash left in `taken` is read again: what was
//! committed of it is recognised. A writer that is not done gives its file a name that begins
//! with a dot or ends with `.tmp` or `.part`, and renames it then.
//!
//! A file may hold one message, several, or a batch (FHS, BHS), acknowledged message by message.
//! What was taken is sealed in the database, so the file itself is erased unless the site keeps
//! it; patients' data should not lie about.

use std::path::{Path, PathBuf};
use std::time::Duration;

use liaison_base::shutdown::Shutdown;
use liaison_hl7::batch;
use tokio::fs;

use super::answer::{answer, refuse_file};
use super::feed::Feed;
use crate::GatewayError;
use crate::settings::DropFolderSettings;

/// Longest file, in octets.
const MAX_FILE: u64 = 64 * 1024 * 1024;
/// How often the folder is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// A watched folder.
#[derive(Clone)]
pub(crate) struct DropFolder {
    feed: Feed,
    folder: PathBuf,
    keep_done: bool,
}

impl DropFolder {
    /// Makes the folders beneath it where they are lacking.
    ///
    /// # Errors
    /// [`GatewayError::Setting`] when the folder cannot be used.
    pub(crate) fn open(feed: Feed, settings: &DropFolderSettings) -> Result<Self, GatewayError> {
        let this = Self {
            feed,
            folder: settings.path.clone(),
            keep_done: settings.keep_done,
        };
        for part in ["taken", "done", "refused"] {
            let path = this.folder.join(part);
            std::fs::create_dir_all(&path).map_err(|cause| GatewayError::Setting {
                key: "hospital.drop_folder",
                cause: format!("{}: {cause}", path.display()),
            })?;
        }
        Ok(this)
    }

    /// Takes files until a shutdown is asked for.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        loop {
            if let Err(cause) = self.look(&shutdown).await {
                tracing::error!(folder = %self.folder.display(), cause, "drop folder: tried again");
            }
            tokio::select! {
                () = shutdown.asked() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Takes what is there. Stops at a fault of ours: the next files would overtake.
    async fn look(&self, shutdown: &Shutdown) -> Result<(), String> {
        for name in names(&self.folder.join("taken")).await? {
            self.take(&name).await?;
        }
        for name in names(&self.folder).await? {
            if shutdown.is_asked() {
                return Ok(());
            }
            let unused = self.unused(&name).await;
            let (from, to) = (
                self.folder.join(&name),
                self.folder.join("taken").join(&unused),
            );
            match fs::rename(&from, &to).await {
                Ok(()) => self.take(&unused).await?,
                // Another process was faster.
                Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
                Err(cause) => return Err(cause.to_string()),
            }
        }
        Ok(())
    }

    /// A name that no earlier file has: writers use names again.
    async fn unused(&self, name: &str) -> String {
        let mut candidate = name.to_owned();
        for count in 2..10_000 {
            let taken = ["taken", "done", "refused"].map(|part| self.folder.join(part));
            let mut free = true;
            for folder in taken {
                for file in [candidate.clone(), format!("{candidate}.ack")] {
                    free &= !fs::try_exists(folder.join(file)).await.unwrap_or(false);
                }
            }
            if free {
                break;
            }
            candidate = format!("{name}.{count}");
        }
        candidate
    }

    async fn take(&self, name: &str) -> Result<(), String> {
        let path = self.folder.join("taken").join(name);
        let size = fs::metadata(&path).await.map_err(text)?.len();
        let messages = if size > MAX_FILE {
            Err(liaison_hl7::Refusal {
                code: liaison_hl7::Code::Cardinality,
                at: liaison_hl7::Location::segment("FHS"),
            })
        } else {
            batch::split(&fs::read(&path).await.map_err(text)?)
        };
        let messages = match messages {
            Ok(messages) => messages,
            Err(refusal) => {
                // The name of a file may name a patient: it is not logged.
                tracing::warn!(reason = %refusal, "drop folder: file refused, nothing of it was taken");
                let reply = refuse_file(&self.feed, refusal);
                return self.end(name, "refused", &reply).await;
            }
        };
        let (mut replies, mut refused) = (Vec::new(), 0_usize);
        let count = messages.len();
        for message in messages {
            let answered = answer(&self.feed, message, "drop folder").await?;
            refused += usize::from(!answered.taken);
            replies.extend(answered.reply.unwrap_or_default());
        }
        let folder = if refused == 0 { "done" } else { "refused" };
        self.end(name, folder, &replies).await?;
        tracing::info!(messages = count, refused, "drop folder: file taken");
        Ok(())
    }

    /// Leaves the acknowledgements, then moves or erases the file.
    async fn end(&self, name: &str, folder: &str, replies: &[u8]) -> Result<(), String> {
        let folder_path = self.folder.join(folder);
        let unfinished = folder_path.join(format!(".{name}.ack.part"));
        fs::write(&unfinished, replies).await.map_err(text)?;
        let file = fs::File::open(&unfinished).await.map_err(text)?;
        file.sync_all().await.map_err(text)?;
        fs::rename(&unfinished, folder_path.join(format!("{name}.ack")))
            .await
            .map_err(text)?;
        let taken = self.folder.join("taken").join(name);
        if folder == "done" && !self.keep_done {
            fs::remove_file(taken).await.map_err(text)
        } else {
            fs::rename(taken, folder_path.join(name))
                .await
                .map_err(text)
        }
    }
}

/// The files of a folder, in the order of their names.
async fn names(folder: &Path) -> Result<Vec<String>, String> {
    let mut entries = fs::read_dir(folder).await.map_err(text)?;
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(text)? {
        let is_file = entry.file_type().await.map_err(text)?.is_file();
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let unfinished = name.starts_with('.') || name.ends_with(".tmp") || name.ends_with(".part");
        if is_file && !unfinished {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// What the system said, without the file's name.
fn text(cause: std::io::Error) -> String {
    cause.kind().to_string()
}
