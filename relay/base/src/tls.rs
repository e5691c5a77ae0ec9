//! TLS identities and trust anchors, from PEM files to rustls settings.
//!
//! Between relays TLS 1.3 only and both sides prove who they are; mail clients may also come with
//! TLS 1.2. Every side offers the hybrid key exchange X25519MLKEM768 first: health data recorded
//! today must still be private when quantum computers are not.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use time::OffsetDateTime;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::BaseError;
use crate::current::Current;

/// A certificate chain, leaf first, and its private key.
#[derive(Debug)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads a PEM chain (leaf first) and a PEM key (PKCS#8, PKCS#1 or SEC1).
    ///
    /// # Errors
    /// [`BaseError::Pem`] when a file holds no such object or cannot be read.
    pub fn load(chain: &Path, key: &Path) -> Result<Self, BaseError> {
        Ok(Self {
            chain: certificates(chain)?,
            key: PrivateKeyDer::from_pem_file(key).map_err(|_| BaseError::Pem {
                path: key.to_owned(),
                what: "no readable private key in PEM",
            })?,
        })
    }

    /// The instant after which the leaf certificate is no longer valid.
    ///
    /// # Errors
    /// [`BaseError::Certificate`] when it cannot be read.
    pub fn not_after(&self) -> Result<OffsetDateTime, BaseError> {
        self.chain
            .first()
            .and_then(expiry)
            .ok_or(BaseError::Certificate)
    }
}

/// The certificate of a door, which a reload replaces: handshakes from then on show the new one, and
/// connections stay as they are.
#[derive(Clone, Debug)]
pub struct Renewable(Current<Shown>);

#[derive(Debug)]
struct Shown {
    key: Arc<CertifiedKey>,
    not_after: OffsetDateTime,
}

impl Renewable {
    /// Shows `identity` until [`Renewable::renew`].
    ///
    /// # Errors
    /// [`BaseError::Tls`] when the key does not belong to the certificate;
    /// [`BaseError::Certificate`] when its end cannot be read.
    pub fn new(identity: Identity) -> Result<Self, BaseError> {
        Ok(Self(Current::new(Arc::new(Shown::of(identity)?))))
    }

    /// Shows `identity` from now on.
    ///
    /// # Errors
    /// As [`Renewable::new`]; the earlier one then stays.
    pub fn renew(&self, identity: Identity) -> Result<(), BaseError> {
        self.0.set(Arc::new(Shown::of(identity)?));
        Ok(())
    }

    /// When the certificate shown now expires.
    pub fn not_after(&self) -> OffsetDateTime {
        self.0.get().not_after
    }
}

impl Shown {
    fn of(identity: Identity) -> Result<Self, BaseError> {
        let not_after = identity.not_after()?;
        let key = CertifiedKey::from_der(identity.chain, identity.key, &provider())?;
        Ok(Self {
            key: Arc::new(key),
            not_after,
        })
    }
}

impl ResolvesServerCert for Renewable {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.get().key))
    }
}

fn expiry(certificate: &CertificateDer<'_>) -> Option<OffsetDateTime> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let not_after = certificate.tbs_certificate().validity().not_after;
    let seconds = i64::try_from(not_after.to_unix_duration().as_secs()).ok()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// Reads every certificate of a PEM file, in order.
///
/// # Errors
/// [`BaseError::Pem`] when the file cannot be read or holds none.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BaseError> {
    let refused = || BaseError::Pem {
        path: path.to_owned(),
        what: "no readable certificate in PEM",
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|_| refused())?;
    if chain.is_empty() {
        return Err(refused());
    }
    Ok(chain)
}

/// Reads the trust anchors of a PEM file.
///
/// # Errors
/// [`BaseError::Pem`] as [`certificates`]; [`BaseError::Tls`] when one is not usable as an anchor.
pub fn anchors(path: &Path) -> Result<Arc<RootCertStore>, BaseError> {
    let mut roots = RootCertStore::empty();
    for anchor in certificates(path)? {
        roots.add(anchor)?;
    }
    Ok(Arc::new(roots))
}

/// Reads every revocation list of PEM files (RFC 5280 §5).
///
/// # Errors
/// [`BaseError::Pem`] when a file cannot be read or holds none.
pub fn revocations(
    paths: &[std::path::PathBuf],
) -> Result<Vec<CertificateRevocationListDer<'static>>, BaseError> {
    let mut lists = Vec::new();
    for path in paths {
        let refused = || BaseError::Pem {
            path: path.clone(),
            what: "no readable certificate revocation list in PEM",
        };
        let found = CertificateRevocationListDer::pem_file_iter(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|_| refused())?;
        if found.is_empty() {
            return Err(refused());
        }
        lists.extend(found);
    }
    Ok(lists)
}

/// Settings of a door for relays and operators: TLS 1.3, and no session without a certificate that
/// `roots` vouch for and that none of the lists revokes. An authority without a list vouches alone.
///
/// # Errors
/// [`BaseError::Tls`] or [`BaseError::Verifier`] when rustls refuses the material.
pub fn relay_server(
    identity: Identity,
    roots: Arc<RootCertStore>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
) -> Result<Arc<ServerConfig>, BaseError> {
    let provider = provider();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .with_crls(revoked)
        .allow_unknown_revocation_status()
        .build()?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain, identity.key)?;
    Ok(Arc::new(config))
}

/// Settings with which a relay calls another: TLS 1.3, showing its own certificate, and none taken
/// that the lists revoke.
///
/// # Errors
/// [`BaseError::Tls`] or [`BaseError::Verifier`] when rustls refuses the material.
pub fn relay_client(
    identity: Identity,
    roots: Arc<RootCertStore>,
    revoked: Vec<CertificateRevocationListDer<'static>>,
) -> Result<Arc<ClientConfig>, BaseError> {
    let provider = provider();
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .with_crls(revoked)
        .allow_unknown_revocation_status()
        .build()?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_webpki_verifier(verifier)
        .with_client_auth_cert(identity.chain, identity.key)?;
    Ok(Arc::new(config))
}

/// Settings of a door for mail clients, hospital systems and browsers: TLS 1.2 or 1.3, no client
/// certificate asked.
///
/// # Errors
/// [`BaseError::Tls`] when rustls refuses the material.
pub fn server(identity: Identity) -> Result<Arc<ServerConfig>, BaseError> {
    renewable_server(&Renewable::new(identity)?)
}

/// As [`server`], with a certificate that can be renewed.
///
/// # Errors
/// [`BaseError::Tls`] when rustls refuses the provider.
pub fn renewable_server(identity: &Renewable) -> Result<Arc<ServerConfig>, BaseError> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(identity.clone()));
    Ok(Arc::new(config))
}

/// Settings of a client without a certificate of its own.
///
/// # Errors
/// [`BaseError::Tls`] when rustls refuses the provider.
pub fn client(roots: Arc<RootCertStore>) -> Result<ClientConfig, BaseError> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hybrid_key_exchange_is_offered_first() {
        let provider = provider();
        let first = provider.kx_groups.first().map(|group| group.name());
        assert_eq!(first, Some(rustls::NamedGroup::X25519MLKEM768));
    }

    #[test]
    fn a_file_without_a_certificate_is_named() {
        let error = certificates(Path::new("/nonexistent/chain.pem")).unwrap_err();
        assert!(error.to_string().contains("chain.pem"), "{error}");
    }
}
