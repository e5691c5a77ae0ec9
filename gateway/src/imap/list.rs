//! LIST, LSUB and XLIST: reading the command and choosing the folders (RFC 3501 §6.3.8 and §6.3.9,
//! RFC 5258, RFC 5819, RFC 6154).
//!
//! imap-codec reads the basic command only, while Thunderbird and K-9 send the extended one.

use std::collections::BTreeMap;

use super::utf7;
use crate::mailbox::folder::DELIMITER;
use crate::mailbox::{Folder, SpecialUse};

/// Most patterns of one command, and longest pattern.
const MAX_PATTERNS: usize = 20;
const MAX_PATTERN: usize = 1000;

/// Which of the commands it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// LIST
    List,
    /// LSUB: subscribed folders only.
    Lsub,
    /// XLIST, LIST before there was SPECIAL-USE; Outlook 2013 and 2016 send it.
    Xlist,
}

impl Verb {
    /// Reads the verb of a command.
    pub(crate) fn of(verb: &[u8]) -> Option<Self> {
        [Self::List, Self::Lsub, Self::Xlist]
            .into_iter()
            .find(|one| verb.eq_ignore_ascii_case(one.name().as_bytes()))
    }

    /// Its name in responses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::List => "LIST",
            Self::Lsub => "LSUB",
            Self::Xlist => "XLIST",
        }
    }
}

/// A command read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    reference: String,
    patterns: Vec<String>,
    extended: bool,
    only_subscribed: bool,
    only_special: bool,
    show_subscribed: bool,
    /// The items of `RETURN (STATUS (…))`.
    pub(crate) status: Option<Vec<String>>,
}

/// A line of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) attributes: Vec<&'static str>,
    pub(crate) name: String,
    /// Whether the folder is there, and not only a level above others.
    pub(crate) exists: bool,
}

impl Listing {
    /// Reads the arguments, which follow the verb. `None` when they are malformed.
    pub(crate) fn read(arguments: &[u8]) -> Option<Self> {
        let mut words = Words { rest: arguments };
        let mut listing = Self::default();
        if words.peek() == Some(b'(') {
            listing.extended = true;
            for option in words.list(0)? {
                match option.to_ascii_uppercase().as_str() {
                    "SUBSCRIBED" => listing.only_subscribed = true,
                    "SPECIAL-USE" => listing.only_special = true,
                    // No folder is remote, and no child is listed by its parent alone.
                    "REMOTE" | "RECURSIVEMATCH" => {}
                    _ => return None,
                }
            }
            words.space()?;
        }
        listing.reference = utf7::decode(&words.string()?)?;
        words.space()?;
        if words.peek() == Some(b'(') {
            listing.extended = true;
            listing.patterns = words.list(0)?;
        } else {
            listing.patterns = vec![String::from_utf8(words.string()?).ok()?];
        }
        for pattern in &mut listing.patterns {
            *pattern = utf7::decode(pattern.as_bytes())?;
        }
        let fits = |pattern: &String| pattern.len() <= MAX_PATTERN;
        if listing.patterns.len() > MAX_PATTERNS
            || !listing.patterns.iter().all(fits)
            || !fits(&listing.reference)
        {
            return None;
        }
        if words.peek() == Some(b' ') {
            listing.extended = true;
            words.space()?;
            listing.read_return(&mut words)?;
        }
        (words.rest == b"\r\n").then_some(listing)
    }

    /// Whether only the delimiter is asked for (RFC 3501 §6.3.8).
    pub(crate) fn asks_delimiter(&self) -> bool {
        !self.extended && self.patterns.iter().all(String::is_empty)
    }

    /// The lines of the answer.
    pub(crate) fn choose(&self, verb: Verb, folders: &[Folder]) -> Vec<Line> {
        let mut all: BTreeMap<&str, Option<&Folder>> = BTreeMap::new();
        for folder in folders {
            all.insert(&folder.name, Some(folder));
            for (at, _) in folder.name.match_indices(DELIMITER) {
                all.entry(&folder.name[..at]).or_insert(None);
            }
        }
        let order = folders
            .iter()
            .map(|folder| (folder.name.as_str(), Some(folder)))
            .chain(
                all.iter()
                    .filter_map(|(name, folder)| folder.is_none().then_some((*name, None))),
            );
        order
            .filter(|(name, folder)| self.wants(verb, name, *folder))
            .map(|(name, folder)| {
                let below = format!("{name}{DELIMITER}");
                let after = all.range(below.as_str()..).next();
                let has_children = after.is_some_and(|(next, _)| next.starts_with(&below));
                Line {
                    attributes: self.attributes(verb, folder, has_children),
                    name: name.to_owned(),
                    exists: folder.is_some(),
                }
            })
            .collect()
    }

