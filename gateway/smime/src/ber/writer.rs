//! The DER writer: from the end to the beginning, so that each length is known when it is written,
//! and each octet copied once, whatever the nesting.

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
    Constructed(u8, Values<'a>),
    /// A tag with the values inside it, which are sorted by encoding (X.690 §11.6). A content that
    /// is written elsewhere may not be among them.
    SetOf(u8, Values<'a>),
    /// A value already encoded.
    Encoded(Cow<'a, [u8]>),
    /// A tag with so many content octets, which are written elsewhere: at most one in a value,
    /// see [`Node::encode_around`].
    Elsewhere(u8, usize),
}

/// Values in their order. Borrowed where messages are sealed: a value that is built and encoded in
/// one statement needs no allocation.
pub(crate) enum Values<'a> {
    Owned(Vec<Node<'a>>),
    Borrowed(&'a [Node<'a>]),
}

impl<'a> From<Vec<Node<'a>>> for Values<'a> {
    fn from(values: Vec<Node<'a>>) -> Self {
        Self::Owned(values)
    }
}

impl<'a> From<Node<'a>> for Values<'a> {
    fn from(value: Node<'a>) -> Self {
        Self::Owned(vec![value])
    }
}

impl<'a> From<&'a [Node<'a>]> for Values<'a> {
    fn from(values: &'a [Node<'a>]) -> Self {
        Self::Borrowed(values)
    }
}

impl<'a, const N: usize> From<&'a [Node<'a>; N]> for Values<'a> {
    fn from(values: &'a [Node<'a>; N]) -> Self {
        Self::Borrowed(values)
    }
}

impl<'a> std::ops::Deref for Values<'a> {
    type Target = [Node<'a>];

    fn deref(&self) -> &[Node<'a>] {
        match self {
            Self::Owned(values) => values,
            Self::Borrowed(values) => values,
        }
    }
}

impl Node<'_> {
    /// The DER encoding.
    pub(crate) fn encode(&self) -> Vec<u8> {
        // An attribute or an identifier; what is larger makes room.
        let mut out = Backwards::with_capacity(256);
        self.write(&mut out);
        out.into_vec()
    }

    /// The DER encoding before and after the content that is [written
    /// elsewhere](Node::Elsewhere); without one, everything stands before.
    pub(crate) fn encode_around(&self) -> (Vec<u8>, Vec<u8>) {
        // A signature or an envelope with its certificates.
        let mut out = Backwards::with_capacity(4096);
        self.write(&mut out);
        let after = out.elsewhere.take();
        let mut before = out.into_vec();
        let after = before.split_off(after.map_or(before.len(), |after| before.len() - after));
        (before, after)
    }

    fn write(&self, out: &mut Backwards) {
        let end = out.len();
        match self {
            Self::Encoded(octets) => out.prepend(octets),
            Self::Primitive(tag, octets) => {
                out.prepend(octets);
                out.head(*tag, octets.len());
            }
            Self::Oid(oid) => {
                out.prepend(oid.as_bytes());
                out.head(OBJECT_IDENTIFIER, oid.as_bytes().len());
            }
            Self::Constructed(tag, inner) => {
                let elsewhere = out.content_elsewhere;
                for node in inner.iter().rev() {
                    node.write(out);
                }
                let added = out.content_elsewhere - elsewhere;
                out.head(*tag, out.len() - end + added);
            }
            Self::SetOf(tag, inner) => {
                write_sorted(inner, out);
                out.head(*tag, out.len() - end);
            }
            Self::Elsewhere(tag, length) => {
                out.elsewhere = Some(end);
                out.content_elsewhere += length;
                out.head(*tag, *length);
            }
        }
    }
}

