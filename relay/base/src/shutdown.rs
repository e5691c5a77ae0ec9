//! Orderly shutdown: stop taking work, finish what was begun, then leave.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Shared by all tasks of a process; copies speak of the same shutdown.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
}

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

    /// Asks every task to stop and waits for all of them, at most `patience`. Returns whether
    /// all ended. What is cut off is not lost: nothing is acknowledged before it is durable.
    pub async fn finish(&self, patience: Duration) -> bool {
        self.token.cancel();
        self.tasks.close();
        tokio::time::timeout(patience, self.tasks.wait())
            .await
            .is_ok()
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
}
