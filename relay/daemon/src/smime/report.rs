//! What was found, in words for a person and as JSON for a program. Both say the same.

use liaison_smime::{
    AddressBinding, Certificate, HeaderFinding, HeaderProtection, InvalidReason, Layer, Opened,
    Revocation, SignatureVerdict, ValidSignature,
};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::track::stamp;

/// Lines of a label and what it says; a label may be followed by lines without one.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    /// A line, with its label in a column of its own.
    pub(super) fn add(&mut self, label: &str, text: impl AsRef<str>) {
        for (place, line) in text.as_ref().lines().enumerate() {
            let label = if place == 0 { label } else { "" };
            self.0.push_str(format!("{label:<13} {line}").trim_end());
            self.0.push('\n');
        }
    }

    pub(super) fn blank(&mut self) {
        self.0.push('\n');
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// What opening or verifying found.
pub(super) struct Found<'a> {
    pub(super) name: &'a str,
    pub(super) form: &'static str,
    pub(super) octets: u64,
    pub(super) now: OffsetDateTime,
    pub(super) outcome: Outcome<'a>,
    /// What to tell besides: for example that nobody was trusted.
    pub(super) remarks: Vec<String>,
}

/// How it ended.
pub(super) enum Outcome<'a> {
    /// Every layer was removed.
    Opened {
        /// What was opened.
        opened: &'a Opened<'a>,
        /// Why the signature does not count although it is valid: another signer was expected.
        unexpected: Option<String>,
    },
    /// It was refused.
    Refused(String),
}

impl Found<'_> {
    /// Whether a signature is there and counts.
    pub(super) fn is_valid(&self) -> bool {
        matches!(
            &self.outcome,
            Outcome::Opened { opened, unexpected: None }
                if matches!(opened.signature(), SignatureVerdict::Valid(_))
        )
    }

    /// Whether it was opened, and no signature in it fails.
    pub(super) fn is_sound(&self) -> bool {
        match &self.outcome {
            Outcome::Opened { opened, unexpected } => {
                unexpected.is_none() && !matches!(opened.signature(), SignatureVerdict::Invalid(_))
            }
            Outcome::Refused(_) => false,
        }
    }

    /// In words.
    pub(super) fn text(&self) -> String {
        let mut lines = Lines::default();
        lines.add(
            "message",
            format!("{}: {}, {}", self.name, self.form, octets(self.octets)),
        );
        lines.add("judged at", stamp(self.now));
        match &self.outcome {
            Outcome::Refused(reason) => {
                lines.blank();
                lines.add("REFUSED", reason);
            }
            Outcome::Opened { opened, unexpected } => {
                lines.blank();
                layers(&mut lines, opened.layers());
                lines.blank();
                signature(&mut lines, opened.signature(), self.now);
                lines.add("headers", headers(opened));
                lines.blank();
                let (word, sentence) = conclusion(opened, unexpected.as_deref());
                lines.add(word, sentence);
            }
        }
        for remark in &self.remarks {
            lines.add("note", remark);
        }
        lines.into_text()
    }

    /// As JSON.
    pub(super) fn json(&self) -> Value {
        let mut value = json!({
            "file": self.name,
            "form": self.form,
            "octets": self.octets,
            "judged_at": stamp(self.now),
            "notes": self.remarks,
        });
        let more = match &self.outcome {
            Outcome::Refused(reason) => json!({ "result": "refused", "reason": reason }),
            Outcome::Opened { opened, unexpected } => {
                let (word, sentence) = conclusion(opened, unexpected.as_deref());
                json!({
                    "result": word.to_lowercase(),
                    "reason": sentence,
                    "from": opened.from_address(),
                    "layers": opened.layers().iter().map(layer_json).collect::<Vec<_>>(),
                    "signature": signature_json(opened.signature()),
                    "headers": {
                        "protection": protection(opened.headers().protection).0,
                        "findings": findings(opened),
                    },
                })
            }
        };
        if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
            value.extend(more);
        }
        value
    }
}

