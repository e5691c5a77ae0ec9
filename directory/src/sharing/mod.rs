//! Sharing between territories: each organisation publishes a signed, append-only log of what it
//! says of itself; directories follow one another's logs and show what these may say beside the
//! imports. See directory/SHARING.md.
//!
//! Pure, without sockets, files or clocks:
//! - `record.rs`: [`Record`], what an entry says, and [`Entry`], the commitment that is in the tree.
//! - `tile.rs`: the parts that a log is served in. `verdict.rs`: every verdict by name.
//! - `checkpoint.rs`: what a shown checkpoint is worth beside what is known: keys, time, witnesses,
//!   replays, split views.
//! - `authority.rs`: [`Delegation`], who may speak of what. `admission.rs`: what becomes of records;
//!   the hold of new keys.
//! - `witness.rs`: whether a checkpoint is cosigned. `monitor.rs`: what the world shows of oneself.
//!
//! Drivers:
//! - `own.rs`: [`OwnLog`], the folder of the own log; `facts.rs`: what it says now. `tables.rs`: the rows.
//! - `follow.rs`: [`Follower`], one poll of somebody's log; `growth.rs`: what it reads.
//! - `http.rs`: [`Remote`]. `routes.rs`: what is served. `rounds.rs`: the polls, one after another.
//! - `settings.rs`: [`SharingSettings`].

mod admission;
mod authority;
mod checkpoint;
mod facts;
mod follow;
mod growth;
mod http;
mod key;
mod monitor;
mod own;
mod record;
mod rounds;
mod routes;
mod settings;
mod tables;
mod tile;
mod verdict;
mod witness;

use std::sync::Arc;

use liaison_base::tlog::cosignature::CosignerKey;
use liaison_base::tlog::note::{Checkpoint, VerifierKey};
use metrics::{counter, describe_counter};
use time::OffsetDateTime;

use crate::directory::Directory;
use crate::error::DirectoryError;

pub use authority::{Delegation, skeleton};
pub use checkpoint::Witnesses;
pub use facts::Facts;
pub use follow::{Follower, Peer};
pub use growth::{NotRead, Source};
pub use http::Remote;
pub use key::{cosigner, new_key, read_key, verifier};
pub use monitor::{
    Deviation, Published, SeenOf, compare_checkpoint, compare_mailbox, compare_organisation,
};
pub use own::{OwnEntry, OwnLog};
pub use record::{Content, Endorsement, Entry, MAX_RECORD, Record, Sealed, Statement};
pub(crate) use routes::routes;
pub use settings::{
    LogSettings, PeerSettings, ReplicaSettings, SharingSettings, Unwitnessed, WitnessKeySettings,
    WitnessSettings,
};
pub(crate) use tables::silent;
pub use tables::{Alarm, LogState, TakenEntry};
pub use tile::{BundleError, Part, read_bundle, write_bundle};
pub use verdict::{LogVerdict, RecordVerdict};
pub use witness::{Asked, Refusal, judge};

/// Polls of logs, by verdict.
const POLLS: &str = "liaison_directory_log_polls_total";
/// Records that were read, by verdict.
const RECORDS: &str = "liaison_directory_log_records_total";
/// Alarms, by verdict.
const ALARMS: &str = "liaison_directory_log_alarms_total";

/// What a directory shares, and with whom.
#[derive(Debug)]
pub struct Sharing {
    directory: Arc<Directory>,
    own: Option<Arc<OwnLog>>,
    followers: Vec<(Follower, Remote)>,
    peers: Vec<Peer>,
    witness: Option<(String, std::path::PathBuf)>,
    ask: Vec<(CosignerKey, Remote)>,
    replicas: Vec<rounds::Replica>,
    poll: std::time::Duration,
}

impl Sharing {
    /// What the settings ask for.
    ///
    /// # Errors
    /// [`DirectoryError::Sharing`] when a key, a name or an address in them is none;
    /// [`DirectoryError::Base`] when a file of authorities cannot be read.
    pub fn open(
        settings: &SharingSettings,
        directory: Arc<Directory>,
    ) -> Result<Self, DirectoryError> {
        describe_counter!(
            POLLS,
            "Polls of the logs that are followed, by what became of them"
        );
        describe_counter!(RECORDS, "Records of these logs, by what became of them");
        describe_counter!(
            ALARMS,
            "Alarms about logs, by what is wrong: somebody must look"
        );
        let own = settings
            .log
            .as_ref()
            .map(OwnLog::open)
            .transpose()?
            .map(Arc::new);
        let peers = peers(settings)?;
        let mut followers = Vec::with_capacity(peers.len());
        for (peer, one) in peers.iter().zip(&settings.peers) {
            let follower = Follower::new(Arc::clone(&directory), peer.clone());
            followers.push((follower, Remote::new(&one.url, &one.anchors)?));
        }
        let mut ask = Vec::new();
        for one in &settings.witnesses {
            if let (Some(url), Some(anchors)) = (&one.url, &one.anchors) {
                ask.push((cosigner_key(&one.key)?, Remote::new(url, anchors)?));
            }
        }
        if let Some(witness) = &settings.witness {
            // Once at the start: a wrong file is told before somebody asks.
            cosigner(&witness.name, &read_key(&witness.key)?)?;
        }
        let replicas = settings.replicas.iter().map(rounds::Replica::new);
        Ok(Self {
            directory,
            own,
            followers,
            peers,
            witness: settings
                .witness
                .as_ref()
                .map(|one| (one.name.clone(), one.key.clone())),
            ask,
            replicas: replicas.collect::<Result<_, _>>()?,
            poll: settings.poll,
        })
    }

