//! Everything that the server says of its own accord.

use crate::reply::FixedReply;

pub(super) const OK: FixedReply = reply(250, "2.0.0", "OK");
pub(super) const SENDER_OK: FixedReply = reply(250, "2.1.0", "Sender OK");
pub(super) const RECIPIENT_OK: FixedReply = reply(250, "2.1.5", "Recipient OK");
pub(super) const MESSAGE_OK: FixedReply = reply(250, "2.0.0", "Message accepted");
pub(super) const GO_AHEAD: FixedReply = reply(354, "", "Send the message, then CRLF.CRLF");
pub(super) const GOODBYE: FixedReply = reply(221, "2.0.0", "Goodbye");
pub(super) const START_TLS: FixedReply = reply(220, "2.0.0", "Ready to start TLS");
pub(super) const LOGGED_IN: FixedReply = reply(235, "2.7.0", "Authentication successful");
pub(super) const CANNOT_VERIFY: FixedReply = reply(252, "2.1.5", "Send mail, and it will be tried");
pub(super) const HELP: FixedReply = reply(
    214,
    "2.0.0",
    "EHLO MAIL RCPT DATA BDAT RSET NOOP QUIT AUTH STARTTLS",
);
/// The challenges of `AUTH PLAIN` (empty) and `AUTH LOGIN` (`Username:`, `Password:`).
pub(super) const CHALLENGE: FixedReply = reply(334, "", "");
pub(super) const ASK_USER: FixedReply = reply(334, "", "VXNlcm5hbWU6");
pub(super) const ASK_PASSWORD: FixedReply = reply(334, "", "UGFzc3dvcmQ6");

pub(super) const SHUTTING_DOWN: FixedReply =
    reply(421, "4.3.2", "Service is being stopped, try again later");
pub(super) const TIMED_OUT: FixedReply = reply(421, "4.4.2", "Nothing heard for too long");
pub(super) const TOO_MANY_ERRORS: FixedReply = reply(421, "4.7.0", "Too many errors");
pub(super) const TOO_MANY_IDLE: FixedReply = reply(421, "4.7.0", "Too many commands without mail");
pub(super) const TOO_MANY_LOGINS: FixedReply = reply(421, "4.7.0", "Too many failed logins");
pub(super) const TOO_MUCH: FixedReply = reply(421, "4.3.4", "Message far larger than announced");

pub(super) const FOREIGN: FixedReply = reply(554, "5.7.0", "This is not a web server");
pub(super) const EARLY_CONTENT: FixedReply =
    reply(554, "5.5.0", "Content sent before the go-ahead");
pub(super) const EARLY_HANDSHAKE: FixedReply = reply(554, "5.5.0", "Commands sent behind STARTTLS");

pub(super) const HELLO_FIRST: FixedReply = reply(503, "5.5.1", "Say EHLO first");
pub(super) const MAIL_FIRST: FixedReply = reply(503, "5.5.1", "Say MAIL first");
pub(super) const NESTED_MAIL: FixedReply = reply(503, "5.5.1", "A transaction is under way");
pub(super) const NO_RECIPIENT: FixedReply = reply(503, "5.5.1", "Say RCPT first");
pub(super) const NO_VALID_RECIPIENT: FixedReply = reply(554, "5.5.1", "No valid recipients");
pub(super) const TOO_MANY_RECIPIENTS: FixedReply = reply(
    452,
    "4.5.3",
    "Too many recipients, send the others in another message",
);
pub(super) const CHUNKS_FIRST: FixedReply =
    reply(503, "5.5.1", "A message is being sent in chunks");
pub(super) const CHUNK_OK: FixedReply = reply(250, "2.0.0", "Chunk received");
pub(super) const TOO_LARGE: FixedReply = reply(552, "5.3.4", "Message larger than the limit");
pub(super) const BAD_CONTENT: FixedReply = reply(
    554,
    "5.6.0",
    "Message has a bare CR or LF; lines end with CR LF",
);

pub(super) const ENCRYPT_FIRST: FixedReply = reply(530, "5.7.0", "Say STARTTLS first");
pub(super) const LOGIN_FIRST: FixedReply = reply(530, "5.7.0", "Authentication required");
pub(super) const ENCRYPT_TO_LOGIN: FixedReply = reply(538, "5.7.11", "Say STARTTLS first");
pub(super) const NO_AUTH: FixedReply = reply(502, "5.5.1", "Relays are known by certificate");
pub(super) const NO_STARTTLS: FixedReply = reply(502, "5.5.1", "The connection is encrypted");
pub(super) const AUTH_NOT_NOW: FixedReply = reply(503, "5.5.1", "AUTH cannot come now");
pub(super) const AUTH_CANCELLED: FixedReply = reply(501, "5.7.0", "Authentication cancelled");
pub(super) const AUTH_MALFORMED: FixedReply = reply(501, "5.5.2", "Response not understood");
pub(super) const AUTH_OTHER_IDENTITY: FixedReply =
    reply(535, "5.7.8", "Nobody may act for another user here");

const fn reply(code: u16, status: &'static str, text: &'static str) -> FixedReply {
    FixedReply { code, status, text }
}
