//! Ask the directory: who is behind an address or an identifier, which relay serves them, with
//! which certificates, and why the directory says so.
//!
//! Map of the crate:
//! - [`Lookup`] (below): the port. The directory implements it in the process; [`HttpLookup`]
//!   implements it over HTTPS; [`Client`] puts a memory with staleness rules before either.
//! - `query.rs`: [`Query`], what is asked.
//! - `identifier.rs`: [`Rpps`], [`Finess`], [`Purpose`], the names that a query may use.
//! - `resolution.rs`: [`Resolution`], what is answered: one finding, its reasons, its age.
//! - `entry.rs`: [`Entry`], a person, organisation or service with its mailbox and certificates.
//! - `relay.rs`: [`RelayEndpoint`], where a domain's mail is handed over, and to whom.
//! - `cache.rs`: [`Client`]. `http.rs`: [`HttpLookup`]. `problem.rs`: [`Problem`], errors on the
//!   wire (RFC 9457). `error.rs`: [`LookupError`].
//!
//! The directory never guesses a recipient: ambiguity is returned with its candidates, and an
//! expired or revoked certificate is never offered by [`Entry::usable_certificates`].
//!
//! Dependencies: `reqwest` on `rustls` for HTTPS with the roots that the caller trusts, `serde`
//! and `serde_json` for the wire, `base64` for certificates in JSON, `time` for instants,
//! `tracing` to tell that the directory cannot be reached, `thiserror` for the error.

mod cache;
mod entry;
mod error;
mod http;
mod identifier;
mod problem;
mod query;
mod relay;
mod resolution;

use liaison_mail::Domain;
use liaison_mail::port::PortFuture;

pub use cache::{CacheSettings, Client, Clock};
pub use entry::{Entry, EntryKind, Mailbox, MailboxKind, PublishedCertificate};
pub use error::LookupError;
pub use http::HttpLookup;
pub use identifier::{Finess, IdentifierError, Purpose, Rpps};
pub use problem::{PROBLEM_MEDIA_TYPE, Problem, ProblemKind};
pub use query::{By, Query};
pub use relay::{Host, RelayEndpoint};
pub use resolution::{Finding, Reason, ReasonCode, Resolution};

/// The directory as its users see it. Object-safe: hold it as `Arc<dyn Lookup>`.
pub trait Lookup: Send + Sync {
    /// Finds whom a query means. That nobody or more than one was found is an answer
    /// ([`Finding`]), not an error.
    ///
    /// # Errors
    /// [`LookupError`] when no answer could be had; it says whether a retry can help.
    fn resolve<'a>(&'a self, query: &'a Query) -> PortFuture<'a, Result<Resolution, LookupError>>;

    /// The relay that takes mail for `domain`; `None` when the directory knows none.
    ///
    /// # Errors
    /// As [`Lookup::resolve`].
    fn relay_of<'a>(
        &'a self,
        domain: &'a Domain,
    ) -> PortFuture<'a, Result<Option<RelayEndpoint>, LookupError>>;

    /// The relay whose certificate bears `server_name`: whether a caller is a listed peer, and
    /// for which domains it speaks. `None` when it is not listed, or when the text, which comes
    /// from the caller's certificate, is no domain name.
    ///
    /// # Errors
    /// As [`Lookup::resolve`].
    fn peer<'a>(
        &'a self,
        server_name: &'a str,
    ) -> PortFuture<'a, Result<Option<RelayEndpoint>, LookupError>>;
}
