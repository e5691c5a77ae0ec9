//! One message, however it came, to its commit and its acknowledgement.

use liaison_base::civil::legal_time;
use liaison_hl7::ack::{Stamp, acknowledge, acknowledge_unreadable};
use liaison_hl7::adt::AdtEvent;
use liaison_hl7::document::DocumentEvent;
use liaison_hl7::er7::Message;
use liaison_hl7::{Error, Refusal};
use liaison_mail::EnvelopeId;

use super::feed::Feed;

/// What a message is answered.
pub(super) struct Answer {
    /// The acknowledgement; `None` when the sender asked for none.
    pub(super) reply: Option<Vec<u8>>,
    /// Whether the message was taken.
    pub(super) taken: bool,
}

/// Commits a message and makes its acknowledgement. `from` names the sender in the log: an
/// address, or a file.
///
/// # Errors
/// A fault of ours, in words for the log: nothing was kept, and nothing may be answered.
pub(super) async fn answer(feed: &Feed, bytes: Vec<u8>, from: &str) -> Result<Answer, String> {
    let control_id = EnvelopeId::fresh();
    let stamp = Stamp {
        now: legal_time(feed.clock().now()),
        // MSH-10 has at most 20 characters (HL7 v2.5 §2.15.9.10); the end of a UUID is its
        // random part.
        control_id: &control_id.as_str()[12..],
    };
    let message = match Message::parse(&bytes) {
        Err(error) => {
            let refusal = refusal_of(&error)?;
            tracing::warn!(from, reason = %refusal, "feed: unreadable message refused");
            return Ok(refused(Some(acknowledge_unreadable(refusal, &stamp))));
        }
        Ok(message) => message,
    };
    if DocumentEvent::concerns(&message) {
        let taken = match DocumentEvent::parse(&message) {
            Err(error) => Err(refusal_of(&error)?),
            Ok(event) => feed
                .take_document(event, bytes.clone())
                .await
                .map_err(|error| format!("nothing was kept, nothing is acknowledged: {error}"))?,
        };
        return Ok(match taken {
            Err(refusal) => {
                tracing::warn!(from, reason = %refusal, "feed: document refused");
                refused(acknowledge(&message, Err(refusal), &stamp))
            }
            Ok(taken) => {
                tracing::info!(
                    from,
                    outcome = taken.outcome,
                    notices = taken.notices,
                    "feed: document taken"
                );
                Answer {
                    reply: acknowledge(&message, Ok(()), &stamp),
                    taken: true,
                }
            }
        });
    }
    let event = match AdtEvent::parse(&message) {
        Err(error) => {
            let refusal = refusal_of(&error)?;
            tracing::warn!(from, reason = %refusal, "feed: message refused");
            return Ok(refused(acknowledge(&message, Err(refusal), &stamp)));
        }
        Ok(event) => event,
    };
    if event.charset_undeclared {
        tracing::debug!(
            from,
            "feed: no character set declared (MSH-18), read as 8859/15"
        );
    }
    let trigger = event.trigger;
    let taken = feed
        .take(event, bytes.clone())
        .await
        .map_err(|error| format!("nothing was kept, nothing is acknowledged: {error}"))?;
    tracing::info!(
        from,
        trigger = trigger.as_str(),
        outcome = taken.outcome,
        notices = taken.notices,
        "feed: message taken"
    );
    Ok(Answer {
        reply: acknowledge(&message, Ok(()), &stamp),
        taken: true,
    })
}

/// The refusal of a file that is no file of messages.
pub(super) fn refuse_file(feed: &Feed, refusal: Refusal) -> Vec<u8> {
    let control_id = EnvelopeId::fresh();
    acknowledge_unreadable(
        refusal,
        &Stamp {
            now: legal_time(feed.clock().now()),
            control_id: &control_id.as_str()[12..],
        },
    )
}

fn refused(reply: Option<Vec<u8>>) -> Answer {
    Answer {
        reply,
        taken: false,
    }
}

fn refusal_of(error: &Error) -> Result<Refusal, String> {
    error.refusal().ok_or_else(|| error.to_string())
}
