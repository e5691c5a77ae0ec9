//! Two processes on one PostgreSQL database: each finds what the other has committed, and neither
//! keeps the other from its work.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use liaison_base::clock::{Clock as _, ManualClock, millis};
use liaison_store::sql::{Engine, locking};
use liaison_store::testing::database_on;
use liaison_store::{Location, Schema, Store, StoreError, Word};
use sqlx::Row as _;
use time::macros::datetime;

const SCHEMA: Schema = Schema {
    component: "example",
    migrations: &["CREATE TABLE task (
             id INTEGER PRIMARY KEY,
             name TEXT NOT NULL UNIQUE,
             holder TEXT,
             body BLOB
         );
         CREATE TABLE tally (name TEXT PRIMARY KEY, count BIGINT NOT NULL)"],
};

/// A failing test ends.
const PATIENCE: Duration = Duration::from_secs(30);

async fn two() -> (Store, Store, tempfile::TempDir, Location) {
    let folder = tempfile::tempdir().unwrap();
    let database = database_on(Engine::Postgres, folder.path().join("example.db"));
    let (one, other) = tokio::join!(
        Store::open(&database, &[SCHEMA]),
        Store::open(&database, &[SCHEMA])
    );
    (one.unwrap(), other.unwrap(), folder, database)
}

/// Inserts a task unless there is one of that name; true when it is new.
async fn insert_once(store: &Store, name: String) -> Result<bool, StoreError> {
    store
        .write(move |tx| {
            Box::pin(async move {
                let known = sqlx::query("SELECT 1 FROM task WHERE name = $1")
                    .bind(&name)
                    .fetch_optional(&mut *tx)
                    .await?;
                if known.is_some() {
                    return Ok(false);
                }
                sqlx::query("INSERT INTO task (name, body) VALUES ($1, $2)")
                    .bind(&name)
                    .bind(None::<Vec<u8>>)
                    .execute(tx)
                    .await?;
                Ok(true)
            })
        })
        .await
}

#[tokio::test]
async fn what_two_processes_insert_at_once_is_inserted_once() {
    let (one, other, _folder, _) = two().await;
    let mut tries = Vec::new();
    for name in 0..100 {
        for store in [&one, &other] {
            let store = store.clone();
            tries.push(tokio::spawn(async move {
                insert_once(&store, format!("task {name}")).await.unwrap()
            }));
        }
    }
    let mut new = 0;
    for one in tries {
        new += usize::from(one.await.unwrap());
    }
    assert_eq!(new, 100);
}

#[tokio::test]
async fn locks_taken_in_opposite_orders_end_well() {
    let (one, other, _folder, _) = two().await;
    let count = |store: &Store, names: [&'static str; 2]| {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .write(move |tx| {
                    Box::pin(async move {
                        for name in names {
                            sqlx::query(
                                "INSERT INTO tally (name, count) VALUES ($1, 1)
                                 ON CONFLICT (name) DO UPDATE SET count = tally.count + 1",
                            )
                            .bind(name)
                            .execute(&mut *tx)
                            .await?;
                        }
                        Ok::<_, StoreError>(())
                    })
                })
                .await
        })
    };
    let mut tries = Vec::new();
    for _ in 0..50 {
        tries.push(count(&one, ["a", "b"]));
        tries.push(count(&other, ["b", "a"]));
    }
    for one in tries {
        one.await.unwrap().unwrap();
    }
    let rows = sqlx::query("SELECT count FROM tally")
        .fetch_all(one.read())
        .await
        .unwrap();
    let counts: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        counts,
        [100, 100],
        "each was counted once, whatever was run again"
    );
}

#[tokio::test]
async fn each_task_is_claimed_by_one() {
    let (one, other, _folder, _) = two().await;
    for name in 0..200 {
        insert_once(&one, format!("task {name}")).await.unwrap();
    }
    let claim = |store: Store| {
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            loop {
                let ids: Vec<i64> = store
                    .write(|tx| {
                        Box::pin(async move {
                            let text = locking(
                                tx,
                                "UPDATE task SET holder = 'me' WHERE id IN (
                                     SELECT id FROM task WHERE holder IS NULL
                                     ORDER BY id LIMIT 7 FOR UPDATE SKIP LOCKED)
                                 RETURNING id",
                            );
                            let rows = sqlx::query(text).fetch_all(tx).await?;
                            Ok::<_, StoreError>(rows.iter().map(|row| row.get(0)).collect())
                        })
                    })
                    .await
                    .unwrap();
                if ids.is_empty() {
                    return claimed;
                }
                claimed.extend(ids);
            }
        })
    };
    let (mine, theirs) = tokio::join!(claim(one), claim(other));
    let (mine, theirs) = (mine.unwrap(), theirs.unwrap());
    let all: HashSet<i64> = mine.iter().chain(&theirs).copied().collect();
    assert_eq!(all.len(), 200);
    assert_eq!(mine.len() + theirs.len(), 200, "claimed twice");
}

#[tokio::test]
async fn a_word_reaches_the_others_and_not_oneself() {
    let (one, other, _folder, _) = two().await;
    let (mut mine, mut theirs) = (one.news(), other.news());
    let heard = tokio::time::timeout(PATIENCE, async {
        loop {
            // Until the listener has connected, words are lost.
            one.tell("drafts");
            tokio::select! {
                word = theirs.next() => return word,
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
    });
    assert_eq!(heard.await.unwrap(), Word::Said("drafts".into()));
    other.tell("answer");
    let answer = tokio::time::timeout(PATIENCE, mine.next()).await.unwrap();
    assert_eq!(
        answer,
        Word::Said("answer".into()),
        "its own words came back"
    );
}

#[tokio::test]
async fn a_holder_is_alive_until_its_patience_ends() {
    let (one, other, _folder, _) = two().await;
    let clock = ManualClock::at(datetime!(2026-11-22 12:00 UTC));
    let patience = Duration::from_secs(40);
    let holder = one
        .enter("worker", Arc::new(clock.clone()), patience)
        .await
        .unwrap();
    let second = other
        .enter("worker", Arc::new(clock.clone()), patience)
        .await
        .unwrap();
    assert_ne!(holder.name(), second.name());
    let alive = async || {
        let row = sqlx::query("SELECT COUNT(*) FROM lease_holder WHERE alive_until >= $1")
            .bind(millis(clock.now()))
            .fetch_one(one.read())
            .await
            .unwrap();
        row.get::<i64, _>(0)
    };
    assert_eq!(alive().await, 2);
    clock.advance(patience + Duration::from_secs(1));
    assert_eq!(alive().await, 0, "nobody has said anything since");
}

#[tokio::test]
async fn a_sqlite_file_has_one_worker_a_role() {
    let folder = tempfile::tempdir().unwrap();
    let database = database_on(Engine::Sqlite, folder.path().join("example.db"));
    let clock = Arc::new(ManualClock::at(datetime!(2026-11-22 12:00 UTC)));
    let one = Store::open(&database, &[SCHEMA]).await.unwrap();
    let other = Store::open(&database, &[SCHEMA]).await.unwrap();
    let second = Duration::from_secs(1);
    let holder = one.enter("relay", clock.clone(), second).await.unwrap();
    let refused = other.enter("relay", clock.clone(), second).await;
    assert!(matches!(refused, Err(StoreError::Busy(_))));
    other.enter("gateway", clock.clone(), second).await.unwrap();
    drop(holder);
    other.enter("relay", clock, second).await.unwrap();
}
