//! What every role stands on, and nothing of mail.
//!
//! # Map
//! - [`config`]: one TOML file a process, strict; a wrong key is named with the nearest right one.
//! - [`clock`]: the only place that reads the wall clock; tests make theirs up.
//! - [`civil`]: the legal time of metropolitan France, for what people read.
//! - [`span`]: lengths of time as people write them in settings.
//! - [`listener`]: a TCP port and the tasks behind it.
//! - [`tls`]: certificate chains, keys, trust anchors and revocation lists from PEM files to
//!   rustls settings.
//! - [`current`]: a value that a reload replaces while others use it.
//! - [`core_dump`]: none is left of what a process knows.
//! - [`machine`]: what is left of disk and memory, and how busy the machine is.
//! - [`health`]: what a probe asks a role.
//! - [`log`]: structured logs on standard error; [`private`]: values that logs cannot show.
//! - [`login`]: passwords, and guessing slowed where it comes from.
//! - [`tlog`]: transparency logs: trees, proofs, signed checkpoints and cosignatures.
//! - [`shutdown`]: stop taking work, finish what was begun, then leave.
//!
//! # Dependencies
//! `argon2` keeps passwords and `ring` remembers the right ones for a while; `zeroize` wipes them;
//! `ring` also hashes the trees of logs and signs their checkpoints, written in `base64`;
//! `toml` and `serde` read settings; `rustls` on aws-lc-rs speaks TLS with the hybrid
//! X25519MLKEM768 key exchange; `x509-cert` reads when a certificate expires; `tracing` logs;
//! `tokio-util` counts the tasks that a shutdown waits for; `rustix` asks how full a disk is
//! and forbids core dumps, which the standard library cannot.

pub mod civil;
pub mod clock;
pub mod config;
pub mod core_dump;
pub mod current;
pub mod health;
pub mod listener;
pub mod log;
pub mod login;
pub mod machine;
pub mod private;
pub mod shutdown;
pub mod span;
pub mod tlog;
pub mod tls;

mod error;

pub use error::BaseError;
