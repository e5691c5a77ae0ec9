//! Header protection: what is inside counts; what disagrees outside is said; nothing of the
//! subject or the blind recipients is outside.

#![allow(clippy::unwrap_used, reason = "a failure here is the test's")]

use crate::territory;

use liaison_smime::{
    HeaderFinding, HeaderProtection, OpenPolicy, Opener, Recipients, Refusal, SealError,
    SealPolicy, Sealer, SignatureVerdict,
};
use territory::{Authority, DOCTOR, HOME, Kind, Openssl, Person, letter, now, open, seal};

fn scene() -> (Authority, Person, Person) {
    let root = Authority::root();
    let doctor = root.person(DOCTOR, Kind::P256);
    let home = root.person(HOME, Kind::P256);
    (root, doctor, home)
}

fn head(sealed: &[u8]) -> String {
    let text = std::str::from_utf8(sealed).unwrap();
    text.split_once("\r\n\r\n").unwrap().0.to_owned()
}

#[test]
fn only_what_transport_needs_is_outside() {
    let (root, doctor, home) = scene();
    let letter = [
        b"Bcc: cache@cabinet.test\r\nX-Patient: Mme Fictive\r\nReply-To: service@hopital.test\r\n\
          In-Reply-To: <0@ehpad.test>\r\nHP-Outer: Subject: menteur\r\n",
        &letter("secret\r\n")[..],
    ]
    .concat();
    let sealed = seal(&letter, &doctor, &[&home]);
    let head = head(&sealed);
    let names: Vec<&str> = head
        .lines()
        .filter(|line| !line.starts_with(' '))
        .map(|line| line.split(':').next().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "In-Reply-To",
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "MIME-Version",
            "Content-Type",
            "Content-Transfer-Encoding",
            "Content-Disposition"
        ]
    );
    assert!(head.contains("Subject: [...]") && !head.contains("Fictive"));
    assert!(head.contains("smime-type=authEnveloped-data"));
    let mut opened = open(&sealed, &home, &root.trust()).unwrap();
    assert_eq!(opened.headers().findings, []);
    let readable = String::from_utf8(opened.readable().into_vec().unwrap()).unwrap();
    assert!(readable.contains("X-Patient: Mme Fictive\r\n"));
    assert!(readable.contains("Reply-To: service@hopital.test\r\n"));
    assert!(!readable.contains("Bcc") && !readable.contains("menteur"));
    assert_eq!(readable.matches("Content-Type").count(), 1);
    assert!(
        format!("{opened:?}").find("Fictive").is_none(),
        "Debug shows no content"
    );
}

#[test]
fn changes_outside_are_found_and_change_nothing_inside() {
    let (root, doctor, home) = scene();
    let sealed = String::from_utf8(seal(&letter("secret\r\n"), &doctor, &[&home])).unwrap();
    let findings = |message: String| {
        let mut opened = open(message.as_bytes(), &home, &root.trust()).unwrap();
        assert!(matches!(opened.signature(), SignatureVerdict::Valid(_)));
        let readable = String::from_utf8(opened.readable().into_vec().unwrap()).unwrap();
        assert!(readable.contains(&format!("From: Dr Untel <{DOCTOR}>\r\n")));
        assert!(readable.contains("Subject: Sortie de Mme Fictive\r\n"));
        opened.headers().findings.clone()
    };
    assert_eq!(
        findings(sealed.replace("[...]", "Virement")),
        [HeaderFinding::Altered { name: "Subject" }]
    );
    assert_eq!(
        findings(sealed.replace(&format!("To: {HOME}\r\n"), "")),
        [HeaderFinding::Removed { name: "To" }]
    );
    assert_eq!(
        findings(format!("Reply-To: faux@autre.test\r\n{sealed}")),
        [HeaderFinding::Added { name: "Reply-To" }]
    );
    assert_eq!(
        findings(sealed.replace(DOCTOR, "faux@autre.test")),
        [
            HeaderFinding::Altered { name: "From" },
            HeaderFinding::FromDiffers
        ]
    );
    assert_eq!(
        findings(format!("Received: by relais.test\r\n{sealed}")),
        []
    );
    assert_eq!(
        findings(sealed.replace("To: accueil", "To:\r\n accueil")),
        []
    );
}

#[test]
fn without_a_valid_signature_the_outer_from_is_shown() {
    let (root, _, home) = scene();
    let sealed = Sealer::new(SealPolicy::default())
        .seal_to_vec(
            letter("x\r\n"),
            &Recipients::blind(home.certificate.clone()),
            now(),
        )
        .unwrap();
    let sealed = String::from_utf8(sealed)
        .unwrap()
        .replace(DOCTOR, "vrai@relais.test");
    let mut opened = open(sealed.as_bytes(), &home, &root.trust()).unwrap();
    assert_eq!(*opened.signature(), SignatureVerdict::Unsigned);
    let readable = String::from_utf8(opened.readable().into_vec().unwrap()).unwrap();
    assert!(readable.contains("<vrai@relais.test>") && !readable.contains(DOCTOR));
}

#[test]
fn marks_of_protection_on_an_unprotected_message_mean_nothing() {
    let (root, _, home) = scene();
    let plain = String::from_utf8(letter("x\r\n")).unwrap();
    let plain = plain.replace("charset=utf-8", "charset=utf-8; hp=\"cipher\"");
    assert_eq!(
        open(plain.as_bytes(), &home, &root.trust()).err(),
        Some(Refusal::NotEnveloped)
    );
    let mut policy = OpenPolicy::default();
    policy.accept_unencrypted = true;
    let ring = home.ring();
    let trust = root.trust();
    let opened = Opener::new(&policy, &ring, &trust)
        .open(plain.as_bytes(), now())
        .unwrap();
    assert_eq!(opened.headers().protection, HeaderProtection::Absent);
    assert_eq!(opened.layers(), []);
}

