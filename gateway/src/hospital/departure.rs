//! From a decided notice to the drafts that leave: waits, order, reminders, tasks for the ward.
//!
//! A notice waits durably, and its text is made when it leaves: a name corrected or an INS
//! withdrawn meanwhile is in no text. Notices of one stay leave in the order of their decisions:
//! one that does not wait takes along those that do, and the drafts of one stay for one recipient
//! are handed over one after the other (`Drafts::insert_in_lane`), an urgent one lending its
//! urgency to those before it. The relay keeps to that order (`liaison_mail::port::OrderKey`). What
//! a reader needs besides is in the message: the date of the decision, the number and version, and
//! the message that it answers.

use std::time::Duration;

use liaison_base::civil::legal_time;
use liaison_base::clock::{from_millis, millis};
use liaison_base::shutdown::Shutdown;
use liaison_directory_client::Query;
use liaison_mail::{EnvelopeId, MessageId};
use liaison_store::sql::locking;
use sqlx::{AnyConnection, Row as _};
use time::{OffsetDateTime, PrimitiveDateTime};

use super::feed::{Effects, Feed, Parts};
use crate::GatewayError;
use crate::notices::anticipation::{remind, reminder_times};
use crate::notices::enclosure::{Enclosures, names_by_ins};
use crate::notices::explain::named;
use crate::notices::text::TaskView;
use crate::notices::{
    Delivery, Episode, ExpectedReply, Kind, Notice, NoticeNumber, Planned, Recipient, Target,
    Urgency as NoticeUrgency, WardTask,
};
use crate::outbound::{Content, Draft, Loop, Wanted};
use crate::tracking::State;

/// Notices released in one transaction.
const AT_ONCE: i64 = 64;
/// Longest sleep: another process (the command line) may have released something.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long the messages of the feed are kept.
const KEEP_MESSAGES: Duration = Duration::from_secs(30 * 24 * 3600);
/// How often older ones are erased, in turns of [`LOOK_AGAIN`].
const ERASE_EVERY: u32 = 720;

