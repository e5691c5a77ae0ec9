//! IDLE: new mail is told without asking, within the time that DESIGN promises.

use crate::site;

use std::time::Duration;

use site::Site;
use tokio::time::{Instant, timeout};

/// Generous beside the aim of 20 ms: the machine of a test may be busy.
const SOON: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
async fn an_idling_client_is_told_at_once() {
    let site = Site::start().await;
    let mut idling = site.logged_in().await;
    let mut other = site.logged_in().await;
    idling.command("SELECT INBOX").await;
    other.command("SELECT INBOX").await;
    idling.send(b"i IDLE\r\n").await;
    assert_eq!(idling.line().await, "+ idling\r\n");

    let mut times = Vec::new();
    for number in 1..=5 {
        site.arrival(&number.to_string()).await;
        let filed = Instant::now();
        let told = timeout(SOON, idling.line()).await.expect("told in time");
        times.push(filed.elapsed());
        assert_eq!(told, format!("* {number} EXISTS\r\n"));
        assert_eq!(idling.line().await, format!("* {number} RECENT\r\n"));
    }
    times.sort();
    println!(
        "from delivery to the IDLE notification: median {:?}",
        times[2]
    );

    // What another session does is told as well.
    other.command("NOOP").await;
    other.command("STORE 2 +FLAGS.SILENT (\\Deleted)").await;
    let told = timeout(SOON, idling.line()).await.expect("told in time");
    assert!(told.starts_with("* 2 FETCH (FLAGS (\\Deleted"), "{told}");
    other.command("EXPUNGE").await;
    let told = timeout(SOON, idling.line()).await.expect("told in time");
    assert_eq!(told, "* 2 EXPUNGE\r\n");

    // iOS sends DONE and what follows in one packet.
    idling
        .send(b"DONE\r\nn NAMESPACE\r\nl LIST \"\" \"*\"\r\n")
        .await;
    assert_eq!(idling.line().await, "i OK IDLE ended\r\n");
    assert!(idling.until("l ").await.contains("n OK"));
    site.stop().await;
}
