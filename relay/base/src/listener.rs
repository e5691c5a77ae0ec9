//! A TCP port that takes connections, each a task of its own, until a shutdown is asked for.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use crate::shutdown::Shutdown;

/// The pause after the system refuses a connection, usually for want of file descriptors:
/// connections that end give some back.
const BREATH: Duration = Duration::from_millis(200);

/// A port's name in the logs, and how many connections it takes.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    /// Its name in the logs, for example `submission`.
    pub name: &'static str,
    /// Most connections at once; the next is closed at once and logged.
    pub connections: usize,
}

impl Listener {
    /// As [`Listener::open`], but connections are taken, and left alone, until the shutdown is over:
    /// for a port through which the shutdown is watched.
    ///
    /// # Errors
    /// What the system says when the address cannot be bound.
    pub async fn open_until_over<F, S>(
        self,
        listen: SocketAddr,
        shutdown: &Shutdown,
        serve: F,
    ) -> io::Result<SocketAddr>
    where
        F: Fn(TcpStream, SocketAddr) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(listen).await?;
        let bound = listener.local_addr()?;
        let over = shutdown.clone();
        shutdown.spawn_door(async move {
            let mut inside = JoinSet::new();
            let taking = self.take(listener, move |stream, remote, permit| {
                while inside.try_join_next().is_some() {}
                let inner = serve(stream, remote);
                inside.spawn(async move {
                    inner.await;
                    drop(permit);
                });
            });
            tokio::select! { () = over.over() => {}, () = taking => {} }
        });
        Ok(bound)
    }

    /// Binds `listen` and runs `serve` for each connection. Returns the bound address. A shutdown
    /// takes no new connection and waits for those inside, which should watch for it too.
    ///
    /// # Errors
    /// What the system says when the address cannot be bound.
    pub async fn open<F, S>(
        self,
        listen: SocketAddr,
        shutdown: &Shutdown,
        serve: F,
    ) -> io::Result<SocketAddr>
    where
        F: Fn(TcpStream, SocketAddr) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(listen).await?;
        let bound = listener.local_addr()?;
        let stop = shutdown.clone();
        shutdown.spawn(async move {
            let inside_too = stop.clone();
            let taking = self.take(listener, move |stream, remote, permit| {
                let inside = serve(stream, remote);
                inside_too.spawn(async move {
                    inside.await;
                    drop(permit);
                });
            });
            tokio::select! { () = stop.asked() => {}, () = taking => {} }
        });
        Ok(bound)
    }

    /// Takes connections for ever; the permit is a connection's place.
    async fn take(
        self,
        listener: TcpListener,
        mut inside: impl FnMut(TcpStream, SocketAddr, OwnedSemaphorePermit),
    ) {
        let room = Arc::new(Semaphore::new(self.connections));
        loop {
            let (stream, remote) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    let door = self.name;
                    tracing::error!(%error, door, "no connection can be accepted");
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                let door = self.name;
                tracing::warn!(%remote, door, reason = "too many connections", "refused at the door");
                continue;
            };
            inside(stream, remote, permit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn a_full_port_turns_the_next_away_and_a_shutdown_waits_for_those_inside() {
        let shutdown = Shutdown::new();
        let listener = Listener {
            name: "test",
            connections: 1,
        };
        let stop = shutdown.clone();
        let address = listener
            .open(
                ([127, 0, 0, 1], 0).into(),
                &shutdown,
                move |mut stream, _| {
                    let stop = stop.clone();
                    async move {
                        stream.write_all(b"in").await.unwrap();
                        stop.asked().await;
                    }
                },
            )
            .await
            .unwrap();
        let mut first = TcpStream::connect(address).await.unwrap();
        let mut answer = [0; 2];
        first.read_exact(&mut answer).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        assert_eq!(
            second.read(&mut answer).await.unwrap_or(0),
            0,
            "turned away"
        );
        assert!(shutdown.finish(Duration::from_secs(5)).await);
        assert!(TcpStream::connect(address).await.is_err(), "closed");
    }
}
