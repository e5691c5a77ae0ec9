//! Another relay at a relay's door, blocking: SMTP over TLS with a member's certificate, or with
//! none.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::Territory;
use crate::tls::{PATIENCE, client_config, roots};

/// A session at a relay's door.
pub struct Peer {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Peer {
    /// Dials the relay of `to` with the certificate of the relay of `as_member`, or with none.
    /// No octet has been exchanged yet: the first reply is the greeting.
    pub fn dial(territory: &Territory, as_member: Option<&str>, to: &str) -> Self {
        let port = territory.member(to).relay.expect("a relay");
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the port is open");
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_nodelay(true).unwrap();
        let config = match as_member {
            None => client_config(territory.ca()),
            Some(member) => identified(territory, member),
        };
        let name = format!("relay.{}", territory.member(to).domain);
        let name = ServerName::try_from(name).unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        Self {
            stream: BufReader::new(StreamOwned::new(connection, tcp)),
        }
    }

    /// Dials and hears the greeting and the answer to EHLO, which must be welcoming.
    pub fn welcome(territory: &Territory, as_member: &str, to: &str) -> Self {
        let mut peer = Self::dial(territory, Some(as_member), to);
        let greeting = peer.reply().expect("a greeting");
        assert!(greeting.starts_with("220 "), "{greeting}");
        let hello = peer.command("EHLO relay.test");
        assert!(hello.starts_with("250-"), "{hello}");
        peer
    }

    /// The next reply, its lines ended by LF; an error says that the relay has closed, with its
    /// TLS alert if it sent one.
    pub fn reply(&mut self) -> io::Result<String> {
        let mut reply = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let more = line.as_bytes().get(3) == Some(&b'-');
            reply.push_str(line.trim_end());
            reply.push('\n');
            if !more {
                return Ok(reply);
            }
        }
    }

    /// Sends a line and returns the reply.
    pub fn command(&mut self, line: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes()).unwrap();
        self.reply().expect("a reply")
    }

    /// Sends octets as they are.
    pub fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets)?;
        self.stream.get_mut().flush()
    }

    /// Offers a message and returns the reply to its end; everything before must be welcome.
    pub fn offer(&mut self, from: &str, to: &str, message: &str) -> String {
        for command in [format!("MAIL FROM:<{from}>"), format!("RCPT TO:<{to}>")] {
            let reply = self.command(&command);
            assert!(reply.starts_with("250 "), "{command}: {reply}");
        }
        let reply = self.command("DATA");
        assert!(reply.starts_with("354 "), "{reply}");
        self.command(&format!("{}\r\n.", message.trim_end()))
    }
}

/// A client that shows the certificate of a member's relay.
fn identified(territory: &Territory, member: &str) -> ClientConfig {
    let folder = territory.site_folder(member);
    let chain =
        CertificateDer::pem_reader_iter(File::open(folder.join("relay.chain.pem")).unwrap())
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join("relay.key")).unwrap();
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots(territory.ca()))
        .with_client_auth_cert(chain, key)
        .unwrap()
}
