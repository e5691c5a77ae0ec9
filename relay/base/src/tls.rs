//! TLS identities and trust anchors, from PEM files to rustls settings.
//!
//! Between relays TLS 1.3 only and both sides prove who they are; mail clients may also come with
//! TLS 1.2. Every side offers the hybrid key exchange X25519MLKEM768 first: health data recorded
//! today must still be private when quantum computers are not.

use std::path::Path;
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::BaseError;

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

/// Settings of a relay's door: TLS 1.3, and no session without a certificate of `roots`.
///
/// # Errors
/// [`BaseError::Tls`] or [`BaseError::Verifier`] when rustls refuses the material.
pub fn relay_server(
    identity: Identity,
    roots: Arc<RootCertStore>,
) -> Result<Arc<ServerConfig>, BaseError> {
    let provider = provider();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build()?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain, identity.key)?;
    Ok(Arc::new(config))
}

/// Settings with which a relay calls another: TLS 1.3, showing its own certificate.
///
/// # Errors
/// [`BaseError::Tls`] when rustls refuses the material.
pub fn relay_client(
    identity: Identity,
    roots: Arc<RootCertStore>,
) -> Result<Arc<ClientConfig>, BaseError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(identity.chain, identity.key)?;
    Ok(Arc::new(config))
}

/// Settings of a door for mail clients, hospital systems and browsers: TLS 1.2 or 1.3, no client
/// certificate asked.
///
/// # Errors
/// [`BaseError::Tls`] when rustls refuses the material.
pub fn server(identity: Identity) -> Result<Arc<ServerConfig>, BaseError> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)?;
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
