//! PostgreSQL: several connections write, each a group at a time in one transaction.
//!
//! A group is tried as a whole, without savepoints: nearly always all of it is kept. When a piece
//! refuses, clashes with another process or loses its connection, nothing of the group was kept
//! yet, and each piece is run again in a transaction of its own. Only an answer lost *during* the
//! commit leaves its fate open: whoever asked is told that it failed, tries again, and what was
//! kept after all is recognised then.

use std::time::Duration;

use sqlx::{AnyConnection, AnyPool, Connection as _};

use super::{Job, Ran, server_refusal};
use crate::location::Hosts;
use crate::{StoreError, connect};

/// How often a piece of work is run before its clash is answered.
const TRIES: u32 = 6;
/// The wait after the first clash; doubled for each further one.
const PAUSE: Duration = Duration::from_millis(5);
/// A group waits for a lock no longer than commits take: the longer, the likelier it is a deadlock
/// with another group, and its pieces come through one by one.
const BEGIN_GROUP: &str = "BEGIN; SET LOCAL lock_timeout = '50ms'";

pub(super) struct Lane {
    connection: Option<AnyConnection>,
    hosts: Hosts,
    readers: AnyPool,
}

/// What became of a commit.
enum Fate {
    Kept,
    /// The server has undone it.
    Undone,
    /// The answer was lost.
    Unknown(StoreError),
}

impl Lane {
    pub(super) fn new(connection: Option<AnyConnection>, hosts: Hosts, readers: AnyPool) -> Self {
        Self {
            connection,
            hosts,
            readers,
        }
    }

    /// Keeps what it can of a group and answers each piece of work.
    pub(super) async fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        match self.together(&mut group).await {
            Some(Fate::Kept) => group.into_iter().for_each(|job| job.finish(Ok(()))),
            Some(Fate::Unknown(error)) => {
                let cause = error.to_string();
                tracing::error!(%error, pieces = group.len(), "the answer to a commit was lost");
                for job in group {
                    job.finish(Err(StoreError::Commit(cause.clone())));
                }
            }
            Some(Fate::Undone) | None => {
                for job in group {
                    self.alone(job).await;
                }
            }
        }
    }

    pub(super) async fn close(self) {
        if let Some(connection) = self.connection {
            let _ = connection.close().await;
        }
    }

    /// `None` when not all pieces came through, and nothing was kept.
    async fn together(&mut self, group: &mut [Box<dyn Job>]) -> Option<Fate> {
        if group.len() == 1 {
            return None;
        }
        let connection = self.begin(BEGIN_GROUP).await.ok()?;
        for job in group {
            match job.run(connection, true).await {
                Ran::Kept => {}
                Ran::Lost => {
                    self.connection = None;
                    return None;
                }
                Ran::Refused | Ran::Clash => {
                    self.undo().await;
                    return None;
                }
            }
        }
        Some(self.keep().await)
    }

    /// Runs one piece until it is kept, refuses, or has clashed too often.
    async fn alone(&mut self, mut job: Box<dyn Job>) {
        let mut last = StoreError::Closed;
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(PAUSE * 2_u32.pow(attempt)).await;
            }
            let connection = match self.begin("BEGIN").await {
                Ok(connection) => connection,
                Err(error) => {
                    tracing::error!(%error, "no connection that writes");
                    return job.finish(Err(error));
                }
            };
            match job.run(connection, true).await {
                Ran::Kept => match self.keep().await {
                    Fate::Kept => return job.finish(Ok(())),
                    Fate::Undone => last = StoreError::Commit("undone by the server".to_owned()),
                    Fate::Unknown(error) => {
                        tracing::error!(%error, "the answer to a commit was lost");
                        return job.finish(Err(StoreError::Commit(error.to_string())));
                    }
                },
                Ran::Refused => {
                    self.undo().await;
                    return job.finish(Ok(()));
                }
                Ran::Clash => self.undo().await,
                Ran::Lost => self.connection = None,
            }
        }
        job.finish(Err(last));
    }

    /// Begins a transaction, over a new connection if need be.
    async fn begin(&mut self, begin: &'static str) -> Result<&mut AnyConnection, StoreError> {
        if let Some(connection) = &mut self.connection
            && sqlx::raw_sql(begin).execute(connection).await.is_err()
        {
            self.connection = None;
        }
        if self.connection.is_none() {
            let (mut connection, place) = connect::primary(&self.hosts).await?;
            connect::follow(&self.readers, &self.hosts, place);
            sqlx::raw_sql(begin).execute(&mut connection).await?;
            self.connection = Some(connection);
        }
        self.connection.as_mut().ok_or(StoreError::Closed)
    }

    async fn undo(&mut self) {
        if let Some(connection) = &mut self.connection
            && sqlx::raw_sql("ROLLBACK").execute(connection).await.is_err()
        {
            self.connection = None;
        }
    }

    /// The server answers COMMIT with success even when it rolls a failed transaction back; the
    /// query before it, in the same round trip, fails then.
    async fn keep(&mut self) -> Fate {
        let Some(connection) = &mut self.connection else {
            return Fate::Unknown(StoreError::Closed);
        };
        match sqlx::raw_sql("SELECT 1; COMMIT").execute(connection).await {
            Ok(_) => Fate::Kept,
            Err(sqlx::Error::Database(error))
                if server_refusal(error.code().as_deref()) != Ran::Lost =>
            {
                tracing::warn!(%error, "a commit was undone");
                self.undo().await;
                Fate::Undone
            }
            Err(error) => {
                self.connection = None;
                Fate::Unknown(error.into())
            }
        }
    }
}
