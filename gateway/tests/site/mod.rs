//! A site's IMAP door over real TLS, for the tests that drive it as clients do.

#![allow(dead_code, reason = "each test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test stops where its setting fails")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use liaison_base::clock::{Clock, SystemClock};
use liaison_base::login::hash_password;
use liaison_base::shutdown::Shutdown;
use liaison_base::tls;
use liaison_certs_dev::Territory;
use liaison_gateway::accounts::{AccountSettings, Accounts};
use liaison_gateway::imap;
use liaison_gateway::keys::{self, SiteKey, Vault};
use liaison_gateway::mailbox::{self, Filed, Filing, Mailboxes, SpecialUse};
use liaison_mail::Address;
use liaison_store::Store;
use liaison_store::body::Bodies;
use liaison_store::testing::database;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) const USER: &str = "ide";
pub(crate) const PASSWORD: &str = "mot-de-passe-1";
pub(crate) const MESSAGE: &[u8] = b"From: Dr A <a@ch.test>\r\nTo: ide@ehpad.test\r\n\
    Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nSubject: =?utf-8?q?Sortie_pr=C3=A9vue?=\r\n\
    Message-ID: <1@ch.test>\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
    Retour \xc3\xa0 l'EHPAD demain.\r\n";

/// A running door; dropping it does not stop it, [`Site::stop`] does.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) mailboxes: Mailboxes,
    pub(crate) root: PathBuf,
    shutdown: Shutdown,
}

impl Site {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let territory = Territory::new(clock.now()).unwrap();
        let root = path.join("root.pem");
        territory.write_root(&root).unwrap();
        let member = territory.member("ehpad.test").unwrap();
        let identity = member.mail_server_identity().unwrap();
        let saved = identity.write(path, "mail").unwrap();
        let identity = tls::Identity::load(&saved.chain, &saved.key).unwrap();

        let schemas = [keys::SCHEMA, mailbox::SCHEMA];
        let store = Store::open(database(path.join("gateway.db")), &schemas)
            .await
            .unwrap();
        let site_key = SiteKey::create(&path.join("site.key")).unwrap();
        let vault = Vault::new(site_key, store.clone());
        let bodies = Bodies::open("gateway", path.join("bodies")).unwrap();
        let mailboxes = Mailboxes::open(store, bodies, vault, Arc::clone(&clock))
            .await
            .unwrap();
        mailboxes.provide(&address()).await.unwrap();
        let account = AccountSettings {
            user: USER.to_owned(),
            address: address(),
            password: hash_password(PASSWORD.as_bytes()).unwrap(),
            name: "IDE de garde".to_owned(),
            mailboxes: Vec::new(),
        };
        let accounts = Accounts::new(vec![account], clock).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shutdown = Shutdown::new();
        let tls = tls::server(identity).unwrap();
        let address = imap::serve(listener, tls, mailboxes.clone(), accounts, &shutdown).unwrap();
        Self {
            folder,
            address,
            mailboxes,
            root,
            shutdown,
        }
    }

    /// Files [`MESSAGE`] in INBOX, as an arrival does.
    pub(crate) async fn arrival(&self, dedupe: &str) -> Filed {
        self.arrival_of(dedupe, MESSAGE).await
    }

    pub(crate) async fn arrival_of(&self, dedupe: &str, message: &[u8]) -> Filed {
        let filing = Filing {
            mailbox: address(),
            folder: SpecialUse::Inbox,
            message,
            dedupe: dedupe.to_owned(),
            tracked: Some(format!("token-{dedupe}")),
            seen: false,
        };
        self.mailboxes.file(filing).await.unwrap()
    }

    pub(crate) async fn dialogue(&self) -> Dialogue {
        let roots = tls::anchors(&self.root).unwrap();
        let connector = TlsConnector::from(Arc::new(tls::client(roots).unwrap()));
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        let mut dialogue = Dialogue {
            stream: BufReader::new(stream),
        };
        let greeting = dialogue.line().await;
        assert!(
            greeting.starts_with("* OK [CAPABILITY IMAP4rev1 "),
            "{greeting}"
        );
        dialogue
    }

    pub(crate) async fn logged_in(&self) -> Dialogue {
        let mut dialogue = self.dialogue().await;
        let login = dialogue.command(&format!("LOGIN {USER} {PASSWORD}")).await;
        assert!(login.ends_with("Logged in\r\n"), "{login}");
        dialogue
    }

    pub(crate) async fn stop(self) {
        assert!(
            self.shutdown
                .finish(std::time::Duration::from_secs(20))
                .await
        );
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A raw dialogue: what is sent and received is written out in the test.
pub(crate) struct Dialogue {
    stream: BufReader<TlsStream<TcpStream>>,
}

impl Dialogue {
    pub(crate) async fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// One line, with its CRLF; empty at the end of the connection.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await.unwrap();
        String::from_utf8(line).unwrap()
    }

    pub(crate) async fn octets(&mut self, size: usize) -> Vec<u8> {
        let mut octets = vec![0; size];
        self.stream.read_exact(&mut octets).await.unwrap();
        octets
    }

    /// Sends a command tagged `a` and gives back everything up to its tagged response.
    pub(crate) async fn command(&mut self, command: &str) -> String {
        self.send(format!("a {command}\r\n").as_bytes()).await;
        self.until("a ").await
    }

    /// Everything up to and with the first line that begins so.
    pub(crate) async fn until(&mut self, start: &str) -> String {
        let mut all = String::new();
        loop {
            let line = self.line().await;
            assert!(!line.is_empty(), "closed after: {all}");
            all.push_str(&line);
            if line.starts_with(start) {
                return all;
            }
        }
    }
}

pub(crate) fn address() -> Address {
    Address::parse("ide@ehpad.test").unwrap()
}

/// Runs an outside program off the test's own threads.
pub(crate) async fn run(program: &str, arguments: Vec<String>) -> Output {
    tokio::process::Command::new(program)
        .args(arguments)
        .output()
        .await
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"))
}

/// What a program wrote, for a failed assertion.
pub(crate) fn said(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
