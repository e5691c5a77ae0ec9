//! A small issuing authority: for a territory without one of its own, for tests, for a
//! demonstration. Its certificates are short-lived and its names constrained, so that its key is
//! worth little outside.
//!
//! It keeps nothing: what it has revoked is in a [`RevocationRegister`] that its owner stores.

use aws_lc_rs::rand;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};

use crate::algorithm::{Digest, PublicKeyKind, SignatureScheme};
use crate::ber::{
    BIT_STRING, GENERALIZED_TIME, INTEGER, Node, SEQUENCE, UTC_TIME, constructed, context,
    context_constructed, explicit, implicit, integer, octet_string, oid as oid_node, sequence,
};
use crate::certificate::{Certificate, KeyUsage};
use crate::crl::{Crl, RevocationReason};
use crate::error::MaterialError;
use crate::key::{Identity, PrivateKey};
use crate::request::{CertificateRequest, RFC822_NAME, subject};
use crate::{name_constraints, oid, pem};

const BOOLEAN: u8 = 0x01;
const ENUMERATED: u8 = 0x0a;
const LIBRARY: MaterialError = MaterialError::Issue("the cryptographic library failed");

/// How long certificates live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// From the moment of issue to the last of validity. Default 90 days.
    pub validity: Duration,
    /// How long before its end a certificate is renewed: the old and the new one are both valid
    /// for that long, so that no partner holds only an expired one. Default 30 days.
    pub overlap: Duration,
    /// How far before the moment of issue validity begins: clocks differ. Default 5 minutes.
    pub backdate: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            validity: Duration::days(90),
            overlap: Duration::days(30),
            backdate: Duration::minutes(5),
        }
    }
}

impl Lifetimes {
    /// Whether it is time to renew `certificate`.
    #[must_use]
    pub fn renewal_is_due(&self, certificate: &Certificate, now: OffsetDateTime) -> bool {
        now >= certificate.not_after() - self.overlap
    }
}

/// An authority that issues certificates for mail addresses, and revokes them.
#[derive(Debug)]
pub struct IssuingAuthority {
    identity: Identity,
    lifetimes: Lifetimes,
}

impl IssuingAuthority {
    /// Makes a root: its own certificate, signed by itself, valid until `not_after`. `domains`
    /// are all that its certificates may name: each a host (`hopital.test`) or, with a leading
    /// period, every host below one; empty, it is not constrained.
    ///
    /// # Errors
    /// [`MaterialError::Issue`] if the key cannot sign or the library fails.
    pub fn root(
        key: PrivateKey,
        common_name: &str,
        domains: &[&str],
        validity: (OffsetDateTime, OffsetDateTime),
    ) -> Result<Self, MaterialError> {
        let spki = key
            .public_key_info()
            .ok_or(MaterialError::Issue("its key does not sign"))?;
        let key_id = key_id(key.public_key());
        let draft = Draft {
            subject: subject(common_name).encode(),
            issuer: subject(common_name).encode(),
            spki,
            validity,
            extensions: authority_extensions(&key_id, &key_id, domains, None),
        };
        let certificate = Certificate::from_der(&draft.signed_by(&key)?)?;
        Self::new(Identity::new(certificate, Vec::new(), key)?)
    }

    /// Takes an authority that exists.
    ///
    /// # Errors
    /// [`MaterialError::Issue`] if its certificate is not one of an authority that may sign
    /// certificates and lists.
    pub fn new(identity: Identity) -> Result<Self, MaterialError> {
        let certificate = identity.certificate();
        let may = certificate.authority().is_some()
            && certificate.key_usage_allows(KeyUsage::KEY_CERT_SIGN)
            && certificate.key_usage_allows(KeyUsage::CRL_SIGN);
        if !may {
            return Err(MaterialError::Issue(
                "its certificate is not one of an authority that signs certificates and lists",
            ));
        }
        Ok(Self {
            identity,
            lifetimes: Lifetimes::default(),
        })
    }

    /// Sets how long certificates live.
    #[must_use]
    pub fn with_lifetimes(mut self, lifetimes: Lifetimes) -> Self {
        self.lifetimes = lifetimes;
        self
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        self.identity.certificate()
    }

    /// How long certificates live.
    #[must_use]
    pub fn lifetimes(&self) -> Lifetimes {
        self.lifetimes
    }

