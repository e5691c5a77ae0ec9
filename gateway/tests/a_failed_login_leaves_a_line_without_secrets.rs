//! A wrong password leaves a line in the log: from where and why, and nothing that was typed.

mod site;

use std::io;
use std::sync::{Arc, Mutex};

use site::{Site, USER};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut text = self.0.lock().map_err(|_| io::ErrorKind::Other)?;
        text.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_login_leaves_a_line_without_secrets() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let site = Site::start().await;
    site.arrival("1").await;
    let mut session = site.dialogue().await;
    session.command(&format!("LOGIN {USER} CANARI-1")).await;
    session.command("LOGIN CANARI-2 CANARI-3").await;
    let mut session = site.logged_in().await;
    session.command("SELECT INBOX").await;
    session.command("FETCH 1 (ENVELOPE BODY[])").await;
    session.command("SEARCH TEXT CANARI-4").await;
    session.command("CREATE CANARI-5").await;
    session.command("STORE 1 +FLAGS (CANARI-6)").await;
    site.stop().await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let failed: Vec<_> = text
        .lines()
        .filter(|line| line.contains("login failed"))
        .collect();
    assert_eq!(failed.len(), 2, "{text}");
    for (line, reason) in failed.iter().zip(["wrong password", "unknown user"]) {
        assert!(line.contains("remote=127.0.0.1"), "{line}");
        assert!(line.contains(&format!("reason={reason}")), "{line}");
    }
    assert!(text.contains("IMAP login connection=2 user=ide"), "{text}");
    for private in [
        "CANARI",
        site::PASSWORD,
        "EHPAD demain",
        "Sortie",
        "argon2id",
    ] {
        assert!(!text.contains(private), "{private} is in the log");
    }
}
