//! Names as people type them.
//!
//! - [`fold`]: without capitals, accents, hyphens, apostrophes.
//! - [`words`]: the words of a folded text, particles and titles left out of none.
//! - [`sound`]: a key that French names of one sound share.
//! - [`deletions`]: the texts with one letter less, by which a slip of the finger is found.

/// A text without the capitals and accents of French and its neighbours; what separates words
/// becomes one space: « LEFÈVRE-ESSAI » and « lefevre essai » are equal.
#[must_use]
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_into(text, &mut folded);
    folded
}

/// [`fold`] into a buffer, which is cleared first.
pub(crate) fn fold_into(text: &str, folded: &mut String) {
    folded.clear();
    for letter in text.chars() {
        if letter.is_ascii() {
            push_ascii(letter, folded);
        } else {
            for lower in letter.to_lowercase() {
                push_letter(lower, folded);
            }
        }
    }
    if folded.ends_with(' ') {
        folded.pop();
    }
}

fn push_ascii(letter: char, folded: &mut String) {
    match letter {
        'a'..='z' | '0'..='9' => folded.push(letter),
        'A'..='Z' => folded.push(letter.to_ascii_lowercase()),
        _ if folded.is_empty() || folded.ends_with(' ') => {}
        _ => folded.push(' '),
    }
}

fn push_letter(letter: char, folded: &mut String) {
    let plain = match letter {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' => "a",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ě' | 'ę' => "e",
        'ğ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'ı' => "i",
        'ł' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ő' => "o",
        'ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'ť' | 'ţ' | 'ț' => "t",
        'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' | 'ű' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ž' | 'ż' => "z",
        'œ' => "oe",
        'æ' => "ae",
        'ß' => "ss",
        // Combining accents of decomposed texts.
        '\u{300}'..='\u{36f}' => "",
        other if other.is_alphanumeric() => {
            folded.push(other);
            return;
        }
        _ => {
            if !folded.is_empty() && !folded.ends_with(' ') {
                folded.push(' ');
            }
            return;
        }
    };
    folded.push_str(plain);
}

/// The words of a folded text.
pub fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded.split(' ').filter(|word| !word.is_empty())
}

/// The words of a folded place name; `saint` is written `st` by some and `ste` is `sainte`.
#[must_use]
pub fn place(text: &str) -> String {
    let folded = fold(text);
    let mut shown = String::with_capacity(folded.len());
    for word in words(&folded) {
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(match word {
            "st" => "saint",
            "ste" => "sainte",
            other => other,
        });
    }
    shown
}

/// A key that folded French names of one sound share: `lefebvre`, `lefevre`, `lefaivre`. At most
/// eight letters; empty when nothing can be heard.
#[must_use]
pub fn sound(folded: &str) -> String {
    let letters: Vec<u8> = folded.bytes().filter(u8::is_ascii_lowercase).collect();
    let mut key = Vec::with_capacity(8);
    let mut at = 0;
    while at < letters.len() && key.len() < 8 {
        let rest = letters.get(at..).unwrap_or_default();
        let (heard, taken) = heard(rest, at == 0);
        for sound in heard.bytes() {
            // A doubled sound is one.
            if key.last() != Some(&sound) {
                key.push(sound);
            }
        }
        at += taken;
    }
    // A final mute consonant is not heard.
    while key.len() > 2 && matches!(key.last(), Some(b't' | b'd' | b's' | b'p' | b'e' | b'z')) {
        key.pop();
    }
    String::from_utf8(key).unwrap_or_default()
}

/// What is heard at the start of `rest`, and how many letters that takes.
fn heard(rest: &[u8], first: bool) -> (&'static str, usize) {
    const GROUPS: &[(&[u8], &str)] = &[
        (b"eaux", "o"),
        (b"eau", "o"),
        (b"aux", "o"),
        (b"ault", "o"),
        (b"ebvre", "evr"),
        (b"aivre", "evr"),
        (b"tion", "sion"),
        (b"ille", "i"),
        (b"illi", "i"),
        (b"sch", "c"),
        (b"chr", "kr"),
        (b"ain", "1"),
        (b"ein", "1"),
        (b"aim", "1"),
        (b"au", "o"),
        (b"ou", "u"),
        (b"oi", "oa"),
        (b"ai", "e"),
        (b"ei", "e"),
        (b"ey", "e"),
        (b"ay", "e"),
        (b"eu", "2"),
        (b"oe", "2"),
        (b"an", "3"),
        (b"am", "3"),
        (b"en", "3"),
        (b"em", "3"),
        (b"in", "1"),
        (b"im", "1"),
        (b"yn", "1"),
        (b"ym", "1"),
        (b"on", "4"),
        (b"om", "4"),
        (b"un", "1"),
        (b"um", "1"),
        (b"ph", "f"),
        (b"th", "t"),
        (b"rh", "r"),
        (b"ch", "c"),
        (b"ck", "k"),
        (b"cq", "k"),
        (b"qu", "k"),
        (b"gn", "n"),
        (b"ge", "j"),
        (b"gi", "ji"),
        (b"gy", "ji"),
        (b"ce", "se"),
        (b"ci", "si"),
        (b"cy", "si"),
        (b"gu", "g"),
    ];
    const VOWELS: &[u8] = b"aeiouy";
    for (letters, heard) in GROUPS {
        if rest.starts_with(letters) {
            // A nasal is one only before a consonant or the end, and not when it is doubled.
            let after = rest.get(letters.len()).copied();
            let last = letters.last().copied();
            let nasal = heard.len() == 1 && matches!(heard.as_bytes(), [b'1' | b'3' | b'4']);
            if nasal && (after.is_some_and(|c| VOWELS.contains(&c)) || after == last) {
                continue;
            }
            return (heard, letters.len());
        }
    }
    let letter = rest.first().copied().unwrap_or(b' ');
    let next = rest.get(1).copied();
    let heard = match letter {
        b'h' => "",
        b'y' => "i",
        b'c' | b'q' => "k",
        b'w' => "v",
        b'z' => "s",
        b'x' if next.is_none() => "",
        b'x' => "ks",
        b's' if next.is_none() && !first => "",
        b'e' if next.is_none() => "",
        b'a' => "a",
        b'b' => "b",
        b'd' => "d",
        b'e' => "e",
        b'f' => "f",
        b'g' => "g",
        b'i' => "i",
        b'j' => "j",
        b'k' => "k",
        b'l' => "l",
        b'm' => "m",
        b'n' => "n",
        b'o' => "o",
        b'p' => "p",
        b'r' => "r",
        b's' => "s",
        b't' => "t",
        b'u' => "u",
        b'v' => "v",
        _ => "",
    };
    (heard, 1)
}

