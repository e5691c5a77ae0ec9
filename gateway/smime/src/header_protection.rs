//! Header protection (RFC 9788): the header fields of the message travel inside the encryption,
//! on the root of what is signed; outside stays what transport needs.

use crate::legacy_display;
use crate::mime::{self, ContentType, Entity, Field, field_line};
use crate::sealer::Profile;
use crate::{Refusal, SealError};

/// Fields that stay readable outside. Everything else is only inside: nothing that a client adds
/// leaks by default. (RFC 9788 §3.2: a header confidentiality policy stricter than
/// `hcp_baseline`.)
const OUTSIDE: [&str; 9] = [
    "From",
    "Sender",
    "To",
    "Cc",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
];

/// What the outer Subject says instead of the true one (RFC 9788 §3.2.1).
const NEUTRAL_SUBJECT: &[u8] = b" [...]";

/// Fields whose inner and outer values are compared on receipt. Trace fields that transport adds
/// are nobody's claim.
const COMPARED: [&str; 10] = [
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Date",
    "Subject",
    "Message-ID",
    "In-Reply-To",
    "References",
];

/// Fields never sent: they would tell recipients of one another.
const NEVER: [&str; 2] = ["Bcc", "Resent-Bcc"];

/// The subject that KIM demands outside (gemSMIME_KOMLE).
const KIM_SUBJECT: &[u8] = b" KOM-LE-Nachricht";
/// The version of the format that a KIM message announces.
const KIM_VERSION: &[u8] = b" 1.0";

/// A message ready for its cryptographic layers.
pub(crate) struct Protected {
    /// The header section of what is signed, its blank line included; the body of the message
    /// follows it.
    pub(crate) payload: Vec<u8>,
    /// The message's own fields outside, CRLF lines, without MIME fields.
    pub(crate) outer: Vec<u8>,
    /// The addresses of From.
    pub(crate) from: Vec<String>,
}

/// Applies header protection to a message that will be encrypted, given its header section.
pub(crate) fn protect(entity: &Entity<'_>, profile: Profile) -> Result<Protected, SealError> {
    let from = entity
        .single("From")?
        .ok_or(SealError::Malformed("From is missing"))?;
    let from = mime::addresses(from.value).ok_or(SealError::Malformed("From is not an address"))?;
    // Reading it now keeps a header that nobody could read from being signed.
    entity.content_type()?;
    let mut outer = Vec::with_capacity(1024);
    let payload = match profile {
        Profile::Rfc9788 => protected_payload(entity, &mut outer),
        Profile::WrappedRfc822 | Profile::KomLe => wrapped_payload(entity, profile, &mut outer),
    };
    Ok(Protected {
        payload,
        outer,
        from,
    })
}

/// RFC 9788 §2: the fields inside, on the root of the payload, with a record of those outside.
fn protected_payload(entity: &Entity<'_>, outer: &mut Vec<u8>) -> Vec<u8> {
    let mut payload = Vec::with_capacity(4096);
    let mut records = Vec::with_capacity(1024);
    for field in sent_fields(entity) {
        field.write(&mut payload);
        let outside = if field.is("Subject") {
            NEUTRAL_SUBJECT
        } else if OUTSIDE.iter().any(|name| field.is(name)) {
            field.value
        } else {
            continue;
        };
        field_line(outer, field.name, outside);
        let mut record = Vec::with_capacity(outside.len() + 16);
        field_line(&mut record, field.name, outside);
        field_line(&mut records, "HP-Outer", record.trim_ascii_end());
    }
    payload.append(&mut records);
    payload.extend_from_slice(b"MIME-Version: 1.0\r\n");
    write_structural(entity, Some("cipher"), &mut payload);
    payload.extend_from_slice(b"\r\n");
    payload
}

