//! What is served (FHIR R4, capabilitystatement.html).

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::kind::Kind;

/// The statement, as of `now`.
pub(super) fn statement(base: &str, now: OffsetDateTime) -> Value {
    let resources: Vec<Value> = Kind::ALL.into_iter().map(resource).collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": now.format(&Rfc3339).unwrap_or_default(),
        "kind": "instance",
        "implementation": {"description": "Annuaire partagé de Liaison", "url": base},
        "software": {"name": "Liaison", "version": env!("CARGO_PKG_VERSION")},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "implementationGuide": ["https://interop.esante.gouv.fr/ig/fhir/annuaire/ImplementationGuide/ans.fhir.fr.annuaire"],
        "rest": [{
            "mode": "server",
            "security": {
                "cors": false,
                "service": [{"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                    "code": "Basic",
                }]}],
            },
            "resource": resources,
            "operation": [{
                "name": "find-recipient",
                "definition": format!("{base}/OperationDefinition/find-recipient"),
            }],
        }],
    })
}

fn resource(kind: Kind) -> Value {
    let common = [("_id", "token"), ("_lastUpdated", "date")];
    let parameters: Vec<Value> = common
        .iter()
        .chain(kind.parameters())
        .map(|(name, of)| json!({"name": name, "type": of}))
        .collect();
    let includes = |wanted: &str| {
        let known = kind.includes().iter().filter(|(name, _)| *name == wanted);
        known.map(|(_, what)| *what).collect::<Vec<_>>()
    };
    let interactions: Vec<Value> = ["read", "search-type", "history-instance", "history-type"]
        .iter()
        .map(|code| json!({"code": code}))
        .collect();
    let mut resource = json!({
        "type": kind.name(),
        "interaction": interactions,
        "versioning": "no-version",
        "conditionalRead": "not-match",
        "searchParam": parameters,
    });
    for (name, list) in [
        ("searchInclude", includes("_include")),
        ("searchRevInclude", includes("_revinclude")),
    ] {
        if let (Some(map), false) = (resource.as_object_mut(), list.is_empty()) {
            map.insert(name.to_owned(), json!(list));
        }
    }
    resource
}
