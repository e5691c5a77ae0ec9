//! One member organisation's issuing authority and what it signs.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use rcgen::string::Ia5String;
use rcgen::{
    CertificateParams, CertificateRevocationListParams, CertifiedIssuer, CidrSubnet,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose,
    NameConstraints, RevocationReason, RevokedCertParams, SanType, SerialNumber,
};
use time::{Duration, OffsetDateTime};

use crate::Error;
use crate::issued::{Issued, KeyKind, save_public};
use crate::territory::{authority_params, demo_subject};

/// Clocks of the sites differ a little; a certificate must be valid as soon as it is made.
const SKEW: Duration = Duration::hours(1);
/// How long people's and servers' certificates are valid.
const VALIDITY: Duration = Duration::days(90);
/// How long the list of revoked certificates may be used.
const LIST_VALIDITY: Duration = Duration::days(30);

/// A member organisation and its issuing authority.
///
/// The authority is constrained (RFC 5280 §4.2.1.10) to the mail addresses and host names of its
/// domain, and to the loopback interface where the demo runs. Nothing here hinders signing for a
/// foreign name: tests need such certificates, and it is for the verifier to refuse them.
pub struct Member {
    domain: String,
    authority: CertifiedIssuer<'static, KeyPair>,
    revoked: Vec<SerialNumber>,
    now: OffsetDateTime,
}

