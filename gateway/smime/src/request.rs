//! Certificate requests (PKCS #10, RFC 2986): made for a key and its mail addresses, and read by
//! an authority, which checks that the requester holds the key.

use std::fmt;

use crate::algorithm::{Algorithm, PublicKeyKind, Scheme, Signed};
use crate::ber::{
    BerError, Element, Node, SEQUENCE, SET, constructed, context, context_constructed, implicit,
    integer, octet_string, oid as oid_node, sequence,
};
use crate::certificate::{extensions, read_public_key};
use crate::error::MaterialError;
use crate::issuing::{names, signed};
use crate::key::PrivateKey;
use crate::name::{self, GeneralName};
use crate::{oid, pem};

/// Octets of a request, at most.
const OCTETS: usize = 64 * 1024;
/// Addresses of one request, at most.
const ADDRESSES: usize = 16;

/// A request whose signature was checked: whoever made it holds the private key. Nothing is said
/// of whether the addresses are theirs: that is for the authority to find out.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    der: Vec<u8>,
    common_name: String,
    addresses: Vec<String>,
    kind: PublicKeyKind,
    spki: Vec<u8>,
    key: Vec<u8>,
}

impl CertificateRequest {
    /// Makes a request for `key`: `common_name` as the subject, `addresses` as the rfc822Name of
    /// a subjectAltName.
    ///
    /// # Errors
    /// [`MaterialError::Request`] if there is no address, one that is not ASCII with one `@`, or
    /// if the key does not sign.
    pub fn new(
        key: &PrivateKey,
        common_name: &str,
        addresses: &[&str],
    ) -> Result<Self, MaterialError> {
        check_addresses(addresses)?;
        let spki = key
            .public_key_info()
            .ok_or(MaterialError::Request("its key does not sign"))?;
        let extension = sequence(vec![
            oid_node(&oid::SUBJECT_ALT_NAME),
            octet_string(names(addresses).encode()),
        ]);
        let attribute = sequence(vec![
            oid_node(&oid::EXTENSION_REQUEST),
            constructed(SET, vec![sequence(vec![extension])]),
        ]);
        let info = sequence(vec![
            integer(0),
            subject(common_name),
            Node::Encoded(spki.into()),
            constructed(context_constructed(0), vec![attribute]),
        ]);
        let der = signed(info.encode(), key)
            .ok_or(MaterialError::Request("the cryptographic library failed"))?;
        Self::from_der(&der)
    }

    /// Reads a request in DER and checks its signature.
    ///
    /// # Errors
    /// [`MaterialError::Request`] says what is wrong with it.
    pub fn from_der(der: &[u8]) -> Result<Self, MaterialError> {
        if der.len() > OCTETS {
            return Err(MaterialError::Request("longer than 64 KiB"));
        }
        let parts = Parts::read(der).map_err(|error| MaterialError::Request(error.describe()))?;
        let (kind, key) = read_public_key(parts.spki)
            .map_err(|_| MaterialError::Request("its public key cannot be read"))?;
        let scheme = parts.scheme.ok_or(MaterialError::Request(
            "its signature algorithm is not accepted",
        ))?;
        scheme
            .verify(kind, &key, Signed::Message(parts.info), parts.signature)
            .map_err(|_| MaterialError::Request("it is not signed by the key that it names"))?;
        let addresses: Vec<&str> = parts.addresses.iter().map(String::as_str).collect();
        check_addresses(&addresses)?;
        Ok(Self {
            der: der.to_vec(),
            common_name: parts.common_name,
            addresses: parts.addresses,
            kind,
            spki: parts.spki.to_vec(),
            key,
        })
    }

    /// Reads the first `CERTIFICATE REQUEST` of a PEM text.
    ///
    /// # Errors
    /// [`MaterialError::NoPemBlock`] or [`MaterialError::Request`].
    pub fn from_pem(text: &str) -> Result<Self, MaterialError> {
        const LABEL: &str = "CERTIFICATE REQUEST";
        let blocks = pem::blocks(text, LABEL)?;
        Self::from_der(blocks.first().ok_or(MaterialError::NoPemBlock(LABEL))?)
    }

    /// The request in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The request in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::text("CERTIFICATE REQUEST", &self.der)
    }

    /// The common name that is asked for; empty if there is none.
    #[must_use]
    pub fn common_name(&self) -> &str {
        &self.common_name
    }

    /// The addresses that are asked for; at least one.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// The kind of the key.
    #[must_use]
    pub fn public_key_kind(&self) -> PublicKeyKind {
        self.kind
    }

    pub(crate) fn public_key_info(&self) -> &[u8] {
        &self.spki
    }

    pub(crate) fn public_key(&self) -> &[u8] {
        &self.key
    }
}

