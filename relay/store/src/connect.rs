//! Connections as the store needs them: durable when they write, unable to write when they read.

use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, ConnectOptions as _, Connection as _, Row as _};

use crate::location::Hosts;
use crate::{Location, StoreError};

/// Reading connections kept open; SQLite's readers do not wait for its writer (WAL).
const READERS: u32 = 4;
/// The same for PostgreSQL, where each waits for the network.
const SHARED_READERS: u32 = 8;
/// How long a server has to let us in.
const CONNECT: Duration = Duration::from_secs(5);

/// A new connection that writes, and the place of its server among the hosts.
pub(crate) async fn writing(location: &Location) -> Result<(AnyConnection, usize), StoreError> {
    match location {
        Location::Sqlite(_) => {
            let mut connection = AnyConnection::connect_with(&options(location)?).await?;
            for pragma in [
                "PRAGMA journal_mode = WAL",
                "PRAGMA synchronous = FULL",
                "PRAGMA foreign_keys = ON",
                "PRAGMA busy_timeout = 10000",
            ] {
                sqlx::raw_sql(pragma).execute(&mut connection).await?;
            }
            Ok((connection, 0))
        }
        Location::Postgres(hosts) => primary(hosts).await,
    }
}

/// The first of the hosts that takes writes, and its place in the list.
pub(crate) async fn primary(hosts: &Hosts) -> Result<(AnyConnection, usize), StoreError> {
    let mut last = StoreError::Closed;
    for (place, url) in hosts.urls().iter().enumerate() {
        match tokio::time::timeout(CONNECT, one_host(url)).await {
            Ok(Ok(Some(connection))) => return Ok((connection, place)),
            // A standby that is not promoted.
            Ok(Ok(None)) => last = StoreError::NoPrimary,
            Ok(Err(error)) => last = error,
            Err(_) => last = sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()).into(),
        }
    }
    Err(last)
}

/// `None` when the host is a standby.
async fn one_host(url: &str) -> Result<Option<AnyConnection>, StoreError> {
    let options: AnyConnectOptions = url.parse()?;
    let mut connection = AnyConnection::connect_with(&options.disable_statement_logging()).await?;
    let row = sqlx::query(
        "SELECT pg_is_in_recovery(), current_setting('fsync'),
                current_setting('full_page_writes'), current_setting('synchronous_commit')",
    )
    .fetch_one(&mut connection)
    .await?;
    if row.try_get::<bool, _>(0)? {
        return Ok(None);
    }
    if row.try_get::<String, _>(1)? != "on" {
        return Err(StoreError::NotDurable("fsync = off"));
    }
    if row.try_get::<String, _>(2)? != "on" {
        return Err(StoreError::NotDurable("full_page_writes = off"));
    }
    if row.try_get::<String, _>(3)? == "off" {
        sqlx::raw_sql("SET synchronous_commit = on")
            .execute(&mut connection)
            .await?;
    }
    // A process frozen in mid-transaction must not keep its locks; one that waits for a lock
    // longer than a commit takes is in a deadlock, and is run again.
    sqlx::raw_sql(
        "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '2s';
         SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; \
         SET tcp_keepalives_count = 3",
    )
    .execute(&mut connection)
    .await?;
    Ok(Some(connection))
}

/// Connections that read. What is not committed is not seen; several statements in one
/// transaction see one state.
pub(crate) async fn reading(location: &Location) -> Result<AnyPool, StoreError> {
    let (most, session) = match location {
        Location::Sqlite(_) => (
            READERS,
            "PRAGMA query_only = ON; PRAGMA busy_timeout = 10000",
        ),
        Location::Postgres(_) => (
            SHARED_READERS,
            "SET default_transaction_read_only = on;
             SET default_transaction_isolation = 'repeatable read'",
        ),
    };
    let pool = AnyPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(CONNECT)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                sqlx::raw_sql(session).execute(connection).await?;
                Ok(())
            })
        })
        .connect_lazy_with(options(location)?);
    Ok(pool)
}

/// Lets the pool of readers follow the writer to another host.
pub(crate) fn follow(pool: &AnyPool, hosts: &Hosts, place: usize) {
    if let Some(options) = hosts
        .urls()
        .get(place)
        .and_then(|url| url.parse::<AnyConnectOptions>().ok())
    {
        pool.set_connect_options(options.disable_statement_logging());
    }
}

fn options(location: &Location) -> Result<AnyConnectOptions, StoreError> {
    let url = match location {
        Location::Sqlite(path) => format!("sqlite://{}?mode=rwc", path.display()),
        Location::Postgres(hosts) => hosts.urls().first().cloned().unwrap_or_default(),
    };
    let options: AnyConnectOptions = url.parse()?;
    Ok(options.disable_statement_logging())
}
