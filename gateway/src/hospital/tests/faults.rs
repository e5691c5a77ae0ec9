//! A full disk and a closed database: nothing is acknowledged.

use super::*;
use crate::hospital::answer::answer;

fn wire(text: &str) -> Vec<u8> {
    text.replace('\n', "\r").into_bytes()
}

#[tokio::test]
async fn a_full_disk_gives_no_positive_acknowledgement_and_room_gives_it_again() {
    let site = Site::new().await;
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count")
        .fetch_one(site.store.read())
        .await
        .unwrap();
    limit_pages(&site, pages).await;
    let mut refused = 0;
    for number in 0..40 {
        let message = entry()
            .replace("26004711-1", &format!("2600{number:04}-1"))
            .replace("ESSAI^OCTAVIE", &format!("ESSAI^{}", "O".repeat(3000)));
        let answered = answer(&site.feed, wire(&message), "test").await;
        refused += usize::from(answered.is_err());
    }
    assert!(refused > 30, "{refused} of 40 met the full disk");
    let kept = site.count("feed_message").await;
    assert_eq!(
        kept,
        40 - i64::try_from(refused).unwrap(),
        "acknowledged is kept"
    );
    limit_pages(&site, 1_000_000).await;
    let answered = answer(&site.feed, wire(&entry()), "test").await.unwrap();
    assert!(answered.taken);
}

#[tokio::test]
async fn a_closed_database_gives_no_acknowledgement() {
    let site = Site::new().await;
    site.store.clone().close().await;
    assert!(answer(&site.feed, wire(&entry()), "test").await.is_err());
}

/// The most pages of the database: beyond them SQLite says that the disk is full.
async fn limit_pages(site: &Site, most: i64) {
    site.store
        .write(move |tx| {
            Box::pin(async move {
                let pragma = format!("PRAGMA max_page_count = {most}");
                sqlx::query(sqlx::AssertSqlSafe(pragma)).execute(tx).await?;
                Ok::<_, crate::GatewayError>(())
            })
        })
        .await
        .unwrap();
}
