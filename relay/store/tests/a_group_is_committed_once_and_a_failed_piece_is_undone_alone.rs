//! Many writers at once: each is answered after the commit, and the one that fails leaves nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use liaison_store::{Schema, Store, StoreError};
use sqlx::Row as _;

const SCHEMA: Schema = Schema {
    component: "example",
    migrations: &[
        "CREATE TABLE entry (id BIGINT PRIMARY KEY, body BLOB NOT NULL)",
        "ALTER TABLE entry ADD COLUMN note TEXT",
    ],
};

async fn insert(store: &Store, id: i64) -> Result<(), StoreError> {
    store
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query("INSERT INTO entry (id, body) VALUES ($1, $2)")
                    .bind(id)
                    .bind(vec![0_u8; 10])
                    .execute(tx)
                    .await?;
                if id % 10 == 3 {
                    return Err(StoreError::Row("refused on purpose"));
                }
                Ok(())
            })
        })
        .await
}

async fn count(store: &Store) -> i64 {
    sqlx::query("SELECT COUNT(*) FROM entry")
        .fetch_one(store.read())
        .await
        .unwrap()
        .get(0)
}

#[tokio::test]
async fn a_failed_piece_is_undone_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("example.db");
    let store = Store::open(&path, &[SCHEMA]).await.unwrap();
    let writers: Vec<_> = (0..100)
        .map(|id| {
            let store = store.clone();
            tokio::spawn(async move { insert(&store, id).await })
        })
        .collect();
    let mut refused = 0;
    for writer in writers {
        refused += usize::from(writer.await.unwrap().is_err());
    }
    assert_eq!(refused, 10);
    assert_eq!(count(&store).await, 90);

    assert!(
        insert(&store, 1).await.is_err(),
        "a second row with the same key"
    );
    store.close().await;

    let reopened = Store::open(&path, &[SCHEMA]).await.unwrap();
    assert_eq!(count(&reopened).await, 90, "after a restart");
}

#[tokio::test]
async fn readers_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("example.db"), &[SCHEMA])
        .await
        .unwrap();
    let refused = sqlx::query("DELETE FROM entry").execute(store.read()).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_database_of_a_later_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("example.db");
    Store::open(&path, &[SCHEMA]).await.unwrap().close().await;
    let older = Schema {
        component: "example",
        migrations: &SCHEMA.migrations[..1],
    };
    let refused = Store::open(&path, &[older]).await;
    assert!(matches!(
        refused,
        Err(StoreError::Newer {
            found: 2,
            known: 1,
            ..
        })
    ));
}
