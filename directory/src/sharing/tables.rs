//! The rows: what is known of the logs that are followed, what was cosigned, and alarms.

use liaison_base::clock::{from_millis, millis};
use liaison_base::tlog::merkle::{Hash, Tree};
use liaison_store::StoreError;
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::checkpoint::{Known, Standing};
use super::record::{Record, Statement};
use super::verdict::{LogVerdict, RecordVerdict};
use crate::model::{Field, Source};
use crate::view::ListState;

/// What is shown of a log that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogState {
    /// The log's name.
    pub origin: String,
    /// The checkpoint that was last taken, signed; empty when none ever was.
    pub note: String,
    /// How many entries were taken.
    pub size: u64,
    /// When the log last vouched for that, in seconds since 1970.
    pub vouched_at: u64,
    /// The names of the witnesses that cosigned it.
    pub witnessed_by: Vec<String>,
    /// When it was last asked.
    pub polled_at: OffsetDateTime,
    /// What became of that.
    pub verdict: LogVerdict,
    /// Whether what it said is shown to be stale.
    pub stale: bool,
    /// Whether its certificates are no longer used.
    pub unusable: bool,
}

/// An entry that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenEntry {
    /// Its place, from 0.
    pub position: u64,
    /// Its hash.
    pub leaf: Hash,
    /// When this directory first saw it.
    pub seen_at: OffsetDateTime,
    /// What became of its record.
    pub verdict: RecordVerdict,
    /// Until when it is held.
    pub held_until: Option<OffsetDateTime>,
    /// The certificate that it is held for.
    pub certificate: Option<String>,
    /// What it says, unless it is erased or unreadable.
    pub record: Option<Record>,
}

/// Somebody lied, or a key was stolen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// The log.
    pub origin: String,
    /// When it was first seen.
    pub raised_at: OffsetDateTime,
    /// What is wrong.
    pub verdict: LogVerdict,
    /// In words.
    pub detail: String,
    /// The signed note that was known.
    pub known: String,
    /// The signed note that was shown: evidence.
    pub shown: String,
}

fn number(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The states of all logs that were ever asked.
pub(crate) async fn states(connection: &mut AnyConnection) -> Result<Vec<LogState>, StoreError> {
    let rows = sqlx::query(
        "SELECT origin, note, size, vouched_at, witnessed_by, polled_at, verdict, stale, unusable
         FROM directory_log ORDER BY origin",
    )
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let names: String = row.try_get(4)?;
            Ok(LogState {
                origin: row.try_get(0)?,
                note: row.try_get(1)?,
                size: number(row.try_get(2)?),
                vouched_at: number(row.try_get(3)?),
                witnessed_by: names.split_whitespace().map(str::to_owned).collect(),
                polled_at: from_millis(row.try_get(5)?),
                verdict: LogVerdict::of(&row.try_get::<String, _>(6)?)
                    .ok_or(StoreError::Row("a log's verdict"))?,
                stale: row.try_get::<i64, _>(7)? != 0,
                unusable: row.try_get::<i64, _>(8)? != 0,
            })
        })
        .collect()
}

/// Logs whose words are shown to be stale, as lists; and those whose certificates are not used.
pub(crate) async fn silent(
    connection: &mut AnyConnection,
) -> Result<(Vec<ListState>, Vec<String>), StoreError> {
    let states = states(connection).await?;
    let unusable = states
        .iter()
        .filter(|state| state.unusable)
        .map(|state| state.origin.clone())
        .collect();
    let stale = states.into_iter().filter(|state| state.stale);
    let lists = stale.map(|state| {
        let vouched_at = from_millis(signed(state.vouched_at).saturating_mul(1000));
        ListState {
            list: format!("{}{}", ListState::LOG, state.origin),
            source: Source::Owner,
            signer: state.origin,
            observed_at: vouched_at,
            accepted_at: vouched_at,
            subjects: state.size,
            quarantined: 0,
            refused: None,
        }
    });
    Ok((lists.collect(), unusable))
}

/// Writes the state of a log.
pub(super) async fn set_state(tx: &mut AnyConnection, state: &LogState) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM directory_log WHERE origin = $1")
        .bind(&state.origin)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO directory_log (origin, note, size, vouched_at, witnessed_by, polled_at,
             verdict, stale, unusable)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(&state.origin)
    .bind(&state.note)
    .bind(signed(state.size))
    .bind(signed(state.vouched_at))
    .bind(state.witnessed_by.join(" "))
    .bind(millis(state.polled_at))
    .bind(state.verdict.word())
    .bind(i64::from(state.stale))
    .bind(i64::from(state.unusable))
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// How many entries of a log were taken.
pub(super) async fn size(tx: &mut AnyConnection, origin: &str) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT COUNT(*) FROM directory_log_entry WHERE origin = $1")
        .bind(origin)
        .fetch_one(tx)
        .await?;
    Ok(number(row.try_get(0)?))
}

