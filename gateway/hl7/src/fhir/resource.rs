//! A bundle, and values in its resources.

use serde_json::Value;

use super::{Fault, MAX_BUNDLE};

/// Most entries of a bundle.
const MAX_ENTRIES: usize = 1000;

/// A FHIR R4 Bundle.
pub struct Bundle {
    root: Value,
}

impl Bundle {
    /// Reads a bundle of type message, transaction, batch, collection or document.
    ///
    /// # Errors
    /// [`Fault::Structure`]; [`Fault::Value`] for a type that says nothing happened.
    pub fn parse(bytes: &[u8]) -> Result<Bundle, Fault> {
        if bytes.len() > MAX_BUNDLE {
            return Err(Fault::Structure);
        }
        let root: Value = serde_json::from_slice(bytes).map_err(|_| Fault::Structure)?;
        if text(&root, &["resourceType"]) != Some("Bundle") {
            return Err(Fault::Structure);
        }
        match text(&root, &["type"]) {
            Some("message" | "transaction" | "batch" | "collection" | "document") => {}
            Some(_) => return Err(Fault::Value("Bundle.type")),
            None => return Err(Fault::Missing("Bundle.type")),
        }
        if array(&root, "entry").len() > MAX_ENTRIES {
            return Err(Fault::Value("Bundle.entry"));
        }
        Ok(Bundle { root })
    }

    /// Whether it holds an event beside documents.
    pub fn has_event(&self) -> bool {
        self.first("MessageHeader").is_some() || self.first("DocumentReference").is_none()
    }

    pub(super) fn root(&self) -> &Value {
        &self.root
    }

    pub(super) fn resources(&self) -> impl Iterator<Item = &Value> {
        array(&self.root, "entry")
            .iter()
            .filter_map(|entry| entry.get("resource"))
    }

    pub(super) fn all<'b>(&'b self, kind: &'static str) -> impl Iterator<Item = &'b Value> {
        self.resources()
            .filter(move |one| text(one, &["resourceType"]) == Some(kind))
    }

    pub(super) fn first(&self, kind: &'static str) -> Option<&Value> {
        self.all(kind).next()
    }

    pub(super) fn last(&self, kind: &'static str) -> Option<&Value> {
        self.all(kind).last()
    }

    /// The encounter that a message is about, else the first.
    pub(super) fn encounter(&self) -> Option<&Value> {
        let header = self.first("MessageHeader");
        let focus = header.into_iter().flat_map(|header| array(header, "focus"));
        let mut focus = focus.filter_map(|one| self.resolve(Some(one)));
        focus
            .find(|one| text(one, &["resourceType"]) == Some("Encounter"))
            .or_else(|| self.first("Encounter"))
    }

    /// The resource that a Reference names.
    pub(super) fn resolve<'b>(&'b self, reference: Option<&Value>) -> Option<&'b Value> {
        let wanted = text(reference?, &["reference"])?;
        array(&self.root, "entry").iter().find_map(|entry| {
            let resource = entry.get("resource")?;
            let by_url = text(entry, &["fullUrl"]) == Some(wanted);
            let by_id = || {
                let (kind, id) = wanted.rsplit_once('/')?;
                let kind = kind.rsplit('/').next()?;
                let same = text(resource, &["resourceType"]) == Some(kind)
                    && text(resource, &["id"]) == Some(id);
                same.then_some(())
            };
            (by_url || by_id().is_some()).then_some(resource)
        })
    }

    /// What names the message: its header's, else the bundle's own identifier.
    pub(super) fn id(&self) -> Option<String> {
        let header = self
            .first("MessageHeader")
            .and_then(|one| text(one, &["id"]));
        header
            .or_else(|| text(&self.root, &["identifier", "value"]))
            .or_else(|| text(&self.root, &["id"]))
            .or_else(|| self.encounter().and_then(|one| text(one, &["id"])))
            .map(|id| id.chars().take(64).collect())
    }

    /// `HTEST`: test data (v3-ActReason).
    pub(super) fn is_test(&self) -> bool {
        let Some(meta) = at(&self.root, &["meta"]) else {
            return false;
        };
        let mut labels = array(meta, "security").iter().chain(array(meta, "tag"));
        labels.any(|label| text(label, &["code"]) == Some("HTEST"))
    }
}

/// The value at a path of names.
pub(super) fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

/// The text at a path of names; nothing for an empty one.
pub(super) fn text<'v>(value: &'v Value, path: &[&str]) -> Option<&'v str> {
    at(value, path)?.as_str().filter(|text| !text.is_empty())
}

/// The items of an array; none for anything else.
pub(super) fn array<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The codings of a CodeableConcept: system and code.
pub(super) fn codes(concept: &Value) -> Vec<(&str, &str)> {
    array(concept, "coding")
        .iter()
        .filter_map(|coding| {
            let system = text(coding, &["system"]).unwrap_or_default();
            Some((system, text(coding, &["code"])?))
        })
        .collect()
}

/// The extension of that URL.
pub(super) fn extension<'v>(value: &'v Value, url: &str) -> Option<&'v Value> {
    array(value, "extension")
        .iter()
        .find(|one| text(one, &["url"]) == Some(url))
}
