//! One task owns the writing connection and commits waiting work in groups.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use sqlx::{AnyConnection, Connection as _};
use tokio::sync::{mpsc, oneshot};

use crate::StoreError;

/// Most pieces of work in one transaction: bounds how long the first waits for the last.
const GROUP: usize = 256;
/// Most pieces of work waiting; beyond it, writers wait their turn to wait.
const WAITING: usize = 1024;

/// The future of a piece of work.
pub type WorkFuture<'c, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>;

/// A piece of work: statements that are kept or undone together.
pub trait Work<T, E>:
    for<'c> FnOnce(&'c mut AnyConnection) -> WorkFuture<'c, T, E> + Send + 'static
{
}

impl<T, E, W> Work<T, E> for W where
    W: for<'c> FnOnce(&'c mut AnyConnection) -> WorkFuture<'c, T, E> + Send + 'static
{
}

/// The way to the task that writes.
#[derive(Clone)]
pub(crate) struct Writer {
    waiting: mpsc::Sender<Message>,
}

enum Message {
    Work(Box<dyn Job>),
    Close(oneshot::Sender<()>),
}

impl Writer {
    pub(crate) fn start(connection: AnyConnection) -> Self {
        let (waiting, work) = mpsc::channel(WAITING);
        tokio::spawn(run(connection, work));
        Self { waiting }
    }

    pub(crate) async fn write<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        W: Work<T, E>,
    {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(Piece {
            work: Some(work),
            result: None,
            answer,
        });
        self.waiting
            .send(Message::Work(job))
            .await
            .map_err(|_| E::from(StoreError::Closed))?;
        answered
            .await
            .unwrap_or_else(|_| Err(E::from(StoreError::Closed)))
    }

    pub(crate) async fn close(self) {
        let (closed, done) = oneshot::channel();
        if self.waiting.send(Message::Close(closed)).await.is_ok() {
            let _ = done.await;
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

async fn run(mut connection: AnyConnection, mut work: mpsc::Receiver<Message>) {
    while let Some(first) = work.recv().await {
        let mut group = Vec::new();
        let mut closing = None;
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Work(job) => group.push(job),
                Message::Close(done) => closing = Some(done),
            }
            next = (group.len() < GROUP && closing.is_none())
                .then(|| work.try_recv().ok())
                .flatten();
        }
        if !group.is_empty() {
            commit(&mut connection, group).await;
        }
        if let Some(done) = closing {
            let _ = connection.close().await;
            let _ = done.send(());
            return;
        }
    }
}

/// Runs a group in one transaction and answers each piece of work.
async fn commit(connection: &mut AnyConnection, mut group: Vec<Box<dyn Job>>) {
    let outcome = match attempt(connection, &mut group).await {
        Ok(()) => Ok(()),
        Err(error) => {
            // Leaves the transaction, so that the next group finds the connection usable. It
            // fails when the transaction is already gone, which is the same end.
            let _ = sqlx::raw_sql("ROLLBACK").execute(connection).await;
            tracing::error!(%error, pieces = group.len(), "group commit failed");
            Err(error.to_string())
        }
    };
    for job in group {
        job.finish(&outcome);
    }
}

async fn attempt(
    connection: &mut AnyConnection,
    group: &mut [Box<dyn Job>],
) -> Result<(), sqlx::Error> {
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut *connection)
        .await?;
    for job in group {
        sqlx::query("SAVEPOINT piece")
            .execute(&mut *connection)
            .await?;
        if !job.run(connection).await {
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

/// A piece of work whose result type the writer need not know.
trait Job: Send {
    /// Runs the statements; false asks to undo them.
    fn run<'c>(
        &'c mut self,
        connection: &'c mut AnyConnection,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'c>>;

    /// Answers whoever waits, now that the fate of the transaction is known.
    fn finish(self: Box<Self>, committed: &Result<(), String>);
}

struct Piece<W, T, E> {
    work: Option<W>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<W, T, E> Job for Piece<W, T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    W: Work<T, E>,
{
    fn run<'c>(
        &'c mut self,
        connection: &'c mut AnyConnection,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'c>> {
        Box::pin(async move {
            let Some(work) = self.work.take() else {
                return false;
            };
            let result = work(connection).await;
            let keep = result.is_ok();
            self.result = Some(result);
            keep
        })
    }

    fn finish(self: Box<Self>, committed: &Result<(), String>) {
        let result = match (self.result, committed) {
            // What the work itself refused stays its own refusal, whatever the group's fate.
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(cause)) => Err(E::from(StoreError::Commit(cause.clone()))),
            (None, Ok(())) => Err(E::from(StoreError::Closed)),
        };
        // Nobody may be waiting any more: the work is kept all the same.
        let _ = self.answer.send(result);
    }
}
