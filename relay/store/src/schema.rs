//! The tables of each component, and how they are brought up to date.
//!
//! # While an older process still runs
//! Several processes share a PostgreSQL database and are upgraded one after the other. A process of
//! the release before goes on with the tables as the newer one has left them, so a script may only
//! *expand*: add tables, indexes, and columns that are nullable or have a default. What is no
//! longer needed is removed (*contracted*) one release after the last that used it. A process
//! that starts and finds tables newer than it knows refuses ([`StoreError::Newer`]).

use sqlx::{AnyConnection, Row as _};

use crate::StoreError;
use crate::sql::{Engine, script_for_postgres};

/// The tables of one component, as the list of steps that led to them.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Whose tables: a name that never changes.
    pub component: &'static str,
    /// SQL scripts; the first makes the tables, each later one changes them as the rule above
    /// says. A released script is never edited. They are written for SQLite with `INTEGER PRIMARY
    /// KEY`, `BIGINT`, `TEXT` and `BLOB` as the only types; PostgreSQL gets them translated.
    pub migrations: &'static [&'static str],
}

/// The tables of the store itself.
pub(crate) const OWN: Schema = Schema {
    component: "store",
    migrations: &[
        // Processes that hold leases; see `holder`.
        "CREATE TABLE lease_holder (
             holder TEXT PRIMARY KEY,
             role TEXT NOT NULL,
             alive_until BIGINT NOT NULL
         )",
    ],
};

/// One process at a time changes the tables of a PostgreSQL database: "liaison" in ASCII.
const LOCK: &str = "SELECT pg_advisory_xact_lock(30515234226566510)";

/// Runs the scripts that this database has not seen, all of them or none.
pub(crate) async fn migrate(
    connection: &mut AnyConnection,
    schemas: &[Schema],
) -> Result<(), StoreError> {
    let engine = Engine::of(connection);
    let begin = match engine {
        Engine::Sqlite => "BEGIN IMMEDIATE",
        Engine::Postgres => "BEGIN",
    };
    sqlx::raw_sql(begin).execute(&mut *connection).await?;
    let migrated = all(connection, engine, schemas).await;
    let end = if migrated.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    let ended = sqlx::raw_sql(end).execute(&mut *connection).await;
    migrated?;
    ended?;
    Ok(())
}

async fn all(
    connection: &mut AnyConnection,
    engine: Engine,
    schemas: &[Schema],
) -> Result<(), StoreError> {
    if engine == Engine::Postgres {
        sqlx::raw_sql(LOCK).execute(&mut *connection).await?;
    }
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS schema_version (
             component TEXT PRIMARY KEY,
             version BIGINT NOT NULL
         )",
    )
    .execute(&mut *connection)
    .await?;
    for schema in [&OWN].into_iter().chain(schemas) {
        one(connection, engine, schema).await?;
    }
    Ok(())
}

async fn one(
    connection: &mut AnyConnection,
    engine: Engine,
    schema: &Schema,
) -> Result<(), StoreError> {
    let found = version(connection, schema.component).await?;
    let known = i64::try_from(schema.migrations.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer {
            component: schema.component.to_owned(),
            found,
            known,
        });
    }
    let seen = usize::try_from(found).map_err(|_| StoreError::Row("schema version"))?;
    for (script, version) in schema.migrations.iter().zip(1_i64..).skip(seen) {
        match engine {
            Engine::Sqlite => sqlx::raw_sql(*script).execute(&mut *connection).await?,
            Engine::Postgres => {
                let script = sqlx::AssertSqlSafe(script_for_postgres(script));
                sqlx::raw_sql(script).execute(&mut *connection).await?
            }
        };
        sqlx::query(
            "INSERT INTO schema_version (component, version) VALUES ($1, $2)
             ON CONFLICT (component) DO UPDATE SET version = excluded.version",
        )
        .bind(schema.component)
        .bind(version)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn version(connection: &mut AnyConnection, component: &str) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT version FROM schema_version WHERE component = $1")
        .bind(component)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
}
