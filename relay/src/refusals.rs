//! Why this relay said no, and how often.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use liaison_mail::{EnhancedStatus, Refusal, ReplyCode};

/// Why something was not taken. Each reason has its own public text, code and counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(usize)]
pub enum Reason {
    /// No TLS 1.3 session: no certificate, an untrusted one, or no TLS at all.
    Handshake,
    /// The certificate is trusted, but the directory lists no relay of its name.
    NotAPeer,
    /// Too many connections, at all or of this peer.
    TooManyConnections,
    /// The relay is leaving; another start, or another process, takes the mail.
    ShuttingDown,
    /// Too little room on the disk.
    Disk,
    /// Too little memory.
    Memory,
    /// The processors have too much to do.
    Load,
    /// The peer connects too often.
    ConnectionRate,
    /// The peer sends too many messages.
    MessageRate,
    /// The peer names too many recipients.
    RecipientRate,
    /// The peer sends too many octets.
    OctetRate,
    /// Commands or content that are not SMTP as it is taken here.
    Protocol,
    /// The sender's domain is not one that the peer speaks for.
    ForeignSender,
    /// The recipient's domain is neither served here nor carried onward.
    NotServedHere,
    /// The gateway refused the recipient.
    Mailbox,
    /// The content is neither S/MIME enveloped nor a delivery report.
    NotEnveloped,
    /// A delivery report that is too large, returns content or has a sender to report to.
    ReportShape,
    /// Line ends or an envelope that SMTP cannot carry.
    Malformed,
    /// Larger than the settings allow.
    TooLarge,
    /// The message has passed too many relays: it runs in a loop.
    TooManyHops,
    /// The directory does not answer.
    Directory,
    /// The disk or the database does not take it.
    Storage,
    /// There is no room left on a disk.
    Full,
}

impl Reason {
    /// Every reason, in the order of a message's way.
    pub const ALL: [Self; 23] = [
        Self::Handshake,
        Self::NotAPeer,
        Self::TooManyConnections,
        Self::ShuttingDown,
        Self::Disk,
        Self::Memory,
        Self::Load,
        Self::ConnectionRate,
        Self::MessageRate,
        Self::RecipientRate,
        Self::OctetRate,
        Self::Protocol,
        Self::ForeignSender,
        Self::NotServedHere,
        Self::Mailbox,
        Self::NotEnveloped,
        Self::ReportShape,
        Self::Malformed,
        Self::TooLarge,
        Self::TooManyHops,
        Self::Directory,
        Self::Storage,
        Self::Full,
    ];

    /// The name in logs and counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::NotAPeer => "not_a_peer",
            Self::TooManyConnections => "too_many_connections",
            Self::ShuttingDown => "shutting_down",
            Self::Disk => "disk",
            Self::Memory => "memory",
            Self::Load => "load",
            Self::ConnectionRate => "connection_rate",
            Self::MessageRate => "message_rate",
            Self::RecipientRate => "recipient_rate",
            Self::OctetRate => "octet_rate",
            Self::Protocol => "protocol",
            Self::ForeignSender => "foreign_sender",
            Self::NotServedHere => "not_served_here",
            Self::Mailbox => "mailbox",
            Self::NotEnveloped => "not_enveloped",
            Self::ReportShape => "report_shape",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::TooManyHops => "too_many_hops",
            Self::Directory => "directory",
            Self::Storage => "storage",
            Self::Full => "disk_full",
        }
    }

    /// The answer on the wire: code 4xx when a retry can help, 5xx when not (RFC 5321 §4.2.1).
    pub fn refusal(self) -> Refusal {
        let (code, [class, subject, detail]) = self.code();
        let class = u8::try_from(class).unwrap_or(4);
        let status =
            EnhancedStatus::new(class, subject, detail).unwrap_or(EnhancedStatus::TRY_LATER);
        match class {
            5 => Refusal::permanent(code, status, self.text()),
            _ => Refusal::transient(code, status, self.text()),
        }
    }

    /// Reply code and enhanced status (RFC 5321 §4.2.2, RFC 3463 §3).
    fn code(self) -> (u16, [u16; 3]) {
        match self {
            Self::Handshake | Self::NotAPeer => (554, [5, 7, 1]),
            Self::TooManyConnections => (421, [4, 3, 2]),
            Self::ShuttingDown => (421, [4, 3, 2]),
            Self::Disk => (421, [4, 3, 1]),
            Self::Memory => (421, [4, 3, 0]),
            Self::Load => (421, [4, 4, 5]),
            Self::ConnectionRate => (421, [4, 7, 0]),
            Self::MessageRate => (451, [4, 7, 1]),
            Self::RecipientRate => (452, [4, 5, 3]),
            Self::OctetRate => (452, [4, 3, 4]),
            Self::Protocol => (500, [5, 5, 2]),
            Self::ForeignSender => (550, [5, 7, 1]),
            Self::NotServedHere => (550, [5, 7, 1]),
            Self::Mailbox => (550, [5, 1, 1]),
            Self::NotEnveloped => (550, [5, 6, 0]),
            Self::ReportShape => (550, [5, 6, 0]),
            Self::Malformed => (554, [5, 6, 0]),
            Self::TooLarge => (552, [5, 3, 4]),
            Self::TooManyHops => (554, [5, 4, 6]),
            Self::Directory => (451, [4, 4, 3]),
            Self::Storage => (451, [4, 3, 0]),
            Self::Full => (452, [4, 3, 1]),
        }
    }

    /// What the peer's operator reads.
    fn text(self) -> &'static str {
        match self {
            Self::Handshake | Self::NotAPeer => {
                "this relay serves listed peers only; your certificate names none"
            }
            Self::TooManyConnections => "too many connections; try again in a minute",
            Self::ShuttingDown => "this relay is going out of service; try again in a minute",
            Self::Disk => "this relay is short of room for mail; try again later",
            Self::Memory => "this relay is short of memory; try again later",
            Self::Load => "this relay has too much to do; try again later",
            Self::ConnectionRate => {
                "your relay connects too often; keep a connection for several messages"
            }
            Self::MessageRate => "your relay sends too many messages in a minute; try again later",
            Self::RecipientRate => {
                "your relay names too many recipients in a minute; try again later"
            }
            Self::OctetRate => "your relay sends too many octets in a minute; try again later",
            Self::Protocol => "not SMTP as it is taken here",
            Self::ForeignSender => "your relay does not speak for the sender's domain",
            Self::NotServedHere => "this relay does not carry mail for the recipient's domain",
            Self::Mailbox => "no such mailbox here",
            Self::NotEnveloped => {
                "this relay carries only S/MIME enveloped messages; encrypt it for its recipient"
            }
            Self::ReportShape => {
                "a delivery report has a null sender, at most 64 KiB, and returns no content"
            }
            Self::Malformed => "the message cannot be carried as it is written",
            Self::TooLarge => "the message is too large",
            Self::TooManyHops => "the message has passed too many relays; it runs in a loop",
            Self::Directory => "the directory cannot be asked now; try again later",
            Self::Storage => "this relay cannot store mail now; try again later",
            Self::Full => "this relay has no room left on its disk; try again later",
        }
    }
}

