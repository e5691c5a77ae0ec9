//! FETCH: which items were asked for, and how one message answers (RFC 3501 §6.4.5, §7.4.2).

use imap_codec::imap_types::fetch::{
    Macro, MacroOrMessageDataItemNames, MessageDataItemName, Part as Numbers, Section,
};
use liaison_mail::header;

use super::mime::{Inside, Part};
use super::structure;
use super::write::{date_time, flags, literal, string, text};
use crate::mailbox::Entry;

/// Most items of one FETCH.
const MAX_ITEMS: usize = 100;

/// What is asked of each message.
#[derive(Clone, Debug)]
pub(crate) struct Items(Vec<Item>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Flags,
    Uid,
    InternalDate,
    Size,
    Envelope,
    Structure { extended: bool },
    Section(Box<Wanted>),
}

/// A section to give out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    /// The name in the response, up to the partial range: `BODY[1.MIME]`, `RFC822.TEXT`.
    label: String,
    part: Vec<u32>,
    which: Which,
    /// First octet and most octets.
    partial: Option<(u32, u32)>,
    peek: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    All,
    Header,
    Fields { names: Vec<String>, not: bool },
    Text,
    Mime,
}

impl Items {
    /// The items of a command, macros expanded; UID is among them if `uid`. `None` when there are
    /// too many, or items of extensions that are not announced.
    pub(crate) fn read(names: &MacroOrMessageDataItemNames<'_>, uid: bool) -> Option<Self> {
        use MacroOrMessageDataItemNames as Names;
        let mut items = match names {
            Names::Macro(Macro::Fast) => vec![Item::Flags, Item::InternalDate, Item::Size],
            Names::Macro(one) => one.expand().iter().map(item).collect::<Option<Vec<_>>>()?,
            Names::MessageDataItemNames(names) if names.len() <= MAX_ITEMS => {
                names.iter().map(item).collect::<Option<Vec<_>>>()?
            }
            Names::MessageDataItemNames(_) => return None,
        };
        if uid && !items.contains(&Item::Uid) {
            items.insert(0, Item::Uid);
        }
        Some(Self(items))
    }

    /// RFC822.PEEK of RFC 1730, which Outlook still sends.
    pub(crate) fn outlook() -> Self {
        let whole = Wanted {
            label: "RFC822".to_owned(),
            part: Vec::new(),
            which: Which::All,
            partial: None,
            peek: true,
        };
        Self(vec![Item::Uid, Item::Size, Item::Section(Box::new(whole))])
    }

    /// Whether the content is needed.
    pub(crate) fn need_content(&self) -> bool {
        self.0.iter().any(|item| {
            matches!(
                item,
                Item::Envelope | Item::Structure { .. } | Item::Section(_)
            )
        })
    }

    /// Whether the answer makes a message \Seen.
    pub(crate) fn mark_seen(&self) -> bool {
        let marks = |item: &Item| matches!(item, Item::Section(wanted) if !wanted.peek);
        self.0.iter().any(marks)
    }

    /// Adds FLAGS, when the answer itself changed them.
    pub(crate) fn with_flags(&self) -> Self {
        let mut items = self.clone();
        if !items.0.contains(&Item::Flags) {
            items.0.push(Item::Flags);
        }
        items
    }

    /// Writes `* n FETCH (…)`.
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        number: usize,
        (entry, recent): (&Entry, bool),
        content: &[u8],
    ) {
        let parsed = self.need_structure().then(|| Part::message(content));
        text(out, &format!("* {number} FETCH ("));
        for (at, item) in self.0.iter().enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            match item {
                Item::Flags => {
                    text(out, "FLAGS ");
                    flags(out, &entry.flags, recent);
                }
                Item::Uid => text(out, &format!("UID {}", entry.uid)),
                Item::InternalDate => {
                    text(out, "INTERNALDATE ");
                    date_time(out, entry.internal_date);
                }
                Item::Size => text(out, &format!("RFC822.SIZE {}", entry.size)),
                Item::Envelope => {
                    text(out, "ENVELOPE ");
                    structure::envelope(out, &Part::message_header(content));
                }
                Item::Structure { extended } => {
                    text(out, if *extended { "BODYSTRUCTURE " } else { "BODY " });
                    if let Some(part) = &parsed {
                        structure::body(out, part, *extended);
                    }
                }
                Item::Section(wanted) => wanted.write(out, content, parsed.as_ref()),
            }
        }
        text(out, ")\r\n");
    }

    fn need_structure(&self) -> bool {
        self.0.iter().any(|item| match item {
            Item::Structure { .. } => true,
            Item::Section(wanted) => !wanted.part.is_empty(),
            _ => false,
        })
    }
}

