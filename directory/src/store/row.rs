//! From rows to listings and relays, and the words that stand for kinds.

use liaison_base::clock::from_millis;
use liaison_directory_client::{
    EntryKind, Finess, Host, Mailbox, MailboxKind, PublishedCertificate, Purpose, RelayEndpoint,
    Rpps,
};
use liaison_mail::{Address, Domain};
use liaison_store::StoreError;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::entry::{ListedMailbox, Listing};

/// The listings of rows of `directory_entry`, with their mailboxes and certificates.
pub(super) async fn complete(
    connection: &mut AnyConnection,
    rows: &[AnyRow],
) -> Result<Vec<Listing>, StoreError> {
    let mut listings = Vec::with_capacity(rows.len());
    for row in rows {
        let id: String = row.try_get("id")?;
        let mailboxes = mailboxes(connection, &id).await?;
        listings.push(Listing {
            kind: kind_of(&row.try_get::<String, _>("kind")?)?,
            name: row.try_get("name")?,
            activity: row.try_get("activity")?,
            rpps: row
                .try_get::<Option<String>, _>("rpps")?
                .map(|text| Rpps::parse(&text).map_err(|_| StoreError::Row("an RPPS number")))
                .transpose()?,
            finess: row
                .try_get::<Option<String>, _>("finess")?
                .map(|text| Finess::parse(&text).map_err(|_| StoreError::Row("a FINESS number")))
                .transpose()?,
            organisation: row.try_get("organisation")?,
            town: row.try_get("town")?,
            mailboxes,
            id,
        });
    }
    Ok(listings)
}

async fn mailboxes(
    connection: &mut AnyConnection,
    entry: &str,
) -> Result<Vec<ListedMailbox>, StoreError> {
    let rows = sqlx::query(
        "SELECT m.address, m.kind, m.purposes,
                c.sha256, c.der, c.valid_from, c.valid_until, c.revoked_at
         FROM directory_mailbox m
         LEFT JOIN directory_certificate c ON c.address_key = m.address_key
         WHERE m.entry = $1 ORDER BY m.position, c.position",
    )
    .bind(entry)
    .fetch_all(connection)
    .await?;
    let mut mailboxes: Vec<ListedMailbox> = Vec::new();
    for row in &rows {
        let address = Address::parse(&row.try_get::<String, _>("address")?)
            .map_err(|_| StoreError::Row("a mail address"))?;
        // The rows of one mailbox, one for each of its certificates, follow each other.
        if mailboxes
            .last()
            .is_none_or(|last| last.mailbox.address != address)
        {
            mailboxes.push(ListedMailbox {
                mailbox: Mailbox {
                    address,
                    kind: mailbox_of(&row.try_get::<String, _>("kind")?)?,
                    purposes: row
                        .try_get::<String, _>("purposes")?
                        .split_whitespace()
                        .map(|word| Purpose::parse(word).map_err(|_| StoreError::Row("a purpose")))
                        .collect::<Result<_, _>>()?,
                },
                certificates: Vec::new(),
            });
        }
        if let Some(sha256) = row.try_get::<Option<String>, _>("sha256")?
            && let Some(last) = mailboxes.last_mut()
        {
            last.certificates.push(PublishedCertificate {
                der: row.try_get("der")?,
                sha256,
                valid_from: from_millis(row.try_get("valid_from")?),
                valid_until: from_millis(row.try_get("valid_until")?),
                revoked_at: row
                    .try_get::<Option<i64>, _>("revoked_at")?
                    .map(from_millis),
            });
        }
    }
    Ok(mailboxes)
}

/// The relay of a row of `directory_relay`, with its domains.
pub(super) async fn relay(
    connection: &mut AnyConnection,
    row: &AnyRow,
) -> Result<RelayEndpoint, StoreError> {
    let domain: String = row.try_get("domain")?;
    let domains =
        sqlx::query("SELECT domain FROM directory_relay_domain WHERE relay = $1 ORDER BY position")
            .bind(&domain)
            .fetch_all(connection)
            .await?;
    let parsed = |text: String| Domain::parse(&text).map_err(|_| StoreError::Row("a domain"));
    Ok(RelayEndpoint {
        domain: parsed(domain)?,
        server_name: parsed(row.try_get("server_name")?)?,
        host: Host::parse(&row.try_get::<String, _>("host")?)
            .map_err(|_| StoreError::Row("a relay's host"))?,
        port: u16::try_from(row.try_get::<i64, _>("port")?)
            .map_err(|_| StoreError::Row("a relay's port"))?,
        serves: domains
            .iter()
            .map(|row| parsed(row.try_get(0)?))
            .collect::<Result<_, _>>()?,
    })
}

/// The word that stands for a kind of entry.
pub(super) fn kind_word(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Person => "person",
        EntryKind::Organisation => "organisation",
        EntryKind::Service => "service",
    }
}

/// The word that stands for a type of mailbox.
pub(super) fn mailbox_word(kind: MailboxKind) -> &'static str {
    match kind {
        MailboxKind::Per => "PER",
        MailboxKind::Org => "ORG",
        MailboxKind::App => "APP",
        MailboxKind::Cab => "CAB",
    }
}

fn kind_of(word: &str) -> Result<EntryKind, StoreError> {
    match word {
        "person" => Ok(EntryKind::Person),
        "organisation" => Ok(EntryKind::Organisation),
        "service" => Ok(EntryKind::Service),
        _ => Err(StoreError::Row("the kind of an entry")),
    }
}

fn mailbox_of(word: &str) -> Result<MailboxKind, StoreError> {
    match word {
        "PER" => Ok(MailboxKind::Per),
        "ORG" => Ok(MailboxKind::Org),
        "APP" => Ok(MailboxKind::App),
        "CAB" => Ok(MailboxKind::Cab),
        _ => Err(StoreError::Row("the type of a mailbox")),
    }
}
