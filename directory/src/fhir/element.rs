//! Parts that several resources have.

use serde_json::{Map, Value, json};
use time::Date;
use time::format_description::well_known::Rfc3339;

use crate::import::certificate::encrypts;
use crate::model::codes::{day, mailbox_word};
use crate::model::{Coded, Meta, Place, SecureMailbox};
use crate::view::View;

/// The profiles of the national directory.
const PROFILES: &str = "https://interop.esante.gouv.fr/ig/fhir/annuaire/StructureDefinition";
/// The French core profiles and code systems.
const CORE: &str = "https://hl7.fr/ig/fhir/core";

pub(super) const IDNPS: &str = "urn:oid:1.2.250.1.71.4.2.1";
pub(super) const IDNST: &str = "urn:oid:1.2.250.1.71.4.2.2";
pub(super) const RPPS: &str = "https://rpps.esante.gouv.fr";
pub(super) const FINESS: &str = "https://finess.esante.gouv.fr";
pub(super) const SIRET: &str = "https://sirene.fr";

/// A resource that is being made: absent parts are left out, as FHIR wants it.
pub(super) struct Resource(Map<String, Value>);

impl Resource {
    /// A resource with the identifier and the date of a record, of these profiles of the national
    /// directory and of the French core.
    pub(super) fn new(kind: &str, meta: &Meta, national: &[&str], core: &[&str]) -> Self {
        let mut map = Map::new();
        map.insert("resourceType".to_owned(), json!(kind));
        map.insert("id".to_owned(), json!(meta.id.to_string()));
        let profiles: Vec<String> = national
            .iter()
            .map(|name| format!("{PROFILES}/{name}"))
            .chain(
                core.iter()
                    .map(|name| format!("{CORE}/StructureDefinition/{name}")),
            )
            .collect();
        let mut about = Map::new();
        if let Ok(updated) = meta.updated_at.format(&Rfc3339) {
            about.insert("lastUpdated".to_owned(), json!(updated));
        }
        if !profiles.is_empty() {
            about.insert("profile".to_owned(), json!(profiles));
        }
        map.insert("meta".to_owned(), Value::Object(about));
        Self(map)
    }

