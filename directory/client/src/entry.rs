//! A person, an organisation or a service, as the directory publishes it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_mail::Address;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;

use crate::{Finess, Purpose, Rpps};

/// A recipient with the mailbox that was found for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Person, organisation or service.
    pub kind: EntryKind,
    /// The name to show, for example `Dr Hélène ESSAI`.
    pub name: String,
    /// A person's profession, for example `Médecin généraliste`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profession: Option<String>,
    /// A person's RPPS number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rpps: Option<Rpps>,
    /// An organisation's FINESS number; for a person or a service, that of its organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finess: Option<Finess>,
    /// The name of the organisation of a person or a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organisation: Option<String>,
    /// Where to write.
    pub mailbox: Mailbox,
    /// The certificates published for that mailbox, usable or not: ask
    /// [`Entry::usable_certificates`].
    #[serde(default)]
    pub certificates: Vec<PublishedCertificate>,
    /// The other mailboxes of the same recipient.
    #[serde(default)]
    pub alternates: Vec<Mailbox>,
}

impl Entry {
    /// The certificates that may be used at `now`: valid and not revoked, the latest to expire
    /// first. An expired or revoked one is never among them.
    ///
    /// This is the directory's word. Whoever encrypts still checks the chain up to a root that it
    /// trusts (RFC 8550 §4).
    #[must_use]
    pub fn usable_certificates(&self, now: OffsetDateTime) -> Vec<&PublishedCertificate> {
        let mut usable: Vec<_> = self
            .certificates
            .iter()
            .filter(|certificate| certificate.is_usable(now))
            .collect();
        usable.sort_by_key(|certificate| std::cmp::Reverse(certificate.valid_until));
        usable
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// Somebody.
    Person,
    /// A hospital, an EHPAD, a practice, a pharmacy, a town's CCAS.
    Organisation,
    /// A part of an organisation: a ward, the admissions office.
    Service,
}

/// A secure mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// Its address.
    pub address: Address,
    /// Whose it is, in the sense of MSSanté.
    #[serde(rename = "type")]
    pub kind: MailboxKind,
    /// What it is for; empty when it takes everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purposes: Vec<Purpose>,
}

/// The types of mailboxes (ANS, TRE_R257-TypeBAL).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MailboxKind {
    /// One person's.
    Per,
    /// An organisation's or a service's, read by several people.
    Org,
    /// A program's.
    App,
    /// A practice's.
    Cab,
}

/// A certificate as the directory publishes it.
///
/// The dates are read from the certificate by the directory when it is imported.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedCertificate {
    /// The certificate, DER; base64 (RFC 4648 §4) on the wire.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub der: Vec<u8>,
    /// SHA-256 of the DER: 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The start of its validity.
    #[serde(with = "time::serde::rfc3339")]
    pub valid_from: OffsetDateTime,
    /// The end of its validity.
    #[serde(with = "time::serde::rfc3339")]
    pub valid_until: OffsetDateTime,
    /// Since when it is revoked, if it is.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub revoked_at: Option<OffsetDateTime>,
}

impl PublishedCertificate {
    /// Whether the certificate may be used at `now`: within its validity (both ends included, RFC
    /// 5280 §4.1.2.5) and not revoked. A revocation counts from the moment it is known, also when
    /// it is dated later: it is never waited for.
    #[must_use]
    pub fn is_usable(&self, now: OffsetDateTime) -> bool {
        self.revoked_at.is_none() && self.valid_from <= now && now <= self.valid_until
    }
}

impl fmt::Debug for PublishedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishedCertificate")
            .field("sha256", &self.sha256)
            .field("valid_from", &self.valid_from)
            .field("valid_until", &self.valid_until)
            .field("revoked_at", &self.revoked_at)
            .finish_non_exhaustive()
    }
}

fn to_base64<S: Serializer>(der: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(der))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD
        .decode(text)
        .map_err(|_| serde::de::Error::custom("a certificate must be base64"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    fn certificate(name: &str, days_left: i64) -> PublishedCertificate {
        PublishedCertificate {
            der: name.as_bytes().to_vec(),
            sha256: name.to_owned(),
            valid_from: NOW - time::Duration::days(90),
            valid_until: NOW + time::Duration::days(days_left),
            revoked_at: None,
        }
    }

    fn entry(certificates: Vec<PublishedCertificate>) -> Entry {
        Entry {
            kind: EntryKind::Person,
            name: "Dr Hélène ESSAI".to_owned(),
            profession: Some("Médecin généraliste".to_owned()),
            rpps: Some(Rpps::parse("00100000017").unwrap()),
            finess: None,
            organisation: None,
            mailbox: Mailbox {
                address: Address::parse("helene.essai@cabinet.test").unwrap(),
                kind: MailboxKind::Per,
                purposes: Vec::new(),
            },
            certificates,
            alternates: Vec::new(),
        }
    }

    #[test]
    fn an_expired_revoked_or_future_certificate_is_never_usable() {
        let mut revoked = certificate("revoked", 30);
        revoked.revoked_at = Some(NOW - time::Duration::days(1));
        let mut revoked_tomorrow = certificate("revoked tomorrow", 30);
        revoked_tomorrow.revoked_at = Some(NOW + time::Duration::days(1));
        let mut future = certificate("future", 30);
        future.valid_from = NOW + time::Duration::seconds(1);
        let entry = entry(vec![
            certificate("expired", -1),
            revoked,
            revoked_tomorrow,
            future,
            certificate("short", 3),
            certificate("long", 30),
        ]);
        let usable: Vec<_> = entry
            .usable_certificates(NOW)
            .iter()
            .map(|certificate| certificate.sha256.as_str())
            .collect();
        assert_eq!(usable, ["long", "short"]);
        assert!(
            entry
                .usable_certificates(NOW + time::Duration::days(31))
                .is_empty()
        );
    }

    #[test]
    fn validity_includes_its_last_second() {
        let certificate = certificate("today", 0);
        assert!(certificate.is_usable(NOW));
        assert!(!certificate.is_usable(NOW + time::Duration::seconds(1)));
    }

    #[test]
    fn an_entry_survives_the_wire() {
        let entry = entry(vec![certificate("a", 1)]);
        let json = serde_json::to_string(&entry).unwrap();
        assert!(
            json.contains(r#""type":"PER""#) && json.contains(r#""der":"YQ==""#),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
    }
}
