//! Who was asked for a document, who has answered, and what is still missing.
//!
//! ```text
//!            reply with a document            the stay's end, or the notice is cancelled
//!  waiting ─────────────────────▶ answered      waiting, missing ──▶ closed
//!     │ the delay of the rules       ▲
//!     └──▶ missing (the ward knows) ─┘
//! ```

use liaison_base::clock::{from_millis, millis};
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::departure::wanted_label;
use super::feed::{Effects, Feed, Parts};
use super::mail::when;
use crate::GatewayError;
use crate::notices::kind::Slot;
use crate::notices::text::MailView;
use crate::notices::{Episode, Kind, Notice};

/// Requests looked at in one turn.
const AT_ONCE: i64 = 64;
/// What is asked on an entry or an emergency visit, as one.
const ENTRY: &str = "entry";
/// The discharge letter, of the ward itself.
const LETTER: &str = "letter";

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing came yet.
    Waiting,
    /// A document came.
    Answered,
    /// Nothing came within the delay; the ward knows.
    Missing,
    /// It no longer matters.
    Closed,
}

/// A document that somebody was asked for. It names no patient.
#[derive(Clone, Debug)]
pub struct Request {
    /// The notice that asked.
    pub number: String,
    /// The hospital's own number of the stay.
    pub visit: String,
    /// What the notice is called.
    pub title: String,
    /// Who was asked: role and RPPS, FINESS or address.
    pub wanted: String,
    /// When.
    pub asked_at: OffsetDateTime,
    /// When the ward is told that nothing came.
    pub due_at: OffsetDateTime,
    /// How far it has come.
    pub state: Asked,
    /// When the first document came.
    pub answered_at: Option<OffsetDateTime>,
    /// How many files came.
    pub files: u32,
}

/// The requests of one notice, as the ward is told of them.
pub(super) struct Tally {
    pub(super) title: String,
    pub(super) asked_at: i64,
    pub(super) asked: usize,
    pub(super) answered: usize,
    pub(super) missing: Vec<String>,
}

impl Asked {
    /// Its name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Asked::Waiting => "waiting",
            Asked::Answered => "answered",
            Asked::Missing => "missing",
            Asked::Closed => "closed",
        }
    }

    pub(super) fn rank(self) -> i64 {
        match self {
            Asked::Waiting => 0,
            Asked::Answered => 1,
            Asked::Missing => 2,
            Asked::Closed => 3,
        }
    }

    fn of(rank: i64) -> Result<Asked, GatewayError> {
        [
            Asked::Waiting,
            Asked::Answered,
            Asked::Missing,
            Asked::Closed,
        ]
        .into_iter()
        .find(|state| state.rank() == rank)
        .ok_or(GatewayError::Stored("state of a request"))
    }
}

impl Feed {
    /// What was asked, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be read.
    pub async fn requests(&self, limit: i64) -> Result<Vec<Request>, GatewayError> {
        sqlx::query(
            "SELECT a.number, a.wanted, a.title, a.asked_at, a.due_at, a.state, a.answered_at,
                    a.files, s.visit
             FROM asked a JOIN notice_stay s ON s.number = a.number
             ORDER BY a.asked_at DESC, a.number DESC, a.wanted LIMIT $1",
        )
        .bind(limit)
        .fetch_all(self.0.store.read())
        .await?
        .iter()
        .map(|row| {
            let answered: Option<i64> = row.try_get("answered_at")?;
            let files: i64 = row.try_get("files")?;
            Ok(Request {
                number: row.try_get("number")?,
                visit: self.0.open_visit(&row.try_get::<Vec<u8>, _>("visit")?)?,
                title: row.try_get("title")?,
                wanted: row.try_get("wanted")?,
                asked_at: from_millis(row.try_get("asked_at")?),
                due_at: from_millis(row.try_get("due_at")?),
                state: Asked::of(row.try_get("state")?)?,
                answered_at: answered.map(from_millis),
                files: u32::try_from(files).unwrap_or(u32::MAX),
            })
        })
        .collect()
    }

    /// Tells the ward of what did not come in time.
    pub(super) async fn miss_due(&self) -> Result<(), GatewayError> {
        loop {
            let now = self.0.clock.now();
            let numbers: Vec<String> = sqlx::query_scalar(
                "SELECT DISTINCT number FROM asked WHERE state = $1 AND due_at <= $2 LIMIT $3",
            )
            .bind(Asked::Waiting.rank())
            .bind(millis(now))
            .bind(AT_ONCE)
            .fetch_all(self.0.store.read())
            .await?;
            if numbers.is_empty() {
                return Ok(());
            }
            for number in numbers {
                self.act(now, move |parts, tx, effects| {
                    Box::pin(async move { parts.miss(tx, &number, effects).await })
                })
                .await?;
            }
        }
    }
}

