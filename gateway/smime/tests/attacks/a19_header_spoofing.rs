//! Attack 19: outer fields changed on the way, protection claimed where there is none, records
//! that lie (RFC 9788).

use liaison_smime::{HeaderFinding, HeaderProtection, SealPolicy, SignatureVerdict};

use crate::forge::{DOCTOR, Stage, cms, mail, readable, seal};

const LETTER: &[u8] = b"From: Dr Untel <dr.untel@hopital.test>\r\nTo: accueil@ehpad.test\r\n\
    Subject: Sortie de Mme Fictive\r\nDate: Mon, 21 Sep 2026 10:00:00 +0200\r\n\
    Message-ID: <1@hopital.test>\r\n\r\nBonjour,\r\n";

fn sealed(stage: &Stage) -> String {
    let certificates = std::slice::from_ref(&stage.home.certificate);
    let signer = stage.doctor.identity();
    let octets = seal(SealPolicy::default(), Some(&signer), LETTER, certificates).unwrap();
    String::from_utf8(octets).unwrap()
}

#[test]
fn outer_fields_are_compared_and_never_shown() {
    let stage = Stage::new();
    let honest = sealed(&stage);
    let opened = stage.open(honest.as_bytes()).unwrap();
    assert_eq!(opened.headers().findings, []);
    assert_eq!(opened.headers().protection, HeaderProtection::Cipher);
    for (from, to, finding) in [
        (
            "Subject: [...]",
            "Subject: URGENT",
            HeaderFinding::Altered { name: "Subject" },
        ),
        (
            "<1@hopital.test>",
            "<2@hopital.test>",
            HeaderFinding::Altered { name: "Message-ID" },
        ),
        (
            "To: accueil@ehpad.test",
            "To: autre@ehpad.test",
            HeaderFinding::Altered { name: "To" },
        ),
        (
            "Subject: [...]\r\n",
            "Subject: [...]\r\nReply-To: attaquant@a.test\r\n",
            HeaderFinding::Added { name: "Reply-To" },
        ),
        (
            "Message-ID: <1@hopital.test>\r\n",
            "",
            HeaderFinding::Removed { name: "Message-ID" },
        ),
    ] {
        let changed = honest.replacen(from, to, 1);
        assert_ne!(changed, honest);
        let opened = stage.open(changed.as_bytes()).unwrap();
        assert!(opened.headers().findings.contains(&finding), "{finding:?}");
        assert!(matches!(opened.signature(), SignatureVerdict::Valid(_)));
        let shown = readable(opened);
        assert!(shown.contains("Subject: Sortie de Mme Fictive\r\n"));
        assert!(!shown.contains("URGENT") && !shown.contains("attaquant"));
        assert!(shown.contains("To: accueil@ehpad.test\r\n"));
    }
    let spoofed = honest.replacen(
        "From: Dr Untel <dr.untel@",
        "From: Direction <direction@",
        1,
    );
    let opened = stage.open(spoofed.as_bytes()).unwrap();
    assert!(
        opened
            .headers()
            .findings
            .contains(&HeaderFinding::FromDiffers)
    );
    assert_eq!(opened.from_address(), Some(DOCTOR));
    assert!(!readable(opened).contains("direction@"));
}

#[test]
fn without_a_signature_the_inner_from_is_nobodys_word() {
    let stage = Stage::new();
    let payload = b"From: direction@hopital.test\r\nSubject: Virement\r\n\
        Content-Type: text/plain; hp=\"cipher\"\r\n\r\nx\r\n";
    let object = cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], payload);
    let opened = stage.open(&mail(&object)).unwrap();
    assert_eq!(opened.signature(), &SignatureVerdict::Unsigned);
    assert!(
        opened
            .headers()
            .findings
            .contains(&HeaderFinding::FromDiffers)
    );
    let shown = readable(opened);
    assert!(shown.contains("From: dr.untel@hopital.test") && !shown.contains("direction@"));
}

#[test]
fn protection_is_the_roots_alone() {
    let stage = Stage::new();
    let by_doctor = |content: &[u8]| {
        let object = cms::honest_signature(&stage.doctor, content, false);
        let entity = cms::multipart_signed(content, &object);
        mail(&cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &entity))
    };
    // hp on a part, or outside everything: no protection.
    let part = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Type: text/plain; hp=\"cipher\"\r\nSubject: faux\r\nFrom: a@b.test\r\n\r\n\
        x\r\n--b--\r\n";
    let opened = stage.open(&by_doctor(part)).unwrap();
    assert_eq!(opened.headers().protection, HeaderProtection::Absent);
    assert!(!readable(opened).starts_with("Subject: faux"));
    let plain = b"From: a@b.test\r\nSubject: faux\r\nHP-Outer: Subject: [...]\r\n\
        Content-Type: text/plain; hp=\"cipher\"\r\n\r\nx\r\n";
    let opened = stage.look(plain).unwrap();
    assert_eq!(opened.headers().protection, HeaderProtection::Absent);
    // An unknown scheme is none.
    let unknown = b"From: dr.untel@hopital.test\r\nSubject: s\r\n\
        Content-Type: text/plain; hp=\"autre\"\r\n\r\nx\r\n";
    let opened = stage.open(&by_doctor(unknown)).unwrap();
    assert_eq!(opened.headers().protection, HeaderProtection::Absent);
}

