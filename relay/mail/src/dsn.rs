//! Delivery status notifications: what a relay says of each recipient (RFC 3464).
//!
//! Liaison's reports return no content, whatever `RET` asked: the message is sealed, a report
//! travels in clear between relays, and even a header can name a person.

use std::fmt::Write as _;

use mail_parser::{MessageParser, MimeHeaders};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::header;
use crate::{Address, Domain, EnhancedStatus, EnvelopeId, MailError, MessageId};

/// Largest report read, in octets.
pub const MAX_REPORT: usize = 64 * 1024;

/// The machine-readable part of a report (RFC 3464 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryReport {
    /// The `ENVID` of the message reported on (`Original-Envelope-Id`, §2.2.1).
    pub envelope_id: Option<EnvelopeId>,
    /// The relay that speaks (`Reporting-MTA`, §2.2.2).
    pub reporting_mta: Domain,
    /// One entry a recipient, at least one.
    pub recipients: Vec<RecipientReport>,
}

/// What became of one recipient (RFC 3464 §2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientReport {
    /// The address as the sender first wrote it (`Original-Recipient`).
    pub original: Option<Address>,
    /// The address the report is about (`Final-Recipient`).
    pub address: Address,
    /// What happened.
    pub action: Action,
    /// The same in the terms of RFC 3463.
    pub status: EnhancedStatus,
    /// The peer's reply, printable ASCII (`Diagnostic-Code: smtp; …`).
    pub diagnostic: Option<String>,
}

/// `Action` of RFC 3464 §2.3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It will not arrive.
    Failed,
    /// Late; tries go on.
    Delayed,
    /// In the recipient's mailbox. Nothing is said of anyone having read it.
    Delivered,
    /// Handed to a system that will not report further.
    Relayed,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Failed, Self::Delayed, Self::Delivered, Self::Relayed]
            .into_iter()
            .find(|action| action.word().eq_ignore_ascii_case(word))
    }
}

/// The header and the human part of a report.
#[derive(Clone, Debug)]
pub struct Heading {
    /// The reporting relay's postmaster.
    pub from: Address,
    /// The reverse path of the message reported on.
    pub to: Address,
    /// The report's own identifier.
    pub message_id: MessageId,
    /// The identifier of the message reported on, when it is known.
    pub in_reply_to: Option<MessageId>,
    /// When the report was made.
    pub date: OffsetDateTime,
    /// The subject, ASCII.
    pub subject: String,
    /// What a person reads, UTF-8 without patient data; lines of at most 900 octets.
    pub text: String,
}

impl DeliveryReport {
    /// Writes the report as a complete message with CRLF line ends (RFC 6522 `multipart/report`).
    ///
    /// # Errors
    /// [`MailError::Report`] when the date cannot be written (a year beyond 9999).
    pub fn compose(&self, heading: &Heading) -> Result<Vec<u8>, MailError> {
        compose_report(heading, "delivery-status", &self.status_part())
    }

    /// Reads the machine part out of a complete message.
    ///
    /// # Errors
    /// [`MailError::Report`] when the message is larger than [`MAX_REPORT`], is not a
    /// `multipart/report` with a `message/delivery-status` part, or lacks a required field.
    pub fn read(message: &[u8]) -> Result<Self, MailError> {
        let part = report_part(message, "delivery-status")?;
        let mut groups = groups(&part).into_iter();
        let about = groups
            .next()
            .ok_or(MailError::Report("empty status part"))?;
        let envelope_id = about
            .value("Original-Envelope-Id")
            .and_then(|id| EnvelopeId::parse(&id).ok());
        let reporting_mta = about
            .value("Reporting-MTA")
            .and_then(|mta| Domain::parse(after_type(&mta)).ok())
            .ok_or(MailError::Report("no Reporting-MTA"))?;
        let recipients = groups
            .map(|group| RecipientReport::read(&group))
            .collect::<Result<Vec<_>, _>>()?;
        if recipients.is_empty() {
            return Err(MailError::Report("no recipient"));
        }
        Ok(Self {
            envelope_id,
            reporting_mta,
            recipients,
        })
    }

