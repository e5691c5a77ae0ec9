//! The files, column by column as they are published.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use super::names::{Identity, Workplace, surname};
use super::{Files, Registers, luhn};

const ACTIVITIES: &str = "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Code civilité d'exercice|Libellé civilité d'exercice|Code civilité|Libellé civilité|Nom d'exercice|Prénom d'exercice|Code profession|Libellé profession|Code catégorie professionnelle|Libellé catégorie professionnelle|Code type savoir-faire|Libellé type savoir-faire|Code savoir-faire|Libellé savoir-faire|Code mode exercice|Libellé mode exercice|Numéro SIRET site|Numéro SIREN site|Numéro FINESS site|Numéro FINESS établissement juridique|Identifiant technique de la structure|Raison sociale site|Enseigne commerciale site|Complément destinataire (coord. structure)|Complément point géographique (coord. structure)|Numéro Voie (coord. structure)|Indice répétition voie (coord. structure)|Code type de voie (coord. structure)|Libellé type de voie (coord. structure)|Libellé Voie (coord. structure)|Mention distribution (coord. structure)|Bureau cedex (coord. structure)|Code postal (coord. structure)|Code commune (coord. structure)|Libellé commune (coord. structure)|Code pays (coord. structure)|Libellé pays (coord. structure)|Téléphone (coord. structure)|Téléphone 2 (coord. structure)|Télécopie (coord. structure)|Adresse e-mail (coord. structure)|Code Département (structure)|Libellé Département (structure)|Ancien identifiant de la structure|Autorité d'enregistrement|Code secteur d'activité|Libellé secteur d'activité|Code section tableau pharmaciens|Libellé section tableau pharmaciens|Code rôle|Libellé rôle|Code genre activité|Libellé genre activité|";
const SKILLS: &str = "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Nom d'exercice|Prénom d'exercice|Code profession|Libellé profession|Code catégorie professionnelle|Libellé catégorie professionnelle|Code type savoir-faire|Libellé type savoir-faire|Code savoir-faire|Libellé savoir-faire";
const MAILBOXES: &str = "Type de BAL|Adresse BAL|Type Identifiant PP|Identifiant PP|Identification nationale PP|Type identifiant structure|Identification Structure|Service de rattachement|Civilité d'exercice|Nom d'exercice|Prénom d'exercice|Catégorie profession|Libellé de catégorie profession|Code Profession|Libellé Profession|Code savoir-faire|Libellé savoir-faire|Dématérialisation|Raison Sociale structure BAL|Enseigne commerciale structure BAL|L2COMPLEMENTLOCALISATION structure BAL|L3COMPLEMENTDISTRIBUTION structure BAL|L4NUMEROVOIE structure BAL|L4COMPLEMENTNUMEROVOIE structure BAL|NL4TYPEVOIE structure BAL|L4LIBELLEVOIE structure BAL|L5LIEUDITMENTION structure BAL|L6LIGNEACHEMINEMENT structure BAL|Code postal structure BAL|Département structure BAL|Pays structure BAL";
/// What mailboxes of organisations are for.
const SERVICES: &[&str] = &[
    "Coordination des admissions",
    "Secrétariat médical",
    "Service de cardiologie",
    "Laboratoire de biologie",
    "Urgences",
    "Direction",
    "Pharmacie à usage intérieur",
    "Hospitalisation à domicile",
    "",
];

pub(super) fn write(registers: &Registers, folder: &Path, day: &str) -> io::Result<Files> {
    let named = |name: &str, ending: &str| folder.join(format!("{name}_{day}0612.{ending}"));
    let files = Files {
        activities: named("PS_LibreAcces_Personne_activite", "txt"),
        skills: named("PS_LibreAcces_SavoirFaire", "txt"),
        mailboxes: named("Extraction_Correspondance_MSSante", "txt"),
        finess: named("etalab-cs1100502-stock", "csv"),
        finess_plus: named("structures", "json"),
        communes: named("communes", "csv"),
    };
    let out =
        |path: &Path| Ok::<_, io::Error>(BufWriter::with_capacity(1 << 20, File::create(path)?));
    let mut activities = out(&files.activities)?;
    let mut skills = out(&files.skills)?;
    let mut mailboxes = out(&files.mailboxes)?;
    writeln!(activities, "{ACTIVITIES}")?;
    writeln!(skills, "{SKILLS}")?;
    writeln!(mailboxes, "{MAILBOXES}")?;
    for number in 0..registers.size.people {
        let person = registers.identity(number);
        for line in 0..registers.lines(number) {
            activity(registers, &mut activities, &person, (number, line))?;
        }
        if person.profession.0 == "10" && number.is_multiple_of(4) {
            skill(registers, &mut skills, &person, number)?;
        }
        personal(registers, &mut mailboxes, &person, number)?;
    }
    for number in 0..registers.size.establishments {
        organisational(registers, &mut mailboxes, number)?;
    }
    for mut file in [activities, skills, mailboxes] {
        file.flush()?;
    }
    establishments(registers, out(&files.finess)?, day)?;
    structures(registers, out(&files.finess_plus)?, day)?;
    communes(registers, out(&files.communes)?)?;
    Ok(files)
}

