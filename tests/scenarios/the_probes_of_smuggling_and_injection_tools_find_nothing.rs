//! What public tools try in order to smuggle a message past a mail server or to inject commands before
//! its TLS, tried on every door: each line end and each form of a dot between two of them, at the
//! submission door and at the relay's; lines in chunks; commands behind a request for TLS.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use liaison_tests::peer::Peer;
use liaison_tests::routine::{self, letter};
use liaison_tests::territory::{DOCTOR, EHPAD, WARD};
use liaison_tests::tls::{PATIENCE, client_config};
use liaison_tests::{Territory, raw};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

const LINE_ENDS: [&str; 8] = [
    "\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\n\0", "\0\r\n", "\n\n",
];
const DOTS: [&str; 6] = [".", "..", "\0.", ".\0", " .", ".\u{b}"];
/// A session is closed after ten faults.
const A_SESSION: usize = 8;

/// Every dot between two line ends, but for the one that ends a message.
fn forms() -> Vec<String> {
    let mut forms = Vec::new();
    for before in LINE_ENDS {
        for dot in DOTS {
            for after in LINE_ENDS {
                let form = format!("{before}{dot}{after}");
                if !form.contains("\r\n.\r\n") {
                    forms.push(form);
                }
            }
        }
    }
    forms
}

/// Whether a CR or an LF stands alone in it.
fn is_broken(form: &str) -> bool {
    let rest = form.replace("\r\n", "");
    rest.contains(['\r', '\n'])
}

/// A message, and another behind the form.
fn smuggled(form: &str, from: &str, other: &str) -> String {
    let first = letter(from, DOCTOR, "first", "first");
    let second = letter(other, DOCTOR, "second", "second");
    format!(
        "{}{form}MAIL FROM:<{other}>\r\nRCPT TO:<{DOCTOR}>\r\nDATA\r\n{}",
        first.trim_end(),
        second.trim_end()
    )
}

#[test]
fn the_probes_of_smuggling_and_injection_tools_find_nothing() {
    let (territory, _sites) = Territory::start();
    let forms = forms();
    let taken = at_the_submission_door(&territory, &forms);
    at_the_relays_door(&territory, &forms);
    commands_in_the_clear(&territory);
    requests_behind_ldaps_start_of_tls(&territory);

    // What was taken is one message each, whatever stands in it.
    let mut doctor = territory.imap(DOCTOR);
    doctor.wait_for(taken);
    routine::a_letter_arrives(&territory, EHPAD, DOCTOR);
    let subjects = doctor.subjects();
    assert_eq!(subjects.len(), taken + 1, "{subjects:?}");
    assert!(!subjects.iter().any(|subject| subject == "second"));
    assert_eq!(routine::count(&territory, WARD), 0);
    println!("{} forms at each door, {taken} taken as text", forms.len());
}

/// How many were taken: as the text that they are.
fn at_the_submission_door(territory: &Territory, forms: &[String]) -> usize {
    let mut taken = 0;
    for some in forms.chunks(A_SESSION) {
        let mut client = territory.smtp(EHPAD);
        for form in some {
            let reply = client.submit(EHPAD, &[DOCTOR], &smuggled(form, EHPAD, WARD));
            match is_broken(form) {
                true => assert!(reply.starts_with("554 5.6.0 "), "{form:?}: {reply}"),
                false => {
                    // Lines that end as they should: a dot among them is text.
                    let known = reply.starts_with("250 ") || reply.starts_with("554 5.6.0 ");
                    assert!(known, "{form:?}: {reply}");
                    taken += usize::from(reply.starts_with("250 "));
                }
            }
            assert_eq!(client.command("NOOP"), "250 2.0.0 OK\n", "{form:?}");
        }
    }
    taken
}

