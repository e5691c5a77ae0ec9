//! Codes in words, and words as people write them.
//!
//! The labels of professions are those of TRE_G15-ProfessionSante; other tables' labels come with
//! the files that use them.

use liaison_directory_client::MailboxKind;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// Professions (TRE_G15), modes (TRE_R23) and categories (TRE_R66) that are known without a file.
const LABELS: &[(&str, &str, &str)] = &[
    ("profession", "10", "Médecin"),
    ("profession", "21", "Pharmacien"),
    ("profession", "26", "Audioprothésiste"),
    ("profession", "28", "Opticien-Lunetier"),
    ("profession", "31", "Assistant dentaire"),
    ("profession", "40", "Chirurgien-Dentiste"),
    ("profession", "50", "Sage-Femme"),
    ("profession", "60", "Infirmier"),
    ("profession", "70", "Masseur-Kinésithérapeute"),
    ("profession", "80", "Pédicure-Podologue"),
    ("profession", "81", "Orthoprothésiste"),
    ("profession", "86", "Technicien de laboratoire médical"),
    ("profession", "91", "Orthophoniste"),
    ("profession", "92", "Orthoptiste"),
    ("profession", "93", "Psychologue"),
    ("profession", "94", "Ergothérapeute"),
    ("profession", "95", "Diététicien"),
    ("profession", "96", "Psychomotricien"),
    ("profession", "98", "Manipulateur ERM"),
    ("mode", "L", "Libéral"),
    ("mode", "S", "Salarié"),
    ("mode", "B", "Bénévole"),
    ("category", "124", "Centre de santé"),
    ("category", "355", "Centre hospitalier"),
    ("category", "500", "EHPAD"),
    ("category", "603", "Maison de santé pluriprofessionnelle"),
];

/// The label of a code that is known without a file.
pub(crate) fn label(table: &str, code: &str) -> Option<&'static str> {
    LABELS
        .iter()
        .find(|(one, known, _)| *one == table && *known == code)
        .map(|(_, _, label)| *label)
}

/// A date, `2026-11-22`.
pub(crate) fn date(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

/// A date as [`date`] reads it.
pub(crate) fn day(date: Date) -> String {
    date.format(format_description!("[year]-[month]-[day]"))
        .unwrap_or_default()
}

/// An instant (RFC 3339).
pub(crate) fn instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// An instant as [`instant`] reads it.
pub(crate) fn instant_text(instant: OffsetDateTime) -> String {
    instant.format(&Rfc3339).unwrap_or_default()
}

/// The type of a mailbox (TRE_R257-TypeBAL).
pub(crate) fn mailbox_kind(word: &str) -> Option<MailboxKind> {
    match word {
        "PER" => Some(MailboxKind::Per),
        "ORG" => Some(MailboxKind::Org),
        "APP" => Some(MailboxKind::App),
        "CAB" => Some(MailboxKind::Cab),
        _ => None,
    }
}

/// The word of a type of mailbox.
pub(crate) fn mailbox_word(kind: MailboxKind) -> &'static str {
    match kind {
        MailboxKind::Per => "PER",
        MailboxKind::Org => "ORG",
        MailboxKind::App => "APP",
        MailboxKind::Cab => "CAB",
    }
}

/// Civility, given names and family name of a name to show, by the French custom of writing the
/// family name in capitals: `Dr Hélène LEFÈVRE-ESSAI`. Without capitals the last word is it.
pub(crate) fn split_name(name: &str) -> (Option<String>, String, String) {
    let mut words: Vec<&str> = name.split_whitespace().collect();
    let civility = words.first().copied().filter(|first| {
        let word = first.trim_end_matches('.').to_lowercase();
        matches!(
            word.as_str(),
            "dr" | "pr" | "m" | "mme" | "mlle" | "me" | "docteur" | "professeur"
        )
    });
    let civility = civility.filter(|_| words.len() > 1);
    if civility.is_some() {
        words.remove(0);
    }
    let is_capital = |word: &&&str| {
        word.chars().filter(|c| c.is_alphabetic()).count() > 1
            && !word.chars().any(char::is_lowercase)
    };
    let family: Vec<&str> = words.iter().filter(is_capital).copied().collect();
    let civility = civility.map(str::to_owned);
    if family.is_empty() {
        let last = words.pop().unwrap_or_default();
        return (civility, words.join(" "), last.to_owned());
    }
    let given: Vec<&str> = words
        .iter()
        .filter(|word| !is_capital(word))
        .copied()
        .collect();
    (civility, given.join(" "), family.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_to_show_is_taken_apart() {
        let split = |name| {
            let (civility, given, family) = split_name(name);
            format!("{}|{given}|{family}", civility.unwrap_or_default())
        };
        assert_eq!(split("Dr Hélène LEFÈVRE-ESSAI"), "Dr|Hélène|LEFÈVRE-ESSAI");
        assert_eq!(split("DUPONT Jean Marie"), "|Jean Marie|DUPONT");
        assert_eq!(split("marie curie"), "|marie|curie");
        assert_eq!(split("Dr"), "||Dr");
        assert_eq!(split(""), "||");
    }
}
