//! The rows of the log. Every function works inside its caller's transaction or on a reading
//! connection; what belongs together is committed together by the caller.

use std::ops::Range;

use liaison_base::clock::{from_millis, millis};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use time::{OffsetDateTime, UtcOffset};

use super::entry::{Entry, Number, Series};
use super::receipt::Proof;
use super::record::Sealed;
use crate::GatewayError;
use crate::keys::SealingKey;
use liaison_base::tlog::merkle::{self, Hash, Node};
use liaison_base::tlog::note::Signer;

/// The columns that [`entry_of`] reads.
const ENTRY: &str = "position, series, year, serial, erases, received_at, commitment, verified";

/// An entry as lists show it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its place, from 0.
    pub index: u64,
    /// The entry.
    pub entry: Entry,
    /// Whether a signature proved who wrote it; for an erasure, always true.
    pub verified: bool,
    /// Whether its content was erased.
    pub erased: bool,
}

/// What is to be appended.
#[derive(Clone)]
pub(super) struct Addition {
    pub(super) sealed: Sealed,
    /// The report that it erases.
    pub(super) erases: Option<Number>,
    pub(super) verified: bool,
    pub(super) at: OffsetDateTime,
}

/// Appends an entry and its sealed record. Writes O(log n) rows.
pub(super) async fn append(
    tx: &mut AnyConnection,
    key: &SealingKey,
    addition: Addition,
) -> Result<(u64, Entry), GatewayError> {
    // The update comes first, so that two processes on one database append one after the other.
    let row = sqlx::query("UPDATE report_log SET size = size + 1 WHERE log = 1 RETURNING size")
        .fetch_one(&mut *tx)
        .await?;
    let position = row.try_get::<i64, _>(0)? - 1;
    let index = unsigned(position)?;
    let entry = numbered(tx, &addition).await?;
    let number = entry.number();

    let mut joined = Vec::new();
    for node in merkle::joined_by_append(index) {
        joined.push(hash(tx, node).await?);
    }
    for (node, hash) in merkle::append(index, entry.leaf(), &joined) {
        sqlx::query("INSERT INTO report_node (level, position, hash) VALUES ($1, $2, $3)")
            .bind(i64::from(node.level))
            .bind(signed(node.index)?)
            .bind(hash.as_bytes().to_vec())
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query(
        "INSERT INTO report_entry
         (position, series, year, serial, erases, received_at, commitment, verified)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(position)
    .bind(number.series.prefix())
    .bind(i64::from(number.year))
    .bind(i64::from(number.serial))
    .bind(
        entry
            .erases()
            .map(|erased| erased.to_string())
            .unwrap_or_default(),
    )
    .bind(millis(entry.received_at()))
    .bind(entry.commitment().as_bytes().to_vec())
    .bind(i64::from(addition.verified))
    .execute(&mut *tx)
    .await?;
    let wrapped = key.seal(&place(index), addition.sealed.key.as_slice())?;
    sqlx::query("INSERT INTO report_record (position, wrapped_key, content) VALUES ($1, $2, $3)")
        .bind(position)
        .bind(wrapped)
        .bind(addition.sealed.octets)
        .execute(&mut *tx)
        .await?;
    Ok((index, entry))
}

/// What a wrapped key is bound to.
pub(super) fn place(index: u64) -> String {
    format!("report record {index}")
}

/// How many entries there are.
pub(super) async fn size(connection: &mut AnyConnection) -> Result<u64, GatewayError> {
    let row = sqlx::query("SELECT size FROM report_log WHERE log = 1")
        .fetch_one(connection)
        .await?;
    unsigned(row.try_get(0)?)
}

/// The hash of a range of leaves that the split of RFC 6962 gives.
pub(super) async fn hash_of(
    connection: &mut AnyConnection,
    range: Range<u64>,
) -> Result<Hash, GatewayError> {
    let mut hashes = Vec::new();
    for node in merkle::nodes_of(range) {
        hashes.push(hash(connection, node).await?);
    }
    Ok(merkle::fold(&hashes))
}

/// The hashes of several such ranges.
pub(super) async fn hashes_of(
    connection: &mut AnyConnection,
    ranges: Vec<Range<u64>>,
) -> Result<Vec<Hash>, GatewayError> {
    let mut hashes = Vec::with_capacity(ranges.len());
    for range in ranges {
        hashes.push(hash_of(connection, range).await?);
    }
    Ok(hashes)
}

/// The proof that `entry` is at `index` in the log of `size` entries, which must have them.
pub(super) async fn prove(
    connection: &mut AnyConnection,
    signer: &Signer,
    (index, entry): (u64, Entry),
    size: u64,
) -> Result<Proof, GatewayError> {
    let ranges = merkle::inclusion(index, size)
        .map_err(|_| GatewayError::Stored("place of an entry in the log"))?;
    let path = hashes_of(connection, ranges).await?;
    let root = hash_of(connection, 0..size).await?;
    Ok(Proof {
        entry,
        index,
        path,
        checkpoint: signer.sign(size, root),
    })
}

/// The newest entries before place `before`, newest first.
pub(super) async fn newest(
    connection: &mut AnyConnection,
    before: u64,
    limit: u32,
) -> Result<Vec<Listed>, GatewayError> {
    let text = format!(
        "SELECT {ENTRY},
         (SELECT COUNT(*) FROM report_record r WHERE r.position = report_entry.position) AS kept
         FROM report_entry WHERE position < $1 ORDER BY position DESC LIMIT $2"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(i64::try_from(before).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Listed {
                index: unsigned(row.try_get("position")?)?,
                entry: entry_of(row)?,
                verified: row.try_get::<i64, _>("verified")? != 0,
                erased: row.try_get::<i64, _>("kept")? == 0,
            })
        })
        .collect()
}