fn titles(person: &Identity) -> [&'static str; 4] {
    let (code, label) = if person.profession.3 {
        ("DR", "Docteur")
    } else {
        ("", "")
    };
    let (sex, spoken) = if person.woman {
        ("MME", "Madame")
    } else {
        ("M", "Monsieur")
    };
    [code, label, sex, spoken]
}

/// One line of `PS_LibreAcces_Personne_activite`.
fn activity(
    registers: &Registers,
    out: &mut impl Write,
    person: &Identity,
    (number, line): (u32, u32),
) -> io::Result<()> {
    let [code, label, sex, spoken] = titles(person);
    let (profession, words) = (person.profession.0, person.profession.1);
    let (skill_type, skill_words, skill, skill_label) = if profession == "10" {
        let (skill, label) = registers.speciality(number, 0);
        ("S", "Spécialité ordinale", skill, label)
    } else {
        ("", "", "", "")
    };
    let (rpps, family, given) = (&person.rpps, &person.family, &person.given);
    let place = registers.place(number, line);
    let (mode, mode_words) = match place {
        Some(Workplace::Cabinet { .. }) => ("L", "Libéral"),
        _ => ("S", "Salarié"),
    };
    write!(
        out,
        "8|{rpps}|8{rpps}|{code}|{label}|{sex}|{spoken}|{family}|{given}|{profession}|{words}|C|Civil|{skill_type}|{skill_words}|{skill}|{skill_label}|{mode}|{mode_words}|"
    )?;
    let Some(place) = place else {
        // Nobody's address is known: retired, replacing, or salaried without a declared place.
        return writeln!(
            out,
            "{}CNOM|||||||GENR01|Activité standard de soin|",
            "|".repeat(28)
        );
    };
    let town = registers.town(place.town());
    let (postal_code, commune, name) = (&town.postal_code, &town.code, &town.name);
    let department = postal_code.get(..2).unwrap_or_default();
    let street = surname(number % 4_000);
    let (house, phone) = (1 + number % 120, format!("0{:09}", 100_000_000 + number));
    let capitals = name.to_uppercase();
    match place {
        Workplace::Establishment { number, .. } => {
            let one = registers.establishment(number);
            let (siret, finess, legal) = (&one.siret, &one.finess, &one.legal);
            let siren = siret.get(..9).unwrap_or_default();
            let phone = format!("0{:09}", 400_000_000 + number);
            let house = 1 + number % 200;
            let street = surname(number % 3_000);
            let (sector, label) = one.sector;
            writeln!(
                out,
                "{siret}|{siren}|{finess}|{legal}|F{finess}|{}||||{house}||R|RUE|DU {street}||{postal_code} {capitals}|{postal_code}|{commune}|{name}||France|{phone}||||{department}|Département {department}||FINESS|{sector}|{label}|||||GENR01|Activité standard de soin|",
                one.name
            )
        }
        Workplace::Cabinet { key, .. } => {
            // Half of the cabinets are known by a SIRET, the others by a technical number.
            let siret = if key % 2 == 0 {
                luhn(&format!("998{key:010}"))
            } else {
                String::new()
            };
            let siren = siret.get(..9).unwrap_or_default();
            let mail = if key.is_multiple_of(9) {
                format!("cabinet{key}@example.test")
            } else {
                String::new()
            };
            writeln!(
                out,
                "{siret}|{siren}|||R{key:014}|CABINET {family}||||{house}|{}|R|RUE|DU {street}||{postal_code} {capitals}|{postal_code}|{commune}|{name}|||{phone}|||{mail}|{department}|Département {department}||CNOM|SA07|Cabinet individuel|||||GENR01|Activité standard de soin|",
                if key.is_multiple_of(17) { "B" } else { "" },
            )
        }
    }
}

fn skill(
    registers: &Registers,
    out: &mut impl Write,
    person: &Identity,
    number: u32,
) -> io::Result<()> {
    let (rpps, family, given) = (&person.rpps, &person.family, &person.given);
    let (code, label) = registers.speciality(number, 1);
    writeln!(
        out,
        "8|{rpps}|8{rpps}|{family}|{given}|10|Médecin|C|Civil|S|Spécialité ordinale|{code}|{label}"
    )
}

/// A person's mailbox, if there is one.
fn personal(
    registers: &Registers,
    out: &mut impl Write,
    person: &Identity,
    number: u32,
) -> io::Result<()> {
    let Some(address) = registers.address(number, person) else {
        return Ok(());
    };
    let (rpps, family, given) = (&person.rpps, &person.family, &person.given);
    let [civility, ..] = titles(person);
    let (profession, words) = (person.profession.0, person.profession.1);
    // 169 of 455,471 stand on several lines.
    let times = if number.is_multiple_of(2_700) { 2 } else { 1 };
    for _ in 0..times {
        writeln!(
            out,
            "PER|{address}|8|{rpps}|8{rpps}||||{civility}|{family}|{given}|C|Civil|{profession}|{words}|||O|||||||||||||"
        )?;
    }
    Ok(())
}

