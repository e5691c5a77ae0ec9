//! Store and forward between organisations; never holds a decryption key.
//!
//! # Map
//! A message comes in by one of two ways, waits in one queue, and leaves by one of two ways:
//!
//! ```text
//!   own gateway ── HandOver ──┐                       ┌── Delivery ──> own gateway
//!                             ├─> admission ─> queue ─┤
//!   peer ── inbound (SMTP) ───┘        ^              └── outbound (SMTP) ──> peer
//!                                      └── notices (DSN) <── outcomes
//! ```
//!
//! - [`Relay`] (`relay.rs`): open, serve, hand over, ask. Start reading here.
//! - [`settings`]: the `[relay]` section.
//! - `inbound`: SMTP from peers; who a peer is. `taking`: a large message on its way in. `door`:
//!   whether there is room to take anything.
//! - `peer/`: each peer's connections and allowances.
//! - `admission/`: who may send what to whom; S/MIME enveloped content only.
//! - `queue/`: the states of a recipient, drawn; leases, retries, group commit.
//! - `outbound/`: destinations and workers; one verdict a recipient.
//! - `bridge/`: a plain SMTP smart host for domains named in the settings.
//! - `notices`: reports to the sender (RFC 3461, RFC 3464).
//! - [`history`]: what became of a message, for the gateway and for operators.
//! - `hours`: the clock, watched for being set back.
//! - `live`: what a reload replaces. `measures`: what the metrics show of a relay.
//! - [`refusals`]: every reason for a no, with its words, code and counter.
//!
//! # Promises
//! A message is acknowledged once it is durable, to the peer by 250 and to the gateway by `Ok`.
//! From then on each recipient ends exactly once as relayed, delivered or failed with a report,
//! or is still queued, whatever is killed or cut off meanwhile. The same message again from the
//! same origin is acknowledged and changes nothing.
//!
//! # Dependencies
//! `tokio-rustls` and `rustls-pki-types` for TLS streams; `rustls-webpki` reads the names out of a
//! verified certificate; `sqlx` rows come out of `liaison-store`; `base64` and `ring` (SHA-256)
//! look at content from outside and name duplicates; `lettre` speaks to a smart host; `zeroize`
//! wipes its password; `serde` reads the settings; `metrics` counts,
//! for whatever recorder the process has.

mod admission;
mod bridge;
mod door;
mod error;
mod hours;
mod inbound;
mod live;
mod measures;
mod notices;
mod outbound;
mod peer;
mod queue;
mod relay;
mod taking;

pub mod history;
pub mod refusals;
pub mod settings;

pub use bridge::SmartHost;
pub use error::RelayError;
pub use queue::State;
pub use queue::steer::{Order, Selection, Steered, Warrant};
pub use relay::Relay;
pub use settings::Settings;

/// The tables of the relay's database.
pub const SCHEMAS: &[liaison_store::Schema] = &[queue::SCHEMA];
