//! Following somebody's log: one poll after another.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use liaison_base::tlog::note::VerifierKey;
use liaison_directory_client::PublishedCertificate;
use liaison_mail::Address;
use time::OffsetDateTime;

use super::admission::{Admission, Decision};
use super::authority::Delegation;
use super::checkpoint::{self, Known, Seen, Standing, Witnesses};
use super::growth::{
    Fresh, MAX_NOTE, MAX_SUCCESSIONS, Source, Stop, read_growth, refusal, succession_notes, text,
    withholds,
};
use super::record::{Content, Record};
use super::tables::{self, Alarm, KeyRow, LogState, TakenEntry};
use super::tile::Part;
use super::verdict::{LogVerdict, RecordVerdict};
use crate::directory::Directory;
use crate::error::DirectoryError;
use crate::model::Field;

/// Somebody whose log is followed, and what is asked of it.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The log's name.
    pub origin: String,
    /// The keys that the settings name.
    pub keys: Vec<VerifierKey>,
    /// What it speaks for.
    pub delegation: Delegation,
    /// Whose cosignatures are asked for.
    pub witnesses: Witnesses,
    /// How long a key waits that nobody vouched for.
    pub hold: Duration,
    /// After how long without a word what it said is stale.
    pub stale_after: Duration,
    /// After how long without a word its certificates are not used.
    pub unusable_after: Duration,
}

/// A log that is followed.
#[derive(Debug)]
pub struct Follower {
    directory: Arc<Directory>,
    peer: Peer,
}

impl Follower {
    /// Follows a peer's log into a directory.
    #[must_use]
    pub fn new(directory: Arc<Directory>, peer: Peer) -> Self {
        Self { directory, peer }
    }

