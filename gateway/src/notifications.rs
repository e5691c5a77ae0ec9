//! What the gateway itself writes into its own members' mailboxes: bad news about what they sent.
//!
//! Silence is never an answer: a message that did not leave, or that a relay gave up, is told to
//! its author in French, in the author's own mailbox, and nowhere else.

use askama::Template;
use liaison_base::civil::legal_time;
use liaison_mail::{Address, EnvelopeId, MessageId};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::GatewayError;
use crate::mailbox::{Filing, Mailboxes, Prepared, SpecialUse};
use crate::outbound::compose::{Letter, letter};
use crate::outbound::resolve::Impediment;
use crate::outbound::{Draft, Loop};
use crate::tracking::Sent;

/// Date and time as people here write them.
const WHEN: &[BorrowedFormatItem<'_>] =
    format_description!("[day]/[month]/[year] à [hour] h [minute]");

/// Writes notifications for the mailboxes of this gateway.
#[derive(Clone)]
pub struct Notifications {
    mailboxes: Mailboxes,
    postmaster: Address,
}

/// A recipient that did not get the message.
pub(crate) struct Failure {
    recipient: String,
    impediment: Impediment,
}

/// A notice that waits for a person's decision.
#[derive(Template)]
#[template(path = "mail/held.txt", escape = "none")]
pub(crate) struct Held<'a> {
    /// Names it, so that one notification is filed.
    pub(crate) id: String,
    /// What `liaison notice release` is given.
    pub(crate) command: &'a str,
    /// Why, in French.
    pub(crate) reason: &'a str,
    /// The hospital's own number of the stay.
    pub(crate) visit: &'a str,
    /// The kinds of notice, in French; empty when even that cannot be said.
    pub(crate) labels: String,
}

/// The message that did not arrive.
struct About<'a> {
    author: &'a Address,
    envelope: &'a EnvelopeId,
    message_id: &'a MessageId,
    /// A notice's number, or empty.
    number: &'a str,
}

#[derive(Template)]
#[template(path = "mail/not_sent.txt", escape = "none")]
struct NotSent<'a> {
    title: &'a str,
    date: String,
    failures: &'a [Failure],
}

impl Notifications {
    /// Notifications from `postmaster` into these mailboxes.
    pub fn new(mailboxes: Mailboxes, postmaster: Address) -> Self {
        Self {
            mailboxes,
            postmaster,
        }
    }

    /// Tells the author of a draft which recipients it did not leave for. `None` when there are
    /// none, when the author has no mailbox here, or when the draft is an answer by program.
    pub(crate) async fn not_sent(
        &self,
        draft: &Draft,
        failures: &[(String, Impediment)],
        now: OffsetDateTime,
    ) -> Result<Option<Prepared>, GatewayError> {
        let Loop::Closed { number, .. } = &draft.closed_loop else {
            return Ok(None);
        };
        let failures: Vec<_> = failures
            .iter()
            .map(|(recipient, impediment)| Failure {
                recipient: recipient.clone(),
                impediment: impediment.clone(),
            })
            .collect();
        let about = About {
            author: &draft.from,
            envelope: &draft.envelope,
            message_id: &draft.message_id,
            number,
        };
        self.write(&about, &failures, now).await
    }

    /// Tells the author of a message that a relay gave up on a recipient.
    pub(crate) async fn not_delivered(
        &self,
        sent: &Sent,
        (recipient, reason): (&Address, &str),
        now: OffsetDateTime,
    ) -> Result<Option<Prepared>, GatewayError> {
        let failure = Failure {
            recipient: recipient.to_string(),
            impediment: Impediment::Refused(reason.to_owned()),
        };
        let about = About {
            author: &sent.sender,
            envelope: &sent.envelope,
            message_id: &sent.message_id,
            number: &sent.number,
        };
        self.write(&about, &[failure], now).await
    }

    /// Tells a ward that a notice is held and what a person has to do.
    pub(crate) async fn held(
        &self,
        ward: &Address,
        held: &Held<'_>,
        now: OffsetDateTime,
    ) -> Result<Prepared, GatewayError> {
        let text = held.render()?;
        let id = format!("held:{}", held.id);
        self.to_ward(ward, (&id, "Avis retenu : décision attendue", &text), now)
            .await
    }

    /// Files a message of this gateway for a ward: its name for ever, subject and text. Neither
    /// may name a patient.
    pub(crate) async fn to_ward(
        &self,
        ward: &Address,
        (id, subject, text): (&str, &str, &str),
        now: OffsetDateTime,
    ) -> Result<Prepared, GatewayError> {
        let message = letter(&Letter {
            attachments: &[],
            from: (&self.postmaster, "Messagerie Liaison"),
            to: std::slice::from_ref(ward),
            message_id: &MessageId::new(self.postmaster.domain()),
            in_reply_to: None,
            ask_receipt: false,
            subject,
            text,
            date: now,
        })?;
        let prepared = self
            .mailboxes
            .prepare(Filing {
                mailbox: ward.clone(),
                folder: SpecialUse::Inbox,
                message: &message,
                dedupe: id.to_owned(),
                tracked: None,
                seen: false,
            })
            .await?;
        Ok(prepared)
    }

    /// Wakes the sessions of a mailbox once a notification to it is committed.
    pub(crate) fn wake(&self, mailbox: &Address) {
        self.mailboxes.wake(mailbox);
    }

    async fn write(
        &self,
        about: &About<'_>,
        failures: &[Failure],
        now: OffsetDateTime,
    ) -> Result<Option<Prepared>, GatewayError> {
        let author = about.author;
        if failures.is_empty() || !self.mailboxes.serves(author) {
            return Ok(None);
        }
        let text = NotSent {
            title: &title_of(about.number),
            date: legal_time(now)
                .format(WHEN)
                .map_err(|_| GatewayError::Stored("date of a notification"))?,
            failures,
        }
        .render()?;
        let own_id = MessageId::new(self.postmaster.domain());
        let message = letter(&Letter {
            attachments: &[],
            from: (&self.postmaster, "Messagerie Liaison"),
            to: std::slice::from_ref(author),
            message_id: &own_id,
            in_reply_to: Some(about.message_id),
            ask_receipt: false,
            subject: "Message non remis",
            text: &text,
            date: now,
        })?;
        // One notification an envelope and recipient, however often the news arrives.
        let recipients: Vec<_> = failures.iter().map(|f| f.recipient.as_str()).collect();
        let prepared = self
            .mailboxes
            .prepare(Filing {
                mailbox: author.clone(),
                folder: SpecialUse::Inbox,
                message: &message,
                dedupe: format!("not-sent:{}:{}", about.envelope, recipients.join(",")),
                tracked: None,
                seen: false,
            })
            .await?;
        Ok(Some(prepared))
    }
}

fn title_of(number: &str) -> String {
    match number {
        "" => "Votre message".to_owned(),
        number => format!("L'avis n° {number}"),
    }
}
