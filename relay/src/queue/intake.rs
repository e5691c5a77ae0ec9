//! Admission: messages with all their recipients, in one group commit.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use liaison_base::clock;
use liaison_mail::port::{OrderKey, Origin};
use liaison_mail::{Domain, Envelope, MessageId, Recipient, Return, Urgency};
use liaison_store::body::Kept;
use liaison_store::{StoreError, WorkFuture};
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::gather::Item;
use super::line::{self, Line, Lines};
use super::{Queue, State, origin_column, statement};
use crate::RelayError;
use crate::admission::Sameness;

/// A message that passed admission.
#[derive(Clone)]
pub(crate) struct Intake {
    pub(crate) origin: Origin,
    pub(crate) envelope: Envelope,
    /// Which of the own gateway's it must not overtake.
    pub(crate) order: Option<OrderKey>,
    /// Whether the sender gave the envelope its identifier.
    pub(crate) named: bool,
    pub(crate) message_id: Option<MessageId>,
    pub(crate) sameness: Sameness,
    /// The same in the first release's terms, where rows of it are left.
    pub(crate) before: Option<String>,
    /// This relay's own header lines, to go before the content.
    pub(crate) trace: String,
    pub(crate) content: Stowed,
    /// Whether the content has octets above 127.
    pub(crate) eight_bit: bool,
    pub(crate) require_tls: bool,
    pub(crate) accepted_at: OffsetDateTime,
}

/// Content that is kept, or about to be in the commit of its row.
#[derive(Clone, Debug)]
pub(crate) enum Stowed {
    /// Beside the row.
    Inline(Arc<[u8]>),
    /// In a file that is synced already.
    File {
        /// Its name.
        name: String,
        /// How many octets it has.
        octets: u64,
    },
}

impl Stowed {
    /// What a body's writer has kept.
    pub(crate) fn of(kept: Kept, octets: u64) -> Result<Self, RelayError> {
        match (kept.inline, kept.file) {
            (Some(content), _) => Ok(Self::Inline(content.into())),
            (None, Some(name)) => Ok(Self::File { name, octets }),
            (None, None) => Err(StoreError::Row("a body that was kept nowhere").into()),
        }
    }

    pub(crate) fn octets(&self) -> u64 {
        match self {
            Self::Inline(content) => content.len() as u64,
            Self::File { octets, .. } => *octets,
        }
    }
}

/// An admission with the numbers of its rows: the message's first, then its recipients'.
#[derive(Clone)]
pub(super) struct Numbered {
    pub(super) intake: Arc<Intake>,
    pub(super) numbers: Range<i64>,
    /// The domains of the own gateway.
    pub(super) served: Arc<[Domain]>,
}

impl Queue {
    /// Makes the message durable and answers with the domains that have something new to
    /// deliver. Recipients for whom the same message was taken before are left as they are: after
    /// a lost reply, the sender's second try changes nothing.
    pub(crate) async fn admit(&self, intake: Intake) -> Result<Vec<Domain>, RelayError> {
        let numbers = self.numbers.take(numbers_of(&intake)).await?;
        let item = Numbered {
            intake: Arc::new(intake),
            numbers,
            served: Arc::clone(&self.served),
        };
        self.intakes.write(item).await
    }
}

/// How many rows an admission makes at most, in the tables that share numbers.
pub(super) fn numbers_of(intake: &Intake) -> i64 {
    1 + i64::try_from(intake.envelope.recipients.len()).unwrap_or(0)
}

impl Item for Numbered {
    type Written = Vec<Domain>;

    fn octets(&self) -> usize {
        match &self.intake.content {
            Stowed::Inline(content) => content.len(),
            Stowed::File { .. } => 0,
        }
    }

    fn write_all<'c>(
        tx: &'c mut AnyConnection,
        items: Arc<Vec<Self>>,
    ) -> WorkFuture<'c, Vec<Vec<Domain>>, RelayError> {
        Box::pin(async move { insert(tx, &items).await })
    }
}

/// A recipient that was not taken before.
struct Fresh<'a> {
    id: i64,
    message: i64,
    sameness: [u8; 16],
    intake: &'a Intake,
    recipient: &'a Recipient,
    line: Option<Line>,
    position: i64,
    /// When it may be tried, if it stands behind one that is deferred.
    deferred_to: Option<i64>,
}

