//! The door for peers: SMTP over mutual TLS 1.3, listed relays only.
//!
//! Who a peer is follows from its certificate (the anchors vouch for it) and from the directory
//! (it lists a relay of that name, and says for which domains it speaks); what it says of itself
//! in EHLO counts for nothing.

use std::net::SocketAddr;
use std::sync::Arc;

use liaison_base::shutdown::Shutdown;
use liaison_mail::port::{Delivery, Origin};
use liaison_mail::{Domain, EnvelopeId, Recipient, Refusal, ReplyCode};
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
use crate::measures;
use crate::peer::{Seat, Use};
use crate::refusals::Reason;
use crate::relay::{Arrived, Inner, Offer, Offered};
use crate::taking::{self, Taking};

/// Most names of one certificate asked about: each is a question to the directory.
const MAX_NAMES: usize = 16;

/// What the connections share.
struct Door {
    relay: Arc<Inner>,
    delivery: Arc<dyn Delivery>,
    shutdown: Shutdown,
}

/// Binds the address and serves whoever comes until the shutdown, and turns whoever comes then away
/// until it is over.
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
        relay,
        delivery,
        shutdown,
    });
    let doors = door.shutdown.clone();
    doors.spawn_door(welcome(door, listener));
    Ok(bound)
}

async fn welcome(door: Arc<Door>, listener: TcpListener) {
    let most = door.relay.settings.limits.connections;
    let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = door.shutdown.over() => return,
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
                let serving = Arc::clone(&door);
                let receive = async move { serving.receive(stream, from, place).await };
                if door.shutdown.is_asked() {
                    let over = door.shutdown.clone();
                    door.shutdown.spawn_door(async move {
                        tokio::select! { () = receive => {}, () = over.over() => {} }
                    });
                } else {
                    door.shutdown.spawn(receive);
                }
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
        let _seat = match self.let_in(&name) {
            Ok(seat) => seat,
            Err(reason) => return self.turn_away(&mut stream, reason, name.as_str()).await,
        };
        let mut visit = Visit {
            door: self,
            origin,
            name: name.clone(),
            from,
            taking: None,
        };
        let settings = Settings::new(Role::Relay, self.relay.settings.hostname.clone());
        let mut settings = taking::held(settings);
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
        let acceptor = TlsAcceptor::from(Arc::clone(&self.relay.live.get().server_tls));
        // Commands and replies are small, and each waits for the other.
        let cause = match stream.set_nodelay(true) {
            Ok(()) => match timeout(limit, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    measures::handshake("in", true);
                    return Some(stream);
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no TLS handshake in time".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        measures::handshake("in", false);
        let code = Reason::Handshake.refusal().code;
        self.relay.tally.count(Reason::Handshake, code);
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

    /// Counts a known peer in, if there is room for it and for mail.
    fn let_in(&self, name: &Domain) -> Result<Seat<'_>, Reason> {
        if self.shutdown.is_asked() {
            return Err(Reason::ShuttingDown);
        }
        let (now, live) = (self.relay.clock.now(), self.relay.live.get());
        if let Some(reason) = self.relay.door.closed(&live.pressure, now) {
            return Err(reason);
        }
        let most = self.relay.settings.limits.connections_per_peer;
        self.relay.peers.enter(name, most, &live.rates, now)
    }
}

/// One session with a known peer.
struct Visit<'a> {
    door: &'a Door,
    origin: Origin,
    name: Domain,
    from: SocketAddr,
    /// The large message that is coming in.
    taking: Option<Taking>,
}

