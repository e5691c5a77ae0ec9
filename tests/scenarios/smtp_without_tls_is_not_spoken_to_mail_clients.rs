//! A mail client that speaks SMTP in the clear at the submissions port is answered by a TLS alert
//! and nothing else (RFC 8314 §3.3): neither a greeting nor STARTTLS invites it to send a password.

use std::io::ErrorKind;

use liaison_tests::logs::{CANARY, assert_silent_about, wait_for_line};
use liaison_tests::territory::{DOCTOR, EHPAD};
use liaison_tests::{Territory, raw, routine};

#[test]
fn smtp_without_tls_is_not_spoken_to_mail_clients() {
    let (territory, _sites) = Territory::start();
    let port = territory.member("ehpad").submissions.unwrap();
    let hello = format!("EHLO client.test\r\nSTARTTLS\r\nAUTH PLAIN {CANARY}\r\n");
    // RFC 8446 §6: an alert of one level and one description, with its record's header.
    let alert = raw::plain(port, hello.as_bytes());
    assert_eq!((alert.len(), alert[0]), (7, 21), "{alert:?}");
    wait_for_line(
        &territory,
        "ehpad",
        "submission: no TLS session",
        &[("level", "INFO")],
    );

    // Nobody is greeted before the handshake.
    let silent = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    silent.set_nonblocking(true).unwrap();
    routine::a_letter_arrives(&territory, EHPAD, DOCTOR);
    let heard = std::io::Read::read(&mut &silent, &mut [0; 64]).unwrap_err();
    assert_eq!(heard.kind(), ErrorKind::WouldBlock);
    assert_silent_about(&territory, &[]);
}
