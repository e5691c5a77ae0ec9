//! What a message is made of, said without any key and without any judgement: also of forms and
//! algorithms that [`Opener`](crate::Opener) refuses. For tools that explain a message; nothing
//! that is found here was authenticated.

use const_oid::ObjectIdentifier;
use time::OffsetDateTime;

use crate::algorithm::{Algorithm, OaepParameters};
use crate::ber::{
    BerStream, Element, INTEGER, OCTET_STRING, Reader, SEQUENCE, SET, context, context_constructed,
};
use crate::certificate::Certificate;
use crate::cms::signed::read_certificates;
use crate::cms::{attributes, content_info};
use crate::limits::Limits;
use crate::mime::{ContentType, Entity, boundary, decoded_body, read_section, two_parts};
use crate::opener::{after, string};
use crate::spool::Spool;
use crate::stream::{Step, View};
use crate::{Refusal, name, oid};

/// The layers that can be seen without a key, from the outside in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// The layers; an encrypted one is the last.
    pub layers: Vec<Seen>,
    /// The media type of what is inside the last one, if that can be seen.
    pub content_type: Option<String>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Seen {
    /// An envelope.
    Encrypted {
        /// The CMS object: `AuthEnvelopedData` or `EnvelopedData`.
        object: &'static str,
        /// The cipher of the content.
        cipher: String,
        /// For whom it is.
        recipients: Vec<SeenRecipient>,
    },
    /// A signature.
    Signed {
        /// Whether the content is beside the signature, not in it.
        detached: bool,
        /// Who signed.
        signers: Vec<SeenSigner>,
        /// The certificates that came along, those that can be read.
        certificates: Vec<Certificate>,
    },
    /// Another CMS object.
    Other(String),
}

/// How somebody is named: by a certificate's issuer and serial number, or by a key identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeenName {
    /// Issuer (RFC 4514) and serial number (octets of its INTEGER).
    IssuerAndSerial(String, Vec<u8>),
    /// Subject key identifier.
    SubjectKeyId(Vec<u8>),
    /// In a way that is not known: by a password, or a key that both share.
    Other,
}

/// A recipient of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRecipient {
    /// Who it is.
    pub name: SeenName,
    /// How the key of the content reaches them.
    pub method: String,
}

/// A signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSigner {
    /// Who it is.
    pub name: SeenName,
    /// The signature algorithm, and the digest.
    pub algorithm: String,
    /// When the signer says that it was.
    pub claimed_time: Option<OffsetDateTime>,
}

/// Describes a message: a complete RFC 5322 message, in memory or in a file. Memory does not grow
/// with it.
///
/// # Errors
/// [`Refusal::Malformed`] and [`Refusal::TooLarge`]: nothing is refused for its algorithms here.
pub fn inspect<'s>(message: impl Into<Spool<'s>>, limits: &Limits) -> Result<Inspection, Refusal> {
    let mut spool = message.into();
    let mut view = View::whole();
    let mut found = Inspection {
        layers: Vec::new(),
        content_type: None,
    };
    loop {
        let Ok(section) = read_section(&mut *view.open(&mut spool)?, limits) else {
            return Ok(found);
        };
        let entity = Entity::read(&section, limits)?;
        let Some(content_type) = entity.content_type()? else {
            return Ok(found);
        };
        if found.layers.len() >= limits.layers {
            return Err(Refusal::TooLarge {
                what: "layers",
                limit: limits.layers,
            });
        }
        let body = view.then(after(&section));
        let (layer, inner) = if content_type.is_pkcs7_mime() {
            let view = decoded_body(&entity, &body, &mut spool)?;
            object(&mut spool, &view, limits)?
        } else if content_type.essence == "multipart/signed" {
            detached(&mut spool, &content_type, &body, limits)?
        } else {
            found.content_type = Some(content_type.essence.clone());
            return Ok(found);
        };
        found.layers.push(layer);
        match inner {
            Some(inner) => view = inner,
            None => return Ok(found),
        }
    }
}

type LayerAndInner = (Seen, Option<View>);

/// A CMS object that is the body of an entity.
fn object(spool: &mut Spool<'_>, view: &View, limits: &Limits) -> Result<LayerAndInner, Refusal> {
    let mut stream = BerStream::new(view.open(spool)?, limits.asn1_depth, limits.cms_octets);
    match content_info(&mut stream)? {
        oid::SIGNED_DATA => {
            let (layer, content) = signed(&mut stream, limits)?;
            Ok((layer, content.map(|place| view.then(string(place)))))
        }
        oid::ENVELOPED_DATA => Ok((enveloped("EnvelopedData", &mut stream, limits)?, None)),
        oid::AUTH_ENVELOPED_DATA => {
            Ok((enveloped("AuthEnvelopedData", &mut stream, limits)?, None))
        }
        other => Ok((Seen::Other(named(&other)), None)),
    }
}

