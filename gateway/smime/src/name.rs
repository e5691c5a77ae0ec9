//! Names as certificates carry them: distinguished names in the form that RFC 5280 §7.1
//! compares, and the kinds of GeneralName (§4.2.1.6) that mean something for mail.

use const_oid::ObjectIdentifier;

use crate::ber::{BerError, Element, Reader, SEQUENCE, SET, context, context_constructed};
use crate::oid;

const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const TELETEX_STRING: u8 = 0x14;
const IA5_STRING: u8 = 0x16;
const UNIVERSAL_STRING: u8 = 0x1c;
const BMP_STRING: u8 = 0x1e;

/// A distinguished name, prepared for comparison: text without regard to case, to the string
/// type and to runs of spaces; everything else octet by octet. Two names that are equal here
/// match by RFC 5280 §7.1.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct DistinguishedName(Vec<Vec<u8>>);

impl DistinguishedName {
    /// Reads a `Name` (a SEQUENCE of relative names).
    pub(crate) fn read(element: &Element<'_>) -> Result<Self, BerError> {
        if element.tag != SEQUENCE {
            return Err(BerError::UnexpectedTag);
        }
        let mut relative = element.children()?;
        let mut names = Vec::new();
        while !relative.is_empty() {
            let set = relative.expect(SET)?;
            names.push(relative_name(set.children()?)?);
        }
        Ok(Self(names))
    }

    /// This name with one more relative name at its end (`nameRelativeToCRLIssuer`).
    pub(crate) fn with(&self, relative: Reader<'_>) -> Result<Self, BerError> {
        let mut names = self.0.clone();
        names.push(relative_name(relative)?);
        Ok(Self(names))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the relative names of `base` are the first ones of this name (RFC 5280
    /// §4.2.1.10).
    pub(crate) fn is_within(&self, base: &Self) -> bool {
        self.0.starts_with(&base.0)
    }
}

/// One `RelativeDistinguishedName`, its attributes in the order of their prepared octets.
fn relative_name(mut set: Reader<'_>) -> Result<Vec<u8>, BerError> {
    let mut attributes = Vec::new();
    while !set.is_empty() {
        let mut attribute = set.expect(SEQUENCE)?.children()?;
        let kind = attribute.oid()?;
        let value = attribute.any()?;
        attribute.finish()?;
        let mut prepared = kind.as_bytes().to_vec();
        match text(&value) {
            Some(text) => {
                prepared.push(UTF8_STRING);
                prepared.extend_from_slice(folded(&text).as_bytes());
            }
            None => {
                prepared.push(value.tag);
                prepared.extend_from_slice(value.content);
            }
        }
        attributes.push(prepared);
    }
    if attributes.is_empty() {
        return Err(BerError::Missing);
    }
    attributes.sort_unstable();
    let mut name = Vec::new();
    for attribute in attributes {
        // The length keeps two attributes from reading as one.
        name.extend_from_slice(&(attribute.len() as u64).to_be_bytes());
        name.extend_from_slice(&attribute);
    }
    Ok(name)
}

/// The text of a directory string; `None` for any other value.
pub(crate) fn text(value: &Element<'_>) -> Option<String> {
    let octets = value.content;
    match value.tag {
        UTF8_STRING => std::str::from_utf8(octets).ok().map(ToOwned::to_owned),
        PRINTABLE_STRING | IA5_STRING => octets
            .is_ascii()
            .then(|| octets.iter().copied().map(char::from).collect()),
        // In use it holds ISO 8859-1.
        TELETEX_STRING => Some(octets.iter().copied().map(char::from).collect()),
        BMP_STRING if octets.len().is_multiple_of(2) => {
            let units = octets
                .chunks_exact(2)
                .map(|c| u16::from_be_bytes([c[0], c[1]]));
            char::decode_utf16(units).collect::<Result<_, _>>().ok()
        }
        UNIVERSAL_STRING if octets.len().is_multiple_of(4) => octets
            .chunks_exact(4)
            .map(|c| char::from_u32(u32::from_be_bytes([c[0], c[1], c[2], c[3]])))
            .collect(),
        _ => None,
    }
}

/// A `Name` in DER as RFC 4514 writes it, the last relative name first; what would not print is
/// escaped, so that no name can write on a terminal or into a log by itself.
pub(crate) fn text_of(name: &[u8]) -> String {
    let parts = || -> Result<Vec<String>, BerError> {
        let mut relative = Element::only(name, 8)?.children()?;
        let mut parts = Vec::new();
        while !relative.is_empty() {
            let mut set = relative.expect(SET)?.children()?;
            let mut attributes = Vec::new();
            while !set.is_empty() {
                let mut attribute = set.expect(SEQUENCE)?.children()?;
                let kind = attribute.oid()?;
                attributes.push(attribute_text(&kind, &attribute.any()?));
            }
            parts.push(attributes.join("+"));
        }
        parts.reverse();
        Ok(parts)
    };
    parts().unwrap_or_default().join(",")
}

fn attribute_text(kind: &ObjectIdentifier, value: &Element<'_>) -> String {
    let dotted = kind.to_string();
    let short = match dotted.as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.42" => "GN",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        other => other,
    };
    match text(value) {
        Some(text) => format!("{short}={}", escaped(&text)),
        None => {
            let hex: String = value.raw.iter().map(|o| format!("{o:02X}")).collect();
            format!("{short}=#{hex}")
        }
    }
}

/// RFC 4514 §2.4.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let last = text.chars().count().saturating_sub(1);
    for (position, c) in text.chars().enumerate() {
        let edge = (position == 0 && matches!(c, ' ' | '#')) || (position == last && c == ' ');
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => out.extend(['\\', c]),
            _ if edge => out.extend(['\\', c]),
            _ if c.is_control() || is_invisible(c) => {
                let mut octets = [0; 4];
                for octet in c.encode_utf8(&mut octets).bytes() {
                    out.push_str(&format!("\\{octet:02X}"));
                }
            }
            _ => out.push(c),
        }
    }
    out
}

