//! Where clinicians' mail clients and hospital systems plug in, and where the keys live.

mod error;

pub use error::GatewayError;
