//! One message of the feed to its commit.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use liaison_base::civil::legal_time;
use liaison_base::clock::{Clock, millis};
use liaison_hl7::adt::AdtEvent;
use liaison_mail::{Address, EnvelopeId};
use liaison_store::{Schema, Store, WorkFuture};
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;
use tokio::sync::Notify;

use super::episodes::Episodes;
use crate::GatewayError;
use crate::keys::{SealingKey, Vault};
use crate::notices::identity::{self, Reach};
use crate::notices::{
    CareCircle, Decision, Delivery, Episode, EpisodeKey, HoldReason, NoticeNumber, Origin, Planned,
    Rules, Urgency, Withdrawal, first, take,
};
use crate::notifications::Notifications;
use crate::outbound::Drafts;

/// The tables of the feed in the gateway's database.
pub const SCHEMA: Schema = Schema {
    component: "hospital",
    migrations: &[
        include_str!("0001_hospital.sql"),
        include_str!("0002_waiting.sql"),
        include_str!("0003_circle.sql"),
        include_str!("0004_letter.sql"),
        include_str!("0005_http.sql"),
        include_str!("0006_answers.sql"),
        include_str!("0007_back.sql"),
    ],
};

/// The window in which a storm is counted, in milliseconds.
const STORM_WINDOW: i64 = 5 * 60 * 1000;

/// Takes messages of a hospital's feed. Copies share it.
#[derive(Clone)]
pub struct Feed(pub(super) Arc<Parts>);

pub(super) struct Parts {
    pub(super) store: Store,
    pub(super) key: Arc<SealingKey>,
    pub(super) episodes: Episodes,
    pub(super) drafts: Drafts,
    pub(super) notifications: Notifications,
    pub(super) circle: CareCircle,
    pub(super) rules: Rules,
    pub(super) sender: Address,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether the hospital's system is told what becomes of its messages.
    pub(super) tells_back: bool,
    /// Told when a notice begins to wait.
    pub(super) waiting: Notify,
    recent: Mutex<VecDeque<i64>>,
}

/// What a message came to, for the log: no patient data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// `notices`, `no notice: …` or `held: …`.
    pub outcome: String,
    /// How many notices leave, now or after their wait.
    pub notices: usize,
}

impl Feed {
    /// A feed whose notices leave from `sender`.
    pub fn new(
        store: Store,
        vault: &Vault,
        (drafts, notifications): (Drafts, Notifications),
        (rules, circle, sender): (Rules, CareCircle, Address),
        clock: Arc<dyn Clock>,
    ) -> Self {
        let key = vault.purpose("hospital feed");
        Self(Arc::new(Parts {
            store,
            episodes: Episodes::new(Arc::clone(&key)),
            key,
            drafts,
            notifications,
            circle,
            rules,
            sender,
            clock,
            tells_back: false,
            waiting: Notify::new(),
            recent: Mutex::default(),
        }))
    }

    /// Keeps which message each notice came from, so that its system can be told what became of
    /// it. To be called before the feed is shared.
    #[must_use]
    pub fn telling_back(mut self) -> Self {
        if let Some(parts) = Arc::get_mut(&mut self.0) {
            parts.tells_back = true;
        }
        self
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
        self.act(self.0.clock.now(), move |parts, tx, effects| {
            Box::pin(async move { parts.commit(tx, (&event, &raw), effects).await })
        })
        .await
    }

    /// Does one thing: it is durable when this returns, and those whom it concerns are awake.
    pub(super) async fn act<T, W>(&self, now: OffsetDateTime, work: W) -> Result<T, GatewayError>
    where
        T: Send + 'static,
        W: for<'c> FnOnce(
                Arc<Parts>,
                &'c mut AnyConnection,
                &'c mut Effects,
            ) -> WorkFuture<'c, T, GatewayError>
            + Clone
            + Send
            + 'static,
    {
        let parts = Arc::clone(&self.0);
        let (done, effects) = self
            .0
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let mut effects = Effects::at(now);
                    let done = work(parts, tx, &mut effects).await?;
                    Ok::<_, GatewayError>((done, effects))
                })
            })
            .await?;
        self.0.wake(&effects);
        Ok(done)
    }
}

/// What has to be woken once a transaction is committed.
pub(super) struct Effects {
    /// When it all happens.
    pub(super) now: OffsetDateTime,
    pub(super) drafts: usize,
    pub(super) waiting: usize,
    pub(super) told_ward: bool,
}