/// A multipart/signed body: the signature, and the part that it is over.
fn detached(
    spool: &mut Spool<'_>,
    content_type: &ContentType,
    body: &View,
    limits: &Limits,
) -> Result<LayerAndInner, Refusal> {
    let limit = limits.cms_octets.saturating_mul(3) / 2;
    let parts = two_parts(
        &mut *body.open(spool)?,
        boundary(content_type)?,
        limit,
        |_| {},
    )?;
    let (start, length) = parts.first;
    let first = body.then(Step::Range {
        start,
        length: Some(length),
    });
    let mut part = Spool::from(&parts.second[..]);
    let section = read_section(&mut *View::whole().open(&mut part)?, limits)?;
    let entity = Entity::read(&section, limits)?;
    let signature = decoded_body(&entity, &View::whole().then(after(&section)), &mut part)?;
    let source = signature.open(&mut part)?;
    let mut stream = BerStream::new(source, limits.asn1_depth, limits.cms_octets);
    match content_info(&mut stream)? {
        oid::SIGNED_DATA => Ok((signed(&mut stream, limits)?.0, Some(first))),
        other => Ok((Seen::Other(named(&other)), Some(first))),
    }
}

fn enveloped(
    object: &'static str,
    stream: &mut BerStream<'_>,
    limits: &Limits,
) -> Result<Seen, Refusal> {
    stream.enter(SEQUENCE)?;
    stream.value(INTEGER)?;
    stream.optional(context_constructed(0))?;
    let mut recipients = Vec::new();
    stream.enter(SET)?;
    while stream.more()? {
        let info = stream.any()?;
        let element = Element::only(&info, stream.depth_left())?;
        recipients.extend(recipients_of(&element)?);
        if recipients.len() > limits.recipients {
            return Err(Refusal::TooLarge {
                what: "recipients",
                limit: limits.recipients,
            });
        }
    }
    stream.leave()?;
    stream.enter(SEQUENCE)?;
    stream.oid()?;
    let algorithm = stream.value(SEQUENCE)?;
    let algorithm = Algorithm::read(Element::only(&algorithm, stream.depth_left())?)?;
    Ok(Seen::Encrypted {
        object,
        cipher: named(&algorithm.oid),
        recipients,
    })
}

/// The recipients of one `RecipientInfo` (RFC 5652 §6.2).
fn recipients_of(info: &Element<'_>) -> Result<Vec<SeenRecipient>, Refusal> {
    const AGREEMENT: u8 = context_constructed(1);
    const SHARED_KEY: u8 = context_constructed(2);
    const PASSWORD: u8 = context_constructed(3);
    const OTHER: u8 = context_constructed(4);
    let other = |method: &str| {
        vec![SeenRecipient {
            name: SeenName::Other,
            method: method.to_owned(),
        }]
    };
    let mut inner = info.children()?;
    Ok(match info.tag {
        SEQUENCE => {
            inner.any()?;
            let name = name_of(&inner.any()?)?;
            let algorithm = Algorithm::read(inner.expect(SEQUENCE)?)?;
            let method = transport(&algorithm);
            vec![SeenRecipient { name, method }]
        }
        AGREEMENT => {
            inner.any()?;
            inner.expect(context_constructed(0))?;
            inner.optional(context_constructed(1))?;
            let algorithm = Algorithm::read(inner.expect(SEQUENCE)?)?;
            let method = with_wrap(&algorithm);
            let mut keys = inner.expect(SEQUENCE)?.children()?;
            let mut found = Vec::new();
            while !keys.is_empty() {
                let mut key = keys.expect(SEQUENCE)?.children()?;
                found.push(SeenRecipient {
                    name: name_of(&key.any()?)?,
                    method: method.clone(),
                });
            }
            found
        }
        OTHER => {
            if inner.oid()? != oid::ORI_KEM {
                return Ok(other("a kind that is not known"));
            }
            let mut kem = inner.expect(SEQUENCE)?.children()?;
            kem.any()?;
            let name = name_of(&kem.any()?)?;
            let algorithm = Algorithm::read(kem.expect(SEQUENCE)?)?;
            let method = named(&algorithm.oid);
            vec![SeenRecipient { name, method }]
        }
        SHARED_KEY => other("a shared key"),
        PASSWORD => other("a password"),
        _ => other("a kind that is not known"),
    })
}

