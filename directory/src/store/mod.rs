//! The tables: which sets are accepted, and what was asserted one by one.

use liaison_base::clock::{from_millis, millis};
use liaison_store::{Schema, StoreError};
use sqlx::{AnyConnection, Row as _};

use crate::model::{Assertion, Field, Origin, Period, Source, Subject};
use crate::view::ListState;

/// The directory's tables. Those of the first script are the first release's, and no longer used.
pub(crate) const SCHEMA: Schema = Schema {
    component: "directory",
    migrations: &[
        include_str!("../../migrations/0001_entries.sql"),
        include_str!("../../migrations/0002_lists.sql"),
        include_str!("../../migrations/0003_sharing.sql"),
    ],
};

/// An accepted set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListRow {
    pub(crate) state: ListState,
    /// The name of its file in the folder of sets.
    pub(crate) file: String,
}

impl ListRow {
    /// Who says what is in it, and when.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            source: self.state.source,
            signer: self.state.signer.clone(),
            observed_at: self.state.observed_at,
            sequence: u64::try_from(millis(self.state.observed_at)).unwrap_or(0),
        }
    }
}

/// The accepted sets, by name of the list.
pub(crate) async fn lists(connection: &mut AnyConnection) -> Result<Vec<ListRow>, StoreError> {
    let rows = sqlx::query(
        "SELECT l.list, l.source, l.signer, l.observed_at, l.accepted_at, l.file, l.subjects,
                l.quarantined, r.reason
         FROM directory_list l LEFT JOIN directory_refusal r ON r.list = l.list
         ORDER BY l.list",
    )
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(ListRow {
                state: ListState {
                    list: row.try_get(0)?,
                    source: source(&row.try_get::<String, _>(1)?)?,
                    signer: row.try_get(2)?,
                    observed_at: from_millis(row.try_get(3)?),
                    accepted_at: from_millis(row.try_get(4)?),
                    subjects: count(row.try_get(6)?),
                    quarantined: count(row.try_get(7)?),
                    refused: row.try_get(8)?,
                },
                file: row.try_get(5)?,
            })
        })
        .collect()
}

/// Puts a set in place of the earlier one of its list.
pub(crate) async fn accept(tx: &mut AnyConnection, row: &ListRow) -> Result<(), StoreError> {
    let state = &row.state;
    for statement in [
        "DELETE FROM directory_list WHERE list = $1",
        "DELETE FROM directory_refusal WHERE list = $1",
    ] {
        sqlx::query(statement)
            .bind(&state.list)
            .execute(&mut *tx)
            .await?;
    }
    sqlx::query(
        "INSERT INTO directory_list
             (list, source, signer, observed_at, accepted_at, file, subjects, quarantined)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(&state.list)
    .bind(state.source.word())
    .bind(&state.signer)
    .bind(millis(state.observed_at))
    .bind(millis(state.accepted_at))
    .bind(&row.file)
    .bind(i64::try_from(state.subjects).unwrap_or(i64::MAX))
    .bind(i64::try_from(state.quarantined).unwrap_or(i64::MAX))
    .execute(&mut *tx)
    .await?;
    Ok(())
}

/// Records why a set was refused.
pub(crate) async fn refuse(
    tx: &mut AnyConnection,
    list: &str,
    reason: &str,
    now: time::OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM directory_refusal WHERE list = $1")
        .bind(list)
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO directory_refusal (list, refused_at, reason) VALUES ($1, $2, $3)")
        .bind(list)
        .bind(millis(now))
        .bind(reason)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

/// What was asserted one by one, in the order of arrival.
pub(crate) async fn assertions(
    connection: &mut AnyConnection,
) -> Result<Vec<Assertion>, StoreError> {
    let rows = sqlx::query(
        "SELECT subject, source, signer, sequence, observed_at, valid_from, valid_until, facts
         FROM directory_assertion ORDER BY number",
    )
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let facts: Vec<(String, String)> = serde_json::from_str(&row.try_get::<String, _>(7)?)
                .map_err(|_| StoreError::Row("an assertion"))?;
            let instant = |millis: Option<i64>| millis.map(from_millis);
            Ok(Assertion {
                subject: Subject::parse(&row.try_get::<String, _>(0)?)
                    .ok_or(StoreError::Row("a subject"))?,
                origin: Origin {
                    source: source(&row.try_get::<String, _>(1)?)?,
                    signer: row.try_get(2)?,
                    sequence: count(row.try_get(3)?),
                    observed_at: from_millis(row.try_get(4)?),
                },
                period: Period {
                    from: instant(row.try_get(5)?),
                    until: instant(row.try_get(6)?),
                },
                facts: facts
                    .into_iter()
                    .filter_map(|(name, value)| Some((Field::named(&name)?, value)))
                    .collect(),
            })
        })
        .collect()
}

/// The names of the logs that are followed: the signers of what was taken from them.
pub(crate) async fn log_origins(connection: &mut AnyConnection) -> Result<Vec<String>, StoreError> {
    let rows = sqlx::query("SELECT origin FROM directory_log ORDER BY origin")
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// How many assertions there are: whether another process wrote some.
pub(crate) async fn last_assertion(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT COALESCE(MAX(number), 0) FROM directory_assertion")
        .fetch_one(connection)
        .await?;
    Ok(row.try_get(0)?)
}

/// Adds an assertion with its signer's next number.
pub(crate) async fn assert(tx: &mut AnyConnection, one: &Assertion) -> Result<(), StoreError> {
    let row =
        sqlx::query("SELECT COALESCE(MAX(sequence), 0) FROM directory_assertion WHERE signer = $1")
            .bind(&one.origin.signer)
            .fetch_one(&mut *tx)
            .await?;
    let sequence = row.try_get::<i64, _>(0)? + 1;
    let facts: Vec<(&str, &str)> = one
        .facts
        .iter()
        .map(|(field, value)| (field.name(), value.as_str()))
        .collect();
    let facts = serde_json::to_string(&facts).map_err(|_| StoreError::Row("an assertion"))?;
    sqlx::query(
        "INSERT INTO directory_assertion (subject, source, signer, sequence, observed_at,
             valid_from, valid_until, facts)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(one.subject.key())
    .bind(one.origin.source.word())
    .bind(&one.origin.signer)
    .bind(sequence)
    .bind(millis(one.origin.observed_at))
    .bind(one.period.from.map(millis))
    .bind(one.period.until.map(millis))
    .bind(facts)
    .execute(&mut *tx)
    .await?;
    Ok(())
}

fn source(word: &str) -> Result<Source, StoreError> {
    Source::of(word).ok_or(StoreError::Row("a source"))
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
