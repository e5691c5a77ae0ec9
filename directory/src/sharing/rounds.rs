//! The polls, one round after another.

use std::sync::Arc;
use std::time::Duration;

use liaison_base::shutdown::Shutdown;
use liaison_base::tlog::merkle;
use liaison_base::tlog::note::Checkpoint;
use liaison_base::tls;
use liaison_directory_client::{Finess, HttpLookup, Lookup as _, Query};
use liaison_mail::Address;
use tokio::task::JoinSet;

use super::monitor::{self, Deviation, Published, SeenOf};
use super::own::OwnLog;
use super::record::{Content, Record};
use super::settings::ReplicaSettings;
use super::tables::Alarm;
use super::witness::Asked;
use super::{Remote, Sharing};
use crate::error::DirectoryError;

/// The longest answer of a witness or about what was seen, in octets.
const MAX_ANSWER: usize = 256 * 1024;

/// How long one poll of a log may take: a first one reads everything.
const LONGEST_POLL: Duration = Duration::from_secs(600);

/// A directory that shows what the own log publishes.
#[derive(Debug)]
pub(super) struct Replica {
    url: String,
    remote: Remote,
    lookup: HttpLookup,
}

impl Replica {
    pub(super) fn new(settings: &ReplicaSettings) -> Result<Self, DirectoryError> {
        let tls = tls::client(tls::anchors(&settings.anchors)?)?;
        let lookup =
            HttpLookup::new(&settings.url, tls).map_err(|error| DirectoryError::Sharing {
                what: settings.url.clone(),
                problem: error.to_string(),
            })?;
        Ok(Self {
            url: settings.url.clone(),
            remote: Remote::new(&settings.url, &settings.anchors)?,
            lookup,
        })
    }
}

impl Sharing {
    /// Publishes, follows and compares until a shutdown is asked. Each log is followed by itself:
    /// one that answers slowly keeps nobody waiting.
    pub async fn run(self: Arc<Self>, shutdown: Shutdown) {
        let mut following = JoinSet::new();
        for index in 0..self.followers.len() {
            following.spawn(Arc::clone(&self).follow(index, shutdown.clone()));
        }
        while self.own.is_some() && !shutdown.is_asked() {
            tokio::select! {
                () = shutdown.asked() => break,
                () = self.publish_and_compare() => {}
            }
            self.pause(&shutdown).await;
        }
        while following.join_next().await.is_some() {}
    }

    async fn pause(&self, shutdown: &Shutdown) {
        tokio::select! {
            () = shutdown.asked() => {}
            () = tokio::time::sleep(self.poll) => {}
        }
    }

    /// What fails is told in the log of this process and tried again at the next poll.
    async fn follow(self: Arc<Self>, index: usize, shutdown: Shutdown) {
        let Some((follower, remote)) = self.followers.get(index) else {
            return;
        };
        let origin = follower.origin();
        while !shutdown.is_asked() {
            let polled = tokio::time::timeout(LONGEST_POLL, follower.poll(remote));
            tokio::select! {
                () = shutdown.asked() => return,
                ended = polled => match ended {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => tracing::error!(origin, %error, "a log could not be followed"),
                    Err(_) => tracing::error!(origin, "a log answers too slowly to be followed"),
                },
            }
            self.pause(&shutdown).await;
        }
    }

    async fn publish_and_compare(&self) {
        let Some(own) = &self.own else { return };
        if let Err(error) = self.publish(own).await {
            tracing::error!(%error, "the own log could not be brought up to date");
        }
        for replica in &self.replicas {
            if let Err(error) = self.compare(own, replica).await {
                tracing::error!(%error, "a replica could not be compared");
            }
        }
    }

    /// Says that the own log stands, and has witnesses see it.
    async fn publish(&self, own: &Arc<OwnLog>) -> Result<(), DirectoryError> {
        let (log, now) = (Arc::clone(own), self.directory.now());
        // Reads and syncs files: not on a thread that others wait for.
        let vouched = tokio::task::spawn_blocking(move || log.vouch(now)).await;
        vouched.map_err(|_| DirectoryError::Sharing {
            what: own.origin().to_owned(),
            problem: "the signing was cut off".to_owned(),
        })??;
        let Some(note) = own.note()? else {
            return Ok(());
        };
        let Ok(shown) = Checkpoint::unverified(&note) else {
            return Ok(());
        };
        for (key, remote) in &self.ask {
            match cosignature(own, remote, &note, &shown).await? {
                Some(lines) => {
                    let signed = format!("{note}{lines}");
                    if key.cosigned_at(&signed).is_ok() {
                        own.cosigned(&shown, &lines)?;
                    } else {
                        tracing::warn!(
                            witness = key.name().as_str(),
                            "a witness gave no valid cosignature"
                        );
                    }
                }
                None => tracing::warn!(witness = key.name().as_str(), "a witness did not cosign"),
            }
        }
        Ok(())
    }

