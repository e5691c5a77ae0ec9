//! One message of the feed to its commit.

use std::sync::Arc;

use liaison_base::civil::legal_time;
use liaison_base::clock::{Clock, millis};
use liaison_directory_client::Query;
use liaison_hl7::adt::AdtEvent;
use liaison_mail::{Address, EnvelopeId, MessageId, Urgency};
use liaison_store::{Schema, Store};
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use crate::GatewayError;
use crate::keys::{SealingKey, Vault};
use crate::notices::{
    Calendar, CareCircle, Decision, Delivery, Episode, EpisodeKey, ExpectedReply, HoldReason,
    Hospital, Notice, NoticeNumber, Planned, Target, Urgency as NoticeUrgency, decide,
};
use crate::notifications::{Held, Notifications};
use crate::outbound::{Content, Draft, Drafts, Loop, Wanted};

/// The tables of the feed in the gateway's database.
pub const SCHEMA: Schema = Schema {
    component: "hospital",
    migrations: &[include_str!("0001_hospital.sql")],
};

/// Takes messages of a hospital's feed. Copies share it.
#[derive(Clone)]
pub struct Feed(Arc<Parts>);

struct Parts {
    store: Store,
    key: Arc<SealingKey>,
    drafts: Drafts,
    notifications: Notifications,
    circle: CareCircle,
    calendar: Calendar,
    hospital: Hospital,
    sender: Address,
    clock: Arc<dyn Clock>,
}

/// What a message came to, for the log: no patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// `notices`, `no notice: …` or `held: …`.
    pub outcome: String,
    /// How many drafts were made.
    pub drafts: usize,
}

impl Feed {
    /// A feed whose notices leave from `sender`.
    pub fn new(
        store: Store,
        vault: &Vault,
        (drafts, notifications): (Drafts, Notifications),
        (hospital, circle, sender): (Hospital, CareCircle, Address),
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Parts {
            store,
            key: vault.purpose("hospital feed"),
            drafts,
            notifications,
            circle,
            calendar: Calendar::default(),
            hospital,
            sender,
            clock,
        }))
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// Makes a message and all that follows from it durable in one commit. Once this returns, the
    /// message may be acknowledged.
    ///
    /// # Errors
    /// [`GatewayError`]: a fault of ours; nothing was kept and nothing may be acknowledged.
    pub async fn take(&self, event: AdtEvent, raw: Vec<u8>) -> Result<Taken, GatewayError> {
        let parts = Arc::clone(&self.0);
        let now = self.0.clock.now();
        let taken = self
            .0
            .store
            .write(move |tx| Box::pin(async move { parts.commit(tx, &event, &raw, now).await }))
            .await?;
        if taken.drafts > 0 {
            self.0.drafts.wake();
        }
        self.0.notifications.wake(&self.0.sender);
        Ok(taken)
    }
}

impl Parts {
    async fn commit(
        &self,
        tx: &mut AnyConnection,
        event: &AdtEvent,
        raw: &[u8],
        now: OffsetDateTime,
    ) -> Result<Taken, GatewayError> {
        let taken = match Episode::begin(event) {
            Some(fresh) => {
                let key = self.key_of(&fresh.key);
                let mut episode = self.load(tx, &key).await?.unwrap_or(fresh);
                let decision = decide(&episode, event, &self.circle, &self.calendar);
                episode.absorb(event);
                let taken = self.follow(tx, &mut episode, decision, now).await?;
                self.save(tx, &key, &episode, now).await?;
                taken
            }
            // About a person alone (A31, A40): kept, nobody is told.
            None => Taken {
                outcome: "no notice: not about a stay".to_owned(),
                drafts: 0,
            },
        };
        self.keep(tx, (event, raw), &taken, now).await?;
        Ok(taken)
    }

    /// Turns a decision into drafts.
    async fn follow(
        &self,
        tx: &mut AnyConnection,
        episode: &mut Episode,
        decision: Decision,
        now: OffsetDateTime,
    ) -> Result<Taken, GatewayError> {
        let planned = match decision {
            Decision::NoNotice(silence) => {
                return Ok(Taken {
                    outcome: format!("no notice: {silence}"),
                    drafts: 0,
                });
            }
            Decision::Held {
                reason, notices, ..
            } => {
                self.hold(tx, (&episode.key, reason), &notices, now).await?;
                return Ok(Taken {
                    outcome: format!("held: {reason}"),
                    drafts: 0,
                });
            }
            Decision::Notices(planned) => planned,
            // A notice is handed over as soon as its draft is durable, so none is ever still
            // waiting to be withdrawn in silence.
            Decision::Correction { notices, .. } => notices,
        };
        let mut drafts = 0;
        for planned in &planned {
            let number = match planned.needs_number() {
                true => next_number(tx, legal_time(now).date()).await?,
                // The new version of a notice keeps its number.
                false => NoticeNumber::new(legal_time(now).date(), 0),
            };
            for notice in planned.issue(number, &self.hospital) {
                let draft = self.draft(&notice)?;
                self.drafts.insert(tx, &draft, now).await?;
                drafts += 1;
            }
            episode.record(planned, number, Delivery::HandedOver);
        }
        Ok(Taken {
            outcome: "notices".to_owned(),
            drafts,
        })
    }

