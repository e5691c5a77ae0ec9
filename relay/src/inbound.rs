//! The door for peers: SMTP over mutual TLS 1.3, listed relays only.
//!
//! Who a peer is follows from its certificate (the anchors vouch for it) and from the directory
//! (it lists a relay of that name, and says for which domains it speaks); what it says of itself
//! in EHLO counts for nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use liaison_base::shutdown::Shutdown;
use liaison_mail::port::{Delivery, Origin};
use liaison_mail::{Domain, EnvelopeId, Recipient, Refusal};
use liaison_smtp::io::{self, Taken};
use liaison_smtp::reply::FixedReply;
use liaison_smtp::server::{Role, Settings};
use liaison_smtp::{Content, Mail, Transaction, reply};
use ring::digest::{Digest, SHA256, digest};
use rustls_pki_types::CertificateDer;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::RelayError;
use crate::admission::{self, Denial, Lead, hex};
use crate::refusals::Reason;
use crate::relay::{Arrived, Inner, Offered};

/// Most names of one certificate asked about: each is a question to the directory.
const MAX_NAMES: usize = 16;

/// What the connections share.
struct Door {
    relay: Arc<Inner>,
    delivery: Arc<dyn Delivery>,
    shutdown: Shutdown,
    acceptor: TlsAcceptor,
    /// Open connections of each peer.
    guests: Mutex<HashMap<Domain, usize>>,
}

/// Binds the address and serves whoever comes until the shutdown.
pub(crate) async fn open(
    relay: Arc<Inner>,
    delivery: Arc<dyn Delivery>,
    shutdown: Shutdown,
) -> Result<SocketAddr, RelayError> {
    let wanted = relay.settings.listen;
    let failed = |cause| RelayError::Listen {
        address: wanted,
        cause,
    };
    let listener = TcpListener::bind(wanted).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let door = Arc::new(Door {
        acceptor: TlsAcceptor::from(Arc::clone(&relay.server_tls)),
        relay,
        delivery,
        shutdown: shutdown.clone(),
        guests: Mutex::default(),
    });
    shutdown.spawn(welcome(door, listener));
    Ok(bound)
}

async fn welcome(door: Arc<Door>, listener: TcpListener) {
    let most = door.relay.settings.limits.connections;
    let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = door.shutdown.asked() => return,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, usually: connections that end give some back.
                tracing::error!(%error, "no connection can be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            }
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let door = Arc::clone(&door);
                let shutdown = door.shutdown.clone();
                shutdown.spawn(async move { door.receive(stream, from, place).await });
            }
            // Dropping the stream closes it; the peer tries again.
            Err(_) => door
                .relay
                .deny(&Reason::TooManyConnections.into(), &from.to_string()),
        }
    }
}

impl Door {
    async fn receive(&self, stream: TcpStream, from: SocketAddr, _place: OwnedSemaphorePermit) {
        let Some(mut stream) = self.shake_hands(stream, from).await else {
            return;
        };
        let origin = match self.identify(&stream).await {
            Ok(origin) => origin,
            Err(reason) => return self.turn_away(&mut stream, reason, &from.to_string()).await,
        };
        let Origin::Peer { name, .. } = &origin else {
            return;
        };
        let name = name.clone();
        let Some(_guest) = self.seat(&name) else {
            let reason = Reason::TooManyConnections;
            return self.turn_away(&mut stream, reason, name.as_str()).await;
        };
        let mut visit = Visit {
            door: self,
            origin,
            name: name.clone(),
            from,
        };
        let mut settings = Settings::new(Role::Relay, self.relay.settings.hostname.clone());
        settings.max_size = self.relay.settings.limits.message_octets;
        let stop = self.shutdown.asked();
        let ended = io::serve(stream, settings, &mut visit, &io::Timeouts::default(), stop).await;
        if let Err(error) = ended {
            tracing::info!(peer = %name, %error, "a session ended early");
        }
    }

