//! Letters and results: kept until the discharge takes the letter along, or told of when the
//! person has left.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_base::civil::legal_time;
use liaison_base::clock::millis;
use liaison_hl7::cda::{self, Change};
use liaison_hl7::document::{DocumentEvent, File, Format, Matter};
use liaison_hl7::timestamp::Timestamp;
use liaison_hl7::{Code, Refusal};
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::feed::{Effects, Feed, Parts, Taken};
use crate::GatewayError;
use crate::notices::after_discharge::{Arrived, arrived};
use crate::notices::enclosure::{Enclosures, FileFormat, Letter};
use crate::notices::french::Moment;
use crate::notices::{Episode, EpisodeKey, Kind, Origin};

/// Letters of one stay that are kept; older ones give way.
const MOST: i64 = 8;

/// What a document message came to.
pub(super) type TakenOrRefused = Result<Taken, Refusal>;

impl Feed {
    /// Makes a document and what follows from it durable in one commit. The refusal is the
    /// document's own fault: nothing was kept then.
    ///
    /// # Errors
    /// [`GatewayError`]: a fault of ours; nothing was kept and nothing may be acknowledged.
    pub(super) async fn take_document(
        &self,
        event: DocumentEvent,
        raw: Vec<u8>,
    ) -> Result<TakenOrRefused, GatewayError> {
        self.take_letters(event, Vec::new(), raw).await
    }

    /// As [`Feed::take_document`], with a list of treatments that came beside the letters, or
    /// alone.
    ///
    /// # Errors
    /// [`GatewayError`]: a fault of ours; nothing was kept and nothing may be acknowledged.
    pub(super) async fn take_letters(
        &self,
        event: DocumentEvent,
        changes: Vec<Change>,
        raw: Vec<u8>,
    ) -> Result<TakenOrRefused, GatewayError> {
        let now = self.0.clock.now();
        let mut letters = match letters(&event, now) {
            Ok(letters) => letters,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if !changes.is_empty() {
            letters.push(Letter {
                id: format!("{}.treatments", event.control_id),
                title: None,
                received: words(now),
                received_at: stamp(now),
                format: None,
                content: String::new(),
                patients: Vec::new(),
                changes,
            });
        }
        self.act(now, move |parts, tx, effects| {
            Box::pin(async move {
                let given = (&event, letters.as_slice());
                parts.take_document(tx, given, &raw, effects).await
            })
        })
        .await
    }
}

/// What a message gives to keep. The letters are read before anything waits for the database.
fn letters(event: &DocumentEvent, now: OffsetDateTime) -> Result<Vec<Letter>, Refusal> {
    let read = |(file, at): (&File, usize)| {
        let mut letter = Letter {
            id: match event.id.as_str() {
                "" => format!("{}.{at}", event.control_id),
                id => format!("{id}.{at}"),
            },
            title: file.title.clone(),
            received: words(now),
            received_at: stamp(now),
            format: Some(FileFormat::from(file.format)),
            content: STANDARD.encode(&file.bytes),
            patients: Vec::new(),
            changes: Vec::new(),
        };
        if file.format == Format::Cda {
            let read = cda::Letter::read(&file.bytes)
                .map_err(|_| Refusal::at_field(Code::DataType, "OBX", 5))?;
            letter.title = letter.title.or(read.title);
            letter.id = read.id.unwrap_or(letter.id);
            letter.patients = read.patients;
            letter.changes = read.changes;
        }
        Ok(letter)
    };
    event.files.iter().zip(1..).map(read).collect()
}

fn words(now: OffsetDateTime) -> String {
    let received = Moment {
        at: legal_time(now),
        has_time: true,
    };
    received.words()
}

/// UTC.
fn stamp(now: OffsetDateTime) -> String {
    Timestamp::format(time::PrimitiveDateTime::new(now.date(), now.time()))
}

impl Parts {
    async fn take_document(
        &self,
        tx: &mut AnyConnection,
        (event, letters): (&DocumentEvent, &[Letter]),
        raw: &[u8],
        effects: &mut Effects,
    ) -> Result<TakenOrRefused, GatewayError> {
        let now = effects.now;
        let mut taken = Taken {
            outcome: "no notice: kept for the discharge".to_owned(),
            notices: 0,
        };
        if !event.is_production {
            taken.outcome = "no notice: not a production message (MSH-11)".to_owned();
            return Ok(Ok(taken));
        }
        let key = EpisodeKey {
            facility: event.facility.clone(),
            visit: event.visit.clone(),
        };
        let key = self.episodes.key_of(&key);
        let stay = self.episodes.load(tx, &key).await?;
        if let Some(refusal) = stay
            .as_ref()
            .and_then(|stay| stranger(stay, event, letters))
        {
            return Ok(Err(refusal));
        }
        match event.matter {
            Matter::Withdrawn => self.forget_letters(tx, &key, &event.id).await?,
            Matter::Document => {
                self.keep_letters(tx, &key, letters, now).await?;
                self.note_letter(tx, &key, now).await?;
            }
            Matter::Result { .. } => {}
        }
        let came = Arrived {
            kind: match event.matter {
                Matter::Result { .. } => Kind::PendingResult,
                Matter::Document | Matter::Withdrawn => Kind::Letter,
            },
            id: letters
                .first()
                .map_or(&event.control_id, |one| &one.id)
                .clone(),
            at: Moment {
                at: legal_time(now),
                has_time: true,
            },
            urgent: event.matter == Matter::Result { urgent: true },
        };
        let tells = event.matter != Matter::Withdrawn
            && (!letters.is_empty() || came.kind == Kind::PendingResult);
        if let (Some(mut stay), true) = (stay, tells) {
            let circle = self.circle_around(tx, &stay, None).await?;
            let decision = arrived(&stay, &came, &circle, &self.rules);
            let origin = Origin {
                control_id: event.control_id.clone(),
                application: event.application.clone(),
                facility: event.facility.clone(),
            };
            taken = self
                .follow(tx, &mut stay, (decision, &origin), effects)
                .await?;
            self.episodes.save(tx, &stay, now).await?;
        }
        let trigger = match event.matter {
            Matter::Result { .. } => "ORU",
            _ => "MDM",
        };
        self.keep(tx, (trigger, raw), &taken, now).await?;
        Ok(Ok(taken))
    }

