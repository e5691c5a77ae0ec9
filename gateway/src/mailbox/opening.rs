//! Openings: a tracked message was read by somebody for the first time.
//!
//! *Opened by a program* is less than *taken charge by a person* (DESIGN §1.6); the row says which
//! account read it and when, and tracking turns it into a receipt. Rows stay until tracking has
//! durably taken them over.

use liaison_base::clock::from_millis;
use liaison_mail::Address;
use sqlx::{AnyConnection, AnyPool, Row as _};
use time::OffsetDateTime;

use super::{MailboxError, Mailboxes};

/// A tracked message was read for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The opaque token given with [`super::Filing::tracked`].
    pub token: String,
    /// The mailbox in which it was read.
    pub mailbox: Address,
    /// The user name of the account that read it.
    pub account: String,
    /// When.
    pub at: OffsetDateTime,
}

impl Mailboxes {
    /// The openings that tracking has not yet taken over, oldest first, at most `most`.
    ///
    /// # Errors
    /// [`MailboxError::Store`].
    pub async fn openings(&self, most: u32) -> Result<Vec<Opening>, MailboxError> {
        read(self.0.store.read(), most).await
    }

    /// Deletes an opening within the transaction that takes it over; false when another process
    /// has taken it over already.
    ///
    /// # Errors
    /// [`MailboxError::Store`].
    pub async fn delete_opening(
        tx: &mut AnyConnection,
        opening: &Opening,
    ) -> Result<bool, MailboxError> {
        let deleted = sqlx::query("DELETE FROM opening WHERE token = $1 AND mailbox = $2")
            .bind(&opening.token)
            .bind(opening.mailbox.key())
            .execute(tx)
            .await?;
        Ok(deleted.rows_affected() > 0)
    }
}

async fn read(pool: &AnyPool, most: u32) -> Result<Vec<Opening>, MailboxError> {
    let rows = sqlx::query("SELECT token, mailbox, account, at FROM opening ORDER BY at LIMIT $1")
        .bind(i64::from(most))
        .fetch_all(pool)
        .await?;
    rows.into_iter()
        .map(|row| {
            let mailbox: String = row.try_get(1)?;
            Ok(Opening {
                token: row.try_get(0)?,
                mailbox: Address::parse(&mailbox)
                    .map_err(|_| MailboxError::Row("the mailbox of an opening"))?,
                account: row.try_get(2)?,
                at: from_millis(row.try_get(3)?),
            })
        })
        .collect()
}

/// Records the first reading of a message, if it is tracked and was not read before. Says whether
/// there is a new opening.
pub(super) async fn record(
    tx: &mut AnyConnection,
    mailbox: &str,
    content: &str,
    account: &str,
    at: i64,
) -> Result<bool, MailboxError> {
    let row = sqlx::query(
        "SELECT tracked FROM content
         WHERE mailbox = $1 AND content = $2 AND tracked IS NOT NULL",
    )
    .bind(mailbox)
    .bind(content)
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(false) };
    let token: String = row.try_get(0)?;
    sqlx::query(
        "INSERT INTO opening (token, mailbox, account, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (token, mailbox) DO NOTHING",
    )
    .bind(token)
    .bind(mailbox)
    .bind(account)
    .bind(at)
    .execute(&mut *tx)
    .await?;
    sqlx::query("UPDATE content SET tracked = NULL WHERE mailbox = $1 AND content = $2")
        .bind(mailbox)
        .bind(content)
        .execute(tx)
        .await?;
    Ok(true)
}
