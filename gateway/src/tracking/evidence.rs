//! Whether the author of a report or a reply may say what it says, and what it then means.

use liaison_mail::dsn::{Action, DeliveryReport};
use liaison_mail::mdn::{Disposition, DispositionReport};
use liaison_mail::port::Origin;
use liaison_mail::{Address, EnvelopeId, MessageId};
use mail_parser::MessageParser;
use sqlx::AnyConnection;
use time::OffsetDateTime;

use super::State;
use super::{Ledger, News};
use crate::GatewayError;

/// What a recipient says in the first line of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyword {
    /// « PRIS EN CHARGE »: a clinician acts on the notice.
    TakenCharge,
    /// « ARRIVÉE »: the person is here and the receiving team has them.
    Arrived,
    /// No word, but a document: what the notice asked for.
    Documents,
}

impl Keyword {
    /// The words as a ward reads them.
    pub fn words(self) -> &'static str {
        match self {
            Self::TakenCharge => "pris en charge",
            Self::Arrived => "arrivée confirmée",
            Self::Documents => "réponse avec document",
        }
    }
}

/// A reply whose signature and author have been verified.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// The messages that it cites (`In-Reply-To`, then `References`).
    pub cites: Vec<MessageId>,
    /// The author: the address that the signature binds.
    pub author: Address,
    /// The author's name as the signed header gives it, or the address.
    pub name: String,
    /// What the first line says.
    pub keyword: Keyword,
}

impl Ledger {
    /// Records a delivery report. Each recipient is believed only if `origin` speaks for its
    /// domain. Returns the recipients that will not get the message.
    pub(crate) async fn delivery_report(
        tx: &mut AnyConnection,
        report: &DeliveryReport,
        origin: &Origin,
        at: OffsetDateTime,
    ) -> Result<Vec<(EnvelopeId, Address)>, GatewayError> {
        let mut failed = Vec::new();
        let Some(envelope) = &report.envelope_id else {
            return Ok(failed);
        };
        for recipient in &report.recipients {
            if !origin.speaks_for(recipient.address.domain()) {
                tracing::warn!(%envelope, ?origin, "a delivery report about another's domain: not believed");
                continue;
            }
            let state = match recipient.action {
                Action::Delivered => State::Delivered,
                Action::Relayed => State::Relayed,
                Action::Failed => State::Failed,
                Action::Delayed => continue,
            };
            let detail = recipient.diagnostic.clone().unwrap_or_default();
            let news = News {
                envelope,
                recipient: &recipient.address,
                state,
                at,
                detail: &detail,
            };
            if Self::record(tx, &news).await? && state == State::Failed {
                failed.push((envelope.clone(), recipient.address.clone()));
            }
        }
        Ok(failed)
    }

    /// Records that a recipient's program opened a message. `author` is the verified signer: a
    /// notification about somebody else's mailbox is not believed. Returns whether it was.
    pub(crate) async fn disposition_report(
        tx: &mut AnyConnection,
        report: &DispositionReport,
        author: &Address,
        at: OffsetDateTime,
    ) -> Result<bool, GatewayError> {
        if report.recipient != *author || report.disposition != Disposition::Displayed {
            return Ok(false);
        }
        let about = (&report.message_id, author);
        Self::news_of(tx, about, (State::Opened, ""), at).await
    }