/// Inserts within a transaction; see [`Queue::admit`].
pub(super) async fn insert(
    tx: &mut AnyConnection,
    items: &[Numbered],
) -> Result<Vec<Vec<Domain>>, RelayError> {
    let mut seen = known(tx, items).await?;
    for item in items {
        taken_before(tx, &item.intake, &mut seen).await?;
    }
    let mut messages = Vec::new();
    let mut recipients = Vec::new();
    let mut answers = Vec::with_capacity(items.len());
    for item in items {
        let (mut domains, mut numbers) = (Vec::new(), item.numbers.clone());
        let Some(message) = numbers.next() else {
            return Err(StoreError::Row("an admission without a number").into());
        };
        let intake = &item.intake;
        let order = (intake.order.as_ref(), &*item.served);
        let lines = Lines::of(&intake.origin, order, &intake.envelope);
        for recipient in &intake.envelope.recipients {
            let sameness = item.intake.sameness.of(&recipient.address);
            let Some(id) = numbers.next().filter(|_| seen.insert(sameness)) else {
                continue;
            };
            recipients.push(Fresh {
                id,
                message,
                sameness,
                intake,
                recipient,
                line: lines.to(&recipient.address),
                position: id,
                deferred_to: None,
            });
            let domain = recipient.address.domain();
            if !domains.contains(domain) {
                domains.push(domain.clone());
            }
        }
        if !domains.is_empty() {
            messages.push((message, &*item.intake));
        }
        answers.push(domains);
    }
    insert_messages(tx, &messages).await?;
    insert_bodies(tx, &messages).await?;
    line_up(tx, &mut recipients).await?;
    insert_recipients(tx, &recipients).await?;
    Ok(answers)
}