    /// The name of the log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.peer.origin
    }

    /// Asks the log what is new, takes over what is right, and lets go what was held long enough.
    /// What is wrong is refused, kept as evidence and told in the log of this process; what was
    /// taken before stays.
    ///
    /// # Errors
    /// [`DirectoryError::Store`], [`DirectoryError::Index`]: nothing was decided.
    pub async fn poll(&self, source: &dyn Source) -> Result<LogVerdict, DirectoryError> {
        let now = self.directory.now();
        self.let_go(now).await?;
        let known = self.known(now).await?;
        let ended = match self.take(source, known, now).await? {
            Ok(seen) => self.close(Ok(seen), now).await?,
            Err(stop) => self.close(Err(stop), now).await?,
        };
        self.directory.refresh().await?;
        Ok(ended)
    }

    /// Brings the keys of the settings into what is known.
    async fn known(&self, now: OffsetDateTime) -> Result<Known, DirectoryError> {
        let (origin, named) = (self.peer.origin.clone(), self.peer.keys.clone());
        let hold = self.peer.hold;
        let held: Vec<VerifierKey> = self
            .directory
            .store()
            .write(move |tx| {
                Box::pin(async move {
                    let rows = tables::keys(tx, &origin).await?;
                    let confirmed = tables::confirmed(tx).await?;
                    let (changed, held) = standing(&rows, &named, &confirmed, now, hold);
                    for row in &changed {
                        tables::set_key(tx, &origin, row).await?;
                    }
                    Ok::<_, DirectoryError>(held)
                })
            })
            .await?;
        for key in held {
            let detail = format!(
                "the settings name the key {key}, which the key before has not vouched for"
            );
            self.alarm(LogVerdict::KeyHeld, detail, String::new(), now)
                .await?;
        }
        let mut connection = self.directory.store().read().acquire().await?;
        Ok(tables::known(&mut connection, &self.peer.origin).await?)
    }

    /// Reads the checkpoint and what it adds.
    async fn take(
        &self,
        source: &dyn Source,
        mut known: Known,
        now: OffsetDateTime,
    ) -> Result<Result<(Seen, String, bool), Stop>, DirectoryError> {
        let note = match text(source, Part::Checkpoint, MAX_NOTE).await {
            Ok(note) => note,
            Err(stop) => return Ok(Err(stop)),
        };
        let mut judged = self.judge(&note, &known, now);
        if judged == Err(LogVerdict::UnknownKey) {
            // Keys may have handed over meanwhile: each says so under its own signature.
            let notes = source.part(Part::Successions, MAX_SUCCESSIONS).await;
            for succession in succession_notes(&notes.unwrap_or_default()) {
                if let Ok(seen) = self.judge(&succession, &known, now)
                    && seen.grows
                    && self
                        .grow(source, &known, (&seen, &succession), now)
                        .await?
                        .is_ok()
                {
                    known = self.known(now).await?;
                }
            }
            judged = self.judge(&note, &known, now);
        }
        let seen = match judged {
            Ok(seen) => seen,
            Err(verdict) => return Ok(Err(refusal(verdict, &note))),
        };
        if !seen.grows {
            return Ok(Ok((seen, note, false)));
        }
        match self.grow(source, &known, (&seen, &note), now).await? {
            Ok(()) => Ok(Ok((seen, note, true))),
            Err(verdict) => Ok(Err(refusal(verdict, &note))),
        }
    }

    fn judge(&self, note: &str, known: &Known, now: OffsetDateTime) -> Result<Seen, LogVerdict> {
        let beside = (known, &self.peer.witnesses);
        checkpoint::judge(note, &self.peer.origin, beside, now)
    }

    /// Takes over the entries of a checkpoint that grows.
    async fn grow(
        &self,
        source: &dyn Source,
        known: &Known,
        (seen, note): (&Seen, &str),
        now: OffsetDateTime,
    ) -> Result<Result<(), LogVerdict>, DirectoryError> {
        let growth = match read_growth(source, &known.tree, &seen.checkpoint).await {
            Ok(growth) => growth,
            Err(verdict) => return Ok(Err(verdict)),
        };
        let earlier = {
            let mut connection = self.directory.store().read().acquire().await?;
            tables::entries(&mut connection, &self.peer.origin).await?
        };
        let first = known.tree.size();
        if growth.tree.size() != first + growth.fresh.len() as u64 || earlier.len() as u64 != first
        {
            return Ok(Err(LogVerdict::ForgedTile));
        }
        if withholds(&earlier, &growth.fresh, first) {
            return Ok(Err(LogVerdict::Withheld));
        }
        let (fresh, erased) = self.decide(&earlier, &growth.fresh, first, now).await?;
        let state = self.state(seen, note, LogVerdict::Taken, now);
        self.commit(state, fresh, erased, first).await?;
        Ok(Ok(()))
    }

    /// Judges the new records one after another.
    async fn decide(
        &self,
        earlier: &[TakenEntry],
        fresh: &[Fresh],
        first: u64,
        now: OffsetDateTime,
    ) -> Result<(Vec<TakenEntry>, Vec<u64>), DirectoryError> {
        let confirmed = {
            let mut connection = self.directory.store().read().acquire().await?;
            tables::confirmed(&mut connection).await?
        };
        let confirmed: HashSet<String> = confirmed.into_iter().collect();
        let delegation = self.peer.delegation.clone();
        let mut admission = Admission::new(delegation, self.peer.hold, confirmed);
        for entry in earlier {
            if let Some(record) = &entry.record {
                admission.recall(record, entry.verdict);
            }
        }
        let elsewhere = |address: &Address| self.published_elsewhere(address);
        let (mut taken, mut erased) = (Vec::with_capacity(fresh.len()), Vec::new());
        for ((leaf, octets), position) in fresh.iter().zip(first..) {
            let record = octets.as_deref().and_then(Record::read);
            let decision = match (&record, octets) {
                (Some(record), _) => admission.decide(record, now, &elsewhere),
                (None, Some(_)) => Decision::from(RecordVerdict::Unreadable),
                (None, None) => Decision::from(RecordVerdict::Erased),
            };
            if let Some(Content::Erased(index)) = record.as_ref().map(|one| &one.content)
                && decision.verdict == RecordVerdict::Accepted
                && *index < position
            {
                erased.push(*index);
            }
            let (held_until, certificate) = decision.held.unzip();
            taken.push(TakenEntry {
                position,
                leaf: *leaf,
                seen_at: now,
                verdict: decision.verdict,
                held_until,
                certificate,
                record,
            });
        }
        Ok((taken, erased))
    }

    /// The certificates that this directory shows for an address on other words than this log's.
    fn published_elsewhere(&self, address: &Address) -> Vec<PublishedCertificate> {
        let Ok(view) = self.directory.view() else {
            return Vec::new();
        };
        let owners = view.owner_of(address).unwrap_or_default();
        owners
            .iter()
            .flat_map(crate::view::Listing::mailboxes)
            .filter(|mailbox| mailbox.address == *address)
            .flat_map(|mailbox| mailbox.certificates.clone())
            .collect()
    }

    async fn commit(
        &self,
        state: LogState,
        fresh: Vec<TakenEntry>,
        erased: Vec<u64>,
        first: u64,
    ) -> Result<(), DirectoryError> {
        for entry in &fresh {
            if entry.verdict != RecordVerdict::Accepted && entry.verdict != RecordVerdict::Duplicate
            {
                let position = entry.position;
                tracing::warn!(
                    origin = %state.origin, position, verdict = %entry.verdict,
                    "a record of a log that is followed is not shown"
                );
            }
            metrics::counter!(super::RECORDS, "verdict" => entry.verdict.word()).increment(1);
        }
        self.directory
            .store()
            .write(move |tx| {
                Box::pin(async move {
                    let origin = state.origin.as_str();
                    // Another process that shares the database was faster: it took the same.
                    if tables::size(tx, origin).await? != first {
                        return Ok(());
                    }
                    for entry in &fresh {
                        tables::set_entry(tx, origin, entry).await?;
                        let Some(record) = &entry.record else {
                            continue;
                        };
                        match (&record.content, entry.verdict) {
                            (Content::Said(said), RecordVerdict::Accepted) => {
                                let place = (origin, entry.position);
                                tables::show(tx, place, (record.at, said)).await?;
                            }
                            (Content::NextKey(key), RecordVerdict::Accepted) => {
                                succeed(tx, origin, key).await?;
                            }
                            _ => {}
                        }
                    }
                    for position in erased {
                        erase(tx, origin, position).await?;
                    }
                    tables::set_state(tx, &state).await?;
                    Ok::<_, DirectoryError>(())
                })
            })
            .await
    }

    fn state(&self, seen: &Seen, note: &str, verdict: LogVerdict, now: OffsetDateTime) -> LogState {
        let (stale, unusable) = self.silence(seen.vouched_at, now);
        LogState {
            origin: self.peer.origin.clone(),
            note: note.to_owned(),
            size: seen.checkpoint.size,
            vouched_at: seen.vouched_at,
            witnessed_by: seen.witnessed_by.clone(),
            polled_at: now,
            verdict,
            stale,
            unusable,
        }
    }

    /// Whether a log that last vouched then is stale, and whether it is unusable.
    fn silence(&self, vouched_at: u64, now: OffsetDateTime) -> (bool, bool) {
        let now = u64::try_from(now.unix_timestamp()).unwrap_or(0);
        let silent = Duration::from_secs(now.saturating_sub(vouched_at));
        (
            silent > self.peer.stale_after,
            silent > self.peer.unusable_after,
        )
    }

    /// Writes what became of the poll.
    async fn close(
        &self,
        ended: Result<(Seen, String, bool), Stop>,
        now: OffsetDateTime,
    ) -> Result<LogVerdict, DirectoryError> {
        let state = match ended {
            Ok((seen, note, grew)) => {
                let mut verdict = if grew {
                    LogVerdict::Taken
                } else {
                    LogVerdict::Current
                };
                if !seen.is_witnessed {
                    verdict = LogVerdict::TakenUnwitnessed;
                }
                let mut state = self.state(&seen, &note, verdict, now);
                if state.stale {
                    state.verdict = LogVerdict::Stale;
                }
                state
            }
            Err(stop) => self.refused(stop, now).await?,
        };
        let verdict = state.verdict;
        metrics::counter!(super::POLLS, "verdict" => verdict.word()).increment(1);
        self.directory
            .store()
            .write(move |tx| {
                Box::pin(async move {
                    tables::set_state(tx, &state).await?;
                    Ok::<_, DirectoryError>(())
                })
            })
            .await?;
        Ok(verdict)
    }

    /// The state after a poll that took nothing.
    async fn refused(&self, stop: Stop, now: OffsetDateTime) -> Result<LogState, DirectoryError> {
        let before = self.last().await?;
        let mut state = before.unwrap_or(LogState {
            origin: self.peer.origin.clone(),
            note: String::new(),
            size: 0,
            vouched_at: 0,
            witnessed_by: Vec::new(),
            polled_at: now,
            verdict: stop.verdict,
            stale: false,
            unusable: false,
        });
        if state.vouched_at > 0 {
            (state.stale, state.unusable) = self.silence(state.vouched_at, now);
        }
        let changed = state.verdict != stop.verdict;
        state.polled_at = now;
        state.verdict = stop.verdict;
        if stop.verdict.is_alarm() {
            self.alarm(stop.verdict, stop.detail, stop.shown, now)
                .await?;
        } else {
            if state.stale && stop.verdict == LogVerdict::Unreachable {
                state.verdict = LogVerdict::Stale;
            }
            if changed {
                tracing::warn!(origin = %self.peer.origin, verdict = %state.verdict, "a log gives nothing new");
            }
        }
        Ok(state)
    }

    async fn last(&self) -> Result<Option<LogState>, DirectoryError> {
        let mut connection = self.directory.store().read().acquire().await?;
        let states = tables::states(&mut connection).await?;
        Ok(states
            .into_iter()
            .find(|state| state.origin == self.peer.origin))
    }

    async fn alarm(
        &self,
        verdict: LogVerdict,
        detail: String,
        shown: String,
        now: OffsetDateTime,
    ) -> Result<(), DirectoryError> {
        let known = self
            .last()
            .await?
            .map(|state| state.note)
            .unwrap_or_default();
        self.directory
            .alarm(Alarm {
                origin: self.peer.origin.clone(),
                raised_at: now,
                verdict,
                detail,
                known,
                shown,
            })
            .await
    }

    /// Shows what was held long enough, or was confirmed meanwhile.
    async fn let_go(&self, now: OffsetDateTime) -> Result<(), DirectoryError> {
        let entries = {
            let mut connection = self.directory.store().read().acquire().await?;
            tables::entries(&mut connection, &self.peer.origin).await?
        };
        if entries
            .iter()
            .all(|entry| entry.verdict != RecordVerdict::Held)
        {
            return Ok(());
        }
        let origin = self.peer.origin.clone();
        self.directory
            .store()
            .write(move |tx| {
                Box::pin(async move {
                    let confirmed = tables::confirmed(tx).await?;
                    for mut entry in entries {
                        let is_confirmed = entry
                            .certificate
                            .as_ref()
                            .is_some_and(|sha256| confirmed.contains(sha256));
                        let is_over = entry.held_until.is_some_and(|until| until <= now);
                        if entry.verdict != RecordVerdict::Held || !(is_confirmed || is_over) {
                            continue;
                        }
                        entry.verdict = RecordVerdict::Accepted;
                        tables::set_entry(tx, &origin, &entry).await?;
                        if let Some(Record {
                            at,
                            content: Content::Said(said),
                        }) = &entry.record
                        {
                            tables::show(tx, (&origin, entry.position), (*at, said)).await?;
                        }
                    }
                    Ok::<_, DirectoryError>(())
                })
            })
            .await
    }
}

