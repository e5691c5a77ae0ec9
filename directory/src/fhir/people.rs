//! People and their roles as Practitioner and PractitionerRole.

use serde_json::{Value, json};

use super::element::{
    IDNPS, RPPS, Resource, concept, identifier, mailbox, period, phones, reference,
};
use crate::model::{Held, Person, Role, Subject};

/// A person (as-dp-practitioner).
pub(super) fn practitioner(person: &Person) -> Value {
    let mut identifiers = Vec::new();
    if let Some(rpps) = &person.rpps {
        identifiers.push(identifier(IDNPS, Some("IDNPS"), &format!("8{rpps}")));
        identifiers.push(identifier(RPPS, Some("RPPS"), &rpps.to_string()));
    }
    let family = if person.family.is_empty() {
        &person.name
    } else {
        &person.family
    };
    let mut name = json!({"use": "official", "family": family, "text": person.name});
    if let Some(map) = name.as_object_mut() {
        let given: Vec<&str> = person.given.split_whitespace().collect();
        if !given.is_empty() {
            map.insert("given".to_owned(), json!(given));
        }
        if let Some(civility) = &person.civility {
            map.insert("prefix".to_owned(), json!([civility]));
        }
    }
    let mut qualifications: Vec<Value> = Vec::new();
    let professions = person
        .roles
        .iter()
        .filter_map(|role| role.profession.as_ref());
    let professions = professions.map(|one| concept("TRE_G15-ProfessionSante", one));
    let skills = person.specialities.iter();
    let skills = skills.chain(person.roles.iter().flat_map(|role| &role.specialities));
    let skills = skills.map(|one| concept("TRE_R38-SpecialiteOrdinale", one));
    for code in professions.chain(skills) {
        let qualification = json!({"code": code});
        if !qualifications.contains(&qualification) {
            qualifications.push(qualification);
        }
    }
    let boxes: Vec<Value> = person
        .mailboxes
        .iter()
        .map(|one| mailbox(one, None))
        .collect();
    Resource::new(
        "Practitioner",
        &person.meta,
        &["as-dp-practitioner"],
        &["fr-core-practitioner"],
    )
    .with("identifier", identifiers)
    .with("active", true)
    .with("name", vec![name])
    .with("telecom", boxes)
    .with("qualification", qualifications)
    .finish()
}

/// A person somewhere (as-dp-practitionerrole).
pub(super) fn role(person: &Person, role: &Role) -> Value {
    let mut codes: Vec<Value> = Vec::new();
    codes.extend(
        role.profession
            .iter()
            .map(|one| concept("TRE_G15-ProfessionSante", one)),
    );
    codes.extend(
        role.mode
            .iter()
            .map(|one| concept("TRE_R23-ModeExercice", one)),
    );
    codes.extend(
        role.function
            .iter()
            .map(|one| concept("TRE_R21-Fonction", one)),
    );
    if codes.is_empty() {
        codes.extend(role.activity.iter().map(|text| json!({"text": text})));
    }
    let specialities: Vec<Value> = role
        .specialities
        .iter()
        .map(|one| concept("TRE_R38-SpecialiteOrdinale", one))
        .collect();
    let mut telecom = phones(&role.phones, None);
    telecom.extend(role.mailboxes.iter().map(|one| mailbox(one, None)));
    let endpoints: Vec<Value> = role
        .mailboxes
        .iter()
        .chain(&person.mailboxes)
        .map(|one| reference("Endpoint", one.meta.id))
        .collect();
    let away: Vec<Value> = role
        .absences
        .iter()
        .chain(&person.absences)
        .map(|absence| {
            let reason = match absence.reason {
                Held::Absence => "Absence",
                Held::Replacement => "Remplacement",
                Held::Retirement => "Retraite",
            };
            let mut away = json!({"description": reason});
            let during = period(absence.from, absence.until);
            if let (Some(map), false) = (away.as_object_mut(), during == json!({})) {
                map.insert("during".to_owned(), during);
            }
            away
        })
        .collect();
    let organisation = role.organisation.as_ref().map(Subject::id);
    Resource::new(
        "PractitionerRole",
        &role.meta,
        &["as-dp-practitionerrole"],
        &["fr-core-practitioner-role"],
    )
    .with("active", role.active)
    .with("period", period(role.from, role.until))
    .with("practitioner", reference("Practitioner", person.meta.id))
    .with(
        "organization",
        organisation.map(|id| reference("Organization", id)),
    )
    .with("code", codes)
    .with("specialty", specialities)
    .with(
        "location",
        organisation.map(|id| vec![reference("Location", id)]),
    )
    .with("telecom", telecom)
    .with("notAvailable", away)
    .with("endpoint", endpoints)
    .finish()
}