/// Marks that change the order of the text around them, or show nothing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Case folded; spaces at the ends removed, those inside made one.
fn folded(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}

/// A name of subjectAltName, of a name constraint or of a distribution point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GeneralName {
    /// rfc822Name, or SmtpUTF8Mailbox (RFC 9598 §3).
    Address(String),
    /// dNSName.
    Domain(String),
    /// uniformResourceIdentifier.
    Uri(String),
    /// directoryName.
    Directory(DistinguishedName),
    /// iPAddress: an address, or in a constraint an address and a mask.
    Ip(Vec<u8>),
    /// Another kind, by its tag: it is never used, but an authority may be held to it.
    Other(u8),
}

impl GeneralName {
    pub(crate) fn read(element: &Element<'_>) -> Result<Self, BerError> {
        const OTHER_NAME: u8 = context_constructed(0);
        const RFC822_NAME: u8 = context(1);
        const DNS_NAME: u8 = context(2);
        const DIRECTORY_NAME: u8 = context_constructed(4);
        const URI: u8 = context(6);
        const IP_ADDRESS: u8 = context(7);
        Ok(match element.tag {
            RFC822_NAME => Self::Address(ia5(element)?),
            DNS_NAME => Self::Domain(ia5(element)?),
            URI => Self::Uri(ia5(element)?),
            DIRECTORY_NAME => {
                let mut inner = element.children()?;
                let name = DistinguishedName::read(&inner.any()?)?;
                inner.finish()?;
                Self::Directory(name)
            }
            IP_ADDRESS => Self::Ip(element.content.to_vec()),
            OTHER_NAME => {
                let mut inner = element.children()?;
                let kind: ObjectIdentifier = inner.oid()?;
                if kind == oid::SMTP_UTF8_MAILBOX {
                    let value = inner.expect(context_constructed(0))?.children()?.any()?;
                    Self::Address(text(&value).ok_or(BerError::Value)?)
                } else {
                    Self::Other(OTHER_NAME)
                }
            }
            other => Self::Other(other),
        })
    }

