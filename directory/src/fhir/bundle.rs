//! Pages of a search and of a history (FHIR R4, bundle.html).

use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::tag;
use super::kind::Kind;
use super::search::{Found, Plan};

/// A page of a search.
pub(super) fn searchset(base: &str, plan: &Plan, found: Found) -> Value {
    let links = links(base, plan.kind.name(), plan, found.next);
    let matches = found.matches.into_iter().map(|one| (one, "match"));
    let included = found.included.into_iter().map(|one| (one, "include"));
    let entries: Vec<Value> = matches
        .chain(included)
        .map(|((kind, id, resource), mode)| {
            json!({"fullUrl": full(base, kind, id), "resource": resource, "search": {"mode": mode}})
        })
        .collect();
    bundle("searchset", links, entries)
}

/// A page of a history (ITI-91): the present version of what was changed. What has gone is not
/// listed: a replica notices it by reading everything anew.
pub(super) fn history(base: &str, path: &str, plan: &Plan, found: Found) -> Value {
    let links = links(base, path, plan, found.next);
    let entries: Vec<Value> = found
        .matches
        .into_iter()
        .map(|(kind, id, resource)| {
            let changed = resource.pointer("/meta/lastUpdated").cloned();
            json!({
                "fullUrl": full(base, kind, id),
                "request": {"method": "PUT", "url": format!("{}/{id}", kind.name())},
                "response": {"status": "200", "etag": tag(&resource), "lastModified": changed},
                "resource": resource,
            })
        })
        .collect();
    bundle("history", links, entries)
}

fn bundle(kind: &str, links: Vec<Value>, entries: Vec<Value>) -> Value {
    let mut bundle = json!({"resourceType": "Bundle", "type": kind, "link": links});
    if let (Some(map), false) = (bundle.as_object_mut(), entries.is_empty()) {
        map.insert("entry".to_owned(), Value::Array(entries));
    }
    bundle
}

fn full(base: &str, kind: Kind, id: Uuid) -> String {
    format!("{base}/{}/{id}", kind.name())
}

fn links(base: &str, path: &str, plan: &Plan, next: Option<u64>) -> Vec<Value> {
    let pairs = plan.again.iter();
    let pairs = pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    let query = pairs.collect::<Vec<_>>().join("&");
    let link = |relation: &str, query: &str| {
        let mark = if query.is_empty() { "" } else { "?" };
        json!({"relation": relation, "url": format!("{base}/{path}{mark}{query}")})
    };
    let mut links = vec![link("self", &query)];
    if let Some(next) = next {
        let and = if query.is_empty() { "" } else { "&" };
        links.push(link("next", &format!("{query}{and}_cursor={next}")));
    }
    links
}

/// Percent-encoded (RFC 3986 §2.1).
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~:".contains(&octet) {
            encoded.push(char::from(octet));
        } else {
            encoded.push_str(&format!("%{octet:02X}"));
        }
    }
    encoded
}