/// RFC 8551 §3.1: the whole message inside, as message/rfc822.
fn wrapped_payload(entity: &Entity<'_>, profile: Profile, outer: &mut Vec<u8>) -> Vec<u8> {
    let mut payload = b"Content-Type: message/rfc822; forwarded=no\r\n\r\n".to_vec();
    for field in sent_fields(entity) {
        field.write(&mut payload);
        let outside = match profile {
            _ if field.is("Subject") => continue,
            // gemSMIME_KOMLE: these are the same outside.
            Profile::KomLe if field.is("Reply-To") => field.value,
            _ if OUTSIDE.iter().any(|name| field.is(name)) => field.value,
            _ => continue,
        };
        field_line(outer, field.name, outside);
    }
    if profile == Profile::KomLe {
        field_line(outer, "Subject", KIM_SUBJECT);
        field_line(outer, "X-KOM-LE-Version", KIM_VERSION);
    } else {
        field_line(outer, "Subject", NEUTRAL_SUBJECT);
    }
    payload.extend_from_slice(b"MIME-Version: 1.0\r\n");
    write_structural(entity, None, &mut payload);
    payload.extend_from_slice(b"\r\n");
    payload
}

/// The fields of the message that are sent at all.
fn sent_fields<'e, 'a>(entity: &'e Entity<'a>) -> impl Iterator<Item = &'e Field<'a>> {
    entity.fields.iter().filter(|field| {
        !field.is_structural() && !field.is("HP-Outer") && !NEVER.iter().any(|name| field.is(name))
    })
}

/// How the header fields of a message were protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderProtection {
    /// Not at all: what is shown comes from outside, and anyone on the way can have written it.
    Absent,
    /// RFC 9788, `hp="clear"`: signed, and readable outside.
    Clear,
    /// RFC 9788, `hp="cipher"`: signed or encrypted inside, reduced outside.
    Cipher,
    /// The whole message was wrapped as message/rfc822 (RFC 8551 §3.1).
    Wrapped,
}

/// A disagreement between the protected fields and those outside. Values are not repeated here:
/// they are the patient's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderFinding {
    /// The outer field is not what the sender put there.
    Altered {
        /// Name of the field.
        name: &'static str,
    },
    /// The sender put no such field outside.
    Added {
        /// Name of the field.
        name: &'static str,
    },
    /// The sender put this field outside, and it is gone.
    Removed {
        /// Name of the field.
        name: &'static str,
    },
    /// The addresses of From differ inside and outside.
    FromDiffers,
}

/// The header fields that count, and how they compare with those outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedHeaders {
    /// How they were protected.
    pub protection: HeaderProtection,
    /// Where inside and outside disagree; empty if they agree.
    pub findings: Vec<HeaderFinding>,
}

/// A received message after its layers, as far as its header sections tell.
pub(crate) struct Received<'a> {
    pub(crate) headers: ProtectedHeaders,
    /// The message's fields that count: protected ones, or the outer ones if none are.
    fields: Vec<Field<'a>>,
    outer_from: Option<Field<'a>>,
    /// The header section of the MIME entity to show.
    shown: Entity<'a>,
}

impl<'a> Received<'a> {
    /// Compares a payload with the message that carried it. `layered` says whether an envelope
    /// or a signature that holds was around it: without one, its marks are anybody's. `inside` is
    /// the header section of the message that the payload wraps, if it wraps one.
    pub(crate) fn read(
        outer: &Entity<'a>,
        payload: Entity<'a>,
        layered: bool,
        inside: Option<Entity<'a>>,
    ) -> Result<Self, Refusal> {
        let outer_from = outer.single("From")?.copied();
        let content_type = payload.content_type()?;
        let protection = match content_type.as_ref().and_then(|t| t.parameter("hp")) {
            Some("cipher") if layered => HeaderProtection::Cipher,
            Some("clear") if layered => HeaderProtection::Clear,
            _ => HeaderProtection::Absent,
        };
        let wrapped = inside
            .filter(|_| layered && protection == HeaderProtection::Absent)
            .filter(|inside| is_the_message(outer_from, content_type.as_ref(), inside));
        let (protection, findings, fields, shown) = match wrapped {
            Some(inside) => (
                HeaderProtection::Wrapped,
                Vec::new(),
                message_fields(&inside),
                inside,
            ),
            None if protection == HeaderProtection::Absent => {
                (protection, Vec::new(), message_fields(outer), payload)
            }
            None => (
                protection,
                compare(protection, outer, &payload),
                message_fields(&payload),
                payload,
            ),
        };
        let mut read = Self {
            headers: ProtectedHeaders {
                protection,
                findings,
            },
            fields,
            outer_from,
            shown,
        };
        read.compare_from();
        Ok(read)
    }

