//! Certification paths: search and validation of RFC 5280 §6 for mail.
//!
//! The search goes from the leaf towards the anchors, depth first, within a budget of
//! signatures; the checks of one candidate link are made before its signature is computed. What
//! concerns a whole path comes last: [`name constraints`](crate::name_constraints),
//! [`policy`] and [`revocation`].

mod policy;
mod revocation;
mod search;

#[cfg(test)]
pub(crate) mod pkits;

use time::OffsetDateTime;

pub use self::policy::PolicyDemand;
use self::search::Search;
use crate::certificate::Certificate;
use crate::crl::RevocationReason;
use crate::limits::Limits;
use crate::trust::TrustStore;

/// What a leaf certificate is checked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Signing mail.
    Sign,
    /// Receiving encrypted mail.
    Receive,
    /// Signing revocation lists.
    Revoke,
}

/// Where and when a path is checked.
pub(crate) struct Context<'a> {
    pub(crate) trust: &'a TrustStore,
    pub(crate) now: OffsetDateTime,
    pub(crate) limits: &'a Limits,
}

/// Why no acceptable path leads from a certificate to an anchor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFault {
    /// No chain of signatures reaches an anchor of the trust store.
    #[error("no trusted authority issued the certificate")]
    Untrusted,
    /// A certificate of the path had expired.
    #[error("the certificate of {subject} expired on {at}")]
    Expired {
        /// Subject of the expired certificate.
        subject: String,
        /// End of its validity.
        at: OffsetDateTime,
    },
    /// A certificate of the path is not valid yet.
    #[error("the certificate of {subject} is not valid before {at}")]
    NotYetValid {
        /// Subject of the certificate.
        subject: String,
        /// Start of its validity.
        at: OffsetDateTime,
    },
    /// A certificate of the path was revoked.
    #[error("the certificate of {subject} was revoked on {at} ({reason:?})")]
    Revoked {
        /// Subject of the revoked certificate.
        subject: String,
        /// Date of the revocation.
        at: OffsetDateTime,
        /// Its reason.
        reason: RevocationReason,
    },
    /// An issuer is not an authority, or one deeper than it may be (RFC 5280 §4.2.1.9).
    #[error("{subject} issued a certificate that it was not allowed to issue")]
    NotAnAuthority {
        /// Subject of the issuer.
        subject: String,
    },
    /// The leaf's key usage, extended key usage or key does not fit (RFC 8550 §4.4).
    #[error("the certificate is not usable for this: {0}")]
    Usage(&'static str),
    /// A name in the path is outside what an authority may name (RFC 5280 §4.2.1.10).
    #[error("a name is outside the constraints that {subject} is held to")]
    NameConstraint {
        /// Subject of the constrained authority.
        subject: String,
    },
    /// The policies of the path are not what the site or an authority demands (RFC 5280 §6.1).
    #[error("no acceptable certificate policy is valid for the whole path")]
    Policy,
    /// A certificate has a critical extension that is not understood.
    #[error("the certificate of {subject} has a critical extension that is not understood")]
    CriticalExtension {
        /// Subject of the certificate.
        subject: String,
    },
    /// Finding a path would take more links or signatures than [`Limits`] allows.
    #[error("too many candidate issuers to search")]
    TooComplex,
}

/// What the revocation lists and OCSP responses at hand say about a path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Revocation {
    /// Current evidence of the issuer of each certificate of the path says that it is not
    /// revoked.
    Good {
        /// Issue date of the oldest evidence used.
        as_of: OffsetDateTime,
    },
    /// At least one certificate has no list or response that could speak of it.
    NoList {
        /// Subject of the issuer whose evidence is missing.
        issuer: String,
    },
    /// The evidence on at least one certificate is past its next update: it proves nothing any
    /// more.
    Stale {
        /// Subject of the issuer of the evidence.
        issuer: String,
        /// When its next update was due.
        due: OffsetDateTime,
    },
}

impl Revocation {
    /// How old the evidence is at `now`; `None` if nothing current is known.
    #[must_use]
    pub fn age(&self, now: OffsetDateTime) -> Option<time::Duration> {
        match self {
            Self::Good { as_of } => Some(now - *as_of),
            Self::NoList { .. } | Self::Stale { .. } => None,
        }
    }
}

/// A path that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedPath {
    /// From the leaf to the anchor.
    pub chain: Vec<Certificate>,
    /// What is known about revocation.
    pub revocation: Revocation,
}

/// Finds and checks a path for `leaf`; `pool` holds what came with the message.
pub(crate) fn validate(
    leaf: &Certificate,
    purpose: Purpose,
    pool: &[Certificate],
    context: &Context<'_>,
) -> Result<CheckedPath, PathFault> {
    Search::new(pool, context).path(leaf, purpose, None)
}
