//! A hospital system that pushes HL7 v2, blocking.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use crate::tls::PATIENCE;

/// A connection to a gateway's MLLP port.
pub struct Mllp {
    stream: TcpStream,
}

impl Mllp {
    /// Connects to a port on 127.0.0.1.
    pub fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Sends one message in its frame and returns the answer; an error when there is none.
    pub fn push(&mut self, message: &str) -> io::Result<String> {
        self.raw(&[b"\x0b", message.as_bytes(), b"\x1c\r"].concat())?;
        self.answer()
    }

    /// Sends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says that nothing more will come.
    pub fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    /// The next framed answer; `UnexpectedEof` when the gateway closes without one.
    pub fn answer(&mut self) -> io::Result<String> {
        let mut answer = Vec::new();
        let mut octet = [0];
        loop {
            self.stream.read_exact(&mut octet)?;
            match octet[0] {
                0x0b => answer.clear(),
                0x1c => {
                    self.stream.read_exact(&mut octet)?;
                    return Ok(String::from_utf8_lossy(&answer).into_owned());
                }
                other => answer.push(other),
            }
        }
    }
}

/// The code and the control id of an acknowledgement: `("CA", "700001")`.
pub fn verdict(answer: &str) -> (String, String) {
    let msa = answer
        .split('\r')
        .find(|segment| segment.starts_with("MSA|"))
        .unwrap_or_default();
    let mut fields = msa.split('|').skip(1).map(str::to_owned);
    (
        fields.next().unwrap_or_default(),
        fields.next().unwrap_or_default(),
    )
}
