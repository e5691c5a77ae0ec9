//! A domain of the bridge: its mail goes to the smart host, over TLS with a verified name, sealed and
//! octet for octet; each recipient has a verdict of its own, and the sender hears of each.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::territory;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use liaison_base::tls::{self, Identity};
use liaison_mail::dsn::Action;
use liaison_mail::port::Carriage;
use liaison_relay::{Relay, SmartHost};
use territory::{Site, Territory, envelope, hand_over, parse, sealed, until};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a smart host was told, line by line, and the contents that it took.
#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    contents: Vec<Vec<u8>>,
    connections: usize,
}

type Book = Arc<Mutex<Heard>>;

/// A smart host that wants a login. It knows no `inconnu@`, and takes `plus-tard@` at the second try.
async fn smart_host(territory: &Territory) -> (SocketAddr, Book) {
    let saved = territory.identity("smart.test");
    let identity = Identity::load(&saved.chain, &saved.key).unwrap();
    let acceptor = TlsAcceptor::from(tls::server(identity).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let book = Book::default();
    let kept = Arc::clone(&book);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, book) = (acceptor.clone(), Arc::clone(&kept));
            book.lock().unwrap().connections += 1;
            // A caller that does not trust the certificate is gone.
            tokio::spawn(async move { serve(acceptor, stream, book).await });
        }
    });
    (address, book)
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, book: Book) -> std::io::Result<()> {
    let mut stream = BufReader::new(acceptor.accept(stream).await?);
    stream.write_all(b"220 smart.test ESMTP\r\n").await?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let text = line.trim_end().to_owned();
        let again = book.lock().unwrap().lines.contains(&text);
        book.lock().unwrap().lines.push(text.clone());
        let reply = match text.get(..4).unwrap_or_default() {
            "EHLO" => "250-smart.test\r\n250-AUTH PLAIN\r\n250-DSN\r\n250 SIZE 1000000\r\n",
            "AUTH" => "235 2.7.0 welcome\r\n",
            "RCPT" if text.contains("inconnu@") => "550 5.1.1 nobody of that name\r\n",
            "RCPT" if text.contains("plus-tard@") && !again => "451 4.2.1 not now\r\n",
            "DATA" => "354 go on\r\n",
            "QUIT" => "221 2.0.0 bye\r\n",
            _ => "250 2.0.0 fine\r\n",
        };
        stream.write_all(reply.as_bytes()).await?;
        stream.flush().await?;
        if reply.starts_with("354") {
            let mut content = Vec::new();
            loop {
                let mut line = Vec::new();
                stream.read_until(b'\n', &mut line).await?;
                if line == b".\r\n" {
                    break;
                }
                content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            }
            book.lock().unwrap().contents.push(content);
            stream.write_all(b"250 2.0.0 taken\r\n").await?;
            stream.flush().await?;
        }
    }
}

