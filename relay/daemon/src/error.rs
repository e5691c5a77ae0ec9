use std::path::PathBuf;

use liaison_base::BaseError;
use liaison_directory_client::LookupError;
use thiserror::Error;

/// Why a command did not do what it was asked. Printed for the person who typed it.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    /// Settings, certificates or keys that cannot be used.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// The relay could not start.
    #[error("relay: {0}")]
    Relay(#[from] liaison_relay::RelayError),
    /// The gateway could not start.
    #[error("gateway: {0}")]
    Gateway(#[from] liaison_gateway::GatewayError),
    /// The directory could not start.
    #[error("directory: {0}")]
    Directory(#[from] liaison_directory::DirectoryError),
    /// The directory elsewhere cannot be asked.
    #[error("lookup: {0}")]
    Lookup(#[from] LookupError),
    /// A store could not be moved.
    #[error("store: {0}")]
    Store(#[from] liaison_store::StoreError),
    /// The settings ask for something that they do not give.
    #[error("{0}")]
    Settings(&'static str),
    /// The process could leave a core file.
    #[error("core files could not be forbidden: {0}")]
    CoreDump(std::io::Error),
    /// A file could not be read or written.
    #[error("{path}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Nobody answers there, or not as expected.
    #[error("{0}")]
    Peer(String),
    /// The demo's day did not go as it must.
    #[error("the day did not hold: {0}")]
    Day(String),
    /// The throw-away PKI could not be made.
    #[error("demo certificates: {0}")]
    Certificates(#[from] liaison_certs_dev::Error),
}

impl CommandError {
    /// 1: it was tried and did not hold; 2: the settings or the command are wrong.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Base(_) | Self::Settings(_) | Self::File { .. } => 2,
            _ => 1,
        }
    }
}

/// Says on standard error why the command failed.
#[expect(clippy::print_stderr, reason = "the command line speaks to its user")]
pub(crate) fn say(error: &CommandError) {
    eprintln!("liaison: {error}");
}
