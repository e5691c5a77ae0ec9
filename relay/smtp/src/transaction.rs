//! One mail transaction as the server reads it (RFC 5321 §3.3).

use liaison_mail::{Envelope, EnvelopeId, Recipient, Return, ReversePath, Urgency};

/// `MAIL FROM` and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Where reports go.
    pub from: ReversePath,
    /// The size that the client declares, in octets (`SIZE`, RFC 1870 §6.1).
    pub size: Option<u64>,
    /// What the content may hold (`BODY`, RFC 6152 §3).
    pub body: Body,
    /// How much a failure report returns (`RET`, RFC 3461 §4.3).
    pub ret: Return,
    /// The sender's name for the message (`ENVID`, RFC 3461 §4.4). Mail clients give none.
    pub envelope_id: Option<EnvelopeId>,
    /// How soon it must arrive (`MT-PRIORITY`, RFC 6710).
    pub urgency: Urgency,
    /// Whether each further hop must be over verified TLS (`REQUIRETLS`, RFC 8689 §2).
    pub require_tls: bool,
}

impl Mail {
    /// A `MAIL FROM` without parameters.
    pub fn new(from: ReversePath) -> Self {
        Self {
            from,
            size: None,
            body: Body::SevenBit,
            ret: Return::default(),
            envelope_id: None,
            urgency: Urgency::default(),
            require_tls: false,
        }
    }
}

/// What the content may hold (RFC 6152).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// `7BIT`: ASCII only.
    #[default]
    SevenBit,
    /// `8BITMIME`: octets above 127 too.
    EightBitMime,
}

/// A `MAIL` and the recipients accepted since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The sender's side.
    pub mail: Mail,
    /// In the order of the accepted `RCPT` commands, each address once.
    pub recipients: Vec<Recipient>,
}

impl Transaction {
    /// The envelope; `make_id` names the message when the client did not.
    pub fn into_envelope(self, make_id: impl FnOnce() -> EnvelopeId) -> Envelope {
        Envelope {
            id: self.mail.envelope_id.unwrap_or_else(make_id),
            from: self.mail.from,
            recipients: self.recipients,
            ret: self.mail.ret,
            urgency: self.mail.urgency,
        }
    }
}

/// The `MT-PRIORITY` sent for an urgency. RFC 6710 §5 maps STANAG 4406 "urgent" levels above 0 and
/// "deferred" ones below; the values 3 and -3 leave room on both sides.
pub(crate) fn priority(urgency: Urgency) -> i8 {
    match urgency {
        Urgency::Urgent => 3,
        Urgency::Normal => 0,
        Urgency::Info => -3,
    }
}

/// The urgency of a priority from -9 to 9 (RFC 6710 §4.1).
pub(crate) fn urgency(priority: i8) -> Urgency {
    match priority {
        3.. => Urgency::Urgent,
        -2..=2 => Urgency::Normal,
        _ => Urgency::Info,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_urgency_survives_its_priority() {
        for level in [Urgency::Info, Urgency::Normal, Urgency::Urgent] {
            assert_eq!(urgency(priority(level)), level);
        }
    }

    #[test]
    fn the_clients_name_for_a_message_is_kept_and_otherwise_made() {
        let made = || EnvelopeId::parse("made").unwrap();
        let mut mail = Mail::new(ReversePath::Null);
        let transaction = |mail: &Mail| Transaction {
            mail: mail.clone(),
            recipients: Vec::new(),
        };
        assert_eq!(transaction(&mail).into_envelope(made).id.as_str(), "made");
        mail.envelope_id = Some(EnvelopeId::parse("given").unwrap());
        assert_eq!(transaction(&mail).into_envelope(made).id.as_str(), "given");
    }
}
