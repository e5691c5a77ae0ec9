//! What the peer announced, and the command lines that follow from it.

use std::fmt::Write as _;

use liaison_mail::{EnhancedStatus, Envelope, Recipient, Refusal, Return};

use super::Announced;
use crate::transaction::priority;
use crate::xtext;

/// The extensions of the peer's EHLO answer that this client uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// `PIPELINING` (RFC 2920).
    pub pipelining: bool,
    /// `8BITMIME` (RFC 6152).
    pub eight_bit: bool,
    /// `CHUNKING` (RFC 3030).
    pub chunking: bool,
    /// `REQUIRETLS` (RFC 8689).
    pub require_tls: bool,
    /// `DSN` (RFC 3461).
    pub dsn: bool,
    /// `MT-PRIORITY` (RFC 6710).
    pub mt_priority: bool,
    /// `SIZE` (RFC 1870): announced at all.
    pub size: bool,
    /// The largest message it takes, in octets, if it said so.
    pub max_size: Option<u64>,
    /// The most recipients a transaction (`LIMITS RCPTMAX`, RFC 9422), if it said so.
    pub max_recipients: Option<usize>,
    /// The most messages a connection (`LIMITS MAILMAX`, RFC 9422), if it said so.
    pub max_mails: Option<usize>,
}

