//! The tables, and the statements on them.

use liaison_base::clock::{from_millis, millis};
use liaison_directory_client::{
    EntryKind, Finess, Host, Mailbox, MailboxKind, PublishedCertificate, Purpose, RelayEndpoint,
    Rpps,
};
use liaison_mail::{Address, Domain};
use liaison_store::{Schema, StoreError};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};

use crate::entry::{Catalogue, Facts, ListedMailbox, Listing};

/// The directory's tables.
pub(crate) const SCHEMA: Schema = Schema {
    component: "directory",
    migrations: &[include_str!("../migrations/0001_entries.sql")],
};

/// How many words of a search are used; more do not make it more precise.
const SEARCH_WORDS: usize = 4;

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

/// Everything, or `None` when nothing was ever imported.
pub(crate) async fn catalogue(
    connection: &mut AnyConnection,
) -> Result<Option<Catalogue>, StoreError> {
    let Some(facts) = facts(connection).await? else {
        return Ok(None);
    };
    let rows = sqlx::query("SELECT * FROM directory_entry ORDER BY position")
        .fetch_all(&mut *connection)
        .await?;
    let listings = complete(connection, &rows).await?;
    let rows = sqlx::query("SELECT * FROM directory_relay ORDER BY domain")
        .fetch_all(&mut *connection)
        .await?;
    let mut relays = Vec::with_capacity(rows.len());
    for row in &rows {
        relays.push(relay(connection, row).await?);
    }
    Ok(Some(Catalogue {
        facts,
        listings,
        relays,
    }))
}

/// What is said of the whole, or `None` when nothing was ever imported.
pub(crate) async fn facts(connection: &mut AnyConnection) -> Result<Option<Facts>, StoreError> {
    let row = sqlx::query("SELECT title, source, as_of, demonstration FROM directory_facts")
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok(Facts {
            title: row.try_get(0)?,
            source: row.try_get(1)?,
            as_of: from_millis(row.try_get(2)?),
            demonstration: row.try_get::<i64, _>(3)? != 0,
        })
    })
    .transpose()
}

/// The listing with that identifier.
pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    id: &str,
) -> Result<Option<Listing>, StoreError> {
    let rows = sqlx::query("SELECT * FROM directory_entry WHERE id = $1")
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
    Ok(complete(connection, &rows).await?.pop())
}

/// The listing that owns a mailbox.
pub(crate) async fn by_address(
    connection: &mut AnyConnection,
    address: &Address,
) -> Result<Option<Listing>, StoreError> {
    let rows = sqlx::query(
        "SELECT e.* FROM directory_entry e JOIN directory_mailbox m ON m.entry = e.id
         WHERE m.address_key = $1",
    )
    .bind(address.key())
    .fetch_all(&mut *connection)
    .await?;
    Ok(complete(connection, &rows).await?.pop())
}

/// Every listing with that RPPS number, at most `limit`.
pub(crate) async fn by_rpps(
    connection: &mut AnyConnection,
    rpps: &Rpps,
    limit: i64,
) -> Result<Vec<Listing>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM directory_entry WHERE rpps = $1 ORDER BY position LIMIT $2")
            .bind(rpps.as_str())
            .bind(limit)
            .fetch_all(&mut *connection)
            .await?;
    complete(connection, &rows).await
}

/// Every listing with that FINESS number, at most `limit`.
pub(crate) async fn by_finess(
    connection: &mut AnyConnection,
    finess: &Finess,
    limit: i64,
) -> Result<Vec<Listing>, StoreError> {
    let rows =
        sqlx::query("SELECT * FROM directory_entry WHERE finess = $1 ORDER BY position LIMIT $2")
            .bind(finess.as_str())
            .bind(limit)
            .fetch_all(&mut *connection)
            .await?;
    complete(connection, &rows).await
}

/// The services of an organisation, at most `limit`.
pub(crate) async fn services_of(
    connection: &mut AnyConnection,
    organisation: &str,
    limit: i64,
) -> Result<Vec<Listing>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM directory_entry WHERE organisation = $1 AND kind = 'service'
         ORDER BY position LIMIT $2",
    )
    .bind(organisation)
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    complete(connection, &rows).await
}

