//! Signed attributes (RFC 5652 §11, RFC 6211), read and written.

use const_oid::ObjectIdentifier;
use der::Decode as _;
use der::asn1::{GeneralizedTime, UtcTime};
use time::OffsetDateTime;

use crate::algorithm::Algorithm;
use crate::ber::{
    BerError, Element, GENERALIZED_TIME, Node, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET,
    UTC_TIME, constructed, context_constructed, implicit, oid as oid_node, sequence, set_of,
    to_der,
};
use crate::capabilities::{self, ClientCapabilities};
use crate::oid;

/// The signed attributes that mean something here.
pub(crate) struct SignedAttributes<'a> {
    /// The values of `recipient-emails` (gemSMIME_KOMLE), in DER.
    pub(crate) recipient_emails: Option<Vec<u8>>,
    /// The encodings that may have been signed: the received octets under the SET OF tag, then
    /// DER if that differs (signers disagree, RFC 5652 §5.4).
    pub(crate) signed_octets: Vec<Vec<u8>>,
    pub(crate) content_type: ObjectIdentifier,
    pub(crate) message_digest: Vec<u8>,
    pub(crate) signing_time: Option<OffsetDateTime>,
    /// SMIMECapabilities (RFC 8551 §2.5.2), if the signer states them readably.
    pub(crate) capabilities: Option<ClientCapabilities>,
    protection: Option<Element<'a>>,
}

/// Why the attributes of a signer are not acceptable.
pub(crate) type Fault = &'static str;

impl<'a> SignedAttributes<'a> {
    /// Reads `[0] IMPLICIT SET OF Attribute`.
    pub(crate) fn read(element: &Element<'a>, limit: usize) -> Result<Self, Fault> {
        let mut content_type = None;
        let mut message_digest = None;
        let mut signing_time = None;
        let mut protection = None;
        let mut emails = None;
        let mut capabilities = None;
        let mut attributes = element.children().map_err(BerError::describe)?;
        let mut count = 0;
        while !attributes.is_empty() {
            count += 1;
            if count > limit {
                return Err("too many attributes");
            }
            let (kind, values) = attributes
                .any()
                .and_then(|a| attribute(&a))
                .map_err(BerError::describe)?;
            let slot = match kind {
                oid::CONTENT_TYPE => &mut content_type,
                oid::MESSAGE_DIGEST => &mut message_digest,
                oid::SIGNING_TIME => &mut signing_time,
                oid::ALGORITHM_PROTECTION => &mut protection,
                oid::RECIPIENT_EMAILS => &mut emails,
                oid::SMIME_CAPABILITIES => &mut capabilities,
                _ => continue,
            };
            // RFC 5652 §11.1 to §11.3: one instance, one value.
            let [value] = values[..] else {
                return Err("an attribute does not have exactly one value");
            };
            if slot.replace(value).is_some() {
                return Err("an attribute occurs twice");
            }
        }
        let content_type = content_type.ok_or("contentType is missing")?;
        let message_digest = message_digest.ok_or("messageDigest is missing")?;
        let as_received = retagged(element.raw);
        let as_der = to_der(element, SET).map_err(BerError::describe)?;
        let mut signed_octets = Vec::new();
        // An indefinite length cannot be signed as it stands: only DER is meant then.
        signed_octets.extend(as_received.filter(|octets| *octets != as_der));
        signed_octets.push(as_der);
        Ok(Self {
            capabilities: capabilities.and_then(|list| ClientCapabilities::read(&list).ok()),
            recipient_emails: emails
                .map(|value| to_der(&value, value.tag))
                .transpose()
                .map_err(BerError::describe)?,
            signed_octets,
            content_type: one_oid(&content_type).map_err(BerError::describe)?,
            message_digest: octets(&message_digest).map_err(BerError::describe)?,
            signing_time: signing_time
                .map(|value| read_time(&value).ok_or("signingTime is unreadable"))
                .transpose()?,
            protection,
        })
    }

