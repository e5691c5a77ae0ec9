//! Outcomes: the states that they lead to, the reports that they call for and the end of a
//! message, in one commit; those of many messages together.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use liaison_base::clock;
use liaison_mail::dsn::Action;
use liaison_mail::port::Carriage;
use liaison_mail::{Address, Domain, EnhancedStatus, Refusal};
use liaison_store::WorkFuture;
use liaison_store::sql::Engine;
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::gather::Item;
use super::intake::{HistoryLine, Numbered, add_history, insert, numbers_of};
use super::lease::Claimed;
use super::line::{self, Line};
use super::transition::{self, Next, Tried};
use super::{Outcome, Queue, State, Stored, statement};
use crate::RelayError;
use crate::measures;
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
    /// What each try led to, and which try it was: for the metrics.
    tried: Vec<(State, u32)>,
    /// A body's file that this message no longer needs.
    file: Option<String>,
}

/// How the tries for recipients of one message ended.
#[derive(Clone)]
pub(super) struct Ended(Arc<Tries>);

struct Tries {
    message: Arc<Stored>,
    /// What comes next for each, if its lease still holds.
    steps: Vec<(Claimed, Next)>,
    reporter: Reporter,
    /// For the rows of reports, if there may be any.
    numbers: Range<i64>,
    now: OffsetDateTime,
}

/// Most reports about one change: one for each kind of news, with one recipient each.
const REPORTS: i64 = 4;

impl Queue {
    /// Records how the tries for recipients of one message ended.
    pub(crate) async fn record(
        &self,
        message: Arc<Stored>,
        outcomes: Vec<(Claimed, Outcome)>,
        reporter: Reporter,
        now: OffsetDateTime,
    ) -> Result<Recorded, RelayError> {
        let waited = now - message.accepted_at;
        let steps: Vec<(Claimed, Next)> = outcomes
            .into_iter()
            .map(|(claimed, outcome)| {
                let tried = Tried {
                    accepted_at: message.accepted_at,
                    attempts: claimed.attempts,
                    delay_told: claimed.delay_told,
                    seed: claimed.id.unsigned_abs(),
                };
                let next = transition::after(tried, &outcome, now, &self.schedule);
                (claimed, next)
            })
            .collect();
        let may_report = steps.iter().any(|(_, next)| next.tell.is_some());
        let numbers = match may_report {
            true => self.numbers.take(REPORTS * 2).await?,
            false => 0..0,
        };
        let ended = Ended(Arc::new(Tries {
            message,
            steps,
            reporter,
            numbers,
            now,
        }));
        let recorded = self.outcomes.write(ended).await?;
        for (state, attempts) in &recorded.tried {
            measures::tried(*state, *attempts, waited);
        }
        if let Some(file) = &recorded.file
            && let Err(error) = self.remove_body(file).await
        {
            // The next start sweeps it.
            tracing::warn!(%error, "the body of a finished message stays for now");
        }
        Ok(recorded)
    }
}

impl Item for Ended {
    type Written = Recorded;

    fn octets(&self) -> usize {
        // A report is a few KiB.
        4096 * self
            .0
            .steps
            .iter()
            .filter(|(_, next)| next.tell.is_some())
            .count()
    }

    fn write_all<'c>(
        tx: &'c mut AnyConnection,
        items: Arc<Vec<Self>>,
    ) -> WorkFuture<'c, Vec<Recorded>, RelayError> {
        Box::pin(async move { record_all(tx, &items).await })
    }
}

