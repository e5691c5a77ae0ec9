use thiserror::Error;

/// What is wrong with a piece of mail. Carries no content: it may be logged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MailError {
    /// Not `local@domain` in ASCII with a dot-string local part.
    #[error("not a mail address: write it as name@organisation.fr, without quotes or accents")]
    Address,
    /// Not a domain name.
    #[error("not a domain name: letters, digits and hyphens in labels of at most 63")]
    Domain,
    /// An ENVID that RFC 3461 §4.4 does not allow.
    #[error("not an envelope identifier: 1 to 100 printable ASCII characters")]
    EnvelopeId,
    /// Not a `<left@right>` message identifier (RFC 5322 §3.6.4).
    #[error("not a message identifier of the form <left@right>")]
    MessageId,
    /// A NOTIFY or RET value that RFC 3461 does not know.
    #[error("not a NOTIFY or RET value of RFC 3461")]
    Notify,
    /// An SMTP reply or enhanced status code out of range (RFC 5321 §4.2, RFC 3463).
    #[error("not a reply or status code")]
    Status,
    /// The message is not a report of the expected kind, or lacks a required field.
    #[error("not a report: {0}")]
    Report(&'static str),
}
