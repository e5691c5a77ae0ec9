//! What a message is, before anyone speaks of sockets, files or clocks.
//!
//! # Map
//! - [`address`]: domains, mailboxes, the reverse path.
//! - [`envelope`]: who a message is for and what its sender asked to be told (RFC 3461).
//! - [`body`]: the octets of a message that has arrived, in memory or not.
//! - [`message_id`]: the identifiers that follow one message through every role.
//! - [`header`]: reading single header fields from raw bytes without touching them.
//! - [`verdict`]: the answer for one recipient: reply code, enhanced status, public text.
//! - [`dsn`]: delivery status notifications (RFC 3464), composed and read.
//! - [`mdn`]: message disposition notifications (RFC 8098), composed and read.
//! - [`port`]: the small traits through which relay and gateway meet.
//!
//! # Dependencies
//! `mail-parser` reads MIME; `time` formats dates; `uuid` (v7) makes identifiers that sort by
//! time; `base64` transfer-encodes report parts; `serde` carries these types over HTTP and TOML.

pub mod address;
pub mod body;
pub mod dsn;
pub mod envelope;
pub mod header;
pub mod mdn;
pub mod message_id;
pub mod port;
pub mod verdict;

mod error;

pub use address::{Address, Domain, ReversePath};
pub use body::Body;
pub use envelope::{Envelope, EnvelopeId, Notify, Recipient, Return, Urgency};
pub use error::MailError;
pub use message_id::MessageId;
pub use verdict::{EnhancedStatus, Refusal, ReplyCode, Verdict};
