//! Lines: the recipients of messages that must arrive in order stand in one line, and are carried
//! one behind the other.
//!
//! - Messages that the own gateway hands over under one [`OrderKey`], for one recipient: a *strict*
//!   line. The next is sent only when the one before has its answer.
//! - What one sender writes to one mailbox served here, of one urgency, brought by one peer or by
//!   the own gateway: a line too, so that it is filed in the order in which it was accepted.
//! - Reports (null reverse-path), and what goes on to a peer without a key, stand in no line: they
//!   leave on as many connections as there are.
//!
//! # Rules
//! A recipient's place in its line is `relay_recipient.position`. A claim takes none before whom
//! another stands that is deferred, or that another worker has in hand (`seat`); its own worker
//! carries what it claims in order. Whoever stands behind one that is deferred is deferred with it,
//! to the same hour ([`close_ranks`]), and is tried with it then: so that each still hears of its
//! own delay and its own end, and a dead destination costs what it would without lines. Held,
//! cancelled, failed and corrupt ones have left the line and hold up nobody. In a strict line an
//! urgent one lends its urgency to those before it, so that it overtakes every other line but never
//! its own. Nothing that says which messages stand in one line leaves this relay.

use std::collections::HashMap;

use liaison_mail::port::{OrderKey, Origin};
use liaison_mail::{Address, Domain, Envelope, ReversePath};
use liaison_store::sql::Engine;
use ring::digest::{Context, SHA256};
use sqlx::{AnyConnection, Row as _};

use super::statement;
use crate::RelayError;

/// A line. 127 bits of a digest, and whether it is strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Line([u8; 16]);

/// The bit that says that a line is strict.
const STRICT: u8 = 0x80;

/// What the lines of a message's recipients have in common.
pub(super) struct Lines<'a> {
    common: Option<Context>,
    /// The domains served here; `None` in a strict line, which goes anywhere.
    served: Option<&'a [Domain]>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(
        origin: &Origin,
        (order, served): (Option<&OrderKey>, &'a [Domain]),
        envelope: &Envelope,
    ) -> Self {
        let mut sum = Context::new(&SHA256);
        let (common, served) = match (order, &envelope.from) {
            (Some(order), _) => {
                sum.update(b"order\n");
                sum.update(order.as_bytes());
                (Some(sum), None)
            }
            (None, ReversePath::Null) => (None, None),
            (None, ReversePath::Address(from)) => {
                let peer = match origin {
                    Origin::Local => "",
                    Origin::Peer { name, .. } => name.as_str(),
                };
                let urgency = envelope.urgency.rank();
                sum.update(format!("from\n{peer}\n{urgency}\n{}\n", from.key()).as_bytes());
                (Some(sum), Some(served))
            }
        };
        Self { common, served }
    }

    pub(super) fn to(&self, recipient: &Address) -> Option<Line> {
        if !self
            .served
            .is_none_or(|served| served.contains(recipient.domain()))
        {
            return None;
        }
        let mut sum = self.common.clone()?;
        sum.update(recipient.key().as_bytes());
        let mut line = [0; 16];
        line.copy_from_slice(&sum.finish().as_ref()[..16]);
        line[0] = match self.served {
            None => line[0] | STRICT,
            Some(_) => line[0] & !STRICT,
        };
        Some(Line(line))
    }
}

impl Line {
    /// Whether its messages are never on their way together.
    pub(crate) fn is_strict(self) -> bool {
        self.0[0] & STRICT != 0
    }

    pub(super) fn to_column(self) -> Vec<u8> {
        self.0.to_vec()
    }

    pub(super) fn from_column(column: Option<Vec<u8>>) -> Option<Self> {
        column?.try_into().ok().map(Self)
    }
}

/// What a newcomer finds in its line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail {
    /// The greatest position of those that wait; 0 if there is none.
    pub(super) position: i64,
    /// The hour of those that are deferred.
    pub(super) deferred_to: Option<i64>,
}

/// The ends of lines. Positions are asked for on PostgreSQL only: on SQLite one process gives the
/// numbers, which grow.
pub(super) async fn tails(
    tx: &mut AnyConnection,
    lines: &[Line],
) -> Result<HashMap<Line, Tail>, RelayError> {
    let head = match Engine::of(tx) {
        Engine::Postgres => {
            "SELECT line, MAX(position), MAX(CASE state WHEN 'deferred' THEN next_attempt_at END)
             FROM relay_recipient
             WHERE state IN ('queued', 'active', 'deferred') AND line IN"
        }
        Engine::Sqlite => {
            "SELECT line, MAX(position), MAX(next_attempt_at) FROM relay_recipient
             WHERE state IN ('queued', 'active', 'deferred') AND state = 'deferred' AND seat = 0
               AND line IN"
        }
    };
    let mut tails = HashMap::new();
    for list in statement::lists(lines) {
        let text = statement::among(head, 1, list.len(), "GROUP BY line");
        let query = list.iter().fold(sqlx::query(text), |query, line| {
            query.bind(line.to_column())
        });
        for row in query.fetch_all(&mut *tx).await? {
            if let Some(line) = Line::from_column(row.try_get(0)?) {
                let position = row.try_get(1)?;
                let deferred_to = row.try_get(2)?;
                tails.insert(
                    line,
                    Tail {
                        position,
                        deferred_to,
                    },
                );
            }
        }
    }
    Ok(tails)
}