    fn status_part(&self) -> String {
        let mut part = format!("Reporting-MTA: dns; {}\r\n", self.reporting_mta);
        if let Some(id) = &self.envelope_id {
            let _ = write!(part, "Original-Envelope-Id: {id}\r\n");
        }
        for recipient in &self.recipients {
            part.push_str("\r\n");
            if let Some(original) = &recipient.original {
                let _ = write!(part, "Original-Recipient: rfc822; {original}\r\n");
            }
            let _ = write!(
                part,
                "Final-Recipient: rfc822; {}\r\nAction: {}\r\nStatus: {}\r\n",
                recipient.address,
                recipient.action.word(),
                recipient.status
            );
            if let Some(text) = &recipient.diagnostic {
                let _ = write!(part, "Diagnostic-Code: smtp; {}\r\n", printable(text));
            }
        }
        part
    }
}

impl RecipientReport {
    fn read(group: &Group) -> Result<Self, MailError> {
        let address = |name: &str| {
            group
                .value(name)
                .and_then(|value| Address::parse(after_type(&value)).ok())
        };
        Ok(Self {
            original: address("Original-Recipient"),
            address: address("Final-Recipient").ok_or(MailError::Report("no Final-Recipient"))?,
            action: group
                .value("Action")
                .and_then(|word| Action::parse(&word))
                .ok_or(MailError::Report("no Action that we know"))?,
            status: group
                .value("Status")
                .and_then(|status| EnhancedStatus::parse(status.split(' ').next()?).ok())
                .ok_or(MailError::Report("no Status"))?,
            diagnostic: group
                .value("Diagnostic-Code")
                .map(|text| after_type(&text).to_owned()),
        })
    }
}

/// Writes a `multipart/report` (RFC 6522) of a human part and one machine part.
pub(crate) fn compose_report(
    heading: &Heading,
    report_type: &str,
    machine_part: &str,
) -> Result<Vec<u8>, MailError> {
    let date = heading
        .date
        .format(&Rfc2822)
        .map_err(|_| MailError::Report("the date cannot be written"))?;
    // The identifier is unique and has no character that a boundary forbids once `@` is gone
    // (RFC 2046 §5.1.1).
    let boundary = format!(
        "r-{}",
        heading
            .message_id
            .as_str()
            .replace(|c: char| !c.is_ascii_alphanumeric(), "-")
    );
    let boundary = &boundary[..boundary.len().min(60)];
    let reference = heading
        .in_reply_to
        .as_ref()
        .map(|id| format!("In-Reply-To: {id}\r\nReferences: {id}\r\n"))
        .unwrap_or_default();
    let text = heading.text.replace("\r\n", "\n").replace('\n', "\r\n");
    Ok(format!(
        "From: <{from}>\r\n\
         To: <{to}>\r\n\
         Date: {date}\r\n\
         Message-ID: {id}\r\n\
         {reference}\
         Subject: {subject}\r\n\
         Auto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type={report_type};\r\n\
         \tboundary=\"{boundary}\"\r\n\
         \r\n\
         --{boundary}\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\
         \r\n\
         {text}\r\n\
         --{boundary}\r\n\
         Content-Type: message/{report_type}\r\n\
         \r\n\
         {machine_part}\r\n\
         --{boundary}--\r\n",
        from = heading.from,
        to = heading.to,
        id = heading.message_id,
        subject = printable(&heading.subject),
    )
    .into_bytes())
}

/// The bytes of the machine part of a report of this type.
pub(crate) fn report_part(message: &[u8], report_type: &'static str) -> Result<Vec<u8>, MailError> {
    if message.len() > MAX_REPORT {
        return Err(MailError::Report("too large"));
    }
    let parsed = MessageParser::default()
        .parse(message)
        .ok_or(MailError::Report("not a message"))?;
    let declared = parsed
        .content_type()
        .filter(|ct| ct.ctype() == "multipart" && ct.subtype() == Some("report"))
        .and_then(|ct| ct.attribute("report-type"));
    if !declared.is_some_and(|kind| kind.eq_ignore_ascii_case(report_type)) {
        return Err(MailError::Report("not a multipart/report of this type"));
    }
    parsed
        .parts
        .iter()
        .find(|part| {
            part.content_type()
                .is_some_and(|ct| ct.ctype() == "message" && ct.subtype() == Some(report_type))
        })
        .map(|part| part.contents().to_vec())
        .ok_or(MailError::Report("no machine-readable part"))
}

