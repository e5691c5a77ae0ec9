//! SMTP as state machines, and the driver that runs them on tokio.
//!
//! One crate speaks both hops: between relays, and from a mail client to its gateway. It is strict
//! about framing because the content is signed: a message is carried byte for byte or refused, and
//! no form of line end is read in two ways (the smuggling attacks on SMTP live in that gap).
//!
//! # Map
//! - [`command`]: one command line in, one [`command::Command`] or a reply out (RFC 5321 §4.1).
//! - [`reply`]: replies written by the server, and read by the client within limits (§4.2).
//! - [`data`]: the content after `DATA` (§4.5.2) or in `BDAT` chunks (RFC 3030): readers and a
//!   writer of its own.
//! - [`transaction`]: `MAIL` and `RCPT` as read, and how they become an envelope.
//! - [`server`]: the receiving side; bytes in, [`server::Step`] out; no socket, no clock.
//! - [`client`]: the sending side, likewise; one verdict for each recipient.
//! - [`io`]: drives both on any tokio stream, with the time limits of §4.5.3.2.
//!
//! Private: `line` cuts the input into command lines, `xtext` is RFC 3461's escape.
//!
//! # Where TLS is
//! Not here. Streams are handed in after the handshake (implicit TLS on both ports, RFC 8314
//! §3.3). The server can also offer `STARTTLS`: the driver then gives the stream back, and is
//! started again on the encrypted one with [`server::Tls::Started`].
//!
//! # Dependencies
//! `base64` decodes SASL responses; `memchr` finds line ends; `zeroize` wipes passwords; `tokio`
//! and `futures` are used by [`io`] only.

pub mod client;
pub mod command;
pub mod data;
pub mod io;
pub mod reply;
pub mod server;
pub mod transaction;

mod error;
mod line;
mod xtext;

pub use data::{Content, ContentFault};
pub use error::{SmtpError, Wait};
pub use transaction::{Mail, Transaction};
