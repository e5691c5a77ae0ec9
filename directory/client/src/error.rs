//! Why no answer was had.

/// No answer could be had from the directory. That nobody was found is not an error.
///
/// None of these holds what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// No connection, no trusted certificate, or no answer in time.
    #[error(
        "the directory cannot be reached ({0}): check its address, its certificate and the network"
    )]
    Unreachable(String),
    /// The directory answered that it cannot answer now.
    #[error("the directory cannot answer now (HTTP {status}): see its log")]
    Unavailable {
        /// The HTTP status.
        status: u16,
    },
    /// The directory in this process could not read its own entries.
    #[error("the directory cannot read its entries ({0}): check its database")]
    Store(String),
    /// Something answered that does not speak like a directory of this version.
    #[error(
        "the directory's answer was not understood ({0}): check that its address is right and its version suits"
    )]
    Protocol(String),
    /// The directory refuses the question itself.
    #[error("the directory refused the question (HTTP {status}): {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its public text.
        detail: String,
    },
    /// The given address of the directory or TLS configuration cannot be used.
    #[error("the directory cannot be used as configured: {0}")]
    Settings(String),
}

impl LookupError {
    /// Whether the same question may be answered later. A wrong answer counts too: it comes from
    /// a proxy's error page or from a directory that is being upgraded.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::Unavailable { .. }
            | Self::Store(_)
            | Self::Protocol(_) => true,
            Self::Refused { .. } | Self::Settings(_) => false,
        }
    }
}
