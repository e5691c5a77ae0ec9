use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// What keeps a process from starting. Shown to the operator only.
#[derive(Debug, Error)]
pub enum BaseError {
    /// A file could not be read.
    #[error("cannot read {path}: {cause}; check the path and the rights of this user")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A settings file is not what the program expects.
    #[error("{path}: {detail}")]
    Config {
        /// The file.
        path: PathBuf,
        /// Line, column, key, and the nearest right key if there is one.
        detail: String,
    },
    /// A PEM file holds no usable certificate or key.
    #[error("{path}: {what}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was sought in it.
        what: &'static str,
    },
    /// A certificate whose end cannot be read.
    #[error("the certificate is not X.509 as it is read here; have it issued again")]
    Certificate,
    /// rustls refused the settings made from these files.
    #[error("TLS settings refused: {0}; check that the key belongs to the certificate")]
    Tls(#[from] rustls::Error),
    /// The verifier of peers' certificates could not be built.
    #[error("no usable trust anchor: {0}")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
    /// The log filter in the settings is not one.
    #[error("log filter refused: {0}; write for example \"info\" or \"info,liaison_relay=debug\"")]
    LogFilter(String),
}
