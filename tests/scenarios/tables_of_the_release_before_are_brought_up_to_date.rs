//! The tables of the release before, on either engine: a newer process brings them up to date, the
//! processes of that release that still run go on with them, and one that starts later refuses.

use liaison_store::sql::Engine;
use liaison_store::testing::database_on;
use liaison_store::{Schema, Store, StoreError};
use sqlx::Row as _;

/// How many scripts of each component the release before had, and the first octets of the SHA-256
/// of all of them: a released script is never edited.
const RELEASED: [(&str, usize, &str); 8] = [
    ("relay", 1, "d5be9bde75487dc4"),
    ("keys", 1, "d0b92813ca1b033d"),
    ("mailbox", 1, "654c451313a7d46d"),
    ("outbound", 2, "cf73c0949f789c18"),
    ("tracking", 1, "e741bebbc882d90a"),
    ("hospital", 1, "406ddafc71e2b8db"),
    ("reports", 1, "9e5fe941eaf804e6"),
    ("directory", 1, "d76c49a8c2d2d63d"),
];

fn schemas() -> Vec<Schema> {
    let mut schemas = liaison_relay::SCHEMAS.to_vec();
    schemas.extend(liaison_gateway::SCHEMAS);
    schemas.extend(liaison_directory::SCHEMAS);
    schemas
}

/// What the release before had of each component that it had.
fn released() -> Vec<Schema> {
    RELEASED
        .iter()
        .map(|(component, scripts, _)| {
            let now = schemas()
                .into_iter()
                .find(|schema| schema.component == *component)
                .unwrap_or_else(|| panic!("{component} is gone"));
            Schema {
                component,
                migrations: &now.migrations[..*scripts],
            }
        })
        .collect()
}

#[test]
fn no_released_script_was_edited() {
    let found: Vec<_> = released()
        .iter()
        .map(|schema| {
            let text = schema.migrations.concat();
            let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
            let hex: String = digest.as_ref()[..8]
                .iter()
                .map(|octet| format!("{octet:02x}"))
                .collect();
            (schema.component, schema.migrations.len(), hex)
        })
        .collect();
    let expected: Vec<_> = RELEASED
        .iter()
        .map(|(component, scripts, hex)| (*component, *scripts, (*hex).to_owned()))
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn tables_of_the_release_before_are_brought_up_to_date() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let folder = tempfile::tempdir().unwrap();
        let database = database_on(engine, folder.path().join("site.db"));
        let before = Store::open(&database, &released()).await.unwrap();
        draft(&before, "before").await.unwrap();

        let now = Store::open(&database, &schemas()).await.unwrap();
        draft(&before, "meanwhile")
            .await
            .expect("the older process goes on");
        let rows = sqlx::query("SELECT envelope, token FROM draft ORDER BY envelope")
            .fetch_all(now.read())
            .await
            .unwrap();
        let found: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(
            found,
            [("before".to_owned(), 0), ("meanwhile".to_owned(), 0)],
            "{engine:?}"
        );

        let refused = Store::open(&database, &released()).await.unwrap_err();
        assert!(
            matches!(refused, StoreError::Newer { .. }),
            "{engine:?}: {refused}"
        );
        assert!(refused.to_string().contains("run the newer release"));
    }
}

/// As the release before wrote it.
async fn draft(store: &Store, envelope: &'static str) -> Result<(), StoreError> {
    store
        .write(move |tx| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO draft (envelope, urgency, created_at, attempts, next_attempt_at,
                                        held, content)
                     VALUES ($1, 1, 0, 0, 0, 0, $2)",
                )
                .bind(envelope)
                .bind(vec![0_u8; 3])
                .execute(tx)
                .await?;
                Ok(())
            })
        })
        .await
}