fn transport(algorithm: &Algorithm<'_>) -> String {
    if algorithm.oid != oid::RSA_OAEP {
        return match algorithm.oid {
            oid::RSA_ENCRYPTION => "RSA PKCS#1 v1.5".to_owned(),
            other => named(&other),
        };
    }
    match OaepParameters::read(algorithm) {
        Ok(parameters) => format!(
            "RSA-OAEP with {} and a mask by {}",
            named(&parameters.digest),
            named(&parameters.mask_digest)
        ),
        Err(_) => "RSA-OAEP with parameters that cannot be read".to_owned(),
    }
}

fn with_wrap(algorithm: &Algorithm<'_>) -> String {
    let wrap = algorithm
        .parameters
        .and_then(|parameters| Algorithm::read(parameters).ok())
        .map(|wrap| named(&wrap.oid));
    match wrap {
        Some(wrap) => format!("{}, then {wrap}", named(&algorithm.oid)),
        None => named(&algorithm.oid),
    }
}

/// A `SignedData`, and where its content lies if that is in it.
fn signed(
    stream: &mut BerStream<'_>,
    limits: &Limits,
) -> Result<(Seen, Option<(u64, u8)>), Refusal> {
    stream.enter(SEQUENCE)?;
    stream.value(INTEGER)?;
    stream.value(SET)?;
    stream.enter(SEQUENCE)?;
    stream.oid()?;
    let mut content = None;
    if stream.more()? {
        stream.enter(context_constructed(0))?;
        content = Some((stream.position(), stream.depth_left()));
        stream.string(OCTET_STRING, |_| Ok(()))?;
        stream.leave()?;
    }
    stream.leave()?;
    let certificates = match stream.optional(context_constructed(0))? {
        Some(set) => {
            let set = Element::only(&set, stream.depth_left())?;
            read_certificates(set.children()?, limits)?
        }
        None => Vec::new(),
    };
    stream.optional(context_constructed(1))?;
    let set = stream.value(SET)?;
    let mut infos = Element::only(&set, stream.depth_left())?.children()?;
    let mut signers = Vec::new();
    while !infos.is_empty() {
        if signers.len() >= limits.signers {
            return Err(Refusal::TooLarge {
                what: "signers",
                limit: limits.signers,
            });
        }
        signers.push(signer(infos.expect(SEQUENCE)?.children()?)?);
    }
    let layer = Seen::Signed {
        detached: content.is_none(),
        signers,
        certificates,
    };
    Ok((layer, content))
}

fn signer(mut info: Reader<'_>) -> Result<SeenSigner, Refusal> {
    info.any()?;
    let name = name_of(&info.any()?)?;
    let digest = Algorithm::read(info.expect(SEQUENCE)?)?;
    let attributes = info.optional(context_constructed(0))?;
    let algorithm = Algorithm::read(info.expect(SEQUENCE)?)?;
    let scheme = match algorithm.oid {
        oid::RSA_ENCRYPTION => "RSA PKCS#1 v1.5".to_owned(),
        other => named(&other),
    };
    let digest = named(&digest.oid);
    let algorithm = if scheme.contains(&digest) {
        scheme
    } else {
        format!("{scheme}, digest {digest}")
    };
    Ok(SeenSigner {
        name,
        algorithm,
        claimed_time: attributes.and_then(|set| attributes::claimed_time(&set)),
    })
}

fn name_of(id: &Element<'_>) -> Result<SeenName, Refusal> {
    const SUBJECT_KEY_ID: u8 = context(0);
    const RECIPIENT_KEY_ID: u8 = context_constructed(0);
    Ok(match id.tag {
        SEQUENCE => {
            let mut inner = id.children()?;
            let issuer = name::text_of(inner.expect(SEQUENCE)?.raw);
            SeenName::IssuerAndSerial(issuer, inner.integer()?.to_vec())
        }
        SUBJECT_KEY_ID => SeenName::SubjectKeyId(id.content.to_vec()),
        RECIPIENT_KEY_ID => {
            let id = id.children()?.octets(OCTET_STRING)?;
            SeenName::SubjectKeyId(id.into_owned())
        }
        _ => SeenName::Other,
    })
}

