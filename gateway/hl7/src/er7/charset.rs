//! Character sets: MSH-18, table HL70211 (PAM-FR 2.11 allows `8859/15` and `UNICODE UTF-8`).

use std::borrow::Cow;

/// How bytes become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// `8859/15`, the French standard.
    Latin9,
    /// `8859/1`, pinned to ISO 8859-1 and not windows-1252.
    Latin1,
    /// `UNICODE UTF-8`.
    Utf8,
}

/// What MSH-18 said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// A set known here.
    Known,
    /// Nothing: 8859/15 is assumed. To be counted and told to the feed's owner.
    Nothing,
    /// A set not known here: 8859/15 is assumed for the header; the content may be wrong.
    Unknown,
}

impl Charset {
    /// Reads the first repetition of MSH-18. `ASCII` is read as 8859/15, which contains it:
    /// feeds that declare it and send accents exist.
    pub fn from_declaration(value: &[u8]) -> (Charset, Declared) {
        let value = value.trim_ascii();
        let is = |name: &str| value.eq_ignore_ascii_case(name.as_bytes());
        if value.is_empty() || value == b"\"\"" {
            (Charset::Latin9, Declared::Nothing)
        } else if is("8859/15") || is("ASCII") {
            (Charset::Latin9, Declared::Known)
        } else if is("8859/1") {
            (Charset::Latin1, Declared::Known)
        } else if is("UNICODE UTF-8") || is("UTF-8") || is("UNICODE") {
            (Charset::Utf8, Declared::Known)
        } else {
            (Charset::Latin9, Declared::Unknown)
        }
    }

    /// The name to write in MSH-18.
    pub fn name(self) -> &'static str {
        match self {
            Charset::Latin9 => "8859/15",
            Charset::Latin1 => "8859/1",
            Charset::Utf8 => "UNICODE UTF-8",
        }
    }

    /// Bytes to text. Bytes that are no UTF-8 where UTF-8 is declared become U+FFFD.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Charset::Utf8 => String::from_utf8_lossy(bytes),
            // Text without accents is the usual case and needs no copy.
            _ if bytes.is_ascii() => String::from_utf8_lossy(bytes),
            Charset::Latin1 => Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect()),
            Charset::Latin9 => Cow::Owned(bytes.iter().map(|&byte| latin9(byte)).collect()),
        }
    }

    /// A character to bytes; `?` where the set does not have it.
    pub fn encode(self, character: char, out: &mut Vec<u8>) {
        match self {
            Charset::Utf8 => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            Charset::Latin1 => out.push(u8::try_from(u32::from(character)).unwrap_or(b'?')),
            Charset::Latin9 => out.push(to_latin9(character)),
        }
    }
}

/// The eight places where ISO 8859-15 differs from ISO 8859-1.
const LATIN9: [(u8, char); 8] = [
    (0xA4, '€'),
    (0xA6, 'Š'),
    (0xA8, 'š'),
    (0xB4, 'Ž'),
    (0xB8, 'ž'),
    (0xBC, 'Œ'),
    (0xBD, 'œ'),
    (0xBE, 'Ÿ'),
];

fn latin9(byte: u8) -> char {
    LATIN9
        .iter()
        .find(|(code, _)| *code == byte)
        .map_or(char::from(byte), |(_, character)| *character)
}

fn to_latin9(character: char) -> u8 {
    if let Some((code, _)) = LATIN9.iter().find(|(_, other)| *other == character) {
        return *code;
    }
    match u8::try_from(u32::from(character)) {
        Ok(byte) if latin9(byte) == character => byte,
        _ => b'?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_msh_18_are_known() {
        for (name, expected) in [
            ("8859/15", (Charset::Latin9, Declared::Known)),
            ("8859/1", (Charset::Latin1, Declared::Known)),
            ("UNICODE UTF-8", (Charset::Utf8, Declared::Known)),
            ("ASCII", (Charset::Latin9, Declared::Known)),
            ("", (Charset::Latin9, Declared::Nothing)),
            ("BIG-5", (Charset::Latin9, Declared::Unknown)),
        ] {
            assert_eq!(
                Charset::from_declaration(name.as_bytes()),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn the_euro_and_the_oe_tell_8859_15_from_8859_1() {
        assert_eq!(
            Charset::Latin9.decode(b"\xA4 c\xBDur \xE9t\xE9"),
            "€ cœur été"
        );
        assert_eq!(Charset::Latin1.decode(b"\xA4 \xE9"), "¤ é");
    }

    #[test]
    fn every_byte_of_a_latin_set_comes_back() {
        for charset in [Charset::Latin9, Charset::Latin1] {
            let all: Vec<u8> = (0..=255).collect();
            let mut back = Vec::new();
            charset
                .decode(&all)
                .chars()
                .for_each(|character| charset.encode(character, &mut back));
            assert_eq!(back, all);
        }
    }

    #[test]
    fn a_character_outside_the_set_becomes_a_question_mark() {
        let mut out = Vec::new();
        "日¤"
            .chars()
            .for_each(|character| Charset::Latin9.encode(character, &mut out));
        assert_eq!(out, b"??");
    }
}
