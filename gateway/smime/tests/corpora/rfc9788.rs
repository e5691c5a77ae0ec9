//! The messages of RFC 9788 (appendix C) and the people of RFC 9216, from the RFCs' own texts:
//! `rfc/rfc9216.txt` and `rfc/rfc9788.txt` in the folder that `LIAISON_VECTORS` names.

use liaison_smime::{
    Certificate, HeaderProtection, Identities, Identity, Layer, OpenPolicy, PrivateKey,
    SignatureVerdict, TrustStore,
};
use time::macros::datetime;

use super::at_hand;

/// The text of an RFC, if it is at hand.
fn text(name: &str) -> Option<String> {
    let path = at_hand::folder("rfc")?.join(name);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        at_hand::missing(&format!("rfc/{name} in LIAISON_VECTORS"));
    }
    text
}

/// The PEM blocks of a label in an RFC's text, whose lines are indented.
fn blocks(text: &str, label: &str) -> Vec<String> {
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line == begin {
            let body = lines.by_ref().take_while(|line| *line != end);
            let body: Vec<&str> = body.filter(|line| !line.is_empty()).collect();
            found.push(format!("{begin}\n{}\n{end}\n", body.join("\n")));
        }
    }
    found
}

struct People {
    ring: Identities,
    trust: TrustStore,
    /// Certificates with a key.
    paired: usize,
    certificates: Vec<Certificate>,
}

/// Everybody of RFC 9216: each key with the certificates that it is of.
fn people(text: &str) -> People {
    let certificates: Vec<Certificate> = blocks(text, "CERTIFICATE")
        .iter()
        .map(|pem| Certificate::from_pem(pem).unwrap())
        .collect();
    let mut people = People {
        ring: Identities::new(),
        trust: TrustStore::new(),
        paired: 0,
        certificates,
    };
    for key in blocks(text, "PRIVATE KEY") {
        for certificate in &people.certificates {
            let key = PrivateKey::from_pkcs8_pem(&key).unwrap();
            if let Ok(identity) = Identity::new(certificate.clone(), Vec::new(), key) {
                people.ring = people.ring.with(identity);
                people.paired += 1;
            }
        }
    }
    for certificate in &people.certificates {
        people.trust = if certificate.subject_der() == certificate.issuer_der() {
            people.trust.with_anchor(certificate.clone())
        } else {
            people.trust.with_intermediate(certificate.clone())
        };
    }
    people
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
        octets.push_str("\r\n");
        if closing.as_deref() == Some(line) {
            break;
        }
    }
    octets.into_bytes()
}

#[test]
fn the_people_of_rfc_9216_are_read_and_trusted() {
    let Some(text) = text("rfc9216.txt") else {
        return;
    };
    let people = people(&text);
    assert!(people.paired >= 8, "{} pairs", people.paired);
    let at = datetime!(2026-06-01 0:00 UTC);
    for certificate in &people.certificates {
        let is_person = !certificate.addresses().is_empty();
        let receives = people.trust.check_recipient(certificate, &[], at);
        // Each person has a certificate that signs and one that receives.
        if receives.is_ok() {
            assert!(is_person, "{certificate:?}");
        }
    }
    let receive = people.certificates.iter();
    let receive = receive.filter(|c| people.trust.check_recipient(c, &[], at).is_ok());
    assert_eq!(receive.count(), 4, "Alice, Bob, Carlos and Dana");
}

#[test]
fn the_messages_of_rfc_9788_get_their_verdicts() {
    let (Some(keys), Some(text)) = (text("rfc9216.txt"), text("rfc9788.txt")) else {
        return;
    };
    let people = people(&keys);
    let mut policy = OpenPolicy::default();
    policy.accept_unencrypted = true;
    let mut count = 0;
    for (number, title, octets) in messages(&text) {
        if title.contains("No Cryptographic Protections") {
            continue;
        }
        let why = format!("{number} {title}");
        let at = datetime!(2021-03-01 0:00 UTC);
        let mut opened = super::open(&policy, &octets, &people.ring, &people.trust, at)
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
        let protection = match &title {
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
