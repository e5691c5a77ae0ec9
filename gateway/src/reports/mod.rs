//! Reports of medication errors and of failures of coordination: an append-only log.

mod register;

pub use register::{Register, SCHEMA};