/// One group of fields of a report, between empty lines (RFC 3464 §2.1).
pub(crate) struct Group(Vec<u8>);

impl Group {
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        header::split(&self.0).0.value(name)
    }
}

/// The groups of a machine part; at most 200, empty ones dropped.
pub(crate) fn groups(part: &[u8]) -> Vec<Group> {
    let mut groups = Vec::new();
    let mut rest = part;
    while !rest.is_empty() && groups.len() < 200 {
        let (header, after) = header::split(rest);
        if header.fields().next().is_some() {
            groups.push(Group(header.as_bytes().to_vec()));
        }
        rest = after;
    }
    groups
}

/// What follows the type in `rfc822; a@b` or `dns; mta.test` (RFC 3464 §2.3.1).
pub(crate) fn after_type(value: &str) -> &str {
    value.split_once(';').map_or(value, |(_, rest)| rest).trim()
}

/// Keeps printable ASCII and cuts at 400 octets, so that foreign text cannot add a line.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == ' ' || c.is_ascii_graphic() {
                c
            } else {
                '?'
            }
        })
        .take(400)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heading() -> Heading {
        Heading {
            from: Address::parse("postmaster@ehpad.test").unwrap(),
            to: Address::parse("avis@ch.test").unwrap(),
            message_id: MessageId::parse("d1@relay.ehpad.test").unwrap(),
            in_reply_to: Some(MessageId::parse("n45@ch.test").unwrap()),
            date: OffsetDateTime::UNIX_EPOCH,
            subject: "Delivery report".to_owned(),
            text: "The message has arrived.\nNobody is said to have read it.".to_owned(),
        }
    }

    fn report() -> DeliveryReport {
        DeliveryReport {
            envelope_id: Some(EnvelopeId::parse("n45.v1").unwrap()),
            reporting_mta: Domain::parse("relay.ehpad.test").unwrap(),
            recipients: vec![
                RecipientReport {
                    original: None,
                    address: Address::parse("soins@ehpad.test").unwrap(),
                    action: Action::Delivered,
                    status: EnhancedStatus::DELIVERED,
                    diagnostic: None,
                },
                RecipientReport {
                    original: Some(Address::parse("old@ehpad.test").unwrap()),
                    address: Address::parse("gone@ehpad.test").unwrap(),
                    action: Action::Failed,
                    status: EnhancedStatus::NO_SUCH_MAILBOX,
                    diagnostic: Some("550 5.1.1 no such mailbox here".to_owned()),
                },
            ],
        }
    }

    #[test]
    fn a_report_reads_back_as_composed() {
        let message = report().compose(&heading()).unwrap();
        assert_eq!(DeliveryReport::read(&message).unwrap(), report());
    }

    #[test]
    fn foreign_text_cannot_add_a_field() {
        let mut hostile = report();
        hostile.recipients[1].diagnostic = Some("550 x\r\nAction: delivered\r\n".to_owned());
        let message = hostile.compose(&heading()).unwrap();
        let read = DeliveryReport::read(&message).unwrap();
        assert_eq!(read.recipients[1].action, Action::Failed);
    }

    #[test]
    fn what_is_not_a_report_is_named_as_such() {
        for message in [
            &b""[..],
            b"From: a@b.test\r\n\r\nhello",
            b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x--\r\n",
            b"Content-Type: multipart/report; report-type=disposition-notification; boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; a.test\r\n\r\n--x--\r\n",
        ] {
            assert!(DeliveryReport::read(message).is_err());
        }
        assert_eq!(
            DeliveryReport::read(&vec![b'a'; MAX_REPORT + 1]),
            Err(MailError::Report("too large"))
        );
    }
}