impl Member {
    pub(crate) fn signed_by(
        root: &CertifiedIssuer<'static, KeyPair>,
        domain: &str,
        now: OffsetDateTime,
    ) -> Result<Self, Error> {
        let domain = checked_domain(domain)?;
        let mut params = authority_params(&format!("Authority of {domain}"), &domain, now, 0);
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![
                GeneralSubtree::Rfc822Name(domain.clone()),
                GeneralSubtree::DnsName(domain.clone()),
                GeneralSubtree::DnsName("localhost".to_owned()),
                GeneralSubtree::IpAddress(CidrSubnet::V4([127, 0, 0, 0], [255, 0, 0, 0])),
            ],
            excluded_subtrees: Vec::new(),
        });
        let authority = CertifiedIssuer::signed_by(params, KeyPair::generate()?, root)?;
        Ok(Self {
            domain,
            authority,
            revoked: Vec::new(),
            now,
        })
    }

    /// The member's domain, lower-case.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The issuing authority's certificate, PEM.
    #[must_use]
    pub fn authority_pem(&self) -> String {
        self.authority.pem()
    }

    /// The issuing authority's certificate, DER.
    #[must_use]
    pub fn authority_der(&self) -> &[u8] {
        self.authority.der()
    }

    /// The relay's TLS identity, server and client: `relay.<domain>`, `localhost`, 127.0.0.1.
    ///
    /// # Errors
    /// [`Error::Generation`].
    pub fn relay_identity(&self) -> Result<Issued, Error> {
        self.tls_identity(
            "relay",
            vec![
                ExtendedKeyUsagePurpose::ServerAuth,
                ExtendedKeyUsagePurpose::ClientAuth,
            ],
        )
    }

    /// The TLS identity of the doors for mail clients: `mail.<domain>`, `localhost`, 127.0.0.1.
    ///
    /// # Errors
    /// [`Error::Generation`].
    pub fn mail_server_identity(&self) -> Result<Issued, Error> {
        self.tls_identity("mail", vec![ExtendedKeyUsagePurpose::ServerAuth])
    }

    /// The directory's HTTPS identity: `directory.<domain>`, `localhost`, 127.0.0.1.
    ///
    /// # Errors
    /// [`Error::Generation`].
    pub fn directory_identity(&self) -> Result<Issued, Error> {
        self.tls_identity("directory", vec![ExtendedKeyUsagePurpose::ServerAuth])
    }

    /// An S/MIME certificate for `address` (a person's or an organisation's mailbox), to sign and
    /// to be encrypted for. `display_name` becomes the common name.
    ///
    /// # Errors
    /// [`Error::Name`] if `address` is not an ASCII mail address.
    pub fn smime(&self, address: &str, display_name: &str, key: KeyKind) -> Result<Issued, Error> {
        let mut params = smime_params(address, display_name, &self.domain, key)?;
        self.valid_now(&mut params);
        self.issue(params, key)
    }

    /// As [`Member::smime`], but expired since one day; it was valid for 90 days.
    ///
    /// # Errors
    /// As [`Member::smime`].
    pub fn expired_smime(
        &self,
        address: &str,
        display_name: &str,
        key: KeyKind,
    ) -> Result<Issued, Error> {
        let mut params = smime_params(address, display_name, &self.domain, key)?;
        params.not_after = self.now - Duration::days(1);
        params.not_before = params.not_after - VALIDITY;
        self.issue(params, key)
    }

    /// As [`Member::smime`], but revoked: the lists that this member signs from now on name it.
    ///
    /// # Errors
    /// As [`Member::smime`].
    pub fn revoked_smime(
        &mut self,
        address: &str,
        display_name: &str,
        key: KeyKind,
    ) -> Result<Issued, Error> {
        let issued = self.smime(address, display_name, key)?;
        self.revoke(&issued);
        Ok(issued)
    }

    /// Puts `issued`, a certificate of this member, on the lists that are signed from now on.
    pub fn revoke(&mut self, issued: &Issued) {
        self.revoked.push(issued.serial.clone());
    }

    /// The list of revoked certificates (CRL, RFC 5280 §5), PEM, usable for 30 days.
    ///
    /// # Errors
    /// [`Error::Generation`].
    pub fn crl_pem(&self) -> Result<String, Error> {
        Ok(self.crl()?.pem()?)
    }

    /// The list of revoked certificates (CRL), DER.
    ///
    /// # Errors
    /// [`Error::Generation`].
    pub fn crl_der(&self) -> Result<Vec<u8>, Error> {
        Ok(self.crl()?.der().to_vec())
    }

    /// Saves the authority's certificate, PEM, at `path`. Its key is never saved.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_authority(&self, path: &Path) -> Result<(), Error> {
        save_public(path, self.authority_pem().as_bytes())
    }

    /// Saves the list of revoked certificates, PEM, at `path`.
    ///
    /// # Errors
    /// [`Error::Generation`], [`Error::Write`].
    pub fn write_crl(&self, path: &Path) -> Result<(), Error> {
        save_public(path, self.crl_pem()?.as_bytes())
    }

    fn crl(&self) -> Result<rcgen::CertificateRevocationList, Error> {
        let revoked_certs = self
            .revoked
            .iter()
            .map(|serial_number| RevokedCertParams {
                serial_number: serial_number.clone(),
                revocation_time: self.now - SKEW,
                reason_code: Some(RevocationReason::KeyCompromise),
                invalidity_date: None,
            })
            .collect::<Vec<_>>();
        let list = CertificateRevocationListParams {
            this_update: self.now - SKEW,
            next_update: self.now + LIST_VALIDITY,
            // The number must grow with each list (RFC 5280 §5.2.3): entries are only added.
            crl_number: SerialNumber::from(revoked_certs.len() as u64 + 1),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.authority)?)
    }

    fn tls_identity(
        &self,
        host: &str,
        usages: Vec<ExtendedKeyUsagePurpose>,
    ) -> Result<Issued, Error> {
        let name = format!("{host}.{}", self.domain);
        let mut params = leaf_params(&name, &self.domain);
        params.subject_alt_names = vec![
            SanType::DnsName(ia5(&name, "domain")?),
            SanType::DnsName(ia5("localhost", "domain")?),
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages;
        self.valid_now(&mut params);
        self.issue(params, KeyKind::P256)
    }

    fn valid_now(&self, params: &mut CertificateParams) {
        params.not_before = self.now - SKEW;
        params.not_after = self.now + VALIDITY;
    }

    fn issue(&self, mut params: CertificateParams, key: KeyKind) -> Result<Issued, Error> {
        let key_pair = key.generate()?;
        let serial = serial_of(&params, &key_pair);
        params.serial_number = Some(serial.clone());
        let certificate = params.signed_by(&key_pair, &self.authority)?;
        Ok(Issued::new(
            &certificate,
            &self.authority.pem(),
            &key_pair,
            serial,
        ))
    }
}