    /// Whether the message to show is the one that the payload wraps.
    pub(crate) fn is_wrapped(&self) -> bool {
        self.headers.protection == HeaderProtection::Wrapped
    }

    /// The header section of the MIME entity to show.
    pub(crate) fn shown(&self) -> &Entity<'a> {
        &self.shown
    }

    /// The one address of the From that counts; none if it is missing, unreadable or several.
    pub(crate) fn from(&self) -> Option<String> {
        let mut fields = self.fields.iter().filter(|f| f.is("From"));
        let (Some(from), None) = (fields.next(), fields.next()) else {
            return None;
        };
        let mut addresses = mime::addresses(from.value)?;
        if addresses.len() == 1 {
            addresses.pop()
        } else {
            None
        }
    }

    /// The header section of a plain message: the fields that count, then those of the content
    /// without its S/MIME layers, and a blank line. With `outer_from`, the From from outside
    /// (RFC 9788 §4.4.1, where no signature vouches for the one inside).
    pub(crate) fn readable_section(&self, outer_from: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(2048);
        for field in &self.fields {
            match (field.is("From"), self.outer_from) {
                (true, Some(outside)) if outer_from => outside.write(&mut out),
                _ => field.write(&mut out),
            }
        }
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        write_structural(&self.shown, None, &mut out);
        out.extend_from_slice(b"\r\n");
        out
    }

    fn compare_from(&mut self) {
        let inside = self
            .fields
            .iter()
            .find(|f| f.is("From"))
            .map(|f| mime::addresses(f.value));
        let outside = self.outer_from.map(|f| mime::addresses(f.value));
        let lower = |list: Option<Option<Vec<String>>>| {
            list.flatten()
                .map(|l| l.iter().map(|a| a.to_ascii_lowercase()).collect::<Vec<_>>())
        };
        if lower(inside) != lower(outside) {
            self.headers.findings.push(HeaderFinding::FromDiffers);
        }
    }
}

/// Writes the MIME fields of a part, its `hp` parameter set or removed.
fn write_structural(entity: &Entity<'_>, hp: Option<&str>, out: &mut Vec<u8>) {
    let mut has_type = false;
    let parameter = hp.map(|hp| format!("; hp=\"{hp}\"")).unwrap_or_default();
    for field in entity
        .fields
        .iter()
        .filter(|f| f.is_structural() && !f.is("MIME-Version"))
    {
        if !field.is("Content-Type") {
            field.write(out);
            continue;
        }
        has_type = true;
        let unfolded = field.unfolded();
        let is_plain = |read: ContentType| read.parameter("hp").is_none();
        if hp.is_none() && ContentType::read(&unfolded).is_ok_and(is_plain) {
            field.write(out);
            continue;
        }
        let mut value = ContentType::without(&unfolded, "hp");
        if hp.is_none() {
            // What it marks is left out of the text.
            value = ContentType::without(&value, legacy_display::MARK);
        }
        value.extend_from_slice(parameter.as_bytes());
        field_line(out, "Content-Type", &fold(&value));
    }
    if !has_type && hp.is_some() {
        let value = format!("text/plain; charset=\"us-ascii\"{parameter}");
        field_line(out, "Content-Type", value.as_bytes());
    }
}

