//! PostgreSQL stops and starts again: what was asked meanwhile is refused at once, what was
//! acknowledged is there, and the store works again by itself.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
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

/// Stops, starts or restarts the server in that folder, as the user that owns it.
fn control(folder: &Path, action: &[&str]) {
    let data = folder.join("data");
    let mut command = if std::fs::read_dir("/root").is_ok() {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "/usr/lib/postgresql/15/bin/pg_ctl",
        ]);
        command
    } else {
        Command::new("/usr/lib/postgresql/15/bin/pg_ctl")
    };
    let done = command
        .arg("-D")
        .arg(&data)
        .arg("-w")
        .arg("-l")
        .arg(data.join("server.log"))
        .args(action)
        .current_dir("/")
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
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
    control(server.folder(), &["-m", "immediate", "stop"]);
    let refused = tokio::time::timeout(Duration::from_secs(10), insert(&store, 10)).await;
    assert!(refused.unwrap().is_err(), "nobody was there to take it");
    let options = std::fs::read_to_string(server.folder().join("data/postmaster.opts")).unwrap();
    let options = options.split_once(' ').unwrap().1.replace('"', "'");
    control(server.folder(), &["-o", options.trim(), "start"]);
    insert(&store, 11).await.unwrap();
    let row = sqlx::query("SELECT COUNT(*) FROM entry WHERE id <> 10")
        .fetch_one(store.read())
        .await
        .unwrap();
    assert_eq!(row.get::<i64, _>(0), 11);
}