/// A hospital with a bridge to `cabinet.test` by that smart host.
async fn begin(territory: &Territory, host: &str, port: u16) -> (Site, Relay) {
    let mut hospital = territory.site("ch.test");
    let password = hospital.settings.certificate.with_file_name("password");
    std::fs::write(&password, "a secret\n").unwrap();
    hospital.settings.bridge = Some(SmartHost {
        domains: vec![parse("cabinet.test")],
        host: parse(host),
        address: Some("127.0.0.1".parse().unwrap()),
        port,
        anchors: hospital.settings.anchors.clone(),
        user: Some("ch".to_owned()),
        password: Some(password),
    });
    let relay = hospital.start().await;
    (hospital, relay)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_without_a_relay_is_reached_over_the_smart_host() {
    let territory = Territory::new();
    let (smart, book) = smart_host(&territory).await;
    let (mut hospital, relay) = begin(&territory, "relay.smart.test", smart.port()).await;

    // Line ends at the end that a careless client would add to or take away.
    let mut message = sealed("n1", 3000).to_vec();
    message.extend_from_slice(b"\r\n\r\n");
    let message: Arc<[u8]> = message.into();
    let to = [
        "claire@cabinet.test",
        "inconnu@cabinet.test",
        "plus-tard@cabinet.test",
    ];
    let sent = envelope("n=1", "avis@ch.test", &to);
    hand_over(&relay, sent.clone(), Arc::clone(&message)).await;

    let mut ends = BTreeMap::new();
    while ends.len() < 3 {
        match hospital.gateway.news().await {
            (_, _, Carriage::Delayed(refusal)) => assert_eq!(refusal.text, "not now"),
            (_, to, carriage) => {
                ends.insert(to.to_string(), carriage);
            }
        }
    }
    assert_eq!(ends[to[0]], Carriage::Relayed);
    assert_eq!(ends[to[2]], Carriage::Relayed);
    let Carriage::Failed(refusal) = &ends[to[1]] else {
        panic!("{ends:?}");
    };
    assert_eq!(refusal.to_string(), "550 5.1.1 nobody of that name");
    let report = hospital.gateway.report().await;
    assert_eq!(report.recipients.len(), 1);
    assert_eq!(report.recipients[0].action, Action::Failed);

    {
        let heard = book.lock().unwrap();
        assert_eq!(
            heard.contents.len(),
            2,
            "once, and once for the one who came later"
        );
        assert!(
            heard
                .contents
                .iter()
                .all(|content| content.ends_with(&message))
        );
        // The account and its password, by SASL PLAIN (RFC 4616).
        assert!(
            heard
                .lines
                .contains(&"AUTH PLAIN AGNoAGEgc2VjcmV0".to_owned())
        );
        let size = heard.contents[0].len();
        let mail = format!("MAIL FROM:<avis@ch.test> SIZE={size} RET=HDRS ENVID=n+3D1");
        assert!(heard.lines.contains(&mail), "{:?}", heard.lines);
        let recipient = "RCPT TO:<claire@cabinet.test> NOTIFY=SUCCESS,FAILURE,DELAY \
                         ORCPT=rfc822;claire@cabinet.test";
        assert!(
            heard.lines.contains(&recipient.to_owned()),
            "{:?}",
            heard.lines
        );
        assert!(!heard.lines.contains(&"STARTTLS".to_owned()));
    }

    // Another domain has no way, bridge or not; nor has a report this one.
    let sent = envelope("n2", "avis@ch.test", &["a@ailleurs.test"]);
    hand_over(&relay, sent, sealed("n2", 10)).await;
    let report = hospital.gateway.report().await;
    assert_eq!(report.recipients[0].action, Action::Failed);
    hospital.stop(relay).await;
}

/// Mail for the bridge waits while the smart host shows a certificate of another name.
#[tokio::test(flavor = "multi_thread")]
async fn a_smart_host_of_another_name_gets_nothing() {
    let territory = Territory::new();
    let (smart, book) = smart_host(&territory).await;
    let (mut hospital, relay) = begin(&territory, "smtp.autre.test", smart.port()).await;
    let sent = envelope("n1", "avis@ch.test", &["claire@cabinet.test"]);
    hand_over(&relay, sent, sealed("n1", 10)).await;
    let (_, _, carriage) = hospital.gateway.news().await;
    assert!(matches!(carriage, Carriage::Delayed(_)), "{carriage:?}");
    until(|| book.lock().unwrap().connections > 1).await;
    assert!(book.lock().unwrap().lines.is_empty());

    // Named as it names itself, and read again, it gets the mail.
    let mut settings = hospital.settings.clone();
    let bridge = settings.bridge.as_mut().unwrap();
    bridge.host = parse("relay.smart.test");
    relay.reload(&settings).unwrap();
    loop {
        match hospital.gateway.news().await.2 {
            Carriage::Delayed(_) => {}
            carriage => break assert_eq!(carriage, Carriage::Relayed),
        }
    }
    assert_eq!(book.lock().unwrap().contents.len(), 1);
    hospital.stop(relay).await;
}
