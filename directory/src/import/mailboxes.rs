//! The national extract of MSSanté mailboxes (`Extraction_Correspondance_MSSante`).

use std::io::BufRead;
use std::path::Path;

use liaison_mail::Address;

use super::delimited::{Table, Taken};
use super::prepare::Intake;
use super::rpps::{Facts, Seen, identifier, joined, person_of, postal_line, push, structure_of};
use crate::error::DirectoryError;
use crate::model::{Field, codes};
use crate::text;

/// What a mailbox seems to be for, by the words of its service or its address.
const SUGGESTIONS: &[(&str, &str)] = &[
    ("sortie", "discharge"),
    ("admission", "admission"),
    ("labo", "laboratory"),
    ("biologie", "laboratory"),
    ("secretariat", "secretariat"),
    ("telesoin", "telecare"),
    ("teleexpertise", "advice"),
    ("avis", "advice"),
    ("imagerie", "imaging"),
    ("radiologie", "imaging"),
    ("urgences", "emergency"),
    ("pharmacie", "pharmacy"),
];

/// Reads the extract: a row is a mailbox.
pub(super) fn mailboxes(
    text: &mut dyn BufRead,
    path: &Path,
    intake: &mut Intake,
) -> Result<(), DirectoryError> {
    let mut table = Table::open(text, b'|', false, path)?;
    let columns = table.columns([
        &["type de bal"],
        &["adresse bal"],
        &["identification nationale pp"],
        &["identification structure"],
        &["service de rattachement"],
        &["raison sociale structure bal"],
    ])?;
    let optional = [
        table.optional(&["nom d exercice"]),
        table.optional(&["prenom d exercice"]),
        table.optional(&["dematerialisation"]),
        table.optional(&["enseigne commerciale structure bal"]),
        table.optional(&["l4numerovoie structure bal"]),
        table.optional(&["nl4typevoie structure bal"]),
        table.optional(&["l4libellevoie structure bal"]),
        table.optional(&["l6ligneacheminement structure bal"]),
        table.optional(&["code postal structure bal"]),
    ];
    let mut seen = Seen::default();
    table.each(intake, |row, intake| {
        let required = columns.map(|column| row.get(column));
        let optional = optional.map(|column| row.get(column));
        mailbox(required, optional, &mut seen, intake)
    })
}

fn mailbox(
    [kind, published, national, structure, service, name]: [&str; 6],
    optional: [&str; 9],
    seen: &mut Seen,
    intake: &mut Intake,
) -> Taken {
    let [
        family,
        given,
        paperless,
        trade_name,
        number,
        way,
        street,
        line,
        postal_code,
    ] = optional;
    let Ok(address) = Address::parse(published) else {
        return Ok(Err("its address is not a mail address"));
    };
    if codes::mailbox_kind(kind).is_none() {
        return Ok(Err("its type is not PER, ORG, APP or CAB"));
    }
    let owner = if kind == "PER" {
        let person = match person_of(national) {
            Ok(person) => person,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut facts: Facts<'_> = Vec::new();
        push(&mut facts, Field::FamilyName, family);
        push(&mut facts, Field::GivenName, given);
        intake.claim(&person, facts.into_iter())?;
        person
    } else {
        let Some(subject) = structure_of(structure, structure, structure) else {
            return Ok(Err("it names neither a person nor a structure"));
        };
        let (code, town) = postal_line(line);
        let street = joined(&[number, way, street]);
        let technical = identifier(
            "structure",
            if structure.len() == 9 { "" } else { structure },
        );
        let mut facts: Facts<'_> = Vec::new();
        push(
            &mut facts,
            Field::Name,
            if name.is_empty() { trade_name } else { name },
        );
        push(&mut facts, Field::Identifier, &technical);
        push(&mut facts, Field::Street, &street);
        push(
            &mut facts,
            Field::PostalCode,
            if postal_code.is_empty() {
                code
            } else {
                postal_code
            },
        );
        push(&mut facts, Field::Town, town);
        if seen.is_new_structure(&subject, &facts) {
            intake.claim(&subject, facts.into_iter())?;
        }
        match text::fold(service) {
            key if key.is_empty() => subject,
            key => {
                let unit = subject.service(&key);
                intake.claim(&unit, [(Field::Name, service)].into_iter())?;
                unit
            }
        }
    };
    let said = address.to_string();
    let words = text::fold(&format!("{service} {}", address.local()));
    let mut facts: Facts<'_> = vec![(Field::Address, &said), (Field::MailboxType, kind)];
    if matches!(paperless, "1" | "O" | "Oui" | "OUI" | "true" | "TRUE" | "Y") {
        facts.push((Field::Paperless, "1"));
    }
    if kind != "PER" {
        let mut suggested: Vec<&str> = SUGGESTIONS
            .iter()
            .filter(|(word, _)| words.contains(word))
            .map(|(_, purpose)| *purpose)
            .collect();
        suggested.dedup();
        facts.extend(
            suggested
                .into_iter()
                .map(|purpose| (Field::SuggestedPurpose, purpose)),
        );
    }
    intake.claim(&owner.mailbox(&address), facts.into_iter())?;
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suggestion_is_a_purpose() {
        for (_, purpose) in SUGGESTIONS {
            assert!(liaison_directory_client::Purpose::parse(purpose).is_ok());
        }
    }
}