impl Wanted {
    fn write(&self, out: &mut Vec<u8>, content: &[u8], parsed: Option<&Part<'_>>) {
        text(out, &self.label);
        let section = self.section(content, parsed);
        if let Some((from, most)) = self.partial {
            text(out, &format!("<{from}> "));
            if let Some(section) = &section {
                // Beyond the end: short or empty, no error (RFC 3501 §6.4.5).
                let from = (from as usize).min(section.len());
                let to = from.saturating_add(most as usize).min(section.len());
                octets(out, &section[from..to]);
                return;
            }
        } else {
            out.push(b' ');
        }
        match section {
            Some(section) => octets(out, &section),
            None => text(out, "NIL"),
        }
    }

    /// The octets of the section; `None` when the message has no such part.
    fn section<'a>(
        &self,
        content: &'a [u8],
        parsed: Option<&Part<'a>>,
    ) -> Option<std::borrow::Cow<'a, [u8]>> {
        let message = if self.part.is_empty() {
            content
        } else {
            let part = parsed?.at(&self.part)?;
            match (&self.which, &part.inside) {
                (Which::All, _) => return Some(part.body.into()),
                (Which::Mime, _) => return Some(part.header.into()),
                (_, Inside::Message(_)) => part.body,
                _ => return None,
            }
        };
        let (_, body) = header::split(message);
        let head = &message[..message.len() - body.len()];
        Some(match &self.which {
            Which::All => message.into(),
            Which::Header => head.into(),
            Which::Text => body.into(),
            Which::Mime => return None,
            Which::Fields { names, not } => fields(head, names, *not).into(),
        })
    }
}

/// An empty string has no literal: some clients wait for its octets.
fn octets(out: &mut Vec<u8>, octets: &[u8]) {
    if octets.is_empty() {
        string(out, b"");
    } else {
        literal(out, octets);
    }
}

/// The fields of these names, or all others, with their octets, and the empty line.
fn fields(head: &[u8], names: &[String], not: bool) -> Vec<u8> {
    let mut chosen = Vec::new();
    let mut keep = false;
    for line in head.split_inclusive(|b| *b == b'\n') {
        if line.trim_ascii().is_empty() {
            break;
        }
        if !matches!(line[0], b' ' | b'\t') {
            let name = line.split(|b| *b == b':').next().unwrap_or_default();
            let name = name.trim_ascii_end();
            let named = names
                .iter()
                .any(|one| name.eq_ignore_ascii_case(one.as_bytes()));
            keep = named != not;
        }
        if keep {
            chosen.extend_from_slice(line);
        }
    }
    chosen.extend_from_slice(b"\r\n");
    chosen
}

fn item(name: &MessageDataItemName<'_>) -> Option<Item> {
    use MessageDataItemName as Name;
    let whole = |label: &str, which, peek| {
        Item::Section(Box::new(Wanted {
            label: label.to_owned(),
            part: Vec::new(),
            which,
            partial: None,
            peek,
        }))
    };
    Some(match name {
        Name::Flags => Item::Flags,
        Name::Uid => Item::Uid,
        Name::InternalDate => Item::InternalDate,
        Name::Rfc822Size => Item::Size,
        Name::Envelope => Item::Envelope,
        Name::Body => Item::Structure { extended: false },
        Name::BodyStructure => Item::Structure { extended: true },
        Name::Rfc822 => whole("RFC822", Which::All, false),
        // RFC822.HEADER does not set \Seen, RFC822.TEXT does (RFC 3501 §6.4.5).
        Name::Rfc822Header => whole("RFC822.HEADER", Which::Header, true),
        Name::Rfc822Text => whole("RFC822.TEXT", Which::Text, false),
        Name::BodyExt {
            section,
            partial,
            peek,
        } => {
            let (part, which) = match section {
                None => (Vec::new(), Which::All),
                Some(section) => read_section(section),
            };
            Item::Section(Box::new(Wanted {
                label: label(&part, &which),
                part,
                which,
                partial: partial.map(|(from, most)| (from, most.get())),
                peek: *peek,
            }))
        }
        _ => return None,
    })
}