    /// The own log, if there is one.
    #[must_use]
    pub fn own(&self) -> Option<&OwnLog> {
        self.own.as_deref()
    }

    /// What was taken of a log that is followed; `None` when it never was.
    ///
    /// # Errors
    /// [`DirectoryError::Store`].
    pub async fn seen(&self, origin: &str) -> Result<Option<SeenOf>, DirectoryError> {
        let states = self.directory.followed().await?;
        let Some(state) = states.into_iter().find(|state| state.origin == origin) else {
            return Ok(None);
        };
        let entries = self.directory.taken(origin).await?;
        let held = entries
            .into_iter()
            .filter(|entry| entry.verdict == RecordVerdict::Held);
        Ok(Some(SeenOf {
            origin: state.origin,
            note: state.note,
            verdict: state.verdict.word().to_owned(),
            held: held.filter_map(|entry| entry.certificate).collect(),
        }))
    }

    /// Answers a request for a cosignature (tlog-witness, "add-checkpoint"): the lines to add.
    ///
    /// # Errors
    /// [`DirectoryError::Store`]: nothing was cosigned. A refusal is an answer.
    pub async fn cosign(&self, body: &str) -> Result<Result<String, Refusal>, DirectoryError> {
        let Some((name, key)) = &self.witness else {
            return Ok(Err(Refusal::UnknownLog));
        };
        let Some(asked) = Asked::read(body) else {
            return Ok(Err(Refusal::Bad));
        };
        let Ok(shown) = Checkpoint::unverified(asked.note) else {
            return Ok(Err(Refusal::Bad));
        };
        let origin = shown.origin.as_str().to_owned();
        let Some(peer) = self.peers.iter().find(|peer| peer.origin == origin) else {
            return Ok(Err(Refusal::UnknownLog));
        };
        let keys = self.trusted(peer).await?;
        let cosigner = cosigner(name, &read_key(key)?)?;
        let (text, stored) = (body.to_owned(), origin.clone());
        let judged = self
            .directory
            .store()
            .write(move |tx| {
                Box::pin(async move {
                    let last = tables::cosigned(tx, &stored).await?;
                    let Some(asked) = Asked::read(&text) else {
                        return Ok((Err(Refusal::Bad), String::new()));
                    };
                    let before = last.as_ref().map(|(size, root, _)| (*size, *root));
                    let judged = judge(&asked, &keys, before);
                    if let Ok(checkpoint) = &judged {
                        let row = (checkpoint.size, checkpoint.root, asked.note);
                        tables::set_cosigned(tx, &stored, row).await?;
                    }
                    let known = last.map(|(_, _, note)| note).unwrap_or_default();
                    Ok::<_, DirectoryError>((judged, known))
                })
            })
            .await?;
        let now = self.directory.now();
        match judged {
            (Ok(_), _) => {
                let time = u64::try_from(now.unix_timestamp()).unwrap_or(0);
                Ok(cosigner.cosign(asked.note, time).map_err(|_| Refusal::Bad))
            }
            (Err(refusal), known) => {
                if refusal.is_evidence() {
                    let verdict = match refusal {
                        Refusal::SplitView(_) => LogVerdict::SplitView,
                        _ => LogVerdict::Inconsistent,
                    };
                    let detail = format!(
                        "asked to cosign {} entries with the root {}",
                        shown.size, shown.root
                    );
                    let shown = asked.note.to_owned();
                    self.directory
                        .alarm(Alarm {
                            origin,
                            raised_at: now,
                            verdict,
                            detail,
                            known,
                            shown,
                        })
                        .await?;
                }
                Ok(Err(refusal))
            }
        }
    }

    /// The keys of a peer that are believed: those of the settings until it was first followed.
    async fn trusted(&self, peer: &Peer) -> Result<Vec<VerifierKey>, DirectoryError> {
        let mut connection = self.directory.store().read().acquire().await?;
        let rows = tables::keys(&mut connection, &peer.origin).await?;
        if rows.is_empty() {
            return Ok(peer.keys.clone());
        }
        let trusted = rows
            .into_iter()
            .filter(|(_, standing, _)| *standing == checkpoint::Standing::Trusted);
        Ok(trusted.map(|(key, ..)| key).collect())
    }
}

