//! A throw-away PKI for the demo and the tests; never trusted anywhere else.
//!
//! Map of the crate:
//! - [`Territory`] (`territory.rs`): the root, and the issuing authorities that it signs.
//! - [`Member`] (`member.rs`): one organisation's authority: TLS identities, S/MIME certificates,
//!   an expired one, a revoked one and the list (CRL) that says so.
//! - [`Issued`] (`issued.rs`): a certificate with its chain and its key, and how they are saved.
//!
//! Every certificate carries `O = Liaison DEMO - do not trust` in its subject
//! ([`DEMO_ORGANISATION`]), so that one that strays is recognised. The time is passed in.
//!
//! Dependencies: `rcgen` writes and signs the certificates (on aws-lc-rs, which can also make RSA
//! keys), `time` carries the given instant, `zeroize` wipes private keys that leave this crate,
//! `thiserror` derives the error.

mod issued;
mod member;
mod territory;

use std::path::PathBuf;

pub use issued::{Issued, KeyKind, SavedIdentity};
pub use member::Member;
pub use territory::Territory;

/// The organisation (O) that every certificate of this crate bears.
pub const DEMO_ORGANISATION: &str = "Liaison DEMO - do not trust";

/// Why a certificate was not made or not saved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The domain or mail address cannot stand in a certificate, which only takes ASCII
    /// (RFC 5280 §4.2.1.6); write an international domain in its `xn--` form.
    #[error("`{name}` cannot stand in a certificate: give an ASCII {expected}")]
    Name {
        /// What was given.
        name: String,
        /// What was expected: `domain` or `mail address`.
        expected: &'static str,
    },
    /// The key or the certificate could not be made.
    #[error("the certificate could not be made: {0}")]
    Generation(#[from] rcgen::Error),
    /// A file could not be written; the folder must exist and be writable.
    #[error("{path} could not be written ({source}): check that its folder exists and is writable")]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's cause.
        source: std::io::Error,
    },
}
