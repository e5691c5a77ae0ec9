//! Files that fill the directory.
//!
//! Every kind of file is read row by row into assertions, sorted and compared with what its list
//! said before; only then does it serve. A row that cannot be used is put aside and counted, and
//! too many of them, or too great a difference, refuse the file: the last good one keeps serving.
//!
//! - [`FileKind`], [`Options`], [`Report`]: what an import takes and tells. `prepare.rs`: its
//!   course.
//! - `entries.rs`: [`EntriesFile`], the settings' own list in TOML or JSON, taken whole or not at
//!   all; `check.rs`, [`Catalogue`]: its rows.
//! - `rpps.rs`, `mailboxes.rs`, `finess.rs`: the national files as published. `community.rs`: a
//!   community's own list ([`TEMPLATE`]) and the table of towns. `cards.rs`: LDIF and vCard.
//! - `source.rs`: plain or zipped, UTF-8 or Latin-1. `delimited.rs`: columns by name.
//! - `certificate.rs`: what is read from a certificate.

mod cards;
mod catalogue;
pub(crate) mod certificate;
mod check;
mod community;
mod delimited;
mod entries;
mod finess;
mod mailboxes;
mod prepare;
mod rpps;
mod source;

use std::fmt;

use time::OffsetDateTime;

use crate::set::{Comparison, Limits};

pub use catalogue::{Catalogue, CatalogueAbsence, CatalogueRow, CatalogueTerritory, ListedMailbox};
pub use community::TEMPLATE;
pub use entries::{
    AbsenceRow, CertificateRow, EntriesFile, MAX_FILE, MailboxRow, OrganisationRow, PersonRow,
    RelayRow, ServiceRow, TerritoryRow, read,
};
pub(crate) use prepare::{Place, prepare};

/// The kinds of files that can be imported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A file of entries, TOML or JSON.
    Entries,
    /// `PS_LibreAcces_Personne_activite`.
    Rpps,
    /// `PS_LibreAcces_SavoirFaire`.
    Skills,
    /// `Extraction_Correspondance_MSSante`.
    Mailboxes,
    /// FINESS, the former CSV (`etalab-cs1100502`).
    Finess,
    /// FINESS+, the JSON of structures.
    FinessPlus,
    /// A community's own list, with the columns of [`TEMPLATE`].
    Community,
    /// An address book in LDIF.
    Ldif,
    /// An address book of vCards.
    Vcard,
    /// Towns with their centres.
    Communes,
}

impl FileKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Entries,
        Self::Rpps,
        Self::Skills,
        Self::Mailboxes,
        Self::Finess,
        Self::FinessPlus,
        Self::Community,
        Self::Ldif,
        Self::Vcard,
        Self::Communes,
    ];

    /// The word for it on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Rpps => "rpps",
            Self::Skills => "skills",
            Self::Mailboxes => "mss",
            Self::Finess => "finess",
            Self::FinessPlus => "finess-plus",
            Self::Community => "community",
            Self::Ldif => "ldif",
            Self::Vcard => "vcard",
            Self::Communes => "communes",
        }
    }

    /// The kind of source that its facts are of.
    pub(crate) fn source(self) -> crate::model::Source {
        use crate::model::Source;
        match self {
            Self::Entries => Source::Entries,
            Self::Rpps | Self::Skills => Source::Rpps,
            Self::Mailboxes => Source::Extract,
            Self::Finess | Self::FinessPlus | Self::Communes => Source::Finess,
            Self::Community | Self::Ldif | Self::Vcard => Source::Community,
        }
    }

    /// Who answers for it when nobody is named.
    pub(crate) fn signer(self) -> &'static str {
        match self {
            Self::Entries | Self::Community => "the territory's own list",
            Self::Rpps | Self::Skills => "ANS, Annuaire Santé (RPPS)",
            Self::Mailboxes => "ANS, extraction MSSanté",
            Self::Finess | Self::FinessPlus => "DREES, FINESS",
            Self::Ldif | Self::Vcard => "an imported address book",
            Self::Communes => "the table of towns",
        }
    }

    /// The kind that a word stands for.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What is told of an import while it runs: octets read, and of how many.
pub type Progress = Box<dyn FnMut(u64, u64) + Send>;

/// How a file is imported.
#[derive(Default)]
pub struct Options {
    /// The name of the list, where several of one kind may stand side by side; the kind's own when
    /// absent.
    pub list: Option<String>,
    /// Who answers for it; the kind's own when absent.
    pub signer: Option<String>,
    /// The date of the file; what the file says, or when it was last written, when absent.
    pub observed_at: Option<OffsetDateTime>,
    /// Take the file although a circuit breaker trips.
    pub accept_changes: bool,
    /// The circuit breakers.
    pub limits: Limits,
    /// Told from time to time.
    pub progress: Option<Progress>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("list", &self.list)
            .field("signer", &self.signer)
            .field("observed_at", &self.observed_at)
            .field("accept_changes", &self.accept_changes)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What an import did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The name of the list.
    pub list: String,
    /// The date of the file.
    pub observed_at: OffsetDateTime,
    /// How many rows were read.
    pub rows: u64,
    /// The rows that were put aside.
    pub quarantine: Quarantine,
    /// The difference from the list before.
    pub changes: Comparison,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rows, {} put aside: {}",
            self.rows,
            self.quarantine.count(),
            self.changes
        )
    }
}

/// Rows that could not be used, counted by reason, with the first line of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// Reason, number of rows, first line.
    pub reasons: Vec<(&'static str, u64, u64)>,
}

impl Quarantine {
    /// How many rows.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.reasons.iter().map(|(_, count, _)| count).sum()
    }

    /// Puts a row aside.
    pub fn add(&mut self, reason: &'static str, line: u64) {
        match self.reasons.iter_mut().find(|(one, ..)| *one == reason) {
            Some((_, count, _)) => *count += 1,
            None => self.reasons.push((reason, 1, line)),
        }
    }
}

impl fmt::Display for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (reason, count, line)) in self.reasons.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{count} × {reason} (first in line {line})")?;
        }
        Ok(())
    }
}
