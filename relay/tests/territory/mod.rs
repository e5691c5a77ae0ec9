//! Relays in this process that speak to each other over real sockets and real mutual TLS, with a
//! directory that is a table and gateways that record.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each scenario uses its part of this, and fails by panicking"
)]

pub mod trickster;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use liaison_base::clock::{Clock, SystemClock};
use liaison_base::shutdown::Shutdown;
use liaison_base::tls;
use liaison_certs_dev::{SavedIdentity, Territory as Pki};
use liaison_directory_client::{Host, Lookup, LookupError, Query, RelayEndpoint, Resolution};
use liaison_mail::dsn::DeliveryReport;
use liaison_mail::port::{Arrival, Carriage, Delivery, HandOver, News, PortFuture};
use liaison_mail::{
    Address, Domain, EnhancedStatus, Envelope, EnvelopeId, Recipient, Refusal, Return, ReversePath,
    Urgency, Verdict,
};
use liaison_relay::settings::{Limits, Pressure, Rates, Schedule};
use liaison_relay::{Relay, Settings};
use liaison_smtp::SmtpError;
use liaison_smtp::io::{Connection, Timeouts};
use liaison_store::testing::database;
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A failing scenario ends; a passing one never waits that long.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Territory {
    folder: TempDir,
    pki: Pki,
    pub directory: Arc<Table>,
}

impl Territory {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::new(SystemClock.now()).unwrap();
        pki.write_root(&folder.path().join("root.pem")).unwrap();
        Self {
            folder,
            pki,
            directory: Arc::default(),
        }
    }

    /// A site that is not served yet.
    pub fn site(&self, domain: &str) -> Site {
        let folder = self.folder.path().join(domain);
        std::fs::create_dir_all(&folder).unwrap();
        let identity = self.identity(domain);
        Site {
            settings: Settings {
                hostname: parse(&format!("relay.{domain}")),
                listen: "127.0.0.1:0".parse().unwrap(),
                certificate: identity.chain.clone(),
                key: identity.key.clone(),
                anchors: self.root(),
                database: database(folder.join("relay.db")),
                bodies: folder.join("bodies").into(),
                domains: vec![parse(domain)],
                transit: Vec::new(),
                bridge: None,
                schedule: Schedule {
                    first_retry: Duration::from_millis(50),
                    longest_retry: Duration::from_millis(200),
                    takeover: Duration::from_millis(1000),
                    ..Schedule::default()
                },
                limits: Limits::default(),
                revocations: Vec::new(),
                rates: Rates::default(),
                pressure: Pressure::default(),
            },
            directory: Arc::clone(&self.directory),
            clock: Arc::new(SystemClock),
            shutdown: Shutdown::new(),
            gateway: Gateway::new(),
        }
    }

    /// A TLS identity of the domain's relay, saved.
    pub fn identity(&self, domain: &str) -> SavedIdentity {
        let member = self.pki.member(domain).unwrap();
        let folder = self.folder.path().join(domain);
        std::fs::create_dir_all(&folder).unwrap();
        member
            .relay_identity()
            .unwrap()
            .write(&folder, "relay")
            .unwrap()
    }

    /// TLS settings of a client with that domain's relay certificate, or without any.
    pub fn client(&self, domain: Option<&str>) -> Arc<ClientConfig> {
        let anchors = tls::anchors(&self.root()).unwrap();
        match domain {
            None => Arc::new(tls::client(anchors).unwrap()),
            Some(domain) => {
                let saved = self.identity(domain);
                let identity = tls::Identity::load(&saved.chain, &saved.key).unwrap();
                tls::relay_client(identity, anchors, Vec::new()).unwrap()
            }
        }
    }

    /// TLS settings of a door with that domain's relay certificate.
    pub fn server(&self, domain: &str) -> Arc<ServerConfig> {
        let saved = self.identity(domain);
        let identity = tls::Identity::load(&saved.chain, &saved.key).unwrap();
        let anchors = tls::anchors(&self.root()).unwrap();
        tls::relay_server(identity, anchors, Vec::new()).unwrap()
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }
}

pub struct Site {
    pub settings: Settings,
    /// The machine's, unless a scenario makes one up.
    pub clock: Arc<dyn Clock>,
    directory: Arc<Table>,
    shutdown: Shutdown,
    pub gateway: Arc<Gateway>,
}

impl Site {
    pub async fn open(&self) -> Relay {
        self.try_open().await.unwrap()
    }

    pub async fn try_open(&self) -> Result<Relay, liaison_relay::RelayError> {
        let directory = Arc::clone(&self.directory);
        Relay::open(self.settings.clone(), Arc::clone(&self.clock), directory).await
    }

    /// Opens and serves; the directory then lists the site.
    pub async fn start(&mut self) -> Relay {
        let relay = self.open().await;
        self.serve(&relay).await;
        relay
    }