/// Lends `urgency` to those that wait in a strict line.
pub(super) async fn lend(
    tx: &mut AnyConnection,
    line: Line,
    urgency: i64,
) -> Result<(), RelayError> {
    sqlx::query(
        "UPDATE relay_recipient SET urgency = $2
         WHERE state IN ('queued', 'active', 'deferred') AND line = $1 AND urgency < $2",
    )
    .bind(line.to_column())
    .bind(urgency)
    .execute(tx)
    .await?;
    Ok(())
}

/// Lends the greatest urgency in a strict line to all that wait in it: one has come back that was
/// held.
pub(super) async fn level(tx: &mut AnyConnection, line: Line) -> Result<(), RelayError> {
    let text = "SELECT MAX(urgency) FROM relay_recipient
                WHERE state IN ('queued', 'active', 'deferred') AND line = $1";
    let row = sqlx::query(text)
        .bind(line.to_column())
        .fetch_one(&mut *tx)
        .await?;
    match row.try_get(0)? {
        Some(greatest) => lend(tx, line, greatest).await,
        None => Ok(()),
    }
}

/// Defers those behind the first deferred one of a line to its hour.
pub(super) async fn close_ranks(tx: &mut AnyConnection, line: Line) -> Result<(), RelayError> {
    let text = "SELECT position, next_attempt_at FROM relay_recipient
                WHERE state IN ('queued', 'active', 'deferred') AND state = 'deferred'
                  AND seat = 0 AND line = $1
                ORDER BY position LIMIT 1";
    let first = sqlx::query(text)
        .bind(line.to_column())
        .fetch_optional(&mut *tx)
        .await?;
    let Some(first) = first else {
        return Ok(());
    };
    let (position, hour): (i64, i64) = (first.try_get(0)?, first.try_get(1)?);
    sqlx::query(
        "UPDATE relay_recipient SET state = 'deferred', next_attempt_at = $3
         WHERE state IN ('queued', 'active', 'deferred') AND line = $1 AND position > $2
           AND (state = 'queued' OR (state = 'deferred' AND next_attempt_at <> $3))",
    )
    .bind(line.to_column())
    .bind(position)
    .bind(hour)
    .execute(tx)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use liaison_mail::{EnvelopeId, Recipient, Return, Urgency};

    fn line(order: Option<u8>, from: &str, urgency: Urgency, to: &str) -> Option<Line> {
        let to = Address::parse(to).unwrap();
        let envelope = Envelope {
            id: EnvelopeId::fresh(),
            from: ReversePath::parse(from).unwrap(),
            recipients: vec![Recipient::silent(to.clone())],
            ret: Return::Headers,
            urgency,
        };
        let order = order.map(|one| OrderKey::new([one; 32]));
        let served = [Domain::parse("x.test").unwrap()];
        Lines::of(&Origin::Local, (order.as_ref(), &served), &envelope).to(&to)
    }

    #[test]
    fn a_line_is_that_of_a_key_or_of_a_sender_and_a_mailbox() {
        let (normal, urgent) = (Urgency::Normal, Urgency::Urgent);
        let key = |key, urgency, to| line(Some(key), "a@ch.test", urgency, to);
        assert_eq!(key(1, normal, "b@x.test"), key(1, urgent, "B@x.test"));
        assert_ne!(key(1, normal, "b@x.test"), key(2, normal, "b@x.test"));
        assert_ne!(key(1, normal, "b@x.test"), key(1, normal, "c@x.test"));
        assert!(key(1, normal, "b@x.test").unwrap().is_strict());
        let plain = |from, urgency| line(None, from, urgency, "b@x.test");
        assert_eq!(plain("a@ch.test", normal), plain("A@ch.test", normal));
        assert_ne!(plain("a@ch.test", normal), plain("a@ch.test", urgent));
        assert_ne!(plain("a@ch.test", normal), plain("b@ch.test", normal));
        assert!(!plain("a@ch.test", normal).unwrap().is_strict());
        assert_eq!(plain("", normal), None);
        assert_eq!(line(None, "a@ch.test", normal, "b@y.test"), None);
        assert!(key(1, normal, "b@y.test").is_some());
    }
}
