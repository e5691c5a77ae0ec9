//! What is filed when a message cannot be opened: a plain warning, the original attached.

use askama::Template;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, MultiPart, SinglePart};
use liaison_mail::port::Arrival;
use liaison_mail::{Address, MessageId};
use liaison_smime::Refusal;
use time::OffsetDateTime;

use super::judge::Judged;
use crate::GatewayError;
use crate::outbound::compose::mailbox;

#[derive(Template)]
#[template(path = "mail/unreadable.txt", escape = "none")]
struct Unreadable<'a> {
    sender: &'a str,
}

/// The warning for `recipient`. The refusal itself is only logged: whoever sent the message learns
/// nothing from how it was refused.
pub(super) fn unreadable(
    arrival: &Arrival,
    recipient: &Address,
    (_refusal, original): (&Refusal, &[u8]),
    now: OffsetDateTime,
) -> Result<Judged, GatewayError> {
    let sender = arrival.envelope.from.to_string();
    let text = Unreadable { sender: &sender }.render()?;
    let postmaster = Address::parse(&format!("postmaster@{}", recipient.domain()))?;
    let original = Attachment::new("message-original.eml".to_owned()).body(
        original.to_vec(),
        "application/octet-stream"
            .parse::<ContentType>()
            .map_err(|_| GatewayError::Stored("media type"))?,
    );
    let message = lettre::Message::builder()
        .from(mailbox(Some("Messagerie Liaison"), &postmaster)?)
        .to(mailbox(None, recipient)?)
        .subject("[ILLISIBLE] Un message n'a pas pu être ouvert")
        .message_id(Some(MessageId::new(recipient.domain()).to_string()))
        .date(now.into())
        .multipart(
            MultiPart::mixed()
                .singlepart(
                    SinglePart::builder()
                        .header(ContentType::TEXT_PLAIN)
                        .body(text.replace('\n', "\r\n")),
                )
                .singlepart(original),
        )
        .map_err(|_| GatewayError::Stored("addresses of a warning"))?
        .formatted();
    Ok(Judged {
        message,
        author: None,
        verdict: "not opened",
        receipt: None,
        signature: None,
    })
}