impl fmt::Debug for CertificateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateRequest")
            .field("key", &self.kind)
            .finish_non_exhaustive()
    }
}

/// A subject of one common name, or of nothing.
pub(crate) fn subject<'a>(common_name: &str) -> Node<'a> {
    const UTF8_STRING: u8 = 0x0c;
    if common_name.is_empty() {
        return sequence(Vec::new());
    }
    let attribute = sequence(vec![
        oid_node(&oid::COMMON_NAME),
        implicit(UTF8_STRING, common_name.as_bytes().to_vec()),
    ]);
    sequence(vec![constructed(SET, vec![attribute])])
}

fn check_addresses(addresses: &[&str]) -> Result<(), MaterialError> {
    if addresses.is_empty() {
        return Err(MaterialError::Request("it names no mail address"));
    }
    if addresses.len() > ADDRESSES {
        return Err(MaterialError::Request("it names more than 16 addresses"));
    }
    let is_plain = |address: &&str| {
        let parts: Vec<&str> = address.split('@').collect();
        address.bytes().all(|o| o.is_ascii_graphic())
            && matches!(parts[..], [local, domain] if !local.is_empty() && !domain.is_empty())
    };
    if !addresses.iter().all(is_plain) {
        return Err(MaterialError::Request(
            "an address is not of the form local@domain in ASCII",
        ));
    }
    Ok(())
}

struct Parts<'a> {
    info: &'a [u8],
    spki: &'a [u8],
    common_name: String,
    addresses: Vec<String>,
    scheme: Option<Scheme>,
    signature: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(der: &'a [u8]) -> Result<Self, BerError> {
        let mut outer = Element::sequence(der, 16)?;
        let info = outer.expect(SEQUENCE)?;
        let algorithm = Algorithm::read(outer.expect(SEQUENCE)?)?;
        let signature = outer.bit_string()?;
        outer.finish()?;
        let mut inner = info.children()?;
        inner.small_integer()?;
        let subject = inner.expect(SEQUENCE)?;
        let spki = inner.expect(SEQUENCE)?.raw;
        // Empty attributes must be there, and some programs leave them out.
        let addresses = match inner.optional(context_constructed(0))? {
            Some(attributes) => requested_addresses(&attributes)?,
            None => Vec::new(),
        };
        inner.finish()?;
        Ok(Self {
            info: info.raw,
            spki,
            common_name: common_name(&subject)?,
            addresses,
            scheme: Scheme::of_certificate(&algorithm),
            signature,
        })
    }
}

/// The rfc822Names of the subjectAltName in extensionRequest. Other extensions are not for the
/// requester to choose.
fn requested_addresses(attributes: &Element<'_>) -> Result<Vec<String>, BerError> {
    let mut list = attributes.children()?;
    let mut addresses = Vec::new();
    while !list.is_empty() {
        let mut attribute = list.expect(SEQUENCE)?.children()?;
        let kind = attribute.oid()?;
        let mut values = attribute.expect(SET)?.children()?;
        if kind != oid::EXTENSION_REQUEST {
            continue;
        }
        for extension in extensions::each(&values.expect(SEQUENCE)?)? {
            if extension.kind != oid::SUBJECT_ALT_NAME {
                continue;
            }
            let names = GeneralName::read_all(Element::only(extension.value, 16)?.children()?)?;
            addresses.extend(names.into_iter().filter_map(|name| match name {
                GeneralName::Address(address) => Some(address),
                _ => None,
            }));
        }
    }
    Ok(addresses)
}

fn common_name(subject: &Element<'_>) -> Result<String, BerError> {
    let mut relative = subject.children()?;
    let mut found = String::new();
    while !relative.is_empty() {
        let mut set = relative.expect(SET)?.children()?;
        while !set.is_empty() {
            let mut attribute = set.expect(SEQUENCE)?.children()?;
            if attribute.oid()? == oid::COMMON_NAME {
                found = name::text(&attribute.any()?).ok_or(BerError::Value)?;
            }
        }
    }
    Ok(found)
}

/// The tag of rfc822Name (RFC 5280 §4.2.1.6).
pub(crate) const RFC822_NAME: u8 = context(1);
