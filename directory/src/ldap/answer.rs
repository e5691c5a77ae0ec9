//! From entries to the messages that answer a search.

use std::cmp::Reverse;

use ldap3_proto::control::{LdapControl, ServerSortResult};
use ldap3_proto::proto::{
    LdapMsg, LdapOp, LdapPartialAttribute, LdapResultCode, LdapSearchResultEntry,
};

use super::entry::Entry;
use super::filter::comparable;
use super::session::{Page, Search, Wanted, cookie, search_done};

/// What a search found, the best first.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The entries that match, as many as may be shown.
    pub(super) entries: Vec<Entry>,
    /// Why there may be others.
    pub(super) cut: Option<Cut>,
}

/// Why an answer is not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// More entries match than may be shown at once.
    Size,
    /// The filter narrows nothing, or too little.
    Broad,
    /// The caller has seen as many different entries as a day allows.
    Quota,
    /// The base does not exist.
    NoSuchObject,
}

impl Cut {
    fn code(self) -> (LdapResultCode, &'static str) {
        match self {
            Self::Size => (LdapResultCode::SizeLimitExceeded, "only the best are shown"),
            Self::Broad => (
                LdapResultCode::AdminLimitExceeded,
                "the search is too broad: give more of the name",
            ),
            Self::Quota => (
                LdapResultCode::AdminLimitExceeded,
                "the number of different entries shown in a day is used up",
            ),
            Self::NoSuchObject => (LdapResultCode::NoSuchObject, "nothing bears this name"),
        }
    }
}

/// The messages that answer a search.
pub(super) fn messages(id: i32, search: &Search, found: Found) -> Vec<LdapMsg> {
    let Found { mut entries, cut } = found;
    let mut controls = Vec::new();
    if !search.order.is_empty() {
        controls.push(sort(&mut entries, search));
    }
    let mut cut = cut;
    let limit = search.size_limit.unwrap_or(usize::MAX);
    if let Some(page) = &search.page {
        let next = turn(&mut entries, page);
        controls.push(LdapControl::SimplePagedResults {
            // RFC 2696 §2: zero says that the number is not known.
            size: 0,
            cookie: next.map(cookie).unwrap_or_default(),
        });
        if next.is_some() {
            // What lies beyond the last page is told with the last page.
            cut = None;
        }
    }
    if entries.len() > limit {
        entries.truncate(limit);
        cut = Some(Cut::Size);
    }
    let (code, text) = cut.map_or((LdapResultCode::Success, ""), Cut::code);
    let mut messages: Vec<_> = entries
        .iter()
        .map(|entry| {
            LdapMsg::new(
                id,
                LdapOp::SearchResultEntry(shown(entry, &search.wanted, search.types_only)),
            )
        })
        .collect();
    messages.push(search_done(id, code, text, controls));
    messages
}

/// Keeps one page of the entries; the number shown so far when others follow.
fn turn(entries: &mut Vec<Entry>, page: &Page) -> Option<usize> {
    let end = page.after.saturating_add(page.size).min(entries.len());
    let more = end < entries.len();
    entries.truncate(end);
    entries.drain(..page.after.min(end));
    more.then_some(end)
}

fn sort(entries: &mut [Entry], search: &Search) -> LdapControl {
    let mut result_code = LdapResultCode::Success;
    for (attribute, reverse) in search.order.iter().rev() {
        let Some(attribute) = *attribute else {
            // RFC 2891 §1.2: the answer is given, in no particular order.
            result_code = LdapResultCode::NoSuchAttribute;
            continue;
        };
        let key = |entry: &Entry| {
            let value = entry.texts(attribute).next();
            value.map(|value| comparable(attribute, value))
        };
        // RFC 2891 §2: what has no value counts as the largest.
        if *reverse {
            entries.sort_by_cached_key(|entry| Reverse((key(entry).is_none(), key(entry))));
        } else {
            entries.sort_by_cached_key(|entry| (key(entry).is_none(), key(entry)));
        }
    }
    LdapControl::ServerSortResult {
        sort_result: ServerSortResult {
            result_code,
            attribute_type: None,
        },
    }
}

fn shown(entry: &Entry, wanted: &Wanted, types_only: bool) -> LdapSearchResultEntry {
    let attributes = entry
        .attributes()
        .filter(|(attribute, _)| wanted.shows(*attribute))
        .map(|(attribute, values)| LdapPartialAttribute {
            atype: attribute.description().to_owned(),
            vals: if types_only {
                Vec::new()
            } else {
                values.iter().map(|value| value.octets().to_vec()).collect()
            },
        })
        .collect();
    LdapSearchResultEntry {
        dn: entry.name().to_owned(),
        attributes,
    }
}
