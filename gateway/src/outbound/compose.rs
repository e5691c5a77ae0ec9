//! The readable message of a draft, made once the addresses are known.

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};
use liaison_mail::{Address, MessageId, header};
use time::OffsetDateTime;

use super::{Attachment, Content, Draft};
use crate::GatewayError;

/// Makes the complete inner message of a draft for these recipients.
///
/// A client's own message keeps every byte but its `Bcc` fields; a `Message-ID` and a `Date` are
/// added when it has none (RFC 6409 §8). A text is composed by lettre.
///
/// # Errors
/// [`GatewayError::Stored`] when an address cannot be written in a header.
pub fn compose(
    draft: &Draft,
    from_name: &str,
    recipients: &[Address],
    date: OffsetDateTime,
) -> Result<Vec<u8>, GatewayError> {
    match &draft.content {
        Content::Mime(bytes) => complete(bytes, draft, date),
        Content::Report(bytes) | Content::Sealed(bytes) => Ok(bytes.clone()),
        Content::Text {
            subject,
            text,
            in_reply_to,
            ask_receipt,
            attachments,
        } => letter(&Letter {
            from: (&draft.from, from_name),
            to: recipients,
            message_id: &draft.message_id,
            in_reply_to: in_reply_to.as_ref(),
            ask_receipt: *ask_receipt,
            subject,
            text,
            attachments,
            date,
        }),
    }
}

/// A plain text that the gateway writes itself.
pub(crate) struct Letter<'a> {
    pub(crate) from: (&'a Address, &'a str),
    pub(crate) to: &'a [Address],
    pub(crate) message_id: &'a MessageId,
    pub(crate) in_reply_to: Option<&'a MessageId>,
    /// Ask for a receipt at `from`, which is also the reverse path: were they to differ, no
    /// receipt should be sent (RFC 8098 §2.1).
    pub(crate) ask_receipt: bool,
    pub(crate) subject: &'a str,
    pub(crate) text: &'a str,
    pub(crate) attachments: &'a [Attachment],
    pub(crate) date: OffsetDateTime,
}

/// Makes a complete message: the text, the same in HTML, and what goes with it.
pub(crate) fn letter(letter: &Letter<'_>) -> Result<Vec<u8>, GatewayError> {
    let (from, name) = letter.from;
    let mut builder = Message::builder()
        .from(mailbox(Some(name), from)?)
        .subject(letter.subject)
        .message_id(Some(letter.message_id.to_string()))
        .date(letter.date.into());
    for recipient in letter.to {
        builder = builder.to(mailbox(None, recipient)?);
    }
    if let Some(id) = letter.in_reply_to {
        builder = builder
            .in_reply_to(id.to_string())
            .references(id.to_string());
    }
    let part = |kind: ContentType, text: &str| {
        SinglePart::builder()
            .header(kind)
            .header(ContentTransferEncoding::QuotedPrintable)
            .body(text.replace('\n', "\r\n"))
    };
    let plain = part(ContentType::TEXT_PLAIN, letter.text);
    let composed = if letter.attachments.is_empty() {
        builder.singlepart(plain)
    } else {
        // What a text reader shows stays first (RFC 2046 §5.1.4: the last that is understood).
        let shown = MultiPart::alternative()
            .singlepart(plain)
            .singlepart(part(ContentType::TEXT_HTML, &html(letter.text)));
        let mut whole = MultiPart::mixed().multipart(shown);
        for attachment in letter.attachments {
            let kind = ContentType::parse(&attachment.media_type)
                .map_err(|_| GatewayError::Stored("media type of an attachment"))?;
            let file = lettre::message::Attachment::new(attachment.name.clone());
            whole = whole.singlepart(file.body(attachment.bytes.clone(), kind));
        }
        builder.multipart(whole)
    };
    let mut message = composed.map_err(|_| GatewayError::Stored("addresses of a letter"))?;
    let headers = message.headers_mut();
    headers.insert_raw(raw("Auto-Submitted", "auto-generated".to_owned()));
    if letter.ask_receipt {
        headers.insert_raw(raw("Disposition-Notification-To", from.to_string()));
    }
    Ok(message.formatted())
}

