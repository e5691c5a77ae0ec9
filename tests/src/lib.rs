//! What the scenarios stand on: a real territory of real processes, and clients for its doors.
//!
//! # Map
//! - [`territory`]: builds the demo's territory in a temporary folder, starts, kills and restarts
//!   its sites, each a `liaison serve`.
//! - [`imap`], [`smtp`], [`mllp`]: small blocking clients, strict about what they are answered.
//! - [`sink`]: a relay that only takes, and so shows what was on the wire.
//! - [`admin`]: the operators' port. [`cut`]: a wire that breaks.
//! - [`network`]: a site in a network of its own, on a wire that can be broken.
//! - [`peer`]: another relay, with a certificate or without; [`raw`]: octets that no client sends.
//! - [`logs`]: what the sites logged; [`routine`]: what they do all day.
//! - [`tls`]: connections as a client of the territory makes them.
//! - [`registers`]: national registers that nobody is in, from a seed, right or with faults.
//! - [`programs`]: programs that nobody here wrote, run as a person would run them.
//!
//! Nothing sleeps: a test waits for a line, an answer or the end of a process.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

pub mod admin;
pub mod cut;
pub mod imap;
pub mod logs;
pub mod mllp;
pub mod network;
pub mod peer;
pub mod programs;
pub mod raw;
pub mod registers;
pub mod routine;
pub mod sink;
pub mod smtp;
pub mod territory;
pub mod tls;

pub use territory::Territory;
