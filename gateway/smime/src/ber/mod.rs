//! Basic Encoding Rules of ITU-T X.690: a bounded reader for what others send (BER: indefinite
//! lengths, strings in pieces), and a writer of what we send (DER: definite lengths only).
//!
//! The reader of slices borrows: it never copies an octet except to join a string that came in
//! pieces. The reader of streams is for the objects around a content of any size.

mod reader;
mod stream;
mod writer;

pub(crate) use reader::{BerError, Element, Reader};
pub(crate) use stream::{BerStream, StringSource};
pub(crate) use writer::{
    Node, Values, constructed, explicit, implicit, integer, null, octet_string, oid, sequence,
    set_of, to_der,
};

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const NULL: u8 = 0x05;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const IA5_STRING: u8 = 0x16;
pub(crate) const UTC_TIME: u8 = 0x17;
pub(crate) const GENERALIZED_TIME: u8 = 0x18;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
/// The bit of the identifier octet that marks a constructed encoding (X.690 §8.1.2.5).
pub(crate) const CONSTRUCTED: u8 = 0x20;

/// `[n]` of the context-specific class, primitive.
pub(crate) const fn context(n: u8) -> u8 {
    0x80 | n
}

/// `[n]` of the context-specific class, constructed.
pub(crate) const fn context_constructed(n: u8) -> u8 {
    0xa0 | n
}