/// Writes the values of a SET OF.
fn write_sorted(values: &[Node<'_>], out: &mut Backwards) {
    let end = out.len();
    let mut next = end;
    let mut is_sorted = true;
    for node in values.iter().rev() {
        let before = out.len();
        node.write(out);
        // What was written last stands first.
        let written = out.written();
        let (this, following) = written.split_at(out.len() - before);
        is_sorted &= before == end || *this <= following[..before - next];
        next = before;
    }
    if !is_sorted {
        let mut encodings: Vec<Vec<u8>> = values.iter().map(Node::encode).collect();
        encodings.sort_unstable();
        let at = out.octets.len() - end;
        let from = out.from;
        let mut place = &mut out.octets[from..at];
        for encoding in encodings {
            let (this, rest) = place.split_at_mut(encoding.len());
            this.copy_from_slice(&encoding);
            place = rest;
        }
    }
}

/// A buffer that fills from its end.
struct Backwards {
    /// What is written stands at the end of it.
    octets: Vec<u8>,
    from: usize,
    /// How many octets stood here when a content that is written elsewhere was passed.
    elsewhere: Option<usize>,
    /// Octets of that content.
    content_elsewhere: usize,
}

impl Backwards {
    fn with_capacity(octets: usize) -> Self {
        Self {
            octets: vec![0; octets],
            from: octets,
            elsewhere: None,
            content_elsewhere: 0,
        }
    }

    fn len(&self) -> usize {
        self.octets.len() - self.from
    }

    fn written(&self) -> &[u8] {
        &self.octets[self.from..]
    }

    fn prepend(&mut self, octets: &[u8]) {
        if octets.len() > self.from {
            self.make_room(octets.len());
        }
        let from = self.from - octets.len();
        self.octets[from..self.from].copy_from_slice(octets);
        self.from = from;
    }

    /// A tag and a length (X.690 §8.1.3, in as few octets as it takes: §10.1).
    fn head(&mut self, tag: u8, length: usize) {
        if length < 0x80 {
            // The guard makes the cast exact.
            return self.prepend(&[tag, length as u8]);
        }
        let octets = length.to_be_bytes();
        let count = significant(length);
        self.prepend(&octets[octets.len() - count..]);
        // A usize has at most eight octets.
        self.prepend(&[tag, 0x80 | count as u8]);
    }

    #[cold]
    fn make_room(&mut self, octets: usize) {
        let written = self.len();
        let mut larger = vec![0; (written + octets).max(self.octets.len()) * 2];
        let from = larger.len() - written;
        larger[from..].copy_from_slice(&self.octets[self.from..]);
        self.octets = larger;
        self.from = from;
    }

    fn into_vec(mut self) -> Vec<u8> {
        self.octets.drain(..self.from);
        self.octets
    }
}

/// SEQUENCE.
pub(crate) fn sequence<'a>(inner: impl Into<Values<'a>>) -> Node<'a> {
    Node::Constructed(SEQUENCE, inner.into())
}

/// A tag with the values inside it.
pub(crate) fn constructed<'a>(tag: u8, inner: impl Into<Values<'a>>) -> Node<'a> {
    Node::Constructed(tag, inner.into())
}

/// SET OF under `tag`.
pub(crate) fn set_of<'a>(tag: u8, inner: impl Into<Values<'a>>) -> Node<'a> {
    Node::SetOf(tag, inner.into())
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
pub(crate) fn explicit<'a, V: Into<Values<'a>>>(n: u8, inner: V) -> Node<'a> {
    Node::Constructed(context_constructed(n), inner.into())
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
pub(crate) const fn null<'a>() -> Node<'a> {
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
        set_of(SET, inner).encode()
    } else {
        Node::Constructed(tag, inner.into()).encode()
    })
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
        let set = set_of(
            SET,
            vec![null(), integer(3), integer(3), octet_string(&[4][..])],
        );
        let set = sequence(vec![set, null()]).encode();
        assert_eq!(
            set,
            [0x30, 15, 0x31, 11, 2, 1, 3, 2, 1, 3, 4, 1, 4, 5, 0, 5, 0]
        );
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
            let node = sequence(pieces.iter().map(|p| octet_string(&p[..])).collect::<Vec<_>>());
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
