//! The DER writer: sizes are known first, so each octet is copied once, whatever the nesting.

use std::borrow::Cow;

use const_oid::ObjectIdentifier;

use super::{
    CONSTRUCTED, Element, INTEGER, NULL, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET,
    context_constructed, reader::BerError,
};

/// A value to write. Large contents are borrowed until [`Node::encode`].
pub(crate) enum Node<'a> {
    /// A tag with its content octets.
    Primitive(u8, Cow<'a, [u8]>),
    /// OBJECT IDENTIFIER.
    Oid(ObjectIdentifier),
    /// A tag with the values inside it.
    Constructed(u8, Vec<Node<'a>>),
    /// A value already encoded.
    Encoded(Cow<'a, [u8]>),
    /// A tag with so many content octets, which are written elsewhere: at most one in a value,
    /// see [`Node::encode_around`].
    Elsewhere(u8, usize),
}

impl Node<'_> {
    /// The DER encoding.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        self.write(&mut out);
        out
    }

    /// The DER encoding before and after the content that is [written
    /// elsewhere](Node::Elsewhere); without one, everything stands before.
    pub(crate) fn encode_around(&self) -> (Vec<u8>, Vec<u8>) {
        // A signature or an envelope with its certificates: more would only be moved once.
        let mut before = Vec::with_capacity(4096);
        let mut split = None;
        self.write_around(&mut before, &mut split);
        let after = before.split_off(split.unwrap_or(before.len()));
        (before, after)
    }

    fn write_around(&self, out: &mut Vec<u8>, split: &mut Option<usize>) {
        match self {
            Self::Elsewhere(tag, length) => {
                out.push(*tag);
                write_length(*length, out);
                *split = Some(out.len());
            }
            Self::Constructed(tag, inner) => {
                out.push(*tag);
                write_length(self.content_len(), out);
                for node in inner {
                    node.write_around(out, split);
                }
            }
            Self::Primitive(..) | Self::Oid(_) | Self::Encoded(_) => self.write(out),
        }
    }

    fn encoded_len(&self) -> usize {
        match self {
            Self::Encoded(octets) => octets.len(),
            Self::Primitive(..) | Self::Oid(_) | Self::Constructed(..) | Self::Elsewhere(..) => {
                let content = self.content_len();
                1 + length_len(content) + content
            }
        }
    }

    fn content_len(&self) -> usize {
        match self {
            Self::Primitive(_, octets) | Self::Encoded(octets) => octets.len(),
            Self::Oid(oid) => oid.as_bytes().len(),
            Self::Constructed(_, inner) => inner.iter().map(Node::encoded_len).sum(),
            Self::Elsewhere(_, length) => *length,
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Encoded(octets) => out.extend_from_slice(octets),
            Self::Elsewhere(tag, length) => {
                out.push(*tag);
                write_length(*length, out);
            }
            Self::Primitive(tag, octets) => write_primitive(*tag, octets, out),
            Self::Oid(oid) => write_primitive(OBJECT_IDENTIFIER, oid.as_bytes(), out),
            Self::Constructed(tag, inner) => {
                out.push(*tag);
                write_length(self.content_len(), out);
                for node in inner {
                    node.write(out);
                }
            }
        }
    }
}

/// SEQUENCE.
pub(crate) fn sequence(inner: Vec<Node<'_>>) -> Node<'_> {
    Node::Constructed(SEQUENCE, inner)
}

/// SET OF under `tag`, its values sorted by encoding (X.690 §11.6).
pub(crate) fn set_of<'a>(tag: u8, inner: &[Node<'_>]) -> Node<'a> {
    let mut encodings: Vec<Vec<u8>> = inner.iter().map(Node::encode).collect();
    encodings.sort_unstable();
    let inner = encodings
        .into_iter()
        .map(|octets| Node::Encoded(octets.into()))
        .collect();
    Node::Constructed(tag, inner)
}

/// SET OF under `tag` with one value, which is as it is.
pub(crate) fn set_of_one(tag: u8, value: Node<'_>) -> Node<'_> {
    Node::Constructed(tag, vec![value])
}

/// OCTET STRING.
pub(crate) fn octet_string<'a>(octets: impl Into<Cow<'a, [u8]>>) -> Node<'a> {
    Node::Primitive(OCTET_STRING, octets.into())
}

/// A primitive value under an implicit tag.
pub(crate) fn implicit<'a>(tag: u8, octets: impl Into<Cow<'a, [u8]>>) -> Node<'a> {
    Node::Primitive(tag, octets.into())
}