#[test]
fn without_header_protection_the_outer_fields_are_kept() {
    let (root, doctor, home) = scene();
    let folder = Openssl::new();
    folder.person("doctor", &doctor);
    folder.person("home", &home);
    folder.write(
        "content",
        b"Subject: dedans\r\nContent-Type: text/html\r\n\r\n<p>x\r\n",
    );
    folder.run("cms -sign -in content -signer doctor.crt -inkey doctor.key -out signed.eml");
    folder.run(&format!(
        "cms -encrypt -aes-256-gcm -in signed.eml -out sealed.eml -from {DOCTOR} -to {HOME} -subject dehors -recip home.crt"
    ));
    let mut opened = open(&folder.read("sealed.eml"), &home, &root.trust()).unwrap();
    assert_eq!(opened.headers().protection, HeaderProtection::Absent);
    let readable = String::from_utf8(opened.readable().into_vec().unwrap()).unwrap();
    assert!(readable.contains("Subject: dehors\r\n") && !readable.contains("dedans"));
    assert!(readable.contains("Content-Type: text/html\r\n"));
    assert!(!readable.contains("pkcs7"));
}

#[test]
fn a_wrapped_message_is_unwrapped_and_a_forwarded_one_is_not() {
    let (root, doctor, home) = scene();
    let wrapped = |from: &str| {
        let inner = String::from_utf8(letter("x\r\n"))
            .unwrap()
            .replace(DOCTOR, from);
        let message = format!(
            "From: {DOCTOR}\r\nTo: {HOME}\r\nSubject: [...]\r\nContent-Type: message/rfc822\r\n\r\n{inner}"
        );
        let folder = Openssl::new();
        folder.person("doctor", &doctor);
        folder.person("home", &home);
        let body = message.split_once("[...]\r\n").unwrap().1;
        folder.write("content", body.as_bytes());
        folder.run("cms -sign -in content -signer doctor.crt -inkey doctor.key -out signed.eml");
        folder.run(&format!(
            "cms -encrypt -aes-256-gcm -in signed.eml -out sealed.eml -from {DOCTOR} -to {HOME} -subject x -recip home.crt"
        ));
        open(&folder.read("sealed.eml"), &home, &root.trust()).unwrap()
    };
    let mut opened = wrapped(DOCTOR);
    assert_eq!(opened.headers().protection, HeaderProtection::Wrapped);
    assert!(
        String::from_utf8(opened.readable().into_vec().unwrap())
            .unwrap()
            .contains("Subject: Sortie")
    );
    let opened = wrapped("patient@autre.test");
    assert_eq!(opened.headers().protection, HeaderProtection::Absent);
    assert!(matches!(opened.signature(), SignatureVerdict::Valid(_)));
}

#[test]
fn a_message_signed_by_its_author_keeps_that_signature_inside() {
    let (root, doctor, home) = scene();
    let folder = Openssl::new();
    folder.person("doctor", &doctor);
    folder.write(
        "content",
        b"Content-Type: text/plain\r\n\r\nsigne par moi\r\n",
    );
    folder.run(&format!(
        "cms -sign -in content -signer doctor.crt -inkey doctor.key -out signed.eml -from {DOCTOR} -to {HOME} -subject Sortie"
    ));
    let sealed = seal(&folder.read("signed.eml"), &doctor, &[&home]);
    let mut opened = open(&sealed, &home, &root.trust()).unwrap();
    assert!(matches!(opened.signature(), SignatureVerdict::Valid(_)));
    folder.write("readable.eml", &opened.readable().into_vec().unwrap());
    folder.authority("root", &root);
    folder.run(&format!(
        "cms -verify -in readable.eml -CAfile root.crt -attime {} -out verified",
        now().unix_timestamp()
    ));
    assert!(folder.read("verified").ends_with(b"signe par moi\r\n"));
}

#[test]
fn a_message_that_cannot_be_sealed_says_why() {
    let (root, doctor, home) = scene();
    let identity = doctor.identity();
    let seal = |message: &str, recipients: &[&Person]| {
        let certificates: Vec<_> = recipients.iter().map(|r| r.certificate.clone()).collect();
        Sealer::new(SealPolicy::default())
            .sign_with(&identity)
            .seal_to_vec(
                message.as_bytes(),
                &Recipients::visible(certificates.clone()),
                now(),
            )
            .err()
    };
    let good = String::from_utf8(letter("x")).unwrap();
    assert_eq!(seal(&good, &[]), Some(SealError::NoRecipients));
    let signs_only = root.person(HOME, Kind::Ed25519);
    assert!(matches!(
        seal(&good, &[&home, &signs_only]),
        Some(SealError::Recipient { index: 1, .. })
    ));
    for bad in [
        "To: a@b.test\r\n\r\nx",
        "From: a@b.test, c@d.test\r\n\r\nx",
        "From: a@b.test\r\nFrom: a@b.test\r\n\r\nx",
        "From: personne\r\n\r\nx",
        "pas un champ\r\n\r\nx",
        "",
    ] {
        assert!(
            matches!(seal(bad, &[&home]), Some(SealError::Malformed(_))),
            "{bad}"
        );
    }
}
