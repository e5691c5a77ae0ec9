//! Messages that a person or a system writes about a stay, beside what its events give: a
//! prescription to renew, a social note, and whatever a site adds by its rules file and a template
//! (N10, N11, N20).
//!
//! ```toml
//! [message.transport]                  # and templates/messages/transport.txt
//! title = "Transport à organiser"
//! to = { nursing_home = "urgent", home_nurse = "normal" }
//! fields = ["heure"]                   # must be given
//! optional = ["remarque"]              # may be
//! asks = "le bon de transport"         # an answer with a document is expected
//! answer_hours = 24
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::circle::{CareCircle, Role};
use super::decide::hold_if_needed;
use super::decision::{Decision, Silence};
use super::episode::Episode;
use super::french::Moment;
use super::kind::{Kind, Urgency};
use super::movement::{MovementKey, shares_key};
use super::plan::Planned;
use super::recipients::{Around, audience};
use super::rules::{Rules, Weight};
use super::statement::{Destination, Lateness, Statement};

/// Longest name of a kind.
const LONGEST_NAME: usize = 31;
/// Longest value of a field, in octets.
const LONGEST_VALUE: usize = 4_000;

/// The name of a kind of message: 1 to 31 of `a-z`, `0-9` and `_`, a letter first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageName {
    octets: [u8; LONGEST_NAME],
    length: u8,
}

/// A text that names no kind of message, or no field of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 31 of a-z, 0-9 and _, a letter first")]
pub struct NotAName;

/// What a kind of message is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageRule {
    /// The core of the subject. It names nobody.
    pub title: String,
    /// How urgently each role is told; a role that is absent is not.
    pub to: BTreeMap<Role, Weight>,
    /// Fields that a message must have, which its template shows as `fields.NAME`.
    #[serde(default)]
    pub fields: Vec<String>,
    /// Fields that it may have; empty where they are not given.
    #[serde(default)]
    pub optional: Vec<String>,
    /// What an answer should bring, « l'ordonnance renouvelée »; without it no document is
    /// expected.
    #[serde(default)]
    pub asks: Option<String>,
    /// Hours after which the ward is told that no such answer came.
    #[serde(default = "three_days")]
    pub answer_hours: u32,
    /// Whether « PRIS EN CHARGE » is asked for.
    #[serde(default)]
    pub confirm: bool,
}

fn three_days() -> u32 {
    72
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The title of its kind, as it was when it was written.
    pub title: String,
    /// Every field of its kind; empty where it was not given.
    pub fields: BTreeMap<String, String>,
}

/// A message to be sent.
#[derive(Clone)]
pub struct Message {
    /// Which kind.
    pub name: MessageName,
    /// Names it for ever among the messages of its stay: the same one is sent once.
    pub id: String,
    /// Its fields.
    pub fields: BTreeMap<String, String>,
    /// Only these roles; empty: all of its kind.
    pub only: Vec<Role>,
    /// Now, at any hour, whatever the kind says.
    pub urgent: bool,
    /// When it was written.
    pub at: Moment,
}

/// A message that cannot be sent. Names fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// No such kind.
    #[error("kind: there is none of that name; the site's are {0}")]
    Kind(String),
    /// A field that its kind does not have.
    #[error("fields: {kind} has no such field; it has {fields}")]
    Unknown {
        /// The kind.
        kind: MessageName,
        /// Its fields.
        fields: String,
    },
    /// A field is missing or empty.
    #[error("fields.{0}: it is needed")]
    Missing(String),
    /// A field is too long, or has characters that no text has.
    #[error("fields.{0}: at most 4000 octets of text")]
    Value(String),
}