/// What people's and servers' certificates have in common.
fn leaf_params(common_name: &str, domain: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = demo_subject(common_name, domain);
    // Explicit, because rcgen then also writes the subject key identifier that a CMS recipient
    // may be named by (RFC 5652 §6.2.1).
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params
}

/// An S/MIME certificate's names and usages (RFC 8550 §3, §4.4.2, §4.4.4).
fn smime_params(
    address: &str,
    display_name: &str,
    domain: &str,
    key: KeyKind,
) -> Result<CertificateParams, Error> {
    let is_address = address
        .rsplit_once('@')
        .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    if !is_address {
        return Err(Error::Name {
            name: address.to_owned(),
            expected: "mail address",
        });
    }
    let mut params = leaf_params(display_name, domain);
    params.subject_alt_names = vec![SanType::Rfc822Name(ia5(address, "mail address")?)];
    // One key signs and receives: an EC key agrees on a key (RFC 5753), an RSA key unwraps one.
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        match key {
            KeyKind::P256 => KeyUsagePurpose::KeyAgreement,
            KeyKind::Rsa2048 | KeyKind::Rsa3072 => KeyUsagePurpose::KeyEncipherment,
        },
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection];
    Ok(params)
}

/// The serial number: the first 16 octets of the key's identifier, kept positive (RFC 5280
/// §4.1.2.2). Each certificate has its own new key, so it is unique.
fn serial_of(params: &CertificateParams, key_pair: &KeyPair) -> SerialNumber {
    let mut octets = params.key_identifier(key_pair);
    octets.truncate(16);
    if let Some(first) = octets.first_mut() {
        // The top bit clear: positive; the next one set: no leading zero octet to be trimmed.
        *first = (*first & 0x3f) | 0x40;
    }
    SerialNumber::from(octets)
}

fn checked_domain(domain: &str) -> Result<String, Error> {
    let is_domain = domain.len() <= 253
        && domain.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        });
    if is_domain {
        Ok(domain.to_ascii_lowercase())
    } else {
        Err(Error::Name {
            name: domain.to_owned(),
            expected: "domain",
        })
    }
}

fn ia5(name: &str, expected: &'static str) -> Result<Ia5String, Error> {
    Ia5String::try_from(name).map_err(|_| Error::Name {
        name: name.to_owned(),
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Territory;
    use time::macros::datetime;

    #[test]
    fn a_name_that_is_no_domain_is_refused() {
        let territory = Territory::new(datetime!(2026-11-22 12:00 UTC)).unwrap();
        for name in ["", "a..test", "épidaure.test", "a b.test", &"a".repeat(64)] {
            assert!(
                matches!(
                    territory.member(name),
                    Err(Error::Name {
                        expected: "domain",
                        ..
                    })
                ),
                "{name:?} was accepted"
            );
        }
        assert_eq!(
            territory.member("CH-Vallon.test").unwrap().domain(),
            "ch-vallon.test"
        );
    }

    #[test]
    fn a_name_that_is_no_address_is_refused() {
        let territory = Territory::new(datetime!(2026-11-22 12:00 UTC)).unwrap();
        let member = territory.member("cabinet.test").unwrap();
        for address in [
            "",
            "docteur",
            "@cabinet.test",
            "docteur@",
            "hélène@cabinet.test",
        ] {
            assert!(
                member.smime(address, "Nom", KeyKind::P256).is_err(),
                "{address:?} was accepted"
            );
        }
    }
}