    fn wants(&self, verb: Verb, name: &str, folder: Option<&Folder>) -> bool {
        let subscribed = folder.is_some_and(|folder| folder.subscribed);
        let special = folder
            .and_then(|folder| folder.special_use)
            .and_then(SpecialUse::attribute);
        (subscribed || !(self.only_subscribed || verb == Verb::Lsub))
            && (special.is_some() || !self.only_special)
            && self.patterns.iter().any(|pattern| {
                let pattern = format!("{}{pattern}", self.reference);
                pattern.eq_ignore_ascii_case(name) && name == "INBOX"
                    || matches(pattern.as_bytes(), name.as_bytes())
            })
    }

    fn attributes(
        &self,
        verb: Verb,
        folder: Option<&Folder>,
        has_children: bool,
    ) -> Vec<&'static str> {
        let mut attributes = Vec::new();
        if folder.is_none() {
            attributes.extend(["\\NonExistent", "\\Noselect"]);
        }
        attributes.push(if has_children {
            "\\HasChildren"
        } else {
            "\\HasNoChildren"
        });
        let special = folder.and_then(|folder| folder.special_use);
        if verb == Verb::Xlist && special == Some(SpecialUse::Inbox) {
            attributes.push("\\Inbox");
        }
        attributes.extend(special.and_then(SpecialUse::attribute));
        let shown = self.show_subscribed || self.only_subscribed;
        if shown && folder.is_some_and(|folder| folder.subscribed) {
            attributes.push("\\Subscribed");
        }
        attributes
    }

    fn read_return(&mut self, words: &mut Words<'_>) -> Option<()> {
        if !words.string()?.eq_ignore_ascii_case(b"RETURN") {
            return None;
        }
        words.space()?;
        words.open()?;
        while !words.close() {
            let option = words.atom()?.to_ascii_uppercase();
            match option.as_str() {
                "SUBSCRIBED" => self.show_subscribed = true,
                // Always given.
                "SPECIAL-USE" | "CHILDREN" => {}
                "STATUS" => {
                    words.space()?;
                    self.status = Some(words.list(0)?);
                }
                _ => return None,
            }
            if words.peek() == Some(b' ') {
                words.space()?;
            }
        }
        Some(())
    }
}

/// `*` matches anything, `%` anything but the delimiter. Linear in the product of the lengths.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for octet in pattern {
        match octet {
            b'*' => {
                for at in 1..reached.len() {
                    reached[at] |= reached[at - 1];
                }
            }
            b'%' => {
                for at in 1..reached.len() {
                    reached[at] |= reached[at - 1] && name[at - 1] != DELIMITER as u8;
                }
            }
            octet => {
                for at in (1..reached.len()).rev() {
                    reached[at] = reached[at - 1] && name[at - 1] == *octet;
                }
                reached[0] = false;
            }
        }
    }
    reached[name.len()]
}

struct Words<'a> {
    rest: &'a [u8],
}

