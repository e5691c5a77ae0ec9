//! What is read from a certificate.

use std::path::Path;

use liaison_base::tls;
use liaison_directory_client::PublishedCertificate;
use liaison_mail::Address;
use ring::digest::{SHA256, digest};
use time::OffsetDateTime;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::der::oid::db::rfc5280::{ANY_EXTENDED_KEY_USAGE, ID_KP_EMAIL_PROTECTION};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, SubjectAltName};

/// The largest certificate taken, in octets; post-quantum ones stay below it.
const MAX_CERTIFICATE: usize = 16 * 1024;

/// Reads the first certificate of a PEM file, published for `address`.
///
/// # Errors
/// What is wrong with it, for the row's problem.
pub(crate) fn load(
    path: &Path,
    address: &Address,
    revoked_at: Option<OffsetDateTime>,
) -> Result<PublishedCertificate, String> {
    let chain = tls::certificates(path).map_err(|error| error.to_string())?;
    let der = chain
        .into_iter()
        .next()
        .map(|first| first.to_vec())
        .unwrap_or_default();
    published(der, address, revoked_at).map_err(|problem| format!("{}: {problem}", path.display()))
}

/// The entry for one certificate.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn published(
    der: Vec<u8>,
    address: &Address,
    revoked_at: Option<OffsetDateTime>,
) -> Result<PublishedCertificate, String> {
    if der.len() > MAX_CERTIFICATE {
        return Err("the certificate is longer than 16 KiB".to_owned());
    }
    let certificate =
        Certificate::from_der(&der).map_err(|_| "this is not an X.509 certificate".to_owned())?;
    // A certificate for somebody else under this address is how a recipient would be swapped:
    // the addresses that it bears must include this one (RFC 8550 §3).
    if !addresses(&certificate)?.contains(address) {
        return Err(format!(
            "the certificate does not bear the address {address}"
        ));
    }
    let validity = certificate.tbs_certificate().validity();
    let instant = |time: x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs())
            .ok()
            .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
            .ok_or("the certificate's validity is out of range")
    };
    Ok(PublishedCertificate {
        sha256: hexadecimal(digest(&SHA256, &der).as_ref()),
        valid_from: instant(validity.not_before)?,
        valid_until: instant(validity.not_after)?,
        revoked_at,
        der,
    })
}

/// Whether mail may be encrypted with it: where a certificate says what its key is for, it is for
/// encryption (RFC 8550 §4.4.2), and where it says for which purposes, mail is among them (§4.4.4).
pub(crate) fn encrypts(der: &[u8]) -> bool {
    let Ok(certificate) = Certificate::from_der(der) else {
        return false;
    };
    let said = certificate.tbs_certificate();
    let for_encryption = match said.get_extension::<KeyUsage>() {
        Ok(Some((_, usage))) => usage.key_encipherment() || usage.key_agreement(),
        Ok(None) => true,
        Err(_) => false,
    };
    let for_mail = match said.get_extension::<ExtendedKeyUsage>() {
        Ok(Some((_, purposes))) => purposes
            .0
            .iter()
            .any(|purpose| [ID_KP_EMAIL_PROTECTION, ANY_EXTENDED_KEY_USAGE].contains(purpose)),
        Ok(None) => true,
        Err(_) => false,
    };
    for_encryption && for_mail
}

/// The mail addresses in the subject's alternative names (RFC 5280 §4.2.1.6).
fn addresses(certificate: &Certificate) -> Result<Vec<Address>, String> {
    let names = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>()
        .map_err(|_| "the certificate's alternative names cannot be read".to_owned())?;
    Ok(names
        .map(|(_, names)| names.0)
        .unwrap_or_default()
        .iter()
        .filter_map(|name| match name {
            GeneralName::Rfc822Name(text) => Address::parse(text.as_str()).ok(),
            _ => None,
        })
        .collect())
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