/// How often each reason was given since the start.
#[derive(Debug, Default)]
pub(crate) struct Tally([AtomicU64; Reason::ALL.len()]);

/// The counter of refusals in the metrics, by reason and reply code.
const REFUSALS: &str = "liaison_relay_refusals_total";

impl Tally {
    /// Begins at nothing; every reason's counter is shown from the start.
    pub(crate) fn new() -> Self {
        metrics::describe_counter!(
            REFUSALS,
            "Refusals to peers and to the own gateway, by reason and reply code"
        );
        for reason in Reason::ALL {
            let code = reason.refusal().code.to_string();
            metrics::counter!(REFUSALS, "reason" => reason.as_str(), "code" => code).absolute(0);
        }
        Self::default()
    }

    /// Counts a refusal under the code that was given on the wire.
    pub(crate) fn count(&self, reason: Reason, code: ReplyCode) {
        let code = code.to_string();
        metrics::counter!(REFUSALS, "reason" => reason.as_str(), "code" => code).increment(1);
        if let Some(counter) = self.0.get(reason as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> BTreeMap<Reason, u64> {
        Reason::ALL
            .into_iter()
            .zip(&self.0)
            .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_counter_of_its_own() {
        let tally = Tally::default();
        for (times, reason) in Reason::ALL.into_iter().enumerate() {
            for _ in 0..times {
                tally.count(reason, reason.refusal().code);
            }
        }
        let read = tally.read();
        assert_eq!(read.len(), Reason::ALL.len());
        for (times, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(read[&reason], times as u64, "{}", reason.as_str());
        }
    }

    #[test]
    fn the_operators_document_lists_every_reason_with_its_codes() {
        let document = include_str!("../OPERATING.md");
        for reason in Reason::ALL {
            let refusal = reason.refusal();
            let row = format!(
                "| `{}` | {} | {} |",
                reason.as_str(),
                refusal.code,
                refusal.status
            );
            assert_eq!(document.matches(&row).count(), 1, "{row}");
        }
        let rows = document.lines().filter(|line| {
            let mut cells = line.split('|').skip(2);
            let code = cells.next().unwrap_or_default().trim();
            code.len() == 3 && code.bytes().all(|octet| octet.is_ascii_digit())
        });
        assert_eq!(rows.count(), Reason::ALL.len(), "a row that no code gives");
    }

    #[test]
    fn code_and_status_agree_on_whether_a_retry_helps() {
        for reason in Reason::ALL {
            let refusal = reason.refusal();
            assert_eq!(
                refusal.is_transient(),
                refusal.status.class() == 4,
                "{refusal}"
            );
            assert!(
                refusal
                    .text
                    .bytes()
                    .all(|b| b == b' ' || b.is_ascii_graphic())
            );
        }
    }
}
