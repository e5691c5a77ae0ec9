//! Moves the rows of a SQLite file into an empty PostgreSQL database: all of them, proved, or none.
//!
//! The file is locked against whoever works on it and read in one transaction; PostgreSQL takes
//! everything in one transaction too. Before that is committed every table is read back, and its
//! number of rows and digest must be those of the file. Large bodies stay where they are: both
//! databases name them alike.

use std::collections::HashSet;

use futures::TryStreamExt as _;
use ring::digest::{Context, SHA256};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, AssertSqlSafe, Connection as _, Row as _};

use crate::schema::{OWN, migrate};
use crate::{Location, Schema, StoreError, connect, holder};

/// Most parameters of one INSERT.
const PARAMETERS: usize = 600;
/// Most octets of one INSERT, about.
const OCTETS: usize = 4 * 1024 * 1024;
/// Roles that lock a file while they work on it.
const ROLES: [&str; 2] = ["relay", "gateway"];
/// What belongs to a database, not to what it keeps.
const LEFT_OUT: [&str; 2] = ["schema_version", "lease_holder"];

/// How far the transfer has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is done with the rows now.
    pub stage: Stage,
    /// The table.
    pub table: String,
    /// Rows done, of all tables.
    pub done: u64,
    /// All rows, of all tables.
    pub all: u64,
}

/// What is done with rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// They are written to PostgreSQL.
    Copied,
    /// They are read back and compared.
    Verified,
}

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// The sum of the SHA-256 of its rows, in hexadecimal, the same on both sides.
    pub digest: String,
}

/// Moves everything that `from` keeps for the components of `schemas`. The file stays as it is,
/// save that its tables are brought up to date.
///
/// # Errors
/// [`StoreError::Busy`] when a process works on the file; [`StoreError::Transfer`] when `from` is
/// no SQLite file with tables of ours, when `to` is not an empty PostgreSQL database, and when a
/// table reads back otherwise than it was written; [`StoreError::Newer`]; [`StoreError::Database`].
/// Nothing was moved then.
pub async fn transfer(
    from: &Location,
    to: &Location,
    schemas: &[Schema],
    mut progress: impl FnMut(Progress),
) -> Result<Vec<Moved>, StoreError> {
    sqlx::any::install_default_drivers();
    let (Location::Sqlite(path), Location::Postgres(_)) = (from, to) else {
        return Err(refused(
            "it goes from a SQLite file to a PostgreSQL database",
        ));
    };
    if !path.is_file() {
        return Err(refused(format!("there is no file {}", path.display())));
    }
    let mut locks = Vec::new();
    for role in ROLES {
        locks.push(holder::lock(path, role)?);
    }
    let (mut source, _) = connect::writing(from).await?;
    let schemas = kept_in(&mut source, schemas).await?;
    migrate(&mut source, &schemas).await?;
    let (mut target, _) = connect::writing(to).await?;
    migrate(&mut target, &schemas).await?;

    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut source)
        .await?;
    sqlx::raw_sql("BEGIN; SET LOCAL idle_in_transaction_session_timeout = 0")
        .execute(&mut target)
        .await?;
    let tables = tables(&mut source).await?;
    let mut fresh = AnyConnection::connect("sqlite::memory:").await?;
    migrate(&mut fresh, &schemas).await?;
    for table in &tables {
        table.make_room(&mut target, &mut fresh).await?;
    }
    let moved = all(&mut source, &mut target, &tables, &mut progress).await?;
    sqlx::raw_sql("SELECT 1; COMMIT")
        .execute(&mut target)
        .await?;
    target.close().await?;
    let _ = source.close().await;
    Ok(moved)
}

async fn all(
    source: &mut AnyConnection,
    target: &mut AnyConnection,
    tables: &[Table],
    progress: &mut impl FnMut(Progress),
) -> Result<Vec<Moved>, StoreError> {
    let mut rows = 0;
    for table in tables {
        rows += count(source, &table.name).await?;
    }
    let mut said = Progress {
        stage: Stage::Copied,
        table: String::new(),
        done: 0,
        all: rows,
    };
    let mut sums = Vec::new();
    for table in tables {
        said.table.clone_from(&table.name);
        sums.push(copy(source, target, table, &mut said, progress).await?);
        table.number_on(target).await?;
    }
    said.stage = Stage::Verified;
    said.done = 0;
    let mut moved = Vec::new();
    for (table, expected) in tables.iter().zip(sums) {
        said.table.clone_from(&table.name);
        let found = sum(target, table, &mut said, progress).await?;
        if found != expected {
            return Err(refused(format!(
                "table {} reads back otherwise than it was written: nothing was kept",
                table.name
            )));
        }
        moved.push(Moved {
            table: table.name.clone(),
            rows: found.rows,
            digest: found.hex(),
        });
    }
    Ok(moved)
}

fn refused(cause: impl Into<String>) -> StoreError {
    StoreError::Transfer(cause.into())
}