/// A value under an explicit context tag.
pub(crate) fn explicit(n: u8, inner: Node<'_>) -> Node<'_> {
    Node::Constructed(context_constructed(n), vec![inner])
}

/// A small non-negative INTEGER (up to 127).
pub(crate) fn integer<'a>(value: u8) -> Node<'a> {
    /// Every value, so that none is allocated.
    const VALUES: &[u8; 128] = &{
        let mut values = [0; 128];
        let mut value = 0;
        while value < 128 {
            values[value as usize] = value;
            value += 1;
        }
        values
    };
    debug_assert!(value < 0x80, "larger integers need a sign octet");
    let at = usize::from(value & 0x7f);
    Node::Primitive(INTEGER, VALUES[at..=at].into())
}

/// OBJECT IDENTIFIER.
pub(crate) fn oid<'a>(oid: &ObjectIdentifier) -> Node<'a> {
    Node::Oid(*oid)
}

/// NULL.
pub(crate) fn null<'a>() -> Node<'a> {
    Node::Primitive(NULL, Cow::Borrowed(&[]))
}

/// The DER encoding of a BER value under another tag: definite lengths, whole strings, SET OF
/// sorted. Meant for attributes, whose signer may have encoded them loosely.
pub(crate) fn to_der(element: &Element<'_>, tag: u8) -> Result<Vec<u8>, BerError> {
    if tag == OCTET_STRING | CONSTRUCTED {
        return Ok(octet_string(element.octets()?).encode());
    }
    if tag & CONSTRUCTED == 0 {
        return Ok(Node::Primitive(tag, element.content.into()).encode());
    }
    let mut children = element.children()?;
    let mut inner = Vec::new();
    while !children.is_empty() {
        let child = children.any()?;
        inner.push(Node::Encoded(to_der(&child, child.tag)?.into()));
    }
    Ok(if tag == SET {
        set_of(SET, &inner).encode()
    } else {
        Node::Constructed(tag, inner).encode()
    })
}

fn write_primitive(tag: u8, octets: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    write_length(octets.len(), out);
    out.extend_from_slice(octets);
}

fn length_len(length: usize) -> usize {
    if length < 0x80 {
        1
    } else {
        1 + significant(length)
    }
}

fn write_length(length: usize, out: &mut Vec<u8>) {
    if length < 0x80 {
        // The guard makes the cast exact.
        out.push(length as u8);
        return;
    }
    let count = significant(length);
    // A usize has at most eight octets.
    out.push(0x80 | count as u8);
    out.extend_from_slice(&length.to_be_bytes()[size_of::<usize>() - count..]);
}

/// Octets that hold `value` without leading zeroes.
fn significant(value: usize) -> usize {
    size_of::<usize>() - (value.leading_zeros() / 8) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_take_as_few_octets_as_they_can() {
        for (length, head) in [
            (0usize, vec![4u8, 0]),
            (127, vec![4, 127]),
            (128, vec![4, 0x81, 128]),
            (256, vec![4, 0x82, 1, 0]),
            (65536, vec![4, 0x83, 1, 0, 0]),
        ] {
            let encoded = octet_string(vec![7; length]).encode();
            assert_eq!(encoded[..head.len()], head[..]);
            assert_eq!(encoded.len(), head.len() + length);
        }
    }

    #[test]
    fn a_set_is_sorted_by_encoding() {
        let set = set_of(SET, &[integer(9), null(), integer(3)]).encode();
        assert_eq!(set, [0x31, 8, 2, 1, 3, 2, 1, 9, 5, 0]);
    }

    #[test]
    fn loose_attributes_become_der() {
        // SET (indefinite) { INTEGER 9, OCTET STRING in pieces "ab" }
        let loose = [
            0x31, 0x80, 2, 1, 9, 0x24, 0x80, 4, 1, b'a', 4, 1, b'b', 0, 0, 0, 0,
        ];
        let element = Element::only(&loose, 8).unwrap();
        let der = to_der(&element, SET).unwrap();
        assert_eq!(der, [0x31, 7, 2, 1, 9, 4, 2, b'a', b'b']);
    }

    #[test]
    fn a_content_written_elsewhere_fits_between() {
        fn around(content: Node<'_>) -> Node<'_> {
            sequence(vec![integer(1), explicit(0, content), null()])
        }
        for length in [0, 1, 127, 128, 300, 70_000] {
            let content = vec![7; length];
            let whole = around(octet_string(&content[..])).encode();
            let (before, after) = around(Node::Elsewhere(OCTET_STRING, length)).encode_around();
            assert_eq!([before, content, after].concat(), whole);
        }
        let (before, after) = around(null()).encode_around();
        assert_eq!((before, after.len()), (around(null()).encode(), 0));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..6)) {
            let node = sequence(pieces.iter().map(|p| octet_string(&p[..])).collect());
            let encoded = node.encode();
            let mut reader = Element::only(&encoded, 4).unwrap().children().unwrap();
            for piece in &pieces {
                let octets = reader.octets(OCTET_STRING).unwrap();
                prop_assert_eq!(octets.as_ref(), &piece[..]);
            }
            reader.finish().unwrap();
        }
    }
}
