//! TLS and HTTP on one connection, with its limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use liaison_base::shutdown::Shutdown;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

/// The most connections at once; further ones wait to be taken.
const MAX_CONNECTIONS: usize = 256;
/// How long the TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request's headers may take, and how long a connection may stay idle before them.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// The most octets of a request's line and headers.
const MAX_HEAD: usize = 16 * 1024;
/// How long to wait after the system could not give a connection: it has no more files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Takes connections until a shutdown is asked.
pub(super) struct Door {
    listener: TcpListener,
    tls: TlsAcceptor,
    routes: Router,
    shutdown: Shutdown,
    places: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        routes: Router,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            listener,
            tls: TlsAcceptor::from(tls),
            routes,
            shutdown,
            places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        }
    }

    pub(super) async fn run(self) {
        loop {
            let taken = tokio::select! {
                () = self.shutdown.asked() => return,
                taken = self.take() => taken,
            };
            match taken {
                Some((stream, remote, place)) => self.start(stream, remote, place),
                None => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    async fn take(&self) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        match self.listener.accept().await {
            Ok((stream, remote)) => Some((stream, remote, place)),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                None
            }
        }
    }

    fn start(&self, stream: TcpStream, remote: SocketAddr, place: OwnedSemaphorePermit) {
        let tls = self.tls.clone();
        let routes = self.routes.clone();
        let shutdown = self.shutdown.clone();
        self.shutdown.spawn(async move {
            let _place = place;
            let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream));
            let stream = tokio::select! {
                () = shutdown.asked() => return,
                shaken = handshake => match shaken {
                    Ok(Ok(stream)) => stream,
                    Ok(Err(error)) => {
                        tracing::info!(%remote, %error, "directory: no TLS session");
                        return;
                    }
                    Err(_) => {
                        tracing::info!(%remote, "directory: the TLS handshake took too long");
                        return;
                    }
                },
            };
            let routes = TowerToHyperService::new(routes);
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(remote.ip());
                routes.call(request)
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .max_buf_size(MAX_HEAD)
                .serve_connection(TokioIo::new(stream), service);
            tokio::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = shutdown.asked() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::info!(%remote, %error, "directory: connection ended early");
            }
        });
    }
}