/// One word, and what it means.
fn conclusion(opened: &Opened<'_>, unexpected: Option<&str>) -> (&'static str, String) {
    if let Some(reason) = unexpected {
        return ("INVALID", reason.to_owned());
    }
    match opened.signature() {
        SignatureVerdict::Valid(valid) => {
            let who = match &valid.binding {
                AddressBinding::Address(address) => format!("signed by {address}"),
                AddressBinding::Domain(domain) => {
                    format!("signed for everybody at {domain}, by its organisation")
                }
                _ => "signed".to_owned(),
            };
            let revocation = match &valid.revocation {
                Revocation::Good { .. } => "",
                _ => "; whether the certificate was revoked is not known",
            };
            ("VALID", who + revocation)
        }
        SignatureVerdict::Invalid(reason) => ("INVALID", reason.to_string()),
        _ => (
            "UNSIGNED",
            "nobody signed what is inside: anyone can have written it".to_owned(),
        ),
    }
}

fn layers(lines: &mut Lines, layers: &[Layer]) {
    if layers.is_empty() {
        lines.add(
            "layers",
            "none: the message is neither signed nor encrypted",
        );
    }
    for (place, layer) in layers.iter().enumerate() {
        let label = format!("layer {}", place + 1);
        match layer {
            Layer::Encrypted { cipher, recipients } => {
                let kind = if cipher.is_authenticated() {
                    "authenticated"
                } else {
                    "not authenticated: the signature inside vouches for it"
                };
                let plural = if *recipients == 1 { "" } else { "s" };
                lines.add(
                    &label,
                    format!(
                        "encrypted with {cipher:?} ({kind}), for {recipients} recipient{plural}"
                    ),
                );
            }
            Layer::Signed { signers, fault } => {
                let names: Vec<&str> = signers.iter().map(Certificate::subject).collect();
                lines.add(
                    &label,
                    match fault {
                        Some(fault) => format!("signed, but {fault}"),
                        None => format!("signed by {}", names.join(" and by ")),
                    },
                );
            }
            _ => lines.add(&label, "of another kind"),
        }
    }
}

fn signature(lines: &mut Lines, verdict: &SignatureVerdict, now: OffsetDateTime) {
    match verdict {
        SignatureVerdict::Valid(valid) => {
            certificate(lines, "signer", &valid.signer);
            lines.add("bound", bound(valid));
            lines.add("revocation", revocation(&valid.revocation, now));
            if let Some(claimed) = valid.claimed_time {
                lines.add(
                    "signed at",
                    format!(
                        "{}, says the signer (a claim: nothing is judged by it)",
                        stamp(claimed)
                    ),
                );
            }
        }
        SignatureVerdict::Invalid(InvalidReason::RevocationUnknown(state)) => {
            lines.add("revocation", revocation(state, now));
        }
        _ => {}
    }
}

/// Who a certificate is, in a few lines.
pub(super) fn certificate(lines: &mut Lines, label: &str, certificate: &Certificate) {
    lines.add(label, certificate.subject());
    if !certificate.addresses().is_empty() {
        lines.add("", format!("for {}", certificate.addresses().join(", ")));
    }
    lines.add("", format!("issued by {}", certificate.issuer()));
    lines.add(
        "",
        format!(
            "valid from {} to {}",
            stamp(certificate.not_before()),
            stamp(certificate.not_after())
        ),
    );
    lines.add(
        "",
        format!(
            "{:?} key, serial {}, SHA-256 {}",
            certificate.public_key_kind(),
            hex(certificate.serial()),
            hex(&certificate.fingerprint())
        ),
    );
}

fn bound(valid: &ValidSignature) -> String {
    match &valid.binding {
        AddressBinding::Address(address) => format!("to {address}, which the certificate names"),
        AddressBinding::Domain(domain) => {
            format!("to the domain {domain}: an organisation's certificate")
        }
        _ => "in another way".to_owned(),
    }
}

fn revocation(state: &Revocation, now: OffsetDateTime) -> String {
    match state {
        Revocation::Good { as_of } => {
            let age = state.age(now).unwrap_or_default();
            format!("not revoked, as of {} ({} old)", stamp(*as_of), span(age))
        }
        Revocation::Stale { issuer, due } => format!(
            "unknown: the evidence of {issuer} should have been renewed on {} ({} ago)",
            stamp(*due),
            span(now - *due)
        ),
        Revocation::NoList { issuer } => {
            format!("unknown: no list and no OCSP response of {issuer} is at hand")
        }
        _ => "unknown".to_owned(),
    }
}

