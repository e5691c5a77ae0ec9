//! Transparency logs: trees, proofs, signed checkpoints and cosignatures in the formats of C2SP.
//!
//! For every append-only log of the house: the reports of the gateway, what organisations publish
//! of themselves in the directory. Pure: no file, no clock, no socket.
//!
//! - [`merkle`]: the tree and its proofs (RFC 6962). [`note`]: signed notes and checkpoints.
//! - [`cosignature`]: what witnesses add to a checkpoint, with its time.

pub mod cosignature;
pub mod merkle;
pub mod note;