/// The schemas of the components that the file has; a component that nobody knows is refused.
async fn kept_in(
    source: &mut AnyConnection,
    schemas: &[Schema],
) -> Result<Vec<Schema>, StoreError> {
    let rows = sqlx::query("SELECT component FROM schema_version")
        .fetch_all(source)
        .await
        .map_err(|_| refused("the file has no tables of this program"))?;
    let mut found = HashSet::new();
    for row in rows {
        let component: String = row.try_get(0)?;
        let known = component == OWN.component
            || schemas.iter().any(|schema| schema.component == component);
        if !known {
            return Err(refused(format!(
                "nothing is known of the tables of {component}"
            )));
        }
        found.insert(component);
    }
    // In their own order: a later one's scripts may need an earlier one's tables.
    Ok(schemas
        .iter()
        .filter(|schema| found.contains(schema.component))
        .copied()
        .collect())
}

/// A table of the file.
struct Table {
    name: String,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    kind: Kind,
    /// Whether the database gives its numbers.
    numbered: bool,
}

/// The types that schema scripts use.
#[derive(Clone, Copy)]
enum Kind {
    Number,
    Text,
    Octets,
}

impl Table {
    fn select(&self) -> String {
        format!("SELECT {} FROM {}", self.names(), self.name)
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|one| one.name.as_str()).collect();
        names.join(", ")
    }

    /// An INSERT of that many rows.
    fn insert(&self, rows: usize) -> String {
        let width = self.columns.len();
        let values: Vec<String> = (0..rows)
            .map(|row| {
                let places: Vec<String> = (1..=width)
                    .map(|column| format!("${}", row * width + column))
                    .collect();
                format!("({})", places.join(", "))
            })
            .collect();
        format!(
            "INSERT INTO {} ({}) VALUES {}",
            self.name,
            self.names(),
            values.join(", ")
        )
    }

    /// Takes away what the scripts themselves put into a table; any row more is somebody's.
    /// `fresh` is a database that nobody has used.
    async fn make_room(
        &self,
        target: &mut AnyConnection,
        fresh: &mut AnyConnection,
    ) -> Result<(), StoreError> {
        if count(target, &self.name).await? > count(fresh, &self.name).await? {
            return Err(refused(format!(
                "the target is not empty: its table {} has rows; give an empty database",
                self.name
            )));
        }
        let text = format!("DELETE FROM {}", self.name);
        sqlx::query(AssertSqlSafe(text)).execute(target).await?;
        Ok(())
    }

    /// Lets the database go on numbering after the last row.
    async fn number_on(&self, target: &mut AnyConnection) -> Result<(), StoreError> {
        for column in self.columns.iter().filter(|column| column.numbered) {
            let (table, column) = (&self.name, &column.name);
            let text = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'),
                               (SELECT COALESCE(MAX({column}), 0) + 1 FROM {table}), false)"
            );
            sqlx::raw_sql(AssertSqlSafe(text))
                .execute(&mut *target)
                .await?;
        }
        Ok(())
    }
}

/// The file's tables, each after those that it refers to.
async fn tables(source: &mut AnyConnection) -> Result<Vec<Table>, StoreError> {
    let rows = sqlx::query(
        "SELECT name FROM sqlite_master
         WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
    )
    .fetch_all(&mut *source)
    .await?;
    let mut waiting = Vec::new();
    for row in rows {
        let name: String = row.try_get(0)?;
        if !LEFT_OUT.contains(&name.as_str()) {
            let after = refers_to(source, &name).await?;
            let columns = columns(source, &name).await?;
            waiting.push((Table { name, columns }, after));
        }
    }
    let mut ordered: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let ready = waiting.iter().position(|(table, after)| {
            after
                .iter()
                .all(|one| *one == table.name || ordered.iter().any(|done| done.name == *one))
        });
        let ready = ready.ok_or_else(|| refused("tables refer to each other in a circle"))?;
        ordered.push(waiting.remove(ready).0);
    }
    Ok(ordered)
}

async fn refers_to(source: &mut AnyConnection, table: &str) -> Result<Vec<String>, StoreError> {
    sqlx::query("SELECT DISTINCT \"table\" FROM pragma_foreign_key_list($1)")
        .bind(table)
        .fetch_all(source)
        .await?
        .iter()
        .map(|row| Ok(row.try_get(0)?))
        .collect()
}

async fn columns(source: &mut AnyConnection, table: &str) -> Result<Vec<Column>, StoreError> {
    let rows = sqlx::query("SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid")
        .bind(table)
        .fetch_all(source)
        .await?;
    rows.iter()
        .map(|row| {
            let declared: String = row.try_get(1)?;
            let kind = match declared.as_str() {
                "INTEGER" | "BIGINT" => Kind::Number,
                "TEXT" => Kind::Text,
                "BLOB" => Kind::Octets,
                other => return Err(refused(format!("{table} has a column of type {other}"))),
            };
            Ok(Column {
                name: row.try_get(0)?,
                kind,
                numbered: declared == "INTEGER" && row.try_get::<i64, _>(2)? == 1,
            })
        })
        .collect()
}