/// Gives each its place behind those that wait in its line.
async fn line_up(tx: &mut AnyConnection, recipients: &mut [Fresh<'_>]) -> Result<(), RelayError> {
    let mut lines: Vec<Line> = recipients.iter().filter_map(|one| one.line).collect();
    lines.sort_unstable();
    lines.dedup();
    let mut tails = line::tails(tx, &lines).await?;
    for one in recipients {
        let Some(line) = one.line else {
            continue;
        };
        if let Some(tail) = tails.get_mut(&line) {
            one.position = one.id.max(tail.position.saturating_add(1));
            one.deferred_to = tail.deferred_to;
            tail.position = one.position;
        }
        let urgency = one.intake.envelope.urgency;
        if line.is_strict() && urgency > Urgency::Info {
            line::lend(tx, line, urgency.rank()).await?;
        }
    }
    Ok(())
}

/// What of these was taken before.
async fn known(
    tx: &mut AnyConnection,
    items: &[Numbered],
) -> Result<HashSet<[u8; 16]>, RelayError> {
    let asked: Vec<[u8; 16]> = items
        .iter()
        .flat_map(|item| {
            let intake = &item.intake;
            let recipients = intake.envelope.recipients.iter();
            recipients.map(|one| intake.sameness.of(&one.address))
        })
        .collect();
    let mut known = HashSet::new();
    for list in statement::lists(&asked) {
        let text = statement::among(
            "SELECT sameness FROM relay_recipient WHERE sameness IN",
            1,
            list.len(),
            "",
        );
        let query = list
            .iter()
            .fold(sqlx::query(text), |query, one| query.bind(one.to_vec()));
        for row in query.fetch_all(&mut *tx).await? {
            let sameness: Vec<u8> = row.try_get(0)?;
            if let Ok(sameness) = <[u8; 16]>::try_from(sameness) {
                known.insert(sameness);
            }
        }
    }
    Ok(known)
}

/// What the first release took of it.
async fn taken_before(
    tx: &mut AnyConnection,
    intake: &Intake,
    seen: &mut HashSet<[u8; 16]>,
) -> Result<(), RelayError> {
    let Some(before) = &intake.before else {
        return Ok(());
    };
    let text = "SELECT address_key FROM relay_taken_before WHERE sameness = $1";
    let rows = sqlx::query(text)
        .bind(before.clone())
        .fetch_all(&mut *tx)
        .await?;
    for row in rows {
        let key: String = row.try_get(0)?;
        let recipients = intake.envelope.recipients.iter();
        for one in recipients.filter(|one| one.address.key() == key) {
            seen.insert(intake.sameness.of(&one.address));
        }
    }
    Ok(())
}

async fn insert_messages(
    tx: &mut AnyConnection,
    messages: &[(i64, &Intake)],
) -> Result<(), RelayError> {
    for run in statement::runs(messages) {
        let text = statement::insert(
            "INSERT INTO relay_message (id, origin, speaks_for, envelope_id, named, reverse_path,
                                        ret, urgency, message_id, trace, size, eight_bit,
                                        require_tls, accepted_at) VALUES",
            run.len(),
            14,
        );
        let mut query = sqlx::query(text);
        for (id, intake) in run {
            let (origin, speaks_for) = origin_column(&intake.origin);
            let ret = match intake.envelope.ret {
                Return::Full => "FULL",
                Return::Headers => "HDRS",
            };
            let size = intake.content.octets() + intake.trace.len() as u64;
            query = query
                .bind(*id)
                .bind(origin)
                .bind(speaks_for)
                .bind(intake.envelope.id.as_str().to_owned())
                .bind(i64::from(intake.named))
                .bind(intake.envelope.from.to_string())
                .bind(ret)
                .bind(intake.envelope.urgency.rank())
                .bind(intake.message_id.as_ref().map(|id| id.as_str().to_owned()))
                .bind(intake.trace.clone())
                .bind(i64::try_from(size).unwrap_or(i64::MAX))
                .bind(i64::from(intake.eight_bit))
                .bind(i64::from(intake.require_tls))
                .bind(clock::millis(intake.accepted_at));
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

async fn insert_bodies(
    tx: &mut AnyConnection,
    messages: &[(i64, &Intake)],
) -> Result<(), RelayError> {
    for run in statement::runs(messages) {
        let head = "INSERT INTO relay_body (message, file, octets) VALUES";
        let mut query = sqlx::query(statement::insert(head, run.len(), 3));
        for (id, intake) in run {
            let (file, octets) = match &intake.content {
                Stowed::Inline(content) => (None, Some(content.to_vec())),
                Stowed::File { name, .. } => (Some(name.clone()), None),
            };
            query = query.bind(*id).bind(file).bind(octets);
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

async fn insert_recipients(
    tx: &mut AnyConnection,
    recipients: &[Fresh<'_>],
) -> Result<(), RelayError> {
    for run in statement::runs(recipients) {
        let text = statement::insert(
            "INSERT INTO relay_recipient (id, message, sameness, address, domain, original, notify,
                                          urgency, state, attempts, next_attempt_at, claimed_at,
                                          lease_until, token, delay_told, line, position)
             VALUES",
            run.len(),
            17,
        );
        let mut query = sqlx::query(text);
        for one in run {
            let recipient = one.recipient;
            let state = match one.deferred_to {
                Some(_) => State::Deferred,
                None => State::Queued,
            };
            query = query
                .bind(one.id)
                .bind(one.message)
                .bind(one.sameness.to_vec())
                .bind(recipient.address.to_string())
                .bind(recipient.address.domain().as_str().to_owned())
                .bind(recipient.original.as_ref().map(ToString::to_string))
                .bind(recipient.notify.to_string())
                .bind(one.intake.envelope.urgency.rank())
                .bind(state.as_str())
                .bind(0_i64)
                .bind(one.deferred_to.unwrap_or(0))
                .bind(0_i64)
                .bind(0_i64)
                .bind(0_i64)
                .bind(0_i64)
                .bind(one.line.map(Line::to_column))
                .bind(one.position);
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

/// A line in the history of a recipient: a try from its beginning to its end, or a change without
/// one. None is ever changed.
pub(super) struct HistoryLine {
    pub(super) recipient: i64,
    pub(super) began_at: Option<i64>,
    pub(super) at: i64,
    pub(super) state: State,
    pub(super) attempt: i64,
    pub(super) reply: Option<String>,
}

pub(super) async fn add_history(
    tx: &mut AnyConnection,
    lines: &[HistoryLine],
) -> Result<(), RelayError> {
    for run in statement::runs(lines) {
        let head =
            "INSERT INTO relay_history (recipient, began_at, at, state, attempt, reply) VALUES";
        let mut query = sqlx::query(statement::insert(head, run.len(), 6));
        for line in run {
            query = query
                .bind(line.recipient)
                .bind(line.began_at)
                .bind(line.at)
                .bind(line.state.as_str())
                .bind(line.attempt)
                .bind(line.reply.clone());
        }
        query.execute(&mut *tx).await?;
    }
    Ok(())
}
