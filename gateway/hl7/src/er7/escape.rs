//! Escape sequences (HL7 v2.5 §2.7). They do not nest; an unknown one stays as it is.

use std::borrow::Cow;

use super::charset::Charset;
use super::separators::Separators;

/// A value without its escapes.
pub struct Unescaped<'m> {
    /// The text.
    pub text: Cow<'m, str>,
    /// Sequences kept literally because they are not known here (`\Zxx\`, `\Cxxyy\`), or that
    /// do not end.
    pub unknown: usize,
}

/// Decodes escapes, then characters: `\Xhh\` gives bytes of the message's character set.
pub fn unescape<'m>(value: &'m [u8], separators: &Separators, charset: Charset) -> Unescaped<'m> {
    if !value.contains(&separators.escape) {
        return Unescaped {
            text: charset.decode(value),
            unknown: 0,
        };
    }
    let mut out = Vec::with_capacity(value.len());
    let mut unknown = 0;
    let mut rest = value;
    while let Some(start) = rest.iter().position(|&byte| byte == separators.escape) {
        out.extend_from_slice(&rest[..start]);
        let after = &rest[start + 1..];
        let Some(length) = after.iter().position(|&byte| byte == separators.escape) else {
            // A lone escape character is text: "C:\DOC".
            out.extend_from_slice(&rest[start..]);
            unknown += 1;
            rest = &[];
            break;
        };
        if apply(&after[..length], separators, &mut out) {
            rest = &after[length + 1..];
        } else {
            // The closing character may open the next sequence: "C:\DOC\F\".
            unknown += 1;
            out.extend_from_slice(&rest[start..=start + length]);
            rest = &after[length..];
            if !opens_known(rest, separators) {
                out.push(separators.escape);
                rest = &rest[1..];
            }
        }
    }
    out.extend_from_slice(rest);
    Unescaped {
        text: Cow::Owned(charset.decode(&out).into_owned()),
        unknown,
    }
}

/// Writes a text as a value: separators, the escape character and control characters escaped.
pub fn escape(text: &str, separators: &Separators, charset: Charset, out: &mut Vec<u8>) {
    let mut encoded = Vec::with_capacity(4);
    for character in text.chars() {
        encoded.clear();
        charset.encode(character, &mut encoded);
        let name = match encoded.as_slice() {
            [byte] if *byte == separators.field => b'F',
            [byte] if *byte == separators.component => b'S',
            [byte] if *byte == separators.subcomponent => b'T',
            [byte] if *byte == separators.repetition => b'R',
            [byte] if *byte == separators.escape => b'E',
            [byte] if byte.is_ascii_control() => {
                out.push(separators.escape);
                out.extend_from_slice(format!("X{byte:02X}").as_bytes());
                out.push(separators.escape);
                continue;
            }
            bytes => {
                out.extend_from_slice(bytes);
                continue;
            }
        };
        out.extend_from_slice(&[separators.escape, name, separators.escape]);
    }
}

/// Applies the sequence between two escape characters; false if it is not known.
fn apply(name: &[u8], separators: &Separators, out: &mut Vec<u8>) -> bool {
    match name {
        b"F" => out.push(separators.field),
        b"S" => out.push(separators.component),
        b"T" => out.push(separators.subcomponent),
        b"R" => out.push(separators.repetition),
        b"E" => out.push(separators.escape),
        // Highlighting on and off: nothing to show in plain text.
        b"H" | b"N" => {}
        b".br" | b".sp" => out.push(b'\n'),
        [b'X', digits @ ..] if !digits.is_empty() && digits.len() % 2 == 0 => {
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return false;
            }
            out.extend(
                digits
                    .chunks_exact(2)
                    .map(|pair| nibble(pair[0]) << 4 | nibble(pair[1])),
            );
        }
        _ => return false,
    }
    true
}

/// Whether `rest`, which begins with the escape character, begins with a known sequence.
fn opens_known(rest: &[u8], separators: &Separators) -> bool {
    let after = &rest[1..];
    after
        .iter()
        .position(|&byte| byte == separators.escape)
        .is_some_and(|length| apply(&after[..length], separators, &mut Vec::new()))
}

fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &[u8]) -> (String, usize) {
        let got = unescape(value, &Separators::RECOMMENDED, Charset::Latin9);
        (got.text.into_owned(), got.unknown)
    }

    #[test]
    fn the_separators_come_back() {
        assert_eq!(
            read(br"a\F\b\S\c\T\d\R\e\E\f"),
            (r"a|b^c&d~e\f".to_owned(), 0)
        );
        assert_eq!(read(br"one\.br\two\H\x\N\"), ("one\ntwox".to_owned(), 0));
    }

    #[test]
    fn hexadecimal_is_in_the_character_set_of_the_message() {
        assert_eq!(read(br"\XE9\t\XE9\"), ("été".to_owned(), 0));
        let utf8 = unescape(br"\XC3A9\", &Separators::RECOMMENDED, Charset::Utf8);
        assert_eq!(utf8.text, "é");
    }

    #[test]
    fn what_is_unknown_stays_and_is_counted() {
        assert_eq!(
            read(br"\Z1\ \C2842\ \XG0\"),
            (r"\Z1\ \C2842\ \XG0\".to_owned(), 3)
        );
        assert_eq!(read(br"C:\DOC"), (r"C:\DOC".to_owned(), 1));
        assert_eq!(read(br"C:\DOC\F\x"), (r"C:\DOC|x".to_owned(), 1));
        assert_eq!(read(br"\"), ("\\".to_owned(), 1));
        assert_eq!(read(br"\\"), (r"\\".to_owned(), 1));
        assert_eq!(read(b"\xE9\\X"), ("é\\X".to_owned(), 1));
    }

    #[test]
    fn a_segment_separator_in_a_text_is_escaped() {
        let mut out = Vec::new();
        escape(
            "a\rb|c",
            &Separators::RECOMMENDED,
            Charset::Latin9,
            &mut out,
        );
        assert_eq!(out, br"a\X0D\b\F\c");
    }
}
