//! People, organisations, addresses, certificates and relays, and the faces that show them.
//!
//! Map of the crate:
//! - [`Directory`] (`directory.rs`): opens, imports, asserts, and implements the port
//!   [`liaison_directory_client::Lookup`] for roles in the same process.
//! - [`model`]: subjects, fields, sources, assertions; the fold to what is shown, with its
//!   conflicts; the records that faces read.
//! - [`view`]: [`View`], the directory at one instant: **how a face reads**, see below.
//! - `resolve.rs`: the rules by which a recipient is found, with their reasons.
//! - [`import`]: files into assertions, with quarantine and circuit breakers.
//! - `set/`: what one list says, sorted, in one file. `index/`: the read-optimised index of all
//!   sets. `text.rs`: names as people type them. `store/`: the tables: which sets are accepted,
//!   and what was asserted one by one.
//! - `web/`: HTTPS: the API for gateways and relays, and the bottin as a page for people.
//! - [`ldap`]: LDAP for the address fields of mail clients. `fhir/`: FHIR R4 for hospital software.
//!   `quota.rs`: how much of it an account may see in a day.
//! - [`sharing`]: signed logs between territories: publishing, following, witnessing.
//! - `settings.rs`: [`Settings`]; [`serve`] starts the role.
//!
//! # How a face reads
//! Take a [`View`] for each question with [`Directory::view`]: it is one consistent state at one
//! instant, costs nothing to make, is read without waiting (microseconds from the page cache, so
//! also from an asynchronous task), and an import does not disturb it.
//!
//! - What is found is a [`Listing`]: a person in one role, an organisation or a service. It holds
//!   the whole [`model::Record`] and knows its part: [`Listing::person`], [`Listing::role`],
//!   [`Listing::structure`], [`Listing::service`], [`Listing::mailboxes`], [`Listing::place`],
//!   [`Listing::absence`]. `Listing::organisation` is the subject of the employer:
//!   [`View::listing_of`] reads it.
//! - Every record has a [`model::Meta`]: its stable UUID (version 5 of its subject, the same in
//!   every copy and after every import), whose word each field is, its date, its conflicts.
//! - By identifier: [`View::get`] (UUID), [`View::named`] (`rpps:…`, `finess:…`, `siret:…`,
//!   `id:…`), [`View::owner_of`] (address), [`View::members`] (of an organisation).
//! - By an exact question, with paging in a stable order: [`View::matching`] with a
//!   [`view::Filter`]: what LDAP filters and FHIR searches become. Three-valued logic stays in the
//!   face: an unknown attribute is dropped there.
//! - As people type, ranked with reasons: [`View::search`]. The one answer to "where do I write":
//!   [`View::resolve`].
//! - To write: [`Directory::assert`], one assertion by one signer; whether the signer may is the
//!   face's to check, whether it is believed is the fold's ([`model::authority`]).
//!
//! Patients, who treats them, and registers of vulnerable people never enter the directory: there
//! is no subject and no field for them.
//!
//! Dependencies: `axum` routes requests and `hyper` with `hyper-util` reads them with a limit on
//! the time that headers may take, which axum's own server does not have; `tokio-rustls` for TLS;
//! `ldap3_proto` reads and writes LDAP's messages, on `bytes` and `tokio-util`'s codecs, and
//! `zeroize` wipes a bind's password;
//! `askama` for the page; `sqlx` for statements on the store; `x509-cert` reads the validity and
//! the addresses of certificates, and `ring` their SHA-256; `serde`, `serde_json` for files and
//! answers; `reqwest` follows the logs of others and `metrics` counts what became of that;
//! `roaring` holds the cards of a term, `memchr` looks for parts of words, `tempfile`
//! sorts beyond the memory, `csv` and `zip` read published files, `uuid` names subjects; `base64` for certificates in assertions.

mod directory;
mod error;
mod fhir;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod import;
mod index;
pub mod ldap;
pub mod model;
mod quota;
mod resolve;
mod search;
mod set;
mod settings;
pub mod sharing;
mod store;
pub mod text;
pub mod view;
mod web;

pub use directory::Directory;
pub use error::{DirectoryError, RowProblem};
pub use search::{Hit, Match, Search};
pub use set::{Breaker, Comparison, Counts, Limits};
pub use settings::{AccountSettings, Settings};
pub use view::{Listing, View};
pub use web::{Running, serve};

/// The tables of the directory's database.
pub const SCHEMAS: &[liaison_store::Schema] = &[store::SCHEMA];
