//! Connections as a client of the territory makes them.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// How long a test waits for an answer before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A line-speaking connection over TLS.
pub struct Lines {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Lines {
    /// Connects to a port on 127.0.0.1, whose certificate must come from `ca`.
    pub fn connect(ca: &Path, port: u16) -> Self {
        Self::try_connect(ca, port).expect("the port is open")
    }

    /// As [`Lines::connect`]; an error says that nobody listens.
    pub fn try_connect(ca: &Path, port: u16) -> std::io::Result<Self> {
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        tcp.set_nodelay(true)?;
        let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
        let connection = ClientConnection::new(Arc::new(client_config(ca)), name).unwrap();
        Ok(Self {
            stream: BufReader::new(StreamOwned::new(connection, tcp)),
        })
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the peer reads");
    }

    /// Sends bytes; an error says that the peer is gone.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)?;
        self.stream.get_mut().flush()
    }

    /// The next line without its end; an error says that the peer is gone or silent.
    pub fn try_line(&mut self) -> std::io::Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// The next line without its end.
    pub fn line(&mut self) -> String {
        self.try_line().expect("the peer answers")
    }

    /// Exactly so many octets.
    pub fn try_octets(&mut self, count: usize) -> std::io::Result<Vec<u8>> {
        let mut octets = vec![0; count];
        self.stream.read_exact(&mut octets)?;
        Ok(octets)
    }
}

/// A client that trusts one authority.
pub fn client_config(ca: &Path) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(ca))
        .with_no_client_auth()
}

/// The authorities of a PEM file.
pub fn roots(ca: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_reader_iter(File::open(ca).unwrap()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    roots
}
