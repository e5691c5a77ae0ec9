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
}

impl Keyword {
    /// The words as a ward reads them.
    pub fn words(self) -> &'static str {
        match self {
            Self::TakenCharge => "pris en charge",
            Self::Arrived => "arrivée confirmée",
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
        let Some((envelope, _)) = Self::by_message_id(tx, &report.message_id).await? else {
            return Ok(false);
        };
        let news = News {
            envelope: &envelope,
            recipient: author,
            state: State::Opened,
            at,
            detail: "",
        };
        Self::record(tx, &news).await
    }

    /// Records that a recipient has taken charge. Returns whether the reply is about a message
    /// of ours that its author received.
    pub(crate) async fn reply(
        tx: &mut AnyConnection,
        reply: &Reply,
        at: OffsetDateTime,
    ) -> Result<bool, GatewayError> {
        for cited in &reply.cites {
            let Some((envelope, _)) = Self::by_message_id(tx, cited).await? else {
                continue;
            };
            let detail = format!("{} ({})", reply.keyword.words(), reply.name);
            let news = News {
                envelope: &envelope,
                recipient: &reply.author,
                state: State::TakenCharge,
                at,
                detail: &detail,
            };
            return Self::record(tx, &news).await;
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
