//! One LDAP client's connection: TLS, octets, time limits.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ldap3_proto::LdapCodec;
use ldap3_proto::proto::{LdapMsg, LdapResultCode};
use liaison_base::clock::Clock;
use liaison_base::login::{Denied, Logins};
use liaison_base::shutdown::Shutdown;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::{Decoder as _, Encoder as _};
use zeroize::Zeroizing;

use super::answer;
use super::dn::Suffix;
use super::frame::{self, Frame};
use super::lookup::Lookup;
use super::session::{Caller, Checked, Search, Session, Step, disconnection, search_done};
use crate::directory::Directory;
use crate::quota::Quotas;

/// How long the TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may be silent. Outlook keeps its connection for some minutes.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// How long a client whom nobody knows may be silent.
const STRANGER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a message may take from its first octet to its last.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take to read an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// What is read at once, in octets: most searches fit.
const READ: usize = 2 * 1024;

/// What every connection may use.
pub(super) struct Served {
    directory: Arc<Directory>,
    logins: Arc<Logins>,
    tls: TlsAcceptor,
    clock: Arc<dyn Clock>,
    suffix: Suffix,
    anonymous: bool,
    quotas: Arc<Quotas>,
    shutdown: Shutdown,
}

/// How a dialogue ended, if not by an error of the network.
enum End {
    /// It is over.
    Over,
    /// TLS begins on the same connection.
    Tls(Box<Session>),
}