/// The lines of a text as a page of its own: the first larger, what has to be done in bold. No
/// image, no link, nothing to be fetched.
fn html(text: &str) -> String {
    let mut page = String::from(
        "<!DOCTYPE html>\n<html lang=\"fr\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"></head>\n<body style=\"font:16px/1.4 sans-serif\">\n",
    );
    for (line, at) in text.lines().zip(0..) {
        let line = line
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let style = match at {
            0 => " style=\"font-size:18px;font-weight:bold\"",
            _ if line.starts_with("À FAIRE") => " style=\"font-weight:bold\"",
            _ => "",
        };
        page.push_str("<p");
        page.push_str(style);
        page.push('>');
        page.push_str(&line);
        page.push_str("</p>\n");
    }
    page.push_str("</body></html>\n");
    page
}

/// A client's message without its `Bcc`, with the identifier and the date that it must have.
fn complete(bytes: &[u8], draft: &Draft, now: OffsetDateTime) -> Result<Vec<u8>, GatewayError> {
    let (head, body) = header::split(bytes);
    let mut message = Vec::with_capacity(bytes.len() + 200);
    if head.count("Message-ID") == 0 {
        message.extend_from_slice(format!("Message-ID: {}\r\n", draft.message_id).as_bytes());
    }
    if head.count("Date") == 0 {
        let date = now
            .format(&time::format_description::well_known::Rfc2822)
            .map_err(|_| GatewayError::Stored("date of a draft"))?;
        message.extend_from_slice(format!("Date: {date}\r\n").as_bytes());
    }
    for field in head.fields().filter(|field| !field.is("Bcc")) {
        message.extend_from_slice(field.name.as_bytes());
        message.push(b':');
        message.extend_from_slice(field.raw_value);
        message.extend_from_slice(b"\r\n");
    }
    message.extend_from_slice(b"\r\n");
    message.extend_from_slice(body);
    Ok(message)
}

pub(crate) fn mailbox(name: Option<&str>, address: &Address) -> Result<Mailbox, GatewayError> {
    let parsed = address
        .to_string()
        .parse()
        .map_err(|_| GatewayError::Stored("address of a draft"))?;
    Ok(Mailbox::new(name.map(str::to_owned), parsed))
}

fn raw(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::Loop;
    use liaison_mail::{EnvelopeId, Urgency};

    fn draft(content: Content) -> Draft {
        Draft {
            envelope: EnvelopeId::parse("e1").unwrap(),
            message_id: MessageId::parse("n45.v1@ch.test").unwrap(),
            from: Address::parse("avis@ch.test").unwrap(),
            wanted: Vec::new(),
            urgency: Urgency::Normal,
            closed_loop: Loop::Open,
            content,
        }
    }

    #[test]
    fn blind_recipients_are_not_shown_and_nothing_else_changes() {
        let inner = b"From: a@ch.test\r\nBCC: secret@x.test,\r\n other@x.test\r\nSubject: s\r\n\tfolded\r\nDate: d\r\nMessage-ID: <m@c.test>\r\n\r\n\x80 body \r\n.\r\n";
        let message = compose(
            &draft(Content::Mime(inner.to_vec())),
            "",
            &[],
            OffsetDateTime::UNIX_EPOCH,
        )
        .unwrap();
        assert_eq!(
            message,
            b"From: a@ch.test\r\nSubject: s\r\n\tfolded\r\nDate: d\r\nMessage-ID: <m@c.test>\r\n\r\n\x80 body \r\n.\r\n"
        );
    }

    #[test]
    fn a_text_becomes_a_message_that_asks_for_a_receipt_at_its_reverse_path() {
        let content = Content::Text {
            subject: "Retour à l'EHPAD".to_owned(),
            text: "À FAIRE : répondre « ARRIVÉE »\n".to_owned(),
            in_reply_to: None,
            ask_receipt: true,
            attachments: Vec::new(),
        };
        let to = Address::parse("soins@ehpad.test").unwrap();
        let message = compose(
            &draft(content),
            "CH de Test",
            &[to],
            OffsetDateTime::UNIX_EPOCH,
        )
        .unwrap();
        let (head, _) = header::split(&message);
        assert_eq!(
            head.value("Disposition-Notification-To").as_deref(),
            Some("avis@ch.test")
        );
        assert_eq!(
            head.value("Message-ID").as_deref(),
            Some("<n45.v1@ch.test>")
        );
        let parsed = mail_parser::MessageParser::default()
            .parse(&message)
            .unwrap();
        assert_eq!(parsed.subject(), Some("Retour à l'EHPAD"));
        assert_eq!(
            parsed.body_text(0).unwrap().trim(),
            "À FAIRE : répondre « ARRIVÉE »"
        );
    }
}