    pub async fn serve(&mut self, relay: &Relay) -> SocketAddr {
        let address = relay
            .serve(
                Arc::clone(&self.gateway) as Arc<dyn Delivery>,
                Arc::clone(&self.gateway) as Arc<dyn News>,
                self.shutdown.clone(),
            )
            .await
            .unwrap();
        self.settings.listen = address;
        self.list();
        address
    }

    /// Lists the site in the directory at its present address.
    pub fn list(&self) {
        self.directory.list(RelayEndpoint {
            domain: self.settings.domains[0].clone(),
            server_name: self.settings.hostname.clone(),
            host: Host::Ip(self.settings.listen.ip()),
            port: self.settings.listen.port(),
            serves: self.settings.domains.clone(),
        });
    }

    /// Asks the site to stop and does not wait.
    pub fn ask_to_stop(&self) {
        self.shutdown.ask();
    }

    /// Stops in order; the site can be started again at the same address.
    pub async fn stop(&mut self, relay: Relay) {
        assert!(self.shutdown.finish(PATIENCE).await, "a task did not end");
        drop(relay);
        self.shutdown = Shutdown::new();
    }
}

/// The directory: what was listed.
#[derive(Default)]
pub struct Table(Mutex<Vec<RelayEndpoint>>);

impl Table {
    /// Lists a way to a relay before all others: found by the domains that it names.
    pub fn list_way(&self, endpoint: RelayEndpoint) {
        self.0.lock().unwrap().insert(0, endpoint);
    }

    pub fn list(&self, endpoint: RelayEndpoint) {
        let mut table = self.0.lock().unwrap();
        table.retain(|one| one.server_name != endpoint.server_name);
        table.push(endpoint);
    }

    pub fn strike_off(&self, server_name: &Domain) {
        let mut table = self.0.lock().unwrap();
        table.retain(|one| one.server_name != *server_name);
    }

    fn find(&self, wanted: impl Fn(&RelayEndpoint) -> bool) -> Option<RelayEndpoint> {
        self.0
            .lock()
            .unwrap()
            .iter()
            .find(|one| wanted(one))
            .cloned()
    }
}

impl Lookup for Table {
    fn resolve<'a>(&'a self, _: &'a Query) -> PortFuture<'a, Result<Resolution, LookupError>> {
        unreachable!("a relay asks for relays only")
    }

    fn relay_of<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> PortFuture<'a, Result<Option<RelayEndpoint>, LookupError>> {
        Box::pin(async move { Ok(self.find(|one| one.serves(domain))) })
    }

    fn peer<'a>(
        &'a self,
        server_name: &'a str,
    ) -> PortFuture<'a, Result<Option<RelayEndpoint>, LookupError>> {
        Box::pin(async move { Ok(self.find(|one| one.server_name.as_str() == server_name)) })
    }
}

type NewsItem = (EnvelopeId, Address, Carriage);

/// A gateway that records what it is given.
pub struct Gateway {
    /// Local parts that it does not serve.
    unknown: Mutex<HashSet<String>>,
    /// Local parts that are refused for now, and how often still.
    busy: Mutex<HashMap<String, usize>>,
    /// Whether deliveries wait for their answer.
    hangs: watch::Sender<bool>,
    arrivals: UnboundedSender<Arrival>,
    arrived: tokio::sync::Mutex<UnboundedReceiver<Arrival>>,
    news: UnboundedSender<NewsItem>,
    heard: tokio::sync::Mutex<UnboundedReceiver<NewsItem>>,
}

impl Gateway {
    fn new() -> Arc<Self> {
        let (arrivals, arrived) = unbounded_channel();
        let (news, heard) = unbounded_channel();
        Arc::new(Self {
            unknown: Mutex::default(),
            busy: Mutex::default(),
            hangs: watch::Sender::new(false),
            arrivals,
            arrived: arrived.into(),
            news,
            heard: heard.into(),
        })
    }

    pub fn does_not_know(&self, local: &str) {
        self.unknown.lock().unwrap().insert(local.to_owned());
    }

    /// Refuses a local part for now, in `RCPT TO` or, as `=local`, when it is delivered.
    pub fn refuses_at_first(&self, local: &str, times: usize) {
        self.busy.lock().unwrap().insert(local.to_owned(), times);
    }

    fn is_busy(&self, local: &str) -> bool {
        match self.busy.lock().unwrap().get_mut(local) {
            Some(times) if *times > 0 => {
                *times -= 1;
                true
            }
            _ => false,
        }
    }

    pub fn hang(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }

    /// The next message filed.
    pub async fn arrival(&self) -> Arrival {
        let mut arrived = self.arrived.lock().await;
        tokio::time::timeout(PATIENCE, arrived.recv())
            .await
            .expect("nothing has arrived")
            .unwrap()
    }

    /// The next message filed, which must be a report.
    pub async fn report(&self) -> DeliveryReport {
        let arrival = self.arrival().await;
        assert_eq!(arrival.envelope.from, ReversePath::Null);
        DeliveryReport::read(&arrival.message.whole().unwrap()).unwrap()
    }