fn read_section(section: &Section<'_>) -> (Vec<u32>, Which) {
    let numbers = |part: &Numbers| part.0.as_ref().iter().map(|n| n.get()).collect();
    let inner = |part: &Option<Numbers>| part.as_ref().map(numbers).unwrap_or_default();
    let names = |list: &[imap_codec::imap_types::core::AString<'_>]| {
        list.iter()
            .map(|name| String::from_utf8_lossy(name.as_ref()).into_owned())
            .collect()
    };
    match section {
        Section::Part(part) => (numbers(part), Which::All),
        Section::Header(part) => (inner(part), Which::Header),
        Section::Text(part) => (inner(part), Which::Text),
        Section::Mime(part) => (numbers(part), Which::Mime),
        Section::HeaderFields(part, list) => (
            inner(part),
            Which::Fields {
                names: names(list.as_ref()),
                not: false,
            },
        ),
        Section::HeaderFieldsNot(part, list) => (
            inner(part),
            Which::Fields {
                names: names(list.as_ref()),
                not: true,
            },
        ),
    }
}

fn label(part: &[u32], which: &Which) -> String {
    let mut words: Vec<String> = part.iter().map(u32::to_string).collect();
    match which {
        Which::All => {}
        Which::Header => words.push("HEADER".to_owned()),
        Which::Text => words.push("TEXT".to_owned()),
        Which::Mime => words.push("MIME".to_owned()),
        Which::Fields { names, not } => {
            let mut list = Vec::new();
            for name in names {
                if !list.is_empty() {
                    list.push(b' ');
                }
                let atom = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
                if atom && !name.is_empty() {
                    text(&mut list, name);
                } else {
                    string(&mut list, name.as_bytes());
                }
            }
            let not = if *not { ".NOT" } else { "" };
            let list = String::from_utf8_lossy(&list).into_owned();
            words.push(format!("HEADER.FIELDS{not} ({list})"));
        }
    }
    format!("BODY[{}]", words.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Flags;
    use imap_codec::CommandCodec;
    use imap_codec::decode::Decoder as _;
    use imap_codec::imap_types::command::CommandBody;
    use time::macros::datetime;

    const MESSAGE: &[u8] = b"From: a@x.test\r\nSubject: one\r\n two\r\n\r\nbody\r\n";

    fn fetched(items: &str, content: &[u8]) -> String {
        let command = format!("a FETCH 1 {items}\r\n");
        let (_, command) = CommandCodec::default().decode(command.as_bytes()).unwrap();
        let CommandBody::Fetch {
            macro_or_item_names,
            ..
        } = command.body
        else {
            panic!("not a FETCH");
        };
        let entry = Entry {
            uid: 7,
            flags: Flags::default(),
            internal_date: datetime!(2026-11-22 12:00 UTC),
            size: u32::try_from(content.len()).unwrap(),
        };
        let items = Items::read(&macro_or_item_names, false).unwrap();
        let mut out = Vec::new();
        items.write(&mut out, 1, (&entry, false), content);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn sections_come_with_their_own_name_and_exact_octets() {
        for (items, expected) in [
            ("UID", "UID 7"),
            ("RFC822.SIZE", "RFC822.SIZE 44"),
            ("BODY[TEXT]", "BODY[TEXT] {6}\r\nbody\r\n"),
            ("BODY.PEEK[1]<2.2>", "BODY[1]<2> {2}\r\ndy"),
            ("BODY[]<99.10>", "BODY[]<99> \"\""),
            ("BODY[2]", "BODY[2] NIL"),
            (
                "BODY[1.MIME]",
                "BODY[1.MIME] {38}\r\nFrom: a@x.test\r\nSubject: one\r\n two\r\n\r\n",
            ),
            (
                "BODY.PEEK[HEADER.FIELDS (SUBJECT X)]",
                "BODY[HEADER.FIELDS (SUBJECT X)] {22}\r\nSubject: one\r\n two\r\n\r\n",
            ),
            (
                "BODY[HEADER.FIELDS.NOT (Subject)]",
                "BODY[HEADER.FIELDS.NOT (Subject)] {18}\r\nFrom: a@x.test\r\n\r\n",
            ),
            ("RFC822.TEXT", "RFC822.TEXT {6}\r\nbody\r\n"),
        ] {
            assert_eq!(
                fetched(items, MESSAGE),
                format!("* 1 FETCH ({expected})\r\n"),
                "{items}"
            );
        }
    }

    #[test]
    fn only_what_shows_the_body_marks_it_seen() {
        let marks = |items: &str| {
            let command = format!("a FETCH 1 {items}\r\n");
            let (_, command) = CommandCodec::default().decode(command.as_bytes()).unwrap();
            let CommandBody::Fetch {
                macro_or_item_names,
                ..
            } = command.body
            else {
                panic!("not a FETCH");
            };
            Items::read(&macro_or_item_names, false)
                .unwrap()
                .mark_seen()
        };
        assert!(marks("BODY[]") && marks("RFC822") && marks("(FLAGS RFC822.TEXT)"));
        assert!(!marks("BODY.PEEK[]") && !marks("RFC822.HEADER") && !marks("FULL"));
    }
}
