//! PostgreSQL stops and starts again: what was asked meanwhile is refused at once, what was
//! acknowledged is there, and the store works again by itself.

use std::time::Duration;

use liaison_store::testing::Server;
use liaison_store::{Schema, Store, StoreError};
use sqlx::Row as _;

const SCHEMA: Schema = Schema {
    component: "example",
    migrations: &["CREATE TABLE entry (id BIGINT PRIMARY KEY)"],
};

async fn insert(store: &Store, id: i64) -> Result<(), StoreError> {
    store
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query("INSERT INTO entry (id) VALUES ($1) ON CONFLICT DO NOTHING")
                    .bind(id)
                    .execute(tx)
                    .await?;
                Ok(())
            })
        })
        .await
}

#[tokio::test]
async fn a_restarted_server_loses_nothing_that_was_acknowledged() {
    let server = Server::start(&[]);
    let store = Store::open(&server.named("example"), &[SCHEMA])
        .await
        .unwrap();
    for id in 0..10 {
        insert(&store, id).await.unwrap();
    }
    server.crash();
    let refused = tokio::time::timeout(Duration::from_secs(10), insert(&store, 10)).await;
    assert!(refused.unwrap().is_err(), "nobody was there to take it");
    server.start_again();
    insert(&store, 11).await.unwrap();
    let row = sqlx::query("SELECT COUNT(*) FROM entry WHERE id <> 10")
        .fetch_one(store.read())
        .await
        .unwrap();
    assert_eq!(row.get::<i64, _>(0), 11);
}
