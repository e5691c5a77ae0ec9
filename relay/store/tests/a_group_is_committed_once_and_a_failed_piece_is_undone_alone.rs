//! Many writers at once: each is answered after the commit, and the one that fails leaves nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use liaison_store::sql::Engine;
use liaison_store::testing::database_on;
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
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let folder = tempfile::tempdir().unwrap();
        let database = database_on(engine, folder.path().join("example.db"));
        let store = Store::open(&database, &[SCHEMA]).await.unwrap();
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
        assert_eq!(refused, 10, "{engine:?}");
        assert_eq!(count(&store).await, 90, "{engine:?}");

        assert!(
            insert(&store, 1).await.is_err(),
            "{engine:?}: a second row with the same key"
        );
        store.close().await;

        let reopened = Store::open(&database, &[SCHEMA]).await.unwrap();
        assert_eq!(count(&reopened).await, 90, "{engine:?}: after a restart");
    }
}

#[tokio::test]
async fn a_work_that_hides_a_failed_statement_is_not_acknowledged() {
    // PostgreSQL undoes the whole transaction after a failed statement, and answers COMMIT with
    // success all the same.
    let folder = tempfile::tempdir().unwrap();
    let database = database_on(Engine::Postgres, folder.path().join("example.db"));
    let store = Store::open(&database, &[SCHEMA]).await.unwrap();
    let hidden: Result<(), StoreError> = store
        .write(|tx| {
            Box::pin(async move {
                sqlx::query("INSERT INTO entry (id, body) VALUES (1, '')")
                    .execute(&mut *tx)
                    .await?;
                let failed = sqlx::query("SELECT nothing FROM nowhere").execute(tx).await;
                assert!(failed.is_err());
                Ok(())
            })
        })
        .await;
    assert!(hidden.is_err());
    assert_eq!(count(&store).await, 0);
}

#[tokio::test]
async fn readers_cannot_write() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let folder = tempfile::tempdir().unwrap();
        let database = database_on(engine, folder.path().join("example.db"));
        let store = Store::open(&database, &[SCHEMA]).await.unwrap();
        let refused = sqlx::query("DELETE FROM entry").execute(store.read()).await;
        assert!(refused.is_err(), "{engine:?}");
    }
}

#[tokio::test]
async fn a_database_of_a_later_release_is_refused() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let folder = tempfile::tempdir().unwrap();
        let database = database_on(engine, folder.path().join("example.db"));
        Store::open(&database, &[SCHEMA])
            .await
            .unwrap()
            .close()
            .await;
        let older = Schema {
            component: "example",
            migrations: &SCHEMA.migrations[..1],
        };
        let refused = Store::open(&database, &[older]).await.unwrap_err();
        assert!(
            matches!(
                refused,
                StoreError::Newer {
                    found: 2,
                    known: 1,
                    ..
                }
            ),
            "{engine:?}"
        );
        let said = refused.to_string();
        assert!(
            said.contains("example") && said.contains("run the newer release"),
            "{said}"
        );
    }
}
