//! Message disposition notifications: what a recipient's side says was done with a message
//! (RFC 8098).
//!
//! « Opened » by a program and « taken charge » by a person are different facts. An MDN can carry
//! only the first: [`Disposition::Displayed`] means that a mail client fetched the message for
//! somebody; it never means that anyone acts on it.

use std::fmt::Write as _;

use crate::dsn::{self, Heading};
use crate::{Address, Domain, EnvelopeId, MailError, MessageId};

/// The machine-readable part of a notification (RFC 8098 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DispositionReport {
    /// The program that speaks (`Reporting-UA`, §3.2.1).
    pub reporting_ua: Domain,
    /// The mailbox whose message it was (`Final-Recipient`, §3.2.4).
    pub recipient: Address,
    /// The message reported on (`Original-Message-ID`, §3.2.5).
    pub message_id: MessageId,
    /// Its `ENVID`, in an extension field, so that the sender finds it without a search.
    pub envelope_id: Option<EnvelopeId>,
    /// What was done.
    pub disposition: Disposition,
}

/// `disposition-mode` and `disposition-type` of RFC 8098 §3.2.6, as far as they are told apart
/// here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// `displayed`: a client fetched the message for a person.
    Displayed,
    /// `processed`: a system integrated it; no person has seen it.
    Processed,
    /// `deleted` or `dispatched`, or a type that we do not know: no statement about reading.
    Other,
}

impl DispositionReport {
    /// Writes the notification as a complete message with CRLF line ends.
    ///
    /// # Errors
    /// [`MailError::Report`] when the date cannot be written.
    pub fn compose(&self, heading: &Heading) -> Result<Vec<u8>, MailError> {
        let mut part = format!(
            "Reporting-UA: {}; Liaison\r\nFinal-Recipient: rfc822; {}\r\nOriginal-Message-ID: {}\r\n",
            self.reporting_ua, self.recipient, self.message_id
        );
        if let Some(id) = &self.envelope_id {
            let _ = write!(part, "X-Liaison-Envelope-Id: {id}\r\n");
        }
        let disposition = match self.disposition {
            Disposition::Displayed => "manual-action/MDN-sent-automatically; displayed",
            Disposition::Processed => "automatic-action/MDN-sent-automatically; processed",
            Disposition::Other => "automatic-action/MDN-sent-automatically; deleted",
        };
        let _ = write!(part, "Disposition: {disposition}\r\n");
        dsn::compose_report(heading, "disposition-notification", &part)
    }

    /// Reads the machine part out of a complete message.
    ///
    /// # Errors
    /// [`MailError::Report`] when it is not a `multipart/report` of this type, is larger than
    /// [`dsn::MAX_REPORT`], or lacks a required field.
    pub fn read(message: &[u8]) -> Result<Self, MailError> {
        let part = dsn::report_part(message, "disposition-notification")?;
        let groups = dsn::groups(&part);
        let fields = groups.first().ok_or(MailError::Report("empty part"))?;
        Ok(Self {
            reporting_ua: fields
                .value("Reporting-UA")
                .and_then(|ua| Domain::parse(ua.split(';').next()?.trim()).ok())
                .ok_or(MailError::Report("no Reporting-UA"))?,
            recipient: fields
                .value("Final-Recipient")
                .and_then(|value| Address::parse(dsn::after_type(&value)).ok())
                .ok_or(MailError::Report("no Final-Recipient"))?,
            message_id: fields
                .value("Original-Message-ID")
                .and_then(|id| MessageId::parse(&id).ok())
                .ok_or(MailError::Report("no Original-Message-ID"))?,
            envelope_id: fields
                .value("X-Liaison-Envelope-Id")
                .and_then(|id| EnvelopeId::parse(&id).ok()),
            disposition: fields
                .value("Disposition")
                .map(|value| Disposition::read(&value))
                .ok_or(MailError::Report("no Disposition"))?,
        })
    }
}

impl Disposition {
    /// `manual-action/…; displayed/modifier`: only a manual action that displayed counts as
    /// opened (RFC 8098 §3.2.6.1).
    fn read(value: &str) -> Self {
        let (mode, kind) = value.split_once(';').unwrap_or(("", value));
        let kind = kind.split('/').next().unwrap_or_default().trim();
        let manual = mode
            .trim()
            .to_ascii_lowercase()
            .starts_with("manual-action");
        match kind.to_ascii_lowercase().as_str() {
            "displayed" if manual => Self::Displayed,
            "displayed" | "processed" => Self::Processed,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::OffsetDateTime;

    #[test]
    fn a_notification_reads_back_as_composed() {
        let heading = Heading {
            from: Address::parse("soins@ehpad.test").unwrap(),
            to: Address::parse("avis@ch.test").unwrap(),
            message_id: MessageId::parse("m1@ehpad.test").unwrap(),
            in_reply_to: None,
            date: OffsetDateTime::UNIX_EPOCH,
            subject: "Message ouvert".to_owned(),
            text: "Le message a été ouvert.".to_owned(),
        };
        for disposition in [
            Disposition::Displayed,
            Disposition::Processed,
            Disposition::Other,
        ] {
            let report = DispositionReport {
                reporting_ua: Domain::parse("gateway.ehpad.test").unwrap(),
                recipient: Address::parse("soins@ehpad.test").unwrap(),
                message_id: MessageId::parse("n45@ch.test").unwrap(),
                envelope_id: Some(EnvelopeId::parse("n45.v1").unwrap()),
                disposition,
            };
            let message = report.compose(&heading).unwrap();
            assert_eq!(DispositionReport::read(&message).unwrap(), report);
        }
    }

    #[test]
    fn an_automatic_display_is_not_an_opening() {
        for (value, expected) in [
            (
                "manual-action/MDN-sent-manually; displayed",
                Disposition::Displayed,
            ),
            (
                "automatic-action/MDN-sent-automatically; displayed",
                Disposition::Processed,
            ),
            (
                "automatic-action/MDN-sent-automatically; processed/Error",
                Disposition::Processed,
            ),
            (
                "manual-action/MDN-sent-manually; deleted",
                Disposition::Other,
            ),
            ("displayed", Disposition::Processed),
            ("", Disposition::Other),
        ] {
            assert_eq!(Disposition::read(value), expected, "{value}");
        }
    }
}
