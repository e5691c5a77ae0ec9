//! Notices that wait for a person's decision: kept sealed, told to the ward, listed, released or
//! dropped.

use std::fmt::Write as _;

use liaison_base::clock::{from_millis, millis};
use liaison_mail::EnvelopeId;
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::feed::{Effects, Feed, Parts};
use crate::GatewayError;
use crate::notices::explain::named;
use crate::notices::recipients::{Around, audience};
use crate::notices::{CareCircle, Episode, HoldReason, Kind, Planned};
use crate::notifications::Held;

/// A held decision, for whoever has to release it. It names no patient.
#[derive(Clone, Debug)]
pub struct HeldNotice {
    /// What names it in `release` and `drop`.
    pub id: String,
    /// Since when.
    pub since: OffsetDateTime,
    /// Why.
    pub reason: String,
    /// The hospital's own number of the stay.
    pub visit: String,
    /// The kinds of notice, in French.
    pub kinds: Vec<String>,
    /// Who would be told: role and RPPS, FINESS or address.
    pub recipients: Vec<String>,
}

/// What became of a held decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// So many notices leave.
    Leaving(usize),
    /// Cancelled, or another patient's meanwhile: nothing leaves.
    NoLongerHolds,
    /// Still nobody to tell is known: it stays held.
    StillNobody,
    /// There is none of that name.
    Unknown,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Content {
    visit: String,
    notices: Vec<Planned>,
}

impl Feed {
    /// What waits for a person, oldest first.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be read.
    pub async fn held(&self) -> Result<Vec<HeldNotice>, GatewayError> {
        let rows =
            sqlx::query("SELECT id, held_at, reason, content FROM held_notice ORDER BY held_at")
                .fetch_all(self.0.store.read())
                .await?;
        rows.iter()
            .map(|row| {
                let content = self.0.open_held(&row.try_get::<Vec<u8>, _>("content")?)?;
                let recipients = content
                    .notices
                    .iter()
                    .flat_map(|planned| &planned.recipients);
                let mut recipients: Vec<String> = recipients
                    .map(|to| format!("{} {}", to.role.label(), named(&to.target)))
                    .collect();
                recipients.dedup();
                Ok(HeldNotice {
                    id: row.try_get("id")?,
                    since: from_millis(row.try_get("held_at")?),
                    reason: row.try_get("reason")?,
                    visit: content.visit,
                    kinds: labels(&content.notices),
                    recipients,
                })
            })
            .collect()
    }

    /// Lets a held decision leave, if it still holds. One that lacked recipients is addressed
    /// anew; one held because the stay changed its patient says that a person checked it.
    ///
    /// # Errors
    /// [`GatewayError`]; it stays held then.
    pub async fn release_held(&self, id: &str) -> Result<Released, GatewayError> {
        let id = id.to_owned();
        self.act(self.0.clock.now(), move |parts, tx, effects| {
            Box::pin(async move { parts.release_held(tx, &id, effects).await })
        })
        .await
    }

    /// Drops a held decision: nobody is told. False when there is none of that name.
    ///
    /// # Errors
    /// [`GatewayError`]; it stays held then.
    pub async fn drop_held(&self, id: &str) -> Result<bool, GatewayError> {
        let id = id.to_owned();
        self.0
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let gone = sqlx::query("DELETE FROM held_notice WHERE id = $1")
                        .bind(id)
                        .execute(tx)
                        .await?;
                    Ok::<_, GatewayError>(gone.rows_affected() > 0)
                })
            })
            .await
    }
}

