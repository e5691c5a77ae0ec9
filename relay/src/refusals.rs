//! Why this relay said no, and how often.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use liaison_mail::{EnhancedStatus, Refusal};

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
    const ALL: [Self; 15] = [
        Self::Handshake,
        Self::NotAPeer,
        Self::TooManyConnections,
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

    /// The answer on the wire (RFC 5321 §4.2, RFC 3463).
    pub fn refusal(self) -> Refusal {
        let permanent = |code, status, text| Refusal::permanent(code, status, text);
        let transient = |code, status, text| Refusal::transient(code, status, text);
        let status = |class, subject, detail| {
            EnhancedStatus::new(class, subject, detail).unwrap_or(EnhancedStatus::TRY_LATER)
        };
        match self {
            Self::Handshake | Self::NotAPeer => permanent(
                554,
                EnhancedStatus::REFUSED,
                "this relay serves listed peers only; your certificate names none",
            ),
            Self::TooManyConnections => transient(
                421,
                status(4, 3, 2),
                "too many connections; try again in a minute",
            ),
            Self::Protocol => permanent(500, status(5, 5, 2), "not SMTP as it is taken here"),
            Self::ForeignSender => permanent(
                550,
                EnhancedStatus::REFUSED,
                "your relay does not speak for the sender's domain",
            ),
            Self::NotServedHere => permanent(
                550,
                EnhancedStatus::REFUSED,
                "this relay does not carry mail for the recipient's domain",
            ),
            Self::Mailbox => {
                permanent(550, EnhancedStatus::NO_SUCH_MAILBOX, "no such mailbox here")
            }
            Self::NotEnveloped => permanent(
                550,
                EnhancedStatus::CONTENT,
                "this relay carries only S/MIME enveloped messages; encrypt it for its recipient",
            ),
            Self::ReportShape => permanent(
                550,
                EnhancedStatus::CONTENT,
                "a delivery report has a null sender, at most 64 KiB, and returns no content",
            ),
            Self::Malformed => permanent(
                554,
                EnhancedStatus::CONTENT,
                "the message cannot be carried as it is written",
            ),
            Self::TooLarge => permanent(552, status(5, 3, 4), "the message is too large"),
            Self::TooManyHops => permanent(
                554,
                status(5, 4, 6),
                "the message has passed too many relays; it runs in a loop",
            ),
            Self::Directory => transient(
                451,
                status(4, 4, 3),
                "the directory cannot be asked now; try again later",
            ),
            Self::Storage => transient(
                451,
                EnhancedStatus::TRY_LATER,
                "this relay cannot store mail now; try again later",
            ),
            // RFC 5321 §4.2.3, RFC 3463 §3.4.
            Self::Full => transient(
                452,
                status(4, 3, 1),
                "this relay has no room left on its disk; try again later",
            ),
        }
    }
}

/// How often each reason was given since the start.
#[derive(Debug, Default)]
pub(crate) struct Tally([AtomicU64; Reason::ALL.len()]);

impl Tally {
    pub(crate) fn count(&self, reason: Reason) {
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
                tally.count(reason);
            }
        }
        let read = tally.read();
        assert_eq!(read.len(), Reason::ALL.len());
        for (times, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(read[&reason], times as u64, "{}", reason.as_str());
        }
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
