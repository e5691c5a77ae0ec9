//! The Répertoire partagé, as published (Annuaire Santé, `PS_LibreAcces`): who practises what,
//! where; and which skills.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::BufRead;
use std::path::Path;

use liaison_directory_client::{Finess, Rpps};

use super::delimited::{Column, Row, Table, Taken};
use super::prepare::Intake;
use crate::error::DirectoryError;
use crate::model::{Field, Subject};

/// Facts of one subject.
pub(super) type Facts<'a> = Vec<(Field, &'a str)>;

/// The columns of an address.
#[derive(Clone, Copy)]
struct Postal {
    line: Column,
    number: Column,
    repetition: Column,
    kind: Column,
    name: Column,
    postal_code: Column,
    commune: Column,
    town: Column,
    cedex: Column,
    country: Column,
}

/// Reads `PS_LibreAcces_Personne_activite`: a row is a person in one structure.
pub(super) fn activities(
    text: &mut dyn BufRead,
    path: &Path,
    intake: &mut Intake,
) -> Result<(), DirectoryError> {
    let mut table = Table::open(text, b'|', false, path)?;
    let [
        national,
        family,
        given,
        profession,
        mode,
        structure,
        finess,
        name,
        postal_code,
        commune,
        town,
    ] = table.columns([
        &["identification nationale pp"],
        &["nom d exercice"],
        &["prenom d exercice"],
        &["code profession"],
        &["code mode exercice"],
        &["identifiant technique de la structure"],
        &["numero finess site"],
        &["raison sociale site"],
        &["code postal coord structure"],
        &["code commune coord structure"],
        &["libelle commune coord structure"],
    ])?;
    let columns = Columns {
        national,
        family,
        given,
        profession,
        mode,
        structure,
        finess,
        name,
        postal: Postal {
            line: table.optional(&["complement point geographique coord structure"]),
            number: table.optional(&["numero voie coord structure"]),
            repetition: table.optional(&["indice repetition voie coord structure"]),
            kind: table.optional(&["libelle type de voie coord structure"]),
            name: table.optional(&["libelle voie coord structure"]),
            postal_code,
            commune,
            town,
            cedex: table.optional(&["bureau cedex coord structure"]),
            country: table.optional(&["libelle pays coord structure"]),
        },
        civility: table.optional(&["code civilite d exercice"]),
        profession_label: table.optional(&["libelle profession"]),
        skill_kind: table.optional(&["code type savoir faire"]),
        skill: table.optional(&["code savoir faire"]),
        skill_label: table.optional(&["libelle savoir faire"]),
        function: table.optional(&["code role", "code fonction"]),
        function_label: table.optional(&["libelle role", "libelle fonction"]),
        sector: table.optional(&["code secteur d activite"]),
        sector_label: table.optional(&["libelle secteur d activite"]),
        siret: table.optional(&["numero siret site"]),
        legal_finess: table.optional(&["numero finess etablissement juridique"]),
        trade_name: table.optional(&["enseigne commerciale site"]),
        phone: table.optional(&["telephone coord structure"]),
        second_phone: table.optional(&["telephone 2 coord structure"]),
        fax: table.optional(&["telecopie coord structure"]),
        email: table.optional(&["adresse e mail coord structure"]),
    };
    let mut seen = Seen::default();
    table.each(intake, |row, intake| {
        activity(row, &columns, &mut seen, intake)
    })
}

struct Columns {
    national: Column,
    family: Column,
    given: Column,
    profession: Column,
    mode: Column,
    structure: Column,
    finess: Column,
    name: Column,
    postal: Postal,
    civility: Column,
    profession_label: Column,
    skill_kind: Column,
    skill: Column,
    skill_label: Column,
    function: Column,
    function_label: Column,
    sector: Column,
    sector_label: Column,
    siret: Column,
    legal_finess: Column,
    trade_name: Column,
    phone: Column,
    second_phone: Column,
    fax: Column,
    email: Column,
}

/// What was already said, so that it is not sorted again and again.
#[derive(Default)]
pub(super) struct Seen {
    structures: HashSet<u64>,
    labels: HashSet<u64>,
    last_person: u64,
}

impl Seen {
    /// Says the label of a code once.
    pub(super) fn label(
        &mut self,
        table: &str,
        code: &str,
        label: &str,
        intake: &mut Intake,
    ) -> Result<(), DirectoryError> {
        if !code.is_empty() && !label.is_empty() && self.labels.insert(hash(&(table, code))) {
            let facts = [(Field::Name, label)];
            intake.claim(&Subject::label(table, code), facts.into_iter())?;
        }
        Ok(())
    }