impl Parts {
    /// Keeps which stay the notices are about, and what they ask for.
    pub(super) async fn ask(
        &self,
        tx: &mut AnyConnection,
        episode: &Episode,
        (notices, has_letter): (&[Notice], bool),
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let stay = self.episodes.key_of(&episode.key);
        let Some(first) = notices.first() else {
            return Ok(());
        };
        sqlx::query(
            "INSERT INTO notice_stay (number, episode_key, told_at, visit) VALUES ($1, $2, $3, $4)
             ON CONFLICT (number) DO NOTHING",
        )
        .bind(first.number.to_string())
        .bind(stay.clone())
        .bind(millis(now))
        .bind(self.key.seal("visit", episode.key.visit.as_bytes())?)
        .execute(&mut *tx)
        .await?;
        if let Kind::Cancellation { of } = first.kind {
            self.close(tx, &of.to_string()).await?;
        }
        let letter_hours = self.rules.requests.letter_hours;
        if first.kind.is_return() && !has_letter && letter_hours > 0 {
            let hours = i64::from(letter_hours);
            let asked = (LETTER, "lettre de liaison", first);
            self.expect(tx, (&stay, asked), hours, now).await?;
        }
        for notice in notices {
            let Some(hours) = notice.asks_hours else {
                continue;
            };
            let kind = match notice.kind {
                Kind::Message(name) => name.to_string(),
                _ => ENTRY.to_owned(),
            };
            let wanted = wanted_label(notice.role.label(), &notice.target);
            // Asked again on the admission that follows an emergency visit: one request.
            sqlx::query(
                "UPDATE asked SET state = $1
                 WHERE episode_key = $2 AND wanted = $3 AND kind = $4 AND kind = $5
                 AND number <> $6 AND state <> $7",
            )
            .bind(Asked::Closed.rank())
            .bind(stay.clone())
            .bind(&wanted)
            .bind(&kind)
            .bind(ENTRY)
            .bind(notice.number.to_string())
            .bind(Asked::Answered.rank())
            .execute(&mut *tx)
            .await?;
            let asked = (kind.as_str(), wanted.as_str(), notice);
            self.expect(tx, (&stay, asked), i64::from(hours), now)
                .await?;
        }
        Ok(())
    }

