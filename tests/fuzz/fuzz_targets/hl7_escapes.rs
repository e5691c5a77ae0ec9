//! Escape sequences and character sets: any text that a value gives is written so that it is read
//! again the same. The first octet chooses the character set, the next five the separators.
#![no_main]

use liaison_hl7::er7::escape::{escape, unescape};
use liaison_hl7::er7::{Charset, Separators};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((set, rest)) = bytes.split_first() else {
        return;
    };
    let charset = [Charset::Latin9, Charset::Latin1, Charset::Utf8][usize::from(set % 3)];
    let (named, value) = rest.split_at(rest.len().min(5));
    let separators = Separators::parse(&[b"MSH", named, &named[..named.len().min(1)]].concat())
        .unwrap_or(Separators::RECOMMENDED);
    let (declared, _) = Charset::from_declaration(value);
    assert_eq!(
        Charset::from_declaration(declared.name().as_bytes()).0,
        declared
    );
    let text = unescape(value, &separators, charset).text;
    let mut written = Vec::new();
    escape(&text, &separators, charset, &mut written);
    assert!(written.iter().all(|octet| !octet.is_ascii_control()));
    let again = unescape(&written, &separators, charset);
    assert_eq!((again.text, again.unknown), (text, 0));
});
