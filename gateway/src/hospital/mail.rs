//! Mail to the ward: answers to its notices, and what libéraux and structures ask of it by
//! ordinary mail.
//!
//! A mail belongs to a stay when it cites (`In-Reply-To`, `References`) a notice that its verified
//! author received: nothing else, no name and no subject, ties it to one. One that says that it
//! answers a notice and does not is filed like any other, the ward is told, and its author too. A
//! new mail whose subject begins with the words of the rules, « Demande d'admission », « Alerte »,
//! is counted, its author told that it came, and the ward reminded until a person has handled it.

use liaison_base::civil::legal_time;
use liaison_base::clock::{from_millis, millis};
use liaison_directory_client::{By, Query};
use liaison_mail::{Address, EnvelopeId, MessageId, header};
use mail_parser::{MessageParser, MimeHeaders as _};
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::feed::{Effects, Feed, Parts, next_number};
use crate::GatewayError;
use crate::notices::french::Moment;
use crate::notices::request::incoming_kind;
use crate::notices::text::MailView;
use crate::outbound::{Content, Draft, Loop, Wanted};
use crate::tracking::{Keyword, Ledger, Reply, keyword_of};

/// Mails looked at in one turn.
const AT_ONCE: i64 = 64;
/// Kinds that are not of the rules.
const ANSWER: &str = "answer";
const MESSAGE: &str = "message";
const UNMATCHED: &str = "unmatched";

/// A mail to the ward whose author is proved.
#[derive(Clone)]
pub(crate) struct WardMail {
    envelope: EnvelopeId,
    message_id: Option<MessageId>,
    author: Address,
    name: String,
    subject: String,
    /// The newest first.
    cites: Vec<MessageId>,
    files: u32,
    has_keyword: bool,
}

/// A mail to the ward, for the command line. It names no patient.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// What people quote: of the notice that it answers, or its own; empty when it answers none
    /// that is known.
    pub number: String,
    /// The hospital's own number of the stay, where it is known.
    pub visit: Option<String>,
    /// `answer`, `message`, `unmatched`, or a kind of the rules.
    pub kind: String,
    /// The same in French.
    pub title: String,
    /// Who wrote.
    pub author: String,
    /// How many files came with it.
    pub files: u32,
    /// When it came.
    pub came_at: OffsetDateTime,
    /// Whether it waits for a person, and who has handled it when.
    pub state: Handling,
}

/// Whether a mail waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handling {
    /// It asks nothing.
    None,
    /// It waits.
    Open,
    /// Somebody has handled it.
    Handled(OffsetDateTime, String),
}

/// What a mail is, as it is kept.
struct Kept<'a> {
    kind: &'a str,
    title: &'a str,
    number: &'a str,
    due_at: Option<i64>,
}

impl WardMail {
    /// Reads a mail that `author` has signed. `None` for what a program sent by itself: it is
    /// never answered (RFC 3834 §2).
    pub(crate) fn read(
        envelope: &EnvelopeId,
        author: &Address,
        message: &[u8],
    ) -> Option<WardMail> {
        let (head, _) = header::split(message);
        let automatic = head.value("Auto-Submitted").is_some_and(|value| {
            let word = value.split(';').next().unwrap_or_default();
            !word.trim().eq_ignore_ascii_case("no")
        });
        if automatic {
            return None;
        }
        let parsed = MessageParser::default().parse(message)?;
        let list = |name| {
            let value = head.value(name).unwrap_or_default();
            MessageId::parse_list(&value)
        };
        // `References` lists the oldest first; the message answered is the newest.
        let mut cites = list("In-Reply-To");
        cites.extend(list("References").into_iter().rev());
        cites.dedup();
        let files = parsed
            .attachments()
            .filter(|part| {
                let kind = part.content_type();
                let signature = kind
                    .and_then(|kind| kind.subtype())
                    .is_some_and(|subtype| subtype.contains("pkcs7"));
                !part.contents().is_empty() && !signature
            })
            .count();
        let name = parsed
            .from()
            .and_then(|from| from.first()?.name())
            .map_or_else(|| author.to_string(), str::to_owned);
        Some(WardMail {
            envelope: envelope.clone(),
            message_id: list("Message-ID").into_iter().next(),
            author: author.clone(),
            name,
            subject: parsed.subject().unwrap_or_default().to_owned(),
            cites,
            files: u32::try_from(files).unwrap_or(u32::MAX),
            has_keyword: keyword_of(message).is_some(),
        })
    }
}

impl Feed {
    /// Whether mail to this address is mail to the ward.
    pub(crate) fn reads(&self, recipient: &Address) -> bool {
        *recipient == self.0.sender
    }

