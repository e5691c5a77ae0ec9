//! A queue of a million: how soon it serves, and what it costs those that pass.

use std::path::Path;

use liaison_store::{Location, Store, StoreError};
use sqlx::AssertSqlSafe;

use crate::load::{self, Carried, Load};
use crate::material::Material;
use crate::{Pair, liaison};

/// Messages that wait, for this many destinations.
const MESSAGES: u64 = 1_000_000;
const DESTINATIONS: u64 = 1_000;
/// Rows a commit while the queue is filled.
const AT_ONCE: u64 = 20_000;
/// Runs with and without, in turn.
const RUNS: usize = 3;

pub(crate) fn run(material: &Material) {
    let mut relays = liaison::start(material);
    let before = rate(material, &mut relays);
    println!("filling the queue with {MESSAGES} messages of 2 KB for {DESTINATIONS} destinations");
    let started = relays.restart_first(fill);
    println!(
        "a queue of {MESSAGES} serves after {:.2} s (aim 5)",
        started.as_secs_f64()
    );
    let after = rate(material, &mut relays);
    println!(
        "2 KB at 10 connections: {before:.0} a second before, {after:.0} with them: {:.1} % less (aim 10)",
        (1.0 - after / before) * 100.0
    );
}

/// The median of a few runs.
fn rate(material: &Material, pair: &mut dyn Pair) -> f64 {
    let load = Load {
        size: 2_000,
        connections: 10,
        count: 6_000,
    };
    load::run(material, pair, &Load { count: 200, ..load });
    let mut rates: Vec<f64> = (0..RUNS)
        .map(|_| {
            let carried: Carried = load::run(material, pair, &load);
            carried.rate(carried.delivered)
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates[RUNS / 2]
}

/// Rows as the relay writes them: each was tried once, and waits for its next try in an hour.
fn fill(database: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(
            Location::Sqlite(database.to_owned()),
            liaison_relay::SCHEMAS,
        )
        .await
        .unwrap();
        let mut from = 0;
        while from < MESSAGES {
            let to = (from + AT_ONCE).min(MESSAGES);
            let made = store.write(move |tx| Box::pin(async move { rows(tx, from, to).await }));
            made.await.unwrap();
            from = to;
        }
        store.close().await;
    });
}

/// Far above the numbers of rows that the relay has given out.
const FIRST: u64 = 100_000_000;

async fn rows(tx: &mut sqlx::AnyConnection, from: u64, to: u64) -> Result<(), StoreError> {
    let numbers = format!(
        "WITH RECURSIVE numbers (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {to})"
    );
    let due = time::OffsetDateTime::now_utc().unix_timestamp() * 1000 + 3_600_000;
    let accepted = due - 7_200_000;
    for statement in [
        format!(
            "INSERT INTO relay_message (id, origin, speaks_for, envelope_id, named, reverse_path,
                                        ret, urgency, message_id, trace, size, eight_bit,
                                        require_tls, accepted_at)
             {numbers} SELECT {FIRST} + n, '', '', 'waits.' || n, 1, 'a@waits.test', 'HDRS', 1,
                              'waits.' || n || '@waits.test', '', 2000, 0, 0, {accepted}
                       FROM numbers"
        ),
        format!(
            "INSERT INTO relay_body (message, octets)
             {numbers} SELECT {FIRST} + n, randomblob(2000) FROM numbers"
        ),
        format!(
            "INSERT INTO relay_recipient (id, message, sameness, address, domain, notify, urgency,
                                          state, attempts, next_attempt_at, claimed_at,
                                          lease_until, token, delay_told, reply, line, position)
             {numbers} SELECT {FIRST} + n, {FIRST} + n, randomblob(16),
                              'b@' || (n % {DESTINATIONS}) || '.waits.test',
                              (n % {DESTINATIONS}) || '.waits.test', 'FAILURE', 1, 'deferred', 1,
                              {due}, 0, 0, 0, 0, '451 4.4.1 no answer', randomblob(16),
                              {FIRST} + n
                       FROM numbers"
        ),
        format!(
            "INSERT INTO relay_history (recipient, began_at, at, state, attempt, reply)
             {numbers} SELECT {FIRST} + n, {accepted}, {accepted}, 'deferred', 1,
                              '451 4.4.1 no answer'
                       FROM numbers"
        ),
    ] {
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut *tx)
            .await?;
    }
    Ok(())
}
