//! What an operator, or a message's own sender, may do to what waits: hold it back, let it go, try
//! it now, call it back. What a worker has in hand is never touched: its outcome comes first.

use std::fmt;

use liaison_base::clock;
use liaison_mail::{Address, Domain, EnvelopeId};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use time::OffsetDateTime;

use super::intake::{HistoryLine, add_history};
use super::line::{self, Line};
use super::record::{end_messages, remove_bodies};
use super::{Queue, State, statement};
use crate::RelayError;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Queued or deferred: not tried until it is released.
    Hold,
    /// Held: queued again.
    Release,
    /// Deferred: due at once, with the others of its line.
    Retry,
    /// Queued, deferred or held: it is not delivered any more. Nobody is told but by the history.
    Cancel,
}

/// Who steers, and why: kept in the history of every recipient that an order changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warrant {
    who: String,
    why: String,
}

impl Warrant {
    /// Most characters of either part; the rest is cut off.
    const MOST: usize = 200;

    /// `why` may be empty. A character that would break a line becomes a space.
    pub fn new(who: &str, why: &str) -> Self {
        let line = |text: &str| {
            let one = |c: char| if c.is_control() { ' ' } else { c };
            let line: String = text.chars().map(one).take(Self::MOST).collect();
            line.trim().to_owned()
        };
        Self {
            who: line(who),
            why: line(why),
        }
    }

    /// Who asked: for the log, where the reason has no place, since a person wrote it freely.
    pub fn who(&self) -> &str {
        &self.who
    }
}

impl fmt::Display for Warrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.who.as_str(), self.why.as_str()) {
            (who, "") => write!(f, "by {who}"),
            (who, why) => write!(f, "by {who}: {why}"),
        }
    }
}

/// To which recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The one with this number, as [`crate::history::Waiting::id`] gives it.
    Recipient(i64),
    /// Those of this envelope, whoever brought it.
    Envelope(EnvelopeId),
    /// Those of this envelope of the own gateway.
    Own(EnvelopeId),
    /// Those of this domain.
    Domain(Domain),
}

/// A recipient to whom an order was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steered {
    /// Its number.
    pub id: i64,
    /// The recipient.
    pub to: Address,
    /// Its state now.
    pub state: State,
}

impl Order {
    fn text(self) -> &'static str {
        match self {
            Self::Hold => {
                "UPDATE relay_recipient SET state = 'held' WHERE state IN ('queued', 'deferred')"
            }
            Self::Release => "UPDATE relay_recipient SET state = 'queued' WHERE state = 'held'",
            Self::Retry => {
                "UPDATE relay_recipient SET next_attempt_at = 0 WHERE state = 'deferred'"
            }
            Self::Cancel => {
                "UPDATE relay_recipient
                 SET state = 'cancelled', reply = '554 5.7.0 called back before it had gone'
                 WHERE state IN ('queued', 'deferred', 'held')"
            }
        }
    }
}

impl Selection {
    fn text(&self) -> &'static str {
        match self {
            Self::Recipient(_) => "id = $1",
            Self::Envelope(_) => "message IN (SELECT id FROM relay_message WHERE envelope_id = $1)",
            Self::Own(_) => {
                "message IN (SELECT id FROM relay_message WHERE envelope_id = $1 AND origin = '')"
            }
            Self::Domain(_) => "domain = $1",
        }
    }
}

/// What an order has changed.
#[derive(Default)]
pub(crate) struct Changed {
    pub(crate) steered: Vec<Steered>,
    files: Vec<String>,
}

impl Queue {
    /// Applies an order to those of a selection whose state allows it, in one commit.
    pub(crate) async fn steer(
        &self,
        order: Order,
        selection: Selection,
        warrant: &Warrant,
        now: OffsetDateTime,
    ) -> Result<Vec<Steered>, RelayError> {
        let why = warrant.to_string();
        let changed = self
            .store
            .write(move |tx| {
                Box::pin(async move { apply(tx, (order, &selection), &why, now).await })
            })
            .await?;
        for file in &changed.files {
            if let Err(error) = self.remove_body(file).await {
                // The next start sweeps it.
                tracing::warn!(%error, "the body of a finished message stays for now");
            }
        }
        Ok(changed.steered)
    }
}

async fn apply(
    tx: &mut AnyConnection,
    (order, selection): (Order, &Selection),
    why: &str,
    now: OffsetDateTime,
) -> Result<Changed, RelayError> {
    let text = format!(
        "{} AND {} RETURNING id, address, state, attempts, message, line",
        order.text(),
        selection.text()
    );
    let query = sqlx::query(AssertSqlSafe(text));
    let query = match selection {
        Selection::Recipient(id) => query.bind(*id),
        Selection::Envelope(id) | Selection::Own(id) => query.bind(id.as_str().to_owned()),
        Selection::Domain(domain) => query.bind(domain.as_str().to_owned()),
    };
    let rows = query.fetch_all(&mut *tx).await?;
    let lines = lines(&rows)?;
    match order {
        Order::Retry => retry_lines(tx, &lines).await?,
        Order::Release => {
            for line in lines.into_iter().filter(|line| line.is_strict()) {
                line::level(tx, line).await?;
            }
        }
        Order::Hold | Order::Cancel => {}
    }
    let mut changed = Changed::default();
    let mut lines = Vec::with_capacity(rows.len());
    let mut messages = Vec::new();
    for row in &rows {
        let steered = steered(row)?;
        lines.push(HistoryLine {
            recipient: steered.id,
            began_at: None,
            at: clock::millis(now),
            state: steered.state,
            attempt: row.try_get("attempts")?,
            reply: Some(why.to_owned()),
        });
        changed.steered.push(steered);
        messages.push(row.try_get("message")?);
    }
    add_history(tx, &lines).await?;
    if order == Order::Cancel {
        let ended = end_messages(tx, &messages, now).await?;
        let removed = remove_bodies(tx, &ended).await?;
        changed.files = removed.into_iter().filter_map(|(_, file)| file).collect();
    }
    Ok(changed)
}

/// The lines in which they stand.
fn lines(rows: &[AnyRow]) -> Result<Vec<Line>, RelayError> {
    let mut lines = Vec::new();
    for row in rows {
        lines.extend(Line::from_column(row.try_get("line")?));
    }
    lines.sort_unstable();
    lines.dedup();
    Ok(lines)
}

/// Whoever stands before one that is to be tried now is tried too.
async fn retry_lines(tx: &mut AnyConnection, lines: &[Line]) -> Result<(), RelayError> {
    for list in statement::lists(lines) {
        let text = statement::among(
            "UPDATE relay_recipient SET next_attempt_at = 0
             WHERE state IN ('queued', 'active', 'deferred') AND state = 'deferred' AND line IN",
            1,
            list.len(),
            "",
        );
        let query = list.iter().fold(sqlx::query(text), |query, line| {
            query.bind(line.to_column())
        });
        query.execute(&mut *tx).await?;
    }
    Ok(())
}

fn steered(row: &AnyRow) -> Result<Steered, RelayError> {
    Ok(Steered {
        id: row.try_get("id")?,
        to: Address::parse(&row.try_get::<String, _>("address")?)?,
        state: State::parse(&row.try_get::<String, _>("state")?)?,
    })
}