impl Served {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one part of what every connection uses"
    )]
    pub(super) fn new(
        directory: Arc<Directory>,
        (logins, tls, quotas): (Arc<Logins>, Arc<ServerConfig>, Arc<Quotas>),
        clock: Arc<dyn Clock>,
        suffix: Suffix,
        anonymous: bool,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            directory,
            logins,
            tls: TlsAcceptor::from(tls),
            clock,
            suffix,
            anonymous,
            quotas,
            shutdown,
        }
    }

    /// Serves one client until it leaves.
    pub(super) async fn connection(&self, stream: TcpStream, remote: SocketAddr, tls: bool) {
        // What leaves at once is one answer; waiting for more would cost 40 ms.
        let _ = stream.set_nodelay(true);
        let private = tls || remote.ip().is_loopback();
        let session = Session::new(self.suffix.clone(), private, !tls, self.anonymous);
        let mut stream = stream;
        let session = if tls {
            session
        } else {
            match self.dialogue(&mut stream, session, remote.ip()).await {
                End::Over => return,
                End::Tls(mut session) => {
                    session.secured();
                    *session
                }
            }
        };
        let shaken = tokio::select! {
            () = self.shutdown.asked() => return,
            shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.tls.accept(stream)) => shaken,
        };
        match shaken {
            Ok(Ok(mut stream)) => {
                self.dialogue(&mut stream, session, remote.ip()).await;
                let _ = tokio::time::timeout(WRITE_TIMEOUT, stream.shutdown()).await;
            }
            Ok(Err(error)) => tracing::info!(%remote, %error, "LDAP: no TLS session"),
            Err(_) => tracing::info!(%remote, "LDAP: the TLS handshake took too long"),
        }
    }

    async fn dialogue<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        mut session: Session,
        remote: IpAddr,
    ) -> End {
        let mut received = BytesMut::new();
        let mut began = Instant::now();
        loop {
            let message = match frame::look(&received) {
                Frame::Whole(length) => decode(received.split_to(length)),
                Frame::Refused(text) => Err(text),
                Frame::Partial => {
                    let was_silent = received.is_empty();
                    let until = began + patience(&session, was_silent);
                    if !self.read(stream, &mut received, until).await {
                        return End::Over;
                    }
                    if was_silent {
                        began = Instant::now();
                    }
                    continue;
                }
            };
            let step = match message {
                Ok(message) => session.take(message),
                Err(text) => {
                    tracing::info!(%remote, reason = text, "LDAP: closed");
                    let notice = disconnection(LdapResultCode::ProtocolError, text);
                    write(stream, vec![notice]).await;
                    return End::Over;
                }
            };
            let answers = match step {
                Step::Wait => continue,
                Step::Close => return End::Over,
                Step::Reply(answer) => vec![answer],
                Step::Bind { id, user, password } => {
                    let check = self.check(&user, password, remote).await;
                    vec![session.bound(id, check)]
                }
                Step::Search { id, search } => self.find(id, &search, &session).await,
                Step::StartTls(answer) => {
                    // RFC 4511 §4.14.1: nothing may have been sent behind the request; what was
                    // would be read as if it had come through TLS.
                    if !received.is_empty() {
                        return End::Over;
                    }
                    return if write(stream, vec![answer]).await {
                        End::Tls(Box::new(session))
                    } else {
                        End::Over
                    };
                }
            };
            if !write(stream, answers).await {
                return End::Over;
            }
            began = Instant::now();
        }
    }

    /// Reads more; false when the client has left, is silent too long, or a shutdown is asked.
    async fn read<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        received: &mut BytesMut,
        until: Instant,
    ) -> bool {
        received.reserve(READ);
        tokio::select! {
            () = self.shutdown.asked() => {
                let notice = disconnection(LdapResultCode::Unavailable, "the directory stops");
                write(stream, vec![notice]).await;
                false
            }
            read = tokio::time::timeout_at(until, stream.read_buf(received)) => {
                matches!(read, Ok(Ok(count)) if count > 0)
            }
        }
    }

    async fn check(&self, user: &str, password: Zeroizing<String>, remote: IpAddr) -> Checked {
        let password = Zeroizing::new(password.as_bytes().to_vec());
        match self.logins.authenticate(user, password, remote).await {
            Ok(user) => Checked::Right { user },
            Err(denied) => {
                tracing::info!(%remote, %denied, "LDAP: not let in");
                match denied {
                    Denied::TooMany | Denied::Busy => Checked::Busy,
                    Denied::UnknownUser | Denied::WrongPassword => Checked::Wrong,
                }
            }
        }
    }

    async fn find(&self, id: i32, search: &Search, session: &Session) -> Vec<LdapMsg> {
        // Reading is a matter of microseconds from memory, and of a disk at worst.
        let found = tokio::task::block_in_place(|| {
            let view = self.directory.view()?;
            let total = view.actors();
            Lookup {
                view: &view,
                suffix: session.suffix(),
                caller: session.caller(),
                quotas: &self.quotas,
                total,
            }
            .find(search)
        });
        match found {
            Ok(found) => answer::messages(id, search, found),
            Err(error) => {
                tracing::error!(%error, at = %self.clock.now(), "LDAP: a search failed");
                let text = "the directory cannot answer now; try again later";
                vec![search_done(
                    id,
                    LdapResultCode::Unavailable,
                    text,
                    Vec::new(),
                )]
            }
        }
    }
}

/// How long the next octets are waited for, since the last answer or the first octet of a message.
fn patience(session: &Session, is_silent: bool) -> Duration {
    match session.caller() {
        _ if !is_silent => MESSAGE_TIMEOUT,
        Caller::Anonymous => STRANGER_TIMEOUT,
        Caller::Account(_) => IDLE_TIMEOUT,
    }
}

fn decode(mut octets: BytesMut) -> Result<LdapMsg, &'static str> {
    match LdapCodec::new(Some(frame::MAX_MESSAGE), None).decode(&mut octets) {
        Ok(Some(message)) => Ok(message),
        Ok(None) | Err(_) => Err("not an LDAP message"),
    }
}

/// Sends messages; false when the client does not take them.
async fn write<S: AsyncWrite + Unpin>(stream: &mut S, messages: Vec<LdapMsg>) -> bool {
    let mut octets = BytesMut::new();
    let mut codec = LdapCodec::default();
    for message in messages {
        if codec.encode(message, &mut octets).is_err() {
            return false;
        }
    }
    let written = async {
        stream.write_all(&octets).await?;
        stream.flush().await
    };
    matches!(
        tokio::time::timeout(WRITE_TIMEOUT, written).await,
        Ok(Ok(()))
    )
}
