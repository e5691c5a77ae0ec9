//! The tables, and the statements on them.
//!
//! - This file: what is read, by identifier and as a whole.
//! - `replace.rs`: a catalogue in place of everything.
//! - `search.rs`: by the words that people type.
//! - `row.rs`: from rows to listings and relays.

mod replace;
mod row;
mod search;

use liaison_base::clock::from_millis;
use liaison_directory_client::{Finess, RelayEndpoint, Rpps};
use liaison_mail::{Address, Domain};
use liaison_store::{Schema, StoreError};
use sqlx::{AnyConnection, Row as _};

use crate::entry::{Catalogue, Facts, Listing};

pub(crate) use replace::replace;
pub(crate) use search::search;

use row::{complete, relay};

/// The directory's tables.
pub(crate) const SCHEMA: Schema = Schema {
    component: "directory",
    migrations: &[include_str!("../../migrations/0001_entries.sql")],
};

/// Everything, or `None` when nothing was ever imported.
pub(crate) async fn catalogue(
    connection: &mut AnyConnection,
) -> Result<Option<Catalogue>, StoreError> {
    let Some(facts) = facts(connection).await? else {
        return Ok(None);
    };
    let rows = sqlx::query("SELECT * FROM directory_entry ORDER BY position")
        .fetch_all(&mut *connection)
        .await?;
    let listings = complete(connection, &rows).await?;
    let rows = sqlx::query("SELECT * FROM directory_relay ORDER BY domain")
        .fetch_all(&mut *connection)
        .await?;
    let mut relays = Vec::with_capacity(rows.len());
    for row in &rows {
        relays.push(relay(connection, row).await?);
    }
    Ok(Some(Catalogue {
        facts,
        listings,
        relays,
    }))
}

/// What is said of the whole, or `None` when nothing was ever imported.
pub(crate) async fn facts(connection: &mut AnyConnection) -> Result<Option<Facts>, StoreError> {
    let row = sqlx::query("SELECT title, source, as_of, demonstration FROM directory_facts")
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok(Facts {
            title: row.try_get(0)?,
            source: row.try_get(1)?,
            as_of: from_millis(row.try_get(2)?),
            demonstration: row.try_get::<i64, _>(3)? != 0,
        })
    })
    .transpose()
}

/// The listing with that identifier.
pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    id: &str,
) -> Result<Option<Listing>, StoreError> {
    let rows = sqlx::query("SELECT * FROM directory_entry WHERE id = $1")
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
    Ok(complete(connection, &rows).await?.pop())
}

/// The listing that owns a mailbox.
pub(crate) async fn by_address(
    connection: &mut AnyConnection,
    address: &Address,
) -> Result<Option<Listing>, StoreError> {
    let rows = sqlx::query(
        "SELECT e.* FROM directory_entry e JOIN directory_mailbox m ON m.entry = e.id
         WHERE m.address_key = $1",
    )
    .bind(address.key())
    .fetch_all(&mut *connection)
    .await?;
    Ok(complete(connection, &rows).await?.pop())
}

/// Every listing with that RPPS number, at most `limit`.
pub(crate) async fn by_rpps(
    connection: &mut AnyConnection,
    rpps: &Rpps,
    limit: i64,
) -> Result<Vec<Listing>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM directory_entry WHERE rpps = $1 ORDER BY position LIMIT $2")
            .bind(rpps.as_str())
            .bind(limit)
            .fetch_all(&mut *connection)
            .await?;
    complete(connection, &rows).await
}

/// Every listing with that FINESS number, at most `limit`.
pub(crate) async fn by_finess(
    connection: &mut AnyConnection,
    finess: &Finess,
    limit: i64,
) -> Result<Vec<Listing>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM directory_entry WHERE finess = $1 ORDER BY position LIMIT $2")
            .bind(finess.as_str())
            .bind(limit)
            .fetch_all(&mut *connection)
            .await?;
    complete(connection, &rows).await
}

/// The services of an organisation, at most `limit`.
pub(crate) async fn services_of(
    connection: &mut AnyConnection,
    organisation: &str,
    limit: i64,
) -> Result<Vec<Listing>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM directory_entry WHERE organisation = $1 AND kind = 'service'
         ORDER BY position LIMIT $2",
    )
    .bind(organisation)
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    complete(connection, &rows).await
}

/// The relay that serves `domain`.
pub(crate) async fn relay_of(
    connection: &mut AnyConnection,
    domain: &Domain,
) -> Result<Option<RelayEndpoint>, StoreError> {
    let row = sqlx::query(
        "SELECT r.* FROM directory_relay r JOIN directory_relay_domain d ON d.relay = r.domain
         WHERE d.domain = $1",
    )
    .bind(domain.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    match row {
        Some(row) => relay(connection, &row).await.map(Some),
        None => Ok(None),
    }
}

/// The relay whose certificate bears `server_name`.
pub(crate) async fn relay_named(
    connection: &mut AnyConnection,
    server_name: &Domain,
) -> Result<Option<RelayEndpoint>, StoreError> {
    let row = sqlx::query("SELECT * FROM directory_relay WHERE server_name = $1")
        .bind(server_name.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    match row {
        Some(row) => relay(connection, &row).await.map(Some),
        None => Ok(None),
    }
}
