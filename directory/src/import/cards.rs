//! Address books: LDIF (RFC 2849) and vCard (RFC 6350, and 2426 before it).
//!
//! An ordinary mail address is never taken for a secure one: only addresses of a domain of
//! MSSanté or Apicrypt, or those of an entry with a `TypeBAL`, become mailboxes.

use std::io::{BufRead, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use liaison_directory_client::Rpps;
use liaison_mail::Address;

use super::prepare::Intake;
use super::rpps::{Facts, push};
use crate::error::DirectoryError;
use crate::model::{Field, Subject, codes};

/// The longest address book, in octets.
const MAX_BOOK: u64 = 64 * 1024 * 1024;

/// What an address book says of one entry.
#[derive(Debug, Default, PartialEq, Eq)]
struct Card {
    line: u64,
    id: String,
    name: String,
    family: String,
    given: String,
    title: String,
    organisation: String,
    is_organisation: bool,
    street: String,
    postal_code: String,
    town: String,
    url: String,
    rpps: String,
    mailbox_type: String,
    phones: Vec<String>,
    mails: Vec<String>,
}

/// Reads LDIF.
pub(super) fn ldif(
    text: &mut dyn BufRead,
    path: &Path,
    list: &str,
    intake: &mut Intake,
) -> Result<(), DirectoryError> {
    book(ldif_cards(&whole(text, path)?), list, intake)
}

/// Reads vCards.
pub(super) fn vcard(
    text: &mut dyn BufRead,
    path: &Path,
    list: &str,
    intake: &mut Intake,
) -> Result<(), DirectoryError> {
    book(vcard_cards(&whole(text, path)?), list, intake)
}

fn whole(text: &mut dyn BufRead, path: &Path) -> Result<String, DirectoryError> {
    let mut book = String::new();
    let read = text.take(MAX_BOOK + 1).read_to_string(&mut book);
    let too_long = || std::io::ErrorKind::FileTooLarge.into();
    read.and_then(|length| {
        if length as u64 > MAX_BOOK {
            Err(too_long())
        } else {
            Ok(book)
        }
    })
    .map_err(|cause| DirectoryError::Read {
        path: path.to_owned(),
        cause,
    })
}

/// The logical lines: one that begins with a space or a tabulation goes on the one before
/// (RFC 2849 note 2, RFC 6350 §3.2).
fn unfolded(text: &str) -> Vec<(u64, String)> {
    let mut lines: Vec<(u64, String)> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        match (line.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(rest), Some((_, last))) => last.push_str(rest),
            _ => lines.push((number, line.to_owned())),
        }
    }
    lines
}

fn ldif_cards(text: &str) -> Vec<Card> {
    let mut cards = Vec::new();
    let mut card = Card::default();
    for (number, line) in unfolded(text) {
        if line.is_empty() {
            cards.push(std::mem::take(&mut card));
            continue;
        }
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if line.starts_with('#') {
            continue;
        }
        // `name:: base64`; what `name:< url` refers to is never fetched.
        let value = match value.strip_prefix(':') {
            Some(coded) => STANDARD
                .decode(coded.trim())
                .ok()
                .and_then(|octets| String::from_utf8(octets).ok())
                .unwrap_or_default(),
            None if value.starts_with('<') => continue,
            None => value.trim().to_owned(),
        };
        if value.is_empty() {
            continue;
        }
        if card.line == 0 {
            card.line = number;
        }
        let name = name
            .split(';')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        match name.as_str() {
            "dn" => card.id = value,
            "cn" | "displayname" if card.name.is_empty() => card.name = value,
            "sn" | "surname" => card.family = value,
            "givenname" | "gn" => card.given = value,
            "title" => card.title = value,
            "o" | "organizationname" => card.organisation = value,
            "street" | "streetaddress" => card.street = value,
            "postalcode" => card.postal_code = value,
            "l" | "localityname" => card.town = value,
            "labeleduri" => card.url = value,
            "identifiantpp" => card.rpps = value,
            "typebal" => card.mailbox_type = value.to_ascii_uppercase(),
            "telephonenumber" => card.phones.push(value),
            "mail" => card.mails.push(value),
            "objectclass" => {
                card.is_organisation |= matches!(
                    value.to_ascii_lowercase().as_str(),
                    "organization" | "organizationalunit"
                );
            }
            _ => {}
        }
    }
    cards.push(card);
    cards.retain(|card| card.line > 0);
    cards
}

