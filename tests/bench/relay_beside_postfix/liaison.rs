//! Two relays of ours, each a process of its own: this program again, with `relay` as its first
//! argument, so that the bench measures the library that it was built with.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use liaison_base::clock::SystemClock;
use liaison_base::log;
use liaison_base::shutdown::Shutdown;
use liaison_directory_client::{Host, Lookup, LookupError, Query, RelayEndpoint, Resolution};
use liaison_mail::port::{Arrival, Carriage, Delivery, News, PortFuture};
use liaison_mail::{Address, Domain, EnvelopeId, Refusal, Verdict};
use liaison_relay::{Relay, Settings};
use time::OffsetDateTime;

use crate::Pair;
use crate::material::{FIRST, Material, SECOND, SOURCE};

/// The two processes; both end when this is dropped.
pub(crate) struct Relays {
    first: Process,
    second: Process,
}

struct Process {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
    door: SocketAddr,
    folder: PathBuf,
}

pub(crate) fn start(material: &Material) -> Relays {
    // Ports are chosen before either starts: each must know the other's.
    let ports: Vec<u16> = [FIRST, SECOND].map(|_| free_port()).into();
    let directory: Vec<RelayEndpoint> = [(SOURCE, 9), (FIRST, ports[0]), (SECOND, ports[1])]
        .map(|(domain, port)| endpoint(domain, port))
        .into();
    let process = |domain: &str, port| {
        let folder = material.folder(domain);
        let (certificate, key) = material.identity(domain);
        let settings = format!(
            "hostname = 'relay.{domain}'\nlisten = '127.0.0.1:{port}'\ncertificate = '{}'\n\
             key = '{}'\nanchors = '{}'\ndatabase = '{}'\nbodies = '{}'\ndomains = ['{domain}']\n\
             transit = ['{SECOND}']\n[limits]\nconnections_per_peer = 100\n",
            certificate.display(),
            key.display(),
            material.root().display(),
            folder.join("relay.db").display(),
            folder.join("bodies").display(),
        );
        fs::write(folder.join("relay.toml"), settings).unwrap();
        let directory = serde_json::to_string(&directory).unwrap();
        fs::write(folder.join("directory.json"), directory).unwrap();
        Process::start(&folder, port)
    };
    Relays {
        first: process(FIRST, ports[0]),
        second: process(SECOND, ports[1]),
    }
}

impl Relays {
    /// Stops the first relay, lets `change` work on its database, starts it again and says how long
    /// that took until it served.
    pub(crate) fn restart_first(&mut self, change: impl FnOnce(&Path)) -> Duration {
        let (folder, port) = (self.first.folder.clone(), self.first.door.port());
        let _ = self.first.child.kill();
        let _ = self.first.child.wait();
        change(&folder.join("relay.db"));
        let began = Instant::now();
        self.first = Process::start(&folder, port);
        began.elapsed()
    }
}

/// The first relay also speaks for whoever brings the messages: it carries for a member that has
/// no relay of its own in sight of the second.
fn endpoint(domain: &str, port: u16) -> RelayEndpoint {
    let mut serves = vec![Domain::parse(domain).unwrap()];
    if domain == FIRST {
        serves.push(Domain::parse(SOURCE).unwrap());
    }
    let domain = Domain::parse(domain).unwrap();
    RelayEndpoint {
        server_name: Domain::parse(&format!("relay.{domain}")).unwrap(),
        host: Host::Ip([127, 0, 0, 1].into()),
        port,
        serves,
        domain,
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Process {
    fn start(folder: &Path, port: u16) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("relay")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let ask = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let mut ready = String::new();
        answers.read_line(&mut ready).unwrap();
        assert_eq!(
            ready.trim(),
            "ready",
            "see {}",
            folder.join("log").display()
        );
        Self {
            child,
            ask,
            answers,
            door: ([127, 0, 0, 1], port).into(),
            folder: folder.to_owned(),
        }
    }

    fn delivered(&mut self) -> u64 {
        self.ask.write_all(b"\n").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        answer.trim().parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pair for Relays {
    fn door(&self) -> SocketAddr {
        self.first.door
    }

    fn roots(&self) -> Vec<u32> {
        vec![self.first.child.id(), self.second.child.id()]
    }

    fn delivered(&mut self) -> u64 {
        self.second.delivered()
    }
}

/// The process itself: a relay until its standard input ends; each line there is answered with
/// the number of deliveries so far.
pub(crate) fn serve(folder: &Path) {
    let settings: Settings = liaison_base::config::load(&folder.join("relay.toml")).unwrap();
    let directory = fs::read_to_string(folder.join("directory.json")).unwrap();
    let directory = Arc::new(Table(serde_json::from_str(&directory).unwrap()));
    log::start(&log::Settings::default()).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let gateway = Arc::new(Counter::default());
    let shutdown = Shutdown::new();
    let _relay = runtime.block_on(async {
        let relay = Relay::open(settings, Arc::new(SystemClock), directory)
            .await
            .unwrap();
        relay
            .serve(gateway.clone(), gateway.clone(), shutdown.clone())
            .await
            .unwrap();
        relay
    });
    println!("ready");
    for line in std::io::stdin().lines() {
        line.unwrap();
        println!("{}", gateway.0.load(Ordering::Relaxed));
    }
    runtime.block_on(shutdown.finish(Duration::from_secs(5)));
}

/// The directory: what was written into the folder.
struct Table(Vec<RelayEndpoint>);

impl Table {
    fn find(&self, wanted: impl Fn(&RelayEndpoint) -> bool) -> Option<RelayEndpoint> {
        self.0.iter().find(|one| wanted(one)).cloned()
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

/// A gateway that counts and forgets, as Postfix's `discard` does.
#[derive(Default)]
struct Counter(AtomicU64);

impl Delivery for Counter {
    fn serves<'a>(&'a self, _: &'a Address) -> PortFuture<'a, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }

    fn deliver(&self, arrival: Arrival) -> PortFuture<'_, Vec<Verdict>> {
        let count = arrival.envelope.recipients.len();
        self.0.fetch_add(count as u64, Ordering::Relaxed);
        Box::pin(async move { vec![Verdict::Accepted; count] })
    }
}

impl News for Counter {
    fn carried(
        &self,
        _: EnvelopeId,
        _: Address,
        _: Carriage,
        _: OffsetDateTime,
    ) -> PortFuture<'_, ()> {
        Box::pin(async {})
    }
}