    async fn shake_hands(
        &self,
        stream: TcpStream,
        from: SocketAddr,
    ) -> Option<TlsStream<TcpStream>> {
        let limit = self.relay.settings.limits.connect;
        // Commands and replies are small, and each waits for the other.
        let cause = match stream.set_nodelay(true) {
            Ok(()) => match timeout(limit, self.acceptor.accept(stream)).await {
                Ok(Ok(stream)) => return Some(stream),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no TLS handshake in time".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        self.relay.tally.count(Reason::Handshake);
        let reason = Reason::Handshake.as_str();
        tracing::warn!(reason, %from, cause, "refused");
        None
    }

    /// The first name in the certificate that the directory lists as a relay's.
    async fn identify(&self, stream: &TlsStream<TcpStream>) -> Result<Origin, Reason> {
        let (_, session) = stream.get_ref();
        let leaf = session
            .peer_certificates()
            .and_then(<[CertificateDer<'_>]>::first)
            .ok_or(Reason::Handshake)?;
        for name in names(leaf) {
            match self.relay.directory.peer(&name).await {
                Ok(Some(endpoint)) if endpoint.server_name.as_str() == name => {
                    return Ok(Origin::Peer {
                        name: endpoint.server_name,
                        speaks_for: endpoint.serves,
                    });
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(peer = name, %error, "the directory does not know a peer");
                    return Err(Reason::Directory);
                }
            }
        }
        Err(Reason::NotAPeer)
    }

    /// Says why in place of a greeting (RFC 5321 §3.1) and closes.
    async fn turn_away(&self, stream: &mut TlsStream<TcpStream>, reason: Reason, who: &str) {
        let mut denial = Denial::from(reason);
        if denial.refusal.is_transient() {
            // 421 is the code for it before a session (RFC 5321 §3.8).
            let Refusal { status, text, .. } = denial.refusal;
            denial.refusal = Refusal::transient(421, status, text);
        }
        self.relay.deny(&denial, who);
        let mut words = Vec::new();
        reply::write_refusal(&mut words, &denial.refusal);
        let saying = async {
            stream.write_all(&words).await?;
            stream.shutdown().await
        };
        // A peer that does not listen is turned away all the same.
        let _ = timeout(self.relay.settings.limits.connect, saying).await;
    }

    fn seat(&self, name: &Domain) -> Option<Guest<'_>> {
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        let count = guests.entry(name.clone()).or_default();
        if *count >= self.relay.settings.limits.connections_per_peer {
            return None;
        }
        *count += 1;
        Some(Guest {
            door: self,
            name: name.clone(),
        })
    }
}

/// A peer's connection in the count of its connections.
struct Guest<'a> {
    door: &'a Door,
    name: Domain,
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        let mut guests = self
            .door
            .guests
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = guests.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                guests.remove(&self.name);
            }
        }
    }
}

/// One session with a known peer.
struct Visit<'a> {
    door: &'a Door,
    origin: Origin,
    name: Domain,
    from: SocketAddr,
}

impl Visit<'_> {
    /// Counts and logs a refusal on its way to the peer.
    fn answered(&self, result: Result<(), Denial>) -> Result<(), Refusal> {
        result.map_err(|denial| {
            self.door.relay.deny(&denial, self.name.as_str());
            denial.refusal
        })
    }

    async fn check_recipient(&self, recipient: &Recipient) -> Result<(), Denial> {
        let address = &recipient.address;
        let settings = &self.door.relay.settings;
        match admission::recipient_domain(settings, &self.origin, address.domain())? {
            Lead::Onward => Ok(()),
            Lead::Here => self
                .door
                .delivery
                .serves(address)
                .await
                .map_err(|refusal| Denial {
                    reason: Reason::Mailbox,
                    refusal,
                }),
        }
    }
}

impl io::Session for Visit<'_> {
    async fn mail(&mut self, mail: &Mail) -> Result<(), Refusal> {
        self.answered(admission::sender(&self.origin, &mail.from))
    }

    async fn recipient(&mut self, recipient: &Recipient) -> Result<(), Refusal> {
        let result = self.check_recipient(recipient).await;
        self.answered(result)
    }

    /// Is durable together with what other messages and other peers bring meanwhile.
    async fn message(&mut self, transaction: Transaction, content: Content) -> Taken {
        let (relay, peer) = (Arc::clone(&self.door.relay), self.name.clone());
        let (origin, from) = (self.origin.clone(), self.from);
        Taken::Later(Box::pin(async move {
            let eight_bit = content.is_eight_bit();
            let content = content.into_bytes();
            let digest = digest(&SHA256, &content);
            let arrived = Arrived {
                from,
                named: transaction.mail.envelope_id.is_some(),
                require_tls: transaction.mail.require_tls,
                digest,
            };
            let offered = Offered {
                origin,
                envelope: transaction.into_envelope(|| unnamed(&digest)),
                arrived: Some(arrived),
                eight_bit,
                content: content.into(),
            };
            relay.admit(offered).await.map_err(|denial| {
                relay.deny(&denial, peer.as_str());
                denial.refusal
            })
        }))
    }

    fn fault(&mut self, reply: &FixedReply) {
        self.door.relay.tally.count(Reason::Protocol);
        tracing::warn!(
            reason = Reason::Protocol.as_str(),
            code = reply.code,
            status = reply.status,
            cause = reply.text,
            from = %self.name,
            "refused"
        );
    }
}

/// The identifier of an envelope whose sender gave none: the same for the same message.
fn unnamed(content: &Digest) -> EnvelopeId {
    let name = format!("sha256.{}", hex(content.as_ref()));
    #[expect(clippy::expect_used, reason = "71 octets of letters, digits and a dot")]
    EnvelopeId::parse(&name).expect("an ENVID of RFC 3461 §4.4")
}

/// The dNSNames of a certificate that the handshake has verified, in lower case; no wildcard is
/// a relay's name.
fn names(leaf: &CertificateDer<'_>) -> Vec<String> {
    webpki::EndEntityCert::try_from(leaf)
        .map(|leaf| {
            leaf.valid_dns_names()
                .filter(|name| !name.starts_with('*'))
                .take(MAX_NAMES)
                .map(str::to_ascii_lowercase)
                .collect()
        })
        .unwrap_or_default()
}
