//! Tasks own the writing connections and commit waiting work in groups.
//!
//! - This file: work, and the way to whoever does it.
//! - [`sqlite`]: one connection; a savepoint for each piece of a group.
//! - [`postgres`]: several connections side by side; a piece that fails or clashes with another
//!   process's is run again alone.

mod postgres;
mod sqlite;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use sqlx::{AnyConnection, AnyPool};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};

use crate::StoreError;
use crate::location::Hosts;

/// Most pieces of work in one transaction: bounds how long the first waits for the last.
const GROUP: usize = 256;
/// Most pieces of work waiting; beyond it, writers wait their turn to wait.
const WAITING: usize = 1024;
/// Writing connections of a process to PostgreSQL. Their commits share the server's disk sync.
const LANES: usize = 4;

/// The future of a piece of work.
pub type WorkFuture<'c, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>;

/// A piece of work: statements that are kept or undone together. It is cloned because it may run
/// more than once before it is kept: PostgreSQL asks for that when two processes get in each
/// other's way, and when a connection is lost before the commit.
pub trait Work<T, E>:
    for<'c> FnOnce(&'c mut AnyConnection) -> WorkFuture<'c, T, E> + Clone + Send + 'static
{
}

impl<T, E, W> Work<T, E> for W where
    W: for<'c> FnOnce(&'c mut AnyConnection) -> WorkFuture<'c, T, E> + Clone + Send + 'static
{
}

/// The way to the tasks that write.
#[derive(Clone)]
pub(crate) struct Writer {
    waiting: mpsc::Sender<Message>,
    /// A permit for each lane that has ended.
    ended: Arc<Semaphore>,
    lanes: u32,
}

enum Message {
    Work(Box<dyn Job>),
    Close,
}

impl Writer {
    /// One connection, which is already open.
    pub(crate) fn sqlite(connection: AnyConnection) -> Self {
        Self::start(vec![Lane::Sqlite(sqlite::Lane::new(connection))])
    }

    /// Several connections: `first`, and others opened when there is work for them. `readers`
    /// follow when the hosts change roles.
    pub(crate) fn postgres(first: AnyConnection, hosts: &Hosts, readers: &AnyPool) -> Self {
        let mut first = Some(first);
        let lane = |_| {
            Lane::Postgres(postgres::Lane::new(
                first.take(),
                hosts.clone(),
                readers.clone(),
            ))
        };
        Self::start((0..LANES).map(lane).collect())
    }

    fn start(lanes: Vec<Lane>) -> Self {
        let (waiting, work) = mpsc::channel(WAITING);
        let work = Arc::new(Mutex::new(work));
        let ended = Arc::new(Semaphore::new(0));
        let count = u32::try_from(lanes.len()).unwrap_or(1);
        for lane in lanes {
            tokio::spawn(run(lane, Arc::clone(&work), Arc::clone(&ended)));
        }
        Self {
            waiting,
            ended,
            lanes: count,
        }
    }

    pub(crate) async fn write<T, E, W>(&self, work: W) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Error + Send + 'static,
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
        if self.waiting.send(Message::Close).await.is_ok() {
            let _ = self.ended.acquire_many(self.lanes).await;
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// One writing connection.
enum Lane {
    Sqlite(sqlite::Lane),
    Postgres(postgres::Lane),
}

impl Lane {
    async fn commit(&mut self, group: Vec<Box<dyn Job>>) {
        match self {
            Self::Sqlite(lane) => lane.commit(group).await,
            Self::Postgres(lane) => lane.commit(group).await,
        }
    }

    async fn close(self) {
        match self {
            Self::Sqlite(lane) => lane.close().await,
            Self::Postgres(lane) => lane.close().await,
        }
    }
}

/// Takes groups until the store is closed or dropped, and what still waits then.
async fn run(mut lane: Lane, work: Arc<Mutex<mpsc::Receiver<Message>>>, ended: Arc<Semaphore>) {
    loop {
        let group = next_group(&mut *work.lock().await).await;
        if group.is_empty() {
            break;
        }
        lane.commit(group).await;
    }
    lane.close().await;
    ended.add_permits(1);
}

/// Whatever waits, at most [`GROUP`]; empty only at the end.
async fn next_group(work: &mut mpsc::Receiver<Message>) -> Vec<Box<dyn Job>> {
    let mut group = Vec::new();
    let mut next = work.recv().await;
    while let Some(message) = next {
        match message {
            Message::Work(job) => group.push(job),
            // What was sent before is still done, by this lane or another.
            Message::Close => work.close(),
        }
        next = if group.is_empty() {
            work.recv().await
        } else if group.len() < GROUP {
            work.try_recv().ok()
        } else {
            None
        };
    }
    group
}

/// How a run of a piece of work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ran {
    /// To be kept.
    Kept,
    /// To be undone: the work refused.
    Refused,
    /// To be undone and run again: another process or lane was in the way.
    Clash,
    /// The connection is lost, and what it had begun with it.
    Lost,
}

/// A piece of work whose result type the writer need not know.
trait Job: Send {
    /// Runs the statements. `again` keeps the work, so that it can be run once more.
    fn run<'c>(
        &'c mut self,
        connection: &'c mut AnyConnection,
        again: bool,
    ) -> Pin<Box<dyn Future<Output = Ran> + Send + 'c>>;

    /// Answers whoever waits, now that the fate of the transaction is known.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Piece<W, T, E> {
    work: Option<W>,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<W, T, E> Job for Piece<W, T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Error + Send + 'static,
    W: Work<T, E>,
{
    fn run<'c>(
        &'c mut self,
        connection: &'c mut AnyConnection,
        again: bool,
    ) -> Pin<Box<dyn Future<Output = Ran> + Send + 'c>> {
        Box::pin(async move {
            let work = if again {
                self.work.clone()
            } else {
                self.work.take()
            };
            let Some(work) = work else {
                return Ran::Refused;
            };
            let result = work(connection).await;
            let ran = match &result {
                Ok(_) => Ran::Kept,
                Err(error) => refusal(error),
            };
            self.result = Some(result);
            ran
        })
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (self.result, committed) {
            // What the work itself refused stays its own refusal, whatever the group's fate.
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(cause)) => Err(E::from(cause)),
            (None, Ok(())) => Err(E::from(StoreError::Closed)),
        };
        // Nobody may be waiting any more: the work is kept all the same.
        let _ = self.answer.send(result);
    }
}

/// Whether an error is the work's own, or the database's wish to see the work again.
fn refusal(error: &(dyn Error + 'static)) -> Ran {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(cause) = error.downcast_ref::<sqlx::Error>() {
            return database_refusal(cause);
        }
        next = error.source();
    }
    Ran::Refused
}

fn database_refusal(error: &sqlx::Error) -> Ran {
    match error {
        sqlx::Error::Database(cause) => server_refusal(cause.code().as_deref()),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => Ran::Lost,
        _ => Ran::Refused,
    }
}

/// By the code of an error (PostgreSQL, appendix A); SQLite's are other.
fn server_refusal(code: Option<&str>) -> Ran {
    match code {
        // Serialization failure, deadlock, no lock in time; and a row that another process has
        // inserted since this work looked for it: run again, the work finds it.
        Some("40001" | "40P01" | "55P03" | "23505") => Ran::Clash,
        // Shut down by its operator, by a crash, not up yet, idle for too long; become a standby.
        Some("57P01" | "57P02" | "57P03" | "25P03" | "25006") => Ran::Lost,
        // Connection exceptions.
        Some(code) if code.len() == 5 && code.starts_with("08") => Ran::Lost,
        _ => Ran::Refused,
    }
}
