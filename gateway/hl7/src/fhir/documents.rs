//! Letters (`DocumentReference`) and lists of treatments (`List` of `MedicationStatement`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::resource::{array, at, codes, text};
use super::{Bundle, Fault, Sender};
use crate::cda::{Change, How};
use crate::document::{DocumentEvent, File, Format, Matter};
use crate::timestamp::Timestamp;

/// Most documents of a bundle.
const MAX_FILES: usize = 8;
/// Most products of a list.
const MAX_CHANGES: usize = 200;

/// The letters of a bundle, for the stay of its encounter; `None` without one.
///
/// # Errors
/// [`Fault`] naming the element.
pub fn letters(bundle: &Bundle, sender: &Sender<'_>) -> Result<Option<DocumentEvent>, Fault> {
    let mut files = Vec::new();
    for document in bundle.all("DocumentReference") {
        for content in array(document, "content") {
            let data = text(content, &["attachment", "data"])
                .ok_or(Fault::Missing("DocumentReference.content.attachment.data"))?;
            let wrong = Fault::Value("DocumentReference.content.attachment.data");
            let bytes = STANDARD.decode(data).map_err(|_| wrong)?;
            let format = match bytes.trim_ascii_start() {
                start if start.starts_with(b"%PDF-") => Format::Pdf,
                start if start.starts_with(b"<") => Format::Cda,
                _ => return Err(wrong),
            };
            if files.len() == MAX_FILES {
                return Err(Fault::Value("DocumentReference"));
            }
            files.push(File {
                format,
                title: text(content, &["attachment", "title"])
                    .or_else(|| text(document, &["description"]))
                    .map(|title| title.chars().take(200).collect()),
                bytes,
            });
        }
    }
    if files.is_empty() && changes(bundle).is_empty() {
        return Ok(None);
    }
    let encounter = bundle.encounter().ok_or(Fault::Missing("Encounter"))?;
    let person = bundle
        .resolve(at(encounter, &["subject"]))
        .or_else(|| bundle.first("Patient"))
        .ok_or(Fault::Missing("Encounter.subject"))?;
    let patient = super::patient(bundle, person, sender)?;
    Ok(Some(DocumentEvent {
        control_id: bundle.id().ok_or(Fault::Missing("Bundle.id"))?,
        application: sender.application.to_owned(),
        facility: sender.facility.to_owned(),
        is_production: !bundle.is_test(),
        ipp: patient.ipp,
        visit: super::visit(encounter).ok_or(Fault::Missing("Encounter.identifier"))?,
        sent_at: Some(Timestamp {
            local: sender.now,
            has_time: true,
            offset: None,
        }),
        id: bundle
            .first("DocumentReference")
            .and_then(|one| text(one, &["masterIdentifier", "value"]).or(text(one, &["id"])))
            .unwrap_or_default()
            .to_owned(),
        matter: Matter::Document,
        files,
    }))
}

/// What changed in the treatment: each entry of a `List` by its flag (list-item-flag), and each
/// `MedicationStatement` beside a list by its status. Stopped products come first.
pub fn changes(bundle: &Bundle) -> Vec<Change> {
    let mut listed: Vec<&Value> = Vec::new();
    let mut found = Vec::new();
    for entry in bundle.all("List").flat_map(|list| array(list, "entry")) {
        let Some(statement) = bundle.resolve(entry.get("item")) else {
            continue;
        };
        listed.push(statement);
        let flag = at(entry, &["flag"]).map(codes).unwrap_or_default();
        let how = match flag.first().map(|(_, code)| *code) {
            Some("02") => Some(How::Modified),
            Some("04") => Some(How::Added),
            Some("03" | "05" | "06") => Some(How::Stopped),
            Some(_) => None,
            None => of_status(statement),
        };
        found.extend(how.and_then(|how| change(statement, how)));
    }
    for statement in bundle.all("MedicationStatement") {
        if !listed.iter().any(|known| std::ptr::eq(*known, statement)) {
            let how = of_status(statement);
            found.extend(how.and_then(|how| change(statement, how)));
        }
    }
    found.sort_by_key(|change| change.how);
    found.truncate(MAX_CHANGES);
    found
}

fn of_status(statement: &Value) -> Option<How> {
    match text(statement, &["status"])? {
        "stopped" | "on-hold" | "not-taken" => Some(How::Stopped),
        "intended" => Some(How::Added),
        _ => None,
    }
}

fn change(statement: &Value, how: How) -> Option<Change> {
    let concept = at(statement, &["medicationCodeableConcept"])?;
    let coded = || text(array(concept, "coding").first()?, &["display"]);
    let product = text(concept, &["text"]).or_else(coded)?;
    let dose = array(statement, "dosage")
        .first()
        .and_then(|dosage| text(dosage, &["text"]));
    let reason = array(statement, "statusReason")
        .first()
        .and_then(|reason| text(reason, &["text"]))
        .or_else(|| text(array(statement, "note").first()?, &["text"]));
    let clip = |text: &str| text.chars().take(160).collect::<String>();
    Some(Change {
        how,
        product: clip(product),
        dose: dose.filter(|_| how != How::Stopped).map(clip),
        reason: reason.map(clip),
    })
}
