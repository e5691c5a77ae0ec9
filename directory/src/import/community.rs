//! A community's own list: those whom no register knows too.

use std::io::BufRead;
use std::path::Path;

use liaison_directory_client::{Finess, Purpose, Rpps};
use liaison_mail::Address;

use super::delimited::{Table, Taken, delimiter_of};
use super::prepare::Intake;
use super::rpps::{Facts, push};
use crate::error::DirectoryError;
use crate::model::{Field, Subject, codes};

/// An empty list with its columns and an example of each kind of row, as
/// `liaison directory template` prints it.
pub const TEMPLATE: &str = "\
type;identifiant;nom;prenom;activite;rpps;finess;structure;service;rue;code_postal;commune;code_insee;telephone;adresse_mss;type_bal;usage;description;site
structure;ccas-1;CCAS de Valfictif;;Centre communal d'action sociale;;;;;1 place de la Mairie;99001;Valfictif;99001;0100000000;ccas@valfictif.test;ORG;;Aide à domicile, portage de repas;https://valfictif.test
personne;as-1;EXEMPLE;Camille;Assistante sociale;;;ccas-1;;;99001;Valfictif;99001;0100000001;camille.exemple@valfictif.test;PER;;;
service;ccas-1-repas;Portage de repas;;;;;ccas-1;;;;;;0100000002;repas@valfictif.test;ORG;discharge;;
";

/// Reads a list with the columns of [`TEMPLATE`]; the delimiter is `;`, `,` or a tabulation.
pub(super) fn community(
    text: &mut dyn BufRead,
    path: &Path,
    list: &str,
    intake: &mut Intake,
) -> Result<(), DirectoryError> {
    let delimiter = delimiter_of(text, b";,\t", path)?;
    let mut table = Table::open(text, delimiter, true, path)?;
    let [kind, id, name] = table.columns([&["type"], &["identifiant"], &["nom"]])?;
    let optional = [
        "prenom",
        "activite",
        "rpps",
        "finess",
        "structure",
        "rue",
        "code postal",
        "commune",
        "code insee",
        "telephone",
        "adresse mss",
        "type bal",
        "usage",
        "description",
        "site",
    ]
    .map(|name| table.optional(&[name]));
    table.each(intake, |row, intake| {
        let required = [row.get(kind), row.get(id), row.get(name)];
        let fields = optional.map(|column| row.get(column));
        entry(list, required, fields, intake)
    })
}

fn entry(
    list: &str,
    [kind, id, name]: [&str; 3],
    fields: [&str; 15],
    intake: &mut Intake,
) -> Taken {
    let [
        given,
        activity,
        rpps,
        finess,
        structure,
        street,
        postal_code,
        town,
        commune,
        phone,
        address,
        mailbox,
        usage,
        description,
        url,
    ] = fields;
    if id.is_empty() || name.is_empty() {
        return Ok(Err("it has no identifiant or no nom"));
    }
    let employer = match structure {
        "" => None,
        text => Some(match Finess::parse(text) {
            Ok(finess) => Subject::organisation_of_finess(&finess),
            Err(_) => Subject::organisation_of(list, text),
        }),
    };
    let identity = format!("id:{id}");
    let mut facts: Facts<'_> = Vec::with_capacity(16);
    push(&mut facts, Field::Activity, activity);
    push(&mut facts, Field::Identifier, &identity);
    push(&mut facts, Field::Street, street);
    push(&mut facts, Field::PostalCode, postal_code);
    push(&mut facts, Field::Town, town);
    push(&mut facts, Field::Commune, commune);
    push(&mut facts, Field::Phone, phone);
    push(&mut facts, Field::Description, description);
    push(&mut facts, Field::Url, url);
    let owner = match kind {
        "personne" => {
            let person = match rpps {
                "" => Subject::local_person(list, id),
                digits => match Rpps::parse(digits) {
                    Ok(rpps) => Subject::person_of_rpps(&rpps),
                    Err(_) => return Ok(Err("its RPPS number is not eleven digits")),
                },
            };
            let mut named: Facts<'_> = Vec::new();
            push(&mut named, Field::FamilyName, name);
            push(&mut named, Field::GivenName, given);
            intake.claim(&person, named.into_iter())?;
            push(
                &mut facts,
                Field::Organisation,
                employer.as_ref().map_or("", Subject::key),
            );
            person.role(id)
        }
        "structure" => {
            push(&mut facts, Field::Name, name);
            match finess {
                "" => Subject::organisation_of(list, id),
                text => match Finess::parse(text) {
                    Ok(finess) => Subject::organisation_of_finess(&finess),
                    Err(_) => return Ok(Err("its FINESS number is not nine characters")),
                },
            }
        }
        "service" => {
            push(&mut facts, Field::Name, name);
            match employer {
                Some(employer) => employer.service(id),
                None => return Ok(Err("a service needs its structure")),
            }
        }
        _ => return Ok(Err("its type is not personne, structure or service")),
    };
    // Checked before anything is said, so that a row is taken whole or not at all.
    let box_address = match address {
        "" => None,
        text => match Address::parse(text) {
            Ok(address) => Some(address),
            Err(_) => return Ok(Err("its adresse_mss is not a mail address")),
        },
    };
    let mut purposes = Vec::new();
    for word in usage.split([',', ' ']).filter(|word| !word.is_empty()) {
        match Purpose::parse(word) {
            Ok(_) => purposes.push(word),
            Err(_) => return Ok(Err("its usage is not made of words such as discharge")),
        }
    }
    intake.claim(&owner, facts.into_iter())?;
    match box_address {
        Some(address) => secure_mailbox(&owner, &address, mailbox, &purposes, intake),
        None => Ok(Ok(())),
    }
}

