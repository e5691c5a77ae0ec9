//! Where clinicians' mail clients and hospital systems plug in, and where the keys live.

pub mod accounts;
pub mod keys;
pub mod mailbox;

mod error;

pub use error::GatewayError;