    /// Takes in a mail to the ward, in the transaction that files it. Call [`Feed::wake_answers`]
    /// once that is committed.
    ///
    /// # Errors
    /// [`GatewayError`]; the caller's transaction must then fail.
    pub(crate) async fn take_mail(
        &self,
        tx: &mut AnyConnection,
        mail: &WardMail,
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        let mut effects = Effects::at(now);
        self.0.take_mail(tx, mail, &mut effects).await
    }

    /// Lets the answers to a mail leave.
    pub(crate) fn wake_answers(&self) {
        self.0.drafts.wake();
        self.0.waiting.notify_one();
    }

    /// Mail to the ward, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be read.
    pub async fn incoming(&self, limit: i64) -> Result<Vec<Incoming>, GatewayError> {
        sqlx::query(
            "SELECT m.number, m.kind, m.title, m.author, m.files, m.came_at, m.handled_at,
                    m.handled_by, s.visit
             FROM ward_mail m LEFT JOIN notice_stay s ON s.number = m.number
             ORDER BY m.came_at DESC, m.envelope LIMIT $1",
        )
        .bind(limit)
        .fetch_all(self.0.store.read())
        .await?
        .iter()
        .map(|row| {
            let visit: Option<Vec<u8>> = row.try_get("visit")?;
            let visit = visit.map(|sealed| self.0.open_visit(&sealed)).transpose()?;
            let files: i64 = row.try_get("files")?;
            let kind: String = row.try_get("kind")?;
            let handled: Option<i64> = row.try_get("handled_at")?;
            let by: Option<String> = row.try_get("handled_by")?;
            let state = match handled {
                Some(at) => Handling::Handled(from_millis(at), by.unwrap_or_default()),
                None if [ANSWER, MESSAGE, UNMATCHED].contains(&kind.as_str()) => Handling::None,
                None => Handling::Open,
            };
            Ok(Incoming {
                number: row.try_get("number")?,
                visit,
                kind,
                title: row.try_get("title")?,
                author: row.try_get("author")?,
                files: u32::try_from(files).unwrap_or(u32::MAX),
                came_at: from_millis(row.try_get("came_at")?),
                state,
            })
        })
        .collect()
    }

    /// Notes that a person has handled the mail of that number. False when none waits.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be written.
    pub async fn handled(&self, number: &str, by: &str) -> Result<bool, GatewayError> {
        let (number, by) = (number.to_owned(), by.to_owned());
        let now = millis(self.0.clock.now());
        self.0
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let done = sqlx::query(
                        "UPDATE ward_mail SET handled_at = $1, handled_by = $2, due_at = NULL
                         WHERE number = $3 AND handled_at IS NULL AND kind NOT IN ($4, $5, $6)",
                    )
                    .bind(now)
                    .bind(by)
                    .bind(number)
                    .bind(ANSWER)
                    .bind(MESSAGE)
                    .bind(UNMATCHED)
                    .execute(tx)
                    .await?;
                    Ok::<_, GatewayError>(done.rows_affected() > 0)
                })
            })
            .await
    }

    /// Reminds the ward of mail that nobody has handled.
    pub(super) async fn remind_of_mail(&self) -> Result<(), GatewayError> {
        loop {
            let now = self.0.clock.now();
            let due: Vec<String> = sqlx::query_scalar(
                "SELECT envelope FROM ward_mail WHERE due_at <= $1 ORDER BY due_at LIMIT $2",
            )
            .bind(millis(now))
            .bind(AT_ONCE)
            .fetch_all(self.0.store.read())
            .await?;
            if due.is_empty() {
                return Ok(());
            }
            for envelope in due {
                self.act(now, move |parts, tx, effects| {
                    Box::pin(async move { parts.remind_of(tx, &envelope, effects).await })
                })
                .await?;
            }
        }
    }
}

impl Parts {
    async fn take_mail(
        &self,
        tx: &mut AnyConnection,
        mail: &WardMail,
        effects: &mut Effects,
    ) -> Result<(), GatewayError> {
        if mail.author == self.sender {
            return Ok(());
        }
        if let Some((kind, rule)) = incoming_kind(&mail.subject, &self.rules.incoming) {
            let due = effects.now + time::Duration::hours(i64::from(rule.hours));
            let number = next_number(tx, legal_time(effects.now).date()).await?;
            let kept = Kept {
                kind,
                title: &rule.title,
                number: &number.to_string(),
                due_at: Some(millis(due)),
            };
            self.keep_mail(tx, mail, &kept, effects.now).await?;
            self.answer(tx, mail, ("answers/incoming.txt", &kept), effects)
                .await?;
            return self.tell_of(tx, mail, (&kept, "incoming"), effects).await;
        }
        if let Some((number, wanted)) = self.told(tx, mail).await? {
            return self.take_reply(tx, mail, (&number, &wanted), effects).await;
        }
        if !self.cites_a_notice(tx, mail).await? {
            return Ok(());
        }
        let kept = Kept {
            kind: UNMATCHED,
            title: "Réponse non rattachée à un séjour",
            number: "",
            due_at: None,
        };
        self.keep_mail(tx, mail, &kept, effects.now).await?;
        self.answer(tx, mail, ("answers/unmatched.txt", &kept), effects)
            .await?;
        self.tell_of(tx, mail, (&kept, UNMATCHED), effects).await
    }