impl Words<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn take(&mut self, octet: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[octet])?;
        Some(())
    }

    fn space(&mut self) -> Option<()> {
        self.take(b' ')
    }

    fn open(&mut self) -> Option<()> {
        self.take(b'(')
    }

    fn close(&mut self) -> bool {
        self.take(b')').is_some()
    }

    /// A list of strings; one list inside is read as if it were flat.
    fn list(&mut self, depth: usize) -> Option<Vec<String>> {
        self.open()?;
        let mut list = Vec::new();
        while !self.close() {
            if self.peek() == Some(b'(') && depth == 0 {
                list.extend(self.list(1)?);
            } else {
                list.push(String::from_utf8(self.string()?).ok()?);
            }
            if self.peek() != Some(b')') {
                self.space()?;
            }
        }
        Some(list)
    }

    fn atom(&mut self) -> Option<String> {
        let end = self.rest.iter().position(|b| b" ()\r\n\"{".contains(b))?;
        let (atom, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!atom.is_empty()).then(|| String::from_utf8(atom.to_vec()).ok())?
    }

    /// An atom, a quoted string or a literal, list wildcards included.
    fn string(&mut self) -> Option<Vec<u8>> {
        match self.peek()? {
            b'"' => self.quoted(),
            b'{' => self.literal(),
            _ => self.atom().map(String::into_bytes),
        }
    }

    fn quoted(&mut self) -> Option<Vec<u8>> {
        self.take(b'"')?;
        let mut value = Vec::new();
        loop {
            let (octet, rest) = self.rest.split_first()?;
            self.rest = rest;
            match octet {
                b'"' => return Some(value),
                b'\r' | b'\n' => return None,
                b'\\' => {
                    let (escaped, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    value.push(*escaped);
                }
                octet => value.push(*octet),
            }
        }
    }

    fn literal(&mut self) -> Option<Vec<u8>> {
        let end = self.rest.windows(3).position(|three| three == b"}\r\n")?;
        let digits = self.rest[1..end]
            .strip_suffix(b"+")
            .unwrap_or(&self.rest[1..end]);
        let size: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let value = self.rest.get(end + 3..)?.get(..size)?.to_vec();
        self.rest = &self.rest[end + 3 + size..];
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str, special_use: Option<SpecialUse>) -> Folder {
        Folder {
            validity: 1,
            name: name.to_owned(),
            special_use,
            subscribed: special_use.is_some(),
            uid_next: 1,
            recent_from: 1,
        }
    }

    fn listed(arguments: &str) -> Vec<String> {
        let folders = [
            folder("INBOX", Some(SpecialUse::Inbox)),
            folder("Envoyés", Some(SpecialUse::Sent)),
            folder("A/B/C", None),
            folder("A B", None),
        ];
        let listing = Listing::read(format!("{arguments}\r\n").as_bytes()).unwrap();
        listing
            .choose(Verb::List, &folders)
            .into_iter()
            .map(|line| format!("{} {}", line.attributes.join(" "), line.name))
            .collect()
    }

    #[test]
    fn basic_and_extended_commands_choose_the_right_folders() {
        for (arguments, expected) in [
            ("\"\" inbox", vec!["\\HasNoChildren INBOX"]),
            ("\"\" \"Envoy*\"", vec!["\\HasNoChildren \\Sent Envoyés"]),
            (
                "\"A/\" %",
                vec!["\\NonExistent \\Noselect \\HasChildren A/B"],
            ),
            ("A/B/ {1}\r\n*", vec!["\\HasNoChildren A/B/C"]),
            ("\"\" \"A B\"", vec!["\\HasNoChildren A B"]),
            (
                "(subscribed) \"\" (\"INBOX\" \"Envoy&AOk-s\") return (special-use children)",
                vec![
                    "\\HasNoChildren \\Subscribed INBOX",
                    "\\HasNoChildren \\Sent \\Subscribed Envoyés",
                ],
            ),
            (
                "(SPECIAL-USE) \"\" \"*\"",
                vec!["\\HasNoChildren \\Sent Envoyés"],
            ),
        ] {
            assert_eq!(listed(arguments), expected, "{arguments}");
        }
        assert_eq!(listed("\"\" \"*\"").len(), 6);
        assert_eq!(listed("\"\" \"%\"").len(), 4);
    }

    #[test]
    fn status_items_are_read() {
        let listing =
            Listing::read(b"\"\" % RETURN (STATUS (MESSAGES UNSEEN) SUBSCRIBED)\r\n").unwrap();
        let items = listing.status.unwrap();
        assert_eq!(items, ["MESSAGES", "UNSEEN"]);
    }

    #[test]
    fn malformed_commands_are_refused() {
        for arguments in [
            "\r\n",
            "\"\"\r\n",
            "\"\" \"\r\n",
            "\"\" * x\r\n",
            "(NEW) \"\" *\r\n",
            "\"\" * RETURN (X)\r\n",
            "\"\" * RETURN (\r\n",
            "\"\" {9}\r\n*\r\n",
            "\"\" (* \r\n",
            "\"\" \"&AOk\"\r\n",
        ] {
            assert_eq!(Listing::read(arguments.as_bytes()), None, "{arguments:?}");
        }
    }

    #[test]
    fn many_wildcards_cost_no_time() {
        let pattern = "*a".repeat(500);
        assert!(!matches(pattern.as_bytes(), &[b'b'; 200]));
        assert!(matches(b"*%*", b"a/b"));
        assert!(!matches(b"%", b"a/b"));
    }
}