impl Message {
    /// Checks it against its kind.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn check(&self, rules: &Rules) -> Result<(), MessageError> {
        let rule = self.rule(rules)?;
        let known = |field: &String| rule.fields.contains(field) || rule.optional.contains(field);
        if !self.fields.keys().all(known) {
            let all: Vec<&str> = rule.names().collect();
            return Err(MessageError::Unknown {
                kind: self.name,
                fields: all.join(", "),
            });
        }
        for field in rule.names() {
            let value = self.fields.get(field).map_or("", String::as_str);
            if value.trim().is_empty() && rule.fields.iter().any(|needed| needed == field) {
                return Err(MessageError::Missing(field.to_owned()));
            }
            let unprintable = |c: char| c.is_control() && c != '\n' && c != '\t';
            if value.len() > LONGEST_VALUE || value.chars().any(unprintable) {
                return Err(MessageError::Value(field.to_owned()));
            }
        }
        Ok(())
    }

    fn rule<'r>(&self, rules: &'r Rules) -> Result<&'r MessageRule, MessageError> {
        rules.messages.get(&self.name).ok_or_else(|| {
            let names: Vec<&str> = rules.messages.keys().map(MessageName::as_str).collect();
            MessageError::Kind(names.join(", "))
        })
    }

    /// Who is told of it.
    ///
    /// # Errors
    /// [`MessageError`] as [`Message::check`].
    pub fn decide(
        &self,
        episode: &Episode,
        circle: &CareCircle,
        rules: &Rules,
    ) -> Result<Decision, MessageError> {
        self.check(rules)?;
        let rule = self.rule(rules)?;
        let kind = Kind::Message(self.name);
        let movement = vec![MovementKey {
            id: self.id.clone(),
            authority: format!("message {}", self.name),
        }];
        let known = episode
            .issued
            .iter()
            .any(|told| shares_key(&told.movement, &movement));
        if known {
            return Ok(Decision::NoNotice(Silence::Duplicate));
        }
        let value = |field: &str| self.fields.get(field).cloned().unwrap_or_default();
        let latest = episode
            .live_notices()
            .filter_map(|told| told.statement.unit.clone())
            .last();
        let statement = Statement {
            kind,
            at: self.at,
            recorded_at: None,
            lateness: Lateness::InTime,
            destination: Destination::Unsaid,
            expected: None,
            through_emergency: false,
            after_emergency: false,
            expected_return: None,
            unit: latest,
            message: Some(Said {
                title: rule.title.clone(),
                fields: rule
                    .names()
                    .map(|name| (name.to_owned(), value(name)))
                    .collect(),
            }),
        };
        let mut found = audience(&statement, episode, &Around::of(circle, episode), rules);
        let wanted = |role: &Role| self.only.is_empty() || self.only.contains(role);
        found.recipients.retain(|recipient| wanted(&recipient.role));
        found.missing.retain(wanted);
        if self.urgent {
            for recipient in &mut found.recipients {
                recipient.urgency = Urgency::Urgent;
            }
        }
        let planned = Planned {
            kind,
            person: episode.person.clone(),
            statement,
            earlier: None,
            recipients: found.recipients,
            missing: found.missing,
            movement,
            ward_task: None,
            in_place_of: None,
            reminder: None,
            origin: None,
        };
        Ok(hold_if_needed(Decision::Notices(vec![planned]), episode))
    }
}

impl MessageRule {
    /// Its fields, those that are needed first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().chain(&self.optional).map(String::as_str)
    }
}

/// The project's own kinds.
pub(super) fn built_in() -> BTreeMap<MessageName, MessageRule> {
    use Role::{
        Coordination, FamilyDoctor, HomeCareService, HomeHospitalisation, HomeNurse, NursingHome,
        Pharmacy,
    };
    use Weight::{Info, Normal};
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let rule =
        |title: &str, to: &[(Role, Weight)], fields: &[&str], optional: &[&str]| MessageRule {
            title: title.to_owned(),
            to: to.iter().copied().collect(),
            fields: names(fields),
            optional: names(optional),
            asks: None,
            answer_hours: three_days(),
            confirm: false,
        };
    let request = MessageRule {
        asks: Some("l'ordonnance renouvelée".to_owned()),
        confirm: true,
        ..rule(
            "Demande de renouvellement d'ordonnance",
            &[(FamilyDoctor, Normal)],
            &["traitements"],
            &["avant_le", "motif"],
        )
    };
    let answer = rule(
        "Réponse à une demande de renouvellement",
        &[
            (NursingHome, Normal),
            (HomeNurse, Normal),
            (Pharmacy, Normal),
        ],
        &["reponse"],
        &["traitements", "commentaire"],
    );
    let social = rule(
        "Note sociale et conditions de vie",
        &[
            (Coordination, Normal),
            (HomeNurse, Normal),
            (HomeCareService, Normal),
            (HomeHospitalisation, Normal),
            (FamilyDoctor, Info),
        ],
        &["note"],
        &["besoins", "contact"],
    );
    [
        ("renewal_request", request),
        ("renewal_answer", answer),
        ("social_note", social),
    ]
    .into_iter()
    .filter_map(|(name, rule)| Some((name.parse().ok()?, rule)))
    .collect()
}

impl MessageName {
    /// The name.
    pub fn as_str(&self) -> &str {
        let octets = self.octets.get(..usize::from(self.length));
        octets
            .and_then(|octets| std::str::from_utf8(octets).ok())
            .unwrap_or_default()
    }
}

impl FromStr for MessageName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let plain =
            |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_';
        let formed = text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.len() <= LONGEST_NAME
            && text.bytes().all(plain);
        if !formed {
            return Err(NotAName);
        }
        let mut octets = [0; LONGEST_NAME];
        for (to, from) in octets.iter_mut().zip(text.bytes()) {
            *to = from;
        }
        let length = u8::try_from(text.len()).map_err(|_| NotAName)?;
        Ok(Self { octets, length })
    }
}

impl TryFrom<String> for MessageName {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl From<MessageName> for String {
    fn from(name: MessageName) -> String {
        name.as_str().to_owned()
    }
}

impl fmt::Display for MessageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for MessageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Said({} fields)", self.fields.len())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({}, {} fields)", self.name, self.fields.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for text in ["a", "social_note", "abcdefghijklmnopqrstuvwxyz01234"] {
            assert_eq!(text.parse::<MessageName>().unwrap().as_str(), text);
        }
        for text in [
            "",
            "1a",
            "_a",
            "Note",
            "é",
            "a-b",
            "abcdefghijklmnopqrstuvwxyz012345",
        ] {
            assert_eq!(text.parse::<MessageName>(), Err(NotAName), "{text}");
        }
    }
}
