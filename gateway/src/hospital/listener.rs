//! Connections of hospital systems: frames in, acknowledgements out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use liaison_base::listener::Listener;
use liaison_base::shutdown::Shutdown;
use liaison_hl7::Error;
use liaison_hl7::mllp::{self, DEFAULT_LIMIT, Decoder};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::answer::answer;
use super::feed::Feed;
use super::network::Network;
use crate::GatewayError;

/// A hospital has a handful of engines.
const PORT: Listener = Listener {
    name: "feed",
    connections: 64,
};
/// Longest silence inside a frame (notices.md §2).
const INSIDE_FRAME: Duration = Duration::from_secs(30);
/// How long to wait for a final CR that some senders never send.
const FINAL_CR: Duration = Duration::from_secs(1);
/// Longest TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// Octets read at once.
const CHUNK: usize = 16 * 1024;

/// What a port needs to answer.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) feed: Feed,
    /// Where peers may connect from; none: from anywhere.
    pub(crate) allow: Vec<Network>,
}

/// Opens a port without TLS. HL7 v2 has no protection of its own: only a loopback address is taken,
/// or peers of networks that the site names.
pub(crate) async fn serve_plain(
    door: Door,
    listen: SocketAddr,
    shutdown: &Shutdown,
) -> Result<SocketAddr, GatewayError> {
    if !listen.ip().is_loopback() && door.allow.is_empty() {
        return Err(GatewayError::Setting {
            key: "hospital.mllp",
            cause: format!(
                "{listen} is not a loopback address: use mllps, which is TLS, or name the networks of the hospital systems in allow"
            ),
        });
    }
    serve(door, listen, None, shutdown).await
}

/// Opens a port over TLS.
pub(crate) async fn serve_tls(
    door: Door,
    listen: SocketAddr,
    tls: Arc<ServerConfig>,
    shutdown: &Shutdown,
) -> Result<SocketAddr, GatewayError> {
    serve(door, listen, Some(TlsAcceptor::from(tls)), shutdown).await
}

async fn serve(
    door: Door,
    listen: SocketAddr,
    tls: Option<TlsAcceptor>,
    shutdown: &Shutdown,
) -> Result<SocketAddr, GatewayError> {
    let stop = shutdown.clone();
    PORT.open(listen, shutdown, move |stream, remote| {
        let (door, tls, stop) = (door.clone(), tls.clone(), stop.clone());
        async move { connection(door, tls, (stream, remote), &stop).await }
    })
    .await
    .map_err(|cause| GatewayError::Listen {
        listen: listen.to_string(),
        cause,
    })
}

async fn connection(
    door: Door,
    tls: Option<TlsAcceptor>,
    (stream, remote): (TcpStream, SocketAddr),
    shutdown: &Shutdown,
) {
    let allowed = |network: &Network| network.contains(remote.ip());
    if !door.allow.is_empty() && !door.allow.iter().any(allowed) {
        tracing::warn!(%remote, "feed: not from an allowed network, sent away");
        return;
    }
    // An acknowledgement is one small packet that the sender waits for.
    let _ = stream.set_nodelay(true);
    let ended = match tls {
        None => converse(&door, stream, remote, shutdown).await,
        Some(acceptor) => match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => converse(&door, stream, remote, shutdown).await,
            Ok(Err(error)) => {
                tracing::info!(%remote, %error, "feed: no TLS session");
                return;
            }
            Err(_) => {
                tracing::info!(%remote, "feed: the TLS handshake took too long");
                return;
            }
        },
    };
    if let Err(reason) = ended {
        tracing::warn!(%remote, reason, "feed closed");
    }
}

/// Reads frames until the peer leaves or a shutdown is asked for. An error closes the connection
/// without an answer: the sender repeats.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    door: &Door,
    mut stream: S,
    remote: SocketAddr,
    shutdown: &Shutdown,
) -> Result<(), String> {
    let mut decoder = Decoder::new(DEFAULT_LIMIT);
    let mut chunk = vec![0; CHUNK];
    let mut inside = false;
    loop {
        let patience = match (decoder.awaits_final_cr(), inside) {
            (true, _) => FINAL_CR,
            (false, true) => INSIDE_FRAME,
            // Between frames a feed may be quiet for hours.
            (false, false) => Duration::MAX,
        };
        let read = tokio::select! {
            () = shutdown.asked(), if !inside => return Ok(()),
            read = tokio::time::timeout(patience, stream.read(&mut chunk)) => read,
        };
        let (bytes, over) = match read {
            Ok(Ok(0)) => (&[][..], true),
            Ok(Ok(count)) => (&chunk[..count], false),
            Ok(Err(error)) => return Err(error.to_string()),
            Err(_) if decoder.awaits_final_cr() => (&[][..], false),
            Err(_) => return Err("silence inside a frame".to_owned()),
        };
        let mut input = bytes;
        while let Some(frame) = decoder.next_frame(&mut input).map_err(text)? {
            respond(door, &mut stream, frame, remote).await?;
        }
        if bytes.is_empty()
            && let Some(frame) = decoder.finish().map_err(text)?
        {
            respond(door, &mut stream, frame, remote).await?;
        }
        if over {
            return match decoder.skipped() {
                0 => Ok(()),
                // A healthy feed has none: this peer speaks something else.
                count => Err(format!("{count} bytes came outside MLLP frames")),
            };
        }
        inside = decoder.is_inside();
    }
}

fn text(error: Error) -> String {
    error.to_string()
}

/// One message to its commit and its answer.
async fn respond<S: AsyncWrite + Unpin>(
    door: &Door,
    stream: &mut S,
    frame: Vec<u8>,
    remote: SocketAddr,
) -> Result<(), String> {
    let answered = answer(&door.feed, frame, &remote.to_string()).await?;
    if let Some(reply) = answered.reply {
        stream
            .write_all(&mllp::encode(&reply))
            .await
            .map_err(|error| error.to_string())?;
        stream.flush().await.map_err(|error| error.to_string())?;
    }
    Ok(())
}
