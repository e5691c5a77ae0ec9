//! SEARCH (RFC 3501 §6.4.4): strings match anywhere in the decoded text, without regard to case.

use imap_codec::imap_types::core::AString;
use imap_codec::imap_types::datetime::NaiveDate;
use imap_codec::imap_types::search::SearchKey;
use mail_parser::{HeaderForm, Message, MessageParser, PartType};
use time::{Date, Month};

use super::view::View;
use crate::mailbox::{Entry, Flags};

/// Whether a key can only be answered with the content at hand.
pub(crate) fn needs_content(key: &SearchKey<'_>) -> bool {
    match key {
        SearchKey::And(keys) => keys.as_ref().iter().any(needs_content),
        SearchKey::Not(key) => needs_content(key),
        SearchKey::Or(a, b) => needs_content(a) || needs_content(b),
        SearchKey::Bcc(_)
        | SearchKey::Body(_)
        | SearchKey::Cc(_)
        | SearchKey::From(_)
        | SearchKey::Header(..)
        | SearchKey::SentBefore(_)
        | SearchKey::SentOn(_)
        | SearchKey::SentSince(_)
        | SearchKey::Subject(_)
        | SearchKey::Text(_)
        | SearchKey::To(_) => true,
        _ => false,
    }
}

/// A message whose content has been read, if any key needed it.
pub(crate) struct Candidate<'a> {
    entry: &'a Entry,
    content: &'a [u8],
    parsed: Option<Message<'a>>,
}

impl<'a> Candidate<'a> {
    /// Parses the content, unless it is empty because nobody needs it.
    pub(crate) fn new(entry: &'a Entry, content: &'a [u8]) -> Self {
        let parsed = (!content.is_empty())
            .then(|| MessageParser::default().parse(content))
            .flatten();
        Self {
            entry,
            content,
            parsed,
        }
    }