    /// The notice that a mail answers, and as whom its author received it.
    async fn told(
        &self,
        tx: &mut AnyConnection,
        mail: &WardMail,
    ) -> Result<Option<(String, String)>, GatewayError> {
        for cited in &mail.cites {
            let row = sqlx::query(
                "SELECT t.number, r.wanted FROM tracked t
                 JOIN tracked_recipient r ON r.envelope = t.envelope
                 JOIN notice_stay s ON s.number = t.number
                 WHERE t.message_id = $1 AND t.kind = 'notice' AND r.address = $2",
            )
            .bind(cited.as_str())
            .bind(mail.author.key())
            .fetch_optional(&mut *tx)
            .await?;
            if let Some(row) = row {
                return Ok(Some((row.try_get(0)?, row.try_get(1)?)));
            }
        }
        Ok(None)
    }

    /// Whether a mail cites a notice, sent to somebody else, or of which nothing is known.
    async fn cites_a_notice(
        &self,
        tx: &mut AnyConnection,
        mail: &WardMail,
    ) -> Result<bool, GatewayError> {
        let ending = format!("@{}", self.sender.domain());
        for cited in &mail.cites {
            let looks_so = cited.as_str().starts_with("avis-") && cited.as_str().ends_with(&ending);
            let known =
                sqlx::query("SELECT 1 FROM tracked WHERE message_id = $1 AND kind = 'notice'")
                    .bind(cited.as_str())
                    .fetch_optional(&mut *tx)
                    .await?;
            if looks_so || known.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn take_reply(
        &self,
        tx: &mut AnyConnection,
        mail: &WardMail,
        (number, wanted): (&str, &str),
        effects: &mut Effects,
    ) -> Result<(), GatewayError> {
        let now = effects.now;
        if mail.files == 0 && mail.has_keyword {
            return Ok(());
        }
        let mut was_asked = false;
        if mail.files > 0 {
            was_asked = self
                .note_answer(tx, (number, wanted), mail.files, now)
                .await?;
            let reply = Reply {
                cites: mail.cites.clone(),
                author: mail.author.clone(),
                name: mail.name.clone(),
                keyword: Keyword::Documents,
            };
            Ledger::reply(tx, &reply, now).await?;
        }
        let tally = self.tally(tx, number).await?;
        let (kind, title) = match (mail.files > 0, was_asked) {
            (true, true) => (ANSWER, "Réponse reçue"),
            (true, false) => (ANSWER, "Document reçu"),
            (false, _) => (MESSAGE, "Message reçu"),
        };
        let kept = Kept {
            kind,
            title,
            number,
            due_at: None,
        };
        self.keep_mail(tx, mail, &kept, now).await?;
        // A remark on a notice that asked for nothing is in the mailbox already.
        match mail.files > 0 || tally.is_some() {
            true => self.tell_of(tx, mail, (&kept, kind), effects).await,
            false => Ok(()),
        }
    }

    async fn keep_mail(
        &self,
        tx: &mut AnyConnection,
        mail: &WardMail,
        kept: &Kept<'_>,
        now: OffsetDateTime,
    ) -> Result<(), GatewayError> {
        sqlx::query(
            "INSERT INTO ward_mail (envelope, came_at, kind, title, number, author, files, due_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (envelope) DO NOTHING",
        )
        .bind(mail.envelope.as_str())
        .bind(millis(now))
        .bind(kept.kind)
        .bind(kept.title)
        .bind(kept.number)
        .bind(mail.author.to_string())
        .bind(i64::from(mail.files))
        .bind(kept.due_at)
        .execute(tx)
        .await?;
        Ok(())
    }

    /// Writes to the author of a mail.
    async fn answer(
        &self,
        tx: &mut AnyConnection,
        mail: &WardMail,
        (page, kept): (&str, &Kept<'_>),
        effects: &mut Effects,
    ) -> Result<(), GatewayError> {
        let view = MailView {
            number: kept.number.to_owned(),
            author: mail.author.to_string(),
            files: mail.files,
            at: when(effects.now),
            ..self.mail_view(kept.title, "incoming")
        };
        let subject = match kept.number {
            "" => kept.title.to_owned(),
            number => format!("{} reçue - n° {number}", kept.title),
        };
        let draft = Draft {
            envelope: EnvelopeId::fresh(),
            message_id: MessageId::new(self.sender.domain()),
            from: self.sender.clone(),
            wanted: vec![Wanted {
                label: mail.author.to_string(),
                query: Query {
                    by: By::Address(mail.author.clone()),
                    purpose: None,
                },
            }],
            urgency: liaison_mail::Urgency::Info,
            closed_loop: Loop::Open,
            content: Content::Text {
                subject,
                text: self.rules.pages.render(page, view)?,
                in_reply_to: mail.message_id.clone(),
                ask_receipt: false,
                attachments: Vec::new(),
            },
        };
        self.drafts.insert(tx, &draft, effects.now).await?;
        effects.drafts += 1;
        Ok(())
    }

    /// Tells the ward what a mail is, in its own mailbox.
    async fn tell_of(
        &self,
        tx: &mut AnyConnection,
        mail: &WardMail,
        (kept, state): (&Kept<'_>, &'static str),
        effects: &mut Effects,
    ) -> Result<(), GatewayError> {
        let tally = self.tally(tx, kept.number).await?;
        let mut view = MailView {
            number: kept.number.to_owned(),
            visit: self.visit_of(tx, kept.number).await?,
            author: mail.author.to_string(),
            files: mail.files,
            at: when(effects.now),
            ..self.mail_view(kept.title, state)
        };
        if let Some(tally) = tally {
            view.title = format!("{} : {}", kept.title, tally.title);
            view.asked = tally.asked;
            view.answered = tally.answered;
            view.missing = tally.missing;
        }
        let id = format!("mail:{}", mail.envelope);
        self.tell("tasks/mail.txt", (&id, view), tx, effects).await
    }

    async fn remind_of(
        &self,
        tx: &mut AnyConnection,
        envelope: &str,
        effects: &mut Effects,
    ) -> Result<(), GatewayError> {
        let row = sqlx::query(
            "UPDATE ward_mail SET due_at = NULL
             WHERE envelope = $1 AND due_at IS NOT NULL AND handled_at IS NULL
             RETURNING title, number, author, files, came_at",
        )
        .bind(envelope)
        .fetch_optional(&mut *tx)
        .await?;
        // Handled, or reminded of by another process, since it was looked up.
        let Some(row) = row else { return Ok(()) };
        let (title, files): (String, i64) = (row.try_get(0)?, row.try_get(3)?);
        let view = MailView {
            number: row.try_get(1)?,
            author: row.try_get(2)?,
            files: u32::try_from(files).unwrap_or(u32::MAX),
            at: when(from_millis(row.try_get(4)?)),
            ..self.mail_view(&format!("Non traité : {title}"), "unhandled")
        };
        let id = format!("unhandled:{envelope}");
        self.tell("tasks/missing.txt", (&id, view), tx, effects)
            .await
    }

    async fn visit_of(&self, tx: &mut AnyConnection, number: &str) -> Result<String, GatewayError> {
        let row = sqlx::query("SELECT visit FROM notice_stay WHERE number = $1")
            .bind(number)
            .fetch_optional(tx)
            .await?;
        match row {
            Some(row) => self.open_visit(&row.try_get::<Vec<u8>, _>(0)?),
            None => Ok(String::new()),
        }
    }

    /// A view with the hospital's name, and nothing else.
    pub(super) fn mail_view(&self, title: &str, state: &'static str) -> MailView {
        let hospital = &self.rules.hospital;
        MailView {
            title: title.to_owned(),
            state,
            number: String::new(),
            visit: String::new(),
            author: String::new(),
            files: 0,
            at: String::new(),
            asked: 0,
            answered: 0,
            missing: Vec::new(),
            hospital: hospital.name.clone(),
            phone: hospital.phone.clone().unwrap_or_default(),
        }
    }

    /// Files a text in the ward's mailbox; `id` names it for ever.
    pub(super) async fn tell(
        &self,
        page: &str,
        (id, view): (&str, MailView),
        tx: &mut AnyConnection,
        effects: &mut Effects,
    ) -> Result<(), GatewayError> {
        let subject = view.title.clone();
        let text = self.rules.pages.render(page, view)?;
        let told = self
            .notifications
            .to_ward(&self.sender, (id, &subject, &text), effects.now)
            .await?;
        told.file(tx).await?;
        effects.told_ward = true;
        Ok(())
    }
}

/// A moment by the clocks of France, in words.
pub(super) fn when(at: OffsetDateTime) -> String {
    let moment = Moment {
        at: legal_time(at),
        has_time: true,
    };
    moment.words()
}