async fn record_all(tx: &mut AnyConnection, items: &[Ended]) -> Result<Vec<Recorded>, RelayError> {
    let changed = store_steps(tx, items).await?;
    let mut all = Vec::with_capacity(items.len());
    let (mut reports, mut reports_of) = (Vec::new(), Vec::new());
    let mut lines = Vec::new();
    for (index, Ended(tries)) in items.iter().enumerate() {
        let mut recorded = Recorded::default();
        let mut told = Vec::new();
        for (claimed, next) in &tries.steps {
            if !changed.contains(&(claimed.id, claimed.token)) {
                continue;
            }
            recorded.take(claimed, next);
            told.extend(Told::of(claimed, &next.tell, next.refusal.as_ref()));
            lines.push(HistoryLine {
                recipient: claimed.id,
                began_at: Some(claimed.claimed_at),
                at: clock::millis(tries.now),
                state: next.state,
                attempt: i64::from(claimed.attempts),
                reply: next.refusal.as_ref().map(ToString::to_string),
            });
        }
        let mut numbers = tries.numbers.clone();
        for report in notices::reports(&tries.message, told, &tries.reporter, tries.now)? {
            let start = numbers.start;
            numbers.start += numbers_of(&report);
            reports_of.push(index);
            reports.push(Numbered {
                intake: Arc::new(report),
                numbers: start..numbers.start,
                // Reports stand in no line.
                served: Arc::default(),
            });
        }
        all.push(recorded);
    }
    add_history(tx, &lines).await?;
    let reported = insert(tx, &reports).await?;
    for (index, domains) in reports_of.into_iter().zip(reported) {
        if let Some(recorded) = all.get_mut(index) {
            recorded.reports_to.extend(domains);
        }
    }
    finish(tx, items, &mut all).await?;
    Ok(all)
}

impl Recorded {
    fn take(&mut self, claimed: &Claimed, next: &Next) {
        self.due = match (self.due, next.attempt_at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.tried.push((next.state, claimed.attempts));
        let carriage = carriage(next.state, next.refusal.clone());
        self.news
            .push((claimed.recipient.address.clone(), carriage));
    }
}

/// A state in the sender's terms. A refusal that was not kept is told in general words.
pub(crate) fn carriage(state: State, refusal: Option<Refusal>) -> Carriage {
    let unknown = || Refusal::transient(451, EnhancedStatus::TRY_LATER, "no answer yet");
    match state {
        State::Queued | State::Active | State::Held => {
            refusal.map_or(Carriage::Queued, Carriage::Delayed)
        }
        State::Deferred => Carriage::Delayed(refusal.unwrap_or_else(unknown)),
        State::Relayed => Carriage::Relayed,
        State::Delivered => Carriage::Delivered,
        State::Failed | State::Corrupt | State::Cancelled => {
            Carriage::Failed(refusal.unwrap_or_else(unknown))
        }
    }
}

/// What is written alike for several recipients of one claim.
#[derive(PartialEq)]
struct Alike<'a> {
    token: i64,
    next: &'a Next,
}