/// Everything that was taken of a log, in its order.
pub(super) async fn entries(
    connection: &mut AnyConnection,
    origin: &str,
) -> Result<Vec<TakenEntry>, StoreError> {
    let rows = sqlx::query(
        "SELECT position, leaf, seen_at, verdict, held_until, certificate, record
         FROM directory_log_entry WHERE origin = $1 ORDER BY position",
    )
    .bind(origin)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let record: Option<String> = row.try_get(6)?;
            Ok(TakenEntry {
                position: number(row.try_get(0)?),
                leaf: Hash::from_base64(&row.try_get::<String, _>(1)?)
                    .ok_or(StoreError::Row("a leaf"))?,
                seen_at: from_millis(row.try_get(2)?),
                verdict: RecordVerdict::of(&row.try_get::<String, _>(3)?)
                    .ok_or(StoreError::Row("a record's verdict"))?,
                held_until: row.try_get::<Option<i64>, _>(4)?.map(from_millis),
                certificate: row.try_get(5)?,
                record: record.and_then(|text| Record::read(text.as_bytes())),
            })
        })
        .collect()
}

/// What is known of a log.
pub(super) async fn known(
    connection: &mut AnyConnection,
    origin: &str,
) -> Result<Known, StoreError> {
    let leaves =
        sqlx::query("SELECT leaf FROM directory_log_entry WHERE origin = $1 ORDER BY position")
            .bind(origin)
            .fetch_all(&mut *connection)
            .await?;
    let leaf = |row: &sqlx::any::AnyRow| -> Result<Hash, StoreError> {
        Hash::from_base64(&row.try_get::<String, _>(0)?).ok_or(StoreError::Row("a leaf"))
    };
    let leaves = leaves.iter().map(leaf).collect::<Result<Vec<_>, _>>()?;
    let state = sqlx::query("SELECT vouched_at FROM directory_log WHERE origin = $1")
        .bind(origin)
        .fetch_optional(&mut *connection)
        .await?;
    let vouched_at = state.map(|row| row.try_get(0)).transpose()?.unwrap_or(0);
    let keys = keys(connection, origin).await?;
    Ok(Known {
        keys: keys
            .into_iter()
            .map(|(key, standing, _)| (key, standing))
            .collect(),
        tree: Tree::of(leaves),
        vouched_at: number(vouched_at),
    })
}

/// A key of a log, how far it is believed, and until when it waits.
pub(super) type KeyRow = (
    liaison_base::tlog::note::VerifierKey,
    Standing,
    Option<OffsetDateTime>,
);

/// The keys of a log that were ever named.
pub(super) async fn keys(
    connection: &mut AnyConnection,
    origin: &str,
) -> Result<Vec<KeyRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT verifier, standing, held_until FROM directory_log_key
         WHERE origin = $1 ORDER BY verifier",
    )
    .bind(origin)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let key: String = row.try_get(0)?;
            let standing = match row.try_get::<String, _>(1)?.as_str() {
                "trusted" => Standing::Trusted,
                "waiting" => Standing::Waiting,
                _ => Standing::Retired,
            };
            let until = row.try_get::<Option<i64>, _>(2)?.map(from_millis);
            let key = key.parse().map_err(|_| StoreError::Row("a log's key"))?;
            Ok((key, standing, until))
        })
        .collect()
}

