//! What is asked of the directory.

use liaison_mail::Address;
use serde::{Deserialize, Serialize};

use crate::{Finess, Purpose, Rpps};

/// One question: who is meant, and what for. On the wire:
/// `{"by": {"rpps": "00100000017"}, "purpose": "discharge"}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// The name that the caller knows the recipient by.
    pub by: By,
    /// What the message is for; chooses between the mailboxes of one recipient and never between
    /// recipients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
}

/// The names by which a recipient can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A mail address; letters' case does not matter.
    Address(Address),
    /// A professional's RPPS number.
    Rpps(Rpps),
    /// An establishment's FINESS number.
    Finess(Finess),
    /// What somebody typed: names in any order, what they do, a town, a number. Only one exact
    /// reading is found; anything else is returned as candidates, best first.
    Text(String),
    /// A patient who lives in the town with this INSEE code has no family doctor: whom the
    /// territory names for such patients. Who the patient is never gets here.
    WithoutFamilyDoctor(String),
}

impl Query {
    /// Asks for the owner of a mailbox.
    #[must_use]
    pub fn address(address: Address) -> Self {
        Self {
            by: By::Address(address),
            purpose: None,
        }
    }

    /// Asks for a professional.
    #[must_use]
    pub fn rpps(rpps: Rpps) -> Self {
        Self {
            by: By::Rpps(rpps),
            purpose: None,
        }
    }

    /// Asks for an establishment.
    #[must_use]
    pub fn finess(finess: Finess) -> Self {
        Self {
            by: By::Finess(finess),
            purpose: None,
        }
    }

    /// Asks for whomever a text means.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            by: By::Text(text.into()),
            purpose: None,
        }
    }

    /// Asks for whom a territory names when a patient of the town has no family doctor.
    #[must_use]
    pub fn without_family_doctor(commune: impl Into<String>) -> Self {
        Self {
            by: By::WithoutFamilyDoctor(commune.into()),
            purpose: None,
        }
    }

    /// The same question for a purpose.
    #[must_use]
    pub fn for_purpose(mut self, purpose: Purpose) -> Self {
        self.purpose = Some(purpose);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_one_form_on_the_wire() {
        let query = Query::rpps(Rpps::parse("00100000017").unwrap())
            .for_purpose(Purpose::parse("discharge").unwrap());
        let json = r#"{"by":{"rpps":"00100000017"},"purpose":"discharge"}"#;
        assert_eq!(serde_json::to_string(&query).unwrap(), json);
        assert_eq!(serde_json::from_str::<Query>(json).unwrap(), query);
    }

    #[test]
    fn a_query_that_names_nobody_or_two_is_refused() {
        for json in [
            "{}",
            r#"{"by":{}}"#,
            r#"{"by":{"rpps":"1"}}"#,
            r#"{"by":{"address":"no address"}}"#,
            r#"{"by":{"rpps":"00100000017","finess":"000000018"}}"#,
            r#"{"by":{"rpps":"00100000017"},"extra":1}"#,
        ] {
            assert!(
                serde_json::from_str::<Query>(json).is_err(),
                "{json} was accepted"
            );
        }
    }
}
