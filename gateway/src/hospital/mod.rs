//! Where hospital systems push: HL7 v2 over MLLP, or in files.
//!
//! A message is acknowledged once everything that it changes is durable in one commit: the
//! message itself, the state of its episode, and the notices that follow from it as drafts. A
//! fault of the message gets its HL7 answer; a fault of ours gets none, and the connection is
//! closed, so that the sender repeats (notices.md §2).
//!
//! - `listener`: connections, frames and answers. [`network`]: where they may come from.
//! - [`http`]: FHIR and plain JSON over HTTPS.
//! - `drop_folder`: files. `answer`: one message, however it came, to its acknowledgement.
//! - [`feed`]: one message to its commit. `episodes`: the table of stays.
//! - `departure`: waiting, leaving in order, reminders, tasks for the ward.
//! - `back`: what became of a notice, to the system whose message it came from.
//! - `documents`: letters and results, to their commit.
//! - [`messages`]: what people write about a stay. [`requests`]: documents asked for, and what is
//!   missing. [`mail`]: answers, and other mail to the ward.
//! - [`held`]: what waits for a person's decision.
//! - [`care_circles`]: the file of who looks after whom. [`circle_import`]: the same as a table.
//! - [`circles`]: the store of who looks after whom.

pub mod back;
pub mod care_circles;
pub mod circle_import;
pub mod circles;
pub mod feed;
pub mod held;
pub mod mail;
pub mod messages;
pub mod network;
pub mod requests;

mod answer;
mod departure;
mod documents;
mod drop_folder;
mod episodes;
pub(crate) mod http;
mod listener;

#[cfg(test)]
mod tests;

pub(crate) use drop_folder::DropFolder;
pub(crate) use listener::{Door, serve_plain, serve_tls};