fn secure_mailbox(
    owner: &Subject,
    address: &Address,
    kind: &str,
    purposes: &[&str],
    intake: &mut Intake,
) -> Taken {
    let kind = match kind {
        "" if owner.kind() == crate::model::Kind::Role => "PER",
        "" => "ORG",
        word if codes::mailbox_kind(word).is_some() => word,
        _ => return Ok(Err("its type_bal is not PER, ORG, APP or CAB")),
    };
    let said = address.to_string();
    let mut facts: Facts<'_> = vec![(Field::Address, &said), (Field::MailboxType, kind)];
    facts.extend(purposes.iter().map(|word| (Field::Purpose, *word)));
    intake.claim(&owner.mailbox(address), facts.into_iter())?;
    Ok(Ok(()))
}

/// Reads a table of towns: code, name, postal code and the place of the centre. Its columns bear
/// the names of the INSEE's, La Poste's or the plain ones.
pub(super) fn communes(
    text: &mut dyn BufRead,
    path: &Path,
    intake: &mut Intake,
) -> Result<(), DirectoryError> {
    let delimiter = delimiter_of(text, b",;", path)?;
    let mut table = Table::open(text, delimiter, true, path)?;
    let [code, name, north, east] = table.columns([
        &["code insee", "code commune insee", "insee com", "code"],
        &["nom", "nom commune", "nom de la commune", "nom standard"],
        &["latitude", "lat", "latitude centre"],
        &["longitude", "lon", "longitude centre"],
    ])?;
    let postal_code = table.optional(&["code postal", "codes postaux"]);
    table.each(intake, |row, intake| {
        let is_place = |text: &str, most: f64| {
            text.parse::<f64>()
                .is_ok_and(|degrees| degrees.abs() <= most)
        };
        if row.get(code).len() != 5 || row.get(name).is_empty() {
            return Ok(Err("it has no code of five characters or no name"));
        }
        if !is_place(row.get(north), 90.0) || !is_place(row.get(east), 180.0) {
            return Ok(Err("its centre is no place on Earth"));
        }
        let mut facts: Facts<'_> = Vec::with_capacity(4);
        push(&mut facts, Field::Name, row.get(name));
        push(&mut facts, Field::PostalCode, row.get(postal_code));
        push(&mut facts, Field::Latitude, row.get(north));
        push(&mut facts, Field::Longitude, row.get(east));
        intake.claim(&Subject::commune(row.get(code)), facts.into_iter())?;
        Ok(Ok(()))
    })
}