impl Parts {
    /// Keeps notices for a person's decision, and tells the ward.
    pub(super) async fn hold(
        &self,
        tx: &mut AnyConnection,
        (episode, reason): (&Episode, HoldReason),
        notices: &[Planned],
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let content = Content {
            visit: episode.key.visit.clone(),
            notices: notices.to_vec(),
        };
        let plain = serde_json::to_vec(&content)
            .map_err(|_| GatewayError::Stored("held notices to be written"))?;
        let id = EnvelopeId::fresh();
        sqlx::query(
            "INSERT INTO held_notice (id, held_at, reason, episode_key, content)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(id.as_str())
        .bind(millis(now))
        .bind(reason.to_string())
        .bind(self.episodes.key_of(&episode.key))
        .bind(self.key.seal("held", &plain)?)
        .execute(&mut *tx)
        .await?;
        let held = Held {
            // A storm is told once an hour, not once a notice.
            id: match reason {
                HoldReason::Storm => format!("storm:{}", millis(now) / 3_600_000),
                _ => id.to_string(),
            },
            command: id.as_str(),
            reason: reason.words(),
            visit: &episode.key.visit,
            labels: labels(notices).join(", "),
        };
        let notice = self.notifications.held(&self.sender, &held, now).await?;
        notice.file(tx).await?;
        Ok(())
    }

    async fn release_held(
        &self,
        tx: &mut AnyConnection,
        id: &str,
        effects: &mut Effects,
    ) -> Result<Released, GatewayError> {
        let now = effects.now;
        let row = sqlx::query("SELECT episode_key, reason, content FROM held_notice WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else {
            return Ok(Released::Unknown);
        };
        let key: Option<Vec<u8>> = row.try_get("episode_key")?;
        let reason: String = row.try_get("reason")?;
        let content = self.open_held(&row.try_get::<Vec<u8>, _>("content")?)?;
        let stay = match key {
            Some(key) => self.episodes.load(tx, &key).await?,
            None => None,
        };
        let Some(mut episode) = stay else {
            return Ok(Released::NoLongerHolds);
        };
        if reason == HoldReason::PatientChanged.to_string() {
            episode.accept_patient();
        }
        if reason == HoldReason::NotToNotify.to_string() {
            episode.accept_recipients();
        }
        let mut leaving = Vec::new();
        for mut planned in content.notices {
            if !planned.still_holds(&episode) {
                continue;
            }
            if planned.recipients.is_empty() {
                let circle = self.circle_around(tx, &episode, None).await?;
                self.address(&mut planned, &episode, &circle);
            }
            leaving.push(planned);
        }
        if !leaving.is_empty() && leaving.iter().all(|planned| planned.recipients.is_empty()) {
            return Ok(Released::StillNobody);
        }
        sqlx::query("DELETE FROM held_notice WHERE id = $1")
            .bind(id)
            .execute(&mut *tx)
            .await?;
        let count = leaving.len();
        for planned in leaving {
            let at_once = Some(millis(now));
            self.issue(tx, &mut episode, (planned, at_once), effects)
                .await?;
        }
        self.episodes.save(tx, &episode, now).await?;
        Ok(match count {
            0 => Released::NoLongerHolds,
            count => Released::Leaving(count),
        })
    }

    /// Finds recipients for a notice that had none.
    fn address(&self, planned: &mut Planned, episode: &Episode, circle: &CareCircle) {
        if matches!(planned.kind, Kind::Cancellation { .. }) {
            return;
        }
        let around = Around::of(circle, episode);
        let found = audience(&planned.statement, episode, &around, &self.rules);
        planned.recipients = found.recipients;
        planned.missing = found.missing;
    }

    fn open_held(&self, sealed: &[u8]) -> Result<Content, GatewayError> {
        let plain = self.key.open("held", sealed)?;
        let unreadable = |_| GatewayError::Stored("held notice");
        // Those of before notices were held with their stay: a list of notices.
        if plain.starts_with(b"[") {
            return Ok(Content {
                visit: String::new(),
                notices: serde_json::from_slice(&plain).map_err(unreadable)?,
            });
        }
        serde_json::from_slice(&plain).map_err(unreadable)
    }
}

fn labels(notices: &[Planned]) -> Vec<String> {
    let mut labels: Vec<String> = notices
        .iter()
        .map(|planned| {
            let mut label = match planned.kind {
                Kind::Cancellation { .. } => planned.kind.label(),
                _ => planned.statement.label(),
            }
            .to_owned();
            if let (Kind::Cancellation { of }, _) = (planned.kind, &planned.earlier) {
                let _ = write!(label, " de l'avis n° {of}");
            }
            label
        })
        .collect();
    labels.dedup();
    labels
}
