//! A caller that holds a connection without using it loses it; the time is tokio's, paused, so
//! that nothing is waited for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up must fail"
)]

use crate::territory;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use liaison_base::shutdown::Shutdown;
use liaison_base::tls;
use liaison_directory::serve;
use rustls::pki_types::ServerName;
use territory::{Bench, ENTRIES};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

struct Served {
    bench: Bench,
    address: SocketAddr,
}

impl Served {
    async fn start() -> Self {
        let bench = Bench::new();
        let entries = bench.entries("entries.toml", ENTRIES);
        let settings = bench.settings(Some(entries));
        let clock = Arc::new(bench.clock.clone());
        let running = serve(&settings, &Shutdown::new(), clock).await.unwrap();
        Self {
            bench,
            address: running.address,
        }
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let roots = tls::anchors(&self.bench.path("root.pem")).unwrap();
        let connector = TlsConnector::from(Arc::new(tls::client(roots).unwrap()));
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        connector.connect(name, stream).await.unwrap()
    }
}

/// What is sent until the other side closes, and after how long.
async fn until_closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> (String, Duration) {
    tokio::time::pause();
    let begin = Instant::now();
    let mut answer = Vec::new();
    // A connection that is reset is closed too.
    let _ = stream.read_to_end(&mut answer).await;
    (
        String::from_utf8_lossy(&answer).into_owned(),
        begin.elapsed(),
    )
}

#[tokio::test]
async fn one_that_never_begins_the_tls_handshake() {
    let served = Served::start().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let (answer, after) = until_closed(&mut stream).await;
    assert_eq!(answer, "");
    assert!((4..=6).contains(&after.as_secs()), "{after:?}");
}

#[tokio::test]
async fn one_that_never_ends_its_headers() {
    let served = Served::start().await;
    let mut stream = served.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        .await
        .unwrap();
    let (answer, after) = until_closed(&mut stream).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    assert!((14..=16).contains(&after.as_secs()), "{after:?}");
}

#[tokio::test]
async fn one_that_never_sends_the_body_it_announced() {
    let served = Served::start().await;
    let mut stream = served.connect().await;
    let head = "POST /v1/resolve HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (answer, after) = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("urn:liaison:problem:timeout"), "{answer}");
    assert!((9..=11).contains(&after.as_secs()), "{after:?}");
}
