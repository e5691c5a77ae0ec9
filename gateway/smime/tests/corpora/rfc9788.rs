//! The 29 messages of RFC 9788, appendix C, that are signed, or signed and encrypted, by the people
//! of RFC 9216: `rfc9788/`, each named after its section, and `titles.txt` with the sections' titles.
//! (C.1.1 and C.1.5 have no cryptographic protection.)
//!
//! They are the RFC's octets, with the line ends of a text file. Typed in from the RFC's text are
//! the header fields, what is signed, the recipients and the initialization vectors; what follows
//! from these was computed with the keys of RFC 9216: the signatures (RSA with PKCS#1 v1.5 gives one
//! value only), and the ciphertext under the content key, which both recipients' keys open. The last
//! line of each base64 block is the RFC's, and so is each size that it states; `openssl` opens each
//! with the key of either recipient, and verifies it. The RFC's text dropped the space after the
//! `--` that announces a signature (RFC 3676 §4.3); the signed octets have it. The messages that the
//! legacy scheme wraps in C.2.5 and C.3.17 were signed with bare line feeds.
//!
//! Code Components of RFC 9788, Copyright (c) 2025 IETF Trust and the persons identified as its
//! authors, under the Revised BSD License of the Trust Legal Provisions, section 4.e.

use std::path::Path;

use liaison_smime::{HeaderProtection, Layer, OpenPolicy, SignatureVerdict};
use time::macros::datetime;

use super::{at_hand, rfc9216};

/// The sections with their titles, one a line, a tab between them.
const TITLES: &str = include_str!("rfc9788/titles.txt");

/// The messages: number of the section, title, octets on the wire.
fn messages() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora/rfc9788");
    let mut files = at_hand::files(&folder, ".eml");
    let messages = TITLES
        .lines()
        .map(|line| {
            let (number, title) = line.split_once('\t').unwrap();
            let name = format!("{number}.eml");
            let at = files.iter().position(|(file, _)| *file == name);
            let (_, text) = files.remove(at.expect(&name));
            let wire = String::from_utf8(text).unwrap().replace('\n', "\r\n");
            (number, title, wire.into_bytes())
        })
        .collect();
    assert!(files.is_empty(), "no title in titles.txt: {files:?}");
    messages
}

/// What a message of appendix C must be found to be, by its title.
fn judge(people: &rfc9216::People, number: &str, title: &str, octets: &[u8]) {
    let mut policy = OpenPolicy::default();
    policy.accept_unencrypted = true;
    let why = format!("{number} {title}");
    let at = datetime!(2021-03-01 0:00 UTC);
    let mut opened = super::open(&policy, octets, &people.ring, &people.trust, at)
        .unwrap_or_else(|refusal| panic!("{why}: {refusal}"));
    assert!(
        matches!(opened.signature(), SignatureVerdict::Valid(_)),
        "{why}: {:?}",
        opened.signature()
    );
    let encrypted = title.contains("Encrypted");
    assert_eq!(
        matches!(opened.layers().first(), Some(Layer::Encrypted { .. })),
        encrypted,
        "{why}"
    );
    let protection = match title {
        t if t.contains("No Header Protection") => HeaderProtection::Absent,
        t if t.contains("Legacy RFC 8551") => HeaderProtection::Wrapped,
        _ if encrypted => HeaderProtection::Cipher,
        _ => HeaderProtection::Clear,
    };
    assert_eq!(opened.headers().protection, protection, "{why}");
    assert!(opened.headers().findings.is_empty(), "{why}");
    let shown = String::from_utf8(opened.readable().into_vec().unwrap()).unwrap();
    judge_shown(&why, title, &shown);
}

/// What is shown has the sender's own header fields once, not those that a policy left outside, nor
/// their copies before the text, and the text that each message has of its subject.
fn judge_shown(why: &str, title: &str, shown: &str) {
    let lines_of = |name: &str| -> Vec<&str> {
        shown
            .lines()
            .filter_map(|line| line.strip_prefix(name))
            .collect()
    };
    assert_eq!(
        lines_of("From: "),
        ["Alice <alice@smime.example>"],
        "{why}\n{shown}"
    );
    assert_eq!(
        lines_of("To: "),
        ["Bob <bob@smime.example>"],
        "{why}\n{shown}"
    );
    let dates = lines_of("Date: ");
    assert_eq!(dates.len(), 1, "{why}\n{shown}");
    assert!(dates[0].ends_with(":02 -0500"), "{why}\n{shown}");
    assert!(!shown.contains("HP-Outer"), "{why}\n{shown}");
    assert!(!shown.contains("hp-legacy-display=\"1\""), "{why}\n{shown}");
    let subjects = lines_of("Subject: ");
    assert_eq!(subjects.len(), 1, "{why}\n{shown}");
    let text = shown.replace("\r\n", "\n");
    let subject = subjects[0];
    assert!(
        text.contains(&format!("\n\nThis is the\n{subject}\nmessage.\n\n")),
        "{why}\n{shown}"
    );
    let html = format!("<p>This is the\n<b>{subject}</b>\nmessage.</p>\n");
    assert_eq!(
        text.contains(&html),
        title.contains("Complex"),
        "{why}\n{shown}"
    );
}

#[test]
fn the_messages_of_rfc_9788_get_their_verdicts() {
    let people = rfc9216::people();
    let messages = messages();
    assert_eq!(messages.len(), 29);
    for (number, title, octets) in messages {
        judge(&people, number, title, &octets);
    }
}