    /// Issues the certificate of an authority below this one, which issues for `domains` only and
    /// makes no further authorities.
    ///
    /// # Errors
    /// [`MaterialError::Issue`].
    pub fn issue_authority(
        &self,
        key: PrivateKey,
        common_name: &str,
        domains: &[&str],
        validity: (OffsetDateTime, OffsetDateTime),
    ) -> Result<Self, MaterialError> {
        if domains.is_empty() {
            return Err(MaterialError::Issue(
                "an authority below has its names constrained",
            ));
        }
        let spki = key
            .public_key_info()
            .ok_or(MaterialError::Issue("its key does not sign"))?;
        let (own, issuer) = (key_id(key.public_key()), self.key_id());
        let draft = Draft {
            subject: subject(common_name).encode(),
            issuer: self.certificate().subject_der().to_vec(),
            spki,
            validity,
            extensions: authority_extensions(&own, &issuer, domains, Some(0)),
        };
        let certificate = Certificate::from_der(&draft.signed_by(self.identity.key())?)?;
        let chain = self.chain();
        Self::new(Identity::new(certificate, chain, key)?)
    }

    /// Issues a certificate for the key and the addresses of `request`, for signing and receiving
    /// mail, from `now` on. That the addresses are the requester's was found out before.
    ///
    /// # Errors
    /// [`MaterialError::Issue`] if an address is outside what this authority may name, if the key
    /// is of a kind that mail does not use, or if it would outlive the authority.
    pub fn issue(
        &self,
        request: &CertificateRequest,
        now: OffsetDateTime,
    ) -> Result<Certificate, MaterialError> {
        let not_after = now + self.lifetimes.validity;
        if not_after > self.certificate().not_after() || now < self.certificate().not_before() {
            return Err(MaterialError::Issue(
                "the certificate would outlive the authority",
            ));
        }
        let usage = match request.public_key_kind() {
            PublicKeyKind::Rsa(2048..=8192) => KeyUsage::KEY_ENCIPHERMENT,
            PublicKeyKind::P256 | PublicKeyKind::P384 | PublicKeyKind::P521 => {
                KeyUsage::KEY_AGREEMENT
            }
            PublicKeyKind::Ed25519 => 0,
            _ => {
                return Err(MaterialError::Issue(
                    "keys of this kind are not used for mail",
                ));
            }
        };
        let addresses: Vec<&str> = request.addresses().iter().map(String::as_str).collect();
        let draft = Draft {
            subject: subject(request.common_name()).encode(),
            issuer: self.certificate().subject_der().to_vec(),
            spki: request.public_key_info().to_vec(),
            validity: (now - self.lifetimes.backdate, not_after),
            extensions: vec![
                basic_constraints(None),
                key_usage(KeyUsage::DIGITAL_SIGNATURE | usage),
                extension(
                    &oid::EXT_KEY_USAGE,
                    false,
                    &sequence(vec![oid_node(&oid::EMAIL_PROTECTION)]),
                ),
                // RFC 5280 §4.2.1.6: critical where the subject is empty.
                extension(
                    &oid::SUBJECT_ALT_NAME,
                    request.common_name().is_empty(),
                    &names(&addresses),
                ),
                subject_key_id(&key_id(request.public_key())),
                authority_key_id(&self.key_id()),
            ],
        };
        let certificate = Certificate::from_der(&draft.signed_by(self.identity.key())?)?;
        let constraints = self.certificate().extensions().name_constraints.as_ref();
        if constraints.is_some_and(|c| !name_constraints::allow(c, &certificate)) {
            return Err(MaterialError::Issue(
                "an address is outside the authority's domains",
            ));
        }
        Ok(certificate)
    }

    /// Issues the next certificate for the addresses of `certificate`, once its renewal is due:
    /// both are valid during the overlap. A new key in `request` is best; the old one will do.
    ///
    /// # Errors
    /// [`MaterialError::Issue`] if `certificate` is not one of this authority, if its renewal is
    /// not due, or if `request` asks for other addresses; else as [`IssuingAuthority::issue`].
    pub fn renew(
        &self,
        certificate: &Certificate,
        request: &CertificateRequest,
        now: OffsetDateTime,
    ) -> Result<Certificate, MaterialError> {
        if certificate.verify_issued_by(self.certificate()).is_err() {
            return Err(MaterialError::Issue(
                "the certificate to renew is another authority's",
            ));
        }
        if !self.lifetimes.renewal_is_due(certificate, now) {
            return Err(MaterialError::Issue("the renewal is not due yet"));
        }
        let sorted = |addresses: &[String]| {
            let mut sorted: Vec<_> = addresses.iter().map(|a| a.to_ascii_lowercase()).collect();
            sorted.sort();
            sorted
        };
        if sorted(certificate.addresses()) != sorted(request.addresses()) {
            return Err(MaterialError::Issue("a renewal asks for other addresses"));
        }
        self.issue(request, now)
    }