fn vcard_cards(text: &str) -> Vec<Card> {
    let mut cards = Vec::new();
    let mut card = Card::default();
    for (number, line) in unfolded(text) {
        let Some((head, value)) = line.split_once(':') else {
            continue;
        };
        let name = head.split(';').next().unwrap_or_default();
        // A group stands before a dot (RFC 6350 §3.3).
        let name = name
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_ascii_uppercase();
        let value = value.trim();
        let mut parts = value.split(';').map(unescaped);
        match name.as_str() {
            "BEGIN" => {
                card = Card {
                    line: number,
                    ..Card::default()
                };
            }
            "END" => cards.push(std::mem::take(&mut card)),
            "UID" => card.id = value.to_owned(),
            "FN" => card.name = unescaped(value),
            "N" => {
                card.family = parts.next().unwrap_or_default();
                card.given = parts.next().unwrap_or_default();
            }
            "ORG" => card.organisation = parts.next().unwrap_or_default(),
            "TITLE" | "ROLE" if card.title.is_empty() => card.title = unescaped(value),
            "TEL" => card
                .phones
                .push(value.trim_start_matches("tel:").to_owned()),
            "EMAIL" => card.mails.push(value.to_owned()),
            "URL" => card.url = value.to_owned(),
            "KIND" => card.is_organisation = value.eq_ignore_ascii_case("org"),
            // Box, extension, street, town, region, code, country (RFC 6350 §6.3.1).
            "ADR" => {
                let parts: Vec<String> = parts.collect();
                let part = |index: usize| parts.get(index).cloned().unwrap_or_default();
                (card.street, card.town, card.postal_code) = (part(2), part(3), part(5));
            }
            _ => {}
        }
    }
    cards.retain(|card| card.line > 0);
    cards
}

/// A value without its escapes (RFC 6350 §3.4).
fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n' | 'N') => text.push(' '),
                Some(other) => text.push(other),
                None => {}
            },
            other => text.push(other),
        }
    }
    text.trim().to_owned()
}

fn book(cards: Vec<Card>, list: &str, intake: &mut Intake) -> Result<(), DirectoryError> {
    for card in cards {
        intake.rows += 1;
        if let Err(reason) = entry(&card, list, intake)? {
            intake.quarantine.add(reason, card.line);
        }
    }
    Ok(())
}

