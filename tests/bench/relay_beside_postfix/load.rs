//! Brings messages to the first relay over mutual TLS, and waits for the last to be given away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use liaison_mail::{
    Address, Domain, Envelope, EnvelopeId, Notify, Recipient, Return, ReversePath, Urgency, Verdict,
};
use liaison_smtp::client::Announced;
use liaison_smtp::data::Canonical;
use liaison_smtp::io::{Connection, Timeouts};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::material::{FIRST, Material, SECOND, SOURCE};
use crate::{PATIENCE, Pair, process};

/// What is brought.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Octets a message.
    pub(crate) size: usize,
    pub(crate) connections: usize,
    /// Messages in all.
    pub(crate) count: usize,
}

/// How it went.
pub(crate) struct Carried {
    count: usize,
    /// From the first connection to the last 250.
    pub(crate) accepted: Duration,
    /// From the first connection to the last delivery.
    pub(crate) delivered: Duration,
    cpu: f64,
}

impl Carried {
    /// Messages a second.
    pub(crate) fn rate(&self, taken: Duration) -> f64 {
        self.count as f64 / taken.as_secs_f64()
    }

    /// Seconds.
    pub(crate) fn cpu_a_message(&self) -> f64 {
        self.cpu / self.count as f64
    }
}

/// Numbers the runs of this process: no two messages are alike.
static RUN: AtomicU64 = AtomicU64::new(0);

pub(crate) fn run(material: &Material, pair: &mut dyn Pair, load: &Load) -> Carried {
    let (before, cpu) = (pair.delivered(), process::cpu_seconds(&pair.roots()));
    let began = Instant::now();
    bring(material, pair.door(), load);
    let accepted = began.elapsed();
    while pair.delivered() < before + load.count as u64 {
        assert!(
            began.elapsed() < PATIENCE,
            "{} of {} delivered",
            pair.delivered() - before,
            load.count
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    let delivered = began.elapsed();
    // What is left to do after the last delivery, such as taking it off the queue, counts too.
    std::thread::sleep(Duration::from_millis(300));
    Carried {
        count: load.count,
        accepted,
        delivered,
        cpu: process::cpu_seconds(&pair.roots()) - cpu,
    }
}

fn bring(material: &Material, door: std::net::SocketAddr, load: &Load) {
    let run = RUN.fetch_add(1, Ordering::Relaxed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let next = Arc::new(AtomicUsize::new(0));
    // Only the header tells the messages apart: the rest is made once.
    let sample: Arc<[u8]> = material.message(load.size, "@").into();
    runtime.block_on(async {
        let mut all = JoinSet::new();
        for _ in 0..load.connections {
            let (client, next, sample) =
                (material.client(), Arc::clone(&next), Arc::clone(&sample));
            let count = load.count;
            all.spawn(async move {
                let stream = TcpStream::connect(door).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let name = ServerName::try_from(format!("relay.{FIRST}")).unwrap();
                let stream = TlsConnector::from(client)
                    .connect(name, stream)
                    .await
                    .unwrap();
                let name = Domain::parse(&format!("relay.{SOURCE}")).unwrap();
                let mut connection = Connection::open(stream, name, Timeouts::default())
                    .await
                    .unwrap();
                loop {
                    // As many on their way as both sides allow, as between two relays.
                    while connection.can_pipeline()
                        && let Some(id) = take(&next, run, count)
                    {
                        let message = named(&sample, &id);
                        let announced = Announced::from(Canonical::new(&message).unwrap());
                        connection
                            .pipeline(&envelope(&id), announced, &[&message])
                            .unwrap();
                    }
                    connection.flush().await;
                    if let Some(outcome) = connection.outcome().await {
                        assert_eq!(outcome.verdicts, [Verdict::Accepted]);
                    } else if !connection.peer().chunking
                        && let Some(id) = take(&next, run, count)
                    {
                        let message = named(&sample, &id);
                        let outcome = connection.send(&envelope(&id), &message).await.unwrap();
                        assert_eq!(outcome.verdicts, [Verdict::Accepted]);
                    } else {
                        break;
                    }
                }
                connection.quit().await;
            });
        }
        while let Some(ended) = all.join_next().await {
            ended.unwrap();
        }
    });
}

/// The name of the next message to be sent, if any is left.
fn take(next: &AtomicUsize, run: u64, count: usize) -> Option<String> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    (number < count).then(|| format!("b{run}.{number}"))
}

/// The sample under a name of its own.
fn named(sample: &[u8], id: &str) -> Vec<u8> {
    let rest = &sample[b"Message-ID: <@".len()..];
    [b"Message-ID: <".as_slice(), id.as_bytes(), rest].concat()
}

fn envelope(id: &str) -> Envelope {
    let recipient = Address::parse(&format!("recipient@{SECOND}")).unwrap();
    Envelope {
        id: EnvelopeId::parse(id).unwrap(),
        from: ReversePath::parse(&format!("sender@{SOURCE}")).unwrap(),
        recipients: vec![Recipient {
            address: recipient,
            original: None,
            notify: Notify::DEFAULT,
        }],
        ret: Return::Headers,
        urgency: Urgency::Normal,
    }
}
