//! Texts that may be shown: no control characters, no endless length.

use crate::er7::Element;

/// Longest text kept, in characters: more than any name, address line or identifier needs.
const MAX_CHARS: usize = 250;

/// The text of an element on one line; `None` when it is empty, `""` or blank.
///
/// Control characters become spaces: a value ends up in mail headers and on paper, where it must
/// not begin a new line.
pub(crate) fn clean(element: Element<'_>) -> Option<String> {
    if !element.has_value() {
        return None;
    }
    let text = element.text();
    let mut cleaned = String::new();
    for (count, word) in text
        .split(|c: char| c.is_whitespace() || is_hidden(c))
        .filter(|word| !word.is_empty())
        .enumerate()
    {
        if count > 0 {
            cleaned.push(' ');
        }
        cleaned.push_str(word);
    }
    if let Some((at, _)) = cleaned.char_indices().nth(MAX_CHARS) {
        cleaned.truncate(at);
    }
    (!cleaned.is_empty()).then_some(cleaned)
}

/// Controls, and the characters that reorder or hide text around them.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::er7::Message;

    fn cleaned(value: &[u8]) -> Option<String> {
        let mut text = br"MSH|^~\&|".to_vec();
        text.extend_from_slice(value);
        clean(Message::parse(&text).unwrap().msh().field(3))
    }

    #[test]
    fn control_characters_and_blanks_become_one_space() {
        assert_eq!(
            cleaned(b" LE\x0C\x0B FEBVRE\\X0D0A\\X ").as_deref(),
            Some("LE FEBVRE X")
        );
        assert_eq!(cleaned(b"  "), None);
        assert_eq!(cleaned(b"\"\""), None);
    }

    #[test]
    fn an_endless_text_is_cut() {
        assert_eq!(cleaned("A".repeat(200).as_bytes()).unwrap().len(), 200);
        let long = "\\XE9\\".repeat(51);
        assert!(cleaned(long.as_bytes()).is_some_and(|text| text.chars().count() == 51));
    }
}
