//! The root of the territory.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose,
};
use time::{Duration, OffsetDateTime};

use crate::issued::save_public;
use crate::{DEMO_ORGANISATION, Error, Member};

/// How long before and after the given time authorities are valid. Longer than any certificate
/// that they sign, the expired one included, so that each of these has exactly one fault.
const AUTHORITY_VALIDITY: Duration = Duration::days(365);

/// A fictional territory: one root that every member trusts.
///
/// Two territories never trust each other: each has a new root key.
pub struct Territory {
    root: CertifiedIssuer<'static, KeyPair>,
    now: OffsetDateTime,
}

impl Territory {
    /// Makes a new root, valid one year around `now`. Every later certificate of this territory
    /// counts from the same `now`.
    ///
    /// # Errors
    /// [`Error::Generation`] if the system gives no random numbers.
    pub fn new(now: OffsetDateTime) -> Result<Self, Error> {
        let params = authority_params("Root of the demo territory", "Root", now, 1);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        Ok(Self { root, now })
    }

    /// Makes the issuing authority of the member organisation that owns `domain`, for example
    /// `ehpad-tilleuls.test`. The authority may speak for that domain only.
    ///
    /// # Errors
    /// [`Error::Name`] if `domain` is not an ASCII domain name.
    pub fn member(&self, domain: &str) -> Result<Member, Error> {
        Member::signed_by(&self.root, domain, self.now)
    }

    /// The root certificate, PEM: what relays, gateways and mail clients of the demo trust.
    #[must_use]
    pub fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// The root certificate, DER.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        self.root.der()
    }

    /// Saves the root certificate, PEM, at `path`. The root's key is never saved.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_root(&self, path: &Path) -> Result<(), Error> {
        save_public(path, self.root_pem().as_bytes())
    }
}

/// A subject that says what it is worth.
pub(crate) fn demo_subject(common_name: &str, unit: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CountryName, "FR");
    subject.push(DnType::OrganizationName, DEMO_ORGANISATION);
    subject.push(DnType::OrganizationalUnitName, unit);
    subject.push(DnType::CommonName, common_name);
    subject
}

/// What the root and the issuing authorities have in common (RFC 5280 §4.2.1.3, §4.2.1.9):
/// `authorities_below` is the number of authorities that may follow before the last certificate.
pub(crate) fn authority_params(
    common_name: &str,
    unit: &str,
    now: OffsetDateTime,
    authorities_below: u8,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = demo_subject(common_name, unit);
    params.not_before = now - AUTHORITY_VALIDITY;
    params.not_after = now + AUTHORITY_VALIDITY;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(authorities_below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}