#[test]
fn records_that_lie_are_found_out_or_harmless() {
    let stage = Stage::new();
    // The sender's own records claim another outside than the one that arrived.
    let payload = b"From: dr.untel@hopital.test\r\nTo: accueil@ehpad.test\r\nSubject: vrai\r\n\
        HP-Outer: From: dr.untel@hopital.test\r\nHP-Outer: Subject: autre\r\n\
        HP-Outer: sans deux-points\r\nHP-Outer: :\r\nHP-Outer:\r\n\
        Content-Type: text/plain; hp=\"cipher\"\r\n\r\nx\r\n";
    let object = cms::honest_signature(&stage.doctor, payload, false);
    let entity = cms::multipart_signed(payload, &object);
    let message = mail(&cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &entity));
    let opened = stage.open(&message).unwrap();
    let findings = &opened.headers().findings;
    assert!(findings.contains(&HeaderFinding::Altered { name: "Subject" }));
    assert!(findings.contains(&HeaderFinding::Added { name: "To" }));
    let shown = readable(opened);
    assert!(shown.contains("Subject: vrai\r\n") && !shown.contains("HP-Outer"));
}

#[test]
fn text_for_older_clients_is_not_shown_twice() {
    let stage = Stage::new();
    // RFC 9788 §5.2.2: the copy of the Subject that stands before the text is for clients
    // without header protection.
    let payload = b"From: dr.untel@hopital.test\r\nSubject: Sortie\r\n\
        Content-Type: text/plain; charset=us-ascii; hp=\"cipher\"; hp-legacy-display=\"1\"\r\n\r\n\
        Subject: Sortie\r\n\r\nBonjour,\r\n";
    let object = cms::honest_signature(&stage.doctor, payload, false);
    let entity = cms::multipart_signed(payload, &object);
    let message = mail(&cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &entity));
    let shown = readable(stage.open(&message).unwrap());
    assert!(shown.ends_with("\r\n\r\nBonjour,\r\n"), "{shown}");
    assert_eq!(shown.matches("Subject: Sortie").count(), 1);
}

/// RFC 9788 appendix E, its two renderings: text and HTML, as its examples have them.
#[test]
fn the_renderings_of_rfc_9788_appendix_e() {
    let stage = Stage::new();
    let payload = |kind: &str, body: &str| {
        format!(
            "Date: Fri, 21 Jan 2022 20:40:48 -0500\r\nFrom: dr.untel@hopital.test\r\n\
             To: accueil@ehpad.test\r\nSubject: Dinner plans\r\n\
             Message-ID: <1@hopital.test>\r\nMIME-Version: 1.0\r\n\
             Content-Type: {kind}; charset=\"us-ascii\"; hp-legacy-display=\"1\";\r\n hp=\"cipher\"\r\n\
             HP-Outer: From: dr.untel@hopital.test\r\nHP-Outer: To: accueil@ehpad.test\r\n\
             HP-Outer: Subject: [...]\r\n\r\n{body}"
        )
    };
    let text = "Let's meet at Rama's Roti Shop at 8pm and go to the park\r\nfrom there.\r\n";
    let plain = payload(
        "text/plain",
        &format!("Subject: Dinner plans\r\n\r\n{text}"),
    );
    let html = payload(
        "text/html",
        &format!(
            "<html><head><title></title></head><body>\r\n\
             <div class=\"header-protection-legacy-display\">\r\n\
             <pre>Subject: Dinner plans</pre>\r\n</div>\r\n<p>\r\n{text}</p>\r\n</body>\r\n</html>\r\n"
        ),
    );
    for (payload, body) in [
        (&plain, text.to_owned()),
        (
            &html,
            format!(
                "<html><head><title></title></head><body>\r\n\r\n<p>\r\n{text}</p>\r\n</body>\r\n\
                 </html>\r\n"
            ),
        ),
    ] {
        let object = cms::honest_signature(&stage.doctor, payload.as_bytes(), true);
        let signed = cms::entity(&object);
        let message = mail(&cms::honest_gcm(&[stage.recipient(&cms::KEY_256)], &signed));
        let shown = readable(stage.open(&message).unwrap());
        let (head, shown) = shown.split_once("\r\n\r\n").unwrap();
        assert_eq!(shown, body);
        assert!(head.contains("Subject: Dinner plans\r\n"), "{head}");
        assert!(!head.contains("hp=") && !head.contains("hp-"), "{head}");
        // Only inside encryption does a sender have a reason for it (RFC 9788 §4.5.3).
        let clear = stage.look(&mail(&object)).unwrap();
        assert!(readable(clear).contains("\r\n\r\nSubject: Dinner plans") || payload == &html);
    }
}