    /// Records that a recipient has taken charge. Returns whether the reply is about a message
    /// of ours that its author received.
    pub(crate) async fn reply(
        tx: &mut AnyConnection,
        reply: &Reply,
        at: OffsetDateTime,
    ) -> Result<bool, GatewayError> {
        let detail = format!("{} ({})", reply.keyword.words(), reply.name);
        for cited in &reply.cites {
            let about = (cited, &reply.author);
            if Self::news_of(tx, about, (State::TakenCharge, &detail), at).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Records news about the copy of a message that a recipient got, whichever envelope carried
    /// it. Returns whether there is one.
    async fn news_of(
        tx: &mut AnyConnection,
        (message_id, recipient): (&MessageId, &Address),
        (state, detail): (State, &str),
        at: OffsetDateTime,
    ) -> Result<bool, GatewayError> {
        for envelope in Self::envelopes(tx, message_id).await? {
            let news = News {
                envelope: &envelope,
                recipient,
                state,
                at,
                detail,
            };
            if Self::record(tx, &news).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What the first written line of a message says, when it is exactly one of the keywords,
/// perhaps followed by « par … », a full stop or an exclamation mark. Anything else (a question, a
/// negation, a sentence) is no taking of charge.
pub(crate) fn keyword_of(message: &[u8]) -> Option<Keyword> {
    let parsed = MessageParser::default().parse(message)?;
    let text = parsed.body_text(0)?;
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .filter(|line| line.len() < 200)?;
    let line = fold(line);
    [
        ("PRIS EN CHARGE", Keyword::TakenCharge),
        ("PRISE EN CHARGE", Keyword::TakenCharge),
        ("ARRIVEE", Keyword::Arrived),
        ("ARRIVE", Keyword::Arrived),
    ]
    .into_iter()
    .find(|(word, _)| {
        line.strip_prefix(word).is_some_and(|rest| {
            let rest = rest.trim_start();
            rest.is_empty()
                || rest.trim_matches(['.', '!', ' ']).is_empty()
                || (rest.starts_with("PAR ") && !rest.contains('?'))
        })
    })
    .map(|(_, keyword)| keyword)
}

/// Upper case without accents or quotation marks, for the letters that the keywords use.
fn fold(line: &str) -> String {
    line.chars()
        .filter(|c| !matches!(c, '«' | '»' | '"' | '\u{a0}' | '\u{202f}' | '*'))
        .flat_map(char::to_uppercase)
        .map(|c| match c {
            'É' | 'È' | 'Ê' => 'E',
            other => other,
        })
        .filter(|c| *c != '\u{301}')
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tracking::{Expected, SCHEMA, Subject};
    use liaison_mail::Urgency;
    use liaison_store::Store;
    use liaison_store::testing::database;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    async fn sent(store: &Store, envelope: &str, to: &str) {
        let (envelope, to) = (
            EnvelopeId::parse(envelope).unwrap(),
            Address::parse(to).unwrap(),
        );
        let expected = Expected {
            envelope: envelope.clone(),
            message_id: MessageId::parse("m1@ch.test").unwrap(),
            from: Address::parse("avis@ch.test").unwrap(),
            urgency: Urgency::Normal,
            subject: Subject {
                kind: "mail".to_owned(),
                number: String::new(),
                title: String::new(),
            },
            recipients: vec![to.to_string()],
        };
        store
            .write(move |tx| {
                Box::pin(async move {
                    Ledger::expect(tx, &expected, NOW).await?;
                    Ledger::resolved(tx, &envelope, 0, &to).await
                })
            })
            .await
            .unwrap();
    }

    async fn replies(store: &Store, author: &str) -> bool {
        let reply = Reply {
            cites: vec![MessageId::parse("m1@ch.test").unwrap()],
            author: Address::parse(author).unwrap(),
            name: "Luc".to_owned(),
            keyword: Keyword::TakenCharge,
        };
        store
            .write(move |tx| Box::pin(async move { Ledger::reply(tx, &reply, NOW).await }))
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_blind_recipient_takes_charge_in_an_envelope_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(
            database(folder.path().join("t.db")),
            &[SCHEMA, crate::hospital::feed::SCHEMA],
        )
        .await
        .unwrap();
        sent(&store, "e1", "seen@cabinet.test").await;
        sent(&store, "e2", "blind@cabinet.test").await;
        assert!(replies(&store, "blind@cabinet.test").await);
        assert!(!replies(&store, "stranger@cabinet.test").await);
        let states: Vec<_> = Ledger::new(store)
            .newest(10)
            .await
            .unwrap()
            .into_iter()
            .map(|message| (message.envelope.to_string(), message.recipients[0].state))
            .collect();
        assert_eq!(
            states,
            [
                ("e2".to_owned(), State::TakenCharge),
                ("e1".to_owned(), State::Queued)
            ]
        );
    }

    fn says(text: &str) -> Option<Keyword> {
        keyword_of(format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n").as_bytes())
    }

    #[test]
    fn the_keywords_are_understood_as_people_type_them() {
        for text in [
            "PRIS EN CHARGE",
            "pris en charge.",
            "« PRIS EN CHARGE »",
            "\r\n  Pris en charge par Mme Durand",
            "Prise en charge !",
        ] {
            assert_eq!(says(text), Some(Keyword::TakenCharge), "{text}");
        }
        for text in ["ARRIVÉE", "arrivée", "Arrivee.", "Arrivé", "ARRIVE\u{301}E"] {
            assert_eq!(says(text), Some(Keyword::Arrived), "{text}");
        }
    }

    #[test]
    fn a_question_a_negation_or_a_quotation_is_no_taking_of_charge() {
        for text in [
            "",
            "PRIS EN CHARGE ?",
            "pris en charge par qui ?",
            "Non pris en charge",
            "PAS ARRIVÉE",
            "ARRIVÉE prévue quand",
            "Arrivera demain",
            "Bonjour,\r\nPRIS EN CHARGE",
            "> PRIS EN CHARGE",
        ] {
            assert_eq!(says(text), None, "{text}");
        }
    }
}
