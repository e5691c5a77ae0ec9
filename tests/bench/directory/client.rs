//! An LDAP client that waits for each answer, as mail clients do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use ldap3_proto::proto::{
    LdapBindCred, LdapBindRequest, LdapDerefAliases, LdapMsg, LdapOp, LdapResultCode,
    LdapSearchRequest, LdapSearchResultEntry, LdapSearchScope,
};
use ldap3_proto::{LdapCodec, parse_ldap_filter_str};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use tokio_util::codec::{Decoder as _, Encoder as _};

/// A connection to a server.
pub(crate) struct Client<S> {
    stream: S,
    received: BytesMut,
    number: i32,
}

/// What a search gave.
pub(crate) struct Answer {
    pub(crate) entries: Vec<LdapSearchResultEntry>,
    pub(crate) code: LdapResultCode,
}

/// Connects in clear.
pub(crate) fn connect(address: SocketAddr) -> Client<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    Client::new(stream)
}

/// Connects over TLS. A configuration that is used again resumes its sessions.
pub(crate) fn connect_tls(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> Client<StreamOwned<ClientConnection, TcpStream>> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::clone(config), name).unwrap();
    Client::new(StreamOwned::new(session, stream))
}

/// Whom TLS clients trust.
pub(crate) fn trusting(folder: &Path) -> Arc<ClientConfig> {
    let anchors = liaison_base::tls::anchors(&folder.join("root.pem")).unwrap();
    Arc::new(liaison_base::tls::client(anchors).unwrap())
}

impl<S: Read + Write> Client<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            received: BytesMut::new(),
            number: 0,
        }
    }

    pub(crate) fn bind(&mut self, name: &str, password: &str) {
        self.send(LdapOp::BindRequest(LdapBindRequest {
            version: 3,
            dn: name.to_owned(),
            cred: LdapBindCred::Simple(password.to_owned()),
        }));
        let answer = self.receive();
        let LdapOp::BindResponse(response) = &answer.op else {
            panic!("{answer:?}");
        };
        assert_eq!(response.res.code, LdapResultCode::Success, "{name}");
    }

    /// Asks for a hundred entries, as Thunderbird does.
    pub(crate) fn search(&mut self, base: &str, filter: &str, attributes: &[&str]) -> Answer {
        // The reader of written filters wants spaces escaped (RFC 4515 §3).
        let filter = parse_ldap_filter_str(&filter.replace(' ', "\\20")).unwrap();
        self.send(LdapOp::SearchRequest(LdapSearchRequest {
            base: base.to_owned(),
            scope: LdapSearchScope::Subtree,
            aliases: LdapDerefAliases::Never,
            sizelimit: 100,
            timelimit: 0,
            typesonly: false,
            filter,
            attrs: attributes.iter().map(|one| (*one).to_owned()).collect(),
        }));
        let mut entries = Vec::new();
        loop {
            match self.receive().op {
                LdapOp::SearchResultEntry(entry) => entries.push(entry),
                LdapOp::SearchResultDone(done) => {
                    return Answer {
                        entries,
                        code: done.code,
                    };
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn unbind(mut self) {
        self.send(LdapOp::UnbindRequest);
    }

    fn send(&mut self, op: LdapOp) {
        self.number += 1;
        let mut octets = BytesMut::new();
        LdapCodec::default()
            .encode(LdapMsg::new(self.number, op), &mut octets)
            .unwrap();
        self.stream.write_all(&octets).unwrap();
        self.stream.flush().unwrap();
    }

    fn receive(&mut self) -> LdapMsg {
        loop {
            let mut codec = LdapCodec::new(Some(1 << 20), None);
            if let Some(message) = codec.decode(&mut self.received).unwrap() {
                return message;
            }
            let mut octets = [0; 64 * 1024];
            let read = self.stream.read(&mut octets).unwrap();
            assert!(read > 0, "the server closed the connection");
            self.received.extend_from_slice(&octets[..read]);
        }
    }
}
