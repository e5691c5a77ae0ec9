//! People, organisations, addresses, certificates and relays, and the faces that show them.
//!
//! Map of the crate:
//! - [`Directory`] (`directory.rs`): the entries of one territory; import, search, and the port
//!   [`liaison_directory_client::Lookup`] for roles in the same process.
//! - `entry.rs`: what is kept: [`Catalogue`], [`Listing`], [`Facts`].
//! - [`import`]: a file of entries, checked as a whole and put in place of the earlier ones.
//! - `resolve.rs`: the rules by which a query is answered, with their reasons.
//! - `store/`: the tables.
//! - `web/`: HTTPS: the API for gateways and relays, and the bottin as a page for people.
//! - `settings.rs`: [`Settings`]; [`serve`] starts the role.
//!
//! Patients, who treats them, and registers of vulnerable people never enter the directory.
//!
//! Dependencies: `axum` routes requests and `hyper` with `hyper-util` reads them with a limit on
//! the time that headers may take, which axum's own server does not have; `tokio-rustls` for TLS;
//! `askama` for the page; `sqlx` for statements on the store; `x509-cert` reads the validity and
//! the addresses of certificates, and `ring` their SHA-256; `serde`, `serde_json` for files and
//! answers.

mod directory;
mod entry;
mod error;
pub mod import;
mod resolve;
mod settings;
mod store;
mod web;

pub use directory::Directory;
pub use entry::{Catalogue, Facts, ListedMailbox, Listing};
pub use error::{DirectoryError, RowProblem};
pub use settings::Settings;
pub use web::{Running, serve};