    /// Whether all keys match.
    pub(crate) fn matches_all(&self, keys: &[SearchKey<'_>], view: &View) -> bool {
        keys.iter().all(|key| self.matches(key, view))
    }

    fn matches(&self, key: &SearchKey<'_>, view: &View) -> bool {
        let has = |bit| self.entry.flags.has(bit);
        let recent = view.is_recent(self.entry.uid);
        let in_set = |set, uid| {
            let uids = view.resolve(set, uid).unwrap_or_default();
            uids.binary_search(&self.entry.uid).is_ok()
        };
        match key {
            SearchKey::All => true,
            SearchKey::And(keys) => self.matches_all(keys.as_ref(), view),
            SearchKey::Not(key) => !self.matches(key, view),
            SearchKey::Or(a, b) => self.matches(a, view) || self.matches(b, view),
            SearchKey::SequenceSet(set) => in_set(set, false),
            SearchKey::Uid(set) => in_set(set, true),
            SearchKey::Answered => has(Flags::ANSWERED),
            SearchKey::Deleted => has(Flags::DELETED),
            SearchKey::Draft => has(Flags::DRAFT),
            SearchKey::Flagged => has(Flags::FLAGGED),
            SearchKey::Seen => has(Flags::SEEN),
            SearchKey::Unanswered => !has(Flags::ANSWERED),
            SearchKey::Undeleted => !has(Flags::DELETED),
            SearchKey::Undraft => !has(Flags::DRAFT),
            SearchKey::Unflagged => !has(Flags::FLAGGED),
            SearchKey::Unseen => !has(Flags::SEEN),
            SearchKey::Recent => recent,
            SearchKey::Old => !recent,
            SearchKey::New => recent && !has(Flags::SEEN),
            SearchKey::Keyword(atom) => self.entry.flags.has_keyword(atom.as_ref()),
            SearchKey::Unkeyword(atom) => !self.entry.flags.has_keyword(atom.as_ref()),
            SearchKey::Larger(size) => self.entry.size > *size,
            SearchKey::Smaller(size) => self.entry.size < *size,
            SearchKey::Before(day) => date(day).is_some_and(|day| self.arrived() < day),
            SearchKey::On(day) => date(day).is_some_and(|day| self.arrived() == day),
            SearchKey::Since(day) => date(day).is_some_and(|day| self.arrived() >= day),
            _ => self.matches_content(key),
        }
    }

    fn matches_content(&self, key: &SearchKey<'_>) -> bool {
        let sent = |day, holds: fn(Date, Date) -> bool| match (self.sent(), date(day)) {
            (Some(sent), Some(day)) => holds(sent, day),
            _ => false,
        };
        match key {
            SearchKey::SentBefore(day) => sent(day, |sent, day| sent < day),
            SearchKey::SentOn(day) => sent(day, |sent, day| sent == day),
            SearchKey::SentSince(day) => sent(day, |sent, day| sent >= day),
            SearchKey::Subject(value) => self.header_has("Subject", value),
            SearchKey::From(value) => self.header_has("From", value),
            SearchKey::To(value) => self.header_has("To", value),
            SearchKey::Cc(value) => self.header_has("Cc", value),
            SearchKey::Bcc(value) => self.header_has("Bcc", value),
            SearchKey::Header(name, value) => {
                let name = String::from_utf8_lossy(name.as_ref()).into_owned();
                self.header_has(&name, value)
            }
            SearchKey::Body(value) => self.body_has(&needle(value)),
            SearchKey::Text(value) => {
                let needle = needle(value);
                self.any_header_has(&needle) || self.body_has(&needle)
            }
            _ => false,
        }
    }

    fn arrived(&self) -> Date {
        self.entry.internal_date.date()
    }

    /// The day of the Date field, as written (RFC 3501 §6.4.4: without regard to the zone).
    fn sent(&self) -> Option<Date> {
        let sent = self.parsed.as_ref()?.date()?;
        let month = Month::try_from(sent.month).ok()?;
        Date::from_calendar_date(i32::from(sent.year), month, sent.day).ok()
    }

    /// Whether a field of this name holds the text, decoded; an empty text asks whether there is
    /// such a field.
    fn header_has(&self, name: &str, value: &AString<'_>) -> bool {
        let needle = needle(value);
        let Some(message) = &self.parsed else {
            return false;
        };
        let raw = message
            .headers_raw()
            .filter(|(one, _)| one.eq_ignore_ascii_case(name));
        let mut there = false;
        for (_, raw) in raw {
            there = true;
            if contains(raw, &needle) {
                return true;
            }
        }
        there
            && message
                .header_as(name, HeaderForm::Text)
                .iter()
                .any(|value| value.as_text().is_some_and(|text| contains(text, &needle)))
    }

    fn any_header_has(&self, needle: &str) -> bool {
        let (head, _) = liaison_mail::header::split(self.content);
        let names: std::collections::BTreeSet<&str> =
            head.fields().map(|field| field.name).collect();
        contains(&String::from_utf8_lossy(head.as_bytes()), needle)
            || self.parsed.as_ref().is_some_and(|message| {
                names.iter().any(|name| {
                    message
                        .header_as(*name, HeaderForm::Text)
                        .iter()
                        .any(|value| value.as_text().is_some_and(|text| contains(text, needle)))
                })
            })
    }

    fn body_has(&self, needle: &str) -> bool {
        self.parsed
            .as_ref()
            .is_some_and(|message| text_has(message, needle, 0))
    }
}

fn text_has(message: &Message<'_>, needle: &str, depth: usize) -> bool {
    depth < 8
        && message.parts.iter().any(|part| match &part.body {
            PartType::Text(text) | PartType::Html(text) => contains(text, needle),
            PartType::Message(inner) => text_has(inner, needle, depth + 1),
            _ => false,
        })
}

fn needle(value: &AString<'_>) -> String {
    String::from_utf8_lossy(value.as_ref()).to_lowercase()
}

fn contains(text: &str, needle: &str) -> bool {
    needle.is_empty() || text.to_lowercase().contains(needle)
}

/// A day, whose own type shows itself in ISO 8601.
fn date(day: &NaiveDate) -> Option<Date> {
    let text = day.as_ref().to_string();
    let mut numbers = text.split('-');
    let year = numbers.next()?.parse().ok()?;
    let month = Month::try_from(numbers.next()?.parse::<u8>().ok()?).ok()?;
    Date::from_calendar_date(year, month, numbers.next()?.parse().ok()?).ok()
}
