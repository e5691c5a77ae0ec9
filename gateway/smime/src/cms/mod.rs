//! Cryptographic Message Syntax (RFC 5652, RFC 5083): the two objects that S/MIME 4.0 sends,
//! and the three that it receives.

pub(crate) mod attributes;
pub(crate) mod encrypt;
pub(crate) mod enveloped;
mod kem;
pub(crate) mod recipient;
pub(crate) mod recipient_key;
pub(crate) mod sign;
pub(crate) mod signed;

use const_oid::ObjectIdentifier;

use crate::ber::{BerStream, SEQUENCE, context_constructed};
use crate::stream::Fault;

/// Enters a `ContentInfo` (RFC 5652 §3): the type of the object, which is the next value.
pub(crate) fn content_info(stream: &mut BerStream<'_>) -> Result<ObjectIdentifier, Fault> {
    stream.enter(SEQUENCE)?;
    let content_type = stream.oid()?;
    stream.enter(context_constructed(0))?;
    Ok(content_type)
}

/// Leaves a `ContentInfo` after its object. Octets after it are refused.
pub(crate) fn end_of_content_info(stream: &mut BerStream<'_>) -> Result<(), Fault> {
    stream.leave()?;
    stream.leave()?;
    stream.finish()
}
