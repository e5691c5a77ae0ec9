//! `$find-recipient`: `POST /v1/resolve` in FHIR's words.
//!
//! In: one of `address`, `rpps`, `finess`, `text`, `commune` (a patient there has no family
//! doctor), and a `purpose` if there is one. Out: `finding` (`found`, `ambiguous`, `no-mailbox`,
//! `unknown`), a `recipient` for each candidate, the reasons, and the age and source of the facts.

use liaison_directory_client::{By, Entry, Finding, Finess, Purpose, Query, Resolution, Rpps};
use liaison_mail::Address;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::outcome::Fault;

/// The question of parameters by name.
pub(super) fn query<'a>(
    parameters: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Query, Fault> {
    let (mut by, mut purpose) = (None, None);
    for (name, value) in parameters {
        let wrong = || Fault::invalid(format!("{name} is not written as it must be"));
        let named = match name {
            "address" => By::Address(Address::parse(value).map_err(|_| wrong())?),
            "rpps" => By::Rpps(Rpps::parse(value).map_err(|_| wrong())?),
            "finess" => By::Finess(Finess::parse(value).map_err(|_| wrong())?),
            "text" => By::Text(value.to_owned()),
            "commune" => By::WithoutFamilyDoctor(value.to_owned()),
            "purpose" => {
                purpose = Some(Purpose::parse(value).map_err(|_| wrong())?);
                continue;
            }
            _ => {
                return Err(Fault::unsupported(
                    "the parameters are address, rpps, finess, text, commune and purpose",
                ));
            }
        };
        if by.replace(named).is_some() {
            return Err(Fault::invalid(
                "give one of address, rpps, finess, text and commune",
            ));
        }
    }
    match by {
        Some(by) => Ok(Query { by, purpose }),
        None => Err(Fault::invalid(
            "give one of address, rpps, finess, text and commune",
        )),
    }
}

/// The question in a Parameters resource.
pub(super) fn posted(body: &[u8]) -> Result<Query, Fault> {
    let body: Value =
        serde_json::from_slice(body).map_err(|_| Fault::invalid("the body is not JSON"))?;
    if body.get("resourceType").and_then(Value::as_str) != Some("Parameters") {
        return Err(Fault::invalid("the body is not a Parameters resource"));
    }
    let list = body.get("parameter").and_then(Value::as_array);
    let pairs = list.into_iter().flatten().map(|one| {
        let name = one.get("name").and_then(Value::as_str);
        let value = ["valueString", "valueCode", "valueId", "valueUri"]
            .iter()
            .find_map(|kind| one.get(kind)?.as_str());
        Some((name?, value?))
    });
    let pairs: Option<Vec<(&str, &str)>> = pairs.collect();
    query(
        pairs
            .ok_or_else(|| Fault::invalid("a parameter has no name or no text"))?
            .into_iter(),
    )
}

/// The answer as a Parameters resource.
pub(super) fn answer(resolution: &Resolution) -> Value {
    let (finding, entries): (&str, &[Entry]) = match &resolution.finding {
        Finding::Found(entry) => ("found", std::slice::from_ref(&**entry)),
        Finding::Ambiguous(list) => ("ambiguous", list),
        Finding::NoMailbox { .. } => ("no-mailbox", &[]),
        Finding::Unknown => ("unknown", &[]),
    };
    let mut parameters = vec![json!({"name": "finding", "valueCode": finding})];
    parameters.extend(entries.iter().map(recipient));
    parameters.extend(resolution.reasons.iter().map(|reason| {
        json!({"name": "reason", "part": [
            {"name": "code", "valueString": serde_json::to_value(reason.code).unwrap_or_default()},
            {"name": "text", "valueString": reason.text},
        ]})
    }));
    if let Ok(as_of) = resolution.as_of.format(&Rfc3339) {
        parameters.push(json!({"name": "asOf", "valueInstant": as_of}));
    }
    parameters.push(json!({"name": "source", "valueString": resolution.source}));
    json!({"resourceType": "Parameters", "parameter": parameters})
}

fn recipient(entry: &Entry) -> Value {
    use base64::Engine as _;
    let mut parts = vec![
        json!({"name": "name", "valueString": entry.name}),
        json!({"name": "address", "valueString": entry.mailbox.address.to_string()}),
    ];
    let texts = [
        ("profession", entry.profession.clone()),
        ("rpps", entry.rpps.as_ref().map(ToString::to_string)),
        ("finess", entry.finess.as_ref().map(ToString::to_string)),
        ("organization", entry.organisation.clone()),
    ];
    for (name, text) in texts {
        parts.extend(text.map(|text| json!({"name": name, "valueString": text})));
    }
    parts.extend(
        entry
            .alternates
            .iter()
            .map(|one| json!({"name": "alternate", "valueString": one.address.to_string()})),
    );
    parts.extend(entry.certificates.iter().map(|one| {
        let der = base64::engine::general_purpose::STANDARD.encode(&one.der);
        json!({"name": "certificate", "valueBase64Binary": der})
    }));
    json!({"name": "recipient", "part": parts})
}