/// The listings whose name, activity, town, identifiers or addresses hold every word of `text`,
/// in the order of their names, at most `limit`. Case and accents do not matter; an empty text
/// finds everybody.
pub(crate) async fn search(
    connection: &mut AnyConnection,
    text: &str,
    limit: i64,
) -> Result<Vec<Listing>, StoreError> {
    let folded = fold(text);
    let mut words = folded.split_whitespace().map(contains);
    let mut patterns: [String; SEARCH_WORDS] = Default::default();
    patterns.fill_with(|| words.next().unwrap_or_else(|| "%".to_owned()));
    let [first, second, third, fourth] = patterns;
    let rows = sqlx::query(
        r"SELECT * FROM directory_entry
          WHERE search_text LIKE $1 ESCAPE '\' AND search_text LIKE $2 ESCAPE '\'
            AND search_text LIKE $3 ESCAPE '\' AND search_text LIKE $4 ESCAPE '\'
          ORDER BY search_text, id LIMIT $5",
    )
    .bind(first)
    .bind(second)
    .bind(third)
    .bind(fourth)
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    complete(connection, &rows).await
}

/// The relay that serves `domain`.
pub(crate) async fn relay_of(
    connection: &mut AnyConnection,
    domain: &Domain,
) -> Result<Option<RelayEndpoint>, StoreError> {
    let row = sqlx::query(
        "SELECT r.* FROM directory_relay r JOIN directory_relay_domain d ON d.relay = r.domain
         WHERE d.domain = $1",
    )
    .bind(domain.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    match row {
        Some(row) => relay(connection, &row).await.map(Some),
        None => Ok(None),
    }
}

/// The relay whose certificate bears `server_name`.
pub(crate) async fn relay_named(
    connection: &mut AnyConnection,
    server_name: &Domain,
) -> Result<Option<RelayEndpoint>, StoreError> {
    let row = sqlx::query("SELECT * FROM directory_relay WHERE server_name = $1")
        .bind(server_name.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    match row {
        Some(row) => relay(connection, &row).await.map(Some),
        None => Ok(None),
    }
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

/// The listings of rows of `directory_entry`, with their mailboxes and certificates.
async fn complete(
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

async fn relay(connection: &mut AnyConnection, row: &AnyRow) -> Result<RelayEndpoint, StoreError> {
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

/// What a search looks in, folded; the name first, so that it also sorts by name.
fn search_text(listing: &Listing) -> String {
    let mut text = listing.name.clone();
    let mut add = |part: &str| {
        text.push(' ');
        text.push_str(part);
    };
    listing.activity.as_deref().map(&mut add);
    listing.town.as_deref().map(&mut add);
    listing.rpps.as_ref().map(Rpps::as_str).map(&mut add);
    listing.finess.as_ref().map(Finess::as_str).map(&mut add);
    for listed in &listing.mailboxes {
        add(&listed.mailbox.address.to_string());
    }
    fold(&text)
}

/// A text without the capitals and accents of French, so that « lefevre » finds « LEFÈVRE ».
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.chars().flat_map(char::to_lowercase) {
        match letter {
            'à' | 'â' | 'ä' => folded.push('a'),
            'ç' => folded.push('c'),
            'é' | 'è' | 'ê' | 'ë' => folded.push('e'),
            'î' | 'ï' => folded.push('i'),
            'ô' | 'ö' => folded.push('o'),
            'ù' | 'û' | 'ü' => folded.push('u'),
            'ÿ' => folded.push('y'),
            'ñ' => folded.push('n'),
            'œ' => folded.push_str("oe"),
            'æ' => folded.push_str("ae"),
            '-' | '\'' | '’' => folded.push(' '),
            other => folded.push(other),
        }
    }
    folded
}

/// The LIKE pattern for a text that holds `word` literally.
fn contains(word: &str) -> String {
    let mut pattern = String::from("%");
    for letter in word.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

fn kind_word(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Person => "person",
        EntryKind::Organisation => "organisation",
        EntryKind::Service => "service",
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

fn mailbox_word(kind: MailboxKind) -> &'static str {
    match kind {
        MailboxKind::Per => "PER",
        MailboxKind::Org => "ORG",
        MailboxKind::App => "APP",
        MailboxKind::Cab => "CAB",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_makes_spellings_of_one_name_equal() {
        assert_eq!(fold("LEFÈVRE-ESSAI Hélène"), "lefevre essai helene");
        assert_eq!(fold("Œuvre d’Açaï"), "oeuvre d acai");
    }

    #[test]
    fn a_searched_word_is_taken_literally() {
        assert_eq!(contains(r"50%_\"), r"%50\%\_\\%");
    }
}
