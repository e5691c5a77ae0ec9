//! Private keys of logs and witnesses, in PEM files.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_base::tlog::cosignature::Cosigner;
use liaison_base::tlog::note::{NoteError, Origin, Signer, VerifierKey};
use ring::rand::SystemRandom;
use ring::signature::Ed25519KeyPair;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use crate::error::DirectoryError;

pub(super) fn refused(what: &Path, problem: impl Into<String>) -> DirectoryError {
    DirectoryError::Sharing {
        what: what.display().to_string(),
        problem: problem.into(),
    }
}

/// Makes a private key in a new PEM file that only its owner may read, and gives its octets.
///
/// # Errors
/// [`DirectoryError::Sharing`] when the file is there already or cannot be written.
pub fn new_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, DirectoryError> {
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
        .map_err(|_| refused(path, "the machine gives no random numbers"))?;
    let mut pem = Zeroizing::new(String::from("-----BEGIN PRIVATE KEY-----\n"));
    let text = Zeroizing::new(STANDARD.encode(made.as_ref()));
    for line in text.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    let mut options = File::options();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let mut file = options.open(path)?;
        file.write_all(pem.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|cause: io::Error| refused(path, cause.to_string()))?;
    Ok(Zeroizing::new(made.as_ref().to_vec()))
}

/// Reads a private key.
///
/// # Errors
/// [`DirectoryError::Sharing`].
pub fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, DirectoryError> {
    PrivatePkcs8KeyDer::from_pem_file(path)
        .map(|key| Zeroizing::new(key.secret_pkcs8_der().to_vec()))
        .map_err(|_| {
            refused(
                path,
                "no private key in PEM; make one with `liaison directory log key`",
            )
        })
}

/// What verifies the notes of a log with that name and private key.
///
/// # Errors
/// [`DirectoryError::Sharing`].
pub fn verifier(origin: &str, pkcs8: &[u8]) -> Result<VerifierKey, DirectoryError> {
    Ok(signers(origin, pkcs8)?.0.verifier().clone())
}

/// What verifies the cosignatures of a witness with that name and private key.
///
/// # Errors
/// [`DirectoryError::Sharing`].
pub fn cosigner(name: &str, pkcs8: &[u8]) -> Result<Cosigner, DirectoryError> {
    Ok(signers(name, pkcs8)?.1)
}

pub(super) fn signers(name: &str, pkcs8: &[u8]) -> Result<(Signer, Cosigner), DirectoryError> {
    let problem = |error: NoteError| DirectoryError::Sharing {
        what: name.to_owned(),
        problem: error.to_string(),
    };
    let origin = Origin::parse(name).map_err(problem)?;
    let signer = Signer::new(origin.clone(), pkcs8).map_err(problem)?;
    Ok((signer, Cosigner::new(origin, pkcs8).map_err(problem)?))
}
