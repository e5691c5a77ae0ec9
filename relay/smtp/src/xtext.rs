//! `xtext`, the escape of RFC 3461 §4: `+` and two upper-case hexadecimal digits.

/// Undoes the escape. `None` when the text holds a character that `xtext` must escape, a broken
/// escape, or escapes something that is not printable ASCII (none of our values may hold it).
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut decoded = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'+' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            b'=' => return None,
            byte => byte,
        };
        if !(byte.is_ascii_graphic() || byte == b' ') {
            return None;
        }
        decoded.push(char::from(byte));
    }
    Some(decoded)
}

/// Escapes `+`, `=` and whatever is not a printable ASCII character other than space.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'+' && byte != b'=' {
            encoded.push(char::from(byte));
        } else {
            encoded.push('+');
            for digit in [byte >> 4, byte & 0xf] {
                encoded.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    encoded
}

fn hex(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_reads_back(text in "[ -~]{0,100}") {
            let encoded = encode(&text);
            prop_assert!(!encoded.contains(['=', ' ']));
            prop_assert_eq!(decode(&encoded), Some(text));
        }
    }

    #[test]
    fn broken_or_hostile_escapes_are_refused() {
        for text in ["+", "+4", "+4G", "+2b", "a=b", "+0D+0A", "+00", "+E9"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
