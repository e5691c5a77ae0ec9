//! The identifiers that a directory entry may have.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not the identifier that it should be. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// Not 11 digits.
    #[error("an RPPS number has 11 digits")]
    Rpps,
    /// Not 9 characters of the right kinds.
    #[error("a FINESS number has 9 digits (for Corsica, 2A or 2B and 7 digits)")]
    Finess,
    /// Not a purpose.
    #[error("a purpose has 1 to 64 lower-case letters, digits or hyphens, for example `discharge`")]
    Purpose,
}

/// A health professional's number in the Répertoire partagé: 11 digits.
///
/// The check digit is not demanded: the fictitious numbers of the national guides do not have a
/// right one (Annuaire Santé FHIR guide), and a wrong number is simply not found.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rpps(String);

impl Rpps {
    /// Parses 11 digits.
    ///
    /// # Errors
    /// [`IdentifierError::Rpps`].
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        if text.len() == 11 && text.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdentifierError::Rpps)
        }
    }

    /// The 11 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An establishment's number in the FINESS register: 9 characters, digits but for the `2A` and
/// `2B` of Corsica. The check digit is not demanded, as for [`Rpps`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Finess(String);

impl Finess {
    /// Parses 9 characters; a letter is taken in either case and kept upper-case.
    ///
    /// # Errors
    /// [`IdentifierError::Finess`].
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let text = text.to_ascii_uppercase();
        let corsican = text.starts_with("2A") || text.starts_with("2B");
        let digits = text.get(if corsican { 2 } else { 0 }..).unwrap_or("");
        if text.len() == 9 && digits.bytes().all(|b| b.is_ascii_digit()) {
            Ok(Self(text))
        } else {
            Err(IdentifierError::Finess)
        }
    }

    /// The 9 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a message is for, to choose between the mailboxes of one recipient: a short word in
/// lower case such as `discharge`, `admission`, `laboratory`, `secretariat`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Purpose(String);

impl Purpose {
    /// Parses 1 to 64 lower-case letters, digits or hyphens.
    ///
    /// # Errors
    /// [`IdentifierError::Purpose`].
    pub fn parse(text: &str) -> Result<Self, IdentifierError> {
        let is_word = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if is_word {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdentifierError::Purpose)
        }
    }

    /// The word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The conversions that every identifier has.
macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdentifierError;
            fn from_str(text: &str) -> Result<Self, IdentifierError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdentifierError;
            fn try_from(text: String) -> Result<Self, IdentifierError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    )*};
}

as_text!(Rpps, Finess, Purpose);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_have_their_registers_shape() {
        assert_eq!(Rpps::parse("00100000017").unwrap().as_str(), "00100000017");
        for text in [
            "",
            "0010000001",
            "001000000170",
            "0010000001x",
            "٠٠١٠٠٠٠٠٠١٧",
        ] {
            assert_eq!(Rpps::parse(text), Err(IdentifierError::Rpps), "{text:?}");
        }
        assert_eq!(Finess::parse("000000018").unwrap().as_str(), "000000018");
        assert_eq!(Finess::parse("2a0000018").unwrap().as_str(), "2A0000018");
        for text in [
            "",
            "00000001",
            "0000000188",
            "2C0000018",
            "A00000018",
            "20000001é",
        ] {
            assert_eq!(
                Finess::parse(text),
                Err(IdentifierError::Finess),
                "{text:?}"
            );
        }
        assert!(Purpose::parse("discharge").is_ok());
        for text in ["", "Discharge", "two words", &"a".repeat(65)] {
            assert_eq!(
                Purpose::parse(text),
                Err(IdentifierError::Purpose),
                "{text:?}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in ".{0,16}") {
            if let Ok(rpps) = Rpps::parse(&text) {
                proptest::prop_assert_eq!(rpps.as_str(), text.as_str());
            }
            if let Ok(finess) = Finess::parse(&text) {
                proptest::prop_assert_eq!(Finess::parse(finess.as_str()), Ok(finess));
            }
        }
    }
}