    /// Adds a part unless there is nothing in it.
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let is_nothing = match &value {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        if !is_nothing {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    pub(super) fn finish(self) -> Value {
        Value::Object(self.0)
    }
}

pub(super) fn reference(kind: &str, id: uuid::Uuid) -> Value {
    json!({"reference": format!("{kind}/{id}")})
}

pub(super) fn identifier(system: &str, kind: Option<&str>, value: &str) -> Value {
    let mut identifier = json!({"use": "official", "system": system, "value": value});
    if let (Some(kind), Some(map)) = (kind, identifier.as_object_mut()) {
        let coding =
            json!([{"system": format!("{CORE}/CodeSystem/fr-core-cs-v2-0203"), "code": kind}]);
        map.insert("type".to_owned(), json!({"coding": coding}));
    }
    identifier
}

/// The system of a table of the national nomenclature.
pub(super) fn nomenclature(table: &str) -> String {
    format!(
        "https://mos.esante.gouv.fr/NOS/{table}/FHIR/{}",
        table.replace('_', "-")
    )
}

/// A code of a national table as a CodeableConcept.
pub(super) fn concept(table: &str, coded: &Coded) -> Value {
    let code = coded.code.rsplit('/').next().unwrap_or_default();
    json!({"coding": [{"system": nomenclature(table), "code": code, "display": coded.label}]})
}

/// An address; nothing when nothing is known of it.
pub(super) fn address(place: &Place) -> Value {
    let lines: Vec<&String> = [&place.line, &place.street].into_iter().flatten().collect();
    let mut map = Map::new();
    if !lines.is_empty() {
        map.insert("line".to_owned(), json!(lines));
    }
    let country = place.country.clone().unwrap_or_else(|| "FR".to_owned());
    for (name, value) in [("city", &place.town), ("postalCode", &place.postal_code)] {
        if let Some(value) = value {
            map.insert(name.to_owned(), json!(value));
        }
    }
    if !map.is_empty() {
        map.insert("country".to_owned(), json!(country));
    }
    Value::Object(map)
}

pub(super) fn phones(phones: &[String], fax: Option<&str>) -> Vec<Value> {
    let phones = phones
        .iter()
        .map(|number| json!({"system": "phone", "value": number, "use": "work"}));
    let fax = fax.map(|number| json!({"system": "fax", "value": number, "use": "work"}));
    phones.chain(fax).collect()
}

/// A secure mailbox (as-mailbox-mss).
pub(super) fn mailbox(mailbox: &SecureMailbox, service: Option<&str>) -> Value {
    let kind = mailbox_word(mailbox.kind);
    let table = nomenclature("TRE_R257-TypeBAL");
    let mut about = vec![
        json!({"url": "type", "valueCodeableConcept": {"coding": [{"system": table, "code": kind}]}}),
        json!({"url": "listeRouge", "valueBoolean": false}),
    ];
    if mailbox.paperless {
        about.push(json!({"url": "digitization", "valueBoolean": true}));
    }
    if let Some(service) = service {
        about.push(json!({"url": "service", "valueString": service}));
    }
    let mut point = json!({
        "extension": [
            {
                "url": format!("{CORE}/StructureDefinition/fr-core-contact-point-email-type"),
                "valueCoding": {"system": nomenclature("TRE_R256-TypeMessagerie"), "code": "MSSANTE"},
            },
            {"url": format!("{PROFILES}/as-ext-mailbox-mss-metadata"), "extension": about},
        ],
        "system": "email",
        "value": mailbox.address.to_string(),
        "use": "work",
    });
    if let (Some(rank), Some(map)) = (mailbox.rank.filter(|rank| *rank > 0), point.as_object_mut())
    {
        map.insert("rank".to_owned(), json!(rank));
    }
    point
}

/// A mailbox as an Endpoint, with the certificates by which to encrypt for it now.
pub(super) fn endpoint(
    view: &View,
    mailbox: &SecureMailbox,
    organisation: Option<uuid::Uuid>,
) -> Value {
    use base64::Engine as _;
    let certificates: Vec<Value> = mailbox
        .certificates
        .iter()
        .filter(|one| one.is_usable(view.now()) && encrypts(&one.der))
        .map(|one| {
            let der = base64::engine::general_purpose::STANDARD.encode(&one.der);
            let validity = period(Some(one.valid_from.date()), Some(one.valid_until.date()));
            json!({
                "url": format!("{PROFILES}/as-ext-digital-certificate"),
                "extension": [
                    {"url": "validity", "valuePeriod": validity},
                    {"url": "value", "valueString": der},
                ],
            })
        })
        .collect();
    let status = if mailbox.missing_since.is_some() {
        "suspended"
    } else {
        "active"
    };
    let purposes: Vec<String> = mailbox.purposes.iter().map(ToString::to_string).collect();
    let address = mailbox.address.to_string();
    let connection = json!({"system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "code": "direct-project"});
    let payload = if purposes.is_empty() {
        "MSSanté".to_owned()
    } else {
        purposes.join(", ")
    };
    Resource::new("Endpoint", &mailbox.meta, &[], &[])
        .with("extension", certificates)
        .with(
            "identifier",
            json!([{"system": "urn:ietf:rfc:3986", "value": format!("mailto:{address}")}]),
        )
        .with("status", status)
        .with("connectionType", connection)
        .with("name", mailbox_word(mailbox.kind))
        .with(
            "managingOrganization",
            organisation.map(|id| reference("Organization", id)),
        )
        .with("payloadType", json!([{"text": payload}]))
        .with("address", format!("mailto:{address}"))
        .finish()
}

pub(super) fn period(from: Option<Date>, until: Option<Date>) -> Value {
    let mut map = Map::new();
    for (name, date) in [("start", from), ("end", until)] {
        if let Some(date) = date {
            map.insert(name.to_owned(), json!(day(date)));
        }
    }
    Value::Object(map)
}
