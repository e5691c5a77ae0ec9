//! Certificate revocation lists (RFC 5280 §5): complete, direct ones; their age is part of what
//! they say.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use der::Decode as _;
use time::OffsetDateTime;
use x509_cert::crl::CertificateList;
use x509_cert::ext::pkix::{CrlReason, IssuingDistributionPoint};

use crate::algorithm::{Algorithm, BadSignature, Scheme};
use crate::ber::{BerError, Element, SEQUENCE};
use crate::certificate::{Certificate, date};
use crate::error::MaterialError;
use crate::pem;

const ISSUING_DISTRIBUTION_POINT: &str = "2.5.29.28";
const CRL_NUMBER: &str = "2.5.29.20";
const AUTHORITY_KEY_ID: &str = "2.5.29.35";

/// A certificate revocation list. Cheap to clone.
#[derive(Clone)]
pub struct Crl(Arc<Parsed>);

struct Parsed {
    tbs: Vec<u8>,
    issuer: Vec<u8>,
    scheme: Option<Scheme>,
    signature: Vec<u8>,
    this_update: OffsetDateTime,
    next_update: Option<OffsetDateTime>,
    revoked: HashMap<Vec<u8>, Revoked>,
    scope: Scope,
    partial: bool,
}

/// What the list says about one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Revoked {
    pub(crate) at: OffsetDateTime,
    pub(crate) reason: RevocationReason,
}

/// Why a certificate was revoked (RFC 5280 §5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RevocationReason {
    /// No reason was given.
    Unspecified,
    /// The private key is known to others.
    KeyCompromise,
    /// The authority's key is known to others.
    AuthorityCompromise,
    /// The subject's name or place changed.
    AffiliationChanged,
    /// Another certificate replaced it.
    Superseded,
    /// It is no longer needed.
    CessationOfOperation,
    /// It is suspended.
    Hold,
    /// A privilege that it states was withdrawn.
    PrivilegeWithdrawn,
}

/// Which certificates the list can speak of (RFC 5280 §5.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    People,
    Authorities,
    /// Indirect, partial, delta, or with a critical extension unknown here: of no use.
    None,
}

impl Crl {
    /// Reads one DER CRL.
    ///
    /// # Errors
    /// [`MaterialError::Crl`] names the part that cannot be read.
    pub fn from_der(der: &[u8]) -> Result<Self, MaterialError> {
        let list = CertificateList::<x509_cert::certificate::Rfc5280>::from_der(der)
            .map_err(|_| MaterialError::Crl("not DER of RFC 5280"))?;
        let (tbs, issuer, scheme, signature) =
            split(der).map_err(|error| MaterialError::Crl(error.describe()))?;
        let tbs_list = &list.tbs_cert_list;
        let mut revoked = HashMap::new();
        for entry in tbs_list.revoked_certificates.iter().flatten() {
            let at = date(&entry.revocation_date)?;
            let reason = reason(entry.crl_entry_extensions.as_ref());
            revoked.insert(
                number(entry.serial_number.as_bytes()),
                Revoked { at, reason },
            );
        }
        Ok(Self(Arc::new(Parsed {
            tbs: tbs.to_vec(),
            issuer: issuer.to_vec(),
            scheme,
            signature: signature.to_vec(),
            this_update: date(&tbs_list.this_update)?,
            next_update: tbs_list.next_update.as_ref().map(date).transpose()?,
            revoked,
            scope: scope(tbs_list.crl_extensions.as_ref()),
            partial: is_partial(tbs_list.crl_extensions.as_ref()),
        })))
    }

    /// Reads the first CRL of a PEM text.
    ///
    /// # Errors
    /// [`MaterialError::NoPemBlock`] or [`MaterialError::Crl`].
    pub fn from_pem(text: &str) -> Result<Self, MaterialError> {
        let blocks = pem::blocks(text, "X509 CRL")?;
        let first = blocks
            .first()
            .ok_or(MaterialError::NoPemBlock("X509 CRL"))?;
        Self::from_der(first)
    }

    /// When the list was issued.
    #[must_use]
    pub fn this_update(&self) -> OffsetDateTime {
        self.0.this_update
    }

    /// When the next one is due; past it, the list no longer proves that a certificate is good.
    #[must_use]
    pub fn next_update(&self) -> Option<OffsetDateTime> {
        self.0.next_update
    }