/// Folds before each parameter, so that lines stay short (RFC 5322 §2.1.1).
fn fold(value: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(value);
    let mut folded = String::with_capacity(text.len() + 16);
    let mut quoted = false;
    let mut previous = ' ';
    for c in text.chars() {
        if c == '"' && previous != '\\' {
            quoted = !quoted;
        }
        if c == ' ' && previous == ';' && !quoted {
            folded.push_str("\r\n");
        }
        folded.push(c);
        previous = c;
    }
    folded.into_bytes()
}

fn message_fields<'a>(entity: &Entity<'a>) -> Vec<Field<'a>> {
    let fields = entity.fields.iter().copied();
    fields
        .filter(|f| !f.is_structural() && !f.is("HP-Outer"))
        .collect()
}

/// What the sender put outside against what arrived outside.
fn compare(
    protection: HeaderProtection,
    outer: &Entity<'_>,
    payload: &Entity<'_>,
) -> Vec<HeaderFinding> {
    // RFC 9788 §4.2: with hp="clear" the outer fields are the inner ones; with hp="cipher",
    // HP-Outer records them.
    let recorded: Vec<(String, Vec<u8>)> = match protection {
        HeaderProtection::Cipher => payload
            .fields
            .iter()
            .filter(|f| f.is("HP-Outer"))
            .filter_map(|f| record(&f.unfolded()))
            .collect(),
        _ => message_fields(payload)
            .iter()
            .map(|f| (f.name.to_owned(), f.unfolded()))
            .collect(),
    };
    let mut findings = Vec::new();
    for name in COMPARED {
        let expected: Vec<&[u8]> = recorded
            .iter()
            .filter(|(recorded, _)| recorded.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
            .collect();
        let actual: Vec<Vec<u8>> = outer
            .fields
            .iter()
            .filter(|f| f.is(name))
            .map(Field::unfolded)
            .collect();
        if expected.len() == actual.len() && expected.iter().zip(&actual).all(|(e, a)| e == a) {
            continue;
        }
        findings.push(match (expected.is_empty(), actual.is_empty()) {
            (true, _) => HeaderFinding::Added { name },
            (_, true) => HeaderFinding::Removed { name },
            _ => HeaderFinding::Altered { name },
        });
    }
    findings
}

/// `Name: value` of an HP-Outer field.
fn record(value: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = value.iter().position(|o| *o == b':')?;
    let name = std::str::from_utf8(value[..colon].trim_ascii()).ok()?;
    Some((name.to_owned(), value[colon + 1..].trim_ascii().to_vec()))
}

/// Whether a payload may wrap a message (RFC 8551 §3.1): message/rfc822, not encoded.
pub(crate) fn may_wrap(payload: &Entity<'_>) -> bool {
    let is_message = payload
        .content_type()
        .ok()
        .flatten()
        .is_some_and(|t| t.essence == "message/rfc822");
    is_message
        && !payload.fields.iter().any(|f| {
            f.is("Content-Transfer-Encoding")
                && !matches!(
                    f.unfolded().to_ascii_lowercase().as_slice(),
                    b"7bit" | b"8bit" | b"binary"
                )
        })
}

/// Whether the message inside a payload is the one that was sent, as Direct and KIM wrap it. A
/// forwarded message looks the same: it is told by `forwarded=no`, or by From being the same
/// outside.
fn is_the_message(
    outer_from: Option<Field<'_>>,
    content_type: Option<&ContentType>,
    inside: &Entity<'_>,
) -> bool {
    let Ok(Some(inner_from)) = inside.single("From") else {
        return false;
    };
    let inner_from = mime::addresses(inner_from.value);
    outer_from.is_some_and(|f| mime::addresses(f.value) == inner_from)
        || content_type.is_some_and(|t| t.parameter("forwarded") == Some("no"))
}
