//! SQLite: one connection writes, each group in one transaction, each piece in a savepoint.

use sqlx::{AnyConnection, Connection as _};

use super::{Job, Ran};
use crate::StoreError;

pub(super) struct Lane {
    connection: AnyConnection,
}

impl Lane {
    pub(super) fn new(connection: AnyConnection) -> Self {
        Self { connection }
    }

    /// Runs a group in one transaction and answers each piece of work.
    pub(super) async fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        let outcome = self.attempt(&mut group).await.map_err(StoreError::from);
        if let Err(error) = &outcome {
            // Leaves the transaction, so that the next group finds the connection usable. It
            // fails when the transaction is already gone, which is the same end.
            let _ = sqlx::raw_sql("ROLLBACK")
                .execute(&mut self.connection)
                .await;
            tracing::error!(%error, pieces = group.len(), "group commit failed");
        }
        for job in group {
            job.finish(match &outcome {
                Ok(()) => Ok(()),
                Err(StoreError::Full(cause)) => Err(StoreError::Full(cause.clone())),
                Err(error) => Err(StoreError::Commit(error.to_string())),
            });
        }
    }

    async fn attempt(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), sqlx::Error> {
        let connection = &mut self.connection;
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut *connection)
            .await?;
        for job in group {
            sqlx::query("SAVEPOINT piece")
                .execute(&mut *connection)
                .await?;
            if job.run(connection, false).await != Ran::Kept {
                sqlx::query("ROLLBACK TO piece")
                    .execute(&mut *connection)
                    .await?;
            }
            sqlx::query("RELEASE piece")
                .execute(&mut *connection)
                .await?;
        }
        sqlx::query("COMMIT").execute(connection).await?;
        Ok(())
    }

    pub(super) async fn close(self) {
        let _ = self.connection.close().await;
    }
}
