//! Drafts with a recipient whom a person has to choose: listed, released, dropped.

use liaison_base::clock::from_millis;
use liaison_directory_client::Query;
use liaison_mail::{Address, EnvelopeId};
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::draft::{Draft, Drafts, Loop};
use crate::GatewayError;
use crate::desk::HeldDraft;
use crate::hospital::held::Released;
use crate::tracking::{Ledger, State};

impl Drafts {
    /// Drafts that wait for a person, oldest first.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be read.
    pub(crate) async fn held(&self) -> Result<Vec<HeldDraft>, GatewayError> {
        let rows = sqlx::query(
            "SELECT envelope, created_at, content FROM draft WHERE held = 1 ORDER BY created_at",
        )
        .fetch_all(self.store().read())
        .await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            let draft = self.open_row(&row)?;
            let held = sqlx::query(
                "SELECT wanted, detail FROM tracked_recipient
                 WHERE envelope = $1 AND state = $2 ORDER BY position",
            )
            .bind(draft.envelope.as_str())
            .bind(State::Held.rank())
            .fetch_all(self.store().read())
            .await?;
            let (mut recipients, mut reasons) = (Vec::new(), Vec::new());
            for row in held {
                recipients.push(row.try_get("wanted")?);
                reasons.push(row.try_get("detail")?);
            }
            let (title, number) = match &draft.closed_loop {
                Loop::Closed {
                    kind,
                    number,
                    title,
                } => (if title.is_empty() { kind } else { title }, number),
                Loop::Open => continue,
            };
            found.push(HeldDraft {
                envelope: draft.envelope.clone(),
                since: from_millis(row.try_get("created_at")?),
                title: title.clone(),
                number: number.clone(),
                recipients,
                reasons,
            });
        }
        Ok(found)
    }

    /// Sends a held draft to those of its recipients who were held, as a message of its own: the
    /// others have it.
    ///
    /// # Errors
    /// [`GatewayError`]; it stays held then.
    pub(crate) async fn release_held(
        &self,
        envelope: &EnvelopeId,
        to: Option<Address>,
        now: OffsetDateTime,
    ) -> Result<Released, GatewayError> {
        let (this, envelope) = (self.clone(), envelope.clone());
        let released = self
            .store()
            .write(move |tx| {
                Box::pin(async move {
                    let Some(mut draft) = this.load_held(tx, &envelope).await? else {
                        return Ok(Released::Unknown);
                    };
                    let positions = held_positions(tx, &envelope).await?;
                    let mut wanted = Vec::new();
                    for position in &positions {
                        let slot = usize::try_from(*position)
                            .ok()
                            .and_then(|at| draft.wanted.get(at));
                        if let Some(mut one) = slot.cloned() {
                            if let Some(to) = &to {
                                one.query = Query::address(to.clone());
                            }
                            wanted.push(one);
                        }
                        let why = (*position, State::Cancelled, "released in another envelope");
                        Ledger::stopped(tx, &envelope, why, now).await?;
                    }
                    Self::erase_held(tx, &envelope).await?;
                    if wanted.is_empty() {
                        return Ok(Released::NoLongerHolds);
                    }
                    let count = wanted.len();
                    draft.wanted = wanted;
                    draft.envelope = EnvelopeId::fresh();
                    this.insert(tx, &draft, now).await?;
                    Ok::<_, GatewayError>(Released::Leaving(count))
                })
            })
            .await?;
        self.wake();
        Ok(released)
    }

    /// Erases a held draft. False when there is none.
    ///
    /// # Errors
    /// [`GatewayError`]; it stays held then.
    pub(crate) async fn drop_held(
        &self,
        envelope: &EnvelopeId,
        now: OffsetDateTime,
    ) -> Result<bool, GatewayError> {
        let (this, envelope) = (self.clone(), envelope.clone());
        self.store()
            .write(move |tx| {
                Box::pin(async move {
                    if this.load_held(tx, &envelope).await?.is_none() {
                        return Ok(false);
                    }
                    for position in held_positions(tx, &envelope).await? {
                        let why = (position, State::Cancelled, "dropped by a person");
                        Ledger::stopped(tx, &envelope, why, now).await?;
                    }
                    Self::erase_held(tx, &envelope).await?;
                    Ok::<_, GatewayError>(true)
                })
            })
            .await
    }

    async fn load_held(
        &self,
        tx: &mut AnyConnection,
        envelope: &EnvelopeId,
    ) -> Result<Option<Draft>, GatewayError> {
        let row =
            sqlx::query("SELECT envelope, content FROM draft WHERE envelope = $1 AND held = 1")
                .bind(envelope.as_str())
                .fetch_optional(tx)
                .await?;
        row.map(|row| self.open_row(&row)).transpose()
    }

    fn open_row(&self, row: &sqlx::any::AnyRow) -> Result<Draft, GatewayError> {
        let envelope: String = row.try_get("envelope")?;
        let sealed: Vec<u8> = row.try_get("content")?;
        let plain = self.key().open(&envelope, &sealed)?;
        serde_json::from_slice(&plain).map_err(|_| GatewayError::Stored("draft"))
    }
}

async fn held_positions(
    tx: &mut AnyConnection,
    envelope: &EnvelopeId,
) -> Result<Vec<i64>, GatewayError> {
    Ok(sqlx::query_scalar(
        "SELECT position FROM tracked_recipient WHERE envelope = $1 AND state = $2 ORDER BY position",
    )
    .bind(envelope.as_str())
    .bind(State::Held.rank())
    .fetch_all(tx)
    .await?)
}
