//! Submission: nothing without a login, and each way to log in that clients use.

use crate::support;

use liaison_smtp::server::{Role, Tls};
use support::{Dialogue, settings, start};

#[tokio::test]
async fn nothing_is_taken_before_a_login() {
    let (stream, _, _serving) = start(settings(Role::Submission));
    let mut client = Dialogue::on(stream);
    client.expect("220 ").await;
    client
        .ask("AUTH PLAIN AGNsYWlyZQBzZWNyZXQ=", "503 5.5.1")
        .await;
    client.say("EHLO POSTE_3").await;
    let announced = client.reply().await;
    for extension in [
        "PIPELINING",
        "8BITMIME",
        "ENHANCEDSTATUSCODES",
        "DSN",
        "AUTH PLAIN LOGIN",
    ] {
        assert!(
            announced.iter().any(|line| &line[4..] == extension),
            "{extension}"
        );
    }
    assert!(announced.contains(&"250-SIZE 36700160".to_owned()));
    assert!(!announced.iter().any(|line| line.contains("STARTTLS")));
    client.ask("MAIL FROM:<claire@ch.test>", "530 5.7.0").await;
    client.ask("AUTH CRAM-MD5", "504 5.5.4").await;
    client.ask("VRFY claire", "252 ").await;
    client.ask("QUIT", "221 ").await;
    client.expect_close().await;
}

#[tokio::test]
async fn each_way_to_log_in_works() {
    let ways: [&[(&str, &str)]; 5] = [
        &[("AUTH PLAIN AGNsYWlyZQBzZWNyZXQ=", "235 2.7.0")],
        &[
            ("auth plain", "334 "),
            ("AGNsYWlyZQBzZWNyZXQ=", "235 2.7.0"),
        ],
        &[
            ("AUTH LOGIN", "334 VXNlcm5hbWU6"),
            ("Y2xhaXJl", "334 UGFzc3dvcmQ6"),
            ("c2VjcmV0", "235 2.7.0"),
        ],
        &[
            ("AUTH LOGIN Y2xhaXJl", "334 UGFzc3dvcmQ6"),
            ("c2VjcmV0", "235 2.7.0"),
        ],
        &[
            ("AUTH PLAIN AGNsYWlyZQB3cm9uZw==", "535 "),
            ("AUTH LOGIN", "334 "),
            ("*", "501 5.7.0"),
            ("AUTH PLAIN AGNsYWlyZQBzZWNyZXQ=", "235 2.7.0"),
        ],
    ];
    for way in ways {
        let (stream, taken, _serving) = start(settings(Role::Submission));
        let mut client = Dialogue::greeted(stream).await;
        for (line, answer) in way {
            client.ask(line, answer).await;
        }
        client.ask("AUTH PLAIN AGNsYWlyZQBzZWNyZXQ=", "503 ").await;
        client
            .ask("MAIL FROM: <claire@ch.test> SIZE=10", "250 2.1.0")
            .await;
        client.ask("RCPT TO: <idel@ehpad.test>", "250 2.1.5").await;
        client.ask("DATA", "354 ").await;
        client
            .ask("Subject: x\r\n\r\nBonjour\r\n.", "250 2.0.0")
            .await;
        let taken = taken.lock().unwrap();
        assert_eq!(taken[0].0.mail.envelope_id, None);
        assert_eq!(taken[0].1.as_bytes(), b"Subject: x\r\n\r\nBonjour\r\n");
    }
}

#[tokio::test]
async fn the_third_wrong_password_ends_the_connection() {
    let (stream, _, _serving) = start(settings(Role::Submission));
    let mut client = Dialogue::greeted(stream).await;
    for _ in 0..2 {
        client.ask("AUTH PLAIN AGNsYWlyZQB3cm9uZw==", "535 ").await;
    }
    client.ask("AUTH PLAIN AGNsYWlyZQB3cm9uZw==", "535 ").await;
    client.expect("421 4.7.0 Too many failed logins").await;
    client.expect_close().await;
}

#[tokio::test]
async fn a_password_is_not_taken_in_clear() {
    let mut plain = settings(Role::Submission);
    plain.tls = Tls::Offered;
    let (stream, _, _serving) = start(plain);
    let mut client = Dialogue::on(stream);
    client.expect("220 ").await;
    client.say("EHLO [192.0.2.1]").await;
    let announced = client.reply().await;
    assert!(announced.contains(&"250 STARTTLS".to_owned()));
    assert!(!announced.iter().any(|line| line.contains("AUTH")));
    client
        .ask("AUTH PLAIN AGNsYWlyZQBzZWNyZXQ=", "538 5.7.11")
        .await;
    client.ask("MAIL FROM:<claire@ch.test>", "530 5.7.0").await;
}

#[tokio::test]
async fn relays_do_not_log_in() {
    let (stream, _, _serving) = start(settings(Role::Relay));
    let mut client = Dialogue::greeted(stream).await;
    client.ask("AUTH PLAIN AGNsYWlyZQBzZWNyZXQ=", "502 ").await;
    client.ask("MAIL FROM: <claire@ch.test>", "501 ").await;
    client.ask("MAIL FROM:<claire@ch.test>", "250 ").await;
}
