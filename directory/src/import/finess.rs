//! The register of establishments: the former CSV without a header (`etalab-cs1100502`) and
//! FINESS+ (JSON, « structures »).

use std::fmt;
use std::io::BufRead;
use std::path::Path;

use liaison_directory_client::Finess;
use serde::Deserialize;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use time::{Date, OffsetDateTime};

use super::prepare::Intake;
use super::rpps::{Facts, Seen, identifier, joined, postal_line, push};
use crate::error::DirectoryError;
use crate::model::{Field, Subject, codes};

/// The fields of a row of the former file, as published: the row has no names.
const WIDTH: usize = 32;
/// The longest row, in octets.
const MAX_ROW: usize = 64 * 1024;

/// Reads the former CSV; gives the date of its first line (`finess;etalab;111;2026-05-12`).
pub(super) fn former(
    text: &mut dyn BufRead,
    path: &Path,
    intake: &mut Intake,
) -> Result<Option<OffsetDateTime>, DirectoryError> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(b';')
        .quoting(false)
        .flexible(true)
        .has_headers(false)
        .from_reader(text);
    let mut record = csv::ByteRecord::new();
    let mut seen = Seen::default();
    let mut date = None;
    let mut is_first = true;
    while reader
        .read_byte_record(&mut record)
        .map_err(|error| unreadable(path, std::io::Error::other(error)))?
    {
        let line = record.position().map_or(0, csv::Position::line);
        let fields: Option<Vec<&str>> = record
            .iter()
            .map(|field| std::str::from_utf8(field).ok().map(str::trim))
            .collect();
        let kind = record.get(0).unwrap_or_default();
        if std::mem::take(&mut is_first) {
            if kind != b"finess" {
                return Err(DirectoryError::Columns {
                    path: path.to_owned(),
                    problem: "its first line does not begin with `finess;`".to_owned(),
                });
            }
            date = fields
                .and_then(|fields| codes::date(fields.last()?))
                .map(|day: Date| day.midnight().assume_utc());
            continue;
        }
        // Rows of places, in a system of coordinates of their own, follow in some editions.
        if kind == b"geolocalisation" {
            continue;
        }
        intake.rows += 1;
        let taken = match fields {
            _ if record.as_slice().len() > MAX_ROW => Err("it is longer than 64 KiB"),
            None => Err("it is not UTF-8"),
            Some(fields) if kind != b"structureet" || fields.len() < WIDTH => {
                Err("it is not a row of a structure with 32 fields")
            }
            Some(fields) => establishment(&fields, &mut seen, intake)?,
        };
        if let Err(reason) = taken {
            intake.quarantine.add(reason, line);
        }
    }
    Ok(date)
}

fn establishment(
    fields: &[&str],
    seen: &mut Seen,
    intake: &mut Intake,
) -> Result<Result<(), &'static str>, DirectoryError> {
    let get = |index: usize| fields.get(index).copied().unwrap_or_default();
    let Ok(finess) = Finess::parse(get(1)) else {
        return Ok(Err("its FINESS number is not nine characters"));
    };
    let name = [get(4), get(3)]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    if name.is_empty() {
        return Ok(Err("it has no name"));
    }
    let parent = Finess::parse(get(2))
        .ok()
        .map(|finess| Subject::organisation_of_finess(&finess));
    let street = joined(&[get(7), get(8), get(9), get(10)]);
    // The département and three digits make the INSEE code.
    let commune = if get(12).len() == 3 {
        format!("{}{}", get(13), get(12))
    } else {
        String::new()
    };
    let (postal_code, town) = postal_line(get(15));
    let siret = identifier("siret", get(22));
    let mut facts: Facts<'_> = Vec::with_capacity(16);
    push(&mut facts, Field::Name, name);
    push(&mut facts, Field::Category, get(18));
    push(&mut facts, Field::Identifier, &siret);
    push(
        &mut facts,
        Field::Parent,
        parent.as_ref().map_or("", Subject::key),
    );
    push(&mut facts, Field::AddressLine, get(11));
    push(&mut facts, Field::Street, &street);
    push(&mut facts, Field::PostalCode, postal_code);
    push(&mut facts, Field::Commune, &commune);
    push(&mut facts, Field::Town, town);
    push(&mut facts, Field::Phone, get(16));
    push(&mut facts, Field::Fax, get(17));
    seen.label("category", get(18), get(19), intake)?;
    intake.claim(&Subject::organisation_of_finess(&finess), facts.into_iter())?;
    Ok(Ok(()))
}

