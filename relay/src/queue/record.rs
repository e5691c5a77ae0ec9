//! Outcomes: the states that they lead to, the reports that they call for and the end of a
//! message, in one commit.

use liaison_base::clock;
use liaison_mail::port::Carriage;
use liaison_mail::{Address, Domain, EnhancedStatus, Refusal};
use liaison_store::body::Kept;
use liaison_store::sql::Engine;
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::intake::{Intake, add_history, insert};
use super::lease::Claimed;
use super::transition::{self, Next, Tried};
use super::{Outcome, Queue, State, Stored};
use crate::RelayError;
use crate::notices::{self, Reporter, Told};

/// What has changed once it is committed.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// What became of each recipient whose lease still held.
    pub(crate) news: Vec<(Address, Carriage)>,
    /// Where reports now wait.
    pub(crate) reports_to: Vec<Domain>,
    /// When the first of the deferred ones is due.
    pub(crate) due: Option<OffsetDateTime>,
    /// A body's file that this message no longer needs.
    pub(super) file: Option<String>,
}

impl Queue {
    /// Records how the tries for recipients of one message ended.
    pub(crate) async fn record(
        &self,
        message: Stored,
        outcomes: Vec<(Claimed, Outcome)>,
        reporter: Reporter,
        now: OffsetDateTime,
    ) -> Result<Recorded, RelayError> {
        let schedule = self.schedule.clone();
        let recorded = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let mut recorded = Recorded::default();
                    let mut told = Vec::new();
                    for (claimed, outcome) in outcomes {
                        let tried = Tried {
                            accepted_at: message.accepted_at,
                            attempts: claimed.attempts,
                            delay_told: claimed.delay_told,
                            seed: claimed.id.unsigned_abs(),
                        };
                        let next = transition::after(tried, &outcome, now, &schedule);
                        if !store(tx, &claimed, &next, now).await? {
                            continue;
                        }
                        recorded.take(&claimed, &next);
                        told.extend(Told::of(&claimed, &next.tell, next.refusal.as_ref()));
                    }
                    for report in notices::reports(&message, told, &reporter, now)? {
                        let to = insert_report(tx, report).await?;
                        recorded.reports_to.extend(to);
                    }
                    recorded.file = finish(tx, message.id, now).await?;
                    Ok::<_, RelayError>(recorded)
                })
            })
            .await?;
        if let Some(file) = &recorded.file
            && let Err(error) = self.remove_body(file).await
        {
            // The next start sweeps it.
            tracing::warn!(%error, "the body of a finished message stays for now");
        }
        Ok(recorded)
    }
}

impl Recorded {
    fn take(&mut self, claimed: &Claimed, next: &Next) {
        self.due = match (self.due, next.attempt_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let carriage = carriage(next.state, next.refusal.clone());
        self.news
            .push((claimed.recipient.address.clone(), carriage));
    }
}

/// A state in the sender's terms. A refusal that was not kept is told in general words.
pub(crate) fn carriage(state: State, refusal: Option<Refusal>) -> Carriage {
    let unknown = || Refusal::transient(451, EnhancedStatus::TRY_LATER, "no answer yet");
    match state {
        State::Queued | State::Active => refusal.map_or(Carriage::Queued, Carriage::Delayed),
        State::Deferred => Carriage::Delayed(refusal.unwrap_or_else(unknown)),
        State::Relayed => Carriage::Relayed,
        State::Delivered => Carriage::Delivered,
        State::Failed => Carriage::Failed(refusal.unwrap_or_else(unknown)),
    }
}

/// Writes the next state; false when the lease was lost meanwhile and nothing was written.
async fn store(
    tx: &mut AnyConnection,
    claimed: &Claimed,
    next: &Next,
    now: OffsetDateTime,
) -> Result<bool, RelayError> {
    let reply = next.refusal.as_ref().map(ToString::to_string);
    let told = next.tell == Some(liaison_mail::dsn::Action::Delayed);
    let changed = sqlx::query(
        "UPDATE relay_recipient
         SET state = $1, next_attempt_at = $2, reply = $3, delay_told = delay_told + $4
         WHERE id = $5 AND state = 'active' AND attempts = $6",
    )
    .bind(next.state.as_str())
    .bind(next.attempt_at.map_or(0, clock::millis))
    .bind(reply.clone())
    .bind(i64::from(told))
    .bind(claimed.id)
    .bind(i64::from(claimed.attempts))
    .execute(&mut *tx)
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(false);
    }
    let step = (next.state, i64::from(claimed.attempts));
    add_history(tx, claimed.id, clock::millis(now), step, reply).await?;
    Ok(true)
}

async fn insert_report(tx: &mut AnyConnection, report: Intake) -> Result<Vec<Domain>, RelayError> {
    let kept = Kept {
        inline: Some(report.message.to_vec()),
        file: None,
    };
    insert(tx, report, kept).await
}

/// Ends the message when all its recipients are done: its body goes, its history stays. Answers
/// with the body's file.
async fn finish(
    tx: &mut AnyConnection,
    message: i64,
    now: OffsetDateTime,
) -> Result<Option<String>, RelayError> {
    // Another process may be ending the message's other recipients: one of the two sees all done.
    if Engine::of(tx) == Engine::Postgres {
        sqlx::query("SELECT id FROM relay_message WHERE id = $1 FOR UPDATE")
            .bind(message)
            .fetch_optional(&mut *tx)
            .await?;
    }
    let open = sqlx::query(
        "SELECT 1 FROM relay_recipient
         WHERE message = $1 AND state IN ('queued', 'active', 'deferred') LIMIT 1",
    )
    .bind(message)
    .fetch_optional(&mut *tx)
    .await?;
    if open.is_some() {
        return Ok(None);
    }
    sqlx::query("UPDATE relay_message SET done_at = $1 WHERE id = $2")
        .bind(clock::millis(now))
        .bind(message)
        .execute(&mut *tx)
        .await?;
    let removed = sqlx::query("DELETE FROM relay_body WHERE message = $1 RETURNING file")
        .bind(message)
        .fetch_optional(tx)
        .await?;
    Ok(removed.map(|row| row.try_get(0)).transpose()?.flatten())
}