    /// Reads `GeneralNames`, whatever the tag that holds them.
    pub(crate) fn read_all(mut names: Reader<'_>) -> Result<Vec<Self>, BerError> {
        let mut read = Vec::new();
        while !names.is_empty() {
            read.push(Self::read(&names.any()?)?);
        }
        Ok(read)
    }
}

/// The text of an IA5String. A NUL or a line end has no place in an address or a host: such a
/// name could be shown as another (CVE-2009-2408 and its kin).
fn ia5(element: &Element<'_>) -> Result<String, BerError> {
    let octets = element.content;
    if octets.iter().any(|o| !o.is_ascii() || o.is_ascii_control()) {
        return Err(BerError::Value);
    }
    Ok(octets.iter().copied().map(char::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ber::{Node, implicit, oid as oid_node, sequence, set_of};

    fn name(parts: &[&[(u8, &str)]]) -> DistinguishedName {
        let common_name = ObjectIdentifier::new_unwrap("2.5.4.3");
        let relative: Vec<Node<'_>> = parts
            .iter()
            .map(|attributes| {
                let attributes: Vec<Node<'_>> = attributes
                    .iter()
                    .map(|(tag, text)| {
                        sequence(vec![
                            oid_node(&common_name),
                            implicit(*tag, text.as_bytes()),
                        ])
                    })
                    .collect();
                set_of(SET, attributes)
            })
            .collect();
        let der = sequence(relative).encode();
        DistinguishedName::read(&Element::only(&der, 8).unwrap()).unwrap()
    }

    #[test]
    fn case_spaces_and_string_types_do_not_tell_names_apart() {
        let one = name(&[&[(PRINTABLE_STRING, "Hopital  Fictif")]]);
        assert_eq!(one, name(&[&[(UTF8_STRING, " HOPITAL fictif ")]]));
        assert_ne!(one, name(&[&[(UTF8_STRING, "HopitalFictif")]]));
        assert_eq!(
            name(&[&[(UTF8_STRING, "Évry")]]),
            name(&[&[(UTF8_STRING, "éVRY")]])
        );
        // Another type than text is compared as it stands.
        assert_ne!(name(&[&[(0x1a, "Hopital")]]), name(&[&[(0x1a, "hopital")]]));
    }

    #[test]
    fn attributes_of_one_relative_name_have_no_order_and_relative_names_have() {
        let a = (UTF8_STRING, "a");
        let b = (UTF8_STRING, "b");
        assert_eq!(name(&[&[a, b]]), name(&[&[b, a]]));
        assert_ne!(name(&[&[a], &[b]]), name(&[&[b], &[a]]));
        assert_ne!(name(&[&[a], &[b]]), name(&[&[a, b]]));
        assert!(name(&[&[a], &[b]]).is_within(&name(&[&[a]])));
        assert!(!name(&[&[a, b]]).is_within(&name(&[&[a]])));
        assert!(name(&[&[a]]).is_within(&DistinguishedName::default()));
    }

    #[test]
    fn a_name_cannot_write_on_a_terminal() {
        let common_name = ObjectIdentifier::new_unwrap("2.5.4.3");
        let set = |text: &'static str| {
            let attribute = vec![
                oid_node(&common_name),
                implicit(UTF8_STRING, text.as_bytes()),
            ];
            set_of(SET, sequence(attribute))
        };
        let der = sequence(vec![set("Racine"), set(" a,b\u{1b}[2J\u{202e}é ")]).encode();
        assert_eq!(
            text_of(&der),
            "CN=\\ a\\,b\\1B[2J\\E2\\80\\AEé\\ ,CN=Racine"
        );
    }

    #[test]
    fn a_nul_in_an_address_is_not_read() {
        let der = implicit(context(1), &b"dr.untel@hopital.test\0.autre.test"[..]).encode();
        assert!(GeneralName::read(&Element::only(&der, 8).unwrap()).is_err());
    }
}
