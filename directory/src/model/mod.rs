//! What the directory knows, and how it comes to show it.
//!
//! - `subject.rs`: [`Subject`], what a fact is said of, and its stable identifier.
//! - `field.rs`: [`Field`], what can be said; [`authority`], whose word counts.
//! - `source.rs`, `assertion.rs`: [`Source`], [`Origin`], [`Assertion`], [`Period`].
//! - `fold.rs`: [`fold`], from assertions to what is shown, with every [`Conflict`].
//! - `record.rs`: [`Record`], [`Person`], [`Organisation`] and the rest as faces read them;
//!   `read.rs` makes them of a fold.
//! - `codes.rs`: professions and purposes in words.

mod assertion;
pub(crate) mod codes;
mod field;
mod fold;
mod read;
mod record;
mod source;
mod subject;

pub use assertion::{Assertion, Period};
pub use field::{Field, authority};
pub use fold::{Conflict, Fact, Folded, fold};
pub use read::Labels;
pub(crate) use read::record;
pub use record::{
    Absence, Coded, Commune, Held, Meta, Organisation, Person, Place, Record, Relay, Resource,
    Role, SecureMailbox, Service, Territory,
};
pub use source::{Origin, Source};
pub use subject::{Kind, Subject};