/// How far keys are believed after the settings were looked at: the rows that change, and the keys
/// that begin to wait.
fn standing(
    rows: &[KeyRow],
    named: &[VerifierKey],
    confirmed: &[String],
    now: OffsetDateTime,
    hold: Duration,
) -> (Vec<KeyRow>, Vec<VerifierKey>) {
    let (mut changed, mut held) = (Vec::new(), Vec::new());
    for key in named {
        if rows.iter().any(|(known, ..)| known == key) {
            continue;
        }
        if rows.is_empty() {
            changed.push((key.clone(), Standing::Trusted, None));
        } else {
            changed.push((key.clone(), Standing::Waiting, Some(now + hold)));
            held.push(key.clone());
        }
    }
    for (key, standing, until) in rows {
        let over = until.is_some_and(|until| until <= now) || confirmed.contains(&key.to_string());
        if *standing != Standing::Waiting || !over || !named.contains(key) {
            continue;
        }
        changed.push((key.clone(), Standing::Trusted, None));
        // The authority replaced the key: the one that the settings no longer name is given up.
        for (other, standing, _) in rows {
            if *standing == Standing::Trusted && !named.contains(other) {
                changed.push((other.clone(), Standing::Retired, None));
            }
        }
    }
    (changed, held)
}

/// The log's key hands over to the next one.
async fn succeed(
    tx: &mut sqlx::AnyConnection,
    origin: &str,
    next: &VerifierKey,
) -> Result<(), DirectoryError> {
    if next.origin().as_str() != origin {
        return Ok(());
    }
    for (key, standing, _) in tables::keys(tx, origin).await? {
        if standing == Standing::Trusted {
            tables::set_key(tx, origin, &(key, Standing::Retired, None)).await?;
        }
    }
    tables::set_key(tx, origin, &(next.clone(), Standing::Trusted, None)).await?;
    Ok(())
}

/// Forgets what an erased record said; that a certificate is revoked is not forgotten.
async fn erase(
    tx: &mut sqlx::AnyConnection,
    origin: &str,
    position: u64,
) -> Result<(), DirectoryError> {
    let entries = tables::entries(tx, origin).await?;
    let Some(mut entry) = entries.into_iter().find(|one| one.position == position) else {
        return Ok(());
    };
    tables::hide(tx, origin, position).await?;
    if let Some(Record {
        at,
        content: Content::Said(mut said),
    }) = entry.record.take()
        && entry.verdict == RecordVerdict::Accepted
    {
        said.facts.retain(|(field, _)| *field == Field::RevokedAt);
        if !said.facts.is_empty() {
            tables::show(tx, (origin, position), (at, &said)).await?;
        }
    }
    entry.verdict = RecordVerdict::Erased;
    entry.held_until = None;
    tables::set_entry(tx, origin, &entry).await?;
    Ok(())
}
