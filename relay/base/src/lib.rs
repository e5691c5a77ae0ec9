//! What every role stands on, and nothing of mail.
//!
//! # Map
//! - [`config`]: one TOML file a process, strict; a wrong key is named with the nearest right one.
//! - [`clock`]: the only place that reads the wall clock; tests make theirs up.
//! - [`civil`]: the legal time of metropolitan France, for what people read.
//! - [`listener`]: a TCP port and the tasks behind it.
//! - [`tls`]: certificate chains, keys and trust anchors from PEM files to rustls settings.
//! - [`log`]: structured logs on standard error; [`private`]: values that logs cannot show.
//! - [`login`]: passwords, and guessing slowed where it comes from.
//! - [`shutdown`]: stop taking work, finish what was begun, then leave.
//!
//! # Dependencies
//! `argon2` keeps passwords and `ring` remembers the right ones for a while; `zeroize` wipes them;
//! `toml` and `serde` read settings; `rustls` on aws-lc-rs speaks TLS with the hybrid
//! X25519MLKEM768 key exchange; `tracing` logs; `tokio-util` counts the tasks that a shutdown
//! waits for.

pub mod civil;
pub mod clock;
pub mod config;
pub mod listener;
pub mod log;
pub mod login;
pub mod private;
pub mod shutdown;
pub mod tls;

mod error;

pub use error::BaseError;
