//! Cryptographic Message Syntax (RFC 5652, RFC 5083): the two objects that S/MIME 4.0 sends,
//! and the three that it receives.

mod attributes;
pub(crate) mod encrypt;
pub(crate) mod enveloped;
mod kem;
mod recipient;
pub(crate) mod sign;
pub(crate) mod signed;

use const_oid::ObjectIdentifier;

use crate::ber::{BerError, Element, SEQUENCE, context_constructed};

/// `ContentInfo` (RFC 5652 §3): the type of the object and the object. Octets after it are
/// refused.
pub(crate) fn content_info(
    octets: &[u8],
    depth: u8,
) -> Result<(ObjectIdentifier, Element<'_>), BerError> {
    let outer = Element::only(octets, depth)?;
    if outer.tag != SEQUENCE {
        return Err(BerError::UnexpectedTag);
    }
    let mut inner = outer.children()?;
    let content_type = inner.oid()?;
    let wrapper = inner.expect(context_constructed(0))?;
    inner.finish()?;
    let mut content = wrapper.children()?;
    let object = content.expect(SEQUENCE)?;
    content.finish()?;
    Ok((content_type, object))
}
