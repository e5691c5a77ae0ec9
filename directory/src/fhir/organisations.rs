//! Organisations and services as Organization, Location and HealthcareService.

use serde_json::{Value, json};

use super::element::{
    FINESS, IDNST, Resource, SIRET, address, concept, identifier, mailbox, phones, reference,
};
use crate::model::{Organisation, Service};

fn identifiers(organisation: &Organisation) -> Vec<Value> {
    let mut identifiers = Vec::new();
    if let Some(finess) = &organisation.finess {
        let number = finess.to_string();
        identifiers.push(identifier(FINESS, Some("FINEG"), &number));
        identifiers.push(identifier(IDNST, Some("IDNST"), &format!("1{number}")));
    }
    if let Some(siret) = &organisation.siret {
        identifiers.push(identifier(SIRET, Some("SIRET"), siret));
    }
    identifiers
}

/// An organisation (as-dp-organization).
pub(super) fn organization(organisation: &Organisation) -> Value {
    let mut kinds: Vec<Value> = Vec::new();
    kinds.extend(
        organisation
            .category
            .iter()
            .map(|one| concept("TRE_R66-CategorieEtablissement", one)),
    );
    kinds.extend(
        organisation
            .sector
            .iter()
            .map(|one| concept("TRE_R02-SecteurActivite", one)),
    );
    if kinds.is_empty() {
        kinds.extend(
            organisation
                .activity
                .iter()
                .map(|text| json!({"text": text})),
        );
    }
    let mut telecom = phones(&organisation.phones, organisation.fax.as_deref());
    telecom.extend(
        organisation
            .url
            .iter()
            .map(|url| json!({"system": "url", "value": url})),
    );
    telecom.extend(organisation.mailboxes.iter().map(|one| mailbox(one, None)));
    let of_services = organisation.services.iter().flat_map(|service| {
        let named = move |one| mailbox(one, Some(service.name.as_str()));
        service.mailboxes.iter().map(named)
    });
    telecom.extend(of_services);
    let postal = address(&organisation.place);
    let endpoints: Vec<Value> = organisation
        .mailboxes
        .iter()
        .map(|one| reference("Endpoint", one.meta.id))
        .collect();
    let parent = organisation.parent.as_ref();
    Resource::new(
        "Organization",
        &organisation.meta,
        &["as-dp-organization"],
        &["fr-core-organization"],
    )
    .with("identifier", identifiers(organisation))
    .with("active", organisation.active)
    .with("type", kinds)
    .with("name", organisation.name.clone())
    .with(
        "alias",
        organisation.trade_name.iter().cloned().collect::<Vec<_>>(),
    )
    .with("telecom", telecom)
    .with(
        "address",
        if postal == json!({}) {
            Vec::new()
        } else {
            vec![postal]
        },
    )
    .with(
        "partOf",
        parent.map(|subject| reference("Organization", subject.id())),
    )
    .with("endpoint", endpoints)
    .finish()
}

/// Where an organisation is. It has the identifier of the organisation: there is one place each.
pub(super) fn location(organisation: &Organisation) -> Value {
    let place = &organisation.place;
    let position = place
        .position
        .map(|(north, east)| json!({"latitude": north, "longitude": east}));
    Resource::new("Location", &organisation.meta, &[], &["fr-core-location"])
        .with("identifier", identifiers(organisation))
        .with(
            "status",
            if organisation.active {
                "active"
            } else {
                "inactive"
            },
        )
        .with("name", organisation.name.clone())
        .with("mode", "instance")
        .with(
            "telecom",
            phones(&organisation.phones, organisation.fax.as_deref()),
        )
        .with("address", address(place))
        .with("position", position)
        .with(
            "managingOrganization",
            reference("Organization", organisation.meta.id),
        )
        .finish()
}

/// A part of an organisation.
pub(super) fn healthcare_service(organisation: &Organisation, service: &Service) -> Value {
    let kinds: Vec<Value> = service
        .activity
        .iter()
        .map(|text| json!({"text": text}))
        .collect();
    let mut telecom = phones(&service.phones, None);
    telecom.extend(
        service
            .mailboxes
            .iter()
            .map(|one| mailbox(one, Some(&service.name))),
    );
    let endpoints: Vec<Value> = service
        .mailboxes
        .iter()
        .map(|one| reference("Endpoint", one.meta.id))
        .collect();
    let id = organisation.meta.id;
    Resource::new(
        "HealthcareService",
        &service.meta,
        &[],
        &["fr-core-healthcare-service"],
    )
    .with("active", organisation.active)
    .with("providedBy", reference("Organization", id))
    .with("type", kinds)
    .with("location", vec![reference("Location", id)])
    .with("name", service.name.clone())
    .with("telecom", telecom)
    .with("endpoint", endpoints)
    .finish()
}
