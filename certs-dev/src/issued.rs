//! A certificate with its chain and key, and how they are saved.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rcgen::{Certificate, KeyPair, PKCS_RSA_SHA256, RsaKeySize, SerialNumber};
use zeroize::Zeroizing;

use crate::Error;

/// The kinds of key that an S/MIME certificate can have here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyKind {
    /// ECDSA and ECDH on P-256, what RFC 8551 §2 requires of everybody.
    #[default]
    P256,
    /// RSA of 2048 bits, the smallest that RFC 8551 §4.3 lets a receiver accept.
    Rsa2048,
    /// RSA of 3072 bits.
    Rsa3072,
}

impl KeyKind {
    pub(crate) fn generate(self) -> Result<KeyPair, Error> {
        Ok(match self {
            Self::P256 => KeyPair::generate()?,
            Self::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?,
            Self::Rsa3072 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072)?,
        })
    }
}

/// A certificate, its chain and its private key.
pub struct Issued {
    /// The certificate, DER.
    pub certificate_der: Vec<u8>,
    /// The certificate alone, PEM.
    pub certificate_pem: String,
    /// The certificate, then its issuing authority, PEM, without the root: what a TLS server
    /// sends and what a signed message carries.
    pub chain_pem: String,
    /// The private key, unencrypted PKCS #8, DER.
    pub key_pkcs8_der: Zeroizing<Vec<u8>>,
    /// The private key, unencrypted PKCS #8, PEM.
    pub key_pkcs8_pem: Zeroizing<String>,
    pub(crate) serial: SerialNumber,
}

impl Issued {
    pub(crate) fn new(
        certificate: &Certificate,
        authority_pem: &str,
        key: &KeyPair,
        serial: SerialNumber,
    ) -> Self {
        let certificate_pem = certificate.pem();
        Self {
            certificate_der: certificate.der().to_vec(),
            chain_pem: format!("{certificate_pem}{authority_pem}"),
            certificate_pem,
            key_pkcs8_der: Zeroizing::new(key.serialize_der()),
            key_pkcs8_pem: Zeroizing::new(key.serialize_pem()),
            serial,
        }
    }

    /// The serial number as `openssl x509 -serial` prints it: hexadecimal, upper case.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        let octets: &[u8] = self.serial.as_ref();
        octets.iter().map(|octet| format!("{octet:02X}")).collect()
    }

    /// Saves three PEM files in `folder`, which must exist: `<stem>.crt` (the certificate),
    /// `<stem>.chain.pem` (the certificate and its issuing authority) and `<stem>.key` (the
    /// private key, which only its owner can read: mode 0600 from its first byte on). Files of
    /// the same names are replaced.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, folder: &Path, stem: &str) -> Result<SavedIdentity, Error> {
        let saved = SavedIdentity {
            certificate: folder.join(format!("{stem}.crt")),
            chain: folder.join(format!("{stem}.chain.pem")),
            key: folder.join(format!("{stem}.key")),
        };
        save_public(&saved.certificate, self.certificate_pem.as_bytes())?;
        save_public(&saved.chain, self.chain_pem.as_bytes())?;
        save(&saved.key, self.key_pkcs8_pem.as_bytes(), 0o600)?;
        Ok(saved)
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("serial", &self.serial_hex())
            .field("key", &"[private]")
            .finish_non_exhaustive()
    }
}

/// Where [`Issued::write`] saved an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedIdentity {
    /// The certificate alone, PEM.
    pub certificate: PathBuf,
    /// The certificate and its issuing authority, PEM.
    pub chain: PathBuf,
    /// The private key, PKCS #8 PEM, mode 0600.
    pub key: PathBuf,
}

/// Saves what everybody may read.
pub(crate) fn save_public(path: &Path, content: &[u8]) -> Result<(), Error> {
    save(path, content, 0o644)
}

fn save(path: &Path, content: &[u8], mode: u32) -> Result<(), Error> {
    let failed = |source| Error::Write {
        path: path.to_owned(),
        source,
    };
    // An older file is removed first: opening it would keep its mode, which may be wider.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed)?;
    file.write_all(content).map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::Territory;
    use time::macros::datetime;

    fn issued() -> Issued {
        let territory = Territory::new(datetime!(2026-11-22 12:00 UTC)).unwrap();
        territory
            .member("ch.test")
            .unwrap()
            .relay_identity()
            .unwrap()
    }

    #[test]
    fn a_saved_key_is_for_its_owner_only_even_over_an_older_file() {
        let folder = tempfile::tempdir().unwrap();
        let older = folder.path().join("relay.key");
        fs::write(&older, "old").unwrap();
        fs::set_permissions(&older, fs::Permissions::from_mode(0o666)).unwrap();

        let saved = issued().write(folder.path(), "relay").unwrap();

        assert_eq!(saved.key, older);
        let mode = fs::metadata(&saved.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(
            fs::read_to_string(&saved.key)
                .unwrap()
                .starts_with("-----BEGIN PRIVATE KEY-----")
        );
    }

    #[test]
    fn a_folder_that_does_not_exist_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let error = issued().write(&missing, "relay").unwrap_err();
        assert!(error.to_string().contains("missing/relay.crt"), "{error}");
    }

    #[test]
    fn the_private_key_is_not_in_the_debug_output() {
        let issued = issued();
        let shown = format!("{issued:?}");
        let line = issued.key_pkcs8_pem.lines().nth(1).unwrap().to_owned();
        assert!(
            !shown.contains(&line) && shown.contains("[private]"),
            "{shown}"
        );
    }
}