    /// The next piece of news.
    pub async fn news(&self) -> NewsItem {
        let mut heard = self.heard.lock().await;
        tokio::time::timeout(PATIENCE, heard.recv())
            .await
            .expect("no news")
            .unwrap()
    }

    /// Whether nothing has arrived that was not taken with [`Gateway::arrival`].
    pub async fn is_quiet(&self) -> bool {
        self.arrived.lock().await.try_recv().is_err()
    }
}

impl Delivery for Gateway {
    fn serves<'a>(&'a self, recipient: &'a Address) -> PortFuture<'a, Result<(), Refusal>> {
        let known = !self.unknown.lock().unwrap().contains(recipient.local());
        let busy = self.is_busy(recipient.local());
        Box::pin(async move {
            if busy {
                return Err(later());
            }
            known.then_some(()).ok_or_else(|| {
                Refusal::permanent(550, EnhancedStatus::NO_SUCH_MAILBOX, "no such mailbox here")
            })
        })
    }

    fn deliver(&self, arrival: Arrival) -> PortFuture<'_, Vec<Verdict>> {
        let mut hangs = self.hangs.subscribe();
        let first = arrival.envelope.recipients[0].address.local();
        if self.is_busy(&format!("={first}")) {
            return Box::pin(async { vec![Verdict::Refused(later())] });
        }
        let verdicts = vec![Verdict::Accepted; arrival.envelope.recipients.len()];
        self.arrivals.send(arrival).unwrap();
        Box::pin(async move {
            hangs.wait_for(|hangs| !hangs).await.unwrap();
            verdicts
        })
    }
}

impl News for Gateway {
    fn carried(
        &self,
        envelope: EnvelopeId,
        recipient: Address,
        carriage: Carriage,
        _: OffsetDateTime,
    ) -> PortFuture<'_, ()> {
        self.news.send((envelope, recipient, carriage)).unwrap();
        Box::pin(async {})
    }
}

/// Everything that this process logs from the first call on, at any level, whichever scenario it is
/// of.
pub fn logs() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .init();
        log
    })
    .clone()
}

#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Parses a domain or an address.
pub fn parse<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}

pub fn envelope(id: &str, from: &str, to: &[&str]) -> Envelope {
    Envelope {
        id: EnvelopeId::parse(id).unwrap(),
        from: ReversePath::parse(from).unwrap(),
        recipients: to
            .iter()
            .map(|to| Recipient::closed_loop(parse(to)))
            .collect(),
        ret: Return::Headers,
        urgency: Urgency::Normal,
    }
}

/// A message that is S/MIME enveloped as far as a relay can see; `content` octets of it.
pub fn sealed(id: &str, content: usize) -> Arc<[u8]> {
    let mut octets = vec![0x30, 0x80, 0x06, 0x0b];
    octets.extend([
        0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x17,
    ]);
    octets.extend([0xa0, 0x80, 0x30, 0x80]);
    octets.resize(octets.len() + content.next_multiple_of(3), 0);
    octets.truncate(octets.len() / 3 * 3);
    let text = base64(&octets);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(76)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "From: <avis@ch.test>\r\nMessage-ID: <{id}@ch.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: application/pkcs7-mime; smime-type=authEnveloped-data; name=\"smime.p7m\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n",
        lines.join("\r\n")
    )
    .into_bytes()
    .into()
}

pub const PLAIN: &[u8] =
    b"From: <avis@ch.test>\r\nSubject: x\r\n\r\nNothing is said of any patient here.\r\n";

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    octets
        .chunks_exact(3)
        .flat_map(|three| {
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            [18, 12, 6, 0].map(|shift| char::from(DIGITS[(bits >> shift & 63) as usize]))
        })
        .collect()
}

fn later() -> Refusal {
    Refusal::transient(451, EnhancedStatus::TRY_LATER, "busy, try later")
}

pub async fn hand_over(relay: &Relay, envelope: Envelope, message: Arc<[u8]>) {
    relay.hand_over(envelope, None, message).await.unwrap();
}

/// A session with a site's door, spoken by hand.
pub async fn session(
    site: &Site,
    tls: Arc<ClientConfig>,
    name: &str,
) -> Result<Connection<TlsStream<TcpStream>>, SmtpError> {
    let stream = TcpStream::connect(site.settings.listen).await?;
    let server_name = ServerName::try_from(site.settings.hostname.to_string()).unwrap();
    let stream = TlsConnector::from(tls).connect(server_name, stream).await?;
    Connection::open(stream, parse(name), Timeouts::default()).await
}

/// Waits until the condition holds.
pub async fn until(condition: impl Fn() -> bool) {
    tokio::time::timeout(PATIENCE, async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it did not come to that");
}

/// The refusal in a verdict.
pub fn refusal(verdict: &Verdict) -> &Refusal {
    match verdict {
        Verdict::Refused(refusal) => refusal,
        Verdict::Accepted => panic!("it was accepted"),
    }
}
