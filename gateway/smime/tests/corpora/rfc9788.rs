//! The messages of RFC 9788, appendix C, of the people of RFC 9216: two of them typed in, beside
//! this file, by section; all of them from the RFC's own text, `rfc/rfc9788.txt` in the folder that
//! `LIAISON_VECTORS` names.
//!
//! Code Components of RFC 9788, Copyright (c) 2025 IETF Trust and the persons identified as its
//! authors, under the Revised BSD License of the Trust Legal Provisions, section 4.e.

use liaison_smime::{HeaderProtection, Layer, OpenPolicy, SignatureVerdict};
use time::macros::datetime;

use super::{at_hand, rfc9216};

/// The text of an RFC, if it is at hand.
fn text(name: &str) -> Option<String> {
    let path = at_hand::folder("rfc")?.join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        at_hand::missing(&format!("rfc/{name} in LIAISON_VECTORS"));
    }
    text
}

/// The messages of appendix C: number of the section, title, octets.
fn messages(text: &str) -> Vec<(String, String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut heading: Option<(String, String)> = None;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("C.")
            && let Some((number, title)) = line.split_once(' ')
        {
            let mut title = title.trim().to_owned();
            while let Some(more) = lines.next_if(|line| !line.trim().is_empty()) {
                title = format!("{title} {}", more.trim());
            }
            heading = Some((number.trim_end_matches('.').to_owned(), title));
        }
        if line.trim() == "Its contents are:"
            && let Some((number, title)) = heading.take()
        {
            lines.next_if(|line| line.trim().is_empty());
            let message = message(&mut lines);
            found.push((number, title, message));
        }
    }
    found
}

/// One message: up to its last boundary, or to the end of its base64.
fn message<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut octets = String::new();
    let mut closing: Option<String> = None;
    let (mut in_header, mut is_base64) = (true, false);
    for line in lines {
        let line = line.strip_prefix("   ").unwrap_or(line.trim_start());
        if in_header {
            if let Some((_, rest)) = line.split_once("boundary=\"") {
                closing = rest.split('"').next().map(|b| format!("--{b}--"));
            }
            is_base64 |= line == "Content-Transfer-Encoding: base64";
            in_header = !line.is_empty();
        } else if line.is_empty() && is_base64 && closing.is_none() {
            break;
        }
        octets.push_str(line);
        // The RFC's text has no space at the end of a line; the line that announces a signature
        // has one (RFC 3676 §4.3), and it was signed.
        octets.push_str(if line == "--" { " \r\n" } else { "\r\n" });
        if closing.as_deref() == Some(line) {
            break;
        }
    }
    octets.into_bytes()
}

/// What a message of appendix C must be found to be, by its title.
fn judge(people: &rfc9216::People, number: &str, title: &str, octets: &[u8]) -> String {
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
    assert_eq!(shown.matches("Subject: smime").count(), 1, "{why}\n{shown}");
    assert!(!shown.contains("HP-Outer"), "{why}");
    shown
}

#[test]
fn the_messages_typed_in_get_their_verdicts() {
    let people = rfc9216::people();
    let wire = |text: &str| text.replace('\n', "\r\n").into_bytes();
    let title = "S/MIME Signed-Only multipart/signed over a Complex Message, Header Protection";
    let signed = wire(include_str!("rfc9788/C.2.4.eml"));
    let shown = judge(&people, "C.2.4", title, &signed);
    assert!(
        shown.contains("<b>smime-multipart-complex-hp</b>"),
        "{shown}"
    );
    let title = "S/MIME Signed-and-Encrypted over a Simple Message, Header Protection with \
                 hcp_baseline (+ Legacy Display)";
    let encrypted = wire(include_str!("rfc9788/C.3.2.eml"));
    let shown = judge(&people, "C.3.2", title, &encrypted);
    assert!(
        shown.contains("\r\n\r\nThis is the\r\nsmime-signed-enc-hp-baseline-legacy\r\n"),
        "{shown}"
    );
}

#[test]
fn the_messages_of_rfc_9788_get_their_verdicts() {
    let Some(text) = text("rfc9788.txt") else {
        return;
    };
    let people = rfc9216::people();
    let mut count = 0;
    for (number, title, octets) in messages(&text) {
        if title.contains("No Cryptographic Protections") {
            continue;
        }
        judge(&people, &number, &title, &octets);
        count += 1;
    }
    assert_eq!(count, 29, "the messages of appendix C that are protected");
}

/// The extraction itself, on a text of the same form.
#[test]
fn messages_are_taken_out_of_an_rfc_text() {
    let text = "C.1.4.  S/MIME Signed-and-Encrypted over a Simple Message, No\n        \
        Header Protection\n\n   It has the structure:\n\n   Its contents are:\n\n   \
        Content-Transfer-Encoding: base64\n   Subject: a\n\n   MIIB\n   AAAA\n\n   \
        It unwraps to:\n\nC.1.7.  Another\n\n   Its contents are:\n\n   \
        Content-Type: multipart/signed; boundary=\"872\"\n   Subject: b\n\n   --872\n\n   x\n   \
        --872--\n\nC.2.  Next\n";
    let found = messages(text);
    assert_eq!(found.len(), 2);
    let (number, title, octets) = &found[0];
    assert_eq!(number, "C.1.4");
    assert!(title.ends_with("Message, No Header Protection"));
    assert_eq!(
        octets,
        b"Content-Transfer-Encoding: base64\r\nSubject: a\r\n\r\nMIIB\r\nAAAA\r\n"
    );
    assert!(found[1].2.ends_with(b"--872\r\n\r\nx\r\n--872--\r\n"));
}