    /// Checks CMSAlgorithmProtection, where the signer sent it (RFC 6211 §2).
    pub(crate) fn check_protection(
        &self,
        digest: &Algorithm<'_>,
        signature: &Algorithm<'_>,
    ) -> Result<(), Fault> {
        let Some(protection) = &self.protection else {
            return Ok(());
        };
        let read = || -> Result<bool, BerError> {
            let mut inner = protection.children()?;
            let protected_digest = Algorithm::read(inner.expect(SEQUENCE)?)?;
            let protected_signature = match inner.optional(context_constructed(1))? {
                Some(e) => Algorithm::read_tagged(e, context_constructed(1))?,
                None => return Ok(false),
            };
            inner.finish()?;
            Ok(protected_digest.same_as(digest) && protected_signature.same_as(signature))
        };
        match read() {
            Ok(true) => Ok(()),
            Ok(false) => Err("CMSAlgorithmProtection names other algorithms"),
            Err(error) => Err(error.describe()),
        }
    }
}

/// Checks the authenticated attributes of an envelope, whose content type is id-data: if
/// contentType is among them it says so, and messageDigest is not (RFC 5083 §2.1).
pub(crate) fn check_authenticated(element: &Element<'_>, limit: usize) -> Result<(), Fault> {
    let mut attributes = element.children().map_err(BerError::describe)?;
    let mut content_types = 0;
    let mut count = 0;
    while !attributes.is_empty() {
        count += 1;
        if count > limit {
            return Err("too many attributes");
        }
        let (kind, values) = attributes
            .any()
            .and_then(|a| attribute(&a))
            .map_err(BerError::describe)?;
        if kind == oid::MESSAGE_DIGEST {
            return Err("messageDigest among the authenticated attributes");
        }
        if kind == oid::CONTENT_TYPE {
            content_types += 1;
            let [value] = values[..] else {
                return Err("an attribute does not have exactly one value");
            };
            if content_types > 1 {
                return Err("an attribute occurs twice");
            }
            if one_oid(&value).map_err(BerError::describe)? != oid::DATA {
                return Err("contentType is not that of the content");
            }
        }
    }
    Ok(())
}

/// The values of `recipient-emails` among the unauthenticated attributes of an envelope, in DER.
pub(crate) fn recipient_emails(set: &Element<'_>) -> Result<Option<Vec<u8>>, BerError> {
    let mut attributes = set.children()?;
    let mut found = None;
    while !attributes.is_empty() {
        let (kind, values) = attribute(&attributes.any()?)?;
        if kind == oid::RECIPIENT_EMAILS {
            let ([value], None) = (&values[..], &found) else {
                return Err(BerError::Value);
            };
            found = Some(to_der(value, value.tag)?);
        }
    }
    Ok(found)
}

/// signingTime among the attributes of a signer, for whoever only wants to say it.
pub(crate) fn claimed_time(set: &Element<'_>) -> Option<OffsetDateTime> {
    let mut attributes = set.children().ok()?;
    while !attributes.is_empty() {
        let (kind, values) = attribute(&attributes.any().ok()?).ok()?;
        if kind == oid::SIGNING_TIME {
            return read_time(values.first()?);
        }
    }
    None
}

