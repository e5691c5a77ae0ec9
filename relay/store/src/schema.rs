//! The tables of each component, and how they are brought up to date.

use sqlx::{AnyConnection, Row as _};

use crate::StoreError;

/// The tables of one component, as the list of steps that led to them.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Whose tables: a name that never changes.
    pub component: &'static str,
    /// SQL scripts; the first makes the tables, each later one changes them. A released script is
    /// never edited.
    pub migrations: &'static [&'static str],
}

/// Runs the scripts that this database has not seen, each in a transaction of its own.
pub(crate) async fn migrate(
    connection: &mut AnyConnection,
    schemas: &[Schema],
) -> Result<(), StoreError> {
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS schema_version (
             component TEXT PRIMARY KEY,
             version BIGINT NOT NULL
         )",
    )
    .execute(&mut *connection)
    .await?;
    for schema in schemas {
        let found = version(connection, schema.component).await?;
        let known = i64::try_from(schema.migrations.len()).unwrap_or(i64::MAX);
        if found > known {
            return Err(StoreError::Newer {
                component: schema.component,
                found,
                known,
            });
        }
        let seen = usize::try_from(found).map_err(|_| StoreError::Row("schema version"))?;
        for (script, version) in schema.migrations.iter().zip(1_i64..).skip(seen) {
            sqlx::raw_sql("BEGIN IMMEDIATE")
                .execute(&mut *connection)
                .await?;
            sqlx::raw_sql(*script).execute(&mut *connection).await?;
            sqlx::query(
                "INSERT INTO schema_version (component, version) VALUES ($1, $2)
                 ON CONFLICT (component) DO UPDATE SET version = excluded.version",
            )
            .bind(schema.component)
            .bind(version)
            .execute(&mut *connection)
            .await?;
            sqlx::raw_sql("COMMIT").execute(&mut *connection).await?;
        }
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