/// The peers of the settings, each with what is asked of it.
///
/// # Errors
/// [`DirectoryError::Sharing`].
pub fn peers(settings: &SharingSettings) -> Result<Vec<Peer>, DirectoryError> {
    let keys = settings.witnesses.iter().map(|one| cosigner_key(&one.key));
    let witnesses = Witnesses {
        keys: keys.collect::<Result<_, _>>()?,
        required: settings.required_witnesses,
        take_unwitnessed: settings.unwitnessed == Unwitnessed::Take,
    };
    let mut names: Vec<(String, String)> = Vec::new();
    let mut peers = Vec::with_capacity(settings.peers.len());
    for one in &settings.peers {
        let problem = |problem: &str| DirectoryError::Sharing {
            what: format!("[[directory.sharing.peers]] {}", one.origin),
            problem: problem.to_owned(),
        };
        for domain in &one.domains {
            let seen = (skeleton(domain.as_str()), domain.to_string());
            if let Some((_, other)) = names.iter().find(|(skeleton, _)| *skeleton == seen.0) {
                return Err(problem(&format!(
                    "the domain {domain} is, or looks like, {other} of another peer: one of them \
                     is a mistake or a trap"
                )));
            }
            names.push(seen);
        }
        let keys = one.keys.iter().map(|key| key.parse::<VerifierKey>());
        let keys: Vec<VerifierKey> = keys
            .collect::<Result<_, _>>()
            .map_err(|_| problem("a key is not of the form name+id+key"))?;
        let is_own = |key: &VerifierKey| key.origin().as_str() == one.origin;
        if keys.is_empty() || !keys.iter().all(is_own) {
            return Err(problem("it needs a key whose name is its origin"));
        }
        let delegation = Delegation::new(&one.domains, &one.organisations)
            .ok_or_else(|| problem("an identifier is not of a form such as finess:000000018"))?;
        peers.push(Peer {
            origin: one.origin.clone(),
            keys,
            delegation,
            witnesses: witnesses.clone(),
            hold: settings.hold,
            stale_after: settings.stale_after,
            unusable_after: settings.unusable_after,
        });
    }
    Ok(peers)
}

fn cosigner_key(text: &str) -> Result<CosignerKey, DirectoryError> {
    text.parse().map_err(|_| DirectoryError::Sharing {
        what: "[[directory.sharing.witnesses]]".to_owned(),
        problem: format!("`{text}` is not the key of a witness, name+id+key"),
    })
}

impl Directory {
    /// What is known of the logs that are followed.
    ///
    /// # Errors
    /// [`DirectoryError::Store`].
    pub async fn followed(&self) -> Result<Vec<LogState>, DirectoryError> {
        let mut connection = self.store().read().acquire().await?;
        Ok(tables::states(&mut connection).await?)
    }

    /// What was taken of a log, in its order.
    ///
    /// # Errors
    /// [`DirectoryError::Store`].
    pub async fn taken(&self, origin: &str) -> Result<Vec<TakenEntry>, DirectoryError> {
        let mut connection = self.store().read().acquire().await?;
        Ok(tables::entries(&mut connection, origin).await?)
    }

    /// Every alarm, the earliest first.
    ///
    /// # Errors
    /// [`DirectoryError::Store`].
    pub async fn alarms(&self) -> Result<Vec<Alarm>, DirectoryError> {
        let mut connection = self.store().read().acquire().await?;
        Ok(tables::alarms(&mut connection).await?)
    }

    /// Confirms, by somebody's word that came another way, a certificate (its SHA-256 in lower-case
    /// hexadecimal) or a key of a log (as it is written): it waits no longer.
    ///
    /// # Errors
    /// [`DirectoryError::Store`].
    pub async fn confirm(&self, thing: &str) -> Result<(), DirectoryError> {
        let (thing, now) = (thing.to_owned(), self.now());
        self.store()
            .write(move |tx| {
                Box::pin(async move {
                    tables::confirm(tx, &thing, now).await?;
                    Ok::<_, DirectoryError>(())
                })
            })
            .await
    }

    /// Keeps an alarm as evidence, tells it in the log of this process, and counts it; one that was
    /// raised before is not told again.
    async fn alarm(&self, alarm: Alarm) -> Result<(), DirectoryError> {
        let told = alarm.clone();
        let is_new = self
            .store()
            .write(move |tx| {
                Box::pin(async move { Ok::<_, DirectoryError>(tables::raise(tx, &alarm).await?) })
            })
            .await?;
        if is_new {
            tracing::error!(
                origin = %told.origin, verdict = %told.verdict, detail = %told.detail,
                "ALARM about a log; the evidence is kept: see `liaison directory log status`"
            );
            counter!(ALARMS, "verdict" => told.verdict.word()).increment(1);
        }
        Ok(())
    }

    /// Publishes in the own log what this directory holds on its own word: its entries and what was
    /// asserted here. Gives the number of new entries.
    ///
    /// # Errors
    /// [`DirectoryError::Sharing`], [`DirectoryError::Store`], [`DirectoryError::Index`].
    pub async fn publish(
        &self,
        log: &OwnLog,
        now: OffsetDateTime,
    ) -> Result<usize, DirectoryError> {
        let said = self.said_here().await?;
        log.publish(&said, now)
    }
}
