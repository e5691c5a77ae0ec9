//! Orderly shutdown: stop taking work, finish what was begun, then leave.
//!
//! Between the asking and the end lies the drain: doors stay open to tell whoever comes that the
//! process is leaving ([`Shutdown::over`] says when they may close).

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Shared by all tasks of a process; copies speak of the same shutdown.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    over: CancellationToken,
    tasks: TaskTracker,
    doors: TaskTracker,
}

/// How long doors have to close once the shutdown is over.
const CLOSING: Duration = Duration::from_secs(1);

impl Shutdown {
    /// A shutdown that nobody has asked for yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task that a shutdown waits for.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task);
    }

    /// Starts a task that turns others away during a shutdown: it is not waited for, and should end
    /// when the shutdown is [`Shutdown::over`].
    pub fn spawn_door<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.doors.spawn(task);
    }

    /// Resolves once a shutdown has been asked for: take no new work after it.
    pub async fn asked(&self) {
        self.token.cancelled().await;
    }

    /// Whether a shutdown has been asked for.
    pub fn is_asked(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Asks every task to stop and returns at once.
    pub fn ask(&self) {
        self.token.cancel();
    }

    /// Resolves once the work that was under way has ended or was given up: whoever only turns
    /// others away until then may leave.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }

    /// How many tasks a shutdown would wait for now.
    pub fn under_way(&self) -> usize {
        self.tasks.len()
    }

    /// Asks every task to stop and waits for all of them, at most `patience`. Returns whether
    /// all ended. What is cut off is not lost: nothing is acknowledged before it is durable.
    pub async fn finish(&self, patience: Duration) -> bool {
        self.token.cancel();
        self.tasks.close();
        let ended = tokio::time::timeout(patience, self.tasks.wait())
            .await
            .is_ok();
        self.over.cancel();
        self.doors.close();
        let _ = tokio::time::timeout(CLOSING, self.doors.wait()).await;
        ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_shutdown_waits_for_the_work_that_was_begun() {
        let shutdown = Shutdown::new();
        let (done, mut finished) = tokio::sync::mpsc::channel(1);
        let seen = shutdown.clone();
        shutdown.spawn(async move {
            seen.asked().await;
            done.send(()).await.unwrap();
        });
        assert!(!shutdown.is_asked());
        assert!(shutdown.finish(Duration::from_secs(5)).await);
        assert!(finished.recv().await.is_some());
    }

    #[tokio::test]
    async fn doors_are_kept_until_the_work_has_ended() {
        let shutdown = Shutdown::new();
        let (end, mut ended) = tokio::sync::mpsc::channel(2);
        let (door, work) = (end.clone(), end);
        let (at_door, at_work) = (shutdown.clone(), shutdown.clone());
        shutdown.spawn_door(async move {
            at_door.over().await;
            door.send("door").await.unwrap();
        });
        shutdown.spawn(async move {
            at_work.asked().await;
            work.send("work").await.unwrap();
        });
        assert!(shutdown.finish(Duration::from_secs(5)).await);
        assert_eq!(ended.recv().await, Some("work"));
        assert_eq!(ended.recv().await, Some("door"));
    }
}