/// Reads FINESS+ JSON structure by structure; gives the date of its `generatedAt`.
pub(super) fn plus(
    text: &mut dyn BufRead,
    path: &Path,
    intake: &mut Intake,
) -> Result<Option<OffsetDateTime>, DirectoryError> {
    let mut read = Read {
        intake,
        date: None,
        has_structures: false,
        failed: None,
    };
    let mut reader = serde_json::Deserializer::from_reader(text);
    let parsed = (&mut read).deserialize(&mut reader);
    let Read {
        date,
        has_structures,
        failed,
        ..
    } = read;
    if let Some(error) = failed {
        return Err(error);
    }
    parsed
        .and_then(|()| reader.end())
        .map_err(|error| unreadable(path, std::io::Error::other(error)))?;
    if !has_structures {
        return Err(DirectoryError::Columns {
            path: path.to_owned(),
            problem: "it lacks the list `pmej`".to_owned(),
        });
    }
    Ok(date)
}

struct Read<'a> {
    intake: &'a mut Intake,
    date: Option<OffsetDateTime>,
    has_structures: bool,
    failed: Option<DirectoryError>,
}

impl<'de> DeserializeSeed<'de> for &mut Read<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Read<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the object of a FINESS+ file")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "generatedAt" => self.date = codes::instant(&map.next_value::<String>()?),
                "pmej" => {
                    self.has_structures = true;
                    map.next_value_seed(Structures(self))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct Structures<'a, 'b>(&'a mut Read<'b>);

impl<'de> DeserializeSeed<'de> for Structures<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Structures<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of legal entities")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(legal) = list.next_element::<LegalEntity>()? {
            if let Err(error) = legal_entity(&legal, self.0.intake) {
                self.0.failed = Some(error);
                return Err(serde::de::Error::custom("the import stopped"));
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct LegalEntity {
    #[serde(rename = "informationsGeneralesPMEJ", default)]
    about: LegalAbout,
    #[serde(default)]
    adresse: Vec<PlusAddress>,
    #[serde(default)]
    contact: Vec<Contact>,
    #[serde(default)]
    ege: Vec<Establishment>,
    #[serde(rename = "etatObjet", default)]
    state: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LegalAbout {
    #[serde(rename = "numFinessPm")]
    finess: String,
    #[serde(rename = "denominationLonguePmSmsse")]
    long_name: String,
    #[serde(rename = "denominationPm")]
    name: String,
    siren: String,
}

#[derive(Deserialize)]
struct Establishment {
    #[serde(rename = "informationsGeneralesEGE", default)]
    about: EstablishmentAbout,
    #[serde(
        rename = "categorieEntiteGeographiqueExercice",
        alias = "categorieentiteGeographiqueExercice",
        default
    )]
    category: String,
    #[serde(default)]
    adresse: Vec<PlusAddress>,
    #[serde(default)]
    contact: Vec<Contact>,
    #[serde(rename = "etatObjet", default)]
    state: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct EstablishmentAbout {
    #[serde(rename = "numFinessEge")]
    finess: String,
    #[serde(rename = "nomEgeLong")]
    long_name: String,
    #[serde(rename = "nomEgeCourt")]
    name: String,
    siret: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PlusAddress {
    ligne_quatre: String,
    lieu_dit: String,
    cog_commune: String,
    code_postal: String,
    ligne_acheminement: String,
    coordonnees_geographique: Coordinates,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Coordinates {
    direction_latitude: String,
    direction_longitude: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Contact {
    telecom: Telecom,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Telecom {
    telephone: String,
}

fn legal_entity(legal: &LegalEntity, intake: &mut Intake) -> Result<(), DirectoryError> {
    let siren = identifier("siren", legal.about.siren.trim());
    let parent = said(
        Said {
            finess: &legal.about.finess,
            names: [&legal.about.long_name, &legal.about.name],
            identifier: &siren,
            category: "",
            parent: "",
            state: &legal.state,
        },
        &legal.adresse,
        &legal.contact,
        intake,
    )?;
    for one in &legal.ege {
        let siret = identifier("siret", one.about.siret.trim());
        said(
            Said {
                finess: &one.about.finess,
                names: [&one.about.long_name, &one.about.name],
                identifier: &siret,
                category: one.category.trim(),
                parent: parent.as_ref().map_or("", Subject::key),
                state: &one.state,
            },
            &one.adresse,
            &one.contact,
            intake,
        )?;
    }
    Ok(())
}

struct Said<'a> {
    finess: &'a str,
    names: [&'a String; 2],
    identifier: &'a str,
    category: &'a str,
    parent: &'a str,
    state: &'a str,
}

fn said(
    said: Said<'_>,
    addresses: &[PlusAddress],
    contacts: &[Contact],
    intake: &mut Intake,
) -> Result<Option<Subject>, DirectoryError> {
    intake.rows += 1;
    let Ok(finess) = Finess::parse(said.finess.trim()) else {
        intake
            .quarantine
            .add("its FINESS number is not nine characters", intake.rows);
        return Ok(None);
    };
    let name = said
        .names
        .into_iter()
        .map(|name| name.trim())
        .find(|name| !name.is_empty());
    let Some(name) = name else {
        intake.quarantine.add("it has no name", intake.rows);
        return Ok(None);
    };
    let mut facts: Facts<'_> = Vec::with_capacity(16);
    push(&mut facts, Field::Name, name);
    push(&mut facts, Field::Category, said.category);
    push(&mut facts, Field::Identifier, said.identifier);
    push(&mut facts, Field::Parent, said.parent);
    let place = addresses.first().map(|address| {
        let at = &address.coordonnees_geographique;
        (
            address,
            straight(&at.direction_latitude, &at.direction_longitude),
        )
    });
    if let Some((address, position)) = &place {
        push(&mut facts, Field::Street, address.ligne_quatre.trim());
        push(&mut facts, Field::AddressLine, address.lieu_dit.trim());
        push(&mut facts, Field::Commune, address.cog_commune.trim());
        push(&mut facts, Field::PostalCode, address.code_postal.trim());
        push(&mut facts, Field::Town, address.ligne_acheminement.trim());
        if let Some((latitude, longitude)) = position {
            push(&mut facts, Field::Latitude, latitude);
            push(&mut facts, Field::Longitude, longitude);
        }
    }
    for contact in contacts {
        push(&mut facts, Field::Phone, contact.telecom.telephone.trim());
    }
    if said.state == "I" {
        facts.push((Field::Active, "0"));
    }
    let subject = Subject::organisation_of_finess(&finess);
    intake.claim(&subject, facts.into_iter())?;
    Ok(Some(subject))
}

/// Degrees north and east. One edition had them exchanged: in France and its territories the
/// latitude of the mainland (41 to 52) is never a longitude, so that they can be told apart there;
/// anything that is no place on Earth is left out.
fn straight(latitude: &str, longitude: &str) -> Option<(String, String)> {
    let (a, b): (f64, f64) = (
        latitude.trim().parse().ok()?,
        longitude.trim().parse().ok()?,
    );
    let mainland = 41.0..52.0;
    let (north, east) = if mainland.contains(&b) && (-6.0..10.0).contains(&a) {
        (b, a)
    } else {
        (a, b)
    };
    ((-90.0..=90.0).contains(&north) && (-180.0..=180.0).contains(&east))
        .then(|| (north.to_string(), east.to_string()))
}

fn unreadable(path: &Path, cause: std::io::Error) -> DirectoryError {
    DirectoryError::Read {
        path: path.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanged_coordinates_are_put_straight() {
        let fresh = Some(("46.36".to_owned(), "6.13".to_owned()));
        assert_eq!(straight("46.36", "6.13"), fresh);
        assert_eq!(straight("6.13", "46.36"), fresh);
        assert_eq!(
            straight("-21.1", "55.5"),
            Some(("-21.1".into(), "55.5".into()))
        );
        assert_eq!(straight("6589480.53", "941342.52"), None);
        assert_eq!(straight("", ""), None);
    }
}
