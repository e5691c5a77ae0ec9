//! The table of stays: sealed, found by keyed digests of the visit and of the patient.

use std::sync::Arc;

use liaison_base::clock::millis;
use liaison_store::sql::{locking, one_at_a_time};
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use crate::GatewayError;
use crate::keys::SealingKey;
use crate::notices::{Episode, EpisodeKey};

/// Reads and writes stays within the caller's transaction.
#[derive(Clone)]
pub(super) struct Episodes {
    key: Arc<SealingKey>,
}

impl Episodes {
    pub(super) fn new(key: Arc<SealingKey>) -> Self {
        Self { key }
    }

    /// The digest of a visit.
    pub(super) fn key_of(&self, key: &EpisodeKey) -> Vec<u8> {
        let text = format!("{}\n{}", key.facility, key.visit);
        self.key.tag("episode", text.as_bytes())
    }

    fn patient_key(&self, facility: &str, ipp: &str) -> Vec<u8> {
        let text = format!("{facility}\n{ipp}");
        self.key.tag("patient", text.as_bytes())
    }

    /// A stay, by the digest of its visit.
    pub(super) async fn load(
        &self,
        tx: &mut AnyConnection,
        key: &[u8],
    ) -> Result<Option<Episode>, GatewayError> {
        one_at_a_time(tx, key).await?;
        let row = sqlx::query("SELECT content FROM episode WHERE episode_key = $1")
            .bind(key.to_vec())
            .fetch_optional(&mut *tx)
            .await?;
        row.map(|row| self.read(&row.try_get::<Vec<u8>, _>(0)?))
            .transpose()
    }

    /// Every stay of a patient number, oldest change first.
    pub(super) async fn of_patient(
        &self,
        tx: &mut AnyConnection,
        (facility, ipp): (&str, &str),
    ) -> Result<Vec<Episode>, GatewayError> {
        let text = "SELECT content FROM episode WHERE patient_key = $1 ORDER BY changed_at
                    FOR UPDATE";
        sqlx::query(locking(tx, text))
            .bind(self.patient_key(facility, ipp))
            .fetch_all(tx)
            .await?
            .iter()
            .map(|row| self.read(&row.try_get::<Vec<u8>, _>(0)?))
            .collect()
    }

    /// The newest stays of a patient number, newest change first, at most eight: a patient of
    /// séances has hundreds.
    pub(super) async fn newest_of_patient(
        &self,
        tx: &mut AnyConnection,
        (facility, ipp): (&str, &str),
    ) -> Result<Vec<Episode>, GatewayError> {
        sqlx::query(
            "SELECT content FROM episode WHERE patient_key = $1 ORDER BY changed_at DESC LIMIT 8",
        )
        .bind(self.patient_key(facility, ipp))
        .fetch_all(tx)
        .await?
        .iter()
        .map(|row| self.read(&row.try_get::<Vec<u8>, _>(0)?))
        .collect()
    }

    pub(super) async fn save(
        &self,
        tx: &mut AnyConnection,
        episode: &Episode,
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let plain = serde_json::to_vec(episode)
            .map_err(|_| GatewayError::Stored("episode to be written"))?;
        sqlx::query(
            "INSERT INTO episode (episode_key, patient_key, changed_at, content)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (episode_key) DO UPDATE
             SET patient_key = excluded.patient_key, changed_at = excluded.changed_at,
                 content = excluded.content",
        )
        .bind(self.key_of(&episode.key))
        .bind(self.patient_key(&episode.key.facility, &episode.person.ipp))
        .bind(millis(now))
        .bind(self.key.seal("episode", &plain)?)
        .execute(tx)
        .await?;
        Ok(())
    }

    fn read(&self, sealed: &[u8]) -> Result<Episode, GatewayError> {
        let plain = self.key.open("episode", sealed)?;
        serde_json::from_slice(&plain).map_err(|_| GatewayError::Stored("episode"))
    }
}
