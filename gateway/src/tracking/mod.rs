//! What became of each recipient of what this gateway sent: the closed loop.
//!
//! ```text
//!  queued ──▶ relayed ──▶ delivered ──▶ opened ──▶ taken charge
//!     │           │           │            (by a named person, in a signed reply)
//!     ├───────────┴──▶ failed │
//!     └──▶ held (the directory's answer was not one recipient)
//! ```
//!
//! News may come late or out of order: a state never goes back, and every piece of news is kept
//! with its time and its evidence. *Delivered* is the word of the relay that answers for the
//! recipient's domain; *opened* and *taken charge* are believed only from a verified signature of
//! the recipient.
//!
//! - `state`: the states and what each is worth.
//! - `ledger`: the tables.
//! - `evidence`: reading DSN, MDN and replies, and deciding whether their author may say so.
//! - `receipts`: telling senders that their message was opened here.

mod evidence;
mod ledger;
mod receipts;
mod state;

pub use evidence::Keyword;
pub use ledger::{Ledger, SCHEMA, Subject, TrackedMessage, TrackedRecipient};
pub use state::State;

pub(crate) use evidence::{Reply, keyword_of};
pub(crate) use ledger::{Expected, News, Sent};
pub(crate) use receipts::{ReceiptToken, Receipts};