impl Feed {
    /// Lets waiting notices leave when they are due, until a shutdown is asked for.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let mut turns = 0_u32;
        loop {
            let wait = match self.depart_due().await {
                Ok(next) => self.until(next),
                Err(error) => {
                    tracing::error!(%error, "waiting notices cannot leave; tried again");
                    LOOK_AGAIN
                }
            };
            if turns.is_multiple_of(ERASE_EVERY)
                && let Err(error) = self.erase_old_messages().await
            {
                tracing::error!(%error, "old messages of the feed are not erased");
            }
            turns = turns.wrapping_add(1);
            tokio::select! {
                () = shutdown.asked() => return,
                () = self.0.waiting.notified() => {}
                () = tokio::time::sleep(wait) => self.0.drafts.wake(),
            }
        }
    }

    fn until(&self, next: Option<i64>) -> Duration {
        let now = millis(self.0.clock.now());
        next.map_or(LOOK_AGAIN, |at| {
            Duration::from_millis(u64::try_from(at - now).unwrap_or(0))
        })
        .min(LOOK_AGAIN)
    }

    /// Lets every notice leave that is due, the urgent first, and says again what has to be said
    /// again. Gives when the next is due, in milliseconds.
    ///
    /// # Errors
    /// [`GatewayError`]; what was not released stays.
    pub async fn depart_due(&self) -> Result<Option<i64>, GatewayError> {
        loop {
            let now = self.0.clock.now();
            let numbers: Vec<String> = sqlx::query_scalar(
                "SELECT number FROM waiting_notice WHERE due_at <= $1
                 ORDER BY urgency DESC, due_at LIMIT $2",
            )
            .bind(millis(now))
            .bind(AT_ONCE)
            .fetch_all(self.0.store.read())
            .await?;
            if numbers.is_empty() {
                break;
            }
            self.release(numbers, now).await?;
        }
        self.remind_due().await?;
        self.miss_due().await?;
        self.remind_of_mail().await?;
        let next: Option<i64> = sqlx::query_scalar(
            "SELECT MIN(due_at) FROM
             (SELECT MIN(due_at) AS due_at FROM waiting_notice
              UNION ALL SELECT MIN(due_at) AS due_at FROM reminder
              UNION ALL SELECT MIN(due_at) AS due_at FROM asked WHERE state = 0
              UNION ALL SELECT MIN(due_at) AS due_at FROM ward_mail) AS soonest",
        )
        .fetch_one(self.0.store.read())
        .await?;
        Ok(next)
    }

    async fn release(&self, numbers: Vec<String>, now: OffsetDateTime) -> Result<(), GatewayError> {
        self.act(now, move |parts, tx, effects| {
            Box::pin(async move {
                for number in &numbers {
                    parts.leave(tx, number, effects).await?;
                }
                Ok(())
            })
        })
        .await
    }

    async fn remind_due(&self) -> Result<(), GatewayError> {
        loop {
            let now = self.0.clock.now();
            let rows = sqlx::query(
                "SELECT episode_key, due_at FROM reminder WHERE due_at <= $1 ORDER BY due_at LIMIT $2",
            )
            .bind(millis(now))
            .bind(AT_ONCE)
            .fetch_all(self.0.store.read())
            .await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                let due: (Vec<u8>, i64) = (row.try_get(0)?, row.try_get(1)?);
                self.act(now, move |parts, tx, effects| {
                    Box::pin(async move { parts.remind(tx, &due, effects).await })
                })
                .await?;
            }
        }
    }

    async fn erase_old_messages(&self) -> Result<(), GatewayError> {
        let before = millis(self.0.clock.now() - KEEP_MESSAGES);
        self.0
            .store
            .write(move |tx| {
                Box::pin(async move {
                    for text in [
                        "DELETE FROM feed_message WHERE received_at < $1",
                        "DELETE FROM letter WHERE received_at < $1",
                        "DELETE FROM http_request WHERE answered_at < $1",
                        "DELETE FROM asked WHERE asked_at < $1",
                        "DELETE FROM ward_mail WHERE came_at < $1 AND due_at IS NULL",
                        "DELETE FROM notice_stay WHERE told_at < $1
                         AND number NOT IN (SELECT number FROM asked)",
                    ] {
                        sqlx::query(text).bind(before).execute(&mut *tx).await?;
                    }
                    Ok::<_, GatewayError>(())
                })
            })
            .await
    }
}

