//! Pieces of responses (RFC 3501 §9). Whatever a message or a user chose leaves as a quoted string
//! or a literal, so that nothing in it can end a response.

use time::OffsetDateTime;

use super::utf7;
use crate::mailbox::Flags;

/// Longest quoted string; longer ones become literals.
const QUOTED: usize = 1000;

/// A string: quoted if it is short printable ASCII, else a literal.
pub(crate) fn string(out: &mut Vec<u8>, value: &[u8]) {
    let printable = |b: &u8| (b' '..=b'~').contains(b);
    if value.len() <= QUOTED && value.iter().all(printable) {
        out.push(b'"');
        for octet in value {
            if matches!(octet, b'"' | b'\\') {
                out.push(b'\\');
            }
            out.push(*octet);
        }
        out.push(b'"');
    } else {
        literal(out, value);
    }
}

/// A string, or NIL for none.
pub(crate) fn nstring(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => string(out, value),
        None => text(out, "NIL"),
    }
}

/// The octets of a message or a part, always as a literal.
pub(crate) fn literal(out: &mut Vec<u8>, octets: &[u8]) {
    text(out, &format!("{{{}}}\r\n", octets.len()));
    out.extend_from_slice(octets);
}

/// Text that this program wrote.
pub(crate) fn text(out: &mut Vec<u8>, value: &str) {
    out.extend_from_slice(value.as_bytes());
}

/// A folder's name.
pub(crate) fn folder(out: &mut Vec<u8>, name: &str) {
    string(out, utf7::encode(name).as_bytes());
}

/// `(\Seen keyword)`.
pub(crate) fn flags(out: &mut Vec<u8>, flags: &Flags, recent: bool) {
    let names = Flags::NAMES
        .iter()
        .filter(|(bit, _)| flags.has(*bit))
        .map(|(_, name)| *name)
        .chain(recent.then_some("\\Recent"))
        .chain(flags.keywords.iter().map(String::as_str));
    list(out, names);
}

/// `(a b c)`.
pub(crate) fn list<'a>(out: &mut Vec<u8>, words: impl Iterator<Item = &'a str>) {
    out.push(b'(');
    for (at, word) in words.enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        text(out, word);
    }
    out.push(b')');
}

/// `"22-Nov-2026 12:00:00 +0000"` (RFC 3501 §9, date-time).
pub(crate) fn date_time(out: &mut Vec<u8>, instant: OffsetDateTime) {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let month = MONTHS[usize::from(u8::from(instant.month())) - 1];
    let (day, year) = (instant.day(), instant.year());
    let (hour, minute, second) = instant.to_hms();
    text(
        out,
        &format!("\"{day:2}-{month}-{year:04} {hour:02}:{minute:02}:{second:02} +0000\""),
    );
}

/// Uids as a set, runs as ranges: `1:3,7` (RFC 4315 §4).
pub(crate) fn uid_set(uids: impl IntoIterator<Item = u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for uid in uids {
        match runs.last_mut() {
            Some((_, end)) if uid == *end + 1 => *end = uid,
            _ => runs.push((uid, uid)),
        }
    }
    let runs: Vec<String> = runs
        .into_iter()
        .map(|(start, end)| match start == end {
            true => start.to_string(),
            false => format!("{start}:{end}"),
        })
        .collect();
    runs.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn nothing_in_a_string_can_end_a_response() {
        let mut out = Vec::new();
        string(&mut out, b"a\"b\\c");
        string(&mut out, b"x\r\na OK");
        nstring(&mut out, None);
        assert_eq!(out, b"\"a\\\"b\\\\c\"{7}\r\nx\r\na OKNIL");
    }

    #[test]
    fn dates_and_sets_have_their_form() {
        let mut out = Vec::new();
        date_time(&mut out, datetime!(2026-11-02 03:04:05 UTC));
        assert_eq!(out, b"\" 2-Nov-2026 03:04:05 +0000\"");
        assert_eq!(uid_set([1, 2, 3, 7, 9, 10]), "1:3,7,9:10");
        assert_eq!(uid_set([]), "");
    }
}