/// The signed attributes to send, as SET OF (the form that is signed). `recipient_emails` is the
/// value of that attribute, for the profile that has it.
pub(crate) fn to_sign(
    message_digest: &[u8],
    signing_time: OffsetDateTime,
    digest: Node<'_>,
    signature_identifier: &[Node<'_>],
    recipient_emails: Option<&[u8]>,
) -> Vec<u8> {
    let emails = recipient_emails
        .map(|value| written(&oid::RECIPIENT_EMAILS, Node::Encoded(value.into())).encode());
    // As a SET OF sorts them: by their lengths.
    set_of(
        SET,
        &[
            Node::Encoded(emails.unwrap_or_default().into()),
            sequence(&[
                oid_node(&oid::CONTENT_TYPE),
                set_of(SET, &[oid_node(&oid::DATA)]),
            ]),
            sequence(&[
                oid_node(&oid::SIGNING_TIME),
                set_of(SET, &[time_node(signing_time)]),
            ]),
            sequence(&[
                oid_node(&oid::ALGORITHM_PROTECTION),
                set_of(
                    SET,
                    &[sequence(&[
                        digest,
                        // [1] IMPLICIT SignatureAlgorithmIdentifier.
                        constructed(context_constructed(1), signature_identifier),
                    ])],
                ),
            ]),
            sequence(&[
                oid_node(&oid::MESSAGE_DIGEST),
                set_of(SET, &[implicit(OCTET_STRING, message_digest)]),
            ]),
            sequence(&[
                oid_node(&oid::SMIME_CAPABILITIES),
                set_of(SET, &[capabilities::ours()]),
            ]),
        ],
    )
    .encode()
}

/// An attribute with one value.
pub(super) fn written<'a>(kind: &ObjectIdentifier, value: Node<'a>) -> Node<'a> {
    sequence(vec![oid_node(kind), set_of(SET, vec![value])])
}

/// UTCTime from 1950 to 2049, GeneralizedTime otherwise (RFC 5652 §11.3).
fn time_node<'a>(time: OffsetDateTime) -> Node<'a> {
    let t = time.to_offset(time::UtcOffset::UTC);
    let short = (1950..2050).contains(&t.year());
    let mut text = match short {
        true => Vec::with_capacity(13),
        // Four digits of a year, or more.
        false => format!("{:02}", t.year() / 100).into_bytes(),
    };
    let of_century = t.year().unsigned_abs() % 100;
    for number in [
        of_century as u8,
        u8::from(t.month()),
        t.day(),
        t.hour(),
        t.minute(),
        t.second(),
    ] {
        text.extend_from_slice(&[b'0' + number / 10, b'0' + number % 10]);
    }
    text.push(b'Z');
    implicit(if short { UTC_TIME } else { GENERALIZED_TIME }, text)
}

fn attribute<'a>(element: &Element<'a>) -> Result<(ObjectIdentifier, Vec<Element<'a>>), BerError> {
    let mut inner = element.children()?;
    let kind = inner.oid()?;
    let mut set = inner.expect(SET)?.children()?;
    inner.finish()?;
    let mut values = Vec::new();
    // Two are enough to know that there is not exactly one.
    while !set.is_empty() && values.len() < 2 {
        values.push(set.any()?);
    }
    Ok((kind, values))
}

fn one_oid(value: &Element<'_>) -> Result<ObjectIdentifier, BerError> {
    if value.tag != OBJECT_IDENTIFIER {
        return Err(BerError::UnexpectedTag);
    }
    ObjectIdentifier::from_bytes(value.content).map_err(|_| BerError::Value)
}

fn octets(value: &Element<'_>) -> Result<Vec<u8>, BerError> {
    if value.tag & !crate::ber::CONSTRUCTED != OCTET_STRING {
        return Err(BerError::UnexpectedTag);
    }
    Ok(value.octets()?.into_owned())
}

fn read_time(value: &Element<'_>) -> Option<OffsetDateTime> {
    let (tag, _) = value.time().ok()?;
    let duration = if tag == UTC_TIME {
        UtcTime::from_der(value.raw).ok()?.to_unix_duration()
    } else {
        GeneralizedTime::from_der(value.raw)
            .ok()?
            .to_unix_duration()
    };
    let seconds = i64::try_from(duration.as_secs()).ok()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// The received octets under the SET OF tag; `None` if their length is indefinite.
fn retagged(raw: &[u8]) -> Option<Vec<u8>> {
    if raw.get(1) == Some(&0x80) {
        return None;
    }
    let mut octets = raw.to_vec();
    *octets.first_mut()? = SET;
    Some(octets)
}