    /// Compares what a replica shows with what the own log published.
    async fn compare(&self, own: &OwnLog, replica: &Replica) -> Result<(), DirectoryError> {
        let path = format!("sharing/seen/{}", own.origin());
        let Ok(octets) = replica.remote.get(&path, MAX_ANSWER).await else {
            tracing::warn!(
                replica = replica.url,
                "a replica does not say what it took of the own log"
            );
            return Ok(());
        };
        let Ok(seen) = serde_json::from_slice::<SeenOf>(&octets) else {
            return Ok(());
        };
        let mut keys = vec![own.verifier()?];
        for (_, sealed) in own.entries()? {
            let record = sealed.and_then(|sealed| Record::read(&sealed.record));
            if let Some(Content::NextKey(key)) = record.map(|record| record.content) {
                keys.push(key);
            }
        }
        keys.extend(self.former_keys());
        let tree = own.tree()?;
        let mut deviations: Vec<Deviation> =
            monitor::compare_checkpoint(&seen, (&tree, own.origin()), &keys)
                .into_iter()
                .collect();
        deviations.extend(self.compare_shown(own, replica, &seen).await?);
        for deviation in deviations {
            let detail = format!("{}: {}", replica.url, deviation.detail);
            self.directory
                .alarm(Alarm {
                    origin: own.origin().to_owned(),
                    raised_at: self.directory.now(),
                    verdict: deviation.verdict,
                    detail,
                    known: own.note()?.unwrap_or_default(),
                    shown: seen.note.clone(),
                })
                .await?;
        }
        Ok(())
    }

    async fn compare_shown(
        &self,
        own: &OwnLog,
        replica: &Replica,
        seen: &SeenOf,
    ) -> Result<Vec<Deviation>, DirectoryError> {
        let published = Published::of(&own.said()?);
        let mut deviations = Vec::new();
        // A replica that has not taken the whole log yet lacks what is new, and says so itself.
        let is_whole = own.note()?.is_some_and(|note| {
            let size = |note: &str| Checkpoint::unverified(note).map(|one| one.size).ok();
            size(&note) == size(&seen.note)
        });
        for address in published.mailboxes.keys() {
            let Ok(address) = Address::parse(address) else {
                continue;
            };
            let query = Query::address(address.clone());
            let Ok(answer) = replica.lookup.resolve(&query).await else {
                continue;
            };
            let found = monitor::compare_mailbox(&address, &answer, &published);
            deviations.extend(
                found
                    .into_iter()
                    .filter(|one| is_whole || one.verdict != super::LogVerdict::NotShown),
            );
        }
        for number in &published.finess {
            let Ok(finess) = Finess::parse(number) else {
                continue;
            };
            let Ok(answer) = replica.lookup.resolve(&Query::finess(finess)).await else {
                continue;
            };
            let domains = own.delegation().domains();
            deviations.extend(monitor::compare_organisation(number, &answer, domains));
        }
        Ok(deviations)
    }

    /// The keys that the settings of a follower of the own log would name: a directory may follow
    /// its own log.
    fn former_keys(&self) -> Vec<liaison_base::tlog::note::VerifierKey> {
        let own = self.own().map(OwnLog::origin);
        let peers = self
            .peers
            .iter()
            .filter(|peer| Some(peer.origin.as_str()) == own);
        peers.flat_map(|peer| peer.keys.clone()).collect()
    }
}

/// Asks a witness to cosign the own checkpoint; `None` when it does not.
async fn cosignature(
    own: &OwnLog,
    remote: &Remote,
    note: &str,
    shown: &Checkpoint,
) -> Result<Option<String>, DirectoryError> {
    let mut old = shown.size;
    // The witness tells what it cosigned last, if that is not what was guessed.
    for _ in 0..2 {
        let proof = if old == 0 || old == shown.size {
            Vec::new()
        } else {
            let Ok(ranges) = merkle::consistency(old, shown.size) else {
                return Ok(None);
            };
            match own.tree()?.hashes(&ranges) {
                Some(hashes) => hashes,
                None => return Ok(None),
            }
        };
        let body = Asked { old, proof, note }.written();
        let answer = remote.post("add-checkpoint", body, MAX_ANSWER).await;
        let Ok((status, body)) = answer else {
            return Ok(None);
        };
        let text = String::from_utf8(body).unwrap_or_default();
        match status {
            200 => return Ok(Some(text)),
            409 => match text.trim().parse() {
                Ok(size) if size != old => old = size,
                _ => return Ok(None),
            },
            _ => return Ok(None),
        }
    }
    Ok(None)
}
