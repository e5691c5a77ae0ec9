//! curl, which nobody here wrote, composes and submits a letter with an attachment to a colleague
//! of the same site and to another member; both get the attachment octet for octet.

use std::fs;
use std::process::Command;

use liaison_tests::Territory;
use liaison_tests::programs::run;
use liaison_tests::territory::{DOCTOR, EHPAD, NURSE};
use mail_parser::{MessageParser, MimeHeaders as _};

#[test]
fn curl_submits_a_letter_with_an_attachment() {
    let territory = Territory::build();
    let _sites = ["dac", "practice", "ehpad"].map(|member| territory.start_site(member));
    // Larger than what a store keeps beside its rows, and every octet there is.
    let attachment: Vec<u8> = (0..=255).cycle().take(300_001).collect();
    let file = territory.folder().join("ordonnance.pdf");
    fs::write(&file, &attachment).unwrap();

    let account = territory.account(DOCTOR);
    let port = territory.member(&account.member).submissions.unwrap();
    run(
        Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "30", "--cacert"])
            .arg(territory.ca())
            .args(["--url", &format!("smtps://127.0.0.1:{port}/client.test")])
            .args(["--user", &format!("{}:{}", account.user, account.password)])
            .args(["--mail-from", DOCTOR])
            .args(["--mail-rcpt", EHPAD, "--mail-rcpt", NURSE])
            .args(["--header", &format!("From: Claire Garnier <{DOCTOR}>")])
            .args(["--header", &format!("To: {EHPAD}, {NURSE}")])
            .args(["--header", "Subject: Ordonnance"])
            .args([
                "--form",
                "=Voici l'ordonnance modifiée.;type=text/plain; charset=utf-8;encoder=8bit",
            ])
            .args([
                "--form",
                &format!(
                    "file=@{};type=application/pdf;encoder=base64",
                    file.display()
                ),
            ]),
        b"",
    );

    for recipient in [EHPAD, NURSE] {
        let message = territory.imap(recipient).wait_for(1).pop().unwrap();
        let parsed = MessageParser::default().parse(&message).unwrap();
        assert_eq!(parsed.subject(), Some("Ordonnance"));
        let verdict = parsed.header_raw("X-Liaison-Verification").unwrap();
        assert_eq!(verdict.trim(), "verified");
        assert_eq!(
            parsed.body_text(0).unwrap().trim_end(),
            "Voici l'ordonnance modifiée."
        );
        let part = parsed.attachment(0).unwrap();
        assert_eq!(part.attachment_name(), Some("ordonnance.pdf"));
        assert!(part.contents() == attachment, "{recipient}: changed");
        // curl writes neither; mail must have both (RFC 5322 §3.6).
        assert!(parsed.message_id().is_some() && parsed.date().is_some());
    }
}