/// Writes the next states. Answers with the claims whose lease still held; for the others nothing
/// is written.
async fn store_steps(
    tx: &mut AnyConnection,
    items: &[Ended],
) -> Result<HashSet<(i64, i64)>, RelayError> {
    let mut groups: Vec<(Alike<'_>, Vec<i64>)> = Vec::new();
    for (claimed, next) in items.iter().flat_map(|item| &item.0.steps) {
        let alike = Alike {
            token: claimed.token,
            next,
        };
        match groups.iter_mut().find(|(one, _)| *one == alike) {
            Some((_, ids)) => ids.push(claimed.id),
            None => groups.push((alike, vec![claimed.id])),
        }
    }
    let mut changed = HashSet::new();
    for (Alike { token, next }, ids) in groups {
        for list in statement::lists(&ids) {
            let text = statement::among(
                "UPDATE relay_recipient
                 SET state = $1, next_attempt_at = $2, reply = $3, delay_told = delay_told + $4,
                     seat = 0
                 WHERE state = 'active' AND token = $5 AND id IN",
                6,
                list.len(),
                "RETURNING id",
            );
            let told = next.tell == Some(Action::Delayed);
            let query = sqlx::query(text)
                .bind(next.state.as_str())
                .bind(next.attempt_at.map_or(0, clock::millis))
                .bind(next.refusal.as_ref().map(ToString::to_string))
                .bind(i64::from(told))
                .bind(token);
            let query = list.iter().fold(query, |query, id| query.bind(*id));
            for row in query.fetch_all(&mut *tx).await? {
                changed.insert((row.try_get(0)?, token));
            }
        }
    }
    let mut deferred: Vec<Line> = items
        .iter()
        .flat_map(|item| &item.0.steps)
        .filter(|(_, next)| next.state == State::Deferred)
        .filter_map(|(claimed, _)| claimed.line)
        .collect();
    deferred.sort_unstable();
    deferred.dedup();
    for line in deferred {
        line::close_ranks(tx, line).await?;
    }
    Ok(changed)
}

/// Ends the messages all of whose recipients are done: their bodies go, their history stays.
async fn finish(
    tx: &mut AnyConnection,
    items: &[Ended],
    recorded: &mut [Recorded],
) -> Result<(), RelayError> {
    let Some(Ended(first)) = items.first() else {
        return Ok(());
    };
    let may_end: Vec<i64> = items
        .iter()
        .zip(&*recorded)
        .filter(|(_, recorded)| recorded.due.is_none() && !recorded.news.is_empty())
        .map(|(Ended(tries), _)| tries.message.id)
        .collect();
    let ended = end_messages(tx, &may_end, first.now).await?;
    for (message, file) in remove_bodies(tx, &ended).await? {
        let of = |(item, _): &(&Ended, &mut Recorded)| item.0.message.id == message;
        if let Some((_, recorded)) = items.iter().zip(recorded.iter_mut()).find(of) {
            recorded.file = file;
        }
    }
    Ok(())
}

/// Marks messages without an open recipient as done. Answers with them.
pub(super) async fn end_messages(
    tx: &mut AnyConnection,
    messages: &[i64],
    now: OffsetDateTime,
) -> Result<Vec<i64>, RelayError> {
    let mut ended = Vec::new();
    for list in statement::lists(messages) {
        // Another process may be ending a message's other recipients: one of the two sees all
        // done.
        if Engine::of(tx) == Engine::Postgres {
            let text = statement::among(
                "SELECT id FROM relay_message WHERE id IN",
                1,
                list.len(),
                "ORDER BY id FOR UPDATE",
            );
            let query = list
                .iter()
                .fold(sqlx::query(text), |query, id| query.bind(*id));
            query.execute(&mut *tx).await?;
        }
        let text = statement::among(
            "UPDATE relay_message SET done_at = $1
             WHERE NOT EXISTS (
                 SELECT 1 FROM relay_recipient AS r WHERE r.message = relay_message.id
                 AND r.state IN ('queued', 'active', 'deferred', 'held'))
             AND done_at IS NULL AND id IN",
            2,
            list.len(),
            "RETURNING id",
        );
        let query = list
            .iter()
            .fold(sqlx::query(text).bind(clock::millis(now)), |query, id| {
                query.bind(*id)
            });
        for row in query.fetch_all(&mut *tx).await? {
            ended.push(row.try_get(0)?);
        }
    }
    Ok(ended)
}

/// Removes the bodies of messages that are done, but for what is kept to be looked into. Answers
/// with the messages and the files that they no longer need.
pub(super) async fn remove_bodies(
    tx: &mut AnyConnection,
    messages: &[i64],
) -> Result<Vec<(i64, Option<String>)>, RelayError> {
    let mut removed = Vec::new();
    for list in statement::lists(messages) {
        let text = statement::among(
            "DELETE FROM relay_body
             WHERE NOT EXISTS (
                 SELECT 1 FROM relay_recipient AS r WHERE r.message = relay_body.message
                 AND r.state = 'corrupt')
             AND message IN",
            1,
            list.len(),
            "RETURNING message, file",
        );
        let query = list
            .iter()
            .fold(sqlx::query(text), |query, id| query.bind(*id));
        for row in query.fetch_all(&mut *tx).await? {
            removed.push((row.try_get(0)?, row.try_get(1)?));
        }
    }
    Ok(removed)
}