    /// The name of the issuer, in DER.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        &self.0.issuer
    }

    /// Whether the list speaks of certificates like this one.
    pub(crate) fn covers(&self, certificate: &Certificate) -> bool {
        let in_scope = match self.0.scope {
            Scope::All => true,
            Scope::People => certificate.authority().is_none(),
            Scope::Authorities => certificate.authority().is_some(),
            Scope::None => false,
        };
        in_scope && self.0.issuer == certificate.issuer_der()
    }

    pub(crate) fn verify(&self, issuer: &Certificate) -> Result<(), BadSignature> {
        // RFC 5280 §6.3.3 (f): the key must be allowed to sign CRLs.
        if issuer.key_usage().is_some_and(|usage| !usage.crl_sign()) {
            return Err(BadSignature);
        }
        issuer.verify(
            self.0.scheme.ok_or(BadSignature)?,
            &self.0.tbs,
            &self.0.signature,
        )
    }

    pub(crate) fn find(&self, certificate: &Certificate) -> Option<Revoked> {
        self.0.revoked.get(&number(certificate.serial())).copied()
    }

    /// Whether absence from the list proves that a certificate is good: a list for one
    /// distribution point may leave out the certificates of another.
    pub(crate) fn is_complete(&self) -> bool {
        !self.0.partial
    }
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crl")
            .field("this_update", &self.0.this_update)
            .field("next_update", &self.0.next_update)
            .field("revoked", &self.0.revoked.len())
            .finish_non_exhaustive()
    }
}

type Split<'a> = (&'a [u8], &'a [u8], Option<Scheme>, &'a [u8]);

fn split(der: &[u8]) -> Result<Split<'_>, BerError> {
    let mut outer = Element::only(der, 16)?.children()?;
    let tbs = outer.expect(SEQUENCE)?;
    let algorithm = Algorithm::read(outer.expect(SEQUENCE)?)?;
    let signature = outer.bit_string()?;
    outer.finish()?;
    let mut inner = tbs.children()?;
    inner.optional(crate::ber::INTEGER)?;
    let inner_algorithm = Algorithm::read(inner.expect(SEQUENCE)?)?;
    let issuer = inner.expect(SEQUENCE)?.raw;
    let scheme = if inner_algorithm.same_as(&algorithm) {
        Scheme::of_certificate(&algorithm)
    } else {
        None
    };
    Ok((tbs.raw, issuer, scheme, signature))
}

fn scope(extensions: Option<&x509_cert::ext::Extensions>) -> Scope {
    let mut scope = Scope::All;
    for extension in extensions.into_iter().flatten() {
        match extension.extn_id.to_string().as_str() {
            ISSUING_DISTRIBUTION_POINT => {
                let Ok(point) = IssuingDistributionPoint::from_der(extension.extn_value.as_bytes())
                else {
                    return Scope::None;
                };
                scope = match point {
                    p if p.indirect_crl
                        || p.only_contains_attribute_certs
                        || p.only_some_reasons.is_some() =>
                    {
                        return Scope::None;
                    }
                    p if p.only_contains_user_certs => Scope::People,
                    p if p.only_contains_ca_certs => Scope::Authorities,
                    _ => Scope::All,
                };
            }
            CRL_NUMBER | AUTHORITY_KEY_ID => {}
            _ if extension.critical => return Scope::None,
            _ => {}
        }
    }
    scope
}

fn is_partial(extensions: Option<&x509_cert::ext::Extensions>) -> bool {
    extensions
        .into_iter()
        .flatten()
        .filter(|e| e.extn_id.to_string() == ISSUING_DISTRIBUTION_POINT)
        .filter_map(|e| IssuingDistributionPoint::from_der(e.extn_value.as_bytes()).ok())
        .any(|point| point.distribution_point.is_some())
}

/// A serial number without the leading zeroes that its encodings may differ by.
fn number(octets: &[u8]) -> Vec<u8> {
    octets.iter().copied().skip_while(|o| *o == 0).collect()
}

fn reason(extensions: Option<&x509_cert::ext::Extensions>) -> RevocationReason {
    let reason = extensions
        .into_iter()
        .flatten()
        .find(|e| e.extn_id.to_string() == "2.5.29.21")
        .and_then(|e| CrlReason::from_der(e.extn_value.as_bytes()).ok());
    match reason {
        Some(CrlReason::KeyCompromise) => RevocationReason::KeyCompromise,
        Some(CrlReason::CaCompromise | CrlReason::AaCompromise) => {
            RevocationReason::AuthorityCompromise
        }
        Some(CrlReason::AffiliationChanged) => RevocationReason::AffiliationChanged,
        Some(CrlReason::Superseded) => RevocationReason::Superseded,
        Some(CrlReason::CessationOfOperation) => RevocationReason::CessationOfOperation,
        Some(CrlReason::CertificateHold) => RevocationReason::Hold,
        Some(CrlReason::PrivilegeWithdrawn) => RevocationReason::PrivilegeWithdrawn,
        Some(CrlReason::Unspecified | CrlReason::RemoveFromCRL) | None => {
            RevocationReason::Unspecified
        }
    }
}