    async fn expect(
        &self,
        tx: &mut AnyConnection,
        (stay, (kind, wanted, notice)): (&[u8], (&str, &str, &Notice)),
        hours: i64,
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        sqlx::query(
            "INSERT INTO asked
             (number, wanted, episode_key, kind, title, asked_at, due_at, state, files)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)
             ON CONFLICT (number, wanted) DO NOTHING",
        )
        .bind(notice.number.to_string())
        .bind(wanted)
        .bind(stay.to_vec())
        .bind(kind)
        .bind(&notice.title)
        .bind(millis(now))
        .bind(millis(now) + hours * 3_600_000)
        .bind(Asked::Waiting.rank())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Notes that the discharge letter of a stay came.
    pub(super) async fn note_letter(
        &self,
        tx: &mut AnyConnection,
        stay: &[u8],
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        sqlx::query(
            "UPDATE asked SET state = $1, files = files + 1, answered_at = COALESCE(answered_at, $2)
             WHERE episode_key = $3 AND kind = $4 AND state <> $5",
        )
        .bind(Asked::Answered.rank())
        .bind(millis(now))
        .bind(stay.to_vec())
        .bind(LETTER)
        .bind(Asked::Closed.rank())
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Who has answered what is asked on an entry of the stay, as `role code`.
    pub(super) async fn answered(
        &self,
        tx: &mut AnyConnection,
        episode: &Episode,
    ) -> Result<Vec<String>, GatewayError> {
        Ok(sqlx::query_scalar(
            "SELECT wanted FROM asked WHERE episode_key = $1 AND kind = $2 AND state = $3",
        )
        .bind(self.episodes.key_of(&episode.key))
        .bind(ENTRY)
        .bind(Asked::Answered.rank())
        .fetch_all(tx)
        .await?)
    }

    /// Notes that a document came. Gives whether it was asked for.
    pub(super) async fn note_answer(
        &self,
        tx: &mut AnyConnection,
        (number, wanted): (&str, &str),
        files: u32,
        now: OffsetDateTime,
    ) -> Result<bool, GatewayError> {
        let done = sqlx::query(
            "UPDATE asked SET state = $3, files = files + $4,
                    answered_at = COALESCE(answered_at, $5)
             WHERE number = $1 AND wanted = $2",
        )
        .bind(number)
        .bind(wanted)
        .bind(Asked::Answered.rank())
        .bind(i64::from(files))
        .bind(millis(now))
        .execute(tx)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Who was asked by a notice, and has not answered; `None` when it asked nobody.
    pub(super) async fn tally(
        &self,
        tx: &mut AnyConnection,
        number: &str,
    ) -> Result<Option<Tally>, GatewayError> {
        let rows = sqlx::query(
            "SELECT wanted, title, asked_at, state FROM asked WHERE number = $1 ORDER BY wanted",
        )
        .bind(number)
        .fetch_all(tx)
        .await?;
        let Some(first) = rows.first() else {
            return Ok(None);
        };
        let mut tally = Tally {
            title: first.try_get("title")?,
            asked_at: first.try_get("asked_at")?,
            asked: 0,
            answered: 0,
            missing: Vec::new(),
        };
        for row in &rows {
            match Asked::of(row.try_get("state")?)? {
                Asked::Closed => continue,
                Asked::Answered => tally.answered += 1,
                Asked::Waiting | Asked::Missing => tally.missing.push(row.try_get("wanted")?),
            }
            tally.asked += 1;
        }
        Ok(Some(tally))
    }

    async fn close(&self, tx: &mut AnyConnection, number: &str) -> Result<(), GatewayError> {
        sqlx::query("UPDATE asked SET state = $1 WHERE number = $2 AND state <> $3")
            .bind(Asked::Closed.rank())
            .bind(number)
            .bind(Asked::Answered.rank())
            .execute(tx)
            .await?;
        Ok(())
    }

    async fn miss(
        &self,
        tx: &mut AnyConnection,
        number: &str,
        effects: &mut Effects,
    ) -> Result<(), GatewayError> {
        let now = effects.now;
        let row = sqlx::query(
            "SELECT a.episode_key, a.kind, s.visit FROM asked a
             JOIN notice_stay s ON s.number = a.number
             WHERE a.number = $1 AND a.state = $2 AND a.due_at <= $3 LIMIT 1",
        )
        .bind(number)
        .bind(Asked::Waiting.rank())
        .bind(millis(now))
        .fetch_optional(&mut *tx)
        .await?;
        // Answered, or said by another process, since it was looked up.
        let Some(row) = row else { return Ok(()) };
        let (stay, kind): (Vec<u8>, String) = (row.try_get(0)?, row.try_get(1)?);
        let visit = self.open_visit(&row.try_get::<Vec<u8>, _>(2)?)?;
        let over = kind == ENTRY
            && self
                .episodes
                .load(tx, &stay)
                .await?
                .is_none_or(|episode| episode.live(Slot::Discharge).is_some());
        if over {
            return self.close(tx, number).await;
        }
        sqlx::query(
            "UPDATE asked SET state = $1 WHERE number = $2 AND state = $3 AND due_at <= $4",
        )
        .bind(Asked::Missing.rank())
        .bind(number)
        .bind(Asked::Waiting.rank())
        .bind(millis(now))
        .execute(&mut *tx)
        .await?;
        let Some(tally) = self.tally(tx, number).await? else {
            return Ok(());
        };
        let (title, state) = match kind.as_str() {
            LETTER => ("Lettre de liaison manquante".to_owned(), "letter"),
            _ => (format!("Réponse manquante : {}", tally.title), "answers"),
        };
        let view = MailView {
            number: number.to_owned(),
            visit,
            at: when(from_millis(tally.asked_at)),
            asked: tally.asked,
            answered: tally.answered,
            missing: tally.missing,
            ..self.mail_view(&title, state)
        };
        let id = format!("missing:{number}:{}", millis(now));
        self.tell("tasks/missing.txt", (&id, view), tx, effects)
            .await
    }

    pub(super) fn open_visit(&self, sealed: &[u8]) -> Result<String, GatewayError> {
        String::from_utf8(self.key.open("visit", sealed)?)
            .map_err(|_| GatewayError::Stored("visit of a notice"))
    }
}
