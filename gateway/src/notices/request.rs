//! What the hospital asks for when somebody comes in, and what mail to the ward is called.
//!
//! ```toml
//! [request]
//! hours = 4                    # without an answer for so long, the ward is told
//! letter_hours = 4             # after an exit without a discharge letter, the ward is told
//! documents = { nursing_home = "le dossier de liaison d'urgence", pharmacy = "la liste des traitements" }
//!
//! [incoming.admission_request] # mail to the ward whose subject begins with one of these words
//! title = "Demande d'admission"
//! words = ["demande d'admission", "demande d'hospitalisation"]
//! hours = 24
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::circle::Role;

/// What is asked of whom on an entry or an emergency visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Requests {
    /// Hours after which the ward is told that an answer is missing.
    pub hours: u32,
    /// Hours after a return home or to a nursing home at which the ward is told that no discharge
    /// letter has come; 0: never.
    pub letter_hours: u32,
    /// What each role is asked to attach to its reply; a role that is absent is asked nothing.
    pub documents: BTreeMap<Role, String>,
}

/// A kind of mail that libéraux and structures write to the ward, known by its subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncomingRule {
    /// What it is called in the answer and before the ward.
    pub title: String,
    /// The words that a subject begins with; letter case and accents do not matter.
    pub words: Vec<String>,
    /// Hours after which the ward is reminded that nobody has handled it.
    pub hours: u32,
}

impl Default for Requests {
    fn default() -> Requests {
        let documents = [
            (
                Role::NursingHome,
                "la lettre d'entrée, le dossier de liaison d'urgence (DLU) et le traitement en cours",
            ),
            (
                Role::FamilyDoctor,
                "les antécédents et le traitement en cours",
            ),
            (Role::Pharmacy, "la liste des traitements délivrés"),
        ];
        Requests {
            hours: 4,
            letter_hours: 4,
            documents: documents
                .into_iter()
                .map(|(role, words)| (role, words.to_owned()))
                .collect(),
        }
    }
}

/// The project's own kinds of mail to the ward.
pub(super) fn built_in() -> BTreeMap<String, IncomingRule> {
    let rule = |title: &str, words: &[&str], hours| IncomingRule {
        title: title.to_owned(),
        words: words.iter().map(|&word| word.to_owned()).collect(),
        hours,
    };
    [
        (
            "admission_request",
            rule(
                "Demande d'admission",
                &[
                    "demande d'admission",
                    "demande d'hospitalisation",
                    "demande d'entrée",
                ],
                4,
            ),
        ),
        ("warning", rule("Alerte", &["alerte", "signalement"], 1)),
        (
            "renewal_request",
            rule(
                "Demande de renouvellement d'ordonnance",
                &["renouvellement", "demande de renouvellement"],
                24,
            ),
        ),
        (
            "social_note",
            rule("Note sociale", &["note sociale", "conditions de vie"], 72),
        ),
    ]
    .into_iter()
    .map(|(name, rule)| (name.to_owned(), rule))
    .collect()
}

/// The kind of a mail, by its subject. A reply (« Re: ») is no new one.
pub fn incoming_kind<'r>(
    subject: &str,
    rules: &'r BTreeMap<String, IncomingRule>,
) -> Option<(&'r str, &'r IncomingRule)> {
    let subject = fold(subject);
    let subject = subject
        .strip_prefix("urgent")
        .map_or(subject.as_str(), |rest| {
            rest.trim_start_matches([' ', '-', ':', '!'])
        });
    let begins = |word: &String| {
        subject
            .strip_prefix(fold(word).as_str())
            .is_some_and(|rest| {
                rest.chars()
                    .next()
                    .is_none_or(|next| !next.is_alphanumeric())
            })
    };
    rules
        .iter()
        .find(|(_, rule)| rule.words.iter().any(begins))
        .map(|(name, rule)| (name.as_str(), rule))
}

/// Lower case without the accents of French, one space between words, plain apostrophes.
fn fold(text: &str) -> String {
    let plain: String = text
        .chars()
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            'à' | 'â' | 'ä' => 'a',
            'ç' => 'c',
            'é' | 'è' | 'ê' | 'ë' => 'e',
            'î' | 'ï' => 'i',
            'ô' | 'ö' => 'o',
            'ù' | 'û' | 'ü' => 'u',
            '’' => '\'',
            other => other,
        })
        .filter(|c| !('\u{300}'..='\u{36f}').contains(c))
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_to_the_ward_is_known_by_how_its_subject_begins() {
        let rules = built_in();
        for (subject, kind) in [
            ("Demande d’admission de Mme X", Some("admission_request")),
            (
                "URGENT - DEMANDE D'HOSPITALISATION",
                Some("admission_request"),
            ),
            ("Alerte : chute", Some("warning")),
            ("Renouvellement d'ordonnance", Some("renewal_request")),
            ("CONDITIONS DE VIE a\u{300} domicile", Some("social_note")),
            ("Re: Alerte : chute", None),
            ("Alertez-nous", None),
            ("Votre demande d'admission", None),
            ("", None),
        ] {
            assert_eq!(
                incoming_kind(subject, &rules).map(|(name, _)| name),
                kind,
                "{subject}"
            );
        }
    }
}