/// A relay takes none of it, in whichever way the content comes: as lines up to a dot, or in chunks.
fn at_the_relays_door(territory: &Territory, forms: &[String]) {
    for some in forms.chunks(A_SESSION / 2) {
        let mut peer = Peer::welcome(territory, "hospital", "practice");
        for form in some {
            let content = smuggled(form, WARD, WARD);
            let reply = peer.offer(WARD, DOCTOR, &content);
            assert!(reply.starts_with("55"), "{form:?}: {reply}");
            assert_eq!(peer.command("NOOP"), "250 2.0.0 OK\n", "{form:?}");

            // The true end of a message is nothing special in a chunk.
            let content = format!("{content}\r\n.\r\nMAIL FROM:<{WARD}>\r\n");
            for command in [format!("MAIL FROM:<{WARD}>"), format!("RCPT TO:<{DOCTOR}>")] {
                let reply = peer.command(&command);
                assert!(reply.starts_with("250 "), "{form:?}: {reply}");
            }
            let chunk = format!("BDAT {} LAST\r\n{content}", content.len());
            peer.send(chunk.as_bytes()).unwrap();
            let reply = peer.reply().unwrap();
            assert!(reply.starts_with("55"), "{form:?}: {reply}");
            assert_eq!(peer.command("NOOP"), "250 2.0.0 OK\n", "{form:?}");
        }
    }
    // Between commands a line ends with CR LF, and with nothing else.
    for end in LINE_ENDS.iter().filter(|end| is_broken(end)) {
        let mut peer = Peer::welcome(territory, "hospital", "practice");
        let lines = format!("NOOP{end}MAIL FROM:<{WARD}>\r\nNOOP\r\n");
        peer.send(lines.as_bytes()).unwrap();
        let reply = peer.reply().unwrap();
        assert!(reply.starts_with("500 "), "{end:?}: {reply}");
    }
    // There is no TLS to start inside TLS; what is behind the request is in the same session.
    let mut peer = Peer::welcome(territory, "hospital", "practice");
    peer.send(b"STARTTLS\r\nNOOP\r\n").unwrap();
    assert!(peer.reply().unwrap().starts_with("502 "));
    assert_eq!(peer.reply().unwrap(), "250 2.0.0 OK\n");
}

/// No door of mail speaks before its TLS: there is no session into which to inject.
fn commands_in_the_clear(territory: &Territory) {
    let practice = territory.member("practice");
    let ports = [practice.relay, practice.submissions, practice.imaps];
    for port in ports.into_iter().flatten() {
        for words in [
            "EHLO injected.test\r\nSTARTTLS\r\nEHLO injected.test\r\n",
            "EHLO injected.test\r\nSTARTTLS\r\nRSET\r\nMAIL FROM:<a@b.test>\r\n",
            "A STARTTLS\r\nB NOOP\r\n",
            "STLS\r\nCAPA\r\n",
        ] {
            let answer = raw::plain(port, words.as_bytes());
            // At most a TLS alert: content type 21 (RFC 8446 §6).
            let alert = answer.is_empty() || (answer.len() <= 7 && answer[0] == 21);
            assert!(alert, "{words:?}: {answer:?}");
        }
    }
}

/// LDAP has a door that starts in the clear: a request sent behind the one for TLS, in the same
/// piece, must not be answered inside it (RFC 4511 §4.14.1).
fn requests_behind_ldaps_start_of_tls(territory: &Territory) {
    let Some(port) = territory.member("dac").ldap else {
        panic!("the demo has a door for LDAP in the clear");
    };
    let mut start = vec![0x30, 0x1d, 0x02, 0x01, 0x01, 0x77, 0x18, 0x80, 0x16];
    start.extend(b"1.3.6.1.4.1.1466.20037");
    let bind = |id| {
        [
            0x30, 0x0c, 0x02, 0x01, id, 0x60, 0x07, 0x02, 0x01, 0x03, 0x04, 0x00, 0x80, 0x00,
        ]
    };
    for injects in [false, true] {
        let mut tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut words = start.clone();
        if injects {
            words.extend(bind(2));
        }
        tcp.write_all(&words).unwrap();
        let mut answer = [0; 256];
        let count = tcp.read(&mut answer).unwrap_or(0);
        // An answer to the injected request would bear its number.
        let numbers = answer[..count]
            .windows(3)
            .filter(|w| *w == [0x02, 0x01, 0x02]);
        assert_eq!(numbers.count(), 0, "answered in the clear");
        let config = Arc::new(client_config(territory.ca()));
        let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
        let session = ClientConnection::new(config, name).unwrap();
        let mut tls = StreamOwned::new(session, tcp);
        let mut head = [0; 5];
        let heard = tls
            .write_all(&bind(3))
            .and_then(|()| tls.flush())
            .and_then(|()| tls.read_exact(&mut head));
        match (injects, heard) {
            // The first that is answered inside is what was asked inside.
            (_, Ok(())) => assert_eq!(&head[2..], [0x02, 0x01, 0x03], "injects: {injects}"),
            (true, Err(_)) => {}
            (false, Err(error)) => panic!("TLS does not start: {error}"),
        }
    }
}