/// Calls `each` with the word and with every text that is one letter shorter. Two words one slip
/// apart (a letter more, less, other, or two exchanged) share one of them.
pub(crate) fn deletions(word: &str, mut each: impl FnMut(&str)) {
    each(word);
    let mut shorter = String::with_capacity(word.len());
    let mut previous = None;
    for (index, letter) in word.char_indices() {
        // Taking either of two equal letters away gives one text.
        if previous == Some(letter) {
            continue;
        }
        previous = Some(letter);
        shorter.clear();
        shorter.push_str(word.get(..index).unwrap_or_default());
        shorter.push_str(word.get(index + letter.len_utf8()..).unwrap_or_default());
        if !shorter.is_empty() {
            each(&shorter);
        }
    }
}

/// How many slips lie between two words: 0, 1, 2, or 3 for more (insertions, omissions, other
/// letters, neighbours exchanged).
#[must_use]
pub fn slips(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    if a.len().abs_diff(b.len()) > 2 || a.len() > 64 || b.len() > 64 {
        return 3;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(3);
            let mut best = at(&above, j) + usize::from(x != y);
            best = best.min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            let exchanged = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if exchanged {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = above;
        above = row;
    }
    above.last().copied().unwrap_or(3).min(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn folding_makes_spellings_of_one_name_equal() {
        assert_eq!(fold("LEFÈVRE-ESSAI Hélène"), "lefevre essai helene");
        assert_eq!(fold("Œuvre d’Açaï"), "oeuvre d acai");
        assert_eq!(fold("  Le\u{301}a  -- O'Neil "), "lea o neil");
        assert_eq!(place("St-Dizier"), place("SAINT DIZIER"));
    }

    #[test]
    fn names_of_one_sound_share_a_key() {
        for group in [
            &["lefevre", "lefebvre", "lefaivre"][..],
            &["dupond", "dupont", "dupon"],
            &["renaud", "renault", "reno"],
            &["philippe", "filipe"],
            &["moreau", "moro", "moreaux"],
            &["thibault", "tibo"],
            &["lambert", "lanbert"],
        ] {
            for name in group {
                assert_eq!(sound(name), sound(group[0]), "{name}");
            }
        }
        assert_ne!(sound("martin"), sound("morin"));
        assert_ne!(sound("petit"), sound("perez"));
    }

    #[test]
    fn slips_are_counted() {
        for (a, b, expected) in [
            ("dupont", "dupont", 0),
            ("dupont", "dupnot", 1),
            ("dupont", "dupon", 1),
            ("dupont", "duppont", 1),
            ("dupont", "duront", 1),
            ("lefevre", "lefebvre", 1),
            ("dupont", "dump", 3),
            ("", "abc", 3),
        ] {
            assert_eq!(slips(a, b), expected, "{a} {b}");
            assert_eq!(slips(b, a), expected, "{b} {a}");
        }
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,40}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once.clone());
            prop_assert!(!once.starts_with(' ') && !once.ends_with(' ') && !once.contains("  "));
        }

        #[test]
        fn capitals_do_not_matter(text in "[a-zàâçéèêëîïôöùûüÿñœæ' -]{0,30}") {
            prop_assert_eq!(fold(&text), fold(&text.to_uppercase()));
        }

        #[test]
        fn one_slip_shares_a_shorter_text(word in "[a-e]{2,9}", at in 0_usize..9, letter in "[a-e]", how in 0..4) {
            let mut letters: Vec<char> = word.chars().collect();
            let at = at % letters.len();
            let new = letter.chars().next().unwrap();
            match how {
                0 => { letters.remove(at); }
                1 => letters.insert(at, new),
                2 => letters[at] = new,
                _ => { let next = (at + 1) % letters.len(); if next > at { letters.swap(at, next); } }
            }
            let slipped: String = letters.into_iter().collect();
            prop_assert!(slips(&word, &slipped) <= 1);
            let mut keys = Vec::new();
            deletions(&word, |key| keys.push(key.to_owned()));
            let mut shared = false;
            deletions(&slipped, |key| shared |= keys.iter().any(|known| known == key));
            prop_assert!(shared || slipped.is_empty());
        }

        #[test]
        fn every_text_sounds(text in "[a-z]{0,30}") {
            prop_assert!(sound(&text).len() <= 10);
        }
    }
}