/// A duration in the unit that a person would use.
fn span(duration: Duration) -> String {
    let minutes = duration.whole_minutes();
    let (count, unit) = match minutes {
        ..120 => (minutes, "minute"),
        120..2880 => (duration.whole_hours(), "hour"),
        _ => (duration.whole_days(), "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

fn headers(opened: &Opened<'_>) -> String {
    let mut text = protection(opened.headers().protection).1.to_owned();
    for finding in findings(opened) {
        text.push('\n');
        text.push_str(&finding);
    }
    text
}

/// A word, and a sentence.
fn protection(protection: HeaderProtection) -> (&'static str, &'static str) {
    match protection {
        HeaderProtection::Clear => (
            "clear",
            "protected by the signature (RFC 9788, hp=\"clear\")",
        ),
        HeaderProtection::Cipher => (
            "cipher",
            "protected inside the encryption (RFC 9788, hp=\"cipher\")",
        ),
        HeaderProtection::Wrapped => ("wrapped", "protected inside: the whole message is wrapped"),
        _ => (
            "absent",
            "not protected: what they say can have been written on the way",
        ),
    }
}

fn findings(opened: &Opened<'_>) -> Vec<String> {
    let findings = opened.headers().findings.iter();
    findings
        .map(|finding| match finding {
            HeaderFinding::Altered { name } => format!("{name} was altered outside"),
            HeaderFinding::Added { name } => format!("{name} was added outside"),
            HeaderFinding::Removed { name } => format!("{name} was removed outside"),
            HeaderFinding::FromDiffers => "From differs inside and outside".to_owned(),
            other => format!("{other:?}"),
        })
        .collect()
}

fn layer_json(layer: &Layer) -> Value {
    match layer {
        Layer::Encrypted { cipher, recipients } => json!({
            "kind": "encrypted",
            "cipher": format!("{cipher:?}"),
            "authenticated": cipher.is_authenticated(),
            "recipients": recipients,
        }),
        Layer::Signed { signers, fault } => json!({
            "kind": "signed",
            "signers": signers.iter().map(certificate_json).collect::<Vec<_>>(),
            "fault": fault.as_ref().map(ToString::to_string),
        }),
        _ => json!({ "kind": "other" }),
    }
}

fn signature_json(verdict: &SignatureVerdict) -> Value {
    match verdict {
        SignatureVerdict::Valid(valid) => json!({
            "state": "valid",
            "signer": certificate_json(&valid.signer),
            "bound_to": match &valid.binding {
                AddressBinding::Address(address) => json!({ "address": address }),
                AddressBinding::Domain(domain) => json!({ "domain": domain }),
                _ => Value::Null,
            },
            "claimed_time": valid.claimed_time.map(stamp),
            "revocation": revocation_json(&valid.revocation),
        }),
        SignatureVerdict::Invalid(reason) => json!({
            "state": "invalid",
            "reason": reason.to_string(),
        }),
        _ => json!({ "state": "unsigned" }),
    }
}

fn revocation_json(state: &Revocation) -> Value {
    match state {
        Revocation::Good { as_of } => json!({ "state": "good", "as_of": stamp(*as_of) }),
        Revocation::Stale { issuer, due } => {
            json!({ "state": "stale", "issuer": issuer, "due": stamp(*due) })
        }
        Revocation::NoList { issuer } => json!({ "state": "unknown", "issuer": issuer }),
        _ => json!({ "state": "unknown" }),
    }
}

/// A certificate as JSON.
pub(super) fn certificate_json(certificate: &Certificate) -> Value {
    json!({
        "subject": certificate.subject(),
        "issuer": certificate.issuer(),
        "serial": hex(certificate.serial()),
        "addresses": certificate.addresses(),
        "not_before": stamp(certificate.not_before()),
        "not_after": stamp(certificate.not_after()),
        "key": format!("{:?}", certificate.public_key_kind()),
        "sha256": hex(&certificate.fingerprint()),
    })
}

/// Octets in hexadecimal.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A number of octets, its thousands apart.
pub(super) fn octets(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    let plural = if count == 1 { "" } else { "s" };
    format!("{text} octet{plural}")
}