    /// Issues the list of what `register` holds, valid from `now` to `next_update`, and counts
    /// it in the register: store that before publishing the list.
    ///
    /// # Errors
    /// [`MaterialError::Issue`] if the library fails.
    pub fn issue_crl(
        &self,
        register: &mut RevocationRegister,
        now: OffsetDateTime,
        next_update: OffsetDateTime,
    ) -> Result<Crl, MaterialError> {
        register.number += 1;
        let entries: Vec<Node<'_>> = register.entries.iter().map(entry).collect();
        let (algorithm, key) = (algorithm(self.identity.key()), self.identity.key());
        let mut list = vec![
            integer(1),
            algorithm,
            Node::Encoded(self.certificate().subject_der().into()),
            time_node(now),
            time_node(next_update),
        ];
        // RFC 5280 §5.1.2.6: an empty list is absent.
        if !entries.is_empty() {
            list.push(sequence(entries));
        }
        let number = positive(&register.number.to_be_bytes());
        list.push(explicit(
            0,
            sequence(vec![
                authority_key_id(&self.key_id()),
                extension(&oid::CRL_NUMBER, false, &number),
            ]),
        ));
        let der = signed(sequence(list).encode(), key).ok_or(LIBRARY)?;
        // What expired before this list need not be on the next one (RFC 5280 §3.3).
        register.entries.retain(|entry| entry.expires >= now);
        Crl::from_der(&der)
    }

    /// The private key and certificate, to store.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The certificates that travel with what this authority issues: its own, unless it is a
    /// root, and those above it.
    #[must_use]
    pub fn chain(&self) -> Vec<Certificate> {
        let own = (!self.certificate().is_self_issued()).then(|| self.certificate().clone());
        own.into_iter()
            .chain(self.identity.chain().to_vec())
            .collect()
    }

    fn key_id(&self) -> Vec<u8> {
        let own = self.certificate().subject_key_id();
        own.map_or_else(|| key_id(self.certificate().public_key()), <[u8]>::to_vec)
    }
}

/// What an authority has revoked, and how many lists it has issued. Its owner stores it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationRegister {
    number: u64,
    entries: Vec<RevokedEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct RevokedEntry {
    serial: Vec<u8>,
    at: OffsetDateTime,
    reason: RevocationReason,
    /// When the certificate expires: one list later it need not be named any more.
    expires: OffsetDateTime,
}

impl RevocationRegister {
    /// An empty register.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters a certificate; one that is entered already keeps its date and reason.
    pub fn revoke(
        &mut self,
        certificate: &Certificate,
        reason: RevocationReason,
        now: OffsetDateTime,
    ) {
        if self
            .entries
            .iter()
            .any(|e| e.serial == certificate.serial())
        {
            return;
        }
        self.entries.push(RevokedEntry {
            serial: certificate.serial().to_vec(),
            at: now,
            reason,
            expires: certificate.not_after(),
        });
    }

    /// How many lists were issued.
    #[must_use]
    pub fn lists_issued(&self) -> u64 {
        self.number
    }

    /// How many certificates the next list names.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries.len()
    }
}

impl Crl {
    /// The list in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::text("X509 CRL", self.der())
    }
}

impl Certificate {
    /// The certificate in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::text("CERTIFICATE", self.der())
    }
}

/// A certificate before its signature.
struct Draft<'a> {
    subject: Vec<u8>,
    issuer: Vec<u8>,
    spki: Vec<u8>,
    validity: (OffsetDateTime, OffsetDateTime),
    extensions: Vec<Node<'a>>,
}

impl Draft<'_> {
    fn signed_by(self, key: &PrivateKey) -> Result<Vec<u8>, MaterialError> {
        let mut serial = [0u8; 16];
        rand::fill(&mut serial).map_err(|_| LIBRARY)?;
        // Positive, never zero, and of one length (RFC 5280 §4.1.2.2).
        serial[0] = serial[0] & 0x3f | 0x40;
        let (not_before, not_after) = self.validity;
        let tbs = sequence(vec![
            explicit(0, integer(2)),
            implicit(INTEGER, &serial[..]),
            algorithm(key),
            Node::Encoded(self.issuer.into()),
            sequence(vec![time_node(not_before), time_node(not_after)]),
            Node::Encoded(self.subject.into()),
            Node::Encoded(self.spki.into()),
            explicit(3, sequence(self.extensions)),
        ]);
        signed(tbs.encode(), key).ok_or(LIBRARY)
    }
}

/// `SEQUENCE { content, algorithm, BIT STRING signature }`: certificates, lists and requests.
pub(crate) fn signed(content: Vec<u8>, key: &PrivateKey) -> Option<Vec<u8>> {
    let scheme = SignatureScheme::for_key(key.kind(), false)?;
    let signature = key.sign(scheme, &content)?;
    let mut bits = vec![0];
    bits.extend_from_slice(&signature);
    let outer = vec![
        Node::Encoded(content.into()),
        algorithm(key),
        implicit(BIT_STRING, bits),
    ];
    Some(constructed(SEQUENCE, outer).encode())
}