async fn count(connection: &mut AnyConnection, table: &str) -> Result<u64, StoreError> {
    let text = format!("SELECT COUNT(*) FROM {table}");
    let row = sqlx::query(AssertSqlSafe(text))
        .fetch_one(connection)
        .await?;
    u64::try_from(row.try_get::<i64, _>(0)?).map_err(|_| StoreError::Row("a count"))
}

/// Copies a table and sums up what was read.
async fn copy(
    source: &mut AnyConnection,
    target: &mut AnyConnection,
    table: &Table,
    said: &mut Progress,
    progress: &mut impl FnMut(Progress),
) -> Result<Sum, StoreError> {
    let most = (PARAMETERS / table.columns.len().max(1)).max(1);
    let mut sum = Sum::default();
    let (mut batch, mut octets) = (Vec::new(), 0);
    let mut rows = sqlx::query(AssertSqlSafe(table.select())).fetch(source);
    while let Some(row) = rows.try_next().await? {
        let values = values(table, &row)?;
        octets += sum.add(&values);
        batch.push(values);
        if batch.len() == most || octets > OCTETS {
            said.done += batch.len() as u64;
            write(target, table, std::mem::take(&mut batch)).await?;
            octets = 0;
            progress(said.clone());
        }
    }
    if !batch.is_empty() {
        said.done += batch.len() as u64;
        write(target, table, batch).await?;
    }
    progress(said.clone());
    Ok(sum)
}

async fn write(
    target: &mut AnyConnection,
    table: &Table,
    batch: Vec<Vec<Value>>,
) -> Result<(), StoreError> {
    let mut query = sqlx::query(AssertSqlSafe(table.insert(batch.len())));
    for value in batch.into_iter().flatten() {
        query = value.bound_to(query);
    }
    query.execute(target).await?;
    Ok(())
}

/// Sums up a table as it stands.
async fn sum(
    target: &mut AnyConnection,
    table: &Table,
    said: &mut Progress,
    progress: &mut impl FnMut(Progress),
) -> Result<Sum, StoreError> {
    let mut sum = Sum::default();
    let mut rows = sqlx::query(AssertSqlSafe(table.select())).fetch(target);
    while let Some(row) = rows.try_next().await? {
        sum.add(&values(table, &row)?);
        said.done += 1;
        if sum.rows % 1000 == 0 {
            progress(said.clone());
        }
    }
    progress(said.clone());
    Ok(sum)
}

enum Value {
    Number(Option<i64>),
    Text(Option<String>),
    Octets(Option<Vec<u8>>),
}

fn values(table: &Table, row: &AnyRow) -> Result<Vec<Value>, StoreError> {
    let value = |(at, column): (usize, &Column)| {
        Ok(match column.kind {
            Kind::Number => Value::Number(row.try_get(at)?),
            Kind::Text => Value::Text(row.try_get(at)?),
            Kind::Octets => Value::Octets(row.try_get(at)?),
        })
    };
    table.columns.iter().enumerate().map(value).collect()
}

impl Value {
    fn bound_to(self, query: Query<'_, Any, AnyArguments>) -> Query<'_, Any, AnyArguments> {
        match self {
            Self::Number(value) => query.bind(value),
            Self::Text(value) => query.bind(value),
            Self::Octets(value) => query.bind(value),
        }
    }

    /// The value as it is hashed: whether it is there, its length, itself.
    fn octets(&self) -> Option<std::borrow::Cow<'_, [u8]>> {
        match self {
            Self::Number(value) => value.map(|one| one.to_be_bytes().to_vec().into()),
            Self::Text(value) => value.as_ref().map(|text| text.as_bytes().into()),
            Self::Octets(value) => value.as_ref().map(|octets| octets.as_slice().into()),
        }
    }
}

/// The sum of the digests of rows, whatever their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    lanes: [u64; 4],
}

impl Sum {
    /// Adds a row; answers how many octets it has.
    fn add(&mut self, row: &[Value]) -> usize {
        let mut digest = Context::new(&SHA256);
        let mut octets = 0;
        for value in row {
            match value.octets() {
                None => digest.update(&[0]),
                Some(value) => {
                    digest.update(&[1]);
                    digest.update(&(value.len() as u64).to_be_bytes());
                    digest.update(&value);
                    octets += value.len();
                }
            }
        }
        let digest = digest.finish();
        for (lane, part) in self.lanes.iter_mut().zip(digest.as_ref().chunks_exact(8)) {
            let part = part
                .iter()
                .fold(0, |sum, octet| sum << 8 | u64::from(*octet));
            *lane = lane.wrapping_add(part);
        }
        self.rows += 1;
        octets
    }

    fn hex(&self) -> String {
        self.lanes
            .iter()
            .map(|lane| format!("{lane:016x}"))
            .collect()
    }
}
