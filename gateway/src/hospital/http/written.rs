//! The JSON of `POST /v1/messages`: what a person or a system writes about a stay.
//!
//! ```json
//! {
//!   "kind": "renewal_request",
//!   "visit": "26004711-1",
//!   "fields": {"traitements": "ESSAILOL 100 mg", "avant_le": "30/11/2026"},
//!   "urgent": false,
//!   "only": ["family_doctor"]
//! }
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use time::PrimitiveDateTime;

use super::access::Caller;
use super::plain::{Wrong, named, unreadable, wrong};
use crate::notices::french::Moment;
use crate::notices::message::{Message, MessageName};
use crate::notices::{EpisodeKey, Role};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    kind: String,
    visit: String,
    fields: BTreeMap<String, String>,
    #[serde(default)]
    urgent: bool,
    #[serde(default)]
    only: Vec<Role>,
}

/// Reads a request: the stay and the message. `key` names it; `now` is local.
///
/// # Errors
/// [`Wrong`].
pub(super) fn read(
    bytes: &[u8],
    caller: &Caller,
    key: &str,
    now: PrimitiveDateTime,
) -> Result<(EpisodeKey, Message), Wrong> {
    let body: Body = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
    let name: MessageName = body
        .kind
        .parse()
        .map_err(|_| wrong("kind", "1 to 31 of a-z, 0-9 and _, a letter first"))?;
    let stay = EpisodeKey {
        facility: caller.facility.clone(),
        visit: named("visit", &body.visit)?,
    };
    let message = Message {
        name,
        id: format!("{} {key}", caller.name),
        fields: body.fields,
        only: body.only,
        urgent: body.urgent,
        at: Moment {
            at: now,
            has_time: true,
        },
    };
    Ok((stay, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_message_is_read_and_what_is_wrong_is_named_by_its_place() {
        let good =
            r#"{"kind": "social_note", "visit": "26004711-1", "fields": {"note": "GARANCE"}}"#;
        let said = |text: &str| {
            let now = datetime!(2026-11-21 21:41);
            read(text.as_bytes(), &Caller::made_up(), "k1", now)
        };
        let (stay, message) = said(good).unwrap();
        assert_eq!(stay.visit, "26004711-1");
        assert_eq!(
            (message.name.as_str(), message.fields.len()),
            ("social_note", 1)
        );
        for (from, to, told) in [
            ("social_note", "GARANCE", "kind"),
            ("26004711-1", "", "visit"),
            ("\"fields\"", "\"feilds\"", "body"),
            ("\"GARANCE\"", "7", "body"),
        ] {
            let error = said(&good.replace(from, to)).unwrap_err();
            assert_eq!(error.at, told, "{error}");
            assert!(!error.to_string().contains("GARANCE"), "{error}");
        }
    }
}