    fn draft(&self, notice: &Notice) -> Result<Draft, GatewayError> {
        let message_id = self.message_id((notice.number, notice.version), &notice.target)?;
        let follows = notice
            .follows
            .map(|earlier| self.message_id(earlier, &notice.target))
            .transpose()?;
        Ok(Draft {
            envelope: EnvelopeId::fresh(),
            message_id,
            from: self.sender.clone(),
            wanted: vec![Wanted {
                label: format!("{} {}", notice.role.label(), target_text(&notice.target)),
                query: Query {
                    by: notice.target.clone(),
                    purpose: None,
                },
            }],
            urgency: match notice.urgency {
                NoticeUrgency::Info => Urgency::Info,
                NoticeUrgency::Normal => Urgency::Normal,
                NoticeUrgency::Urgent => Urgency::Urgent,
            },
            closed_loop: Loop::Closed {
                kind: "notice".to_owned(),
                number: notice.number.to_string(),
                title: notice.kind.label().to_owned(),
            },
            content: Content::Text {
                subject: notice.subject.clone(),
                text: notice.text.clone(),
                in_reply_to: follows,
                ask_receipt: notice.expected_reply != ExpectedReply::Nothing,
            },
        })
    }

    /// The identifier of a notice for one recipient: number, version and a keyed digest of the
    /// recipient, so that a correction cites exactly what that recipient got.
    fn message_id(
        &self,
        (number, version): (NoticeNumber, u32),
        target: &Target,
    ) -> Result<MessageId, GatewayError> {
        use std::fmt::Write as _;
        let tag = self.key.tag("recipient", target_text(target).as_bytes());
        let mut who = String::new();
        for byte in tag.iter().take(6) {
            let _ = write!(who, "{byte:02x}");
        }
        let text = format!("avis-{number}.v{version}.{who}@{}", self.sender.domain());
        Ok(MessageId::parse(&text)?)
    }

    fn key_of(&self, key: &EpisodeKey) -> Vec<u8> {
        let text = format!("{}\n{}", key.facility, key.visit);
        self.key.tag("episode", text.as_bytes())
    }

    async fn load(
        &self,
        tx: &mut AnyConnection,
        key: &[u8],
    ) -> Result<Option<Episode>, GatewayError> {
        let row = sqlx::query("SELECT content FROM episode WHERE episode_key = $1")
            .bind(key.to_vec())
            .fetch_optional(tx)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let plain = self.key.open("episode", &row.try_get::<Vec<u8>, _>(0)?)?;
        let episode =
            serde_json::from_slice(&plain).map_err(|_| GatewayError::Stored("episode"))?;
        Ok(Some(episode))
    }

    async fn save(
        &self,
        tx: &mut AnyConnection,
        key: &[u8],
        episode: &Episode,
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let plain = serde_json::to_vec(episode)
            .map_err(|_| GatewayError::Stored("episode to be written"))?;
        sqlx::query(
            "INSERT INTO episode (episode_key, changed_at, content) VALUES ($1, $2, $3)
             ON CONFLICT (episode_key) DO UPDATE
             SET changed_at = excluded.changed_at, content = excluded.content",
        )
        .bind(key.to_vec())
        .bind(millis(now))
        .bind(self.key.seal("episode", &plain)?)
        .execute(tx)
        .await?;
        Ok(())
    }

    async fn hold(
        &self,
        tx: &mut AnyConnection,
        (stay, reason): (&EpisodeKey, HoldReason),
        notices: &[Planned],
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let plain = serde_json::to_vec(notices)
            .map_err(|_| GatewayError::Stored("held notices to be written"))?;
        let id = EnvelopeId::fresh();
        sqlx::query(
            "INSERT INTO held_notice (id, held_at, reason, content) VALUES ($1, $2, $3, $4)",
        )
        .bind(id.as_str())
        .bind(millis(now))
        .bind(reason.to_string())
        .bind(self.key.seal("held", &plain)?)
        .execute(&mut *tx)
        .await?;
        let mut labels: Vec<_> = notices.iter().map(|planned| planned.kind.label()).collect();
        labels.dedup();
        let held = Held {
            id: id.as_str(),
            reason: reason.words(),
            visit: &stay.visit,
            labels: labels.join(", "),
        };
        let notice = self.notifications.held(&self.sender, &held, now).await?;
        notice.file(tx).await?;
        Ok(())
    }

    async fn keep(
        &self,
        tx: &mut AnyConnection,
        (event, raw): (&AdtEvent, &[u8]),
        taken: &Taken,
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let id = EnvelopeId::fresh();
        sqlx::query(
            "INSERT INTO feed_message (id, received_at, trigger_event, outcome, content)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(id.as_str())
        .bind(millis(now))
        .bind(event.trigger.as_str())
        .bind(&taken.outcome)
        .bind(self.key.seal("message", raw)?)
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// The next number of a day, from 1, without gaps among committed notices.
async fn next_number(
    tx: &mut AnyConnection,
    day: time::Date,
) -> Result<NoticeNumber, GatewayError> {
    let row = sqlx::query(
        "INSERT INTO notice_number (day, last) VALUES ($1, 1)
         ON CONFLICT (day) DO UPDATE SET last = notice_number.last + 1
         RETURNING last",
    )
    .bind(day.to_string())
    .fetch_one(tx)
    .await?;
    let last: i64 = row.try_get(0)?;
    let sequence = u32::try_from(last).map_err(|_| GatewayError::Stored("notice number"))?;
    Ok(NoticeNumber::new(day, sequence))
}

/// RPPS, FINESS or address of a target, as text.
fn target_text(target: &Target) -> String {
    match target {
        Target::Address(address) => address.to_string(),
        Target::Rpps(rpps) => format!("RPPS {}", rpps.as_str()),
        Target::Finess(finess) => format!("FINESS {}", finess.as_str()),
    }
}