impl Effects {
    pub(super) fn at(now: OffsetDateTime) -> Self {
        Self {
            now,
            drafts: 0,
            waiting: 0,
            told_ward: false,
        }
    }
}

impl Parts {
    pub(super) fn wake(&self, effects: &Effects) {
        if effects.drafts > 0 {
            self.drafts.wake();
        }
        if effects.waiting > 0 {
            self.waiting.notify_one();
        }
        if effects.told_ward {
            self.notifications.wake(&self.sender);
        }
    }

    /// Everything that follows from one event, in the transaction of the caller.
    pub(super) async fn commit(
        &self,
        tx: &mut AnyConnection,
        (event, raw): (&AdtEvent, &[u8]),
        effects: &mut Effects,
    ) -> Result<Taken, GatewayError> {
        let now = effects.now;
        let mut taken = Taken {
            outcome: "no notice: about no known stay".to_owned(),
            notices: 0,
        };
        let origin = Origin {
            control_id: event.control_id.clone(),
            application: event.application.clone(),
            facility: event.facility.clone(),
        };
        for mut episode in self.concerned(tx, event).await? {
            let circle = self.circle_around(tx, &episode, Some(event)).await?;
            if let Some(decision) = first(&mut episode, event, &circle, &self.rules) {
                self.follow(tx, &mut episode, (decision, &origin), effects)
                    .await?;
            }
            let before = episode.person.ins.clone();
            let decision = take(&mut episode, event, &circle, &self.rules);
            let one = self
                .follow(tx, &mut episode, (decision, &origin), effects)
                .await?;
            if before.is_some() && episode.person.ins.is_none() {
                self.forget_ins(tx, &episode, before.as_deref()).await?;
            }
            taken.outcome = one.outcome;
            taken.notices += one.notices;
            self.episodes.save(tx, &episode, now).await?;
        }
        self.keep(tx, (event.trigger.as_str(), raw), &taken, now)
            .await?;
        Ok(taken)
    }

    /// The stays that an event is about.
    async fn concerned(
        &self,
        tx: &mut AnyConnection,
        event: &AdtEvent,
    ) -> Result<Vec<Episode>, GatewayError> {
        let reach = identity::reach(event);
        let numbers: Vec<&String> = match &reach {
            Reach::Visit => {
                let Some(key) = EpisodeKey::of(event) else {
                    return Ok(Vec::new());
                };
                let known = self.episodes.load(tx, &self.episodes.key_of(&key)).await?;
                if let Some(known) = known {
                    return Ok(vec![known]);
                }
                return Ok(vec![self.begin(tx, key, event).await?]);
            }
            Reach::Patients(numbers) => numbers.iter().collect(),
            Reach::Dossier { ipp, .. } => vec![ipp],
            Reach::Unknown => Vec::new(),
        };
        let mut found: Vec<Episode> = Vec::new();
        for ipp in numbers {
            let stays = self.episodes.of_patient(tx, (&event.facility, ipp)).await?;
            for stay in stays {
                let known = found.iter().any(|known| known.key == stay.key);
                if !known && reach.includes(&stay) {
                    found.push(stay);
                }
            }
        }
        if let Some(key) = identity::key_of_move(event).filter(|_| found.is_empty()) {
            let known = self.episodes.load(tx, &self.episodes.key_of(&key)).await?;
            if known.is_none() {
                found.push(self.begin(tx, key, event).await?);
            }
        }
        Ok(found)
    }

    /// A stay of which nothing was heard yet, with those who were told in the last ones.
    async fn begin(
        &self,
        tx: &mut AnyConnection,
        key: EpisodeKey,
        event: &AdtEvent,
    ) -> Result<Episode, GatewayError> {
        let mut episode = Episode::begin_at(key, event);
        let patient = (event.facility.as_str(), event.patient.ipp.as_str());
        let earlier = self.episodes.newest_of_patient(tx, patient).await?;
        episode.carry_over(&earlier, event);
        Ok(episode)
    }