/// The entry at a place.
pub(super) async fn at(
    connection: &mut AnyConnection,
    index: u64,
) -> Result<Option<Entry>, GatewayError> {
    let text = format!("SELECT {ENTRY} FROM report_entry WHERE position = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(i64::try_from(index).unwrap_or(i64::MAX))
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(entry_of).transpose()
}

/// The place and the entry of a number.
pub(super) async fn by_number(
    connection: &mut AnyConnection,
    number: Number,
) -> Result<Option<(u64, Entry)>, GatewayError> {
    let text =
        format!("SELECT {ENTRY} FROM report_entry WHERE series = $1 AND year = $2 AND serial = $3");
    let row = sqlx::query(sqlx::AssertSqlSafe(text))
        .bind(number.series.prefix())
        .bind(i64::from(number.year))
        .bind(i64::from(number.serial))
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok((unsigned(row.try_get("position")?)?, entry_of(&row)?)))
        .transpose()
}

/// The wrapped key and the sealed record of a place, unless erased.
pub(super) async fn record(
    connection: &mut AnyConnection,
    index: u64,
) -> Result<Option<(Vec<u8>, Vec<u8>)>, GatewayError> {
    let row = sqlx::query("SELECT wrapped_key, content FROM report_record WHERE position = $1")
        .bind(signed(index)?)
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
        .transpose()
}

/// Destroys the key and the sealed record of a place. Returns whether there were any.
pub(super) async fn destroy(tx: &mut AnyConnection, index: u64) -> Result<bool, GatewayError> {
    let position = signed(index)?;
    // Deleting marks a page's octets as free; writing over them first leaves none of the key.
    sqlx::query("UPDATE report_record SET wrapped_key = $2 WHERE position = $1")
        .bind(position)
        .bind(vec![0_u8; 32 + crate::keys::OVERHEAD])
        .execute(&mut *tx)
        .await?;
    let done = sqlx::query("DELETE FROM report_record WHERE position = $1")
        .bind(position)
        .execute(tx)
        .await?;
    Ok(done.rows_affected() > 0)
}

/// Notes an arrival; false when it was noted before.
pub(super) async fn note_arrival(
    tx: &mut AnyConnection,
    tag: Vec<u8>,
) -> Result<bool, GatewayError> {
    let done =
        sqlx::query("INSERT INTO report_arrival (tag) VALUES ($1) ON CONFLICT (tag) DO NOTHING")
            .bind(tag)
            .execute(tx)
            .await?;
    Ok(done.rows_affected() > 0)
}

/// Gives an addition the next number of its series and year.
async fn numbered(tx: &mut AnyConnection, addition: &Addition) -> Result<Entry, GatewayError> {
    let series = match addition.erases {
        None => Series::Report,
        Some(_) => Series::Erasure,
    };
    let year = u16::try_from(addition.at.to_offset(UtcOffset::UTC).year())
        .ok()
        .filter(|year| (1970..=9999).contains(year))
        .ok_or(GatewayError::Stored("clock beyond the calendar"))?;
    let row = sqlx::query(
        "SELECT COALESCE(MAX(serial), 0) FROM report_entry WHERE series = $1 AND year = $2",
    )
    .bind(series.prefix())
    .bind(i64::from(year))
    .fetch_one(tx)
    .await?;
    let serial = u32::try_from(row.try_get::<i64, _>(0)? + 1)
        .map_err(|_| GatewayError::Stored("number of a report"))?;
    let commitment = addition.sealed.commitment;
    Ok(match addition.erases {
        None => Entry::report((year, serial), addition.at, commitment),
        Some(erased) => Entry::erasure((year, serial), addition.at, commitment, erased),
    })
}

async fn hash(connection: &mut AnyConnection, node: Node) -> Result<Hash, GatewayError> {
    let row = sqlx::query("SELECT hash FROM report_node WHERE level = $1 AND position = $2")
        .bind(i64::from(node.level))
        .bind(signed(node.index)?)
        .fetch_optional(connection)
        .await?
        .ok_or(GatewayError::Stored("a hash of the log is gone"))?;
    Hash::from_slice(&row.try_get::<Vec<u8>, _>(0)?)
        .ok_or(GatewayError::Stored("a hash of the log"))
}

fn entry_of(row: &AnyRow) -> Result<Entry, GatewayError> {
    const BAD: GatewayError = GatewayError::Stored("entry of the log");
    let year = u16::try_from(row.try_get::<i64, _>("year")?).map_err(|_| BAD)?;
    let serial = u32::try_from(row.try_get::<i64, _>("serial")?).map_err(|_| BAD)?;
    let at = from_millis(row.try_get("received_at")?);
    let commitment = Hash::from_slice(&row.try_get::<Vec<u8>, _>("commitment")?).ok_or(BAD)?;
    let erases: String = row.try_get("erases")?;
    Ok(if erases.is_empty() {
        Entry::report((year, serial), at, commitment)
    } else {
        let erased = erases.parse().map_err(|_| BAD)?;
        Entry::erasure((year, serial), at, commitment, erased)
    })
}

fn signed(value: u64) -> Result<i64, GatewayError> {
    i64::try_from(value).map_err(|_| GatewayError::Stored("place in the log"))
}

fn unsigned(value: i64) -> Result<u64, GatewayError> {
    u64::try_from(value).map_err(|_| GatewayError::Stored("place in the log"))
}