    async fn keep_letters(
        &self,
        tx: &mut AnyConnection,
        key: &[u8],
        letters: &[Letter],
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        for letter in letters {
            let plain = serde_json::to_vec(letter)
                .map_err(|_| GatewayError::Stored("letter to be written"))?;
            sqlx::query(
                "INSERT INTO letter (episode_key, letter_key, received_at, content)
                 VALUES ($1, $2, $3, $4)
                 ON CONFLICT (episode_key, letter_key) DO UPDATE
                 SET received_at = excluded.received_at, content = excluded.content",
            )
            .bind(key.to_vec())
            .bind(self.key.tag("letter", letter.id.as_bytes()))
            .bind(millis(now))
            .bind(self.key.seal("letter", &plain)?)
            .execute(&mut *tx)
            .await?;
        }
        sqlx::query(
            "DELETE FROM letter WHERE episode_key = $1 AND letter_key NOT IN
             (SELECT letter_key FROM letter WHERE episode_key = $1
              ORDER BY received_at DESC LIMIT $2)",
        )
        .bind(key.to_vec())
        .bind(MOST)
        .execute(&mut *tx)
        .await?;
        Ok(())
    }

    async fn forget_letters(
        &self,
        tx: &mut AnyConnection,
        key: &[u8],
        id: &str,
    ) -> Result<(), GatewayError> {
        let rows = sqlx::query("SELECT letter_key, content FROM letter WHERE episode_key = $1")
            .bind(key.to_vec())
            .fetch_all(&mut *tx)
            .await?;
        for row in rows {
            let letter = self.open_letter(&row.try_get::<Vec<u8>, _>(1)?)?;
            if letter.id == id || letter.id.starts_with(&format!("{id}.")) {
                sqlx::query("DELETE FROM letter WHERE episode_key = $1 AND letter_key = $2")
                    .bind(key.to_vec())
                    .bind(row.try_get::<Vec<u8>, _>(0)?)
                    .execute(&mut *tx)
                    .await?;
            }
        }
        Ok(())
    }

    /// What a stay has to enclose.
    pub(super) async fn enclosures(
        &self,
        tx: &mut AnyConnection,
        episode: &Episode,
    ) -> Result<Enclosures, GatewayError> {
        let rows = sqlx::query(
            "SELECT content FROM letter WHERE episode_key = $1 ORDER BY received_at, letter_key",
        )
        .bind(self.episodes.key_of(&episode.key))
        .fetch_all(tx)
        .await?;
        let letters = rows
            .iter()
            .map(|row| self.open_letter(&row.try_get::<Vec<u8>, _>(0)?))
            .collect::<Result<_, GatewayError>>()?;
        Ok(Enclosures {
            letters,
            author: self.rules.hospital.name.clone(),
            ..Enclosures::default()
        })
    }

    fn open_letter(&self, sealed: &[u8]) -> Result<Letter, GatewayError> {
        let plain = self.key.open("letter", sealed)?;
        serde_json::from_slice(&plain).map_err(|_| GatewayError::Stored("letter"))
    }
}

/// A letter about somebody else than the stay: sent to the wrong people it would be a breach.
fn stranger(stay: &Episode, event: &DocumentEvent, letters: &[Letter]) -> Option<Refusal> {
    let known = event.ipp == stay.person.ipp || stay.former.contains(&event.ipp);
    if !known {
        return Some(Refusal::at_field(Code::Other, "PID", 3));
    }
    let ins = stay.person.ins.as_ref()?;
    let is_ins = |root: &str| root.starts_with("1.2.250.1.213.1.4.");
    let other = letters.iter().any(|letter| {
        let mut named = letter.patients.iter().filter(|(root, _)| is_ins(root));
        let named: Vec<&String> = named.by_ref().map(|(_, number)| number).collect();
        !named.is_empty() && !named.contains(&ins)
    });
    other.then(|| Refusal::at_field(Code::Other, "OBX", 5))
}
