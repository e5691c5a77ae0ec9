//! Where hospital systems push: HL7 v2 over MLLP.
//!
//! A message is acknowledged once everything that it changes is durable in one commit: the
//! message itself, the state of its episode, and the notices that follow from it as drafts. A
//! fault of the message gets its HL7 answer; a fault of ours gets none, and the connection is
//! closed, so that the sender repeats (notices.md §2).
//!
//! - `listener`: connections, frames and answers.
//! - [`feed`]: one message to its commit.
//! - [`care_circles`]: the file of who looks after whom.

pub mod care_circles;
pub mod feed;

mod listener;

pub(crate) use listener::{Door, serve_plain, serve_tls};
