//! A queue that the release before has left, with a delivery cut off in the middle, is brought up
//! to date and carried on. What that release took is known again.

use crate::territory;

use liaison_store::{Schema, Store, StoreError};
use territory::{Territory, envelope, hand_over, sealed};

/// SHA-256 of `local`, a line end and the envelope's identifier: how the release before knew what
/// its gateway had handed over.
const SAME: [&str; 2] = [
    "c814e43e012e916e1d620bc8ad2705e2149923f7e1a1f2e35726ed82faf44356",
    "f94d318039ae5f63c3cd3833efcfda830fd5fd8eca0b521d0d355f5a24747137",
];

#[tokio::test]
async fn a_queue_of_the_release_before_is_carried_on() {
    let territory = Territory::new();
    let mut home = territory.site("ehpad.test");
    let before = Schema {
        component: "relay",
        migrations: &liaison_relay::SCHEMAS[0].migrations[..1],
    };
    let store = Store::open(&home.settings.database, &[before])
        .await
        .unwrap();
    for (id, state) in [(1_i64, "queued"), (2, "active")] {
        let body = sealed("n1", 2000).to_vec();
        store
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query(
                        "INSERT INTO relay_message (id, origin, speaks_for, envelope_id, named,
                             reverse_path, ret, urgency, size, accepted_at)
                         VALUES ($1, '', '', $2, 1, 'avis@ehpad.test', 'HDRS', 1, 2000,
                                 1795000000000)",
                    )
                    .bind(id)
                    .bind(format!("n{id}"))
                    .execute(&mut *tx)
                    .await?;
                    sqlx::query("INSERT INTO relay_body (message, octets) VALUES ($1, $2)")
                        .bind(id)
                        .bind(body)
                        .execute(&mut *tx)
                        .await?;
                    sqlx::query(
                        "INSERT INTO relay_recipient (id, message, sameness, address, address_key,
                             domain, notify, urgency, state, attempts, next_attempt_at,
                             lease_until, delay_told)
                         VALUES ($1, $1, $2, 'ide@ehpad.test', 'ide@ehpad.test', 'ehpad.test',
                                 'NEVER', 1, $3, $1 - 1, 0, 9000000000000, 0)",
                    )
                    .bind(id)
                    .bind(SAME[usize::try_from(id - 1).unwrap()])
                    .bind(state)
                    .execute(tx)
                    .await?;
                    Ok::<_, StoreError>(())
                })
            })
            .await
            .unwrap();
    }
    store.close().await;

    let relay = home.start().await;
    let mut arrived = Vec::new();
    for _ in 0..2 {
        let arrival = home.gateway.arrival().await;
        assert!(
            arrival
                .message
                .whole()
                .unwrap()
                .ends_with(&sealed("n1", 2000))
        );
        arrived.push(arrival.envelope.id.to_string());
    }
    arrived.sort();
    assert_eq!(arrived, ["n1", "n2"]);
    // The gateway had not heard the answer, and asks again.
    for id in ["n1", "n2"] {
        let again = envelope(id, "avis@ehpad.test", &["IDE@ehpad.test"]);
        hand_over(&relay, again, sealed(id, 2000)).await;
    }
    hand_over(
        &relay,
        envelope("n3", "", &["ide@ehpad.test"]),
        sealed("n3", 100),
    )
    .await;
    assert_eq!(home.gateway.arrival().await.envelope.id.as_str(), "n3");
    home.stop(relay).await;
}
