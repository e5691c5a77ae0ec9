//! The little of MIME that S/MIME stands on (RFC 5322, RFC 2045, RFC 1847), over the received
//! octets: nothing that was signed is ever re-encoded.

mod content_type;
mod entity;
mod field;

pub(crate) use content_type::ContentType;
pub(crate) use entity::{boundary, decoded_body, read_section, read_whole, two_parts};
pub(crate) use field::{Entity, Field, addresses, field_line};

use crate::stream::Fault;

/// Why octets are not MIME that we read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MimeError {
    Malformed(&'static str),
    TooLarge { what: &'static str, limit: usize },
}

impl From<MimeError> for Fault {
    fn from(error: MimeError) -> Self {
        match error {
            MimeError::Malformed(what) => Self::Malformed(what),
            MimeError::TooLarge { what, limit } => Self::TooLarge { what, limit },
        }
    }
}

impl From<MimeError> for crate::Refusal {
    fn from(error: MimeError) -> Self {
        Fault::from(error).into()
    }
}

impl From<MimeError> for crate::SealError {
    fn from(error: MimeError) -> Self {
        Fault::from(error).into()
    }
}