/// The mailboxes of an establishment: none for half of them, many for a hospital.
fn organisational(registers: &Registers, out: &mut impl Write, number: u32) -> io::Result<()> {
    let mut draw = registers.draw("boxes", number.into());
    let one = registers.establishment(number);
    let count = match one.category.0 {
        "355" => 4 + draw.below(12),
        _ if draw.percent(45) => 1,
        _ => 0,
    };
    let town = registers.town(one.town);
    let domain = registers.domain(&mut draw);
    for at in 0..count {
        let service = SERVICES[(number + at) as usize % SERVICES.len()];
        let (finess, name, postal_code) = (&one.finess, &one.name, &town.postal_code);
        writeln!(
            out,
            "ORG|boite{at}.{number:x}@{domain}||||1|{finess}|{service}|||||||||||{name}||||{}||RUE|DU {}||{postal_code} {}|{postal_code}|{}|France",
            1 + number % 200,
            surname(number % 3_000),
            town.name.to_uppercase(),
            postal_code.get(..2).unwrap_or_default(),
        )?;
    }
    Ok(())
}

fn dashed(day: &str) -> String {
    let part = |range| day.get(range).unwrap_or_default();
    format!("{}-{}-{}", part(0..4), part(4..6), part(6..8))
}

/// FINESS as it was published until FINESS+.
fn establishments(registers: &Registers, mut out: impl Write, day: &str) -> io::Result<()> {
    let date = dashed(day);
    writeln!(out, "finess;etalab;111;{date}")?;
    for number in 0..registers.size.establishments {
        let one = registers.establishment(number);
        let town = registers.town(one.town);
        let department = town.code.get(..2).unwrap_or_default();
        writeln!(
            out,
            "structureet;{};{};{};{};;;{};R;DU {};;;{};{department};DEPARTEMENT {department};{} {};0{:09};;{};{};1102;Groupe;{};8610Z;54;Tarif;1;Public;1990-01-01;1990-01-01;{date};",
            one.finess,
            one.legal,
            one.name.chars().take(38).collect::<String>(),
            one.name,
            1 + number % 200,
            surname(number % 3_000),
            town.code.get(2..).unwrap_or_default(),
            town.postal_code,
            town.name.to_uppercase(),
            400_000_000 + number,
            one.category.0,
            one.category.1,
            one.siret,
        )?;
    }
    out.flush()
}

/// FINESS+: legal entities with their establishments.
fn structures(registers: &Registers, mut out: impl Write, day: &str) -> io::Result<()> {
    write!(
        out,
        "{{\"generatedAt\":\"{}T06:12:00Z\",\"pmej\":[",
        dashed(day)
    )?;
    for first in (0..registers.size.establishments).step_by(3) {
        let legal = registers.establishment(first);
        let places: Vec<serde_json::Value> = (first..first + 3)
            .take_while(|number| *number < registers.size.establishments)
            .map(|number| {
                let one = registers.establishment(number);
                let town = registers.town(one.town);
                serde_json::json!({
                    "informationsGeneralesEGE": {"numFinessEge": one.finess, "nomEgeLong": one.name, "siret": one.siret},
                    "categorieEntiteGeographiqueExercice": one.category.0,
                    "etatObjet": "A",
                    "adresse": [{"ligneQuatre": format!("{} RUE DU {}", 1 + number % 200, surname(number % 3_000)), "cogCommune": town.code, "codePostal": town.postal_code, "ligneAcheminement": town.name.to_uppercase(), "coordonneesGeographique": {"directionLatitude": town.north.to_string(), "directionLongitude": town.east.to_string()}}],
                    "contact": [{"telecom": {"telephone": format!("0{:09}", 400_000_000 + number)}}],
                })
            })
            .collect();
        let entity = serde_json::json!({
            "informationsGeneralesPMEJ": {"numFinessPm": legal.legal, "denominationLonguePmSmsse": format!("GESTION {}", legal.name), "siren": legal.siret.get(..9)},
            "etatObjet": "A",
            "ege": places,
        });
        if first > 0 {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut out, &entity).map_err(io::Error::other)?;
    }
    out.write_all(b"]}\n")?;
    out.flush()
}

fn communes(registers: &Registers, mut out: impl Write) -> io::Result<()> {
    writeln!(out, "code_insee;nom;code_postal;latitude;longitude")?;
    for number in 0..registers.size.towns {
        let town = registers.town(number);
        writeln!(
            out,
            "{};{};{};{:.4};{:.4}",
            town.code, town.name, town.postal_code, town.north, town.east
        )?;
    }
    out.flush()
}
