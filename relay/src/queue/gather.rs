//! Gathers what is to be written while a commit is under way, and writes it as one piece.
//!
//! A group commit spares disk syncs; what arrives together is here written by statements about
//! many rows, too, which spares the processor. Whatever one of them finds wrong is found out by
//! running each alone.

use std::sync::Arc;

use liaison_store::{Store, StoreError, WorkFuture};
use sqlx::AnyConnection;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::RelayError;

/// Most items in one piece of work.
const MOST: usize = 256;
/// Octets after which no further item joins.
const MOST_OCTETS: usize = 4 * 1024 * 1024;
/// Pieces of work under way: while one is synced, the next is written.
const UNDER_WAY: usize = 2;

/// Something to be written.
pub(super) trait Item: Clone + Send + Sync + 'static {
    /// What became of it.
    type Written: Send + 'static;

    /// How much it takes to hold.
    fn octets(&self) -> usize;

    /// Writes all of them, and answers for each in order.
    fn write_all<'c>(
        tx: &'c mut AnyConnection,
        items: Arc<Vec<Self>>,
    ) -> WorkFuture<'c, Vec<Self::Written>, RelayError>;
}

type Answer<I> = oneshot::Sender<Result<<I as Item>::Written, RelayError>>;

/// Takes items of one kind. Copies are the same.
pub(super) struct Gather<I: Item> {
    waiting: mpsc::Sender<(I, Answer<I>)>,
}

impl<I: Item> Clone for Gather<I> {
    fn clone(&self) -> Self {
        Self {
            waiting: self.waiting.clone(),
        }
    }
}

impl<I: Item> Gather<I> {
    /// Starts the task that writes; it ends with the last copy.
    pub(super) fn start(store: Store) -> Self {
        let (waiting, items) = mpsc::channel(MOST * 4);
        tokio::spawn(run(store, items));
        Self { waiting }
    }

    /// Answers once the item is durable.
    pub(super) async fn write(&self, item: I) -> Result<I::Written, RelayError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.waiting.send((item, answer)).await;
        sent.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

async fn run<I: Item>(store: Store, mut waiting: mpsc::Receiver<(I, Answer<I>)>) {
    let places = Arc::new(Semaphore::new(UNDER_WAY));
    while let Some((first, answer)) = waiting.recv().await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let mut octets = first.octets();
        let (mut items, mut answers) = (vec![first], vec![answer]);
        while items.len() < MOST && octets < MOST_OCTETS {
            let Ok((item, answer)) = waiting.try_recv() else {
                break;
            };
            octets += item.octets();
            items.push(item);
            answers.push(answer);
        }
        let store = store.clone();
        tokio::spawn(async move {
            write(store, items, answers).await;
            drop(place);
        });
    }
}

async fn write<I: Item>(store: Store, items: Vec<I>, answers: Vec<Answer<I>>) {
    let items = Arc::new(items);
    let together = Arc::clone(&items);
    let written = store.write(move |tx| I::write_all(tx, together)).await;
    match written {
        Ok(written) => {
            for (answer, written) in answers.into_iter().zip(written) {
                // Nobody may be waiting any more: it is written all the same.
                let _ = answer.send(Ok(written));
            }
        }
        Err(error) if items.len() == 1 => {
            if let Some(answer) = answers.into_iter().next() {
                let _ = answer.send(Err(error));
            }
        }
        Err(error) => {
            tracing::warn!(%error, items = items.len(), "written one by one");
            for (item, answer) in items.iter().zip(answers) {
                let _ = answer.send(alone(&store, item.clone()).await);
            }
        }
    }
}

async fn alone<I: Item>(store: &Store, item: I) -> Result<I::Written, RelayError> {
    let item = Arc::new(vec![item]);
    let written = store.write(move |tx| I::write_all(tx, item)).await?;
    written
        .into_iter()
        .next()
        .ok_or_else(|| StoreError::Closed.into())
}