/// The `AlgorithmIdentifier` of a signature in a certificate (RFC 5754, RFC 5758, RFC 8410).
fn algorithm<'a>(key: &PrivateKey) -> Node<'a> {
    let scheme = SignatureScheme::for_key(key.kind(), false);
    // A key that cannot sign has none: signing fails then.
    sequence(scheme.map_or_else(
        || Vec::new().into(),
        SignatureScheme::certificate_identifier,
    ))
}

/// `GeneralNames` of rfc822Names.
pub(crate) fn names<'a>(addresses: &[&str]) -> Node<'a> {
    let names = addresses.iter();
    sequence(
        names
            .map(|address| implicit(RFC822_NAME, address.as_bytes().to_vec()))
            .collect::<Vec<_>>(),
    )
}

fn extension<'a>(kind: &const_oid::ObjectIdentifier, critical: bool, value: &Node<'_>) -> Node<'a> {
    let mut fields = vec![oid_node(kind)];
    if critical {
        fields.push(implicit(BOOLEAN, vec![0xff]));
    }
    fields.push(octet_string(value.encode()));
    sequence(fields)
}

fn authority_extensions<'a>(
    own: &[u8],
    issuer: &[u8],
    domains: &[&str],
    path_length: Option<u8>,
) -> Vec<Node<'a>> {
    let mut extensions = vec![
        basic_constraints(Some(path_length)),
        key_usage(KeyUsage::KEY_CERT_SIGN | KeyUsage::CRL_SIGN),
        subject_key_id(own),
        authority_key_id(issuer),
    ];
    if !domains.is_empty() {
        let subtrees = domains
            .iter()
            .map(|domain| sequence(vec![implicit(RFC822_NAME, domain.as_bytes().to_vec())]));
        let permitted = constructed(context_constructed(0), subtrees.collect::<Vec<_>>());
        let constraints = sequence(vec![permitted]);
        extensions.push(extension(&oid::NAME_CONSTRAINTS, true, &constraints));
    }
    extensions
}

/// basicConstraints: `None` for a person.
fn basic_constraints<'a>(authority: Option<Option<u8>>) -> Node<'a> {
    let mut fields = Vec::new();
    if let Some(path_length) = authority {
        fields.push(implicit(BOOLEAN, vec![0xff]));
        fields.extend(path_length.map(integer));
    }
    extension(&oid::BASIC_CONSTRAINTS, true, &sequence(fields))
}

fn key_usage<'a>(bits: u16) -> Node<'a> {
    // All that are used here are among the first eight.
    let octet = bits.to_be_bytes()[0];
    let unused = u8::try_from(octet.trailing_zeros()).unwrap_or(0);
    let value = implicit(BIT_STRING, vec![unused, octet]);
    extension(&oid::KEY_USAGE, true, &value)
}

fn subject_key_id<'a>(id: &[u8]) -> Node<'a> {
    extension(&oid::SUBJECT_KEY_ID, false, &octet_string(id))
}

fn authority_key_id<'a>(id: &[u8]) -> Node<'a> {
    let value = sequence(vec![implicit(context(0), id)]);
    extension(&oid::AUTHORITY_KEY_ID, false, &value)
}

/// The leftmost 160 bits of the SHA-256 of the public key (RFC 7093 §2, method 1).
fn key_id(public_key: &[u8]) -> Vec<u8> {
    Digest::Sha256.of(public_key).as_ref()[..20].to_vec()
}

fn entry<'a>(entry: &RevokedEntry) -> Node<'a> {
    let mut fields = vec![implicit(INTEGER, entry.serial.clone()), time_node(entry.at)];
    // RFC 5280 §5.3.1: unspecified is better left out.
    if entry.reason != RevocationReason::Unspecified {
        let code = implicit(ENUMERATED, vec![entry.reason.code()]);
        fields.push(sequence(vec![extension(&oid::REASON_CODE, false, &code)]));
    }
    sequence(fields)
}

/// INTEGER of a positive number, big-endian.
fn positive<'a>(octets: &[u8]) -> Node<'a> {
    let mut padded = vec![0];
    padded.extend_from_slice(octets);
    implicit(INTEGER, crate::crl::number(&padded))
}

/// `Time` (RFC 5280 §4.1.2.5): UTCTime until 2049, then GeneralizedTime.
fn time_node<'a>(moment: OffsetDateTime) -> Node<'a> {
    let utc = moment.to_offset(time::UtcOffset::UTC);
    let (year, month, day) = (utc.year(), u8::from(utc.month()), utc.day());
    let clock = format!("{:02}{:02}{:02}Z", utc.hour(), utc.minute(), utc.second());
    if (1950..2050).contains(&year) {
        let text = format!("{:02}{month:02}{day:02}{clock}", year % 100);
        implicit(UTC_TIME, text.into_bytes())
    } else {
        let text = format!("{year:04}{month:02}{day:02}{clock}");
        implicit(GENERALIZED_TIME, text.into_bytes())
    }
}
