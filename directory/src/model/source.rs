//! Who says something, and when.

use time::OffsetDateTime;

/// Where a fact comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The Répertoire partagé des professionnels de santé.
    Rpps,
    /// The register of establishments.
    Finess,
    /// The national extract of MSSanté mailboxes.
    Extract,
    /// The organisation or the person concerned.
    Owner,
    /// The CPTS, DAC or GHT that keeps the bottin.
    Community,
    /// The file of entries in the settings.
    Entries,
    /// What the relays saw.
    Observation,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 7] = [
        Self::Rpps,
        Self::Finess,
        Self::Extract,
        Self::Owner,
        Self::Community,
        Self::Entries,
        Self::Observation,
    ];

    /// The word that stands for it in the database and in files.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rpps => "rpps",
            Self::Finess => "finess",
            Self::Extract => "mss",
            Self::Owner => "owner",
            Self::Community => "community",
            Self::Entries => "entries",
            Self::Observation => "observation",
        }
    }

    /// The source that a word stands for.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.word() == word)
    }
}

/// Who asserted a fact, and when.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The kind of source.
    pub source: Source,
    /// Who answers for it, for people to read: `ANS`, `CPTS du Vallon`, an account.
    pub signer: String,
    /// When it was asserted, to the millisecond: the date of the file, or of the statement.
    pub observed_at: OffsetDateTime,
    /// The signer's own count: of two statements of one signer the higher one stands. Clocks of
    /// different machines are never compared.
    pub sequence: u64,
}
