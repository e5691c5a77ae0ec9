//! From a draft to the relay: what this gateway sends, whoever asked for it.
//!
//! ```text
//!  draft ──▶ resolve ──▶ compose ──▶ seal ──▶ hand over
//!  durable   directory   lettre      smime    durable in the relay: the draft is erased
//!  (the sender is       one verdict
//!   answered here)      a recipient
//! ```
//!
//! A draft is durable before its sender is answered, so that neither a directory that is away nor
//! a full relay makes a clinician try again: the outbound worker does. Until it is handed over,
//! its content lies sealed under the site key. Handing over is idempotent by envelope identifier:
//! after a crash the draft is taken up again and the relay carries one message.
//!
//! - [`draft`]: what is to be sent, and its table.
//! - `held`: drafts with a recipient whom a person has to choose.
//! - `submitted`: what a mail client submits again is taken once.
//! - [`resolve`]: one verdict for each wanted recipient.
//! - [`compose`]: the readable message, made by lettre once the addresses are known.
//! - [`identity`]: which certificate signs for which address, and opens for it.
//! - `worker`: takes drafts in order of urgency and brings them to the relay.

pub mod compose;
pub mod draft;
pub mod identity;
pub mod resolve;

mod held;
mod submitted;
mod worker;

pub use draft::{Attachment, Content, Draft, Drafts, Loop, Wanted};
pub use worker::Outbound;

pub(crate) use submitted::Submitted;
pub(crate) use worker::Parts;