    /// Turns a decision into notices that leave, wait or are held.
    pub(super) async fn follow(
        &self,
        tx: &mut AnyConnection,
        episode: &mut Episode,
        (decision, origin): (Decision, &Origin),
        effects: &mut Effects,
    ) -> Result<Taken, GatewayError> {
        let now = effects.now;
        let (withdrawn, mut leaving, held) = match decision {
            Decision::NoNotice(silence) => {
                return Ok(Taken {
                    outcome: format!("no notice: {silence}"),
                    notices: 0,
                });
            }
            Decision::Notices(notices) => (Vec::new(), notices, None),
            Decision::Correction { withdrawn, notices } => (withdrawn, notices, None),
            Decision::Held {
                reason,
                withdrawn,
                leaving,
                notices,
            } => (withdrawn, leaving, Some((reason, notices))),
        };
        let due = self.withdraw(tx, episode, &withdrawn).await?;
        for planned in &mut leaving {
            planned.origin = Some(origin.clone());
        }
        let mut outcome = if leaving.is_empty() && held.is_none() {
            "withdrawn before it left".to_owned()
        } else {
            "notices".to_owned()
        };
        let held = match held {
            None if self.is_storm(leaving.len(), &leaving, now) => {
                Some((HoldReason::Storm, std::mem::take(&mut leaving)))
            }
            held => held,
        };
        let notices = leaving.len();
        for planned in leaving {
            self.issue(tx, episode, (planned, due), effects).await?;
        }
        if let Some((reason, mut notices)) = held {
            for planned in &mut notices {
                planned.origin = Some(origin.clone());
            }
            self.hold(tx, (episode, reason), &notices, now).await?;
            effects.told_ward = true;
            outcome = format!("held: {reason}");
        }
        Ok(Taken { outcome, notices })
    }

    /// Takes back what waits. Gives the earliest moment at which one of them was to leave: what
    /// takes its place leaves then, so that a stream of corrections delays nothing for ever.
    async fn withdraw(
        &self,
        tx: &mut AnyConnection,
        episode: &mut Episode,
        withdrawn: &[Withdrawal],
    ) -> Result<Option<i64>, GatewayError> {
        let mut due: Option<i64> = None;
        for withdrawal in withdrawn {
            let row = sqlx::query("DELETE FROM waiting_notice WHERE number = $1 RETURNING due_at")
                .bind(withdrawal.number.to_string())
                .fetch_optional(&mut *tx)
                .await?;
            if let Some(row) = row {
                let at: i64 = row.try_get(0)?;
                due = Some(due.map_or(at, |due| due.min(at)));
            }
            episode.mark_withdrawn(withdrawal.number);
        }
        Ok(due)
    }

    /// Numbers a notice and lets it leave, at once or after its wait.
    pub(super) async fn issue(
        &self,
        tx: &mut AnyConnection,
        episode: &mut Episode,
        (planned, due): (Planned, Option<i64>),
        effects: &mut Effects,
    ) -> Result<(), GatewayError> {
        let now = effects.now;
        let local = legal_time(now);
        let number = match planned.needs_number() {
            true => next_number(tx, local.date()).await?,
            // The new version of a notice keeps its number.
            false => NoticeNumber::new(local.date(), 0),
        };
        let wait = self.rules.wait_of(&planned.kind, local);
        let due = match due {
            Some(due) if !wait.is_zero() => due.min(millis(now + wait)),
            _ => millis(now + wait),
        };
        self.schedule_reminders(tx, episode, &planned, now).await?;
        if wait.is_zero() || due <= millis(now) {
            self.flush(tx, episode, effects).await?;
            episode.record(&planned, number, Delivery::HandedOver);
            let identity = planned.identity(number);
            self.depart(tx, episode, (planned, identity), effects).await
        } else {
            episode.record(&planned, number, Delivery::Waiting);
            let identity = planned.identity(number);
            self.wait(tx, episode, (&planned, identity), due).await?;
            effects.waiting += 1;
            Ok(())
        }
    }

    /// Whether there are far more notices than a hospital has: a feed sends its past again.
    fn is_storm(&self, more: usize, notices: &[Planned], now: OffsetDateTime) -> bool {
        let Some(most) = self.rules.storm.filter(|_| more > 0) else {
            return false;
        };
        let now = millis(now);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        while recent.front().is_some_and(|&at| at < now - STORM_WINDOW) {
            recent.pop_front();
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        // What is urgent has twice the room: it may be the one true event of the storm.
        let urgent = notices
            .iter()
            .flat_map(|planned| &planned.recipients)
            .any(|recipient| recipient.urgency == Urgency::Urgent);
        let room = if urgent { most.saturating_mul(2) } else { most };
        if recent.len() >= room {
            return true;
        }
        recent.extend(std::iter::repeat_n(now, more));
        false
    }

    /// Keeps a message as it came.
    pub(super) async fn keep(
        &self,
        tx: &mut AnyConnection,
        (trigger, raw): (&str, &[u8]),
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
        .bind(trigger)
        .bind(&taken.outcome)
        .bind(self.key.seal("message", raw)?)
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// The next number of a day, from 1.
pub(super) async fn next_number(
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