impl Visit<'_> {
    /// Counts and logs a refusal on its way to the peer.
    fn answered(&self, result: Result<(), Denial>) -> Result<(), Refusal> {
        result.map_err(|denial| {
            self.door.relay.deny(&denial, self.name.as_str());
            denial.refusal
        })
    }

    fn check_sender(&self, mail: &Mail) -> Result<(), Denial> {
        let relay = &self.door.relay;
        let (now, live) = (relay.clock.now(), relay.live.get());
        admission::sender(&self.origin, &mail.from)?;
        if let Some(reason) = relay.door.closed(&live.pressure, now) {
            return Err(reason.into());
        }
        relay
            .peers
            .admit(&self.name, Use::Message, &live.rates, now)?;
        Ok(())
    }

    async fn check_recipient(&mut self, recipient: &Recipient) -> Result<(), Denial> {
        let address = &recipient.address;
        let relay = &self.door.relay;
        let live = relay.live.get();
        let now = relay.clock.now();
        relay
            .peers
            .admit(&self.name, Use::Recipient, &live.rates, now)?;
        let served = &relay.settings.domains;
        match admission::recipient_domain(served, &live.transit, &self.origin, address.domain())? {
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
        self.taking = None;
        let result = self.check_sender(mail);
        self.answered(result)
    }

    async fn recipient(&mut self, recipient: &Recipient) -> Result<(), Refusal> {
        let result = self.check_recipient(recipient).await;
        self.answered(result)
    }

    async fn content(&mut self, piece: Vec<u8>) -> Result<(), Refusal> {
        let result = match &mut self.taking {
            Some(taking) => taking.take(&piece).await,
            none => match Taking::begin(&self.door.relay, &piece).await {
                Ok(taking) => {
                    *none = Some(taking);
                    Ok(())
                }
                Err(denial) => Err(denial),
            },
        };
        self.answered(result)
    }

    /// Is durable together with what other messages and other peers bring meanwhile.
    async fn message(&mut self, transaction: Transaction, content: Content) -> Taken {
        let arriving = Arriving {
            relay: Arc::clone(&self.door.relay),
            origin: self.origin.clone(),
            from: self.from,
            taking: self.taking.take(),
        };
        let peer = self.name.clone();
        Taken::Later(Box::pin(async move {
            let relay = Arc::clone(&arriving.relay);
            let (now, live) = (relay.clock.now(), relay.live.get());
            let octets = usize::try_from(content.len()).unwrap_or(usize::MAX);
            relay.peers.charge(&peer, octets, &live.rates, now);
            arriving
                .admit(transaction, content)
                .await
                .map_err(|denial| {
                    relay.deny(&denial, peer.as_str());
                    denial.refusal
                })
        }))
    }

    fn fault(&mut self, reply: &FixedReply) {
        let reason = reason_of(reply);
        if let Ok(code) = ReplyCode::new(reply.code) {
            self.door.relay.tally.count(reason, code);
        }
        tracing::warn!(
            reason = reason.as_str(),
            code = reply.code,
            status = reply.status,
            cause = reply.text,
            from = %self.name,
            "refused"
        );
    }
}

/// A message that has come in whole.
struct Arriving {
    relay: Arc<Inner>,
    origin: Origin,
    from: SocketAddr,
    /// What was taken of it before its end.
    taking: Option<Taking>,
}

impl Arriving {
    async fn admit(self, transaction: Transaction, content: Content) -> Result<(), Denial> {
        let eight_bit = content.is_eight_bit();
        let content = content.into_bytes();
        let (content, digest) = match self.taking {
            Some(taking) => taking.end(&content).await?,
            None => {
                let digest = digest(&SHA256, &content);
                (Offer::Whole(content.into()), digest)
            }
        };
        let arrived = Arrived {
            from: self.from,
            named: transaction.mail.envelope_id.is_some(),
            require_tls: transaction.mail.require_tls,
            digest,
        };
        let offered = Offered {
            origin: self.origin,
            envelope: transaction.into_envelope(|| unnamed(&digest)),
            order: None,
            arrived: Some(arrived),
            eight_bit,
            content,
        };
        self.relay.admit(offered).await
    }
}

/// What the protocol machine refuses of its own accord, by its enhanced status: a declared or real
/// size beyond the limit, content that cannot be carried, or a broken rule.
fn reason_of(reply: &FixedReply) -> Reason {
    match reply.status {
        "5.3.4" | "4.3.4" => Reason::TooLarge,
        "5.6.0" => Reason::Malformed,
        "4.3.2" => Reason::ShuttingDown,
        _ => Reason::Protocol,
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
