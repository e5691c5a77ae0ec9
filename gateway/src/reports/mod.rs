//! Reports of medication errors and of failures of coordination: each mail to the reports address
//! becomes an entry of an append-only log, and its author gets a receipt that anyone can verify.
//!
//! ```text
//!  a mail ──▶ record ──▶ entry ──▶ leaf of the Merkle tree ──▶ checkpoint, signed
//!             sealed under          │                              │
//!             a key of its own      └───────── receipt ◀───────────┘
//! ```
//!
//! Reports are for learning. There is no field for a culprit; the log itself names nobody; and a
//! reported rate is not a prevalence, which the receipt says.
//!
//! - [`register`]: takes reports in, one transaction each; lists, proves, audits, erases.
//! - [`entry`]: what is hashed, and what is never in it.
//! - `record`: the sealed part, which can be erased.
//! - [`receipt`]: the letter, its proof, and [`verify_receipt`]; pure, on the tree and the signed
//!   checkpoints of [`liaison_base::tlog`].
//! - `log`: the rows.
//!
//! # What is promised
//! - A report is never lost: a mail whose signature does not verify is taken in too, marked as
//!   unverified. It gets no receipt, for nothing proves where a receipt should go; the operator's
//!   log gives its number. An answer by program (RFC 3834) gets none either, so that two programs
//!   never write to each other for ever.
//! - Entry, sealed record, receipt and the note that the envelope has arrived are one commit. A
//!   checkpoint is signed inside it and leaves with it or not at all, so the log never signs two
//!   histories. A database put back from a backup can: whoever restores one should compare its
//!   checkpoint with the newest receipt at hand.
//! - Erasing destroys the key, the salt and the text of a report, and adds an entry that says so.
//!   Every receipt given before still verifies. This is close to an erasure in the sense of the
//!   GDPR, and not the same: number, date and a commitment that can no longer be opened remain,
//!   and so do backups, and the database's journal until its next checkpoint, until they are
//!   overwritten.

pub mod entry;
pub mod receipt;
pub mod register;

mod log;
mod record;
mod schema;

pub use log::Listed;
pub use receipt::{Proof, ReceiptError, Verified, verify_receipt};
pub use record::Record;
pub use register::Register;
pub use schema::SCHEMA;

#[cfg(test)]
mod tests;
