//! RFC 3207: what was said in clear has no effect under TLS.

use crate::support;

use liaison_smtp::io::{Ended, Timeouts, serve};
use liaison_smtp::server::{Role, Settings, Tls};
use support::{Desk, Dialogue, Kept, settings, start};

fn offered() -> Settings {
    let mut settings = settings(Role::Submission);
    settings.tls = Tls::Offered;
    settings
}

#[tokio::test]
async fn commands_sent_behind_starttls_close_the_connection() {
    let (stream, _, serving) = start(offered());
    let mut client = Dialogue::greeted(stream).await;
    client.send(b"STARTTLS\r\nNOOP\r\n").await;
    client.expect("554 5.5.0").await;
    client.expect_close().await;
    assert!(matches!(serving.await.unwrap(), Ok(Ended::Closed)));
}

#[tokio::test]
async fn the_session_starts_anew_under_tls() {
    let (stream, _, serving) = start(offered());
    let mut client = Dialogue::greeted(stream).await;
    client.ask("STARTTLS", "220 2.0.0").await;
    let Ok(Ended::StartTls(stream)) = serving.await.unwrap() else {
        panic!("no handshake was asked for");
    };
    // The handshake itself is the caller's; the session is the same with or without it.
    let mut desk = Desk {
        taken: Kept::default(),
        slow: None,
    };
    let mut settings = offered();
    settings.tls = Tls::Started;
    let serving = tokio::spawn(async move {
        let never = std::future::pending();
        serve(stream, settings, &mut desk, &Timeouts::default(), never)
            .await
            .map(|_| ())
    });
    client
        .ask("AUTH PLAIN AGNsYWlyZQBzZWNyZXQ=", "503 5.5.1")
        .await;
    client.say("EHLO poste").await;
    let announced = client.reply().await;
    assert!(announced.contains(&"250 AUTH PLAIN LOGIN".to_owned()));
    assert!(!announced.iter().any(|line| line.contains("STARTTLS")));
    client.ask("STARTTLS", "502 ").await;
    client.ask("AUTH PLAIN AGNsYWlyZQBzZWNyZXQ=", "235 ").await;
    client.ask("QUIT", "221 ").await;
    serving.await.unwrap().unwrap();
}