    /// Whether this is said of a structure for the first time.
    pub(super) fn is_new_structure(&mut self, subject: &Subject, facts: &Facts<'_>) -> bool {
        self.structures.insert(hash(&(subject.key(), facts)))
    }
}

fn hash(what: &impl std::hash::Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

fn activity(row: &Row<'_>, columns: &Columns, seen: &mut Seen, intake: &mut Intake) -> Taken {
    let person = match person_of(row.get(columns.national)) {
        Ok(person) => person,
        Err(reason) => return Ok(Err(reason)),
    };
    let get = |column| row.get(column);
    if get(columns.family).is_empty() {
        return Ok(Err("it has no family name"));
    }
    let mut facts: Facts<'_> = Vec::with_capacity(16);
    push(&mut facts, Field::FamilyName, get(columns.family));
    push(&mut facts, Field::GivenName, get(columns.given));
    push(&mut facts, Field::Civility, civility(get(columns.civility)));
    let said = hash(&(person.key(), &facts));
    if seen.last_person != said {
        seen.last_person = said;
        intake.claim(&person, facts.iter().copied())?;
    }
    let structure = structure(row, columns, seen, intake)?;
    facts.clear();
    let skill = match (get(columns.skill_kind), get(columns.skill)) {
        (_, "") => String::new(),
        (kind, code) => format!("{kind}/{code}"),
    };
    let address = Address::of(row, &columns.postal);
    push(&mut facts, Field::Profession, get(columns.profession));
    push(&mut facts, Field::Speciality, &skill);
    push(&mut facts, Field::Function, get(columns.function));
    push(&mut facts, Field::Mode, get(columns.mode));
    push(&mut facts, Field::Sector, get(columns.sector));
    push(
        &mut facts,
        Field::Organisation,
        structure.as_ref().map_or("", Subject::key),
    );
    push(&mut facts, Field::PostalCode, address.postal_code);
    push(&mut facts, Field::Commune, address.commune);
    push(&mut facts, Field::Town, address.town);
    push(&mut facts, Field::Phone, get(columns.phone));
    seen.label(
        "profession",
        get(columns.profession),
        get(columns.profession_label),
        intake,
    )?;
    seen.label("speciality", &skill, get(columns.skill_label), intake)?;
    seen.label(
        "function",
        get(columns.function),
        get(columns.function_label),
        intake,
    )?;
    seen.label(
        "sector",
        get(columns.sector),
        get(columns.sector_label),
        intake,
    )?;
    let place = [columns.structure, columns.finess, columns.siret]
        .into_iter()
        .map(get)
        .find(|id| !id.is_empty())
        .unwrap_or("none");
    let key = format!("{place}|{}|{}", get(columns.profession), get(columns.mode));
    intake.claim(&person.role(&key), facts.into_iter())?;
    Ok(Ok(()))
}

/// Says what a row says of its structure.
fn structure(
    row: &Row<'_>,
    columns: &Columns,
    seen: &mut Seen,
    intake: &mut Intake,
) -> Result<Option<Subject>, DirectoryError> {
    let get = |column| row.get(column);
    let Some(subject) = structure_of(
        get(columns.finess),
        get(columns.siret),
        get(columns.structure),
    ) else {
        return Ok(None);
    };
    let name = [get(columns.name), get(columns.trade_name)]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    let address = Address::of(row, &columns.postal);
    let siret = identifier("siret", get(columns.siret));
    let technical = identifier("structure", get(columns.structure));
    let parent = Finess::parse(get(columns.legal_finess))
        .ok()
        .map(|finess| Subject::organisation_of_finess(&finess))
        .filter(|parent| *parent != subject);
    let mut facts: Facts<'_> = Vec::with_capacity(16);
    push(&mut facts, Field::Name, name);
    push(&mut facts, Field::TradeName, get(columns.trade_name));
    push(&mut facts, Field::Sector, get(columns.sector));
    push(&mut facts, Field::Identifier, &siret);
    push(&mut facts, Field::Identifier, &technical);
    push(
        &mut facts,
        Field::Parent,
        parent.as_ref().map_or("", Subject::key),
    );
    address.push(&mut facts);
    push(&mut facts, Field::Phone, get(columns.phone));
    push(&mut facts, Field::Phone, get(columns.second_phone));
    push(&mut facts, Field::Fax, get(columns.fax));
    push(&mut facts, Field::Email, get(columns.email));
    if seen.is_new_structure(&subject, &facts) {
        intake.claim(&subject, facts.into_iter())?;
    }
    Ok(Some(subject))
}

/// Reads `PS_LibreAcces_SavoirFaire`: a row is a skill of a person.
pub(super) fn skills(
    text: &mut dyn BufRead,
    path: &Path,
    intake: &mut Intake,
) -> Result<(), DirectoryError> {
    let mut table = Table::open(text, b'|', false, path)?;
    let [national, kind, code] = table.columns([
        &["identification nationale pp"],
        &["code type savoir faire"],
        &["code savoir faire"],
    ])?;
    let label = table.optional(&["libelle savoir faire"]);
    let mut seen = Seen::default();
    table.each(intake, |row, intake| {
        let person = match person_of(row.get(national)) {
            Ok(_) if row.get(code).is_empty() => return Ok(Err("it has no skill")),
            Ok(person) => person,
            Err(reason) => return Ok(Err(reason)),
        };
        let skill = format!("{}/{}", row.get(kind), row.get(code));
        seen.label("speciality", &skill, row.get(label), intake)?;
        intake.claim(&person, [(Field::Speciality, skill.as_str())].into_iter())?;
        Ok(Ok(()))
    })
}

/// The person of a national identifier: `8` and eleven digits.
pub(super) fn person_of(national: &str) -> Result<Subject, &'static str> {
    match national.split_at_checked(1) {
        Some(("8", digits)) => Rpps::parse(digits)
            .map(|rpps| Subject::person_of_rpps(&rpps))
            .map_err(|_| "its national identifier is not 8 and eleven digits"),
        Some(("0", _)) => Err("it is of the former ADELI register"),
        _ => Err("its national identifier is not 8 and eleven digits"),
    }
}

