//! A catalogue in place of everything.

use liaison_base::clock::millis;
use liaison_directory_client::{Finess, Purpose, RelayEndpoint, Rpps};
use liaison_store::StoreError;
use sqlx::AnyConnection;

use super::row::{kind_word, mailbox_word};
use super::search::search_text;
use crate::entry::{Catalogue, Listing};

/// Puts `catalogue` in place of everything.
pub(crate) async fn replace(
    tx: &mut AnyConnection,
    catalogue: &Catalogue,
) -> Result<(), StoreError> {
    for statement in [
        "DELETE FROM directory_certificate",
        "DELETE FROM directory_mailbox",
        "DELETE FROM directory_entry",
        "DELETE FROM directory_relay_domain",
        "DELETE FROM directory_relay",
        "DELETE FROM directory_facts",
    ] {
        sqlx::query(statement).execute(&mut *tx).await?;
    }
    let facts = &catalogue.facts;
    sqlx::query(
        "INSERT INTO directory_facts (only_row, title, source, as_of, demonstration)
         VALUES (1, $1, $2, $3, $4)",
    )
    .bind(&facts.title)
    .bind(&facts.source)
    .bind(millis(facts.as_of))
    .bind(i64::from(facts.demonstration))
    .execute(&mut *tx)
    .await?;
    for (listing, position) in catalogue.listings.iter().zip(0_i64..) {
        insert_listing(tx, listing, position).await?;
    }
    for relay in &catalogue.relays {
        insert_relay(tx, relay).await?;
    }
    Ok(())
}

async fn insert_listing(
    tx: &mut AnyConnection,
    listing: &Listing,
    position: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO directory_entry
             (id, position, kind, name, activity, rpps, finess, organisation, town, search_text)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(&listing.id)
    .bind(position)
    .bind(kind_word(listing.kind))
    .bind(&listing.name)
    .bind(&listing.activity)
    .bind(listing.rpps.as_ref().map(Rpps::as_str))
    .bind(listing.finess.as_ref().map(Finess::as_str))
    .bind(&listing.organisation)
    .bind(&listing.town)
    .bind(search_text(listing))
    .execute(&mut *tx)
    .await?;
    for (listed, position) in listing.mailboxes.iter().zip(0_i64..) {
        let mailbox = &listed.mailbox;
        let key = mailbox.address.key();
        let purposes: Vec<_> = mailbox.purposes.iter().map(Purpose::as_str).collect();
        sqlx::query(
            "INSERT INTO directory_mailbox (address_key, address, entry, position, kind, purposes)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&key)
        .bind(mailbox.address.to_string())
        .bind(&listing.id)
        .bind(position)
        .bind(mailbox_word(mailbox.kind))
        .bind(purposes.join(" "))
        .execute(&mut *tx)
        .await?;
        for (certificate, position) in listed.certificates.iter().zip(0_i64..) {
            sqlx::query(
                "INSERT INTO directory_certificate
                     (address_key, sha256, position, der, valid_from, valid_until, revoked_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(&key)
            .bind(&certificate.sha256)
            .bind(position)
            .bind(&certificate.der)
            .bind(millis(certificate.valid_from))
            .bind(millis(certificate.valid_until))
            .bind(certificate.revoked_at.map(millis))
            .execute(&mut *tx)
            .await?;
        }
    }
    Ok(())
}

async fn insert_relay(tx: &mut AnyConnection, relay: &RelayEndpoint) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO directory_relay (domain, server_name, host, port) VALUES ($1, $2, $3, $4)",
    )
    .bind(relay.domain.as_str())
    .bind(relay.server_name.as_str())
    .bind(relay.host.to_string())
    .bind(i64::from(relay.port))
    .execute(&mut *tx)
    .await?;
    for (domain, position) in relay.serves.iter().zip(0_i64..) {
        sqlx::query(
            "INSERT INTO directory_relay_domain (domain, relay, position) VALUES ($1, $2, $3)",
        )
        .bind(domain.as_str())
        .bind(relay.domain.as_str())
        .bind(position)
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}