/// The name of an algorithm or a content type, with its number if that says more.
fn named(oid: &ObjectIdentifier) -> String {
    const NAMES: [(&str, &str); 56] = [
        ("1.2.840.113549.1.7.1", "data"),
        ("1.2.840.113549.1.7.2", "SignedData"),
        ("1.2.840.113549.1.7.3", "EnvelopedData"),
        ("1.2.840.113549.1.7.5", "DigestedData"),
        ("1.2.840.113549.1.7.6", "EncryptedData"),
        ("1.2.840.113549.1.9.16.1.2", "AuthenticatedData"),
        ("1.2.840.113549.1.9.16.1.9", "CompressedData"),
        ("2.16.840.1.101.3.4.1.2", "AES-128-CBC"),
        ("2.16.840.1.101.3.4.1.22", "AES-192-CBC"),
        ("2.16.840.1.101.3.4.1.42", "AES-256-CBC"),
        ("2.16.840.1.101.3.4.1.6", "AES-128-GCM"),
        ("2.16.840.1.101.3.4.1.26", "AES-192-GCM"),
        ("2.16.840.1.101.3.4.1.46", "AES-256-GCM"),
        ("2.16.840.1.101.3.4.1.7", "AES-128-CCM"),
        ("2.16.840.1.101.3.4.1.47", "AES-256-CCM"),
        ("1.2.840.113549.1.9.16.3.18", "ChaCha20-Poly1305"),
        ("1.2.840.113549.3.7", "3DES-CBC"),
        ("1.3.14.3.2.7", "DES-CBC"),
        ("1.2.840.113549.3.2", "RC2-CBC"),
        ("2.16.840.1.101.3.4.1.5", "AES-128 key wrap"),
        ("2.16.840.1.101.3.4.1.25", "AES-192 key wrap"),
        ("2.16.840.1.101.3.4.1.45", "AES-256 key wrap"),
        ("1.2.840.113549.1.9.16.3.6", "3DES key wrap"),
        ("1.3.133.16.840.63.0.2", "ECDH with SHA-1"),
        ("1.3.132.1.11.0", "ECDH with SHA-224"),
        ("1.3.132.1.11.1", "ECDH with SHA-256"),
        ("1.3.132.1.11.2", "ECDH with SHA-384"),
        ("1.3.132.1.11.3", "ECDH with SHA-512"),
        ("1.2.840.113549.1.9.16.3.19", "ECDH with HKDF-SHA-256"),
        ("1.2.840.113549.1.9.16.3.20", "ECDH with HKDF-SHA-384"),
        ("1.2.840.113549.1.9.16.3.21", "ECDH with HKDF-SHA-512"),
        ("2.16.840.1.101.3.4.4.1", "ML-KEM-512"),
        ("2.16.840.1.101.3.4.4.2", "ML-KEM-768"),
        ("2.16.840.1.101.3.4.4.3", "ML-KEM-1024"),
        ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
        ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
        ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
        ("1.2.840.113549.2.5", "MD5"),
        ("1.3.14.3.2.26", "SHA-1"),
        ("2.16.840.1.101.3.4.2.4", "SHA-224"),
        ("2.16.840.1.101.3.4.2.1", "SHA-256"),
        ("2.16.840.1.101.3.4.2.2", "SHA-384"),
        ("2.16.840.1.101.3.4.2.3", "SHA-512"),
        ("1.2.840.113549.1.1.1", "RSA"),
        ("1.2.840.113549.1.1.5", "RSA PKCS#1 v1.5 with SHA-1"),
        ("1.2.840.113549.1.1.10", "RSASSA-PSS"),
        ("1.2.840.113549.1.1.11", "RSA PKCS#1 v1.5 with SHA-256"),
        ("1.2.840.113549.1.1.12", "RSA PKCS#1 v1.5 with SHA-384"),
        ("1.2.840.113549.1.1.13", "RSA PKCS#1 v1.5 with SHA-512"),
        ("1.2.840.10045.4.1", "ECDSA with SHA-1"),
        ("1.2.840.10045.4.3.2", "ECDSA with SHA-256"),
        ("1.2.840.10045.4.3.3", "ECDSA with SHA-384"),
        ("1.2.840.10045.4.3.4", "ECDSA with SHA-512"),
        ("1.3.101.112", "Ed25519"),
        ("1.2.840.10040.4.1", "DSA"),
        ("1.2.840.10040.4.3", "DSA with SHA-1"),
    ];
    let dotted = oid.to_string();
    let known = NAMES.iter().find(|(number, _)| *number == dotted);
    known.map_or(dotted, |(_, name)| (*name).to_owned())
}