/// The structure with the first of the identifiers that is there.
pub(super) fn structure_of(finess: &str, siret: &str, technical: &str) -> Option<Subject> {
    if let Ok(finess) = Finess::parse(finess) {
        return Some(Subject::organisation_of_finess(&finess));
    }
    if siret.len() == 14 && siret.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Subject::organisation_of("siret", siret));
    }
    (!technical.is_empty()).then(|| Subject::organisation_of("structure", technical))
}

/// Adds a fact when there is something to say.
pub(super) fn push<'a>(facts: &mut Facts<'a>, field: Field, value: &'a str) {
    if !value.is_empty() {
        facts.push((field, value));
    }
}

/// `SYSTEM:VALUE`, or nothing.
pub(super) fn identifier(system: &str, value: &str) -> String {
    match value {
        "" => String::new(),
        value => format!("{system}:{value}"),
    }
}

fn civility(code: &str) -> &str {
    match code {
        "DR" => "Dr",
        "PR" => "Pr",
        "MME" => "Mme",
        "MLLE" => "Mlle",
        other => other,
    }
}

/// An address taken from its columns.
pub(super) struct Address<'a> {
    line: &'a str,
    street: String,
    postal_code: &'a str,
    commune: &'a str,
    town: &'a str,
    country: &'a str,
}

impl<'a> Address<'a> {
    fn of(row: &Row<'a>, columns: &Postal) -> Self {
        let get = |column| row.get(column);
        let (cedex_code, cedex_town) = postal_line(get(columns.cedex));
        let or = |first: &'a str, second: &'a str| if first.is_empty() { second } else { first };
        let country = get(columns.country);
        Self {
            line: get(columns.line),
            street: joined(&[
                get(columns.number),
                get(columns.repetition),
                get(columns.kind),
                get(columns.name),
            ]),
            postal_code: or(get(columns.postal_code), cedex_code),
            commune: get(columns.commune),
            town: or(get(columns.town), cedex_town),
            country: if country.eq_ignore_ascii_case("france") {
                ""
            } else {
                country
            },
        }
    }

    fn push<'b>(&'b self, facts: &mut Facts<'b>) {
        push(facts, Field::AddressLine, self.line);
        push(facts, Field::Street, &self.street);
        push(facts, Field::PostalCode, self.postal_code);
        push(facts, Field::Commune, self.commune);
        push(facts, Field::Town, self.town);
        push(facts, Field::Country, self.country);
    }
}

/// The parts that are there, parted by spaces.
pub(super) fn joined(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(part);
    }
    text
}

/// The postal code and the town of a line such as `52100 SAINT DIZIER CEDEX`.
pub(super) fn postal_line(line: &str) -> (&str, &str) {
    match line.split_once(' ') {
        Some((code, town)) if code.len() == 5 && code.bytes().all(|b| b.is_ascii_digit()) => {
            let town = town.trim();
            let end = town.find(" CEDEX").unwrap_or(town.len());
            (code, town.get(..end).unwrap_or(town))
        }
        _ => ("", line),
    }
}