fn entry(
    card: &Card,
    list: &str,
    intake: &mut Intake,
) -> Result<Result<(), &'static str>, DirectoryError> {
    let name = [&card.name, &card.organisation, &card.family]
        .into_iter()
        .find(|name| !name.is_empty());
    let Some(name) = name else {
        return Ok(Err("it has no name"));
    };
    let id = if card.id.is_empty() { name } else { &card.id };
    let employer =
        (!card.organisation.is_empty()).then(|| Subject::organisation_of(list, &card.organisation));
    let mut facts: Facts<'_> = Vec::with_capacity(12);
    push(&mut facts, Field::Activity, &card.title);
    push(&mut facts, Field::Street, &card.street);
    push(&mut facts, Field::PostalCode, &card.postal_code);
    push(&mut facts, Field::Town, &card.town);
    push(&mut facts, Field::Url, &card.url);
    for phone in &card.phones {
        push(&mut facts, Field::Phone, phone);
    }
    let ordinary = card.mails.iter().find(|mail| !is_secure(card, mail));
    push(
        &mut facts,
        Field::Email,
        ordinary.map_or("", String::as_str),
    );
    let owner = if card.is_organisation
        || (card.family.is_empty() && card.given.is_empty() && card.name.is_empty())
    {
        push(&mut facts, Field::Name, name);
        Subject::organisation_of(list, id)
    } else {
        let person = match Rpps::parse(&card.rpps) {
            Ok(rpps) => Subject::person_of_rpps(&rpps),
            Err(_) => Subject::local_person(list, id),
        };
        let mut named: Facts<'_> = Vec::new();
        if card.family.is_empty() {
            push(&mut named, Field::Name, name);
        }
        push(&mut named, Field::FamilyName, &card.family);
        push(&mut named, Field::GivenName, &card.given);
        intake.claim(&person, named.into_iter())?;
        if let Some(employer) = &employer {
            intake.claim(
                employer,
                [(Field::Name, card.organisation.as_str())].into_iter(),
            )?;
        }
        push(
            &mut facts,
            Field::Organisation,
            employer.as_ref().map_or("", Subject::key),
        );
        let role = person.role(id);
        intake.claim(&role, facts.iter().copied())?;
        role
    };
    if owner.kind() == crate::model::Kind::Organisation {
        intake.claim(&owner, facts.into_iter())?;
    }
    let by_default = if owner.kind() == crate::model::Kind::Role {
        "PER"
    } else {
        "ORG"
    };
    let kind = Some(card.mailbox_type.as_str())
        .filter(|word| codes::mailbox_kind(word).is_some())
        .unwrap_or(by_default);
    for mail in card.mails.iter().filter(|mail| is_secure(card, mail)) {
        let Ok(address) = Address::parse(mail) else {
            return Ok(Err("one of its addresses is not a mail address"));
        };
        let said = address.to_string();
        let facts = [(Field::Address, said.as_str()), (Field::MailboxType, kind)];
        intake.claim(&owner.mailbox(&address), facts.into_iter())?;
    }
    Ok(Ok(()))
}

/// Whether an address is one of a secure mail system.
fn is_secure(card: &Card, mail: &str) -> bool {
    !card.mailbox_type.is_empty()
        || mail.rsplit('@').next().is_some_and(|domain| {
            domain
                .to_ascii_lowercase()
                .split('.')
                .any(|label| label == "mssante" || label == "apicrypt")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ldif_entry_is_read_with_its_folded_and_coded_lines() {
        let text = "# a book\ndn: uid=1,o=x\nobjectClass: inetOrgPerson\ncn:: SMOpbMOobmUgRVNTQUk=\nsn: ES\n SAI\n\
                    mail: helene@test.mssante.fr\nphoto:< file:///etc/passwd\n\ndn: ou=2\nobjectClass: organizationalUnit\no: CCAS\n";
        let cards = ldif_cards(text);
        assert_eq!(cards.len(), 2);
        assert_eq!(
            (cards[0].name.as_str(), cards[0].family.as_str()),
            ("Hélène ESSAI", "ESSAI")
        );
        assert!(is_secure(&cards[0], &cards[0].mails[0]));
        assert!(cards[1].is_organisation);
    }

    #[test]
    fn a_vcard_is_read_with_its_groups_and_escapes() {
        let text = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Camille EXEMPLE\r\nN:EXEMPLE;Camille;;;\r\n\
                    item1.EMAIL;TYPE=work:camille@poste.test\r\nORG:CCAS\\, Valfictif;Accueil\r\n\
                    ADR:;;1 place;Valfictif;;99001;\r\nEND:VCARD\r\n";
        let cards = vcard_cards(text);
        assert_eq!(cards.len(), 1);
        let card = &cards[0];
        assert_eq!(
            (card.family.as_str(), card.organisation.as_str()),
            ("EXEMPLE", "CCAS, Valfictif")
        );
        assert_eq!(
            (card.town.as_str(), card.postal_code.as_str()),
            ("Valfictif", "99001")
        );
        assert!(
            !is_secure(card, &card.mails[0]),
            "an ordinary address is not a secure mailbox"
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in "(dn|cn|BEGIN|END|N|ADR|FN| |\t)?[:;\\\\]{0,3}\\PC{0,20}\n{0,2}") {
            let _ = ldif_cards(&text).len() + vcard_cards(&text).len();
        }
    }
}