impl Parts {
    /// Keeps a notice until it is due.
    pub(super) async fn wait(
        &self,
        tx: &mut AnyConnection,
        episode: &Episode,
        (planned, (number, _)): (&Planned, (NoticeNumber, u32)),
        due: i64,
    ) -> Result<(), GatewayError> {
        let plain = serde_json::to_vec(planned)
            .map_err(|_| GatewayError::Stored("waiting notice to be written"))?;
        let urgent = planned
            .recipients
            .iter()
            .any(|recipient| recipient.urgency == NoticeUrgency::Urgent);
        sqlx::query(
            "INSERT INTO waiting_notice (number, episode_key, urgency, due_at, content)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(number.to_string())
        .bind(self.episodes.key_of(&episode.key))
        .bind(i64::from(urgent))
        .bind(due)
        .bind(self.key.seal("waiting", &plain)?)
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Lets a waiting notice leave, after those of its stay that were decided before it.
    async fn leave(
        &self,
        tx: &mut AnyConnection,
        number: &str,
        effects: &mut Effects,
    ) -> Result<(), GatewayError> {
        let now = effects.now;
        let text = "SELECT episode_key FROM waiting_notice WHERE number = $1 FOR UPDATE";
        let row = sqlx::query(locking(tx, text))
            .bind(number)
            .fetch_optional(&mut *tx)
            .await?;
        // It left with another one of its stay, or was withdrawn since it was looked up.
        let Some(row) = row else { return Ok(()) };
        let key: Vec<u8> = row.try_get(0)?;
        let Some(mut episode) = self.episodes.load(tx, &key).await? else {
            return Err(GatewayError::Stored("stay of a waiting notice"));
        };
        self.flush_until(tx, &mut episode, Some(number), effects)
            .await?;
        self.episodes.save(tx, &episode, now).await
    }

    /// Lets every waiting notice of a stay leave.
    pub(super) async fn flush(
        &self,
        tx: &mut AnyConnection,
        episode: &mut Episode,
        effects: &mut Effects,
    ) -> Result<(), GatewayError> {
        self.flush_until(tx, episode, None, effects).await
    }

    /// Lets the waiting notices of a stay leave, in the order of their decisions, the last being
    /// `until`. Other notices that wait after it stay.
    async fn flush_until(
        &self,
        tx: &mut AnyConnection,
        episode: &mut Episode,
        until: Option<&str>,
        effects: &mut Effects,
    ) -> Result<(), GatewayError> {
        let waiting: Vec<(NoticeNumber, u32)> = episode
            .live_notices()
            .filter(|issued| issued.delivery == Delivery::Waiting)
            .map(|issued| (issued.number, issued.version))
            .collect();
        for (number, version) in waiting {
            let text = number.to_string();
            let row = sqlx::query("DELETE FROM waiting_notice WHERE number = $1 RETURNING content")
                .bind(&text)
                .fetch_optional(&mut *tx)
                .await?;
            if let Some(row) = row {
                let plain = self.key.open("waiting", &row.try_get::<Vec<u8>, _>(0)?)?;
                let planned: Planned = serde_json::from_slice(&plain)
                    .map_err(|_| GatewayError::Stored("waiting notice"))?;
                episode.mark_handed_over(number);
                self.depart(tx, episode, (planned, (number, version)), effects)
                    .await?;
            }
            if until == Some(text.as_str()) {
                break;
            }
        }
        Ok(())
    }

    /// Makes the drafts of a notice, and the ward's task.
    pub(super) async fn depart(
        &self,
        tx: &mut AnyConnection,
        episode: &Episode,
        (mut planned, (number, version)): (Planned, (NoticeNumber, u32)),
        effects: &mut Effects,
    ) -> Result<(), GatewayError> {
        let now = effects.now;
        // Those who were told of the wrong person knew that one's name.
        if planned.ward_task != Some(WardTask::PrivacyIncident) {
            planned.person = episode.person.clone();
        }
        let mut enclosed = match planned.kind.encloses() {
            true => self.enclosures(tx, episode).await?,
            false => Enclosures::default(),
        };
        if planned.kind.asks() {
            enclosed.answered = self.answered(tx, episode).await?;
        }
        enclosed.contact_first = episode.contact_first;
        let mut notices = planned.issue_with(number, &self.rules, &enclosed)?;
        for notice in &mut notices {
            (notice.number, notice.version) = (number, version);
            let draft = self.draft(notice)?;
            let lane = self.lane(episode, &notice.target);
            self.drafts.insert_in_lane(tx, &draft, now, &lane).await?;
            if let Some(origin) = planned.origin.as_ref().filter(|_| self.tells_back) {
                sqlx::query(
                    "INSERT INTO notice_origin (envelope, control_id, application, facility)
                     VALUES ($1, $2, $3, $4)",
                )
                .bind(draft.envelope.as_str())
                .bind(&origin.control_id)
                .bind(&origin.application)
                .bind(&origin.facility)
                .execute(&mut *tx)
                .await?;
            }
            effects.drafts += 1;
        }
        let has_letter = !enclosed.letters.is_empty();
        self.ask(tx, episode, (&notices, has_letter), now).await?;
        if planned.ward_task.is_some() {
            self.tell_ward(tx, episode, (&planned, number), now).await?;
            effects.told_ward = true;
        }
        Ok(())
    }

    async fn tell_ward(
        &self,
        tx: &mut AnyConnection,
        episode: &Episode,
        (planned, number): (&Planned, NoticeNumber),
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let Some(task) = planned.ward_task else {
            return Ok(());
        };
        let label = |recipient: &Recipient| {
            format!("{} ({})", recipient.role.label(), named(&recipient.target))
        };
        let view = TaskView {
            title: task.label(),
            task: task.name(),
            visit: episode.key.visit.clone(),
            number: number.to_string(),
            at: planned.statement.at.words(),
            waiting_for: planned.recipients.iter().map(label).collect(),
        };
        let text = self.rules.pages.render("tasks/ward_task.txt", view)?;
        // One task for each notice, its version and what has to be done.
        let id = format!(
            "task:{number}:{}:{}",
            task.name(),
            planned.statement.at.words()
        );
        let notice = self
            .notifications
            .to_ward(&self.sender, (&id, task.label(), &text), now)
            .await?;
        notice.file(tx).await?;
        Ok(())
    }

    /// Notes when a planned discharge may have to be said again.
    pub(super) async fn schedule_reminders(
        &self,
        tx: &mut AnyConnection,
        episode: &Episode,
        planned: &Planned,
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        if planned.kind != Kind::PlannedDischarge || planned.reminder.is_some() {
            return Ok(());
        }
        for at in reminder_times(planned.statement.at.at, legal_time(now), &self.rules) {
            sqlx::query(
                "INSERT INTO reminder (episode_key, due_at) VALUES ($1, $2)
                 ON CONFLICT (episode_key, due_at) DO NOTHING",
            )
            .bind(self.episodes.key_of(&episode.key))
            .bind(millis(instant_of(at)))
            .execute(&mut *tx)
            .await?;
        }
        Ok(())
    }

    async fn remind(
        &self,
        tx: &mut AnyConnection,
        (key, due): &(Vec<u8>, i64),
        effects: &mut Effects,
    ) -> Result<(), GatewayError> {
        let gone = sqlx::query("DELETE FROM reminder WHERE episode_key = $1 AND due_at = $2")
            .bind(key.clone())
            .bind(*due)
            .execute(&mut *tx)
            .await?;
        if gone.rows_affected() == 0 {
            return Ok(());
        }
        let Some(episode) = self.episodes.load(tx, key).await? else {
            return Ok(());
        };
        let told = episode.live(crate::notices::kind::Slot::PlannedDischarge);
        let Some(number) = told.map(|told| told.number) else {
            return Ok(());
        };
        let confirmed = self.confirmed(tx, &episode, number).await?;
        let local = legal_time(from_millis(*due));
        if let Some(planned) = remind(&episode, &confirmed, local, &self.rules) {
            let identity = planned.identity(number);
            self.depart(tx, &episode, (planned, identity), effects)
                .await?;
        }
        Ok(())
    }

    /// Who has taken charge of a notice.
    async fn confirmed(
        &self,
        tx: &mut AnyConnection,
        episode: &Episode,
        number: NoticeNumber,
    ) -> Result<Vec<Target>, GatewayError> {
        let labels: Vec<String> = sqlx::query_scalar(
            "SELECT r.wanted FROM tracked t
             JOIN tracked_recipient r ON r.envelope = t.envelope
             WHERE t.number = $1 AND t.kind = 'notice' AND r.state = $2",
        )
        .bind(number.to_string())
        .bind(State::TakenCharge.rank())
        .fetch_all(tx)
        .await?;
        let told = episode.issued.iter().flat_map(|issued| &issued.recipients);
        Ok(told
            .filter(|recipient| {
                labels.contains(&wanted_label(recipient.role.label(), &recipient.target))
            })
            .map(|recipient| recipient.target.clone())
            .collect())
    }

    /// What orders the drafts of a stay for one recipient.
    fn lane(&self, episode: &Episode, target: &Target) -> Vec<u8> {
        let EpisodeKeyText(stay) = EpisodeKeyText::of(episode);
        let text = format!("{stay}\n{}", named(target));
        self.key.tag("lane", text.as_bytes())
    }

    /// An INS that was withdrawn leaves the texts that wait for the relay, too.
    pub(super) async fn forget_ins(
        &self,
        tx: &mut AnyConnection,
        episode: &Episode,
        ins: Option<&str>,
    ) -> Result<(), GatewayError> {
        let Some(ins) = ins else { return Ok(()) };
        let told = episode.issued.iter().flat_map(|issued| &issued.recipients);
        let mut lanes: Vec<Vec<u8>> = told
            .map(|recipient| self.lane(episode, &recipient.target))
            .collect();
        lanes.sort_unstable();
        lanes.dedup();
        let shown = format!("INS : {ins}");
        for lane in lanes {
            self.drafts
                .amend(tx, &lane, |text, attachments| {
                    *text = text.replace(&shown, "identité sans INS qualifiée");
                    // What names the person to machines does so by the INS.
                    attachments.retain(|file| !names_by_ins(&file.media_type));
                })
                .await?;
        }
        Ok(())
    }

    fn draft(&self, notice: &Notice) -> Result<Draft, GatewayError> {
        let this = (notice.number, notice.version, notice.reminder);
        let message_id = self.message_id(this, &notice.target)?;
        let follows = notice
            .follows
            .map(|(number, version)| self.message_id((number, version, None), &notice.target))
            .transpose()?;
        Ok(Draft {
            envelope: EnvelopeId::fresh(),
            message_id,
            from: self.sender.clone(),
            wanted: vec![Wanted {
                label: wanted_label(notice.role.label(), &notice.target),
                query: Query {
                    by: notice.target.clone(),
                    purpose: None,
                },
            }],
            urgency: match notice.urgency {
                NoticeUrgency::Info => liaison_mail::Urgency::Info,
                NoticeUrgency::Normal => liaison_mail::Urgency::Normal,
                NoticeUrgency::Urgent => liaison_mail::Urgency::Urgent,
            },
            closed_loop: Loop::Closed {
                kind: "notice".to_owned(),
                number: notice.number.to_string(),
                title: notice.title.clone(),
            },
            content: Content::Text {
                subject: notice.subject.clone(),
                text: notice.text.clone(),
                in_reply_to: follows,
                ask_receipt: notice.expected_reply != ExpectedReply::Nothing,
                attachments: notice.attachments.clone(),
            },
        })
    }

    /// The identifier of a notice for one recipient: number, version and a keyed digest of the
    /// recipient, so that a correction cites exactly what that recipient got.
    fn message_id(
        &self,
        (number, version, reminder): (NoticeNumber, u32, Option<u8>),
        target: &Target,
    ) -> Result<MessageId, GatewayError> {
        use std::fmt::Write as _;
        let tag = self.key.tag("recipient", named(target).as_bytes());
        let mut who = String::new();
        for byte in tag.iter().take(6) {
            let _ = write!(who, "{byte:02x}");
        }
        let again = reminder.map(|days| format!(".j{days}")).unwrap_or_default();
        let text = format!(
            "avis-{number}.v{version}{again}.{who}@{}",
            self.sender.domain()
        );
        Ok(MessageId::parse(&text)?)
    }
}

struct EpisodeKeyText(String);

impl EpisodeKeyText {
    fn of(episode: &Episode) -> Self {
        Self(format!("{}\n{}", episode.key.facility, episode.key.visit))
    }
}

/// The instant at which clocks in France show a local time. An hour that is shown twice is the
/// first of the two; one that is skipped is the hour after it.
fn instant_of(local: PrimitiveDateTime) -> OffsetDateTime {
    let guess = local.assume_utc();
    [2, 1]
        .into_iter()
        .map(|hours| guess - time::Duration::hours(hours))
        .find(|instant| legal_time(*instant) == local)
        .unwrap_or(guess - time::Duration::hours(1))
}

pub(super) fn wanted_label(role: &str, target: &Target) -> String {
    format!("{role} {}", named(target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_local_hour_is_found_in_summer_and_in_winter() {
        for (local, utc) in [
            (datetime!(2026-11-21 09:00), datetime!(2026-11-21 08:00 UTC)),
            (datetime!(2026-07-14 09:00), datetime!(2026-07-14 07:00 UTC)),
            // Shown twice, and skipped.
            (datetime!(2026-10-25 02:30), datetime!(2026-10-25 00:30 UTC)),
            (datetime!(2026-03-29 02:30), datetime!(2026-03-29 01:30 UTC)),
        ] {
            assert_eq!(instant_of(local), utc, "{local}");
        }
    }
}