/// Writes how far a key of a log is believed.
pub(super) async fn set_key(
    tx: &mut AnyConnection,
    origin: &str,
    (key, standing, until): &KeyRow,
) -> Result<(), StoreError> {
    let text = key.to_string();
    sqlx::query("DELETE FROM directory_log_key WHERE origin = $1 AND verifier = $2")
        .bind(origin)
        .bind(&text)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO directory_log_key (origin, verifier, standing, held_until)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(origin)
    .bind(&text)
    .bind(match standing {
        Standing::Trusted => "trusted",
        Standing::Waiting => "waiting",
        Standing::Retired => "retired",
    })
    .bind(until.map(millis))
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Adds an entry, or writes it anew.
pub(super) async fn set_entry(
    tx: &mut AnyConnection,
    origin: &str,
    entry: &TakenEntry,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM directory_log_entry WHERE origin = $1 AND position = $2")
        .bind(origin)
        .bind(signed(entry.position))
        .execute(&mut *tx)
        .await?;
    let record = entry.record.as_ref().map(Record::written);
    sqlx::query(
        "INSERT INTO directory_log_entry (origin, position, leaf, seen_at, verdict, held_until,
             certificate, record)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(origin)
    .bind(signed(entry.position))
    .bind(entry.leaf.to_string())
    .bind(millis(entry.seen_at))
    .bind(entry.verdict.word())
    .bind(entry.held_until.map(millis))
    .bind(&entry.certificate)
    .bind(record.and_then(|octets| String::from_utf8(octets).ok()))
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Shows what an entry says, beside the lists: the log is the signer, the place its sequence.
pub(super) async fn show(
    tx: &mut AnyConnection,
    (origin, position): (&str, u64),
    (at, said): (OffsetDateTime, &Statement),
) -> Result<(), StoreError> {
    hide(tx, origin, position).await?;
    let facts: Vec<(&str, &str)> = said
        .facts
        .iter()
        .map(|(field, value): &(Field, String)| (field.name(), value.as_str()))
        .collect();
    let facts = serde_json::to_string(&facts).map_err(|_| StoreError::Row("an assertion"))?;
    sqlx::query(
        "INSERT INTO directory_assertion (subject, source, signer, sequence, observed_at,
             valid_from, valid_until, facts)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(said.subject.key())
    .bind(Source::Owner.word())
    .bind(origin)
    .bind(signed(position + 1))
    .bind(millis(at))
    .bind(said.period.from.map(millis))
    .bind(said.period.until.map(millis))
    .bind(facts)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// No longer shows what an entry says.
pub(super) async fn hide(
    tx: &mut AnyConnection,
    origin: &str,
    position: u64,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM directory_assertion WHERE signer = $1 AND sequence = $2")
        .bind(origin)
        .bind(signed(position + 1))
        .execute(tx)
        .await?;
    Ok(())
}

/// What was confirmed by another way: certificates by SHA-256, keys of logs as they are written.
pub(super) async fn confirmed(connection: &mut AnyConnection) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query("SELECT thing FROM directory_log_confirmed ORDER BY thing")
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Confirms a certificate or a key.
pub(super) async fn confirm(
    tx: &mut AnyConnection,
    thing: &str,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM directory_log_confirmed WHERE thing = $1")
        .bind(thing)
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO directory_log_confirmed (thing, confirmed_at) VALUES ($1, $2)")
        .bind(thing)
        .bind(millis(now))
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// Keeps an alarm; `false` when it was raised before.
pub(super) async fn raise(tx: &mut AnyConnection, alarm: &Alarm) -> Result<bool, StoreError> {
    let known = sqlx::query(
        "SELECT number FROM directory_log_alarm
         WHERE origin = $1 AND verdict = $2 AND detail = $3",
    )
    .bind(&alarm.origin)
    .bind(alarm.verdict.word())
    .bind(&alarm.detail)
    .fetch_optional(&mut *tx)
    .await?;
    if known.is_some() {
        return Ok(false);
    }
    sqlx::query(
        "INSERT INTO directory_log_alarm (origin, raised_at, verdict, detail, known, shown)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&alarm.origin)
    .bind(millis(alarm.raised_at))
    .bind(alarm.verdict.word())
    .bind(&alarm.detail)
    .bind(&alarm.known)
    .bind(&alarm.shown)
    .execute(&mut *tx)
    .await?;
    Ok(true)
}

/// Every alarm, the earliest first.
pub(super) async fn alarms(connection: &mut AnyConnection) -> Result<Vec<Alarm>, StoreError> {
    let rows = sqlx::query(
        "SELECT origin, raised_at, verdict, detail, known, shown
         FROM directory_log_alarm ORDER BY number",
    )
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Alarm {
                origin: row.try_get(0)?,
                raised_at: from_millis(row.try_get(1)?),
                verdict: LogVerdict::of(&row.try_get::<String, _>(2)?)
                    .ok_or(StoreError::Row("an alarm's verdict"))?,
                detail: row.try_get(3)?,
                known: row.try_get(4)?,
                shown: row.try_get(5)?,
            })
        })
        .collect()
}

/// The size and root that were last cosigned of a log, and the note.
pub(super) async fn cosigned(
    tx: &mut AnyConnection,
    origin: &str,
) -> Result<Option<(u64, Hash, String)>, StoreError> {
    let text = liaison_store::sql::locking(
        tx,
        "SELECT size, root, note FROM directory_witnessed WHERE origin = $1 FOR UPDATE",
    );
    let row = sqlx::query(text).bind(origin).fetch_optional(tx).await?;
    row.map(|row| {
        let root = Hash::from_base64(&row.try_get::<String, _>(1)?)
            .ok_or(StoreError::Row("a cosigned root"))?;
        Ok((number(row.try_get(0)?), root, row.try_get(2)?))
    })
    .transpose()
}

/// Records what is cosigned, before it is.
pub(super) async fn set_cosigned(
    tx: &mut AnyConnection,
    origin: &str,
    (size, root, note): (u64, Hash, &str),
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM directory_witnessed WHERE origin = $1")
        .bind(origin)
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "INSERT INTO directory_witnessed (origin, size, root, note) VALUES ($1, $2, $3, $4)",
    )
    .bind(origin)
    .bind(signed(size))
    .bind(root.to_string())
    .bind(note)
    .execute(&mut *tx)
    .await?;
    Ok(())
}