impl Peer {
    /// Reads the lines of an EHLO answer; the first is the peer's name. Unknown ones are skipped.
    pub(super) fn read(lines: &[String]) -> Self {
        let mut peer = Self::default();
        for line in lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words.next().unwrap_or("").to_ascii_uppercase().as_str() {
                "PIPELINING" => peer.pipelining = true,
                "8BITMIME" => peer.eight_bit = true,
                "CHUNKING" => peer.chunking = true,
                "REQUIRETLS" => peer.require_tls = true,
                "DSN" => peer.dsn = true,
                "MT-PRIORITY" => peer.mt_priority = true,
                "SIZE" => {
                    peer.size = true;
                    // RFC 1870 §4: 0 means no fixed limit.
                    let size = words.next().and_then(|number| number.parse().ok());
                    peer.max_size = size.filter(|size| *size > 0);
                }
                "LIMITS" => {
                    for word in words {
                        let (name, number) = word.split_once('=').unwrap_or((word, ""));
                        match name {
                            "RCPTMAX" => peer.max_recipients = number.parse().ok(),
                            "MAILMAX" => peer.max_mails = number.parse().ok(),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        peer
    }

    /// Why this peer cannot take the content at all.
    pub(super) fn objection(&self, content: Announced) -> Option<Refusal> {
        if content.require_tls && !self.require_tls {
            // RFC 8689 §4.2.1: it may not go further.
            return Some(Refusal::permanent(
                550,
                EnhancedStatus::new(5, 7, 30).unwrap_or(EnhancedStatus::REFUSED),
                "the sender asks for REQUIRETLS, which the next relay does not offer",
            ));
        }
        if self.max_size.is_some_and(|max| content.size > max) {
            return Some(Refusal::permanent(
                552,
                EnhancedStatus::new(5, 3, 4).unwrap_or(EnhancedStatus::CONTENT),
                "message larger than the next relay takes",
            ));
        }
        if content.eight_bit && !self.eight_bit {
            // RFC 6152 §3: convert or return. Signed content is never converted.
            return Some(Refusal::permanent(
                554,
                EnhancedStatus::new(5, 6, 3).unwrap_or(EnhancedStatus::CONTENT),
                "message has 8-bit content, which the next relay does not take",
            ));
        }
        None
    }

    pub(super) fn mail_line(&self, envelope: &Envelope, content: Announced) -> String {
        let mut line = format!("MAIL FROM:<{}>", envelope.from);
        if self.size {
            let _ = write!(line, " SIZE={}", content.size);
        }
        if content.eight_bit {
            line.push_str(" BODY=8BITMIME");
        }
        if self.dsn {
            let ret = match envelope.ret {
                Return::Full => "FULL",
                Return::Headers => "HDRS",
            };
            let id = xtext::encode(envelope.id.as_str());
            let _ = write!(line, " RET={ret} ENVID={id}");
        }
        if self.mt_priority {
            let _ = write!(line, " MT-PRIORITY={}", priority(envelope.urgency));
        }
        if content.require_tls {
            line.push_str(" REQUIRETLS");
        }
        line.push_str("\r\n");
        line
    }

    /// `ORCPT` is always given: the next relay may rewrite the address (RFC 3461 §5.2.1).
    pub(super) fn recipient_line(&self, recipient: &Recipient) -> String {
        let mut line = format!("RCPT TO:<{}>", recipient.address);
        if self.dsn {
            let original = recipient.original.as_ref().unwrap_or(&recipient.address);
            let original = xtext::encode(&original.to_string());
            let _ = write!(line, " NOTIFY={} ORCPT=rfc822;{original}", recipient.notify);
        }
        line.push_str("\r\n");
        line
    }
}

/// For the recipients beyond [`Peer::max_recipients`]: they go with the next try.
pub(super) fn too_many_recipients() -> Refusal {
    Refusal::transient(
        452,
        EnhancedStatus::new(4, 5, 3).unwrap_or(EnhancedStatus::TRY_LATER),
        "more recipients than the next relay takes at once",
    )
}

#[cfg(test)]
mod tests {
    use liaison_mail::{Address, EnvelopeId, Notify, ReversePath, Urgency};
    use proptest::prelude::*;

    use super::*;
    use crate::command::{Command, Dialect};

    fn announced(text: &[&str]) -> Peer {
        let mut lines = vec!["relay.test greets you".to_owned()];
        lines.extend(text.iter().map(|line| (*line).to_owned()));
        Peer::read(&lines)
    }

    fn envelope(id: &str) -> Envelope {
        Envelope {
            id: EnvelopeId::parse(id).unwrap(),
            from: ReversePath::parse("garde@ch.test").unwrap(),
            recipients: Vec::new(),
            ret: Return::Headers,
            urgency: Urgency::Urgent,
        }
    }

    fn plain(size: u64) -> Announced {
        Announced {
            size,
            eight_bit: false,
            require_tls: false,
        }
    }

    #[test]
    fn what_requires_tls_goes_only_where_it_is_kept() {
        let content = Announced {
            require_tls: true,
            ..plain(3)
        };
        assert_eq!(announced(&["REQUIRETLS"]).objection(content), None);
        let refusal = announced(&[]).objection(content).unwrap();
        assert_eq!(refusal.status.to_string(), "5.7.30");
    }

    #[test]
    fn the_announcement_is_read_in_any_case_and_order() {
        let peer = announced(&["size 1000", "x-odd", "Dsn", "LIMITS MAILMAX=5 RCPTMAX=3"]);
        assert!(peer.dsn && peer.size && !peer.pipelining && !peer.eight_bit);
        assert_eq!((peer.max_size, peer.max_recipients), (Some(1000), Some(3)));
        assert_eq!(peer.max_mails, Some(5));
        assert_eq!(announced(&["SIZE 0"]).max_size, None);
        // The first line is a name, whatever it looks like.
        assert_eq!(Peer::read(&["DSN".to_owned()]), Peer::default());
    }

    #[test]
    fn parameters_are_sent_only_to_who_announced_them() {
        let content = plain(3);
        let line = announced(&[]).mail_line(&envelope("id=1"), content);
        assert_eq!(line, "MAIL FROM:<garde@ch.test>\r\n");
        let line = announced(&["DSN", "SIZE", "MT-PRIORITY"]).mail_line(&envelope("id=1"), content);
        assert_eq!(
            line,
            "MAIL FROM:<garde@ch.test> SIZE=3 RET=HDRS ENVID=id+3D1 MT-PRIORITY=3\r\n"
        );
    }

    #[test]
    fn content_that_the_peer_cannot_take_is_not_offered() {
        let content = Announced {
            eight_bit: true,
            ..plain(4)
        };
        assert_eq!(announced(&["8BITMIME"]).objection(content), None);
        assert!(announced(&[]).objection(content).is_some());
        assert!(
            announced(&["8BITMIME", "SIZE 3"])
                .objection(content)
                .is_some()
        );
    }

    proptest! {
        #[test]
        fn the_server_reads_what_the_client_writes(
            id in "[!-~]{1,100}",
            bits in any::<[bool; 3]>(),
            local in "[a-z0-9+=_]{1,20}",
        ) {
            let dialect = Dialect::strict("relay.test".parse().unwrap());
            let peer = announced(&["DSN", "SIZE", "MT-PRIORITY"]);
            let content = Announced { require_tls: bits[0], ..plain(3) };
            let line = peer.mail_line(&envelope(&id), content);
            let Ok(Command::Mail(mail)) = Command::parse(line.trim_end().as_bytes(), &dialect)
            else {
                return Err(TestCaseError::fail(line));
            };
            prop_assert_eq!(mail.envelope_id.unwrap().to_string(), id);
            prop_assert_eq!((mail.urgency, mail.require_tls), (Urgency::Urgent, bits[0]));
            let recipient = Recipient {
                address: Address::parse("b@ehpad.test").unwrap(),
                original: Some(Address::parse(&format!("{local}@ehpad.test")).unwrap()),
                notify: Notify { success: bits[0], failure: bits[1], delay: bits[2] },
            };
            let line = peer.recipient_line(&recipient);
            let Ok(Command::Rcpt(read)) = Command::parse(line.trim_end().as_bytes(), &dialect)
            else {
                return Err(TestCaseError::fail(line));
            };
            let expected = recipient.original.clone().filter(|o| *o != recipient.address);
            prop_assert_eq!(read.original, expected);
            prop_assert_eq!((read.address, read.notify), (recipient.address, recipient.notify));
        }
    }
}
