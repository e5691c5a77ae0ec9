//! Octets that no client would send, and all that a door answers to them.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::tls::{PATIENCE, client_config};

/// Sends octets without TLS, says that nothing more will come, and returns the answer up to the
/// end of the connection. A door that neither answers nor closes fails the test.
pub fn plain(port: u16, octets: &[u8]) -> Vec<u8> {
    let mut stream = connect(port);
    send(&mut stream, octets);
    // The door may have closed already.
    let _ = stream.shutdown(Shutdown::Write);
    rest(&mut stream)
}

/// As [`plain`], inside a TLS session.
pub fn tls(ca: &Path, port: u16, octets: &[u8]) -> Vec<u8> {
    let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
    let session = ClientConnection::new(Arc::new(client_config(ca)), name).unwrap();
    let mut stream = StreamOwned::new(session, connect(port));
    send(&mut stream, octets);
    stream.conn.send_close_notify();
    let _ = stream.flush();
    rest(&mut stream)
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the port is open");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A door may close before it has read everything: that is an answer too.
fn send(stream: &mut impl Write, octets: &[u8]) {
    let _ = stream.write_all(octets).and_then(|()| stream.flush());
}

fn rest(stream: &mut impl Read) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return answer,
            Ok(count) => answer.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let timeouts = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
                assert!(!timeouts.contains(&error.kind()), "the door stays open");
                return answer;
            }
        }
    }
}
