//! A relay of a test's own that only takes: it stands in for a member whose site does not run, with
//! that member's certificate, key and port. What it takes is what was on the wire.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::Territory;
use crate::tls::{PATIENCE, roots};

/// Takes messages over mutual TLS 1.3 and answers 250 to each.
pub struct Sink {
    port: u16,
    closing: Arc<AtomicBool>,
    messages: Receiver<io::Result<Received>>,
}

/// A message as it came off the wire.
pub struct Received {
    /// The certificate that the sending relay showed, verified.
    pub peer: CertificateDer<'static>,
    /// The reverse path, with its angle brackets and parameters.
    pub from: String,
    /// Each forward path, with its angle brackets and parameters.
    pub recipients: Vec<String>,
    /// The content, dots removed.
    pub message: Vec<u8>,
}

impl Sink {
    /// Listens in place of `member`, whose site must not run.
    pub fn in_place_of(territory: &Territory, member: &str) -> Self {
        let port = territory.member(member).relay.unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        let config = Arc::new(server_config(territory, member));
        let closing = Arc::new(AtomicBool::new(false));
        let (sender, messages) = mpsc::channel();
        let stop = Arc::clone(&closing);
        thread::spawn(move || {
            for tcp in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (config, sender) = (Arc::clone(&config), sender.clone());
                thread::spawn(move || {
                    if let Err(cause) = tcp.and_then(|tcp| converse(config, tcp, &sender)) {
                        // Nobody may be waiting any more.
                        let _ = sender.send(Err(cause));
                    }
                });
            }
        });
        Self {
            port,
            closing,
            messages,
        }
    }

    /// The next message; the test fails if none comes, or if a session broke before its message.
    pub fn take(&self) -> Received {
        self.messages
            .recv_timeout(PATIENCE)
            .expect("a message comes")
            .expect("a session over mutual TLS that keeps the rules")
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

fn server_config(territory: &Territory, member: &str) -> ServerConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots(territory.ca())),
        Arc::clone(&provider),
    )
    .build()
    .unwrap();
    let (chain, key) = identity(territory, member);
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap()
}

/// The certificate chain and the key of a member's relay.
fn identity(
    territory: &Territory,
    member: &str,
) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let folder = territory.site_folder(member);
    let chain = File::open(folder.join("relay.chain.pem")).unwrap();
    let chain = CertificateDer::pem_reader_iter(chain)
        .collect::<Result<_, _>>()
        .unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("relay.key")).unwrap();
    (chain, key)
}

/// The server's side of one connection (RFC 5321 §4.1), up to QUIT or the end.
fn converse(
    config: Arc<ServerConfig>,
    mut tcp: TcpStream,
    sender: &Sender<io::Result<Received>>,
) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut tcp)?;
    }
    let peer = connection
        .peer_certificates()
        .and_then(<[_]>::first)
        .cloned()
        .map(CertificateDer::into_owned)
        .ok_or_else(|| io::Error::other("no client certificate"))?;
    let mut stream = BufReader::new(StreamOwned::new(connection, tcp));
    let (mut from, mut recipients) = (String::new(), Vec::new());
    let mut taken = 0;
    say(&mut stream, "220 sink.test ESMTP")?;
    loop {
        let mut line = String::new();
        match stream.read_line(&mut line) {
            Ok(0) => return Ok(()),
            // A relay may keep a session open, and end it without QUIT, once it has what it wants.
            Err(_) if taken > 0 => return Ok(()),
            read => read?,
        };
        let line = line.trim_end();
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply = match verb.as_str() {
            "EHLO" => "250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SIZE",
            "MAIL" => {
                from = path(line);
                "250 2.1.0 OK"
            }
            "RCPT" => {
                recipients.push(path(line));
                "250 2.1.5 OK"
            }
            "DATA" => {
                say(&mut stream, "354 go on")?;
                let received = Received {
                    peer: peer.clone(),
                    from: std::mem::take(&mut from),
                    recipients: std::mem::take(&mut recipients),
                    message: content(&mut stream)?,
                };
                taken += 1;
                // Nobody may be waiting any more.
                let _ = sender.send(Ok(received));
                "250 2.0.0 taken"
            }
            "RSET" | "NOOP" => "250 2.0.0 OK",
            "QUIT" => return say(&mut stream, "221 2.0.0 bye"),
            _ => "502 5.5.1 not here",
        };
        say(&mut stream, reply)?;
    }
}

type Stream = BufReader<StreamOwned<ServerConnection, TcpStream>>;

fn say(stream: &mut Stream, reply: &str) -> io::Result<()> {
    let stream = stream.get_mut();
    stream.write_all(format!("{reply}\r\n").as_bytes())?;
    stream.flush()
}

/// What follows `MAIL FROM:` or `RCPT TO:`.
fn path(line: &str) -> String {
    line.split_once(':').unwrap_or_default().1.to_owned()
}

/// Lines up to the lone dot, the dots of RFC 5321 §4.5.2 removed.
fn content(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(content);
        }
        content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
